"""Every route says which scopes of a key suffice for it."""

import pytest

from app import create_app
from app.api.http.authentication import OPEN, needs
from app.config import Settings
from app.domain.keys import ADMIN, SCOPES


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
