"""MINTAKA_DATABASE_READ_URL: a replica answers lists and counts, and nobody misses what was written."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import psycopg2
import pytest

from app import create_app
from app.api.http.transaction import MANY
from app.config import InvalidSetting, Settings
from app.db import replica
from tests.conftest import ApiClient
from tests.databases import execute, migrated
from tests.postgres_servers import own_servers
from tests.serving import wait_until


def url(port, database="postgres"):
    return f"postgresql://mintaka@127.0.0.1:{port}/{database}"


def counts(app):
    """How many lists and counts there were, by what the replica was."""
    reads = app.extensions["mintaka"].metrics.replica_reads
    return {outcome: number for outcome in replica.OUTCOMES if (number := reads.labels(outcome)._value.get())}


@pytest.fixture
def replicated(postgres_server, monkeypatch, caplog):
    """A migrated primary, its replica, and an application on both: `new()` makes another one."""
    monkeypatch.setattr(replica, "REST", 0.2)
    # a replica on a machine that is busy with other tests
    monkeypatch.setattr(replica, "PATIENCE", 2.0)
    caplog.set_level(logging.INFO, "mintaka.database")
    apps = []
    with own_servers(postgres_server) as servers:
        one = servers.primary("one")
        migrated(url(one))
        two = servers.standby("two", "one")

        def new(**settings):
            app = create_app(Settings(**{"database_url": url(one), "database_read_url": url(two)} | settings))
            app.test_client_class = ApiClient
            apps.append(app)
            return app

        yield SimpleNamespace(new=new, servers=servers, one=one, two=two)
        for app in apps:
            app.extensions["mintaka"].database.dispose()


def make_flow(app, name):
    answer = app.test_client().post("/flows/", json={"name": name})
    assert answer.status_code == 201, answer.text
    return name


def flows(app, **like):
    answer = app.test_client().post("/flows/filter", json={"flows": {"name": like}} if like else {})
    assert answer.status_code == 200, answer.text
    return [flow["name"] for flow in answer.json]


def write_and_list(app, names):
    """Make a flow of each name; after each list it and count all that begin like it."""
    for number, name in enumerate(names, 1):
        make_flow(app, name)
        assert flows(app, any_=[name]) == [name]
        counted = app.test_client().post("/flows/count", json={"flows": {"name": {"like_": name.rstrip("0123456789")}}})
        assert counted.json == number


def backends(port):
    """How many connections of Mintaka a server has."""
    with closing(psycopg2.connect(url(port))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mintaka'")
        return cursor.fetchone()[0]


@pytest.mark.slow  # two servers: 5 s
def test_what_was_written_is_in_every_list_whatever_the_replica_does(replicated, postgres_server, caplog):
    app = replicated.new()
    write_and_list(app, [f"first-{number}" for number in range(5)])
    assert counts(app) == {"answered": 10}
    assert backends(replicated.two)

    # whoever writes, in whichever process, all see it; and writers keep the replica catching up
    others = [replicated.new() for _ in range(2)]
    with ThreadPoolExecutor(3) as pool:
        names = [[f"{letter}-{number}" for number in range(15)] for letter in "xyz"]
        list(pool.map(write_and_list, [app, *others], names))
    assert flows(others[0], like_="-") == sorted(flows(others[1], like_="-"))
    answered = counts(app)["answered"]
    assert answered > 10

    # one that has stopped to take in what the primary writes
    execute(url(replicated.two), "SELECT pg_wal_replay_pause()")
    replica.PATIENCE = 0.05
    write_and_list(app, [f"paused-{number}" for number in range(3)])
    assert counts(app) == {"answered": answered, "behind": 6}
    execute(url(replicated.two), "SELECT pg_wal_replay_resume()")
    wait_until(lambda: flows(app) and counts(app)["answered"] > answered, "the replica has caught up")
    replica.PATIENCE = 2.0

    # one that is lost, with its connections, and comes back
    replicated.servers.stop("two")
    write_and_list(app, [f"lost-{number}" for number in range(3)])
    assert counts(app)["unreachable"] == 6
    [said] = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert said.startswith("The replica is not used, the primary answers: ")
    replicated.servers.start("two")
    answered = counts(app)["answered"]
    wait_until(lambda: flows(app) and counts(app)["answered"] > answered, "the replica is used again")
    assert caplog.messages[-1] == "The replica is used again"

    # what is no replica of that database, and why
    execute(url(replicated.one), "CREATE DATABASE other TEMPLATE template0")
    others = {
        f"{url(replicated.two)}?options=-csearch_path%3Dnowhere": "another database or schema",
        url(replicated.two, "other"): "another database or schema",
        url(replicated.one): "a server that is no streaming replica",
        postgres_server: "another PostgreSQL cluster",
    }
    for number, (read_url, reason) in enumerate(others.items()):
        caplog.clear()
        mistaken = replicated.new(database_read_url=read_url)
        write_and_list(mistaken, [f"{'abcd'[number]}-mistaken"])
        assert counts(mistaken).keys() <= {"unfit", "unreachable"}
        assert f"MINTAKA_DATABASE_READ_URL leads to {reason}" in caplog.text

    # one that has become a primary
    replicated.servers.control("two", "promote")
    make_flow(app, "promoted")
    assert flows(app, any_=["promoted"]) == ["promoted"]
    assert counts(app)["unfit"] == 1


def test_what_lists_counts_or_tells_the_history_only_reads(app):
    many = [rule for rule in app.url_map.iter_rules() if rule.rule.endswith(MANY)]
    assert len(many) > 15
    for rule in many:
        assert rule.methods - {"OPTIONS"} == {"POST"}
        assert app.view_functions[rule.endpoint].read_only, rule


@pytest.mark.parametrize(
    ("primary", "read_url"),
    [
        ("sqlite:///x.db", "postgresql://u@h/d"),
        ("", "postgresql://u@h/d"),
        ("postgresql://u@h/d", "sqlite:///x.db"),
        ("postgresql://u@h/d", "mysql://u:hunter2@h/x"),
        ("postgresql://u@h/d", "u:hunter2@h/x"),
    ],
)
def test_a_replica_that_there_cannot_be_is_refused_at_the_start(primary, read_url):
    with pytest.raises(InvalidSetting, match=r"^MINTAKA_DATABASE_READ_URL: .*(only PostgreSQL has replicas|use|write)") as refused:
        create_app(Settings(database_url=primary, database_read_url=read_url))
    assert "hunter" not in str(refused.value)
