"""Backfills: what one makes, in which order, how much at once, and how it is held back and ended, on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.scheduler.backfills import BackfillPass
from tests.api.asking import all_runs, ids, ok, problem, runs_of, starts, wrong_fields
from tests.api.factories import make_deployment, make_work_queue

NOW = datetime(2026, 6, 10, 12, 30, tzinfo=UTC)
# Seven occurrences of an hourly schedule
WINDOW = {"start": "2026-06-01T00:00:00+00:00", "end": "2026-06-01T06:00:00+00:00"}
HOURS = [f"2026-06-01T0{hour}:00:00+00:00" for hour in range(7)]
HOURLY = {"interval": 3600, "anchor_date": "2026-01-01T00:00:00+00:00"}


@pytest.fixture(autouse=True)
def stopped(api_clock):
    """Nothing here goes by the real time."""
    api_clock.stop_at(NOW)


@pytest.fixture
def work(shared):
    """Make the scheduler's pass over backfills."""
    return lambda: BackfillPass(shared.app.extensions["mintaka"]).run_once()


@pytest.fixture
def hourly(api):
    """A deployment that runs every hour; its schedule is not active, so that it has no runs yet."""
    return make_deployment(api, schedule=HOURLY, is_schedule_active=False, parameters={"a": 1, "b": 1}, tags=["etl"])


def begin(client, deployment, **asked):
    return ok(client.post(f"/deployments/{deployment['id']}/backfills", json=WINDOW | asked), 201)


def dry_run(client, deployment, **asked):
    return ok(client.post(f"/deployments/{deployment['id']}/backfills", json=WINDOW | asked | {"dry_run": True}))


def read(client, backfill):
    return ok(client.get(f"/backfills/{backfill['id']}"))


def act(client, backfill, action):
    return ok(client.post(f"/backfills/{backfill['id']}/{action}"))


def made(client, backfill):
    """The runs of a backfill, by occurrence."""
    return all_runs(client, flow_runs={"tags": {"all_": [f"backfill:{backfill['id']}"]}})


def waiting(client, backfill):
    return [run for run in made(client, backfill) if run["state_type"] == "SCHEDULED"]


def end(client, run, type="COMPLETED"):
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}}), 201)


def test_a_backfill_makes_a_run_for_each_occurrence_in_its_window(api, hourly):
    backfill = begin(api, hourly, parameters={"b": 2})
    assert {name: backfill[name] for name in ("state", "total", "made", "slug", "order", "max_active", "reprocess")} == {
        "state": "RUNNING",
        "total": 7,
        "made": 7,
        "slug": "default",
        "order": "forward",
        "max_active": None,
        "reprocess": "none",
    }
    assert backfill["counts"] == {"scheduled": 7, "running": 0, "completed": 0, "failed": 0, "cancelled": 0}
    runs = made(api, backfill)
    assert starts(runs) == HOURS
    assert [run["idempotency_key"] for run in runs] == [f"backfill {backfill['id']} {instant}" for instant in HOURS]
    first = runs[0]
    assert (first["parameters"], first["tags"]) == ({"a": 1, "b": 2}, [f"backfill:{backfill['id']}", "etl"])
    assert (first["deployment_id"], first["auto_scheduled"], first["state_type"]) == (hourly["id"], False, "SCHEDULED")
    # what has been waiting goes first
    assert first["next_scheduled_start_time"] == NOW.isoformat()
    assert read(api, backfill) == backfill


def test_a_backfill_is_completed_with_its_last_run(api, hourly):
    backfill = begin(api, hourly, end=HOURS[1])
    first, second = made(api, backfill)
    end(api, first)
    assert read(api, backfill)["state"] == "RUNNING"
    end(api, second, "FAILED")
    over = read(api, backfill)
    assert (over["state"], over["counts"]["completed"], over["counts"]["failed"]) == ("COMPLETED", 1, 1)


@pytest.mark.parametrize(("order", "expected"), [("forward", HOURS), ("backward", HOURS[::-1])])
def test_with_max_active_the_next_run_is_made_when_one_ends_and_in_order(api, hourly, order, expected):
    backfill = begin(api, hourly, order=order, max_active=2)
    left = list(expected)
    while left:
        runs = {run["expected_start_time"]: run for run in waiting(api, backfill)}
        assert runs.keys() == set(left[:2])
        end(api, runs[left.pop(0)])
    assert (read(api, backfill)["state"], read(api, backfill)["counts"]["completed"]) == ("COMPLETED", 7)


