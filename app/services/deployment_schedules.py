"""What can be done to the schedules of a deployment, each in one transaction that locks the deployment's row."""

from dataclasses import replace

from app.domain import schedules
from app.domain.audit import differences
from app.domain.deployment_schedules import (
    MAX_SCHEDULES,
    SHAPE,
    DeploymentSchedule,
    RunTemplate,
    UnreadableSchedule,
    changed_members,
    changed_schedule,
    schedule_key,
)
from app.domain.ids import new_id
from app.errors import InvalidField, NotFound
from app.repositories.deployment_schedules import KIND


class DeploymentScheduleService:
    """The schedules of deployments."""

    def __init__(self, unit):
        self.unit, self.clock = unit, unit.clock
        self.schedules, self.scheduled_runs = unit.deployment_schedules, unit.scheduled_run_service

    def list(self, deployment_id):
        """Return the answers for all schedules of a deployment, in order of slug. Raise NotFound."""
        self.unit.deployments.require_for_run(deployment_id)
        return self.schedules.answers(deployment_id)

    def read(self, deployment_id, slug):
        """Return the answer for a schedule. Raise NotFound."""
        self.unit.deployments.require_for_run(deployment_id)
        return self.schedules.answer(deployment_id, slug)

    def put(self, deployment_id, slug, changes):
        """Create a schedule, or replace the one with the same slug. Return its answer, and whether it is new.

        Raise NotFound for the deployment, InvalidMember for a schedule that cannot be used.
        """
        deployment = self.unit.deployments.lock(deployment_id)
        before = {schedule.slug: schedule for schedule in self.schedules.of(deployment_id)}
        if slug not in before and len(before) >= MAX_SCHEDULES:
            raise InvalidField("slug", f"A deployment has at most {MAX_SCHEDULES} schedules.")
        wanted = self._replaced(deployment_id, slug, before.get(slug), changes)
        self._change(deployment, before.get(slug), wanted)
        return self.schedules.answer(deployment_id, slug), slug not in before

    def change(self, deployment_id, slug, changes):
        """Change what `ScheduleChanges` name of a schedule. Return its answer. Raise NotFound, InvalidMember."""
        deployment, stored = self._lock(deployment_id, slug)
        members = changed_members(stored.members, changes)
        # what is stored is not looked at again: a date that a bound has passed is no reason to refuse a change of the parameters
        schedule = stored.schedule if members == stored.members else self._valid(members, stored.key)
        self._change(deployment, stored, changed_schedule(stored, changes, schedule))
        return self.schedules.answer(deployment_id, slug)

    def delete(self, deployment_id, slug):
        """Delete a schedule, with the runs that it made ahead of time and that never started. Raise NotFound."""
        deployment, stored = self._lock(deployment_id, slug)
        self.scheduled_runs.remove(deployment_id, slug)
        self.schedules.delete([stored.id])
        self._note(deployment, stored, None)

    def all_of(self, deployment_id, before, wanted):
        """Return the `DeploymentSchedule`s of `wanted`, `ScheduleChanges` by slug, that take the place of those of `before`.

        Raise InvalidMember, whose path begins with `schedules` and the place in `wanted`.
        """
        found = {}
        for place, (slug, changes) in enumerate(wanted.items()):
            try:
                found[slug] = self._replaced(deployment_id, slug, before.get(slug), changes)
            except schedules.InvalidMember as error:
                raise schedules.InvalidMember(("schedules", place, *error.loc), error.reason) from error
        return found

    def write(self, deployment, changed):
        """Write new and changed schedules of a locked deployment, a list, with the runs that they are to have."""
        if not changed:
            return
        templates = [RunTemplate(deployment, schedule) for schedule in changed]

        def record(top_ups):
            results = {top_up.schedule_id: top_up for top_up in top_ups}
            self.schedules.write([_with_result(schedule, results.get(schedule.id)) for schedule in changed])

        self.scheduled_runs.top_up([template for template in templates if template.is_active], record=record)

    def _lock(self, deployment_id, slug):
        deployment = self.unit.deployments.lock(deployment_id)
        for schedule in self.schedules.of(deployment_id):
            if schedule.slug == slug:
                return deployment, schedule
        raise NotFound(KIND)

    def _replaced(self, deployment_id, slug, stored, changes):
        members = changed_members(SHAPE, changes)
        key = schedule_key(deployment_id, slug)
        # one that is set again as it is stays, though its last date may have passed
        if stored is not None and members == stored.members and not isinstance(stored.schedule, UnreadableSchedule):
            schedule = stored.schedule
        else:
            schedule = self._valid(members, key)
            members = schedules.shape_members(schedule)
        id = new_id() if stored is None else stored.id
        new = DeploymentSchedule(id=id, deployment_id=deployment_id, slug=slug, members=members, schedule=schedule)
        return changed_schedule(new, changes, schedule)

    def _change(self, deployment, stored, wanted):
        if stored is not None and wanted.makes_the_same_runs_as(stored):
            return
        if stored is not None:
            self.scheduled_runs.remove(deployment.id, stored.slug)
        self.write(deployment, [wanted])
        self._note(deployment, stored, wanted)

    def _note(self, deployment, stored, wanted):
        one = wanted or stored
        changes = differences(stored and stored.shown, wanted and wanted.shown)
        self.unit.trail.note(one.id, f"{deployment.name}/{one.slug}", changes, action="create" if stored is None else None)

    def _valid(self, members, key):
        return schedules.validate_shape(members, key, self.clock(), self.unit.bounds.min_interval_seconds)


def preview(changes, bounds, now, start=None, end=None, limit=10, explain=False):
    """Return the first dates in [start, end] of a schedule that is not stored, each with what is to be known of it.

    `changes` are `ScheduleChanges`. The start is `now` unless it is given. Raise InvalidMember.
    """
    members = changed_members(SHAPE, changes)
    schedule = schedules.validate_shape(members, None, now, bounds.min_interval_seconds)
    return schedules.preview(schedule, start or now, end or schedules.LATEST, limit, explain)


def _with_result(schedule, top_up):
    """Return the schedule with the result of its top-up; without one it is never due."""
    if top_up is not None:
        return schedule.topped_up(top_up)
    return replace(schedule, top_up_due=None, schedule_error=None, schedule_failures=0)
