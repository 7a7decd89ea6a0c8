"""`mintaka deployments preview`."""

import pytest
from sqlalchemy import update

from app.db.models import Deployment
from tests.api.asking import runs_of, starts
from tests.api.factories import make_deployment, make_flow
from tests.cli.results import documents, done, failed, table

NEW_YORK = ("--timezone", "America/New_York")


def preview(run, *options):
    return table(run("deployments", "preview", *options))


def instants(run, *options):
    return [one["utc"] for one in documents(run("deployments", "preview", *options, "--output", "json"))["occurrences"]]


def test_an_occurrence_in_a_gap_is_shown_where_it_goes_and_why(offline_run):
    found = preview(offline_run, "--cron", "30 2 * * *", *NEW_YORK, "--start", "2022-03-12", "--count", "2")
    assert [list(row.values())[:2] for row in found] == [
        ["Sat 2022-03-12 02:30:00-05:00", "Sat 2022-03-12 07:30:00+00:00"],
        ["Sun 2022-03-13 03:30:00-04:00", "Sun 2022-03-13 07:30:00+00:00"],
    ]
    assert list(found[0]) == ["LOCAL (America/New_York)", "UTC", "DAYLIGHT SAVING"]
    assert found[0]["DAYLIGHT SAVING"] == "-"
    assert "local time 02:30 does not exist: runs at 03:30" in found[1]["DAYLIGHT SAVING"]


def test_an_occurrence_in_a_fold_is_the_first_of_the_two(offline_run):
    found = preview(offline_run, "--cron", "30 1 * * *", *NEW_YORK, "--start", "2022-11-06", "--count", "1")
    assert found[0]["LOCAL (America/New_York)"] == "Sun 2022-11-06 01:30:00-04:00"
    assert "occurs twice: the first is used" in found[0]["DAYLIGHT SAVING"]


def test_an_interval_shows_both_halves_of_a_fold_with_their_offsets(offline_run):
    options = ("--interval", "3600", *NEW_YORK, "--start", "2022-11-06T05:00", "--count", "2", "--output", "json")
    found = documents(offline_run("deployments", "preview", *options))["occurrences"]
    assert [one["local"] for one in found] == ["2022-11-06T01:00:00-04:00", "2022-11-06T01:00:00-05:00"]


def test_json_says_the_schedule_with_its_defaults_and_each_occurrence(offline_run):
    options = ("--cron", "@daily", "--no-day-or", "--start", "2022-01-01", "--count", "1", "--output", "json")
    assert documents(offline_run("deployments", "preview", *options)) == {
        "schedule": {"cron": "@daily", "timezone": None, "day_or": False},
        "timezone": "UTC",
        "occurrences": [{"local": "2022-01-01T00:00:00+00:00", "utc": "2022-01-01T00:00:00+00:00", "daylight_saving": None}],
    }


@pytest.mark.parametrize(
    "options, found",
    [
        (("--interval", "90", "--anchor", "2022-01-01T00:00:30"), ["2022-01-01T00:00:30+00:00", "2022-01-01T00:02:00+00:00"]),
        (("--interval", "86400", "--timezone", "Europe/London"), ["2022-01-01T00:00:00+00:00", "2022-01-02T00:00:00+00:00"]),
        (("--rrule", "FREQ=MONTHLY;BYDAY=-1FR"), ["2022-01-28T00:00:00+00:00", "2022-02-25T00:00:00+00:00"]),
        (("--cron", "0 0 13 * 5", "--no-day-or"), ["2022-05-13T00:00:00+00:00", "2023-01-13T00:00:00+00:00"]),
    ],
)
def test_a_schedule_of_every_kind_can_be_given(offline_run, options, found):
    assert instants(offline_run, *options, "--start", "2022-01-01", "--count", "2") == found


def test_ten_occurrences_from_now_on_are_shown_unless_told_otherwise(offline_run):
    assert len(instants(offline_run, "--cron", "* * * * *")) == 10