def test_every_way_to_end_a_run_makes_the_next_one(api, hourly):
    backfill = begin(api, hourly, max_active=1)
    for type in ("CANCELLED", "FAILED", "COMPLETED"):
        (run,) = waiting(api, backfill)
        ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": type}, "force": True}), 201)
    assert starts(waiting(api, backfill)) == [HOURS[3]]
    queue = make_work_queue(api, filter={"deployment_ids": [hourly["id"]]})
    (claim,) = ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 5}))
    path = f"/flow_runs/{claim['flow_run']['id']}/set_state"
    ok(api.post(path, json={"state": {"type": "COMPLETED"}, "lease_id": claim["lease_id"]}), 201)
    assert starts(waiting(api, backfill)) == [HOURS[4]]


def test_the_scheduler_makes_the_next_run_where_the_last_one_was_deleted(api, hourly, work):
    backfill = begin(api, hourly, max_active=1)
    (run,) = made(api, backfill)
    ok(api.delete(f"/flow_runs/{run['id']}"), 204)
    assert made(api, backfill) == []
    assert work().number == 1
    assert starts(made(api, backfill)) == [HOURS[1]]
    assert work().number == 0


def test_without_max_active_the_scheduler_makes_what_the_request_did_not(api, hourly, work):
    # 145 occurrences; the request makes 100 runs
    backfill = begin(api, hourly, end="2026-06-07T00:00:00Z")
    assert (backfill["total"], backfill["made"]) == (145, 100)
    end(api, made(api, backfill)[0])
    assert read(api, backfill)["made"] == 100
    assert work().number == 45
    runs = made(api, backfill)
    assert len(set(starts(runs))) == len(runs) == 145
    assert work().number == 0
    for run in runs:
        ok(api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "COMPLETED"}, "force": True}), 200, 201)
    assert read(api, backfill)["state"] == "COMPLETED"


def test_reprocess_says_which_occurrences_get_a_run(api, hourly):
    ok(api.post(f"/deployments/{hourly['id']}/set_schedule_active"))
    ok(api.post(f"/deployments/{hourly['id']}/schedule", json={"start_time": HOURS[1], "end_time": HOURS[4]}))
    scheduled = [run for run in runs_of(api, hourly) if run["expected_start_time"] in HOURS]
    assert starts(scheduled) == HOURS[1:5]
    end(api, scheduled[0], "FAILED")
    end(api, scheduled[1], "COMPLETED")
    failed = begin(api, hourly, reprocess="failed", end=HOURS[4])
    assert starts(made(api, failed)) == [HOURS[0], HOURS[1]]
    # a failure that was made up for is none, and a backfilled run is a run
    end(api, made(api, failed)[1], "COMPLETED")
    assert starts(made(api, begin(api, hourly, reprocess="failed", end=HOURS[4]))) == []
    end(api, made(api, failed)[0], "FAILED")
    assert starts(made(api, begin(api, hourly, reprocess="failed", end=HOURS[4]))) == [HOURS[0]]
    none = begin(api, hourly)
    assert starts(made(api, none)) == HOURS[5:]
    assert none["made"] == 2
    assert starts(made(api, begin(api, hourly, reprocess="all"))) == HOURS


def test_a_backfill_with_nothing_to_do_is_completed_at_once(api, hourly):
    begin(api, hourly)
    assert begin(api, hourly)["state"] == "COMPLETED"
    empty = begin(api, hourly, start="2026-06-01T00:10:00Z", end="2026-06-01T00:50:00Z")
    assert (empty["total"], empty["made"], empty["state"]) == (0, 0, "COMPLETED")


@pytest.mark.parametrize("order", ["forward", "backward"])
@pytest.mark.parametrize("reprocess", ["none", "failed", "all"])
def test_a_dry_run_stores_nothing_and_says_what_the_real_thing_does(api, hourly, order, reprocess):
    earlier = begin(api, hourly, start=HOURS[2], end=HOURS[3])
    end(api, made(api, earlier)[0], "FAILED")
    before = len(runs_of(api, hourly))
    told = dry_run(api, hourly, order=order, reprocess=reprocess)
    assert len(runs_of(api, hourly)) == before
    assert ok(api.post("/backfills/filter", json={"deployments": {"id": {"any_": [hourly["id"]]}}})) == [read(api, earlier)]
    real = begin(api, hourly, order=order, reprocess=reprocess)
    instants = sorted(starts(made(api, real)), reverse=order == "backward")
    assert told == {
        "total": 7,
        "existing": 7 - real["made"],
        "first": instants[0],
        "last": instants[-1],
        "sample": instants,
    }


def test_a_dry_run_of_nothing_and_of_much(api, hourly):
    begin(api, hourly)
    assert dry_run(api, hourly) == {"total": 7, "existing": 7, "first": None, "last": None, "sample": []}
    told = dry_run(api, hourly, end="2027-06-01T00:00:00Z")
    assert (told["total"], told["existing"], told["sample"][0], len(told["sample"])) == (8761, 7, "2026-06-01T07:00:00+00:00", 10)
    assert told["last"] == "2027-06-01T00:00:00+00:00"


