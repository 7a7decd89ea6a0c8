"""What can be done to a deployment, each in one transaction that locks its row: no reader and no scheduler sees half of it."""

from dataclasses import replace

from app.domain.deployments import Deployment, DeploymentChanges
from app.domain.ids import new_id
from app.domain.unset import UNSET, given
from app.errors import InvalidField


class DeploymentService:
    """Deployments and the runs that come of them."""

    def __init__(self, unit):
        self.unit, self.clock, self.policy = unit, unit.clock, unit.policy
        self.deployments, self.scheduled_runs = unit.deployments, unit.scheduled_run_service

    def upsert(self, changes):
        """Create the deployment, or update the one with the same `flow_id` and `name`. Return its answer, and whether it is new.

        `changes` are `DeploymentChanges` with both. Raise InvalidField for a new deployment without `flow_data`.
        """
        stored = self.deployments.lock_by_name(changes.flow_id, changes.name)
        while stored is None:
            answer = self._insert(changes)
            if answer is not None:
                return answer, True
            # the name was taken since the look-up; if it has been freed since, insert again
            stored = self.deployments.lock_by_name(changes.flow_id, changes.name)
        return self._update(stored, changes), False

    def change(self, id, changes):
        """Make `changes`, `DeploymentChanges` without a flow. Return the answer. Raise NotFound, and Conflict for a name that is taken."""
        stored = self.deployments.lock(id)
        if changes.name not in (UNSET, stored.name):
            self.deployments.rename(id, changes.name)
        return self._update(stored, changes)

    def activate(self, id):
        """Switch the schedule on and make its runs. Raise NotFound."""
        deployment = self.deployments.lock(id)
        if not deployment.is_schedule_active:
            self.deployments.update(id, DeploymentChanges(is_schedule_active=True))
        if deployment.schedule is not None:
            self.scheduled_runs.top_up([deployment])

    def pause(self, id):
        """Switch the schedule off and delete the runs it made that have not been started; others stay. Raise NotFound."""
        deployment = self.deployments.lock(id)
        if deployment.is_schedule_active:
            self.deployments.update(id, DeploymentChanges(is_schedule_active=False), never_due=True)
        self.scheduled_runs.remove(deployment)

    def schedule(self, id, start=None, end=None, max_runs=None):
        """Make the runs in [start, end], at most `max_runs`; the defaults are those of the policy. Return the report of `fill`.

        Raise NotFound.
        """
        start = start or self.clock()
        deployment = self.deployments.lock(id)
        return self.scheduled_runs.fill(deployment, start, end or self.policy.end(start), max_runs or self.policy.max_runs)

    def delete(self, id):
        """Delete the deployment and every run of it in a SCHEDULED state; other runs stay, without a deployment. Raise NotFound."""
        self.deployments.lock(id, for_delete=True)
        self.unit.scheduled_runs.delete(id, auto_scheduled_only=False)
        self.deployments.delete(id)

    def create_flow_run(self, id, run):
        """Create a run of the deployment: `run`, a `NewFlowRun`, over the deployment's parameters, with the tags of both.

        Return its answer, and whether it is new. Raise NotFound, and InvalidField for more tags than a run may have.
        """
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
        deployment = Deployment(id=new_id(), **given(changes))
        answer = self.deployments.insert(deployment)
        if answer is not None and deployment.is_scheduled:
            self.scheduled_runs.top_up([deployment])
        return answer

    def _update(self, stored, changes):
        deployment = stored.with_changes(changes)
        answer = self.deployments.update(stored.id, changes, never_due=not deployment.is_scheduled)
        same = deployment.makes_the_same_runs_as(stored)
        if not same:
            self.scheduled_runs.remove(stored)
        if deployment.is_scheduled:
            # runs stay where they are those that would be made now, so that the ones somebody deleted come back
            self.scheduled_runs.top_up([deployment], skip_existing=same)
        return answer
