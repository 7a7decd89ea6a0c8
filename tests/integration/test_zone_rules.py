"""When the rules of a time zone change, a scheduler that starts replaces what was made ahead by the old ones."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from app.domain import schedules, zones
from app.domain.schedules import calendars, rules
from app.scheduler.loop import Scheduler
from tests import stored
from tests.api.asking import ids, ok, runs_of, starts
from tests.api.factories import make_deployment
from tests.parts import make_parts

NOW = datetime(2026, 6, 1, 12, 30, tzinfo=UTC)
BERLIN = {"cron": "0 9 * * *", "timezone": "Europe/Berlin"}
UTC_DAILY = {"cron": "0 9 * * *", "timezone": "UTC"}


@pytest.fixture(autouse=True)
def stopped(clock):
    """Nothing here goes by the real time."""
    clock.stop_at(NOW)


@pytest.fixture
def scheduler(database, clock):
    """A new scheduler on the database that `client` talks to, as a process that has just started."""
    return lambda: Scheduler(make_parts(database, clock), batch_size=2)


@pytest.fixture
def new_rules(monkeypatch):
    """Call it, and Berlin gives up summer time: its zone is another one's from then on, as after an update of the zone data."""

    def change():
        real, digest, read = zones.zone, zones.data_digest, ZoneInfo("Africa/Lagos")
        monkeypatch.setattr(zones, "data_digest", lambda name: "changed" if name == "Europe/Berlin" else digest(name))

        def replaced(name):
            if name != "Europe/Berlin":
                return real(name)
            return NamedZone(read)

        monkeypatch.setattr(zones, "zone", replaced)
        schedules.documents._known_small.cache_clear()

    yield change
    monkeypatch.undo()
    schedules.documents._known_small.cache_clear()


class NamedZone(tzinfo):
    """A zone with the rules of another one, under the name of Berlin."""

    key = "Europe/Berlin"

    def __init__(self, rules):
        self.rules = rules

    def utcoffset(self, moment):
        return self.rules.utcoffset(moment and moment.replace(tzinfo=self.rules))

    def dst(self, moment):
        return self.rules.dst(moment and moment.replace(tzinfo=self.rules))

    def tzname(self, moment):
        return self.rules.tzname(moment and moment.replace(tzinfo=self.rules))

    def __eq__(self, other):
        return isinstance(other, NamedZone)

    def __hash__(self):
        return 0


def test_what_was_made_by_the_old_rules_goes_and_every_local_time_runs_once(client, scheduler, new_rules):
    berlin, other = make_deployment(client, schedule=BERLIN), make_deployment(client, schedule=UTC_DAILY)
    before, untouched = starts(runs_of(client, berlin)), ids(runs_of(client, other))
    assert before[0] == "2026-06-02T07:00:00+00:00"
    new_rules()
    report = scheduler().run_once(follow_rules=True)
    assert (report.deployments, report.runs) == (1, 100)
    after = starts(runs_of(client, berlin))
    assert after == [(datetime.fromisoformat(start) + timedelta(hours=1)).isoformat() for start in before]
    assert ids(runs_of(client, other)) == untouched


def test_what_has_started_and_what_was_made_for_a_time_that_had_passed_stays(client, scheduler, new_rules):
    berlin = make_deployment(client, schedule=BERLIN)
    window = {"start_time": "2026-05-01T00:00:00Z", "end_time": "2026-05-02T00:00:00Z"}
    ok(client.post(f"/deployments/{berlin['id']}/schedule", json=window))
    backfilled, started = runs_of(client, berlin)[:2]
    ok(client.post(f"/flow_runs/{started['id']}/set_state", json={"state": {"type": "RUNNING"}, "force": True}), 200, 201)
    new_rules()
    scheduler().run_once(follow_rules=True)
    kept = runs_of(client, berlin)
    assert {backfilled["id"], started["id"]} <= ids(kept)
    assert [start for start in starts(kept) if start.startswith("2026-06-0") and "T07" in start] == [started["expected_start_time"]]


def test_nothing_is_looked_at_again_when_no_rules_have_changed(client, database, scheduler):
    make_deployment(client, schedule=BERLIN)
    seen = []
    for read_only in (False, True):
        event.listen(database.engine(read_only), "before_cursor_execute", lambda *args: seen.append(args[2]))
    assert scheduler().run_once(follow_rules=True).deployments == 0
    assert len([statement for statement in set(seen) if "FROM deployment_schedule" in statement]) == 2


def test_a_database_of_an_earlier_version_whose_rules_are_unknown_is_compared_once(client, database, scheduler):
    berlin = make_deployment(client, schedule=BERLIN)
    before = ids(runs_of(client, berlin))
    stored.change(database, berlin["id"], rules_version=None)
    assert scheduler().run_once(follow_rules=True).deployments == 1
    assert scheduler().run_once(follow_rules=True).deployments == 0
    assert ids(runs_of(client, berlin)) == before


def test_holidays_that_another_version_of_their_package_knows_are_rules_too(monkeypatch):
    members = {"schedule": UTC_DAILY, "exclude": [{"holidays": "DE-BE"}]}
    version = rules.rules_version(schedules.shape(members))
    assert schedules.is_current(version)
    assert schedules.is_current(rules.rules_version(schedules.parse(UTC_DAILY)))
    monkeypatch.setattr(calendars, "holidays_version", lambda: "999")
    assert not schedules.is_current(version)
    assert schedules.is_current(rules.rules_version(schedules.parse(UTC_DAILY)))
    assert not schedules.is_current("Nowhere/Land 123")
    assert not schedules.is_current(None)
