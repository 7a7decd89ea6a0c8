"""`mintaka audit`, and what commands leave in the trail."""

import getpass
import json
from datetime import UTC, datetime

import pytest

from tests.api.factories import make_deployment
from tests.cli.results import documents, done, failed, table

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FILE = """
flows:
  - name: etl
    tags: [a]
deployments:
  - flow: etl
    name: nightly
    flow_data: {encoding: json, blob: "1"}
    schedule: {cron: "0 6 * * *"}
    parameters: {password: hunter2}
work_queues:
  - name: q
concurrency_limits:
  - tag: db
    concurrency_limit: 2
"""


@pytest.fixture(autouse=True)
def stopped(clock):
    clock.stop_at(NOW)


def entries(run, *options):
    """What the trail has, the oldest first."""
    return documents(run("audit", "ls", *options, "--output", "json"))[::-1]


def said(run, *options):
    return [(entry["action"], entry["object_kind"], entry["object_name"]) for entry in entries(run, *options)]


def test_a_command_is_its_users(run):
    done(run("concurrency-limits", "set", "db", "2"))
    [entry] = entries(run)
    assert (entry["via"], entry["actor"], entry["address"], entry["request_id"]) == ("cli", getpass.getuser(), None, None)
    assert (entry["action"], entry["object_kind"], entry["object_name"]) == ("create", "concurrency_limit", "db")


def test_keys_are_in_the_trail_and_their_secrets_are_not(run):
    secrets = [documents(run("keys", "create", "ci", "--scope", "admin", "--output", "json"))["key"]]
    secrets += [documents(run("keys", "rotate", "ci", "--overlap", "1d", "--output", "json"))["key"]]
    done(run("keys", "revoke", "ci"))
    assert said(run) == [("create", "key", "ci"), ("rotate", "key", "ci"), ("revoke", "key", "ci")]
    created, rotated, revoked = entries(run)
    assert created["changes"]["scopes"] == {"after": ["admin"]}
    assert rotated["changes"] == {"previous_expires": {"before": None, "after": "2026-06-02T12:00:00+00:00"}}
    assert revoked["changes"]["revoked"]["after"]
    text = done(run("audit", "export"))
    assert not any(secret[-72:] in text for secret in secrets)
    assert "digest" not in text


def test_apply_leaves_an_entry_for_each_change_and_none_for_what_is_the_same(run, tmp_path):
    file = tmp_path / "etl.yaml"
    file.write_text(FILE)
    done(run("apply", "-f", str(file), "--dry-run"))
    assert run("diff", "-f", str(file)).exit_code == 1
    assert entries(run) == []
    done(run("apply", "-f", str(file)))
    kinds = {"concurrency_limit": "db", "deployment": "nightly", "flow": "etl", "work_queue": "q"}
    expected = [("create", kind, name) for kind, name in kinds.items()]
    assert sorted(said(run)) == expected
    done(run("apply", "-f", str(file)))
    assert sorted(said(run)) == expected
    file.write_text(FILE.replace("0 6", "0 7"))
    done(run("apply", "-f", str(file)))
    [entry] = entries(run, "--action", "update")
    assert entry["changes"].keys() == {"schedules.default"}
    assert "hunter2" not in done(run("audit", "export"))


def test_prune_leaves_one_entry(run, client, clock):
    deployment = make_deployment(client)
    for _ in range(2):
        run_id = client.post(f"/deployments/{deployment['id']}/create_flow_run", json={}).json["id"]
        client.post(f"/flow_runs/{run_id}/set_state", json={"state": {"type": "COMPLETED"}})
    clock.advance(days=91)
    done(run("db", "prune", "--older-than", "90d", "--dry-run"))
    done(run("db", "prune", "--older-than", "90d", "--audit", "--yes"))
    [entry] = entries(run)
    assert (entry["action"], entry["object_kind"], entry["details"]["deleted"]["flow_runs"]) == ("prune", "database", 2)
    assert entry["details"]["deleted"]["audit_entries"] == 6


def test_the_list_shows_who_did_what(run, client):
    flow_id = make_deployment(client)["flow_id"]
    client.patch(f"/flows/{flow_id}", json={"tags": ["etl"]})
    rows = table(run("audit", "ls", "--kind", "flow", "--action", "update"))
    assert [(row["WHO"], row["ACTION"], row["OBJECT"], row["WHAT"]) for row in rows] == [("127.0.0.1", "update", "flow", "tags")]
    assert said(run, "--object", flow_id, "--since", NOW.isoformat(), "--until", NOW.isoformat(), "--limit", "1") == [
        ("update", "flow", entries(run)[0]["object_name"])
    ]
    assert said(run, "--until", "2026-05-31") == said(run, "--actor", "ci") == said(run, "--request", "none") == []
    assert "(2 more; --all shows them)" in run("audit", "ls", "--limit", "1").stderr
    assert "Not a UUID" in failed(run("audit", "ls", "--object", "etl"), 2)


def test_an_entry_is_shown_field_by_field(run, client):
    flow_id = make_deployment(client)["flow_id"]
    client.patch(f"/flows/{flow_id}", json={"tags": ["etl"]})
    [entry] = entries(run, "--action", "update")
    assert documents(run("audit", "show", entry["id"][-8:], "--output", "json")) == entry
    facts, changes = done(run("audit", "show", entry["id"])).split("\n\n")
    assert f"request_id   {entry['request_id']}\n" in facts
    assert changes.split() == ["FIELD", "BEFORE", "AFTER", "tags", "-", "etl"]
    assert failed(run("audit", "show", flow_id), 1) == f"Audit entry not found: {flow_id}"


def test_an_export_has_a_line_for_each_entry_the_oldest_first(run, client, tmp_path, monkeypatch):
    monkeypatch.setattr("app.cli.audit.AT_ONCE", 2)
    for _ in range(3):
        make_deployment(client)
    lines = [json.loads(line) for line in done(run("audit", "export")).splitlines()]
    assert lines == entries(run)
    assert len(lines) == 6
    file = tmp_path / "audit.jsonl"
    done(run("audit", "export", "--kind", "flow", "-o", str(file)))
    assert [json.loads(line) for line in file.read_text().splitlines()] == [line for line in lines if line["object_kind"] == "flow"]
