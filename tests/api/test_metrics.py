"""`GET /metrics`: what is counted, who may read it, and that the text is what Prometheus reads."""

import json
import re
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import yaml
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app import create_app
from app.config import Settings
from app.scheduler.loop import Scheduler
from tests.api.asking import ok
from tests.api.factories import make_deployment, make_due_runs, make_flow_run, make_work_queue
from tests.keys import make_key
from tests.parts import monthly_heartbeat


def plain(app):
    """A client whose paths stay as they are."""
    return FlaskClient(app, app.response_class)


@pytest.fixture
def scrape(app):
    """scrape(**environment): the samples of `/metrics`, as {(name, labels as sorted pairs): value}."""

    def read(**environ):
        response = plain(app).get("/metrics", environ_overrides=environ)
        assert response.status_code == 200, response.text
        assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
        app.extensions.pop("mintaka.database_facts", None)
        return samples(response.text)

    return read


def samples(text):
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def requests(found, **labels):
    return sum(
        value for (name, *pairs), value in found.items() if name == "mintaka_http_requests_total" and labels.items() <= dict(pairs).items()
    )


def test_requests_are_counted_by_route_method_and_status(client, scrape):
    run = make_flow_run(client)
    for _ in range(3):
        client.get(f"/flow_runs/{run['id']}")
    client.get(f"/flow_runs/{uuid4()}")
    client.get("/no/such/path")
    found = scrape()
    route = "/api/flow_runs/<id:id>"
    assert requests(found, route=route, method="GET", status="200") == 3
    assert requests(found, route=route, method="GET", status="404") == 1
    assert requests(found, route="other", status="404") == 1
    assert found["mintaka_http_request_duration_seconds_count", ("method", "GET"), ("route", route)] == 4


def test_what_clients_make_up_makes_no_labels(app, client, scrape):
    before = len(scrape())
    for number in range(20):
        plain(app).open(f"/api/{number}", method=f"M{number}")
    after = scrape()
    assert requests(after, route="other", method="other") == 20
    # one counter and one histogram more, for the scrape before and for all of these
    assert len(after) - before < 100


def test_decisions_claims_and_what_waits_are_known(client, clock, scrape):
    clock.stop_at(datetime(2022, 6, 1, 12, tzinfo=UTC))
    runs = make_due_runs(client, 3)
    queue = make_work_queue(client)
    clock.advance(seconds=90)
    assert len(ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 1}))) == 1
    for type, status in (("COMPLETED", 201), ("RUNNING", 200)):
        ok(client.post(f"/flow_runs/{runs[0]['id']}/set_state", json={"state": {"type": type}}), status)
    found = scrape()
    assert found["mintaka_flow_runs_claimed_total",] == 1
    decisions = {
        (dict(pairs)["decision"], dict(pairs)["rule"]): value
        for (name, *pairs), value in found.items()
        if name == "mintaka_state_decisions_total"
    }
    assert decisions == {("accept", "none"): 1, ("abort", "keep_terminal_states"): 1}
    assert found["mintaka_flow_runs_overdue",] == 2
    assert found["mintaka_flow_runs_oldest_overdue_seconds",] == 90
    assert (found["mintaka_leases_held",], found["mintaka_leases_expired",], found["mintaka_database_up",]) == (0, 0, 1)
    sizes = [value for (name, *_), value in found.items() if name == "mintaka_database_table_bytes"]
    assert sizes
    assert min(sizes) > 0


def test_runs_that_a_policy_ended_are_counted(client, scrape):
    runs = make_due_runs(client, 3)
    queue = make_work_queue(client)
    ok(client.patch(f"/deployments/{runs[0]['deployment_id']}/policy", json={"concurrency_limit": 1, "overlap": "skip"}))
    assert len(ok(client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 3}))) == 1
    assert scrape()["mintaka_flow_runs_not_started_total", ("reason", "Skipped")] == 2


