"""The flow runs that schedules make, in bulk. Their first state is what `app.domain.states.enter` makes of a new run; a test compares."""

import json

from sqlalchemy import Text, Uuid, bindparam, delete, literal, select, true
from sqlalchemy import insert as plain_insert

from app.db.engine import writes_in_with
from app.db.models import FlowRun, FlowRunState
from app.db.sql import insert, rows
from app.db.types import Json, JsonRows, UtcDateTime
from app.domain.ids import new_id
from app.domain.names import random_name
from app.domain.states import NO_DETAILS, StateType

FLOW_RUN, FLOW_RUN_STATE = FlowRun.__table__, FlowRunState.__table__

AUTO_SCHEDULED_TAG = "auto-scheduled"

# Runs in one statement, and bytes of what they copy from their deployments: a statement must end well within the statement timeout
RUNS_PER_STATEMENT = 5_000
BYTES_PER_STATEMENT = 16_000_000

_NOW = bindparam("now", type_=UtcDateTime)
_RUNS = rows(
    bindparam("runs", type_=JsonRows),
    id=Uuid,
    state_id=Uuid,
    deployment_id=Uuid,
    name=Text,
    key=Text,
    instant=UtcDateTime,
    details=Json,
)
_DEPLOYMENTS = rows(
    bindparam("deployments", type_=JsonRows),
    id=Uuid,
    flow_id=Uuid,
    parameters=Json,
    tags=Json,
    flow_runner_type=Text,
    flow_runner_config=Json,
).alias("deployment_of_run")


def _insert_runs(runs):
    owner = _DEPLOYMENTS.c
    columns = {
        "id": runs.c.id,
        "created": _NOW,
        "updated": _NOW,
        "name": runs.c.name,
        "flow_id": owner.flow_id,
        "deployment_id": owner.id,
        "parameters": owner.parameters,
        "tags": owner.tags,
        "flow_runner_type": owner.flow_runner_type,
        "flow_runner_config": owner.flow_runner_config,
        "idempotency_key": runs.c.key,
        "auto_scheduled": true(),
        "state_id": runs.c.state_id,
        "state_type": literal(StateType.SCHEDULED.value),
        "state_name": literal("Scheduled"),
        "expected_start_time": runs.c.instant,
        "next_scheduled_start_time": runs.c.instant,
    }
    # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
    source = select(*columns.values()).select_from(runs.join(_DEPLOYMENTS, owner.id == runs.c.deployment_id)).where(true())
    statement = insert(FLOW_RUN).from_select(list(columns), source, include_defaults=False)
    return statement.on_conflict_do_nothing(index_elements=[FLOW_RUN.c.flow_id, FLOW_RUN.c.idempotency_key])


def _insert_first_states(runs, inserted):
    columns = {
        "id": runs.c.state_id,
        "created": _NOW,
        "flow_run_id": runs.c.id,
        "type": literal(StateType.SCHEDULED.value),
        "name": literal("Scheduled"),
        "timestamp": _NOW,
        "message": literal("Flow run scheduled"),
        "state_details": runs.c.details,
    }
    # a run that existed before has another id, so this join finds only those inserted just now
    source = select(*columns.values()).select_from(runs.join(inserted, inserted.c.id == runs.c.id))
    return plain_insert(FLOW_RUN_STATE).from_select(list(columns), source, include_defaults=False)


INSERT_RUNS = _insert_runs(_RUNS)
INSERT_FIRST_STATES = _insert_first_states(_RUNS, FLOW_RUN)
_RUNS_ONCE = select(_RUNS).cte("run")
INSERT_BOTH = _insert_first_states(_RUNS_ONCE, _insert_runs(_RUNS_ONCE).returning(FLOW_RUN.c.id).cte("inserted"))

_OF_DEPLOYMENT = FLOW_RUN.c.deployment_id == bindparam("deployment_id")
DELETE_SCHEDULED = delete(FLOW_RUN).where(_OF_DEPLOYMENT, FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value))
DELETE_AUTO_SCHEDULED = DELETE_SCHEDULED.where(FLOW_RUN.c.auto_scheduled)
_WINDOW = FLOW_RUN.c.expected_start_time.between(bindparam("start"), bindparam("end"))
INSTANTS = select(FLOW_RUN.c.expected_start_time).where(_OF_DEPLOYMENT, FLOW_RUN.c.auto_scheduled, _WINDOW)


class ScheduledRuns:
    """Runs in a SCHEDULED state, and those that schedules made."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def insert(self, planned):
        """Insert runs of deployments; those that exist already stay as they are. Return how many were inserted.

        `planned` are pairs of a `Deployment` and a list of instants.
        """
        return sum(self._insert(*statement) for statement in _statements(planned))

    def _insert(self, deployments, runs):
        values = {"runs": runs, "deployments": deployments, "now": self.clock()}
        if writes_in_with(self.session):
            return self.session.execute(INSERT_BOTH, values).rowcount
        created = self.session.execute(INSERT_RUNS, values).rowcount
        if created:
            self.session.execute(INSERT_FIRST_STATES, {"runs": runs, "now": values["now"]})
        return created

    def instants(self, deployment_id, start, end):
        """Return the instants in [start, end] for which the deployment's schedule has made a run, in whatever state that is now."""
        return set(self.session.scalars(INSTANTS, {"deployment_id": deployment_id, "start": start, "end": end}))

    def delete(self, deployment_id, *, auto_scheduled_only):
        """Delete a deployment's runs in a SCHEDULED state: all of them, or those its schedule made."""
        self.session.execute(DELETE_AUTO_SCHEDULED if auto_scheduled_only else DELETE_SCHEDULED, {"deployment_id": deployment_id})


def _statements(planned):
    """Yield the deployments and runs of statements of a bounded size, each with at least one run."""
    deployments, runs, size = {}, [], 0
    # in the order of the key, so that new ids are in the order that rows are written in
    for deployment, instants in sorted(planned, key=lambda pair: pair[0].id):
        copied = _copied(deployment)
        weight = len(json.dumps([deployment.parameters, deployment.tags, deployment.flow_runner_config])) if instants else 0
        for instant in instants:
            if runs and (len(runs) == RUNS_PER_STATEMENT or size + weight > BYTES_PER_STATEMENT):
                yield list(deployments.values()), _in_order(runs)
                deployments, runs, size = {}, [], 0
            deployments[deployment.id] = copied
            runs.append(_run(deployment.id, instant))
            size += weight
    if runs:
        yield list(deployments.values()), _in_order(runs)


def _in_order(runs):
    # two batches that insert the same keys in opposite orders would wait for each other for ever
    return sorted(runs, key=lambda run: run["key"])


def _copied(deployment):
    return {
        "id": deployment.id,
        "flow_id": deployment.flow_id,
        "parameters": deployment.parameters,
        "tags": [AUTO_SCHEDULED_TAG, *deployment.tags],
        "flow_runner_type": deployment.flow_runner_type,
        "flow_runner_config": deployment.flow_runner_config,
    }


def _run(deployment_id, instant):
    text = instant.isoformat()
    return {
        "id": new_id(),
        "state_id": new_id(),
        "deployment_id": deployment_id,
        "name": random_name(),
        # one form of key for whoever makes a run of the occurrence, whatever the zone or window it was asked in
        "key": f"scheduled {deployment_id} {text}",
        "instant": instant,
        "details": NO_DETAILS | {"scheduled_time": text},
    }
