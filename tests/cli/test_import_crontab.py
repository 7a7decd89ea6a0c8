"""`mintaka import crontab`."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.crontab import read
from app.cli.yaml_text import Reader
from app.domain import schedules
from tests.cli.results import done

CRONTAB = """\
# m h dom mon dow command

MAILTO="ops@example.org"
CRON_TZ=Europe/Berlin
# back up
# every weekday
0 9 * * 1-5  /usr/bin/backup --all 2>&1
@daily mail -s '100\\%' team%Hello%there
"""


def test_a_crontab_becomes_a_file_that_can_be_applied(run, client, tmp_path):
    path, out = tmp_path / "crontab", tmp_path / "cron.yaml"
    path.write_text(CRONTAB)
    done(run("import", "crontab", str(path), "-o", str(out)))
    assert "  # back up\n  # every weekday\n  - flow: cron\n" in out.read_text()
    backup, mail = Reader(out.read_text(), 64).value["deployments"]
    assert backup["schedule"] == {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"}
    assert backup["parameters"] == {"command": "/usr/bin/backup --all 2>&1", "env": {"MAILTO": "ops@example.org"}}
    assert mail["schedule"]["cron"] == "@daily"
    assert (mail["parameters"]["command"], mail["parameters"]["stdin"]) == ("mail -s '100%' team", "Hello\nthere\n")
    assert "3 created" in done(run("apply", "-f", str(out)))


def test_the_system_form_has_users_and_equal_commands_have_names_of_their_own():
    entries, errors = read("1 2 * * * root a b\n3 4 * * * bob a b\n", "f", has_users=True)
    assert errors == []
    assert [(one.deployment["name"], one.deployment["parameters"]["user"]) for one in entries] == [("a-b", "root"), ("a-b-2", "bob")]


@pytest.mark.parametrize("line", ["@reboot x", "61 * * * * x", "* * * *", "0 0 * * *", "@often x", "CRON_TZ=Mars/X\n0 0 * * * x"])
def test_what_is_wrong_has_its_line(run, tmp_path, line):
    path = tmp_path / "crontab"
    path.write_text(f"# a\n@daily y\n{line}\n")
    result = run("import", "crontab", str(path))
    assert result.exit_code == 2
    assert f"{path}:{3 + line.count(chr(10))}: " in result.stderr


def days(field, low, high):
    """The values of a day field, read by itself."""
    base, _, step = field.partition("/")
    first, _, last = base.partition("-")
    start, end = (low, high) if base == "*" else (int(first), int(last or first))
    return set(range(start, end + 1, int(step or 1)))


day_fields = st.one_of(st.just("*"), st.integers(2, 6).map("*/{}".format), st.integers(1, 28).map(str), st.just("3-20"))
weekday_fields = st.one_of(st.just("*"), st.integers(2, 6).map("*/{}".format), st.integers(0, 6).map(str), st.just("1-5"))


@given(day_fields, weekday_fields)
def test_days_are_those_that_cron_matches(day, weekday):
    """The condition is the one of cron's own loop: with a star in front of either field both must hold, else one is enough."""
    ((entry,), _) = read(f"0 0 {day} * {weekday} x\n", "f")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = schedules.parse(entry.deployment["schedule"]).occurrences(start, start + timedelta(days=399), 400)
    combine = all if day.startswith("*") or weekday.startswith("*") else any
    wanted = [
        date
        for date in (start + timedelta(days=n) for n in range(400))
        if combine((date.day in days(day, 1, 31), date.isoweekday() % 7 in days(weekday, 0, 6)))
    ]
    assert list(found) == wanted
