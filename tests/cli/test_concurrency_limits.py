"""`mintaka concurrency-limits`."""

from tests.api.asking import ok
from tests.api.factories import make_task_run
from tests.cli.results import documents, done, failed, table


def test_a_limit_is_set_replaced_listed_and_removed(run, client):
    assert done(run("concurrency-limits", "set", "warehouse", "1")) == "warehouse: 1 task run at a time\n"
    assert done(run("concurrency-limits", "set", "warehouse", "2")) == "warehouse: 2 task runs at a time\n"
    one = make_task_run(client, tags=["warehouse"])
    ok(client.post(f"/task_runs/{one['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    assert table(run("concurrency-limits", "ls")) == [{"TAG": "warehouse", "LIMIT": "2", "TAKEN": "1"}]
    assert documents(run("concurrency-limits", "ls", "--output", "json")) == ok(client.post("/concurrency_limits/filter"))
    assert done(run("concurrency-limits", "reset", "warehouse")) == "warehouse: 1 slot given back\n"
    assert ok(client.get("/concurrency_limits/tag/warehouse"))["active_slots"] == []
    assert ok(client.get(f"/task_runs/{one['id']}"))["state_type"] == "RUNNING"
    assert failed(run("concurrency-limits", "reset", "house"), 1) == "Concurrency limit not found: house"
    assert done(run("concurrency-limits", "rm", "warehouse")) == "warehouse is not limited any more\n"
    assert failed(run("concurrency-limits", "rm", "warehouse"), 1) == "Concurrency limit not found: warehouse"


def test_a_list_that_goes_on_says_so(run):
    for tag in "abc":
        done(run("concurrency-limits", "set", tag, "1"))
    listed = run("concurrency-limits", "ls", "--limit", "1", "--offset", "1")
    assert [limit["TAG"] for limit in table(listed)] == ["b"]
    assert listed.stderr == "(1 more; --all shows them)\n"
    assert run("concurrency-limits", "ls", "--all").stderr == ""


def test_a_limit_that_is_not_allowed_is_wrong_usage(offline_run):
    assert failed(offline_run("concurrency-limits", "set", "tag", "many"), 2).startswith("Invalid value for 'LIMIT'")
    assert failed(offline_run("concurrency-limits", "set", "x" * 256, "1"), 2).startswith("Invalid value for 'TAG'")
    assert "No such option '-1'" in failed(offline_run("concurrency-limits", "set", "tag", "-1"), 2)
