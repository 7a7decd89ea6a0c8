"""What can be done to a deployment, each in one transaction that locks its row: no reader and no scheduler sees half of it."""

from dataclasses import replace

from app.domain.audit import differences, members, recorded
from app.domain.deployment_schedules import DEFAULT, RunTemplate, plain_schedule
from app.domain.deployments import Deployment, own_changes
from app.domain.ids import new_id
from app.domain.unset import UNSET
from app.errors import InvalidField
from app.services.scheduled_runs import batched, nothing_due

# Deployments whose runs are made in the transaction that switches them on: some two seconds for a hundred runs each
FILLED_AT_ONCE = 200


class DeploymentService:
    """Deployments and the runs that come of them."""

    def __init__(self, unit):
        self.unit, self.clock, self.policy = unit, unit.clock, unit.policy
        self.deployments, self.schedules, self.scheduled_runs = unit.deployments, unit.deployment_schedules, unit.scheduled_run_service

    def upsert(self, changes):
        """Create the deployment, or update the one with the same `flow_id` and `name`. Return its answer, and whether it is new.

        `changes` are `DeploymentChanges` with both. Raise InvalidField for a new deployment without `flow_data`.
        """
        # the flow data may be long, and nothing but the audit trail asks for what it was
        whole, fence = self.unit.trail.is_on, self.unit.fence
        stored = self.deployments.lock_by_name(changes.flow_id, changes.name, whole=whole)
        while stored is None:
            answer = self._insert(fence.made(changes) if fence else changes)
            if answer is not None:
                return answer, True
            # the name was taken since the look-up; if it has been freed since, insert again
            stored = self.deployments.lock_by_name(changes.flow_id, changes.name, whole=whole)
        if fence:
            fence.admit(stored)
            changes = fence.changed(changes)
        return self._update(stored, changes), False

    def change(self, id, changes):
        """Make `changes`, `DeploymentChanges` without a flow. Return the answer. Raise NotFound, and Conflict for a name that is taken."""
        stored = self.deployments.lock(id, whole=self.unit.trail.is_on)
        if changes.name not in (UNSET, stored.name):
            self.deployments.rename(id, changes.name)
        return self._update(stored, changes)

    def activate(self, id):
        """Switch the schedules on and make their runs. Raise NotFound."""
        self._activate([self.deployments.lock(id)])

    def pause(self, id, note=UNSET, until=UNSET):
        """Switch the schedules off, and delete the runs that they made ahead of time and that never started. Raise NotFound.

        `note` says why. At `until`, if it is given, the scheduler switches them on again. UNSET leaves those of an earlier pause.
        Raise InvalidField for an `until` that has passed.
        """
        self._check_until(until)
        self._pause([self.deployments.lock(id)], note, until)

    def pause_all(self, filters, note=UNSET, until=UNSET):
        """Do what `pause` does for the deployments that meet `filters`. Return how many were changed by it."""
        self._check_until(until)
        return self._noted(filters, self._pause(self.deployments.lock_found(filters), note, until))

    def resume_all(self, filters):
        """Do what `activate` does for the deployments that meet `filters` and are paused. Return how many there were."""
        paused = [deployment for deployment in self.deployments.lock_found(filters) if not deployment.is_schedule_active]
        self._activate(paused)
        return self._noted(filters, len(paused))

    def _noted(self, filters, number):
        if number:
            self.unit.trail.note(None, None, filter=recorded(filters), changed=number)
        return number

    def end_pauses(self, limit):
        """Activate up to `limit` deployments whose pause has reached its end. Return how many there were."""
        ended = self.deployments.lock_pause_ended(limit)
        self._activate(ended)
        return len(ended)

    def _activate(self, deployments):
        """Switch locked deployments on, and make the runs of their schedules: those of the first few here, the others' in the scheduler."""
        resumed = [deployment.resumed() for deployment in deployments]
        self.deployments.set_activities([new for new, old in zip(resumed, deployments, strict=True) if new != old])
        by_id = {deployment.id: deployment for deployment in resumed}
        here, later = list(by_id)[:FILLED_AT_ONCE], list(by_id)[FILLED_AT_ONCE:]
        for ids in batched(later):
            self.schedules.due_at(ids, self.clock())
        for ids in batched(here):
            active = [RunTemplate(by_id[schedule.deployment_id], schedule) for schedule in self.schedules.active_of(ids)]
            if active:
                self.scheduled_runs.top_up(active)

    def _pause(self, deployments, note, until):
        """Switch locked deployments off. Return how many of them were changed."""
        now = self.clock()
        paused = [(deployment.paused(now, note, until), deployment) for deployment in deployments]
        changed = [new for new, old in paused if new != old]
        self.deployments.set_activities(changed)
        for ids in batched([deployment.id for deployment in deployments if deployment.is_schedule_active]):
            self.schedules.never_due(ids)
        self.scheduled_runs.remove_all([deployment.id for deployment in deployments])
        return len(changed)

    def _check_until(self, until):
        if until is not UNSET and until is not None and until <= self.clock():
            raise InvalidField("until", "Has passed; give a later instant, or null.")

    def change_start_policy(self, id, changes):
        """Make `StartPolicyChanges`. Return the `StartPolicy`. Raise NotFound. Runs that have started already go on."""
        deployment = self.deployments.lock(id)
        policy = changes.applied_to(deployment.start_policy)
        same = policy.pause_after_failures == deployment.pause_after_failures
        self.deployments.set_start_policy(id, policy, deployment.failures_in_a_row if same else 0)
        return policy

    def pause_after_failures(self, id, note):
        """Pause a locked deployment because its runs fail, unless it is paused already."""
        deployment = self.deployments.lock(id)
        if deployment.is_schedule_active:
            self._pause([deployment], note, None)

    def schedule(self, id, start=None, end=None, max_runs=None):
        """Make the runs of the default schedule in [start, end], at most `max_runs`; the defaults are those of the policy.

        Return the report of `fill`. Raise NotFound.
        """
        start = start or self.clock()
        deployment = self.deployments.lock(id)
        default = next((schedule for schedule in self.schedules.of(id) if schedule.slug == DEFAULT), None)
        if default is None:
            return nothing_due("The deployment has no schedule.")
        template = RunTemplate(deployment, default)
        end = end or self.policy.end(start)
        report = self.scheduled_runs.fill(template, start, end, max_runs or self.policy.of(default).max_runs)
        if report["created"]:
            self.unit.trail.note(id, deployment.name, start=recorded(start), end=recorded(end), created=report["created"])
        return report

    def delete(self, id):
        """Delete the deployment and every run of it in a SCHEDULED state; other runs stay, without a deployment. Raise NotFound."""
        self.deployments.lock(id, for_delete=True)
        self.unit.scheduled_runs.delete(id)
        self.deployments.delete(id)

    def create_flow_run(self, id, run):
        """Create a run of the deployment: `run`, a `NewFlowRun`, over the deployment's parameters, with the tags of both.

        Return its answer, and whether it is new. Raise NotFound, and InvalidField for more tags than a run may have.
        """
        document = self.unit.run_service.create_of_deployment(id, run, self.unit.bounds.tags)
        if document is not None:
            return document, True
        deployment = self.deployments.require_for_run(id)
        tags = list(dict.fromkeys([*deployment.tags, *run.tags]))
        if len(tags) > (most := self.unit.bounds.tags):
            raise InvalidField("tags", f"At most {most} are allowed; with those of the deployment these are {len(tags)}.")
        run = replace(
            run,
            flow_id=deployment.flow_id,
            deployment_id=deployment.id,
            parameters={**deployment.parameters, **run.parameters},
            tags=tags,
        )
        if run.flow_runner_type is UNSET and run.flow_runner_config is UNSET:
            run = replace(run, flow_runner_type=deployment.flow_runner_type, flow_runner_config=deployment.flow_runner_config)
        return self.unit.run_service.create_flow_run(run)

    def _insert(self, changes):
        if not changes.flow_data:
            raise InvalidField("flow_data", "A new deployment needs it.", kind="missing")
        deployment = Deployment(id=new_id(), **own_changes(changes))
        if not deployment.is_schedule_active:
            deployment = deployment.paused(self.clock())
        wanted = self._wanted(deployment.id, {}, changes)
        answer = self.deployments.insert(deployment, _shown(wanted))
        if answer is not None:
            self.unit.deployment_schedule_service.write(deployment, list(wanted.values()))
            self._note(None, {}, deployment, wanted)
        return answer

    def _update(self, stored, changes):
        deployment = stored.with_changes(changes, self.clock())
        before = {schedule.slug: schedule for schedule in self.schedules.of(stored.id)}
        wanted = self._wanted(stored.id, before, changes)
        answer = self.deployments.update(deployment, changes, _shown(wanted))
        same = deployment.makes_the_same_runs_as(stored)
        kept, written = [], []
        for slug, schedule in wanted.items():
            is_equal = slug in before and schedule.makes_the_same_runs_as(before[slug])
            (kept if is_equal else written).append(schedule)
        gone = [schedule for slug, schedule in before.items() if slug not in wanted]
        changed = [schedule for schedule in written if schedule.slug in before]
        if not same:
            self.scheduled_runs.remove(stored.id)
        else:
            for schedule in (*gone, *changed):
                self.scheduled_runs.remove(stored.id, schedule.slug)
        self.schedules.delete([schedule.id for schedule in gone])
        self.unit.deployment_schedule_service.write(deployment, written)
        if not deployment.is_schedule_active:
            if stored.is_schedule_active:
                self.schedules.never_due([stored.id])
        elif kept:
            templates = [RunTemplate(deployment, replace(schedule, schedule_failures=0)) for schedule in kept if schedule.is_active]
            # runs stay where they are those that would be made now, so that the ones somebody deleted come back
            self.scheduled_runs.top_up(templates, skip_existing=same)
        self._note(stored, before, deployment, wanted)
        return answer

    def _note(self, stored, before, deployment, wanted):
        """Note how a deployment and its schedules differ from what was stored, for the audit trail."""
        if not self.unit.trail.is_on:
            return
        changes = differences(stored and _members(stored, before), _members(deployment, wanted))
        if changes:
            self.unit.trail.note(deployment.id, deployment.name, changes, action="create" if stored is None else "update")

    def _wanted(self, deployment_id, before, changes):
        """Return the schedules that the deployment is to have, by slug, where it has those of `before`."""
        if changes.schedules is not UNSET:
            return self.unit.deployment_schedule_service.all_of(deployment_id, before, changes.schedules)
        if changes.schedule is UNSET:
            return before
        others = {slug: schedule for slug, schedule in before.items() if slug != DEFAULT}
        if changes.schedule is None:
            return others
        if DEFAULT not in before:
            return others | {DEFAULT: plain_schedule(deployment_id, DEFAULT, changes.schedule)}
        return others | {DEFAULT: before[DEFAULT].with_plain(changes.schedule)}


def _shown(schedules):
    """Return what a deployment's answer shows as its schedule."""
    return schedules[DEFAULT].members["schedule"] if DEFAULT in schedules else None


def _members(deployment, schedules):
    """Return what a client sets of a deployment and its schedules, by name."""
    return members(deployment, "id", "failures_in_a_row") | {f"schedules.{slug}": schedule.shown for slug, schedule in schedules.items()}
