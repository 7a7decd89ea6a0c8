"""`mintaka keys`."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.keys import SCOPES, digest, id_of
from tests.cli.results import documents, done, failed, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def stopped(clock):
    clock.stop_at(NOW)


def stored(app):
    with app.extensions["mintaka"].database.engine().connect() as connection:
        return dict(connection.execute(text("SELECT * FROM api_key")).mappings().one())


def create(run, *arguments):
    return documents(run("keys", "create", *arguments, "--output", "json"))


def test_a_key_is_shown_once_and_stored_as_its_digest(run, app):
    made = create(run, "ci", "--scope", "runs:read", "--scope", "deployments:write", "--scope", "runs:read", "--expires", "90d")
    assert list(made) == ["id", "name", "scopes", "expires", "key"]
    assert (made["name"], made["scopes"]) == ("ci", ["deployments:write", "runs:read"])
    assert datetime.fromisoformat(made["expires"]) == NOW + timedelta(days=90)
    key = made.pop("key")
    assert str(id_of(key)) == made["id"]
    assert documents(run("keys", "ls", "--output", "json")) == [made | {"last_used": None}]
    row = stored(app)
    assert row["digest"] == digest(key)
    assert row["created_by"]
    assert key[-72:] not in str(row)


def test_keys_are_listed_by_name(run):
    create(run, "b", "--scope", "admin")
    printed = run("keys", "create", "a", "--scope", "worker")
    assert "mtk_" in done(printed)
    assert printed.stderr == "Keep the key now: it is stored nowhere.\n"
    assert [(key["NAME"], key["SCOPES"], key["EXPIRES"]) for key in table(run("keys", "ls"))] == [("a", "worker", "-"), ("b", "admin", "-")]


def test_a_key_has_the_tags_that_fence_it_in(run, app):
    made = create(run, "team", "--scope", "runs:read", "--tag", "b", "--tag", "a", "--tag", "b")
    assert list(made) == ["id", "name", "scopes", "tags", "expires", "key"]
    assert made["tags"] == ["a", "b"]
    create(run, "plain", "--scope", "runs:read")
    assert [key.get("tags") for key in documents(run("keys", "ls", "--output", "json"))] == [None, ["a", "b"]]
    assert [key["TAGS"] for key in table(run("keys", "ls"))] == ["-", "a, b"]
    # a new secret changes nothing of it
    assert documents(run("keys", "rotate", "team", "--output", "json"))["tags"] == ["a", "b"]


@pytest.mark.parametrize("scope", ["admin", "blocks"])
def test_what_has_no_tags_is_not_for_a_key_with_tags(run, scope):
    said = failed(run("keys", "create", "team", "--scope", "runs:read", "--scope", scope, "--tag", "a"), 2)
    assert f"A key with the scope {scope} cannot have tags" in said
    assert "Must be 1 to 255 characters." in failed(run("keys", "create", "team", "--scope", "runs:read", "--tag", ""), 2)
    assert documents(run("keys", "ls", "--output", "json")) == []


def test_a_revoked_key_is_gone_and_its_name_stays_taken(run, app):
    create(run, "ci", "--scope", "admin")
    assert done(run("keys", "revoke", "ci")) == "ci is revoked\n"
    assert documents(run("keys", "ls", "--output", "json")) == []
    assert stored(app)["revoked"] is not None
    for command in ("revoke", "rotate"):
        assert failed(run("keys", command, "ci"), 1) == "Key not found: ci"
    assert "names of revoked keys stay taken" in failed(run("keys", "create", "ci", "--scope", "admin"), 1)


def test_a_rotated_key_keeps_its_id_and_its_old_secret_for_the_overlap(run, app):
    old = create(run, "ci", "--scope", "admin", "--expires", "2d")
    new = documents(run("keys", "rotate", "ci", "--overlap", "1d", "--output", "json"))
    assert new["key"] != old["key"]
    assert {**new, "key": None} == {**old, "key": None}
    row = stored(app)
    assert (row["digest"], row["previous_digest"]) == (digest(new["key"]), digest(old["key"]))
    assert str(row["previous_expires"]).startswith("2026-01-02 00:00:00")


def test_an_old_secret_does_not_outlive_what_it_was_given(run, app):
    create(run, "ci", "--scope", "admin", "--expires", "1h")
    documents(run("keys", "rotate", "ci", "--overlap", "1d", "--expires", "90d", "--output", "json"))
    assert str(stored(app)["previous_expires"]).startswith("2026-01-01 01:00:00")


def test_without_an_overlap_the_old_secret_ends_at_once(run, app):
    create(run, "ci", "--scope", "admin")
    documents(run("keys", "rotate", "ci", "--output", "json"))
    row = stored(app)
    assert row["previous_digest"] is row["previous_expires"] is None


def test_an_expired_key_is_rotated_only_with_a_new_lifetime(run, clock):
    create(run, "ci", "--scope", "admin", "--expires", "1h")
    clock.stop_at(NOW + timedelta(hours=1))
    assert failed(run("keys", "rotate", "ci"), 1) == "The key has expired; say how long the new one lasts"
    new = documents(run("keys", "rotate", "ci", "--expires", "1h", "--output", "json"))
    assert datetime.fromisoformat(new["expires"]) == NOW + timedelta(hours=2)


def test_what_is_not_allowed_is_named(offline_run):
    said = failed(offline_run("keys", "create", "ci", "--scope", "root"), 2)
    assert "--scope" in said
    assert all(scope in said for scope in SCOPES)
    assert "Give one or more of deployments:read," in failed(offline_run("keys", "create", "ci"), 2)
    assert "such as 12h or 90d" in failed(offline_run("keys", "create", "ci", "--scope", "admin", "--expires", "soon"), 2)
    assert "Must be 1 to 255 printable characters." in failed(offline_run("keys", "create", "", "--scope", "admin"), 2)
