"""`mintaka apply`, `diff`, `export` and `schema`."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.asking import ids, ok, runs_of
from tests.api.factories import make_deployment, make_flow, make_work_queue
from tests.cli.results import done
from tests.file_schema import PUBLISHED

NOW = datetime(2026, 6, 1, tzinfo=UTC)
FILE = """\
flows:
  - {name: etl, tags: [team-data]}
deployments:
  - flow: etl
    name: nightly
    flow_data: {encoding: json, blob: '"x"'}
    tags: [nightly]
    parameters: {table: orders, share: 0.5}
    schedules:
      - {slug: a, schedule: {cron: "0 9 * * *", timezone: Europe/Berlin}, exclude: [2026-12-25]}
      - {slug: b, schedule: {interval: 3600}, jitter_seconds: 60}
concurrency_limits:
  - {tag: warehouse, concurrency_limit: 2}
work_queues:
  - {name: night, filter: {deployments: [etl/nightly]}, description: at night}
"""


@pytest.fixture
def write(tmp_path):
    """`write(text)` makes a file, and returns its path."""

    def made(text, name="server.yaml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return made


@pytest.fixture(autouse=True)
def stopped(clock):
    clock.stop_at(NOW)


def nightly(client):
    return ok(client.get("/deployments/name/etl/nightly"))


def lines_of(result):
    """What was told on standard error, by line of the file, as (line, field)."""
    assert result.exit_code == 2, result.output
    return [(int(line), field) for line, field in re.findall(r"\.yaml:(\d+): ([\w.]+): ", result.stderr)]


def test_a_file_makes_what_it_says(run, client, write):
    said = done(run("apply", "-f", write(FILE)))
    assert said.splitlines() == [
        "created flow etl",
        "created deployment etl/nightly",
        "created concurrency limit warehouse",
        "created work queue night",
        "4 created, 0 unchanged",
    ]
    deployment = nightly(client)
    assert (deployment["tags"], deployment["parameters"]) == (["nightly"], {"table": "orders", "share": 0.5})
    first, second = ok(client.get(f"/deployments/{deployment['id']}/schedules"))
    assert (first["slug"], first["exclude"], second["slug"], second["jitter_seconds"]) == ("a", ["2026-12-25"], "b", 60)
    assert len(runs_of(client, deployment)) == 200
    (queue,) = ok(client.post("/work_queues/filter", json={}))
    assert (queue["filter"]["deployment_ids"], queue["description"]) == ([deployment["id"]], "at night")
    assert ok(client.get("/concurrency_limits/tag/warehouse"))["concurrency_limit"] == 2


def test_applying_twice_changes_nothing_and_says_so(run, client, clock, write):
    path = write(FILE)
    done(run("apply", "-f", path))
    before, runs = nightly(client), ids(runs_of(client, nightly(client)))
    clock.advance(minutes=1)
    assert done(run("apply", "-f", path)) == "Nothing was changed: 4 unchanged\n"
    assert nightly(client) == before
    assert ids(runs_of(client, before)) == runs
    assert done(run("diff", "-f", path)) == ""


def test_one_schedule_is_changed_and_the_others_keep_their_runs(run, client, write):
    done(run("apply", "-f", write(FILE)))
    before = {slug: ids(runs_of(client, nightly(client), schedule_slug={"any_": [slug]})) for slug in "ab"}
    path = write(FILE.replace("0 9 * * *", "0 10 * * *"))
    shown = run("diff", "-f", path)
    assert shown.exit_code == 1
    heading, old, new = shown.stdout.splitlines()
    assert heading == "changed deployment etl/nightly: schedules.a"
    assert old.startswith("  - schedules.a: ")
    assert "0 9 * * *" in old
    assert new.startswith("  + schedules.a: ")
    assert "0 10 * * *" in new
    assert "1 would be changed, 3 unchanged" in done(run("apply", "-f", path, "--dry-run"))
    assert {slug: ids(runs_of(client, nightly(client), schedule_slug={"any_": [slug]})) for slug in "ab"} == before
    assert done(run("apply", "-f", path)) == "changed deployment etl/nightly: schedules.a\n1 changed, 3 unchanged\n"
    after = {slug: ids(runs_of(client, nightly(client), schedule_slug={"any_": [slug]})) for slug in "ab"}
    assert after["b"] == before["b"]
    assert not after["a"] & before["a"]


def test_what_a_file_does_not_say_keeps_its_value(run, client, write):
    done(run("apply", "-f", write(FILE)))
    done(run("deployments", "pause", "etl/nightly"))
    assert done(run("apply", "-f", write(FILE))) == "Nothing was changed: 4 unchanged\n"
    assert not nightly(client)["is_schedule_active"]
    rest = "deployments: [{flow: etl, name: nightly, is_schedule_active: true}]"
    assert "changed deployment etl/nightly: is_schedule_active" in done(run("apply", "-f", write(rest)))
    assert nightly(client)["tags"] == ["nightly"]


def test_a_pause_has_a_note_and_an_end(run, client, write):
    pause = "    is_schedule_active: false\n    pause: {note: moving, until: 2026-06-02T00:00:00Z}\n    tags:"
    path = write(FILE.replace("    tags:", pause, 1))
    done(run("apply", "-f", path))
    found = ok(client.get(f"/deployments/{nightly(client)['id']}/pause"))
    assert (found["paused"], found["note"], found["until"]) == (True, "moving", "2026-06-02T00:00:00+00:00")
    assert done(run("apply", "-f", path)) == "Nothing was changed: 4 unchanged\n"


def test_a_policy_is_set_changed_and_kept(run, client, write):
    def policy():
        return ok(client.get(f"/deployments/{nightly(client)['id']}/policy"))

    limited = write(FILE.replace("    tags:", "    policy: {concurrency_limit: 1, overlap: skip}\n    tags:", 1))
    done(run("apply", "-f", limited))
    assert (policy()["concurrency_limit"], policy()["overlap"]) == (1, "skip")
    assert done(run("apply", "-f", limited)) == "Nothing was changed: 4 unchanged\n"
    cleared = write(FILE.replace("    tags:", "    policy: {concurrency_limit: null, pause_after_failures: 3}\n    tags:", 1))
    assert "changed deployment etl/nightly: policy" in done(run("apply", "-f", cleared))
    assert policy() == {"concurrency_limit": None, "overlap": "skip", "catchup_window_seconds": None, "pause_after_failures": 3}
    assert done(run("apply", "-f", write(FILE))) == "Nothing was changed: 4 unchanged\n"
    wrong = write(FILE.replace("    tags:", "    policy: {overlap: often}\n    tags:", 1))
    assert "policy.overlap" in run("apply", "-f", wrong).stderr


def test_a_file_that_is_wrong_is_told_all_at_once_with_lines(run, client, write):
    text = """\
