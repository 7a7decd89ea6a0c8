"""Flow runs: those that clients make, and those that schedules make in bulk."""

from functools import cache

from sqlalchemy import Text, Uuid, bindparam, delete, literal, select, true
from sqlalchemy import insert as plain_insert

from app.db.dialects import Json, UtcDateTime, insert, rows_from, rows_text, writes_in_with
from app.db.models import FlowRun, FlowRunState, TaskRun
from app.domain.states import NO_DETAILS, StateType
from app.repositories.base import built_once
from app.repositories.runs import Runs, run_sorts

FLOW_RUN = FlowRun.__table__
FLOW_RUN_STATE = FlowRunState.__table__
TASK_RUN = TaskRun.__table__


class FlowRuns(Runs):
    """Runs of flows, unique by flow and idempotency key where they have one."""

    table = FLOW_RUN
    state_table = FLOW_RUN_STATE
    entity = "flow_runs"
    kind = "Flow run"
    sorts = run_sorts(FLOW_RUN)
    unique = ("flow_id", "idempotency_key")

    def _with_state(self, document, state, now):
        document = super()._with_state(document, state, now)
        document["flow_runner"] = {"type": document.pop("flow_runner_type"), "config": document.pop("flow_runner_config")}
        return document

    def subflows(self, id):
        """The SELECT that locks the flow runs that its task runs stand for."""
        return subflows_of(FLOW_RUN.c.parent_task_run_id.in_(select(TASK_RUN.c.id).where(TASK_RUN.c.flow_run_id == id)))

    def state_references(self, document):
        """The run, and for a subflow the task run that stands for it in its parent."""
        parent = document["parent_task_run_id"]
        return {"flow_run_id": str(document["id"])} | ({"task_run_id": str(parent)} if parent else {})

    def delete_scheduled(self, deployment_id, auto_scheduled_only):
        """Delete a deployment's runs in a SCHEDULED state: all of them, or those its schedule made. Returns how many."""
        conditions = [FLOW_RUN.c.deployment_id == deployment_id, FLOW_RUN.c.state_type == StateType.SCHEDULED]
        if auto_scheduled_only:
            conditions.append(FLOW_RUN.c.auto_scheduled)
        return self.session.execute(delete(FLOW_RUN).where(*conditions)).rowcount

    def insert_scheduled(self, deployments, runs):
        """Make the runs of schedules; those that exist already stay as they are. Returns how many were made.

        `deployments` are mappings of id, flow_id, parameters, tags, flow_runner_type and flow_runner_config; `runs` are mappings of id,
        state_id, deployment_id, name, key and instant. Both may be long: each is one parameter of a statement.
        """
        now = self.clock()
        # two batches that insert the same keys in opposite orders would wait for each other for ever
        runs = sorted(runs, key=lambda run: run["key"])
        for run in runs:
            run["details"] = NO_DETAILS | {"scheduled_time": run["instant"].isoformat()}
        values = {"runs": rows_text(self.session, runs), "owners": rows_text(self.session, deployments), "now": now}
        runs_of_schedules, first_states = _scheduled_runs(self.session)
        created = self.session.execute(runs_of_schedules, values).rowcount
        if created and first_states is not None:
            self.session.execute(first_states, values)
        return created

    def scheduled_instants(self, deployment_id, start, end):
        """The instants in [start, end] for which the deployment's schedule has made a run, in whatever state it is now."""
        return set(self.session.scalars(_instants(), {"deployment": deployment_id, "start": start, "end": end}))


@cache
def _instants():
    conditions = (FLOW_RUN.c.deployment_id == bindparam("deployment"), FLOW_RUN.c.auto_scheduled)
    window = FLOW_RUN.c.expected_start_time.between(bindparam("start"), bindparam("end"))
    return select(FLOW_RUN.c.expected_start_time).where(*conditions, window)


def subflows_of(*conditions):
    """The SELECT that locks the flow runs that meet `conditions`, in the order in which everybody locks several."""
    return select(FLOW_RUN.c.id).where(*conditions).order_by(FLOW_RUN.c.id).with_for_update(key_share=True)


@built_once
def _scheduled_runs(session):
    """The statements that write runs of schedules and their first states; the latter is None where one statement does both.

    Their parameters are `runs` and `owners`, as `rows_text`, and `now`.
    """
    kinds = {"id": Uuid, "state_id": Uuid, "deployment_id": Uuid, "name": Text, "key": Text, "instant": UtcDateTime, "details": Json}
    given = rows_from(session, bindparam("runs", type_=Text), **kinds)
    in_one = writes_in_with(session)
    if in_one:
        given = select(given).cte("run")
    kinds = {"id": Uuid, "flow_id": Uuid, "parameters": Json, "tags": Json, "flow_runner_type": Text, "flow_runner_config": Json}
    owner = rows_from(session, bindparam("owners", type_=Text), **kinds).alias("owner")
    now = bindparam("now", type_=UtcDateTime)
    columns = {
        "id": given.c.id,
        "created": now,
        "updated": now,
        "name": given.c.name,
        "flow_id": owner.c.flow_id,
        "deployment_id": owner.c.id,
        "parameters": owner.c.parameters,
        "tags": owner.c.tags,
        "flow_runner_type": owner.c.flow_runner_type,
        "flow_runner_config": owner.c.flow_runner_config,
        "idempotency_key": given.c.key,
        "auto_scheduled": true(),
        "state_id": given.c.state_id,
        "state_type": literal(StateType.SCHEDULED.value),
        "state_name": literal("Scheduled"),
        "expected_start_time": given.c.instant,
        "next_scheduled_start_time": given.c.instant,
    }
    # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
    source = select(*columns.values()).select_from(given.join(owner, owner.c.id == given.c.deployment_id)).where(true())
    runs = insert(session, FLOW_RUN).from_select(list(columns), source, include_defaults=False)
    runs = runs.on_conflict_do_nothing(index_elements=[FLOW_RUN.c[name] for name in FlowRuns.unique])
    if in_one:
        return _first_states(given, runs.returning(FLOW_RUN.c.id).cte("made"), now), None
    return runs, _first_states(given, FLOW_RUN, now)


def _first_states(given, runs, now):
    columns = {
        "id": given.c.state_id,
        "created": now,
        "flow_run_id": given.c.id,
        "type": literal(StateType.SCHEDULED.value),
        "name": literal("Scheduled"),
        "timestamp": now,
        "message": literal("Flow run scheduled"),
        "state_details": given.c.details,
    }
    # a run that existed before has another id, so this join finds only those made just now
    source = select(*columns.values()).select_from(given.join(runs, runs.c.id == given.c.id))
    return plain_insert(FLOW_RUN_STATE).from_select(list(columns), source, include_defaults=False)