def test_a_conflict_counts_nothing(client, scrape):
    queue = make_work_queue(client)
    client.post(f"/work_queues/{queue['id']}/claim_runs", json={"limit": 0})
    assert scrape()["mintaka_flow_runs_claimed_total",] == 0


def test_connections_in_use_are_counted_and_given_back(client, scrape):
    make_flow_run(client)
    used = {dict(pairs)["pool"]: value for (name, *pairs), value in scrape().items() if name == "mintaka_database_connections_in_use"}
    # reading the numbers of the database takes none while the text is written
    assert set(used.values()) == {0}


def pools(found, metric):
    """{pool: value} of a metric."""
    return {dict(pairs)["pool"]: value for (name, *pairs), value in found.items() if name == metric and len(pairs) == 1}


def test_how_long_a_connection_is_waited_for_is_known_also_in_vain(app, client, scrape, monkeypatch):
    make_flow_run(client)
    before = pools(scrape(), "mintaka_database_connection_wait_seconds_count")
    database = app.extensions["mintaka"].database
    pool = "read" if len(before) == 2 else "write"
    most = pools(scrape(), "mintaka_database_connections_max")
    assert most.keys() == before.keys()
    engine = database.engine(read_only=True)
    monkeypatch.setattr(engine.pool, "_timeout", 0.2)
    before, waited = (pools(scrape(), f"mintaka_database_connection_wait_seconds_{part}")[pool] for part in ("count", "sum"))
    with ExitStack() as held:
        for _ in range(int(most[pool])):
            held.enter_context(engine.connect())
        assert client.post("/flows/count", json={}).status_code == 503
    after = {part: pools(scrape(), f"mintaka_database_connection_wait_seconds_{part}")[pool] for part in ("count", "sum")}
    assert after["sum"] - waited >= 0.2
    assert after["count"] > before


def test_overdue_runs_are_told_by_queue_and_those_in_none_too(client, clock, scrape):
    clock.stop_at(datetime(2022, 6, 1, 12, tzinfo=UTC))
    [run, *_] = make_due_runs(client, 3)
    # without a deployment no queue has it
    make_flow_run(client, state={"type": "SCHEDULED", "state_details": {"scheduled_time": "2022-06-01T11:00:00+00:00"}})
    clock.advance(seconds=90)
    assert scrape()["mintaka_flow_runs_overdue_without_queue",] == 3
    make_work_queue(client, name="theirs", filter={"deployment_ids": [run["deployment_id"]]})
    for number in range(25):
        make_work_queue(client, name=f"other-{number:02}", filter={"tags": [f"tag-{number}"]})
    found = scrape()
    queues = {pairs[0][1]: value for (name, *pairs), value in found.items() if name == "mintaka_flow_runs_overdue_by_queue"}
    # the one that has some, and as many as are shown of the rest
    assert queues == {"theirs": 3} | {f"other-{number:02}": 0 for number in range(19)}
    assert found["mintaka_flow_runs_overdue_without_queue",] == 0
    assert found["mintaka_flow_runs_overdue",] == 4


def test_schedulers_and_what_is_due_are_known_without_their_address(app, client, clock, scrape):
    clock.stop_at(datetime(2022, 6, 1, 12, tzinfo=UTC))
    found = scrape()
    assert found["mintaka_schedulers_alive",] == 0
    assert ("mintaka_scheduler_last_pass_age_seconds",) not in found
    monthly_heartbeat(app.extensions["mintaka"])
    make_deployment(client, schedule={"interval": 3600}, name="one")
    clock.advance(days=60)
    make_deployment(client, schedule={"interval": 3600}, name="two")
    found = scrape()
    assert found["mintaka_scheduler_last_pass_age_seconds",] == 60 * 86_400
    assert found["mintaka_schedulers_alive",] == 1
    assert (found["mintaka_schedules_due",], found["mintaka_deployments_due",]) == (1, 1)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_metrics_are_open_on_loopback(scrape, address):
    assert scrape(SERVER_NAME=address, SERVER_PORT="8000")


