"""Fifty transitions at once, each in a thread and a transaction of its own: the rules hold as if they came one after the other."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from app.config import Settings
from app.db.models import ConcurrencySlot, FlowRun, TaskRun
from app.db.session import Database
from app.domain.clock import utcnow
from app.domain.runs import NewFlowRun, NewTaskRun
from app.domain.states import new_state
from app.repositories.concurrency_limits import ConcurrencyLimits
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.repositories.task_runs import TaskRuns
from tests.parts import unit_of_work

AT_ONCE = 50
LIMIT = 3


@pytest.fixture
def crowded(database_url):
    """A `Database` with a connection for each thread."""
    database = Database(database_url, Settings(database_pool_size=AT_ONCE, database_lock_timeout=60.0))
    yield database
    database.dispose()


@pytest.fixture
def flow_run(crowded):
    def work(session):
        flow, _ = Flows(session, utcnow).create("crowd", [])
        document, _ = unit_of_work(session).run_service.create_flow_run(NewFlowRun(flow_id=flow["id"]))
        return document

    return crowded.run(work)


def make_task_runs(database, flow_run, number, tags):
    def work(session):
        runs = unit_of_work(session).run_service
        fields = {"flow_run_id": flow_run["id"], "task_key": "-".join(tags), "tags": tags}
        return [runs.create_task_run(NewTaskRun(**fields, dynamic_key=str(n)))[0]["id"] for n in range(number)]

    return database.run(work)


def all_at_once(works):
    """What each of `works` returns, all of them started at the same moment."""
    start = threading.Barrier(len(works))

    def run(work):
        start.wait(60)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result() for future in [pool.submit(run, work) for work in works]]


def status_of(database, kind, id, type, **details):
    def work(session):
        propose = getattr(unit_of_work(session).orchestration, f"set_{kind}_run_state")
        return propose(id, new_state(type, datetime.now(UTC), state_details=details))["status"]

    return lambda: database.run(work)


def history(database, runs, id):
    return [state["type"] for state in database.run(lambda session: runs(session, utcnow).history(id))]


@pytest.mark.parametrize("type", ["COMPLETED", "FAILED", "CANCELLED"])
def test_of_fifty_that_end_a_run_one_does(crowded, flow_run, type):
    statuses = all_at_once([status_of(crowded, "flow", flow_run["id"], type)] * AT_ONCE)
    assert Counter(statuses) == {"ACCEPT": 1, "ABORT": AT_ONCE - 1}
    assert history(crowded, FlowRuns, flow_run["id"]) == ["PENDING", type]


def test_subflows_and_the_task_run_that_stands_for_them_never_wait_for_each_other_for_ever(crowded, flow_run):
    [parent] = make_task_runs(crowded, flow_run, 1, ["parent"])
    fields = NewFlowRun(flow_id=flow_run["flow_id"], parent_task_run_id=parent)
    children = [crowded.run(lambda session: unit_of_work(session).run_service.create_flow_run(fields)[0]["id"]) for _ in range(5)]
    works = [status_of(crowded, "flow", child, type) for child in children for type in ["RUNNING"] * 8 + ["COMPLETED"]]
    works += [status_of(crowded, "task", parent, "PENDING")] * 5
    statuses = Counter(all_at_once(works))
    assert set(statuses) <= {"ACCEPT", "ABORT"}
    histories = [history(crowded, FlowRuns, child) for child in children]
    assert all(states.count("COMPLETED") == 1 and states[-1] == "COMPLETED" for states in histories)
    told = [state for state in history(crowded, TaskRuns, parent) if state != "PENDING"]
    assert len(told) == sum(len(states) - 1 for states in histories)


def test_fifty_that_start_a_run_are_counted_one_by_one(crowded, flow_run):
    assert all_at_once([status_of(crowded, "flow", flow_run["id"], "RUNNING")] * AT_ONCE) == ["ACCEPT"] * AT_ONCE
    run = crowded.run(lambda session: FlowRuns(session, utcnow).require(flow_run["id"]))
    assert run["run_count"] == AT_ONCE
    assert run["total_run_time"] >= 0
    states = crowded.run(lambda session: FlowRuns(session, utcnow).history(flow_run["id"]))
    assert len(states) == AT_ONCE + 1
    assert states[-1]["id"] == run["state_id"]


def test_fifty_task_runs_never_hold_more_slots_than_there_are(crowded, flow_run):
    for tag in ("a", "b"):
        crowded.run(lambda session, tag=tag: ConcurrencyLimits(session, utcnow).put(tag, LIMIT))
    # tags in both orders: who locked the limits in the order of the tags would wait for the other for ever
    ids = [id for tags in (["a", "b"], ["b", "a"]) for id in make_task_runs(crowded, flow_run, AT_ONCE // 2, tags)]
    left = set(ids)
    while left:
        asked = sorted(left)
        statuses = all_at_once([status_of(crowded, "task", id, "RUNNING") for id in asked])
        started = [id for id, status in zip(asked, statuses, strict=True) if status == "ACCEPT"]
        assert set(statuses) <= {"ACCEPT", "WAIT"}
        assert len(started) == min(LIMIT, len(asked))
        assert list(slots(crowded).values()) == [len(started)] * 2
        assert all_at_once([status_of(crowded, "task", id, "COMPLETED") for id in started]) == ["ACCEPT"] * len(started)
        assert slots(crowded) == {}
        left -= set(started)


def slots(database):
    """How many slots are taken, by limit."""
    limit = ConcurrencySlot.__table__.c.concurrency_limit_id
    with database.engine().connect() as connection:
        return {row[0]: row[1] for row in connection.execute(select(limit, func.count()).group_by(limit))}


def test_whoever_starts_and_ends_at_once_leaves_a_slot_for_each_that_is_running(crowded, flow_run):
    crowded.run(lambda session: ConcurrencyLimits(session, utcnow).put("a", LIMIT))
    ids = make_task_runs(crowded, flow_run, AT_ONCE // 2, ["a"])
    works = [status_of(crowded, "task", id, type) for id in ids for type in ("RUNNING", "COMPLETED")]
    all_at_once(works)
    histories = [history(crowded, TaskRuns, id) for id in ids]
    with crowded.engine().connect() as connection:
        running = connection.execute(select(func.count()).where(TaskRun.state_type == "RUNNING")).scalar_one()
    assert sum(slots(crowded).values()) == running <= LIMIT
    assert all(states.count("COMPLETED") == 1 and states[-1] == "COMPLETED" for states in histories)


def test_no_slot_outlives_a_flow_run_that_ends_while_its_task_runs_and_subflows_start_and_end(crowded, flow_run):
    crowded.run(lambda session: ConcurrencyLimits(session, utcnow).put("a", AT_ONCE))
    ids = make_task_runs(crowded, flow_run, 12, ["a"])
    (stands,) = make_task_runs(crowded, flow_run, 1, ["stands"])
    fields = NewFlowRun(flow_id=flow_run["flow_id"], parent_task_run_id=stands)
    child = crowded.run(lambda session: unit_of_work(session).run_service.create_flow_run(fields)[0])
    inside = make_task_runs(crowded, child, 6, ["a"])
    works = [status_of(crowded, "task", id, type) for id in ids + inside for type in ("RUNNING", "RUNNING", "COMPLETED")][:44]
    works += [status_of(crowded, "flow", child["id"], type) for type in ("RUNNING", "PENDING", "CANCELLED")]
    works += [status_of(crowded, "flow", flow_run["id"], "FAILED"), lambda: crowded.run(reset)]
    random.shuffle(works)
    all_at_once(works)
    assert slots(crowded) == {}
    with crowded.transaction(read_only=True) as session:
        assert set(session.scalars(select(TaskRun.state_type))) <= {"COMPLETED", "CANCELLED"}
        assert set(session.scalars(select(FlowRun.state_type))) == {"FAILED", "CANCELLED"}


def reset(session):
    ConcurrencyLimits(session, utcnow).reset("a")


@pytest.mark.parametrize("kind", ["flow", "task"])
def test_who_deletes_a_run_waits_for_its_subflows_before_it_holds_what_they_want(crowded, flow_run, kind):
    (parent,) = make_task_runs(crowded, flow_run, 1, ["parent"])
    fields = NewFlowRun(flow_id=flow_run["flow_id"], parent_task_run_id=parent)
    subflow = crowded.run(lambda session: unit_of_work(session).run_service.create_flow_run(fields)[0]["id"])
    begun = threading.Event()

    def remove(session):
        begun.set()
        runs, id = (FlowRuns, flow_run["id"]) if kind == "flow" else (TaskRuns, parent)
        runs(session, utcnow).delete(id)

    def change(session):
        # as a transition does: first the subflow's run, then the task run that stands for it
        FlowRuns(session, utcnow).lock(subflow)
        removal = threads.submit(crowded.run, remove)
        assert begun.wait(60)
        time.sleep(0.2)
        unit_of_work(session).orchestration.set_task_run_state(parent, new_state("RUNNING", utcnow()), force=True)
        return removal

    with ThreadPoolExecutor(1) as threads:
        with crowded.transaction() as session:
            removal = change(session) if crowded.engine().dialect.name == "postgresql" else None
        (removal or threads.submit(crowded.run, remove)).result(60)
    with crowded.transaction(read_only=True) as session:
        assert session.scalar(select(func.count()).select_from(TaskRun)) == 0
        assert FlowRuns(session, utcnow).require(subflow)["parent_task_run_id"] is None
