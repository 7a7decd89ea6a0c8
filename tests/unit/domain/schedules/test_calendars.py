"""Exclusions by the name of a calendar of holidays, and by an iCalendar text."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import holidays
import pytest

from app.domain.schedules import InvalidMember, calendars, shape
from tests.serving import ROOT

DAILY = {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}


def left_out(entry, year=2026, schedule=None):
    """The local days of a year that an entry takes out of a daily schedule."""
    shaped = shape({"schedule": schedule or DAILY, "exclude": [entry]})
    start, end = datetime(year, 1, 1), datetime(year, 12, 31, 23)
    kept = {moment.astimezone(shaped.zone).date() for moment in shaped.occurrences(start, end, 400)}
    return [day for day in (date(year, 1, 1) + timedelta(days=n) for n in range((end - start).days + 1)) if day not in kept]


def ics(*events, head="VERSION:2.0"):
    lines = ["BEGIN:VCALENDAR", head]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.split("|"), "END:VEVENT"]
    return {"ics": "\r\n".join([*lines, "END:VCALENDAR", ""])}


@pytest.mark.parametrize(
    ("name", "country", "part"), [("DE-BE", "DE", "BE"), ("US", "US", None), ("JP", "JP", None), ("GB-SCT", "GB", "SCT")]
)
@pytest.mark.parametrize("year", [2026, 2031])
def test_the_public_holidays_of_a_year_are_left_out(name, country, part, year):
    assert left_out({"holidays": name}, year) == sorted(holidays.country_holidays(country, subdiv=part, years=year))


@pytest.mark.parametrize("language", ["C.UTF-8", "de_DE.UTF-8", ""])
def test_names_of_holidays_do_not_depend_on_who_started_the_process(language):
    command = [sys.executable, "-c", "from app.domain.schedules.calendars import holidays_of; print(*holidays_of('DE', 2026).values())"]
    variables = {name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES")}
    named = subprocess.run(command, cwd=ROOT, env=variables | ({"LANG": language} if language else {}), capture_output=True, text=True)
    assert "Labor Day" in named.stdout, named.stderr


def test_a_holiday_lasts_a_local_day():
    hourly = shape({"schedule": {"cron": "0 * * * *", "timezone": "Asia/Tokyo"}, "exclude": [{"holidays": "JP"}]})
    found = list(hourly.occurrences(datetime(2026, 4, 28, 13, tzinfo=UTC), datetime(2026, 4, 29, 16, tzinfo=UTC), 99))
    # 29 April, Showa Day, is from 15:00 UTC of the 28th to 15:00 UTC of the 29th in Tokyo
    assert [(moment.day, moment.hour) for moment in found] == [(28, 13), (28, 14), (29, 15), (29, 16)]


def test_an_unknown_calendar_of_holidays_is_refused_with_near_names():
    with pytest.raises(InvalidMember, match=r"exclude\.0\.holidays: is not the name .*; near names are .*DE-BE") as refused:
        shape({"schedule": DAILY, "exclude": [{"holidays": "de-be"}]})
    assert refused.value.loc == ("exclude", 0, "holidays")
    for name in ("", "X" * 10_000, None, "DE-", "-BE", "DE-XX"):
        with pytest.raises(InvalidMember):
            shape({"schedule": DAILY, "exclude": [{"holidays": name}]})


def test_the_days_of_all_day_events_are_left_out():
    entry = ics(
        "DTSTART;VALUE=DATE:20260105|SUMMARY:one day",
        "DTSTART;VALUE=DATE:20260110|DTEND;VALUE=DATE:20260113|SUMMARY:three",
        "DTSTART;VALUE=DATE:20260201|DURATION:P2D",
        "DTSTART:20260301T090000Z|DTEND:20260301T100000Z|SUMMARY:a meeting",
        "DTSTART;VALUE=DATE:20260401|STATUS:CANCELLED",
        "DTSTART;VALUE=DATE:20251230|DTEND;VALUE=DATE:20260102|SUMMARY:over\r\n  the year",
    )
    january, february = [date(2026, 1, day) for day in (1, 5, 10, 11, 12)], [date(2026, 2, day) for day in (1, 2)]
    assert left_out(entry) == january + february
    assert left_out(entry, 2025) == [date(2025, 12, 30), date(2025, 12, 31)]


def test_events_recur_and_single_instances_are_moved_or_cancelled():
    entry = ics(
        "UID:a|DTSTART;VALUE=DATE:20240310|DTEND;VALUE=DATE:20240312|RRULE:FREQ=YEARLY|EXDATE;VALUE=DATE:20270310|SUMMARY:yearly",
        "UID:b|DTSTART;VALUE=DATE:20260601|RRULE:FREQ=WEEKLY;COUNT=4|RDATE;VALUE=DATE:20260720",
        "UID:b|RECURRENCE-ID;VALUE=DATE:20260608|DTSTART;VALUE=DATE:20260610",
        "UID:b|RECURRENCE-ID;VALUE=DATE:20260615|DTSTART;VALUE=DATE:20260615|STATUS:CANCELLED",
    )
    june = [date(2026, 6, day) for day in (1, 10, 22)]
    assert left_out(entry) == [date(2026, 3, 10), date(2026, 3, 11), *june, date(2026, 7, 20)]
    assert left_out(entry, 2027) == []
    assert left_out(entry, 2028) == [date(2028, 3, 10), date(2028, 3, 11)]


def test_a_start_is_a_day_of_its_event_where_the_rule_does_not_match_it():
    assert left_out(ics("DTSTART;VALUE=DATE:20260107|RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=2")) == [
        date(2026, 1, 7),
        date(2026, 1, 12),
        date(2026, 1, 19),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hello", "cannot be read as an iCalendar text"),
        ("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n", "cannot be read as an iCalendar text"),
        (ics("DTSTART:20260301T090000Z")["ics"], "has no all-day event"),
        (ics()["ics"], "has no all-day event"),
        (ics("DTSTART;VALUE=DATE:20260101|RRULE:FREQ=SECONDLY")["ics"], "cannot be read"),
        (ics("DTSTART;VALUE=DATE:20260101|RRULE:FREQ=YEARLY;INTERVAL=0")["ics"], "rule cannot be read: it has a rule whose INTERVAL"),
        (ics(*["DTSTART;VALUE=DATE:20260101"] * 1_200)["ics"], "has more than 1,000 events"),
        (ics(*["DTSTART;VALUE=DATE:20260101|RRULE:FREQ=YEARLY"] * 101)["ics"], "has more than 100 all-day events that recur"),
        ("BEGIN:VEVENT\r\n" * 1_000 + "END:VEVENT\r\n" * 1_000, "has no all-day event"),
        ("x" * 262_145, "must be at most 256 kB"),
        ("", "must be a string that is not empty"),
        (7, "must be a string"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_calendar_is_refused(text, reason):
    with pytest.raises(InvalidMember) as refused:
        shape({"schedule": DAILY, "exclude": ["2026-01-01", {"ics": text}]})
    assert refused.value.loc == ("exclude", 1, "ics")
    assert reason in refused.value.reason


def test_all_calendars_of_a_schedule_together_are_bounded():
    text = ics("DTSTART;VALUE=DATE:20260101|DESCRIPTION:" + "x" * 140_000)
    shape({"schedule": DAILY, "exclude": [text]})
    with pytest.raises(InvalidMember, match="exclude: must have at most 256 kB of ics in all"):
        shape({"schedule": DAILY, "exclude": [text, text]})


@pytest.mark.parametrize(("package", "entry"), [("holidays", {"holidays": "DE"}), ("icalendar", ics("DTSTART;VALUE=DATE:20200101"))])
def test_a_package_that_is_not_installed_is_named(monkeypatch, package, entry):
    for kept in (calendars._holiday_names, calendars.read_ics):
        kept.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidMember, match=rf"needs the package {package}, which is not installed on the server: pip install 'mintaka\["):
        shape({"schedule": DAILY, "exclude": [entry]})
