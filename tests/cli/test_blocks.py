"""`mintaka blocks`: keys, rotation, the list, and registering what a client comes with."""

import os
from dataclasses import replace

import pytest
from cryptography.fernet import Fernet

from app import create_app
from app.cli import register_blocks
from app.config import Settings
from app.services.vault import Vault, generate_key
from tests.api.asking import ok
from tests.api.factories import make_block, make_block_schema
from tests.cli.results import documents, done, failed, table


@pytest.fixture
def run_with(settings):
    """`run_with(keys, "blocks", ...)` runs a command on the same database with other keys."""
    apps = []

    def run(keys, *args):
        apps.append(create_app(replace(settings, encryption_keys=tuple(keys))))
        return apps[-1].test_cli_runner().invoke(args=args)

    yield run
    for app in apps:
        app.extensions["mintaka"].database.dispose()


def test_a_generated_key_is_a_new_one_each_time_and_needs_no_database(offline_run, monkeypatch):
    keys = {done(offline_run("blocks", "generate-key")).strip() for _ in range(2)}
    assert len(keys) == 2
    assert all(Fernet(key) for key in keys)
    for key in keys:
        monkeypatch.setenv("MINTAKA_ENCRYPTION_KEYS", key)
        assert Settings.from_environ().encryption_keys == (key,)


def test_blocks_are_listed_without_their_data(run, client):
    schema = make_block_schema(client)
    block = make_block(client, schema, name="flows", data={"password": "hunter2"})
    anonymous = make_block(client, schema, is_anonymous=True)
    client.post(f"/block_documents/{block['id']}/set_default_storage_block_document")
    [row] = table(run("blocks", "ls"))
    assert (row["TYPE"], row["NAME"], row["DEFAULT STORAGE"], row["ID"]) == (schema["block_type"]["name"], "flows", "yes", block["id"])
    listed = run("blocks", "ls", "--anonymous", "--output", "json")
    assert {one["id"] for one in documents(listed)} == {block["id"], anonymous["id"]}
    assert "hunter2" not in listed.output
    rest = run("blocks", "ls", "--anonymous", "--limit", "1")
    assert "1 more" in rest.stderr


def test_rotating_puts_every_block_under_the_first_key(run, run_with, client, app, settings, monkeypatch):
    monkeypatch.setattr("app.cli.blocks.BATCH", 2)
    schema = make_block_schema(client)
    blocks = [make_block(client, schema, data={"n": number}) for number in range(5)]
    new = generate_key()
    assert done(run_with([new, *settings.encryption_keys], "blocks", "rotate")).startswith("5 blocks")
    app.extensions["mintaka"].vault.__init__([new])
    assert [ok(client.get(f"/block_documents/{block['id']}")) for block in blocks] == blocks


def test_rotating_names_a_block_that_no_key_opens_and_does_the_others(run_with, client):
    make_block(client)
    stranger = generate_key()
    result = run_with([stranger], "blocks", "rotate")
    assert result.exit_code == 1
    assert "1 block is opened by none of the keys" in result.stderr


def test_rotating_nothing_is_no_failure(run_with):
    assert done(run_with([generate_key()], "blocks", "rotate")).startswith("0 blocks")


def script(tmp_path, text):
    """An executable that stands for another Python."""
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def answering(monkeypatch):
    """Let every URL be that of a server."""
    monkeypatch.setattr("app.cli.blocks._require_server", lambda url: None)


# what a child is called with: -c, the program, the file for the report
REPORT = """echo "$PREFECT_API_URL $PREFECT_PROFILE" > "$0.seen"; echo '%s' > "$3" """


def test_registering_runs_the_given_python_with_the_server_and_without_the_users_settings(run, tmp_path, answering, monkeypatch):
    monkeypatch.setenv("PREFECT_PROFILE", "mine")
    python = script(tmp_path, REPORT % '{"blocks": [{"block_type": "Folder", "checksum": "sha256:1", "type": "new", "schema": "known"}]}')
    printed = run("blocks", "register", "--python", python, "--url", "http://mintaka.example/api/")
    assert table(printed) == [{"BLOCK": "Folder", "TYPE": "new", "SCHEMA": "known", "CHECKSUM": "sha256:1"}]
    assert (tmp_path / "python.seen").read_text().split() == ["http://mintaka.example/api"]
    assert documents(run("blocks", "register", "--python", python, "--output", "json"))[0]["block_type"] == "Folder"
    assert (tmp_path / "python.seen").read_text().split() == ["http://127.0.0.1:8000/api"]


def test_what_the_client_cannot_do_is_one_line(run, tmp_path, answering):
    python = script(tmp_path, REPORT % '{"error": "prefect cannot be imported there: x"}')
    assert failed(run("blocks", "register", "--python", python), 1) == f"{python}: prefect cannot be imported there: x"
    assert "exit code 3" in failed(run("blocks", "register", "--python", script(tmp_path, "echo no >&2; exit 3")), 1)


def test_an_interpreter_that_is_not_there_is_wrong_usage(run, answering, tmp_path):
    assert "cannot be run" in failed(run("blocks", "register", "--python", str(tmp_path / "none")), 2)


@pytest.mark.parametrize(("url", "exit_code"), [("http://127.0.0.1:9/api", 1), ("nowhere", 2), ("http://127.0.0.1:x/api", 2)])
def test_a_server_that_does_not_answer_is_said_before_anything_is_run(run, url, exit_code):
    assert "http://" in failed(run("blocks", "register", "--python", "/nowhere", "--url", url), exit_code)


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/api"),
        ("0.0.0.0:1", "http://127.0.0.1:1/api"),
        ("db.example:80", "http://db.example:80/api"),
    ],
)
def test_the_servers_own_url_is_the_default(bind, url):
    from app.cli.blocks import _own_url

    assert _own_url(bind) == url


@pytest.mark.parametrize("bind", ["unix:/run/mintaka.sock", "fd://3"])
def test_a_bind_that_is_no_address_needs_a_url(app, settings, bind):
    other = create_app(replace(settings, bind=bind))
    assert "--url" in failed(other.test_cli_runner().invoke(args=["blocks", "register", "--python", "x"]), 2)
    other.extensions["mintaka"].database.dispose()


def test_the_clients_program_says_so_where_prefect_is_not_installed():
    assert "prefect cannot be imported" in register_blocks.main()["error"]


def test_a_key_file_is_for_the_server_not_for_everybody(tmp_path):
    Vault([], tmp_path / "key").seal({})
    assert os.stat(tmp_path / "key").st_mode & 0o077 == 0