def test_the_end_of_a_rule_is_told(offline_run):
    rule = "DTSTART:20220101T000000\nRRULE:FREQ=DAILY;COUNT=2"
    result = offline_run("deployments", "preview", "--rrule", rule, "--start", "2022-01-02")
    assert len(table(result)) == 1
    assert result.stderr == "(no more until the end of 2200)\n"


@pytest.mark.parametrize(
    "options, message",
    [
        ((), "Give a deployment, or one of --cron, --interval and --rrule."),
        (("--timezone", "UTC"), "Give a deployment, or one of --cron, --interval and --rrule."),
        (("--cron", "@daily", "--interval", "5"), "Give one of --cron, --interval and --rrule, not several."),
        (("etl/nightly", "--cron", "@daily"), "Give a deployment or the options of a schedule, not both."),
        (("--cron", "* * * *"), "Invalid value for '--cron': has 4 fields; exactly five are allowed"),
        (("--cron", "0 0 30 2 *"), "Invalid value for '--cron': never fires"),
        (("--interval", "0"), "Invalid value for '--interval': must be more than 0 seconds"),
        (("--interval", "nan"), "Invalid value for '--interval': must be a finite number of seconds"),
        (("--interval", "1h"), "Invalid value for '--interval': '1h' is not a valid float."),
        (("--interval", "5", "--anchor", "soon"), "Invalid value for '--anchor': must be an ISO 8601 time"),
        (("--interval", "5", "--no-day-or"), "Invalid value for '--no-day-or': is not a member of a schedule with interval"),
        (("--rrule", "FREQ=SECONDLY"), "Invalid value for '--rrule': "),
        (("--cron", "@daily", "--timezone", "Mars/Base"), "Invalid value for '--timezone': is not the IANA name of a time zone"),
        (("--cron", "@daily", "--count", "0"), "Invalid value for '--count': Must be from 1 to 10000."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_schedule_that_is_refused_is_wrong_usage_of_its_option(offline_run, options, message):
    assert message in failed(offline_run("deployments", "preview", *options), 2)


def test_a_stored_schedule_shows_the_instants_of_its_runs(run, client):
    flow = make_flow(client, name="etl")
    schedule = {"cron": "30 2 * * *", "timezone": "America/New_York"}
    deployment = make_deployment(client, name="nightly", flow_id=flow["id"], schedule=schedule)
    expected = starts(runs_of(client, deployment))[:5]
    for reference in ("etl/nightly", deployment["id"]):
        assert instants(run, reference, "--start", expected[0], "--count", "5") == expected


def test_a_paused_schedule_can_be_previewed(run, client):
    deployment = make_deployment(client, schedule={"interval": 60}, is_schedule_active=False)
    assert len(instants(run, deployment["id"])) == 10
    assert runs_of(client, deployment) == []


def test_a_deployment_without_a_schedule_has_no_preview(run, client):
    assert failed(run("deployments", "preview", make_deployment(client)["id"]), 1) == "The deployment has no schedule."


def test_a_stored_schedule_that_fails_is_no_fault_of_the_user(run, app, client):
    deployment = make_deployment(client, schedule={"interval": 60})
    with app.extensions["mintaka"].database.transaction() as session:
        session.execute(update(Deployment).values(schedule={"cron": "nonsense"}))
    message = failed(run("deployments", "preview", deployment["id"]), 1)
    assert message.startswith("The deployment's schedule failed: cron: has 1 fields")


def test_times_are_right_on_the_night_of_a_half_hour_change(offline_run):
    options = ("--cron", "15 2 * * *", "--timezone", "Australia/Lord_Howe", "--start", "2022-10-01T12:00", "--count", "1")
    (row,) = preview(offline_run, *options)
    assert row["LOCAL (Australia/Lord_Howe)"] == "Sun 2022-10-02 02:45:00+11:00"
    assert done(offline_run("deployments", "preview", *options)).count("\n") == 2
