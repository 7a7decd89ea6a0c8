"""Making runs in a window, the past included."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ids, ok, problem, runs_of, starts, wrong_fields
from tests.api.factories import make_deployment
from tests.api.history import start_some

NOW = datetime(2022, 6, 1, 12, 30, tzinfo=UTC)
DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}
REPORT = {"Prefer": "return=representation"}


@pytest.fixture(autouse=True)
def stopped_clock(api_clock):
    api_clock.stop_at(NOW)


@pytest.fixture
def bare(api):
    """A deployment with an active daily schedule, and none of its runs."""
    deployment = make_deployment(api, schedule=DAILY)
    for run in runs_of(api, deployment):
        ok(api.delete(f"/flow_runs/{run['id']}"), 204)
    return deployment


def schedule(client, deployment, headers=None, **body):
    return ok(client.post(f"/deployments/{deployment['id']}/schedule", json=body, headers=headers))


def report(client, deployment, **body):
    return schedule(client, deployment, REPORT, **body)


def days(*dates):
    return [f"{date}T09:00:00+00:00" for date in dates]


def test_the_answer_is_null(api, bare):
    assert schedule(api, bare) is None


def test_start_time_defaults_to_now_and_end_time_to_100_days_later(api, bare):
    schedule(api, bare, max_runs=10_000)
    runs = starts(runs_of(api, bare))
    assert (runs[0], runs[-1], len(runs)) == ("2022-06-02T09:00:00+00:00", "2022-09-09T09:00:00+00:00", 100)


def test_end_time_defaults_to_100_days_after_the_start_that_was_given(api, bare):
    schedule(api, bare, start_time="2022-01-01T09:00:00Z", max_runs=10_000)
    runs = starts(runs_of(api, bare))
    assert (runs[0], runs[-1], len(runs)) == ("2022-01-01T09:00:00+00:00", "2022-04-11T09:00:00+00:00", 101)


def test_max_runs_defaults_to_100(api, bare):
    schedule(api, bare, start_time="2021-01-01", end_time="2022-01-01")
    runs = starts(runs_of(api, bare))
    assert (runs[0], len(runs)) == ("2021-01-01T09:00:00+00:00", 100)


def test_null_means_the_default(api, bare):
    schedule(api, bare, start_time=None, end_time=None, max_runs=None)
    assert len(runs_of(api, bare)) == 100


@pytest.mark.parametrize("most", [1, 5, 1000])
def test_at_most_max_runs_are_made_the_earliest_first(api, bare, most):
    schedule(api, bare, start_time="2021-01-01", end_time="2021-01-07", max_runs=most)
    assert starts(runs_of(api, bare)) == days(*(f"2021-01-0{day}" for day in range(1, 7)))[:most]


def test_10000_runs_are_made_in_one_request(api):
    deployment = make_deployment(api, schedule={"interval": 60}, is_schedule_active=True)
    made = report(api, deployment, start_time="2021-01-01", end_time="2022-01-01", max_runs=10_000)
    assert (made["due"], made["created"], made["truncated"]) == (10_000, 10_000, True)
    mine = {"flow_runs": {"deployment_id": {"any_": [deployment["id"]]}, "expected_start_time": {"before_": "2022-01-01"}}}
    assert ok(api.post("/flow_runs/count", json=mine)) == 10_000


def test_both_ends_of_the_window_are_inclusive(api, bare):
    schedule(api, bare, start_time="2022-05-01T09:00:00Z", end_time="2022-05-03T09:00:00Z")
    assert starts(runs_of(api, bare)) == days("2022-05-01", "2022-05-02", "2022-05-03")


def test_a_moment_beyond_an_end_is_outside(api, bare):
    schedule(api, bare, start_time="2022-05-01T09:00:00.000001Z", end_time="2022-05-03T08:59:59.999999Z")
    assert starts(runs_of(api, bare)) == days("2022-05-02")


def test_a_window_in_the_past_is_a_backfill(api, bare):
    schedule(api, bare, start_time="2022-05-02", end_time="2022-05-03")
    (run,) = runs_of(api, bare)
    assert run["expected_start_time"] == run["next_scheduled_start_time"] == "2022-05-02T09:00:00+00:00"
    assert (run["auto_scheduled"], run["state_type"], run["tags"]) == (True, "SCHEDULED", ["auto-scheduled"])
    assert run["idempotency_key"] == f"scheduled {bare['id']} 2022-05-02T09:00:00+00:00"
    late = NOW - datetime(2022, 5, 2, 9, tzinfo=UTC)
    assert run["estimated_start_time_delta"] == late.total_seconds()


def test_a_window_across_now_has_runs_on_both_sides(api, bare):
    schedule(api, bare, start_time="2022-05-31", end_time="2022-06-03")
    assert starts(runs_of(api, bare)) == days("2022-05-31", "2022-06-01", "2022-06-02")


def test_a_window_of_no_length_or_the_wrong_way_round_makes_nothing(api, bare):
    for start, end in (("2022-05-03", "2022-05-01"), ("2022-05-01T10:00:00Z", "2022-05-01T10:00:00Z")):
        assert report(api, bare, start_time=start, end_time=end)["due"] == 0
    assert runs_of(api, bare) == []


def test_a_window_at_the_end_of_time_is_cut_to_the_years_there_are(api, bare):
    schedule(api, bare, start_time="2200-12-30T00:00:00Z")
    assert starts(runs_of(api, bare)) == days("2200-12-30", "2200-12-31")


def test_scheduling_twice_makes_no_duplicate(api, bare):
    window = {"start_time": "2022-05-01", "end_time": "2022-05-11"}
    schedule(api, bare, **window)
    before = runs_of(api, bare)
    for _ in range(3):
        schedule(api, bare, **window)
    assert runs_of(api, bare) == before


def test_overlapping_windows_make_no_duplicate(api, bare):
    for start, end in ((1, 10), (5, 15), (8, 9), (1, 20), (14, 25)):
        schedule(api, bare, start_time=f"2022-05-{start:02}", end_time=f"2022-05-{end:02}")
    runs = runs_of(api, bare)
    assert starts(runs) == days(*(f"2022-05-{day:02}" for day in range(1, 25)))


def test_windows_given_in_other_offsets_make_no_duplicate(api, bare):
    for start, end in (
        ("2022-05-01T09:00:00+00:00", "2022-05-02T09:00:00+00:00"),
        ("2022-05-01T18:00:00+09:00", "2022-05-02T18:00:00+09:00"),
        ("2022-04-30T23:00:00-10:00", "2022-05-01T23:00:00-10:00"),
        ("2022-05-01T09:00:00", "2022-05-02T09:00:00"),
    ):
        schedule(api, bare, start_time=start, end_time=end)
    assert starts(runs_of(api, bare)) == days("2022-05-01", "2022-05-02")


def test_a_started_occurrence_is_not_made_again(api, bare):
    window = {"start_time": "2022-05-01", "end_time": "2022-05-07"}
    schedule(api, bare, **window)
    before = runs_of(api, bare)
    start_some(api, before)
    assert report(api, bare, **window)["existing"] == 6
    assert ids(runs_of(api, bare)) == ids(before)


@pytest.mark.parametrize(
    "local, window, instants",
    [
        ("America/New_York", ("2022-03-12T00:00:00", "2022-03-15T00:00:00"), ["2022-03-12T07:30", "2022-03-13T07:30", "2022-03-14T06:30"]),
        ("America/New_York", ("2022-11-05T00:00:00", "2022-11-08T00:00:00"), ["2022-11-05T06:30", "2022-11-06T07:30", "2022-11-07T07:30"]),
    ],
    ids=["spring", "autumn"],
)
def test_a_zone_with_daylight_saving_makes_one_run_a_day(api, local, window, instants):
    deployment = make_deployment(api, schedule={"cron": "30 2 * * *", "timezone": local})
    for _ in range(2):
        schedule(api, deployment, start_time=window[0], end_time=window[1])
    inside = [start for start in starts(runs_of(api, deployment)) if window[0] <= start <= window[1]]
    assert inside == [f"{instant}:00+00:00" for instant in instants]


def test_a_missing_deployment_is_404(api, bare):
    ok(api.delete(f"/deployments/{bare['id']}"), 204)
    for headers in ({}, REPORT):
        missing = api.post(f"/deployments/{bare['id']}/schedule", json={}, headers=headers)
        assert problem(missing, 404)["detail"] == "Deployment not found"


@pytest.mark.parametrize(
    "fields, reason", [({}, "no schedule"), ({"schedule": DAILY, "is_schedule_active": False}, "inactive")], ids=["none", "inactive"]
)
def test_an_inactive_or_schedule_less_deployment_generates_nothing(api, fields, reason):
    deployment = make_deployment(api, **fields)
    assert schedule(api, deployment, start_time="2022-05-01") is None
    answer = report(api, deployment, start_time="2022-05-01")
    assert reason in answer.pop("reason")
    assert answer == {"due": 0, "created": 0, "existing": 0, "truncated": False}
    assert runs_of(api, deployment) == []


def test_a_report_says_what_was_due_made_and_there_already(api, bare):
    window = {"start_time": "2022-05-01", "end_time": "2022-05-06"}
    counts = ("due", "created", "existing", "truncated", "reason")
    first = report(api, bare, **window)
    assert tuple(first) == counts
    assert tuple(first.values()) == (5, 5, 0, False, None)
    assert tuple(report(api, bare, **window).values()) == (5, 0, 5, False, None)
    window["end_time"] = "2022-05-08"
    assert tuple(report(api, bare, **window).values()) == (7, 2, 5, False, None)
    assert tuple(report(api, bare, **window, max_runs=6).values()) == (6, 0, 6, True, None)
    assert tuple(report(api, bare, **window, max_runs=7).values()) == (7, 0, 7, False, None)
    nothing = report(api, bare, start_time="2022-05-01T10:00:00Z", end_time="2022-05-01T11:00:00Z")
    assert nothing["reason"]
    assert nothing["due"] == 0


@pytest.mark.parametrize(
    "prefer",
    [
        "return=representation",
        "Return=Representation",
        'return="representation"',
        "respond-async, return=representation",
        "return=representation; x=y",
        "wait=10,return = representation",
    ],
)
def test_prefer_return_representation_is_applied_and_says_so(api, bare, prefer):
    answer = api.post(f"/deployments/{bare['id']}/schedule", json={}, headers={"Prefer": prefer})
    assert set(ok(answer)) == {"due", "created", "existing", "truncated", "reason"}
    assert answer.headers["Preference-Applied"] == "return=representation"


@pytest.mark.parametrize(
    "prefer", ["", "return=minimal", "respond-async", "representation", "return=representations", "x=return=representation"]
)
def test_any_other_preference_is_passed_over(api, bare, prefer):
    answer = api.post(f"/deployments/{bare['id']}/schedule", json={}, headers={"Prefer": prefer})
    assert ok(answer) is None
    assert "Preference-Applied" not in answer.headers


def test_a_wrong_window_is_422_and_makes_nothing(api, bare):
    for field, value in (
        ("start_time", "x"),
        ("end_time", 5),
        ("max_runs", 0),
        ("max_runs", 10_001),
        ("max_runs", "5"),
        ("timezone", "UTC"),
    ):
        refused = api.post(f"/deployments/{bare['id']}/schedule", json={field: value})
        assert wrong_fields(refused) == {f"body.{field}"}
    assert runs_of(api, bare) == []


def test_windows_beside_each_other_make_what_one_window_makes(api):
    whole, parts = make_deployment(api, schedule={"interval": 5400}), make_deployment(api, schedule={"interval": 5400})
    first = datetime(2022, 3, 1, tzinfo=UTC)
    schedule(api, whole, start_time=first.isoformat(), end_time=(first + timedelta(days=5)).isoformat())
    for day in range(5):
        day_after = first + timedelta(days=day)
        schedule(api, parts, start_time=day_after.isoformat(), end_time=(day_after + timedelta(days=1)).isoformat())
    assert starts(runs_of(api, whole)) == starts(runs_of(api, parts))