def test_a_paused_backfill_makes_nothing_until_it_is_resumed(api, hourly, work):
    backfill = begin(api, hourly, max_active=1)
    assert act(api, backfill, "pause")["state"] == "PAUSED"
    assert act(api, backfill, "pause")["state"] == "PAUSED"
    (run,) = waiting(api, backfill)
    end(api, run)
    assert work().number == 0
    assert waiting(api, backfill) == []
    resumed = act(api, backfill, "resume")
    assert (resumed["state"], resumed["made"]) == ("RUNNING", 2)
    assert starts(waiting(api, backfill)) == [HOURS[1]]
    # what is resumed twice makes nothing twice
    assert act(api, backfill, "resume") == read(api, backfill)


def test_a_cancelled_backfill_keeps_the_runs_that_were_started_and_makes_no_more(api, hourly, work):
    backfill = begin(api, hourly, max_active=3)
    running, interrupted, _ = waiting(api, backfill)
    ok(api.post(f"/flow_runs/{running['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    # one that awaits a retry has been started
    for type in ("RUNNING", "SCHEDULED"):
        ok(api.post(f"/flow_runs/{interrupted['id']}/set_state", json={"state": {"type": type}}), 201)
    over = act(api, backfill, "cancel")
    assert (over["state"], over["made"], over["counts"]["scheduled"], over["counts"]["running"]) == ("CANCELLED", 3, 1, 1)
    assert ids(made(api, backfill)) == {running["id"], interrupted["id"]}
    end(api, running)
    assert work().number == 0
    assert read(api, backfill)["state"] == "CANCELLED"
    for action in ("pause", "resume", "cancel"):
        assert "CANCELLED" in problem(api.post(f"/backfills/{backfill['id']}/{action}"), 409)["detail"]


def test_what_is_over_is_neither_paused_nor_resumed_nor_cancelled(api, hourly):
    begin(api, hourly)
    backfill = begin(api, hourly)
    for action in ("pause", "resume", "cancel"):
        assert "COMPLETED" in problem(api.post(f"/backfills/{backfill['id']}/{action}"), 409)["detail"]


def test_a_backfill_goes_on_though_its_deployment_is_paused_and_its_schedule_replaced_or_deleted(api):
    deployment = make_deployment(api, schedule=HOURLY)
    backfill = begin(api, deployment, max_active=1)
    ok(api.post(f"/deployments/{deployment['id']}/set_schedule_inactive"))
    end(api, *waiting(api, backfill))
    ok(api.patch(f"/deployments/{deployment['id']}/schedules/default", json={"schedule": {"interval": 86_400}}))
    end(api, *waiting(api, backfill))
    ok(api.delete(f"/deployments/{deployment['id']}/schedules/default"), 204)
    end(api, *waiting(api, backfill))
    assert starts(made(api, backfill)) == HOURS[:4]


def test_a_backfill_in_the_future_is_not_deleted_by_a_pause_or_an_upsert(api, hourly):
    backfill = begin(api, hourly, start="2026-07-01T00:00:00Z", end="2026-07-01T03:00:00Z")
    assert waiting(api, backfill)[0]["next_scheduled_start_time"] == "2026-07-01T00:00:00+00:00"
    ok(api.post(f"/deployments/{hourly['id']}/set_schedule_inactive"))
    ok(api.post("/deployments/", json={name: hourly[name] for name in ("name", "flow_id")} | {"schedule": {"interval": 60}}))
    assert len(made(api, backfill)) == 4


def test_bounds_and_exclusions_hold_and_jitter_does_not_apply(api, hourly):
    body = {
        "schedule": HOURLY,
        "is_active": False,
        "starts_at": HOURS[1],
        "exclude": [{"start": HOURS[3], "end": HOURS[4]}],
        "jitter_seconds": 600,
        "parameters": {"a": 2},
    }
    ok(api.put(f"/deployments/{hourly['id']}/schedules/shaped", json=body), 201)
    backfill = begin(api, hourly, slug="shaped")
    runs = made(api, backfill)
    assert starts(runs) == [HOURS[1], HOURS[2], HOURS[5], HOURS[6]]
    assert runs[0]["parameters"] == {"a": 2, "b": 1}
    # those that a schedule made with jitter are found by their occurrence
    ok(api.patch(f"/deployments/{hourly['id']}/schedules/shaped", json={"is_active": True, "ends_at": HOURS[6]}))
    assert begin(api, hourly, slug="shaped")["made"] == 0
    assert dry_run(api, hourly, slug="shaped")["existing"] == 4


def test_scheduled_runs_with_jitter_count_as_runs_of_their_occurrences(api):
    deployment = make_deployment(api)
    body = {"schedule": HOURLY, "jitter_seconds": 3000}
    ok(api.put(f"/deployments/{deployment['id']}/schedules/jittered", json=body), 201)
    window = {"start": "2026-06-11T00:00:00Z", "end": "2026-06-11T05:00:00Z"}
    assert len({run["expected_start_time"][14:] for run in runs_of(api, deployment)}) > 1
    assert dry_run(api, deployment, slug="jittered", **window)["existing"] == 6


def test_the_concurrency_limit_holds_and_overlap_skips_nothing(api, hourly):
    ok(api.patch(f"/deployments/{hourly['id']}/policy", json={"concurrency_limit": 1, "overlap": "skip", "catchup_window_seconds": 1}))
    backfill = begin(api, hourly, max_active=4)
    queue = make_work_queue(api, filter={"deployment_ids": [hourly["id"]]})
    assert len(ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 5}))) == 1
    assert ok(api.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 5})) == []
    assert read(api, backfill)["counts"] == {"scheduled": 3, "running": 1, "completed": 0, "failed": 0, "cancelled": 0}


