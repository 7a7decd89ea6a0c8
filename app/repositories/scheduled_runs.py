"""The flow runs that schedules make, in bulk. Their first state is what `app.domain.states.enter` makes of a new run; a test compares."""

import json

from sqlalchemy import Text, Uuid, bindparam, delete, exists, literal, select, true
from sqlalchemy import insert as plain_insert

from app.db.engine import writes_in_with
from app.db.models import FlowRun, FlowRunState
from app.db.sql import insert, rows
from app.db.types import Json, JsonRows, UtcDateTime
from app.domain.ids import new_id
from app.domain.names import random_name
from app.domain.runs import AUTO_SCHEDULED_TAG
from app.domain.states import NO_DETAILS, StateType

FLOW_RUN, FLOW_RUN_STATE = FlowRun.__table__, FlowRunState.__table__


# Runs in one statement, and bytes of what they copy from their deployments: a statement must end well within the statement timeout
RUNS_PER_STATEMENT = 5_000
BYTES_PER_STATEMENT = 16_000_000

_NOW = bindparam("now", type_=UtcDateTime)
_RUNS = rows(
    bindparam("runs", type_=JsonRows),
    id=Uuid,
    state_id=Uuid,
    schedule_id=Uuid,
    name=Text,
    key=Text,
    start=UtcDateTime,
    details=Json,
)
_TEMPLATES = rows(
    bindparam("templates", type_=JsonRows),
    schedule_id=Uuid,
    slug=Text,
    deployment_id=Uuid,
    flow_id=Uuid,
    parameters=Json,
    tags=Json,
    flow_runner_type=Text,
    flow_runner_config=Json,
).alias("template_of_run")


def _insert_runs(runs):
    template = _TEMPLATES.c
    columns = {
        "id": runs.c.id,
        "created": _NOW,
        "updated": _NOW,
        "name": runs.c.name,
        "flow_id": template.flow_id,
        "deployment_id": template.deployment_id,
        "schedule_id": template.schedule_id,
        "schedule_slug": template.slug,
        "parameters": template.parameters,
        "tags": template.tags,
        "flow_runner_type": template.flow_runner_type,
        "flow_runner_config": template.flow_runner_config,
        "idempotency_key": runs.c.key,
        "auto_scheduled": true(),
        "state_id": runs.c.state_id,
        "state_type": literal(StateType.SCHEDULED.value),
        "state_name": literal("Scheduled"),
        "expected_start_time": runs.c.start,
        "next_scheduled_start_time": runs.c.start,
    }
    # SQLite cannot tell ON CONFLICT from a join's ON unless a WHERE stands between
    source = select(*columns.values()).select_from(runs.join(_TEMPLATES, template.schedule_id == runs.c.schedule_id)).where(true())
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
_OF_SCHEDULE = FLOW_RUN.c.schedule_slug == bindparam("slug")
_IS_SCHEDULED = FLOW_RUN.c.state_type == literal(StateType.SCHEDULED.value)
DELETE_SCHEDULED = delete(FLOW_RUN).where(_OF_DEPLOYMENT, _IS_SCHEDULED)

_OF_DEPLOYMENTS = FLOW_RUN.c.deployment_id.in_(bindparam("deployment_ids", type_=Uuid, expanding=True))
_MADE_AHEAD = (
    _OF_DEPLOYMENTS,
    FLOW_RUN.c.auto_scheduled,
    _IS_SCHEDULED,
    FLOW_RUN.c.created < FLOW_RUN.c.expected_start_time,
    FLOW_RUN.c.run_count == 0,
)
_IS_ANOTHER_STATE = FLOW_RUN_STATE.c.type != literal(StateType.SCHEDULED.value)
_HAS_STARTED = exists().where(FLOW_RUN_STATE.c.flow_run_id == FLOW_RUN.c.id, _IS_ANOTHER_STATE)
# of all schedules of a deployment, or of one
_MADE = (FLOW_RUN.c.id, FLOW_RUN.c.idempotency_key, FLOW_RUN.c.deployment_id, FLOW_RUN.c.schedule_slug)
LOCK_MADE_AHEAD = select(*_MADE).where(*_MADE_AHEAD).order_by(FLOW_RUN.c.id).with_for_update()
LOCK_MADE_AHEAD_OF_SCHEDULE = LOCK_MADE_AHEAD.where(_OF_SCHEDULE)
DELETE_MADE_AHEAD = delete(FLOW_RUN).where(*_MADE_AHEAD, ~_HAS_STARTED)
DELETE_MADE_AHEAD_OF_SCHEDULE = DELETE_MADE_AHEAD.where(_OF_SCHEDULE)
_GIVEN_IDS = rows(bindparam("ids", type_=JsonRows), id=Uuid)
DELETE_THESE_MADE_AHEAD = DELETE_MADE_AHEAD.where(FLOW_RUN.c.id.in_(select(_GIVEN_IDS.c.id)))

