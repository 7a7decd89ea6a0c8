"""Who may call, on both databases: what a key is asked for, for how long one is good, and what wrong ones cost."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from app import create_app
from app.db.models import ApiKey
from app.domain.failures import MOST
from app.domain.keys import SCOPES, new_key
from app.errors import Unavailable
from app.schemas.problems import EXAMPLES
from app.services import keys as key_service
from tests.api.asking import ok, problem
from tests.conftest import ApiClient
from tests.keys import bearer, change_keys, make_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ApiKey.__table__
HELLO = "/hello"


@pytest.fixture
def settings(settings):
    return replace(settings, auth="on")


class Elapsed:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def elapsed(app, clock):
    clock.stop_at(NOW)
    app.extensions["mintaka"].keys.elapsed = elapsed = Elapsed()
    return elapsed


@pytest.fixture
def statements(app):
    """The SQL statements that the application has sent since the test began."""
    sent = []
    database = app.extensions["mintaka"].database
    for engine in {database.engine(), database.engine(read_only=True)}:
        event.listen(engine, "before_cursor_execute", lambda *told: sent.append(told[2]))
    return sent


def say_hello(client, key, address="192.0.2.1"):
    with client.get(HELLO, headers=bearer(key), environ_overrides={"REMOTE_ADDR": address}) as response:
        return response


def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(app, client, elapsed, clock):
    good, old, revoked = (make_key(app, *SCOPES, lifetime=lifetime) for lifetime in (None, timedelta(hours=1), None))
    change_keys(app, lambda keys: keys.revoke(revoked["name"]))
    clock.advance(hours=1)
    other = new_key(uuid4())
    wrong = {
        "of nobody": bearer(other),
        "another secret": bearer(new_key(change_keys(app, lambda keys: keys.list())[0]["id"])),
        "expired": bearer(old),
        "revoked": bearer(revoked),
        "a mistake in it": bearer(good["key"][:-1] + ("1" if good["key"].endswith("0") else "0")),
        "no key": bearer("secret"),
        "in no form": {"Authorization": good["key"]},
        "for another scheme": {"Authorization": f"Basic {good['key']}"},
        "two": {"Authorization": f"Bearer {good['key']} {good['key']}"},
        "none": {},
    }
    answers = {what: client.get(HELLO, headers=headers) for what, headers in wrong.items()}
    assert {what: answer.status_code for what, answer in answers.items()} == dict.fromkeys(wrong, 401)
    assert {answer.headers["WWW-Authenticate"] for answer in answers.values()} == {"Bearer"}
    assert len({answer.data for answer in answers.values()}) == 1
    assert problem(answers["none"], 401) == EXAMPLES[401]
    assert say_hello(client, good).status_code == 200
    assert client.get(HELLO, headers={"Authorization": f"bearer  {good['key']}"}).status_code == 200


def test_a_key_that_lacks_the_scope_is_told_which(app, client):
    key = make_key(app, "runs:read", "blocks")
    answer = client.post("/logs/filter", headers=bearer(key))
    assert answer.status_code == 200
    refused = problem(client.post("/logs/", headers=bearer(key), json=[]), 403)
    assert refused["detail"] == f"The key {key['name']} lacks the scope runs:write or worker"


def test_a_key_ends_when_it_expires_whatever_is_remembered(app, client, elapsed, clock):
    key = make_key(app, "worker", lifetime=timedelta(seconds=2))
    assert say_hello(client, key).status_code == 200
    elapsed.seconds += 1.9
    assert say_hello(client, key).status_code == 200
    elapsed.seconds += 0.1
    clock.advance(seconds=2)
    assert say_hello(client, key).status_code == 401


def test_the_secret_before_a_rotation_is_good_for_the_overlap(app, client, elapsed, clock):
    old = make_key(app, "worker")
    new = change_keys(app, lambda keys: keys.rotate(old["name"], timedelta(hours=1), None))
    assert say_hello(client, new).status_code == say_hello(client, old).status_code == 200
    elapsed.seconds += 3600
    clock.advance(hours=1)
    assert (say_hello(client, new).status_code, say_hello(client, old).status_code) == (200, 401)


def test_a_revoked_key_stops_within_the_seconds_of_the_cache(app, client, elapsed, statements):
    key = make_key(app, "worker")
    assert say_hello(client, key).status_code == 200
    change_keys(app, lambda keys: keys.revoke(key["name"]))
    statements.clear()
    elapsed.seconds += 4.9
    assert say_hello(client, key).status_code == 200
    assert statements == []
    elapsed.seconds += 0.2
    assert say_hello(client, key).status_code == 401


def test_without_a_cache_a_revoked_key_stops_at_once(app, client, elapsed):
    app.extensions["mintaka"].keys.seconds = 0
    key = make_key(app, "worker")
    assert say_hello(client, key).status_code == 200
    change_keys(app, lambda keys: keys.revoke(key["name"]))
    assert say_hello(client, key).status_code == 401


def test_the_number_of_keys_that_are_remembered_is_bounded(app, client, monkeypatch):
    monkeypatch.setattr(key_service, "MOST_KEYS", 3)
    for key in [make_key(app, "worker") for _ in range(5)]:
        assert say_hello(client, key).status_code == 200
    assert len(app.extensions["mintaka"].keys) == 3


def last_used(app, key):
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        return session.scalar(select(KEY.c.last_used).where(KEY.c.id == key["id"]))


def test_the_last_use_is_noted_once_a_minute(app, client, elapsed, clock, statements):
    key = make_key(app, "worker")
    assert last_used(app, key) is None
    say_hello(client, key)
    assert last_used(app, key) == NOW
    statements.clear()
    for _ in range(5):
        elapsed.seconds += 11
        clock.advance(seconds=11)
        say_hello(client, key)
    assert last_used(app, key) == NOW
    assert not any(statement.startswith("UPDATE") for statement in statements)
    elapsed.seconds += 11
    clock.advance(seconds=11)
    say_hello(client, key)
    assert last_used(app, key) == NOW + timedelta(seconds=66)
    assert change_keys(app, lambda keys: keys.list())[0]["last_used"] == NOW + timedelta(seconds=66)


def test_a_use_that_cannot_be_noted_fails_no_request(app, client, elapsed, monkeypatch, caplog):
    key = make_key(app, "worker")
    database = app.extensions["mintaka"].database
    real = database.run

    def run(work, read_only=False):
        if not read_only:
            raise Unavailable("the disk is full")
        return real(work, read_only)

    monkeypatch.setattr(database, "run", run)
    assert say_hello(client, key).status_code == 200
    assert "is not noted: Try again later: the disk is full" in caplog.text


WRONG_IN_OTHER_WAYS = [
    {"path": "/flows/filter", "method": "POST", "data": "{", "content_type": "application/json"},
    {"path": "/flows/filter", "method": "POST", "data": "x=1", "content_type": "application/x-www-form-urlencoded"},
    {"path": "/flows/filter?x=1", "method": "POST"},
    {"path": "/flows/filter", "method": "POST", "headers": {"X-PREFECT-API-VERSION": "9.0.0"}},
    {"path": "/flows/filter", "method": "POST", "headers": {"Origin": "https://evil.example"}},
    {"path": "/flows/filter", "method": "POST", "environ_overrides": {"CONTENT_LENGTH": str(2**40)}},
    {"path": "/flows/no-id", "method": "GET"},
    {"path": f"/flows/{uuid4()}", "method": "HEAD"},
]


@pytest.mark.parametrize("wrong", WRONG_IN_OTHER_WAYS)
def test_who_has_no_key_is_asked_for_one_before_anything_else_is_looked_at(client, statements, wrong):
    wrong = dict(wrong)
    assert client.open(wrong.pop("path"), **wrong).status_code == 401
    assert statements == []


def test_a_malformed_id_is_told_to_any_key(app, client):
    answer = client.get("/flows/no-id", headers=bearer(make_key(app, "blocks")))
    assert problem(answer, 422)["errors"][0]["loc"] == ["path", "id"]


OPEN = ["/", "/api", "/favicon.ico", "/api/health", "/api/ready", "/api/openapi.json", "/api/docs/", "/api/docs/static/page.js"]


@pytest.mark.parametrize("path", [*OPEN, "/api/docs/assets/swagger-ui.css", "/api/docs"])
def test_what_is_open_needs_no_key(app, path):
    assert app.test_client().get(path).status_code in (200, 308)


def test_a_path_that_there_is_not_and_a_method_that_it_does_not_take_are_told_to_all(client):
    assert client.get("/nothing").status_code == 404
    assert client.put("/health").status_code == 405
    assert client.options("/flows/filter").status_code == 200


def test_wrong_keys_are_slowed_before_they_are_looked_up(app, client, elapsed, statements):
    known, unknown = make_key(app, "worker"), make_key(app, "worker")
    assert say_hello(client, known).status_code == 200
    for _ in range(MOST):
        assert say_hello(client, new_key(uuid4())).status_code == 401
    statements.clear()
    elapsed.seconds += 15
    refused = say_hello(client, new_key(uuid4()))
    assert problem(refused, 429) == EXAMPLES[429]
    assert refused.headers["Retry-After"] == "45"
    assert statements == []
    # a key that has been good goes on working, though it has to be looked up again; what could be a guess does not
    assert say_hello(client, known).status_code == 200
    assert say_hello(client, unknown).status_code == 429
    assert say_hello(client, unknown, "192.0.2.2").status_code == 200
    elapsed.seconds += 45
    assert say_hello(client, new_key(uuid4())).status_code == 401


def test_who_sends_no_key_guesses_none(client, elapsed):
    assert {client.get(HELLO).status_code for _ in range(MOST + 5)} == {401}


def test_the_address_is_that_which_trusted_proxies_tell(settings, clock):
    app = create_app(replace(settings, trusted_proxies=1), clock)
    app.test_client_class = ApiClient
    client = app.test_client()
    told = [{"X-Forwarded-For": f"198.51.100.{last}"} for last in (1, 2)]
    for _ in range(MOST):
        client.get(HELLO, headers=bearer(new_key(uuid4())) | told[0])
    wrong = [client.get(HELLO, headers=bearer(new_key(uuid4())) | headers).status_code for headers in told]
    assert wrong == [429, 401]
    app.extensions["mintaka"].database.dispose()


def test_a_change_is_recorded_with_the_key_that_made_it(app, client):
    key = make_key(app, "deployments:write")
    response = client.post("/flows/", json={"name": "etl"}, headers=bearer(key))
    assert response.status_code == 201
    admin = bearer(make_key(app, "admin"))
    wanted = {"audit_entries": {"request_id": {"any_": [response.headers["X-Request-ID"]]}}}
    [entry] = ok(client.post("/audit/filter", json=wanted, headers=admin))
    assert (entry["actor"], entry["key_id"]) == (key["name"], str(key["id"]))


def test_a_database_that_does_not_answer_is_503_and_not_401(app, client, monkeypatch):
    key = make_key(app, "worker")

    def fail(*_):
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr("app.repositories.keys.Keys.given", fail)
    problem(say_hello(client, key), 503)


@pytest.mark.parametrize(
    ("auth", "bind", "reached", "status"),
    [
        ("auto", "127.0.0.1:8000", "127.0.0.1", 200),
        ("auto", "unix:/run/mintaka.sock", "127.0.0.1", 200),
        ("auto", "127.0.0.1:8000,0.0.0.0:80", "127.0.0.1", 401),
        ("auto", "0.0.0.0:8000", "0.0.0.0", 401),
        # told otherwise on a command line
        ("auto", "127.0.0.1:8000", "0.0.0.0", 401),
        ("auto", "127.0.0.1:8000", "192.0.2.1", 401),
        ("off", "0.0.0.0:8000", "0.0.0.0", 200),
        ("on", "127.0.0.1:8000", "127.0.0.1", 401),
    ],
)
def test_whether_keys_are_needed_goes_by_what_is_listened_on(settings, auth, bind, reached, status):
    app = create_app(replace(settings, auth=auth, bind=bind))
    assert app.test_client().get("/api/hello", environ_overrides={"SERVER_NAME": reached}).status_code == status