def test_backfills_are_listed_the_newest_first_by_deployment_and_state(api, hourly, api_clock):
    other = make_deployment(api, schedule=HOURLY, is_schedule_active=False)
    first, second, third = begin(api, hourly), begin(api, other), begin(api, other, reprocess="all")
    act(api, second, "cancel")
    both = {"deployments": {"id": {"any_": [hourly["id"], other["id"]]}}}

    def found(**asked):
        return [backfill["id"] for backfill in ok(api.post("/backfills/filter", json=both | asked))]

    assert found() == [third["id"], second["id"], first["id"]]
    assert found(limit=1, offset=1) == [second["id"]]
    assert found(state={"any_": ["CANCELLED"]}) == [second["id"]]
    assert found(state={"any_": ["RUNNING", "PAUSED"]}) == [third["id"], first["id"]]
    assert found(state={"any_": []}) == []
    assert found(deployments={"name": {"any_": [hourly["name"]]}}) == [first["id"]]
    assert first["id"] in [backfill["id"] for backfill in ok(api.post("/backfills/filter"))]


def test_a_backfill_is_deleted_with_its_deployment(api, hourly):
    backfill = begin(api, hourly)
    ok(api.delete(f"/deployments/{hourly['id']}"), 204)
    problem(api.get(f"/backfills/{backfill['id']}"), 404)


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        ({"end": "2026-05-01T00:00:00Z"}, "body.end"),
        ({"end": None}, "body.end"),
        ({"end": "2226-06-01T00:00:00Z"}, "body.end"),
        ({"slug": "nightly"}, "body.slug"),
        ({"slug": "No!"}, "body.slug"),
        ({"order": "sideways"}, "body.order"),
        ({"max_active": 0}, "body.max_active"),
        ({"max_active": 1001}, "body.max_active"),
        ({"reprocess": "some"}, "body.reprocess"),
        ({"parameters": 1}, "body.parameters"),
        ({"begin": HOURS[0]}, "body.begin"),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_what_is_wrong_with_a_backfill_is_422_in_a_dry_run_too(api, hourly, asked, wrong, dry):
    response = api.post(f"/deployments/{hourly['id']}/backfills", json=WINDOW | asked | {"dry_run": dry})
    assert wrong_fields(response) == {wrong}


def test_a_deployment_without_a_schedule_has_none_to_backfill(api):
    response = api.post(f"/deployments/{make_deployment(api)['id']}/backfills", json=WINDOW)
    assert wrong_fields(response) == {"body.slug"}


def test_what_is_not_there_is_404(api):
    problem(api.post(f"/deployments/{uuid4()}/backfills", json=WINDOW), 404)
    problem(api.get(f"/backfills/{uuid4()}"), 404)
    for action in ("pause", "resume", "cancel"):
        problem(api.post(f"/backfills/{uuid4()}/{action}"), 404)


def test_a_run_whose_backfill_looks_far_ahead_for_the_next_one_is_ended_all_the_same(api, hourly, work):
    # all but the first and the last of 720 occurrences have a run
    first, last = datetime.fromisoformat(HOURS[0]), datetime.fromisoformat(HOURS[0]) + timedelta(hours=719)
    inner = {"start": HOURS[1], "end": (last - timedelta(hours=1)).isoformat()}
    begin(api, hourly, **inner)
    work()
    backfill = begin(api, hourly, end=last.isoformat(), max_active=1)
    assert backfill["total"] == 720
    end(api, *made(api, backfill))
    assert starts(waiting(api, backfill)) == [last.isoformat()]
    assert starts(made(api, backfill)) == [first.isoformat(), last.isoformat()]
