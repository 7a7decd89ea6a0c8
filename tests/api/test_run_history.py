"""The history of flow runs and task runs: intervals, states, sums, criteria; and what it costs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, update

from app.db.models import FlowRun, FlowRunState, TaskRun
from tests.api.asking import ok, wrong_fields
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run

START = datetime(2022, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MICROSECOND = timedelta(microseconds=1)


def scheduled(instant, name=None):
    """A SCHEDULED state for `instant`."""
    return {"type": "SCHEDULED", "name": name, "state_details": {"scheduled_time": instant.isoformat()}}


def history(client, flow=None, start=START, end=START + 3 * HOUR, seconds=3600, kind="flow_runs", **filters):
    """The history of a flow's runs."""
    if flow:
        filters = {"flows": {"id": {"any_": [flow["id"]]}}} | filters
    body = {"history_start": start.isoformat(), "history_end": end.isoformat(), "history_interval_seconds": seconds, **filters}
    return ok(client.post(f"/{kind}/history", json=body))


def counts(answer):
    """Of each interval, its states as (type, name, runs)."""
    return [[(state["state_type"], state["state_name"], state["count_runs"]) for state in interval["states"]] for interval in answer]


def test_runs_are_counted_in_the_interval_that_holds_their_expected_start_by_state(api):
    flow = make_flow(api)
    for offset, name in (
        (timedelta(), None),
        (HOUR - MICROSECOND, "Late"),
        (HOUR - MICROSECOND, None),
        (HOUR, None),
        (3 * HOUR - MICROSECOND, "A"),
    ):
        make_flow_run(api, flow_id=flow["id"], state=scheduled(START + offset, name))
    for outside in (START - MICROSECOND, START + 3 * HOUR):
        make_flow_run(api, flow_id=flow["id"], state=scheduled(outside))
    answer = history(api, flow)
    assert [(each["interval_start"], each["interval_end"]) for each in answer] == [
        ((START + number * HOUR).isoformat(), (START + (number + 1) * HOUR).isoformat()) for number in range(3)
    ]
    assert counts(answer) == [
        [("SCHEDULED", "Late", 1), ("SCHEDULED", "Scheduled", 2)],
        [("SCHEDULED", "Scheduled", 1)],
        [("SCHEDULED", "A", 1)],
    ]


def test_the_last_interval_is_as_long_as_the_others(api):
    flow = make_flow(api)
    make_flow_run(api, flow_id=flow["id"], state=scheduled(START + 2.75 * HOUR))
    answer = history(api, flow, end=START + 2.5 * HOUR)
    assert counts(answer) == [[], [], [("SCHEDULED", "Scheduled", 1)]]
    assert answer[-1]["interval_end"] == (START + 3 * HOUR).isoformat()


@pytest.mark.parametrize("end", [START, START - HOUR])
def test_there_is_one_interval_at_least(api, end):
    flow = make_flow(api)
    make_flow_run(api, flow_id=flow["id"], state=scheduled(START))
    assert counts(history(api, flow, end=end)) == [[("SCHEDULED", "Scheduled", 1)]]


def test_there_are_500_intervals_at_most(api):
    flow = make_flow(api)
    for seconds in (499, 500):
        make_flow_run(api, flow_id=flow["id"], state=scheduled(START + timedelta(seconds=seconds)))
    answer = history(api, flow, end=START + timedelta(days=2), seconds=1)
    assert len(answer) == 500
    assert [len(each["states"]) for each in answer] == [0] * 499 + [1]


def test_intervals_may_be_fractions_of_seconds_and_instants_without_an_offset_are_in_utc(api):
    body = {"history_start": "2022-03-01T00:00:00", "history_end": "2022-03-01T01:00:10+01:00", "history_interval_seconds": 2.5}
    answer = ok(api.post("/task_runs/history", json=body | {"task_runs": {"id": {"any_": []}}}))
    assert [each["interval_start"] for each in answer] == [
        "2022-03-01T00:00:00+00:00",
        "2022-03-01T00:00:02.500000+00:00",
        "2022-03-01T00:00:05+00:00",
        "2022-03-01T00:00:07.500000+00:00",
    ]


def test_the_longest_interval_at_the_latest_instant_is_answered(api):
    late = datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    [only] = history(api, make_flow(api), start=late, end=late, seconds=100 * 366 * 86400)
    assert only["interval_start"] == late.isoformat()


