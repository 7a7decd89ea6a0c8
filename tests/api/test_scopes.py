"""Every route says which scopes of a key suffice for it, and takes no other key."""

from functools import partial
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, null, select

from app import create_app
from app.api.http.authentication import OPEN, needs
from app.config import Settings
from app.db.models import ApiKey, Base
from app.domain.keys import ADMIN, SCOPES, new_key
from tests.api.test_audit_routes import CHANGES
from tests.conftest import ApiClient
from tests.keys import bearer, make_key


@pytest.fixture(scope="module")
def views():
    """The view of each endpoint that a URL leads to."""
    app = create_app(Settings(database_url="sqlite:////nowhere/mintaka.db"))
    return {rule.endpoint: app.view_functions[rule.endpoint] for rule in app.url_map.iter_rules()}


def test_every_route_declares_its_scopes_or_is_one_of_those_that_are_open(views):
    undeclared = {endpoint for endpoint, view in views.items() if not getattr(view, "scopes", ())}
    assert undeclared == OPEN


def test_every_scope_is_one_that_keys_have_and_each_opens_something(views):
    declared = {scope for view in views.values() for scope in getattr(view, "scopes", ())}
    assert declared == set(SCOPES)


def test_what_is_for_administrators_is_for_them_alone(views):
    for endpoint, view in views.items():
        if endpoint.startswith(("Admin.", "Audit.", "metrics.")):
            assert view.scopes == (ADMIN,), endpoint


def test_a_scope_that_no_key_has_is_a_mistake():
    with pytest.raises(ValueError, match="flows:read"):
        needs("runs:read", "flows:read")
    with pytest.raises(ValueError, match="scope"):
        needs()


@pytest.fixture(scope="module")
def guarded(sqlite_template, tmp_path_factory):
    """An application that asks for keys, and a key for each scope."""
    file = tmp_path_factory.mktemp("scopes") / "mintaka.db"
    file.write_bytes(sqlite_template.read_bytes())
    app = create_app(Settings(database_url=f"sqlite:///{file}", auth="on", admin_database_routes=True, key_cache_seconds=3600))
    app.test_client_class = ApiClient
    yield app, {scope: make_key(app, scope) for scope in SCOPES}
    app.extensions["mintaka"].database.dispose()


def contents(app):
    """How many rows each table has, and when the newest of its changes was."""
    found = {}
    with app.extensions["mintaka"].database.transaction(read_only=True) as session:
        for table in Base.metadata.sorted_tables:
            if table is not ApiKey.__table__:
                newest = func.max(table.c.updated) if "updated" in table.c else null()
                found[table.name] = tuple(session.execute(select(func.count(), newest).select_from(table)).one())
    return found


@pytest.mark.parametrize("endpoint", CHANGES)
def test_a_change_needs_a_key_and_its_scope_or_nothing_is_done(guarded, endpoint):
    app, keys = guarded
    scopes = {*app.view_functions[endpoint].scopes, ADMIN}
    administrator, client = app.test_client(), app.test_client()
    administrator.environ_base["HTTP_AUTHORIZATION"] = bearer(keys[ADMIN])["Authorization"]
    prepare, _, _ = CHANGES[endpoint]
    method, path, body = prepare(administrator)
    before = contents(app)
    assert client.open(path, method=method, json=body).status_code == 401
    lacking = [key for scope, key in keys.items() if scope not in scopes]
    assert {client.open(path, method=method, json=body, headers=bearer(key)).status_code for key in lacking} <= {403}
    assert contents(app) == before
    # it was for the key alone
    assert administrator.open(path, method=method, json=body).status_code < 300
    assert contents(app) != before


VALUES = {"id": str(uuid4()), "slug": "nightly", "filename": "page.js"}


def test_no_route_answers_without_a_key_or_to_one_that_lacks_the_scope(guarded):
    app, keys = guarded
    # metrics are for whoever is on this machine
    ask, asked = partial(FlaskClient(app).open, environ_overrides={"SERVER_NAME": "192.0.2.1"}), 0
    for rule in app.url_map.iter_rules():
        if rule.endpoint in OPEN:
            continue
        # as the map would build it, of whatever its parameters are
        path = rule.build({name: uuid4() if name == "id" else VALUES.get(name, "any") for name in rule.arguments})[1]
        view = app.view_functions[rule.endpoint]
        for method in rule.methods - {"OPTIONS"}:
            assert ask(path, method=method).status_code == 401, (method, path)
            for scope, key in keys.items():
                status = ask(path, method=method, headers=bearer(key)).status_code
                assert (status == 403) is (scope not in {*view.scopes, ADMIN}), (method, path, scope)
                asked += 1
    assert asked > len(SCOPES) * len(CHANGES)


almost = st.builds(
    lambda key, place, letter: key[:place] + letter + key[place + 1 :],
    st.builds(lambda: new_key(uuid4())),
    st.integers(0, 107),
    st.characters(max_codepoint=255, exclude_categories=("Cc",)),
)


@hypothesis_settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.builds("{} {}".format, st.sampled_from(["Bearer", "bearer", "Basic", "", "Bearer Bearer"]), almost | st.text(max_size=200)))
def test_no_text_in_place_of_a_key_is_anything_but_401(guarded, text):
    app, _ = guarded
    headers = {"HTTP_AUTHORIZATION": text.encode("utf-8", "replace").decode("latin-1").replace("\r", "").replace("\n", "")}
    # an address for each, or all but the first would be slowed
    environ = {"REMOTE_ADDR": f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"}
    assert app.test_client().get("/hello", environ_overrides=environ | headers).status_code == 401
