"""`mintaka import prefect-yaml`."""

import pytest

from app.cli.yaml_text import Reader
from tests.cli.results import done

PREFECT = """\
name: project
deployments:
  - name: nightly
    entrypoint: flows/etl.py:load_orders
    description: at night
    tags: [nightly]
    parameters: {table: orders}
    work_pool: {name: pool}
    schedules:
      - {cron: "0 9 * * 1-5", timezone: Europe/Berlin, day_or: true, active: false}
      - {interval: 3600, anchor_date: 2026-01-01T00:00:00+00:00, timezone: UTC, slug: often}
      - {rrule: FREQ=MONTHLY;BYDAY=-1FR, parameters: {a: 1}}
  - {name: paused, flow_name: etl, paused: true, schedule: {cron: "@daily"}}
"""


def test_what_can_be_carried_over_is_and_the_rest_is_told(run, tmp_path):
    path, out = tmp_path / "prefect.yaml", tmp_path / "out.yaml"
    path.write_text(PREFECT)
    result = run("import", "prefect-yaml", str(path), "-o", str(out))
    done(result)
    told = [line.removeprefix(f"{path}:") for line in result.stderr.splitlines()]
    assert told == [
        "1: name is left out",
        "5: deployments.0.description is left out",
        "8: deployments.0.work_pool is left out",
        "11: deployments.0.schedules.1.timezone is left out beside an anchor_date",
    ]
    nightly, paused = Reader(out.read_text(), 64).value["deployments"]
    assert (nightly["flow"], nightly["tags"], nightly["parameters"]) == ("load-orders", ["nightly"], {"table": "orders"})
    assert nightly["flow_data"] == {"encoding": "json", "blob": '"flows/etl.py:load_orders"'}
    assert [schedule["slug"] for schedule in nightly["schedules"]] == ["default", "often", "schedule-3"]
    assert (nightly["schedules"][0]["is_active"], nightly["schedules"][2]["parameters"]) == (False, {"a": 1})
    assert (paused["flow"], paused["is_schedule_active"]) == ("etl", False)
    assert "4 created" in done(run("apply", "-f", str(out)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1", ":1: has no list of deployments"),
        ("deployments:\n- {name: a, flow_name: f, schedule: {cron: '61 * * * *'}}", ":2: deployments.0.schedule.cron cannot"),
        ("deployments:\n- {name: a}", ":2: deployments.0 has neither entrypoint nor flow_name"),
        ("deployments:\n- {name: a, flow_name: f, schedules: [{}]}", ":2: deployments.0.schedules.0 must have exactly one of"),
    ],
)
def test_what_is_wrong_has_its_line(run, tmp_path, text, said):
    path = tmp_path / "prefect.yaml"
    path.write_text(text)
    result = run("import", "prefect-yaml", str(path))
    assert result.exit_code == 2
    assert said in result.stderr
