"""The fast path of creating a run of a deployment: one statement answers and stores what the slower three do."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select

from app.config import Settings
from app.db.models import Deployment, Flow, FlowRun, FlowRunState
from app.db.session import Database
from app.domain.ids import new_id
from app.domain.runs import NewFlowRun
from app.domain.states import StateType, new_state
from app.errors import InvalidField, NotFound
from app.repositories.flow_runs import FlowRuns
from tests.parts import unit_of_work

FLOW, DEPLOYMENT, RUN, STATE = (model.__table__ for model in (Flow, Deployment, FlowRun, FlowRunState))
NOW = datetime(2022, 6, 1, 12, 30, 0, 7, tzinfo=UTC)
NOTED = {"created": NOW, "updated": NOW}

SHARED_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
PARAMETERS = st.dictionaries(TEXTS, st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXTS | st.lists(TEXTS), max_size=3)
TAGS = st.lists(st.sampled_from(["a", "b", "ä", ""]) | TEXTS, max_size=4)
RUNNERS = st.sampled_from([{}, {"flow_runner_type": "docker", "flow_runner_config": None}, {"flow_runner_type": None}])
STATES = st.none() | st.sampled_from(StateType).map(lambda type: new_state(type, NOW, message="begun", data={"encoding": "json"}))
RUNS = st.builds(
    lambda runner, **members: NewFlowRun(**members, **runner),
    runner=RUNNERS,
    name=st.just("a-run"),
    parameters=PARAMETERS,
    context=PARAMETERS,
    tags=TAGS,
    idempotency_key=st.none() | TEXTS,
    state=STATES,
)


@pytest.fixture
def postgres_flow(postgres_url):
    """A `Database` on PostgreSQL, and the id of a flow in it."""
    database, id = Database(postgres_url, Settings()), new_id()
    database.run(lambda session: session.execute(insert(FLOW), NOTED | {"id": id, "name": "flow"}))
    yield database, id
    database.dispose()


def deploy(session, flow_id, **columns):
    """Replace all deployments and runs by a deployment with `columns`. Returns its id."""
    session.execute(delete(RUN))
    session.execute(delete(DEPLOYMENT))
    id = new_id()
    session.execute(insert(DEPLOYMENT), NOTED | {"id": id, "flow_id": flow_id, "name": "nightly", "flow_data": {}} | columns)
    return id


def stored(session):
    """All that is stored of the only run, and of its state, but for their ids."""
    run = session.execute(select(RUN)).one()._asdict()
    state = session.execute(select(STATE)).one()._asdict()
    assert (run.pop("state_id"), run.pop("id")) == (state.pop("id"), state.pop("flow_run_id"))
    assert state["state_details"].pop("flow_run_id")
    return run, state


@given(run=RUNS, parameters=PARAMETERS, tags=TAGS, runner=st.none() | PARAMETERS)
@SHARED_DATABASE
def test_both_ways_create_the_same_run(postgres_flow, run, parameters, tags, runner):
    database, flow_id = postgres_flow

    def create(session, *, at_once):
        id = deploy(session, flow_id, parameters=parameters, tags=tags, flow_runner_type="process", flow_runner_config=runner)
        unit = unit_of_work(session, lambda: NOW)
        if not at_once:
            unit.flow_runs.create_of_deployment = lambda *_: None
        document, created = unit.deployment_service.create_flow_run(id, run)
        assert created
        assert document["deployment_id"] == id
        found_run, found_state = stored(session)
        assert found_run.pop("deployment_id") == id
        assert document.keys() == unit.flow_runs.require(document["id"]).keys()
        return found_run, found_state

    assert database.run(lambda session: create(session, at_once=True)) == database.run(lambda session: create(session, at_once=False))


@pytest.mark.parametrize("at_once", [True, False])
def test_what_one_statement_cannot_do_is_done_all_the_same(postgres_flow, at_once):
    database, flow_id = postgres_flow

    def work(session):
        id = deploy(session, flow_id, tags=[str(number) for number in range(150)])
        unit = unit_of_work(session, lambda: NOW)
        if not at_once:
            unit.flow_runs.create_of_deployment = lambda *_: None
        create = unit.deployment_service.create_flow_run
        with pytest.raises(NotFound, match="Deployment not found"):
            create(new_id(), NewFlowRun())
        with pytest.raises(InvalidField, match="with those of the deployment these are 201"):
            create(id, NewFlowRun(tags=[f"more {number}" for number in range(51)]))
        # tags that both have count once
        known, created = create(id, NewFlowRun(tags=[str(number) for number in range(60)], idempotency_key="once"))
        assert created
        again, created = create(id, NewFlowRun(idempotency_key="once"))
        assert not created
        assert again["id"] == known["id"]
        assert isinstance(unit.flow_runs, FlowRuns)
        assert len(session.execute(select(RUN.c.id)).all()) == 1

    database.run(work)