ELSEWHERE = [{"SERVER_NAME": "0.0.0.0"}, {"SERVER_NAME": "10.0.0.1"}]
BY_PROXY = [{"HTTP_X_FORWARDED_FOR": "10.0.0.1"}, {"HTTP_FORWARDED": "for=_x"}]


@pytest.mark.parametrize(("environ", "status"), [*((environ, 401) for environ in ELSEWHERE), *((environ, 403) for environ in BY_PROXY)])
def test_metrics_are_closed_to_others(app, environ, status):
    assert plain(app).get("/metrics", environ_overrides=environ).status_code == status


@pytest.mark.parametrize("environ", [*ELSEWHERE, *BY_PROXY])
def test_metrics_are_closed_to_others_where_nobody_is_asked_for_a_key(settings, environ):
    app = create_app(replace(settings, auth="off"))
    assert app.test_client().get("/metrics", environ_overrides=environ).status_code == 403


@pytest.mark.parametrize("environ", [*ELSEWHERE, *BY_PROXY])
def test_metrics_are_read_elsewhere_with_a_key_for_administrators(settings, environ):
    app = create_app(replace(settings, auth="on"))
    asked = {scope: {"headers": {"Authorization": f"Bearer {make_key(app, scope)['key']}"}} for scope in ("admin", "worker")}
    found = {scope: app.test_client().get("/metrics", environ_overrides=environ, **one).status_code for scope, one in asked.items()}
    assert found == {"admin": 200, "worker": 403}
    assert app.test_client().get("/metrics").status_code == 200
    app.extensions["mintaka"].database.dispose()


def test_metrics_have_an_address_of_their_own_where_one_is_set(tmp_path):
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'none.db'}", metrics_bind="10.0.0.1:9001"))

    def status(path, host, port):
        return app.test_client().get(path, environ_overrides={"SERVER_NAME": host, "SERVER_PORT": port}).status_code

    assert status("/metrics", "10.0.0.1", "9001") == 200
    assert status("/metrics", "127.0.0.1", "8000") == 404
    assert status("/api/health", "127.0.0.1", "8000") == 200
    assert status("/api/health", "10.0.0.1", "9001") == 404
    app.extensions["mintaka"].database.dispose()


def test_without_a_database_the_rest_is_answered(tmp_path):
    app = create_app(Settings(database_url=f"sqlite:///{tmp_path / 'no' / 'none.db'}"))
    found = samples(app.test_client().get("/metrics").text)
    assert found["mintaka_database_up",] == 0
    app.extensions["mintaka"].database.dispose()


def queries():
    folder = Path(__file__).parents[2] / "docs" / "monitoring"
    board = json.loads((folder / "grafana.json").read_text())
    alerts = yaml.safe_load((folder / "alerts.yml").read_text())
    yield from (target["expr"] for panel in board["panels"] for target in panel["targets"])
    yield from (rule["expr"] for group in alerts["groups"] for rule in group["rules"])


def test_every_metric_and_label_that_the_dashboard_and_the_alerts_ask_for_is_there(client, app, scrape):
    run = make_flow_run(client)
    ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "RUNNING"}}), 201)
    parts = app.extensions["mintaka"]
    Scheduler(parts).run(60, lambda seconds: True, around=partial(parts.metrics.timed, "scheduler"))
    make_work_queue(client)
    # as a list does where there is a replica
    parts.metrics.replica_reads.labels("answered").inc()
    found = scrape()
    names = {name for name, *_ in found}
    asked = {name for query in queries() for name in re.findall(r"mintaka_[a-z_]+", query)}
    assert asked <= names
    assert len(asked) > 15
    for query in queries():
        [labels] = re.findall(r"by \(([a-z, ]+)\)", query)[:1] or [""]
        given = {label for key in found if key[0] in query for label, _ in key[1:]}
        assert set(filter(None, labels.split(", "))) <= given, query
