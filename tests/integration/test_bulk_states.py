"""The statements that take many runs to a state at once: each does what `app.domain.states.enter` says of a single run."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from app.db.models import Deployment as DeploymentModel
from app.db.models import Flow, FlowRun, FlowRunState
from app.domain.deployments import Deployment
from app.domain.ids import new_id
from app.domain.states import NO_DETAILS, RunTimes, State, StateType, enter, new_state
from app.repositories.claims import Claims
from app.repositories.flow_runs import FlowRuns
from tests.parts import unit_of_work

FLOW, DEPLOYMENT, RUN, STATE = (model.__table__ for model in (Flow, DeploymentModel, FlowRun, FlowRunState))
NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
BEFORE = NOW - timedelta(days=30)

SHARED_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
INSTANTS = st.datetimes(datetime(2022, 1, 1), datetime(2022, 5, 1), timezones=st.just(UTC))
TIMES = st.builds(
    RunTimes,
    run_count=st.integers(0, 5),
    total_run_time=st.floats(0, 1e6).map(lambda seconds: round(seconds, 3)),
    expected_start_time=st.none() | INSTANTS,
    next_scheduled_start_time=INSTANTS,
    start_time=st.none() | INSTANTS,
    end_time=st.none() | INSTANTS,
)
STATES = st.builds(
    lambda type, name, due, message: new_state(type, NOW, name=name, message=message, state_details={"scheduled_time": due}),
    st.sampled_from(StateType),
    st.sampled_from(["Scheduled", "Late", "Ünderway"]),
    st.none() | INSTANTS,
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=10),
)


def clock():
    return NOW


@pytest.fixture
def flow_id(database):
    flow = {"id": new_id(), "created": BEFORE, "updated": BEFORE, "name": "flow"}
    database.run(lambda session: session.execute(insert(FLOW), flow))
    return flow["id"]


def insert_run(session, flow_id, times, state):
    """Replace all runs by one in `state`, with `times`. Returns its id."""
    session.execute(delete(RUN))
    run = {"id": new_id(), "created": BEFORE, "updated": BEFORE, "name": "run", "flow_id": flow_id, "state_id": new_id()}
    session.execute(insert(RUN), run | {"state_type": state.type, "state_name": state.name} | asdict(times))
    entry = {"id": run["state_id"], "created": BEFORE, "flow_run_id": run["id"], "type": state.type, "name": state.name}
    session.execute(insert(STATE), entry | {"timestamp": state.timestamp, "state_details": state.details})
    return run["id"]


def scheduled(times):
    details = {"scheduled_time": times.next_scheduled_start_time}
    return new_state(StateType.SCHEDULED, BEFORE, state_details=details)


def stored(session, id):
    """The `RunTimes` and the current `State` of a run; its answer says the same."""
    runs = FlowRuns(session, clock)
    row = session.execute(select(RUN).where(RUN.c.id == id)).one()
    state = runs.current_state(row)
    assert (row.updated, row.state_type, row.state_name) == (NOW, state.type, state.name)
    return RunTimes(**{name: getattr(row, name) for name in RunTimes.__dataclass_fields__}), state


@given(times=TIMES)
@SHARED_DATABASE
def test_a_claim_does_to_a_run_what_entering_the_state_does(database, flow_id, times):
    state = new_state(StateType.PENDING, NOW, message="Claimed")

    def work(session):
        id = insert_run(session, flow_id, times, scheduled(times))
        ((_, answer),) = Claims(session, FlowRuns(session, clock)).claim(
            {}, 10, state, expires_at=NOW + timedelta(minutes=1), work_queue_id=None, worker=None
        )
        assert answer["id"] == id
        return stored(session, id)

    entered, current = database.run(work)
    assert entered == enter(times, scheduled(times), state)
    details = NO_DETAILS | {"flow_run_id": current.details["flow_run_id"]}
    assert (current.type, current.name, current.timestamp, current.message, current.details) == (
        "PENDING",
        "Pending",
        NOW,
        "Claimed",
        details,
    )


@given(times=TIMES, previous=st.sampled_from(StateType), state=STATES)
@SHARED_DATABASE
def test_many_runs_enter_states_as_a_single_one_does(database, flow_id, times, previous, state):
    before = State(type=previous, timestamp=BEFORE, name=previous.capitalize())

    def work(session):
        id = insert_run(session, flow_id, times, before)
        runs = FlowRuns(session, clock)
        row, current = runs.lock(id)
        runs.enter_many([(row, current, state)])
        many = stored(session, id)
        id = insert_run(session, flow_id, times, before)
        runs.enter(*runs.lock(id), state)
        return many, stored(session, id)

    (many, state_of_many), (single, state_of_single) = database.run(work)
    assert many == single == enter(times, before, state)
    assert (state_of_many.name, state_of_many.message) == (state_of_single.name, state_of_single.message) == (state.name, state.message)
    assert state_of_many.scheduled_time == state_of_single.scheduled_time == state.scheduled_time


def test_the_runs_of_schedules_are_in_the_state_that_a_new_run_enters(database, flow_id):
    own = {"id": new_id(), "flow_id": flow_id, "name": "nightly"}
    instants = [NOW + timedelta(hours=hours) for hours in range(3)]
    database.run(lambda session: session.execute(insert(DEPLOYMENT), own | {"created": BEFORE, "updated": BEFORE, "flow_data": {}}))

    def work(session):
        assert unit_of_work(session, clock).scheduled_runs.insert([(Deployment(**own), instants)]) == 3
        ids = session.scalars(select(RUN.c.id).order_by(RUN.c.expected_start_time)).all()
        return [stored(session, id) for id in ids]

    for instant, (times, current) in zip(instants, database.run(work), strict=True):
        state = new_state(StateType.SCHEDULED, NOW, message="Flow run scheduled", state_details={"scheduled_time": instant})
        assert times == enter(RunTimes(), None, state)
        assert current == state
