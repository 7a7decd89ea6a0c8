"""Saved searches: create or change by name, read, list, delete."""

from datetime import timedelta
from uuid import uuid4

import pytest

from tests.api.asking import ok, problem, wrong_fields

FILTER = {"object": "flow_run", "property": "state", "type": "state", "operation": "any", "value": ["FAILED"]}


def test_a_saved_search_is_created_once_and_changed_from_then_on(client, clock):
    clock.stop_at(clock())
    made_at = clock()
    made = ok(client.put("/saved_searches/", json={"name": "failed", "filters": [FILTER]}), 201)
    assert made == {"id": made["id"], "created": made_at.isoformat(), "updated": made_at.isoformat(), "name": "failed", "filters": [FILTER]}
    clock.advance(seconds=1)
    changed = ok(client.put("/saved_searches/", json={"name": "failed", "filters": [FILTER | {"value": None}]}))
    assert changed == made | {"updated": (made_at + timedelta(seconds=1)).isoformat(), "filters": [FILTER | {"value": None}]}
    assert ok(client.get(f"/saved_searches/{made['id']}")) == changed


def test_filters_that_are_not_given_are_none(api):
    name = str(uuid4())
    id = ok(api.put("/saved_searches/", json={"name": name, "filters": [FILTER]}), 201)["id"]
    assert ok(api.put("/saved_searches/", json={"name": name}))["filters"] == []
    assert ok(api.get(f"/saved_searches/{id}"))["filters"] == []


@pytest.mark.parametrize("value", [None, 0, -1.5, "text", True, [], [[1, None]], {}, {"a": {"b": 2**70}}])
def test_the_value_of_a_filter_is_any_json(api, value):
    made = ok(api.put("/saved_searches/", json={"name": str(uuid4()), "filters": [FILTER | {"value": value}]}), 201)
    assert ok(api.get(f"/saved_searches/{made['id']}"))["filters"][0]["value"] == value


def test_saved_searches_are_listed_by_name_in_pages(client):
    for name in ("c", "a", "b"):
        ok(client.put("/saved_searches/", json={"name": name}), 201)
    assert [found["name"] for found in ok(client.post("/saved_searches/filter"))] == ["a", "b", "c"]
    assert [found["name"] for found in ok(client.post("/saved_searches/filter", json={"limit": 1, "offset": 1}))] == ["b"]


def test_a_saved_search_that_was_deleted_is_gone(api):
    path = f"/saved_searches/{ok(api.put('/saved_searches/', json={'name': str(uuid4())}), 201)['id']}"
    ok(api.delete(path), 204)
    for response in (api.delete(path), api.get(path)):
        assert problem(response, 404)["detail"] == "Saved search not found"


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"body.name"}),
        ({"name": "x" * 256}, {"body.name"}),
        ({"name": "x", "filters": None}, {"body.filters"}),
        ({"name": "x", "filters": [{}]}, {f"body.filters.0.{field}" for field in FILTER}),
        ({"name": "x", "filters": [FILTER | {"more": 1}]}, {"body.filters.0.more"}),
        ({"name": "x", "filters": [FILTER] * 1001}, {"body.filters"}),
        ({"name": "x", "id": str(uuid4())}, {"body.id"}),
    ],
)
def test_a_saved_search_that_is_not_valid_says_why(api, body, wrong):
    assert wrong_fields(api.put("/saved_searches/", json=body)) == wrong


@pytest.mark.parametrize(
    ("body", "wrong"), [({"limit": 201}, "body.limit"), ({"sort": "NAME_ASC"}, "body.sort"), ({"flows": {}}, "body.flows")]
)
def test_a_list_of_saved_searches_takes_a_page_and_nothing_else(api, body, wrong):
    assert wrong_fields(api.post("/saved_searches/filter", json=body)) == {wrong}
