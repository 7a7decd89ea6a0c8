"""Blocks in the database: never in the clear, one default storage however many choose one, and what happens without the key."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from app import create_app
from app.services.vault import generate_key
from tests.api.asking import ok, problem
from tests.api.factories import make_block, make_block_schema
from tests.conftest import ApiClient


@pytest.fixture
def client_with(settings):
    """`client_with(encryption_keys=...)`: a client of another application on the same database."""
    apps = []

    def make(**changes):
        app = create_app(replace(settings, **changes))
        apps.append(app)
        app.test_client_class = ApiClient
        return app.test_client()

    yield make
    for app in apps:
        app.extensions["mintaka"].database.dispose()


def everything_in(database, *tables):
    rows = [
        database.run(lambda session, table=table: session.execute(text(f"SELECT * FROM {table}")).all(), read_only=True) for table in tables
    ]
    return repr(rows)


def test_data_is_nowhere_in_the_database_in_the_clear(client, database):
    schema = make_block_schema(client)
    inner = make_block(client, schema, data={"password": "hunter2"})
    make_block(client, schema, is_anonymous=True, data={"token": "hunter2", "inner": {"$ref": {"block_document_id": inner["id"]}}})
    client.patch(f"/block_documents/{inner['id']}", json={"data": {"password": "hunter3"}})
    stored = everything_in(database, "block_document", "block_document_reference")
    assert "gAAAA" in stored
    assert not any(word in stored for word in ("hunter", "password", "token"))


def test_nothing_of_a_block_is_logged(client, caplog):
    caplog.set_level("DEBUG")
    make_block(client, data={"password": "hunter2"})
    assert "POST /api/block_documents/" in caplog.text
    assert "hunter2" not in caplog.text


def test_another_key_opens_none_and_says_so(client, client_with):
    block = make_block(client)
    stranger = client_with(encryption_keys=(generate_key(),))
    for answer in (stranger.get(f"/block_documents/{block['id']}"), stranger.post("/block_documents/filter")):
        assert "MINTAKA_ENCRYPTION_KEYS" in problem(answer, 503)["detail"]
    # what needs no key goes on
    assert stranger.delete(f"/block_documents/{block['id']}").status_code == 204


def test_a_new_first_key_beside_the_old_one_opens_all_and_knows_anonymous_blocks_again(client, client_with, settings):
    schema = make_block_schema(client)
    named, anonymous = make_block(client, schema, data={"a": 1}), make_block(client, schema, is_anonymous=True, data={"a": 1})
    rotated = client_with(encryption_keys=(generate_key(), *settings.encryption_keys))
    assert ok(rotated.get(f"/block_documents/{named['id']}")) == named
    assert make_block(rotated, schema, is_anonymous=True, data={"a": 1}) == anonymous


def test_without_a_key_postgresql_answers_503_and_keeps_nothing(postgres_url, settings_of):
    client = settings_of(postgres_url)
    schema = make_block_schema(client)
    body = {"name": "x", "block_schema_id": schema["id"], "block_type_id": schema["block_type_id"]}
    detail = problem(client.post("/block_documents/", json=body), 503)["detail"]
    assert "MINTAKA_ENCRYPTION_KEYS" in detail
    assert "blocks generate-key" in detail
    assert ok(client.post("/block_documents/filter")) == []


def test_without_a_key_sqlite_keeps_one_beside_the_database(sqlite_url, settings_of, tmp_path):
    block = make_block(settings_of(sqlite_url), data={"a": 1})
    key = tmp_path / "mintaka.db.key"
    assert key.exists()
    other = settings_of(sqlite_url)
    assert ok(other.get(f"/block_documents/{block['id']}")) == block
    key.unlink()
    assert str(key) in problem(settings_of(sqlite_url).get(f"/block_documents/{block['id']}"), 503)["detail"]


@pytest.fixture
def settings_of():
    """`settings_of(url)`: a client of an application on the database at `url`, for which no key is set."""
    from app.config import Settings

    apps = []

    def make(url):
        app = create_app(Settings(database_url=url))
        apps.append(app)
        app.test_client_class = ApiClient
        return app.test_client()

    yield make
    for app in apps:
        app.extensions["mintaka"].database.dispose()


def at_once(app, requests):
    """The statuses of `requests`, (path, body), sent at the same time by clients of their own."""

    def send(request):
        path, body = request
        return app.test_client().post(path, json=body).status_code

    with ThreadPoolExecutor(len(requests)) as threads:
        return list(threads.map(send, requests))


def test_many_that_choose_the_default_storage_at_once_leave_one(app, client):
    blocks = [make_block(client) for _ in range(4)]
    requests = [(f"/block_documents/{block['id']}/set_default_storage_block_document", None) for block in blocks * 3]
    requests.append(("/block_documents/clear_default_storage_block_document", None))
    assert set(at_once(app, requests)) == {204}
    assert client.post("/block_documents/get_default_storage_block_document").status_code in (200, 204)


def test_many_that_create_the_same_anonymous_block_at_once_make_one(app, client):
    schema = make_block_schema(client)
    body = {"block_schema_id": schema["id"], "block_type_id": schema["block_type_id"], "is_anonymous": True, "data": {"a": 1}}
    assert sorted(at_once(app, [("/block_documents/", body)] * 6)) == [200] * 5 + [201]


def test_many_that_register_the_same_schema_at_once_make_one(app, client):
    schema = make_block_schema(client)
    body = {"block_type_id": schema["block_type_id"], "fields": {"title": "Same"}}
    assert sorted(at_once(app, [("/block_schemas/", body)] * 6)) == [201] + [409] * 5


def test_two_blocks_that_are_made_to_hold_each_other_at_once_do_not(app, client):
    schema = make_block_schema(client)
    one, other = make_block(client, schema), make_block(client, schema)

    def hold(outer, inner):
        body = {"data": {"inner": {"$ref": {"block_document_id": inner["id"]}}}}
        return app.test_client().patch(f"/block_documents/{outer['id']}", json=body).status_code

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(hold, (one, other), (other, one))) == [204, 422]
