"""The list of the audit trail: what it can be asked for, and its pages, on both databases."""

from datetime import timedelta

import pytest

from tests.api.asking import ids, ok, problem
from tests.api.factories import make_deployment, make_flow

NAMES = ("a", "b", "c", "d", "e")


@pytest.fixture
def made(api):
    """Five flows, made one after the other and by requests with ids of their own; one of them has other tags by now."""
    flows = [make_flow(api) for _ in NAMES]
    ok(api.patch(f"/flows/{flows[0]['id']}", json={"tags": ["etl"]}, headers={"X-Request-ID": f"of-{flows[0]['id']}"}), 204)
    return flows


def asked(api, *flows, **criteria):
    own = {"object_id": {"any_": [flow["id"] for flow in flows]}} if flows else {}
    return ok(api.post("/audit/filter", json={"audit_entries": own | criteria}))


def test_the_newest_comes_first(api, made):
    found = asked(api, *made)
    assert [(entry["action"], entry["object_id"]) for entry in found] == [
        ("update", made[0]["id"]),
        *(("create", flow["id"]) for flow in reversed(made)),
    ]


def test_an_entry_has_all_of_its_members(api, made):
    entry, _ = asked(api, made[0])
    id, created = entry.pop("id"), entry.pop("created")
    assert id
    assert created
    assert entry == {
        "via": "api",
        "actor": None,
        "key_id": None,
        "address": "127.0.0.1",
        "request_id": f"of-{made[0]['id']}",
        "action": "update",
        "object_kind": "flow",
        "object_id": made[0]["id"],
        "object_name": made[0]["name"],
        "changes": {"tags": {"before": [], "after": ["etl"]}},
        "details": {},
    }


def test_each_criterion_chooses(api, made):
    [entry, *_] = asked(api, made[0], action={"any_": ["update"]})
    request = {"request_id": {"any_": [f"of-{made[0]['id']}"]}}
    assert asked(api, **request) == [entry]
    assert asked(api, id={"any_": [entry["id"]]}) == [entry]
    assert asked(api, **request, object_kind={"any_": ["flow"]}, via={"any_": ["api"]}) == [entry]
    assert asked(api, **request, object_kind={"any_": ["deployment"]}) == []
    assert asked(api, **request, actor={"any_": ["ci"]}) == []
    assert asked(api, made[0], object_name={"like_": made[0]["name"].upper()}, action={"any_": ["update"]}) == [entry]


def test_a_span_of_time_includes_its_ends(api, api_clock):
    noon = api_clock()
    flows = []
    for minutes in range(3):
        api_clock.stop_at(noon + timedelta(minutes=minutes))
        flows.append(make_flow(api))
    span = {"after_": (noon + timedelta(minutes=1)).isoformat(), "before_": (noon + timedelta(minutes=2)).isoformat()}
    assert {entry["object_id"] for entry in asked(api, *flows, created=span)} == ids(flows[1:])


def test_pages_follow_one_another_without_gaps(api, made):
    body = {"audit_entries": {"object_id": {"any_": [flow["id"] for flow in made]}}, "limit": 4}
    path, pages = "/audit/filter?cursor=", []
    while path:
        response = api.post(path, json=body)
        pages.append(ok(response))
        path = response.headers["Link"].split(";")[0].strip("<>") if "Link" in response.headers else None
    assert [len(page) for page in pages] == [4, 2]
    assert [entry for page in pages for entry in page] == asked(api, *made)


def test_a_cursor_of_another_list_is_refused(api, made):
    make_deployment(api)
    link = api.post("/flows/filter?cursor=", json={"limit": 1}).headers["Link"]
    cursor = link.split("cursor=")[1].split(">")[0]
    problem(api.post(f"/audit/filter?cursor={cursor}", json={}), 422)


def test_reading_the_trail_leaves_no_entry(api):
    response = api.post("/audit/filter", json={})
    assert asked(api, request_id={"any_": [response.headers["X-Request-ID"]]}) == []
