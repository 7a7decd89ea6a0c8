"""What can be done to a deployment, each in the one transaction that holds its row: no reader or scheduler sees a half of it."""

from types import SimpleNamespace

from app.domain import bounds
from app.domain.json import same_json
from app.errors import InvalidField
from app.repositories.deployments import Deployments
from app.repositories.flow_runs import FlowRuns
from app.services.runs import RunService, flow_runner_columns
from app.services.scheduling import Scheduling

# What null, and absence on creation, stand for
CLEARED = {"schedule": None, "parameters": {}, "tags": [], "flow_runner_type": None, "flow_runner_config": None}
CREATED = CLEARED | {"is_schedule_active": True}

# Columns that show in a scheduled run, or decide whether there is one
SHAPING = ("schedule", "is_schedule_active", "parameters", "tags", "flow_runner_type", "flow_runner_config")

# What the scheduler notes of a deployment that it need not look at
NOT_SCHEDULED = {"top_up_due": None, "schedule_error": None, "schedule_failures": 0}


class DeploymentService:
    """Deployments and the runs that come of them."""

    def __init__(self, session, clock, policy):
        self.clock = clock
        self.policy = policy
        self.deployments = Deployments(session, clock)
        self.flow_runs = FlowRuns(session, clock)
        self.runs = RunService(session, clock)
        self.scheduling = Scheduling(session, clock, policy)

    def upsert(self, fields):
        """Create the deployment, or update the one with the same `flow_id` and `name`. Returns its document, and whether it is new.

        `fields` holds what the request holds, its schedule validated: on an update an absent field keeps its value and null clears it.
        Raises InvalidField for a new deployment without `flow_data`.
        """
        values = {name: CLEARED.get(name) if value is None else value for name, value in flow_runner_columns(fields).items()}
        identity = {"flow_id": values["flow_id"], "name": values["name"]}
        row = self.deployments.lock(**identity)
        while row is None:
            document = self._insert(values)
            if document is not None:
                return document, True
            # the name was taken since the look-up; if it has been freed since, insert again
            row = self.deployments.lock(**identity)
        return self._update(row, values), False

    def activate(self, id):
        """Switch the schedule on and make its runs. Raises NotFound."""
        row = self.deployments.require_lock(id)
        if not row.is_schedule_active:
            self.deployments.update(id, {"is_schedule_active": True})
        if row.schedule is not None:
            self.scheduling.top_up([row])

    def pause(self, id):
        """Switch the schedule off and delete the runs it made that have not been started; others stay. Raises NotFound."""
        row = self.deployments.require_lock(id)
        if row.is_schedule_active:
            self.deployments.update(id, {"is_schedule_active": False} | NOT_SCHEDULED)
        self.scheduling.remove(row)

    def schedule(self, id, start=None, end=None, max_runs=None):
        """Make the runs in [start, end], at most `max_runs`; the defaults are those of the policy. Returns a report (`Scheduling.fill`).

        Raises NotFound.
        """
        start = start or self.clock()
        row = self.deployments.require_lock(id)
        return self.scheduling.fill(row, start, end or self.policy.end(start), max_runs or self.policy.max_runs)

    def delete(self, id):
        """Delete the deployment and every run of it in a SCHEDULED state; other runs stay, without a deployment. Raises NotFound."""
        self.deployments.require_lock(id, for_delete=True)
        self.flow_runs.delete_scheduled(id, auto_scheduled_only=False)
        self.deployments.delete(id)

    def create_flow_run(self, id, fields):
        """A run of the deployment, now: its parameters overlaid with the request's, the tags of both.

        Returns its document, and whether it is new. Raises NotFound, and InvalidField for more tags than a run may have.
        """
        row = self.deployments.require_for_run(id)
        runner = fields.get("flow_runner")
        if runner is None:
            runner = {"type": row.flow_runner_type, "config": row.flow_runner_config}
        merged = {
            "flow_id": row.flow_id,
            "deployment_id": row.id,
            "parameters": {**row.parameters, **(fields.get("parameters") or {})},
            "tags": list(dict.fromkeys([*row.tags, *(fields.get("tags") or ())])),
            "flow_runner": runner,
        }
        if len(merged["tags"]) > (most := bounds.in_force().tags):
            raise InvalidField("tags", f"At most {most} are allowed; with those of the deployment these are {len(merged['tags'])}.")
        return self.runs.create_flow_run(fields | merged)

    def _insert(self, values):
        if values.get("flow_data") is None:
            raise InvalidField("flow_data", "A new deployment needs it.", kind="missing")
        values = CREATED | values
        document = self.deployments.insert(values)
        if document is not None and _is_scheduled(values):
            self.scheduling.top_up([SimpleNamespace(**values, id=document["id"], schedule_failures=0)])
        return document

    def _update(self, row, values):
        changes = {name: value for name, value in values.items() if name not in ("flow_id", "name")}
        changed = any(not same_json(changes[name], getattr(row, name)) for name in SHAPING if name in changes)
        after = {**row._mapping, **changes, "schedule_failures": 0}
        scheduled = _is_scheduled(after)
        document = self.deployments.update(row.id, changes if scheduled else changes | NOT_SCHEDULED)
        if changed:
            self.scheduling.remove(row)
        if scheduled:
            # runs stay where they are those that would be made now, so that the ones somebody deleted come back
            self.scheduling.top_up([SimpleNamespace(**after)], looking=not changed)
        return document


def _is_scheduled(values):
    return values["is_schedule_active"] and values["schedule"] is not None
