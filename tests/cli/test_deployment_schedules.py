"""`mintaka deployments schedules`, and previews of shaped schedules."""

from datetime import UTC, datetime

import pytest

from tests.api.asking import runs_of, starts
from tests.api.factories import make_deployment, make_flow
from tests.cli.results import documents, done, failed, table

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def nightly(client, clock):
    """The deployment etl/nightly, without a schedule; the time stands still."""
    clock.stop_at(NOW)
    return make_deployment(client, name="nightly", flow_id=make_flow(client, name="etl")["id"])


def of(client, deployment, slug):
    return runs_of(client, deployment, schedule_slug={"any_": [slug]})


def test_a_schedule_is_set_listed_changed_and_removed(run, client, nightly):
    month_end = ("--cron", "0 18 L * *", "--timezone", "Europe/Berlin", "--exclude", "2026-06-30", "--param", "n=1")
    said = done(run("deployments", "schedules", "set", "etl/nightly", "month-end", *month_end))
    assert said.startswith("etl/nightly month-end is set: the last day of the month at 18:00 Europe/Berlin, not on 30 June 2026")
    done(run("deployments", "schedules", "set", "etl/nightly", "often", "--interval", "1200", "--jitter", "300", "--max-runs", "7"))
    rows = table(run("deployments", "schedules", "ls", "etl/nightly"))
    assert [row["SLUG"] for row in rows] == ["month-end", "often"]
    assert starts(of(client, nightly, "month-end"))[0] == "2026-07-31T16:00:00+00:00"
    before = [run["id"] for run in of(client, nightly, "often")]
    assert len(before) == 7
    assert "is changed" in done(run("deployments", "schedules", "set", "etl/nightly", "month-end", "--inactive"))
    (stored, often) = documents(run("deployments", "schedules", "ls", "etl/nightly", "--output", "json"))
    assert (stored["is_active"], stored["exclude"], stored["parameters"], often["jitter_seconds"]) == (False, ["2026-06-30"], {"n": 1}, 300)
    assert of(client, nightly, "month-end") == []
    assert [run["id"] for run in of(client, nightly, "often")] == before
    assert done(run("deployments", "schedules", "rm", "etl/nightly", "often")) == "etl/nightly often is removed\n"
    assert of(client, nightly, "often") == []
    assert failed(run("deployments", "schedules", "rm", "etl/nightly", "often"), 1) == "Schedule not found: often"


@pytest.mark.parametrize(
    "options, said",
    [
        (("--cron", "61 * * * *"), "Invalid value for '--cron'"),
        (("--interval", "60", "--cron", "0 9 * * *"), "Give one of --cron, --interval and --rrule, not several."),
        (("--cron", "0 9 * * *", "--exclude", "2026-02-30"), "Invalid value for '--exclude'"),
        (("--cron", "0 9 * * *", "--exclude", "{"), "Invalid value for '--exclude'"),
        (("--cron", "0 9 * * *", "--starts-at", "2027-01-01", "--ends-at", "2026-01-01"), "Invalid value for '--ends-at'"),
        (("--cron", "0 9 * * *", "--jitter", "90000"), "Invalid value for '--jitter'"),
        (("--jitter", "5"), "A new schedule needs one of --cron, --interval and --rrule."),
    ],
)
def test_what_is_wrong_with_a_schedule_names_the_option(run, nightly, options, said):
    result = run("deployments", "schedules", "set", "etl/nightly", "a", *options)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_preview_takes_what_shapes_a_schedule(offline_run):
    options = ("--cron", "30 2 * * *", "--timezone", "Europe/Berlin", "--fold", "both", "--exclude", "2026-10-24", "--start", "2026-10-24")
    rows = table(offline_run("deployments", "preview", *options, "--count", "2"))
    assert [row["UTC"] for row in rows] == ["Sun 2026-10-25 00:30:00+00:00", "Sun 2026-10-25 01:30:00+00:00"]
    assert "both are used" in rows[0]["DAYLIGHT SAVING"]


def test_a_preview_of_a_stored_schedule_shows_the_dates_of_its_runs(run, client, nightly):
    done(run("deployments", "schedules", "set", "etl/nightly", "a", "--cron", "0 9 * * *", "--exclude", "2026-06-02", "--jitter", "60"))
    found = documents(run("deployments", "preview", "etl/nightly", "--schedule", "a", "--count", "3", "--output", "json"))["occurrences"]
    assert [one["utc"][8:10] for one in found] == ["01", "03", "04"]
    assert all("jitter: starts" in one["daylight_saving"] for one in found)
    assert failed(run("deployments", "preview", "etl/nightly", "--schedule", "b"), 1) == "The deployment has no schedule b."