flows:
  - name: e/tl
    tag: [team-data]
deployments:
  - flow: etl
    name: nightly
    schedules:
      - {slug: a, schedule: {cron: "61 9 * * *"}}
      - slug: b
        schedule: {interval: 60}
        exclude: [2026-02-31]
      - slug: B_
        gap: x
work_queues:
  - name: q
    is_paused: yes
"""
    result = run("apply", "-f", write(text))
    assert lines_of(result) == [
        (2, "flows.0.name"),
        (3, "flows.0.tag"),
        (8, "deployments.0.schedules.0.schedule.cron"),
        (11, "deployments.0.schedules.1.exclude.0"),
        (12, "deployments.0.schedules.2.schedule"),
        (12, "deployments.0.schedules.2.slug"),
        (13, "deployments.0.schedules.2.gap"),
        (16, "work_queues.0.is_paused"),
    ]
    assert "Allowed are tags, name." in result.stderr
    assert ok(client.post("/flows/count", json={})) == 0


def test_what_only_the_server_knows_to_be_wrong_has_its_line_and_leaves_nothing(run, client, write):
    text = """\
deployments:
  - flow: etl
    name: nightly
work_queues:
  - name: q
    filter:
      deployments:
        - etl/none
"""
    assert lines_of(run("apply", "-f", write(text))) == [(2, "deployments.0.flow_data"), (8, "work_queues.0.filter.deployments.0")]
    assert ok(client.post("/flows/count", json={})) == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flows: ]", "server.yaml:1: is not YAML"),
        ("flows:\n  - name: a\n    name: b\n", "server.yaml:3: has 'name' twice"),
        ("flows: [{name: a}, {name: a}]", "server.yaml:1: flows.1.name: Another one has this name."),
        ("a: &a\n  b: *a\n", "nested deeper than 64 levels"),
        ("flows: !!python/object:os.system []", "no tags are allowed"),
        ("flows: !mine []", "has the tag !mine; no tags are allowed"),
        ('flows: [{name: "a\\0b"}]', "NUL"),
        ("flows: 5", "server.yaml:1: flows: Not a list."),
        ("- a", "server.yaml:1: Not a JSON object."),
        ("deployments: [{flow: a, name: b, pause: {}}]", "deployments.0.pause: Goes with is_schedule_active: false only."),
    ],
)
def test_what_is_no_file_is_refused(run, write, text, said):
    result = run("apply", "-f", write(text))
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_folder_is_a_set_and_one_that_is_wrong_keeps_all_of_it_out(run, client, write, tmp_path):
    write(FILE, "set/one.yaml")
    write("flows: [{name: other, tag: []}]", "set/two.yml")
    folder = str(tmp_path / "set")
    assert run("apply", "-f", folder).exit_code == 2
    assert ok(client.post("/flows/count", json={})) == 0
    write("flows: [{name: other}]", "set/two.yml")
    assert "5 created" in done(run("apply", "-f", folder))
    write("concurrency_limits: [{tag: warehouse, concurrency_limit: 3}]", "set/two.yml")
    assert "concurrency_limits: warehouse is in" in run("apply", "-f", folder).stderr


def test_pruning_deletes_only_what_the_same_set_made(run, client, write):
    make_flow(client, name="by-hand")
    make_work_queue(client, name="by-hand")
    done(run("apply", "-f", write("flows: [{name: theirs}]", "theirs.yaml")))
    done(run("apply", "-f", write(FILE)))
    less = write("flows: [{name: by-hand}]")
    assert done(run("apply", "-f", less)) == "Nothing was changed: 1 unchanged\n"
    would = run("diff", "-f", less, "--prune")
    assert (would.exit_code, would.stdout.count("deleted")) == (1, 4)
    said = done(run("apply", "-f", less, "--prune")).splitlines()
    assert said == [
        "deleted work queue night",
        "deleted concurrency limit warehouse",
        "deleted deployment etl/nightly",
        "deleted flow etl",
        "4 deleted, 1 unchanged",
    ]
    assert [flow["name"] for flow in ok(client.post("/flows/filter", json={}))] == ["by-hand", "theirs"]
    assert [queue["name"] for queue in ok(client.post("/work_queues/filter", json={}))] == ["by-hand"]
    assert done(run("apply", "-f", write("", "server.yaml"), "--prune")) == "Nothing was changed: 0 unchanged\n"


def test_pruning_keeps_a_flow_that_others_use(run, client, write):
    done(run("apply", "-f", write("flows: [{name: etl}]")))
    make_deployment(client, name="by-hand", flow_id=ok(client.get("/flows/name/etl"))["id"])
    assert "kept flow etl: it has deployments or runs" in done(run("apply", "-f", write(""), "--prune"))
    assert ok(client.get("/deployments/name/etl/by-hand"))


def test_a_set_that_names_a_thing_takes_it_over(run, client, write):
    done(run("apply", "-f", write("flows: [{name: etl}]"), "--set", "one"))
    done(run("apply", "-f", write("flows: [{name: etl}]"), "--set", "two"))
    done(run("apply", "-f", write(""), "--set", "one", "--prune"))
    assert ok(client.get("/flows/name/etl"))
    assert "deleted flow etl" in done(run("apply", "-f", write(""), "--set", "two", "--prune"))


def test_standard_input_is_a_file_whose_set_has_to_be_named(run, client):
    assert "--set" in run("apply", "-f", "-", "--prune", input=FILE).stderr
    assert "4 created" in done(run("apply", "-f", "-", "--prune", "--set", "a", input=FILE))


def test_an_export_is_of_a_flow_or_a_tag_or_of_all(run, client, write, tmp_path):
    done(run("apply", "-f", write(FILE)))
    make_deployment(client, name="other", tags=["x"])
    everything = done(run("export"))
    assert "warehouse" in everything
    assert "other" in everything
    by_flow, by_tag = done(run("export", "--flow", "etl")), done(run("export", "--tag", "nightly"))
    assert by_flow == by_tag
    assert "warehouse" not in by_flow
    assert "other" not in by_flow
    path = tmp_path / "out.yaml"
    assert done(run("export", "-o", str(path))) == ""
    assert path.read_text() == everything
    assert done(run("export", "--tag", "none")) == ""


def test_a_refused_database_is_no_difference(offline_run, write):
    result = offline_run("diff", "-f", write(FILE))
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_schema_is_printed(offline_run):
    assert json.loads(done(offline_run("schema"))) == json.loads(PUBLISHED.read_text())


def test_a_set_may_last_for_years(run, client, clock, write):
    """A schedule whose end has passed is as it was."""
    text = FILE.replace("jitter_seconds: 60", "ends_at: 2026-06-03T00:00:00Z")
    done(run("apply", "-f", write(text)))
    clock.advance(days=400)
    assert done(run("apply", "-f", write(text))) == "Nothing was changed: 4 unchanged\n"
    assert nightly(client)["updated"] == (NOW + timedelta(0)).isoformat()
