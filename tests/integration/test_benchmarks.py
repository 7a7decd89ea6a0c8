"""The harness in benchmarks/ can still be used: it loads, what it asks is valid, and what it compares is comparable. Nothing is timed."""

import importlib
import re
import threading
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import psycopg2
import pytest

from benchmarks import growth, limit, pairs, report
from benchmarks.inside import passes
from benchmarks.load import load
from benchmarks.scenarios import SCENARIOS, Subject
from tests.databases import libpq_dsn

MODULES = sorted(path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py") if path.stem != "__init__")
# what the bare program answers here was less than Mintaka does from the beginning
ANSWERED_IN_PART = {"create_flow_run"}
EMBEDDED = {"flow_run", "flow_runner", "state", "state_details"}


def through(app):
    """What `benchmarks.wire.Api` does over HTTP, by the test client of `app`."""

    def api(method, path, body=None):
        answer = app.test_client().open(f"/api{path}", method=method, json=body)
        assert 200 <= answer.status_code < 300, (method, path, answer.text)
        return answer.json

    return api


def subject(name, app):
    return Subject(name, through(app), deployments=3, due=16)


def shape(answer):
    """Which members an answer has, and the documents that the server embeds in it; not those that a client gave."""
    if isinstance(answer, dict):
        return {name: shape(value) if name in EMBEDDED else None for name, value in answer.items()}
    return [shape(value) for value in answer[:1]] if isinstance(answer, list) else None


@pytest.fixture
def bare(postgres_url, monkeypatch):
    """The practical limit, on a database of its own."""
    monkeypatch.setenv("LIMIT_DSN", libpq_dsn(postgres_url))
    monkeypatch.setattr(limit, "local", threading.local())
    yield limit.app
    if connection := getattr(limit.local, "connection", None):
        connection.close()


@pytest.fixture
def connection(postgres_url):
    """A connection to `postgres_url` on which each statement is a transaction."""
    with closing(psycopg2.connect(libpq_dsn(postgres_url))) as connection:
        connection.autocommit = True
        yield connection


def rows(connection, statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


@pytest.mark.parametrize("name", MODULES)
def test_every_script_can_be_loaded(name):
    importlib.import_module(f"benchmarks.{name}")


def test_every_request_of_a_scenario_is_valid(app):
    measured = subject("mintaka", app)
    for scenario in SCENARIOS.values():
        for request in scenario.requests(measured) if scenario.requests else ():
            measured.api(*request)
        if scenario.figure:
            assert scenario.figure(measured)["rate"] > 0


def test_a_round_of_claims_that_ran_out_of_runs_is_no_figure(app):
    measured = subject("mintaka", app)
    measured.fill_queue()
    SCENARIOS["claim_10"].check(measured)
    with pytest.raises(RuntimeError, match="has claimed all runs"):
        SCENARIOS["claim_10"].check(measured)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_practical_limit_answers_what_mintaka_answers(app, bare):
    ours, its = subject("mintaka", app), subject("limit", bare)
    for name, scenario in SCENARIOS.items():
        if "limit" not in scenario.servers or name in ANSWERED_IN_PART:
            continue
        answers = [side.api(*scenario.requests(side)[0]) for side in (ours, its)]
        assert shape(answers[0]) == shape(answers[1]), name
        if isinstance(answers[0], list):
            assert len(answers[0]) == len(answers[1]), name


def shape_of_schema(connection):
    """The definitions of all indexes and constraints, sorted, without casts: PostgreSQL writes them anew for an index made from one."""
    query = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint"
    casts = re.compile(r"::(character varying|text)(\[\])?|[()]")
    return sorted(casts.sub("", definition) for (definition,) in rows(connection, query))


def test_loading_leaves_runs_as_the_server_leaves_them_and_the_schema_as_it_was(postgres_url, connection):
    before = shape_of_schema(connection)
    load(postgres_url, deployments=20, runs=200, task_runs=10)
    assert shape_of_schema(connection) == before
    for run, number in (("flow_run", 200), ("task_run", 10)):
        newest = f"""SELECT DISTINCT ON (r.id) s.id = r.state_id AND s.type = r.state_type AND s.name = r.state_name AS same
            FROM {run} r JOIN {run}_state s ON s.{run}_id = r.id ORDER BY r.id, s.timestamp DESC, s.id DESC"""
        assert rows(connection, f"SELECT same, count(*) FROM ({newest}) found GROUP BY same") == [(True, number)]
    # the scheduler knows them for the runs that it would make
    rows(connection, "UPDATE deployment_schedule SET top_up_due = now() RETURNING id")
    with passes(postgres_url, scheduler_max_runs=3) as inside:
        report = inside.schedule()
    assert (report.deployments, report.runs, report.failures) == (20, 0, 0)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_everything_whose_growth_is_measured_can_be_done(app, database_url, connection):
    load(database_url, growth.LEAST_DEPLOYMENTS, runs=100)
    with passes(database_url, scheduler_max_runs=growth.TOPPED_UP) as inside:
        site = growth.Site(through(app), inside, connection)
        for thing in growth.THINGS:
            assert getattr(site, thing)() > 0, thing
            assert growth.what(thing)


ROUNDS = {
    "mintaka": [{"rate": rate, "p99_ms": p99, "errors": 0} for rate, p99 in ((90.0, 3.0), (40.0, 2.0), (50.0, 9.0))],
    "limit": [{"rate": rate, "p99_ms": p99, "errors": 0} for rate, p99 in ((100.0, 1.0), (100.0, 1.0), (50.0, 3.0))],
}


def test_a_ratio_is_the_median_of_the_ratios_within_the_pairs():
    assert pairs.ratio(ROUNDS, "limit") == 0.9
    assert pairs.ratio(ROUNDS, "limit", "p99_ms") == 3.0
    assert pairs.ratio(ROUNDS, "reference") is None


def test_a_fill_has_no_ratio_to_a_round_in_which_the_other_made_nothing():
    rounds = {"mintaka": [60.0, 90.0], "two": [60.0, 90.0], "copy": [120.0, 180.0], "reference": [0.0, 9.0]}
    assert "fills 10.0 times as fast" in report.fill(rounds)
    assert "times as fast" not in report.fill(rounds | {"reference": [0.0, 0.0]})


def test_the_picture_shows_what_was_measured():
    growing = {"read": {100: 2.0, 10_000: 2.5, 2_000_000: 5.0}}
    picture = report.picture({"requests": {"read": ROUNDS}, "growth": growing})
    texts = [element.text for element in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert "0.90" in texts
    assert "2.50x" in texts
    assert "0.90" in report.requests({"read": ROUNDS})