@pytest.mark.parametrize("kind", ["flow_runs", "task_runs"])
def test_the_sums_are_those_of_the_runs_estimates(app, client, clock, kind):
    """Every state with and without a start; two of each, so that a sum is not one run's value."""
    clock.stop_at(START + 30 * HOUR)
    make, model = {"flow_runs": (make_flow_run, FlowRun), "task_runs": (make_task_run, TaskRun)}[kind]
    types = ("SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")
    for number, type_ in enumerate(types * 4):
        id = make(client, state={"type": type_, "name": f"Called {type_}"})["id"]
        times = {
            "expected_start_time": START + 25 * HOUR + number * timedelta(minutes=1, seconds=1.000001),
            "total_run_time": number + 0.25,
        }
        times["start_time"] = (None, START + 26 * HOUR, START + 24 * HOUR, None)[number // 6]
        with app.extensions["mintaka"].database.transaction() as session:
            session.execute(update(model.__table__).where(model.__table__.c.id == UUID(id)).values(times))
    clock.advance(hours=1, seconds=0.5)
    runs = ok(client.post(f"/{kind}/filter", json={}))
    assert len(runs) == 24
    expected = {}
    for run in runs:
        sums = expected.setdefault((run["state_type"], run["state_name"]), [0, 0.0, 0.0])
        sums[0] += 1
        sums[1] += run["estimated_run_time"]
        sums[2] += run["estimated_start_time_delta"]
    [only] = history(client, kind=kind, start=START, end=START + 48 * HOUR, seconds=48 * 3600)
    assert [(state["state_type"], state["state_name"]) for state in only["states"]] == sorted(expected)
    for state in only["states"]:
        count, run_time, lateness = expected[state["state_type"], state["state_name"]]
        assert state["count_runs"] == count
        assert state["sum_estimated_run_time"] == pytest.approx(run_time, abs=1e-5)
        assert state["sum_estimated_lateness"] == pytest.approx(lateness, abs=1e-5)
        assert isinstance(state["sum_estimated_run_time"], float)
        assert isinstance(state["sum_estimated_lateness"], float)


def test_a_clock_that_is_behind_takes_nothing_off_a_sum(app, client, clock):
    clock.stop_at(START)
    make_flow_run(client, state={"type": "RUNNING"})
    with app.extensions["mintaka"].database.transaction() as session:
        session.execute(update(FlowRunState.__table__).values(timestamp=START + HOUR))
    [interval] = history(client, end=START + HOUR)
    assert interval["states"][0]["sum_estimated_run_time"] == 0.0


def test_each_kind_of_criterion_chooses_runs(api):
    deployment = make_deployment(api, is_schedule_active=False)
    flow = {"id": deployment["flow_id"]}
    instant = START + HOUR
    one = make_flow_run(api, flow_id=flow["id"], deployment_id=deployment["id"], state=scheduled(instant), tags=["one"])
    make_flow_run(api, flow_id=flow["id"], state=scheduled(instant), tags=["two"])
    task = make_task_run(api, flow_run_id=one["id"], state=scheduled(instant))

    def found(kind="flow_runs", **filters):
        return sum(count for interval in counts(history(api, flow, kind=kind, **filters)) for _, _, count in interval)

    assert found() == 2
    assert found(flow_runs={"tags": {"all_": ["two"]}}) == 1
    assert found(deployments={"id": {"any_": [deployment["id"]]}}) == 1
    assert found(task_runs={"id": {"any_": [task["id"]]}}) == 1
    assert found(kind="task_runs") == 1
    assert found(kind="task_runs", flow_runs={"tags": {"all_": ["two"]}}) == 0
    assert found(kind="task_runs", task_runs={"state": {"type": {"any_": ["SCHEDULED"]}}}) == 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.timedeltas(-HOUR, 4 * HOUR), min_size=1, max_size=4),
    st.timedeltas(timedelta(0), 3 * HOUR),
    st.floats(1, 7200).map(lambda seconds: round(seconds, 6)),
)
def test_a_run_is_counted_where_its_instant_is_whatever_the_intervals(api, offsets, elapsed, seconds):
    flow = make_flow(api)
    for offset in offsets:
        make_flow_run(api, flow_id=flow["id"], state=scheduled(START + offset))
    answer = history(api, flow, end=START + elapsed, seconds=seconds)
    for interval in answer:
        first, last = (datetime.fromisoformat(interval[name]) for name in ("interval_start", "interval_end"))
        assert sum(state["count_runs"] for state in interval["states"]) == sum(first <= START + offset < last for offset in offsets)


@pytest.mark.parametrize("kind", ["flow_runs", "task_runs"])
def test_a_history_is_one_statement_however_many_intervals_it_has(app, client, kind):
    engine = app.extensions["mintaka"].database.engine(read_only=True)
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    # the first request of a process asks for the revision of the schema too
    history(client, kind=kind, end=START + HOUR)
    event.listen(engine, "before_cursor_execute", note)
    answer = history(client, kind=kind, end=START + 1000 * HOUR)
    event.remove(engine, "before_cursor_execute", note)
    assert len(answer) == 500
    assert len([statement for statement in statements if statement.startswith("SELECT")]) == 1


@pytest.mark.parametrize("kind", ["flow_runs", "task_runs"])
@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"history_start": None}, "body.history_start"),
        ({"history_end": "2201-01-01T00:00:00+00:00"}, "body.history_end"),
        ({"history_interval_seconds": 0.999}, "body.history_interval_seconds"),
        ({"history_interval_seconds": "60"}, "body.history_interval_seconds"),
        ({"history_interval_seconds": 10**10}, "body.history_interval_seconds"),
        ({"limit": 1}, "body.limit"),
        ({"logs": {}}, "body.logs"),
    ],
)
def test_a_history_says_what_is_wrong_with_what_is_asked(api, kind, fields, wrong):
    body = {"history_start": "2022-03-01T00:00:00", "history_end": "2022-03-02T00:00:00", "history_interval_seconds": 3600}
    assert wrong_fields(api.post(f"/{kind}/history", json=body | fields)) == {wrong}


def test_a_history_has_to_be_told_which(api):
    assert wrong_fields(api.post("/flow_runs/history", json={})) == {
        f"body.{field}" for field in ("history_start", "history_end", "history_interval_seconds")
    }


def test_a_history_is_asked_for_with_post_alone(api):
    for kind in ("flow_runs", "task_runs"):
        assert api.get(f"/{kind}/history").status_code == 405
