"""Four schedules from a file, on the command line, and a real server that answers for them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from app.cli.yaml_text import Reader, write
from tests.cli.results import done

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, LAST = datetime(2027, 1, 1, tzinfo=BERLIN), datetime(2027, 12, 31, 23, 59, tzinfo=BERLIN)
FILE = """\
deployments:
  - flow: etl
    name: nightly
    flow_data: {encoding: json, blob: '"x"'}
    tags: [nightly]
    schedules:
      - {slug: month-end, schedule: {cron: "0 18 L * *", timezone: Europe/Berlin}, exclude: [2027-05-31, 2027-12-31]}
      - {slug: office, schedule: {cron: "*/20 9-16 * * 1-5", timezone: Europe/Berlin}, jitter_seconds: 300}
      - slug: third-friday
        schedule: {rrule: "FREQ=MONTHLY;BYDAY=3FR;BYHOUR=12;BYMINUTE=0;BYSECOND=0", timezone: Europe/Berlin}
        ends_at: 2027-06-30T00:00:00Z
      - {slug: clock-change, schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}, fold: both}
"""


def minutes_of_the_year():
    """Every instant of the year at a whole ten minutes, in Berlin."""
    instant = FIRST.astimezone(UTC)
    while instant <= LAST.astimezone(UTC):
        yield instant.astimezone(BERLIN)
        instant += timedelta(minutes=10)


def expected(slug, local):
    """Whether a schedule has this date, from what its sentence says. The night that has no 02:30 has 03:30 in its place."""
    if slug == "month-end":
        is_last = (local.date() + timedelta(days=1)).day == 1
        return is_last and (local.hour, local.minute) == (18, 0) and (local.month, local.day) not in ((5, 31), (12, 31))
    if slug == "office":
        return local.weekday() < 5 and 9 <= local.hour <= 16 and local.minute % 20 == 0
    if slug == "third-friday":
        return local.weekday() == 4 and 15 <= local.day <= 21 and (local.hour, local.minute) == (12, 0) and local.month <= 6
    return (local.hour, local.minute) == (2, 30) or (local.month, local.day, local.hour, local.minute) == (3, 28, 3, 30)


@pytest.fixture
def run(app):
    """`run("apply", ...)` runs a command on the server's database."""
    return lambda *args: app.test_cli_runner().invoke(args=args)


@pytest.fixture
def api(gunicorn_server, database_url):
    """`api(method, path, body)` asks a real server."""
    server = gunicorn_server(database_url)

    def ask(method, path, body=None):
        answer = requests.request(method, f"{server.url}/api{path}", json=body, timeout=20)
        assert answer.ok, answer.text
        return answer.json() if answer.content else None

    return ask


def ids_by_slug(api, deployment):
    found, offset = {}, 0
    while page := api(
        "POST", "/flow_runs/filter", {"flow_runs": {"deployment_id": {"any_": [deployment]}}, "offset": offset, "limit": 200}
    ):
        offset += len(page)
        for run in page:
            found.setdefault(run["idempotency_key"].split()[2], set()).add(run["id"])
    return found


def test_four_schedules_from_a_file_are_dated_edited_paused_and_go_on(api, run, app, tmp_path):
    path = tmp_path / "etl.yaml"
    path.write_text(FILE, encoding="utf-8")
    done(run("apply", "-f", str(path)))
    deployment = api("GET", "/deployments/name/etl/nightly")["id"]
    stored = api("GET", f"/deployments/{deployment}/schedules")
    year = list(minutes_of_the_year())
    for schedule in stored:
        body = {name: schedule[name] for name in ("schedule", "exclude", "fold", "ends_at")}
        dates, start, limit = [], FIRST, 1000
        while page := api("POST", "/schedules/preview", body | {"start": start.isoformat(), "end": LAST.isoformat(), "limit": limit}):
            dates += [datetime.fromisoformat(one["instant"]) for one in page]
            start = dates[-1] + timedelta(microseconds=1)
        assert dates == [local.astimezone(UTC) for local in year if expected(schedule["slug"], local)], schedule["slug"]

    before = ids_by_slug(api, deployment)
    path.write_text(FILE.replace("0 18 L", "0 19 L"), encoding="utf-8")
    assert "changed deployment etl/nightly: schedules.month-end" in done(run("apply", "-f", str(path)))
    after = ids_by_slug(api, deployment)
    assert after.keys() == before.keys()
    assert not after["month-end"] & before["month-end"]
    assert all(after[slug] == before[slug] for slug in before if slug != "month-end")

    until = datetime.now(UTC) + timedelta(hours=1)
    done(run("deployments", "pause", "--tag", "nightly", "--note", "moving", "--until", until.isoformat()))
    assert api("GET", f"/deployments/{deployment}/pause")["note"] == "moving"
    assert ids_by_slug(api, deployment) == {}
    app.extensions["mintaka"].clock.stop_at(until + timedelta(seconds=1))
    done(run("scheduler", "run", "--once"))
    assert not api("GET", f"/deployments/{deployment}/pause")["paused"]
    assert ids_by_slug(api, deployment).keys() == before.keys()
    assert write(Reader(done(run("export")), 64).value) == done(run("export"))