_WINDOW = FLOW_RUN.c.expected_start_time.between(bindparam("start"), bindparam("end"))
KEYS = select(FLOW_RUN.c.idempotency_key).where(_OF_DEPLOYMENT, _OF_SCHEDULE, FLOW_RUN.c.auto_scheduled, _WINDOW)


class ScheduledRuns:
    """Runs in a SCHEDULED state, and those that schedules made."""

    def __init__(self, session, clock):
        self.session, self.clock = session, clock

    def insert(self, planned):
        """Insert runs of schedules; those that exist already stay as they are. Return how many were inserted.

        `planned` are pairs of a `RunTemplate` and a list of occurrences.
        """
        return sum(self._insert(*statement) for statement in _statements(planned))

    def _insert(self, templates, runs):
        values = {"runs": runs, "templates": templates, "now": self.clock()}
        if writes_in_with(self.session):
            return self.session.execute(INSERT_BOTH, values).rowcount
        created = self.session.execute(INSERT_RUNS, values).rowcount
        if created:
            self.session.execute(INSERT_FIRST_STATES, {"runs": runs, "now": values["now"]})
        return created

    def keys(self, template, start, end):
        """Return the keys of the runs that a schedule has made and that start in [start, end], in whatever state they are now."""
        values = {"deployment_id": template.deployment.id, "slug": template.schedule.slug, "start": start, "end": end}
        return set(self.session.scalars(KEYS, values))

    def delete(self, deployment_id):
        """Delete all of a deployment's runs in a SCHEDULED state."""
        self.session.execute(DELETE_SCHEDULED, {"deployment_id": deployment_id})

    def delete_made_ahead(self, deployment_ids, slug=None):
        """Delete the SCHEDULED runs that deployments' schedules, or those with a slug, made before their time and that have never started.

        A run whose time had passed when it was made stays (it is a backfill), and so does one that has started and waits for another
        attempt: a state that is not SCHEDULED is in its history, or its run count is above 0.
        """
        lock, remove = LOCK_MADE_AHEAD, DELETE_MADE_AHEAD
        values = {"deployment_ids": deployment_ids}
        if slug is not None:
            lock, remove, values = LOCK_MADE_AHEAD_OF_SCHEDULE, DELETE_MADE_AHEAD_OF_SCHEDULE, values | {"slug": slug}
        # locked first, so that the history is read after whoever is changing one of them has committed
        if self.session.execute(lock, values).first() is not None:
            self.session.execute(remove, values)

    def lock_made_ahead(self, deployment_ids):
        """Lock the runs that `delete_made_ahead` may delete. Return id, idempotency_key, deployment_id and schedule_slug of each."""
        return self.session.execute(LOCK_MADE_AHEAD, {"deployment_ids": deployment_ids}).all()

    def delete_these(self, deployment_ids, ids):
        """Delete those of `ids` that `delete_made_ahead` would delete. Return how many."""
        if not ids:
            return 0
        values = {"deployment_ids": deployment_ids, "ids": [{"id": id} for id in ids]}
        return self.session.execute(DELETE_THESE_MADE_AHEAD, values).rowcount


def copied_size(template):
    """Return about how many bytes each run copies from its `RunTemplate`."""
    return len(json.dumps([template.parameters, template.deployment.tags, template.deployment.flow_runner_config]))


def _statements(planned):
    """Yield the templates and runs of statements of a bounded size, each with at least one run."""
    templates, runs, size = {}, [], 0
    # in the order of the key, so that new ids are in the order that rows are written in
    for template, occurrences in sorted(planned, key=lambda pair: (pair[0].deployment.id, pair[0].schedule.slug)):
        copied, id = _copied(template), template.schedule.id
        weight = copied_size(template) if occurrences else 0
        for occurrence in occurrences:
            if runs and (len(runs) == RUNS_PER_STATEMENT or size + weight > BYTES_PER_STATEMENT):
                yield list(templates.values()), _in_order(runs)
                templates, runs, size = {}, [], 0
            templates[id] = copied
            runs.append(_run(template, occurrence))
            size += weight
    if runs:
        yield list(templates.values()), _in_order(runs)


def _in_order(runs):
    # two batches that insert the same keys in opposite orders would wait for each other for ever
    return sorted(runs, key=lambda run: run["key"])


def _copied(template):
    deployment, schedule = template.deployment, template.schedule
    return {
        "schedule_id": schedule.id,
        "slug": schedule.slug,
        "deployment_id": deployment.id,
        "flow_id": deployment.flow_id,
        "parameters": template.parameters,
        "tags": [AUTO_SCHEDULED_TAG, *deployment.tags],
        "flow_runner_type": deployment.flow_runner_type,
        "flow_runner_config": deployment.flow_runner_config,
    }


def _run(template, occurrence):
    start = template.start(occurrence)
    return {
        "id": new_id(),
        "state_id": new_id(),
        "schedule_id": template.schedule.id,
        "name": random_name(),
        "key": template.run_key(occurrence),
        "start": start,
        "details": NO_DETAILS | {"scheduled_time": start.isoformat()},
    }
