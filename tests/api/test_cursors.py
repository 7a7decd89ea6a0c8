"""Lists that are read page by page with cursors: complete, in order, whatever comes or goes in between."""

import base64
import json
import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from app.config import Settings
from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run
from tests.conftest import ApiClient

NOON = datetime(2030, 6, 1, 12, tzinfo=UTC)

# What each order means, apart from how it is asked for in SQL: the value, and whether all of it falls
ORDERS = {
    "ID_DESC": (None, True),
    "EXPECTED_START_TIME_ASC": ("expected_start_time", False),
    "EXPECTED_START_TIME_DESC": ("expected_start_time", True),
    "NAME_ASC": ("name", False),
    "NAME_DESC": ("name", True),
    "NEXT_SCHEDULED_START_TIME_ASC": ("next_scheduled_start_time", False),
    "END_TIME_DESC": ("end_time", True),
}


def in_order(runs, sort):
    """The ids of runs in an order, those without the value last; by brute force."""
    value, falls = ORDERS[sort]
    having = [run for run in runs if value is None or run[value] is not None]
    lacking = [run for run in runs if run not in having]
    having.sort(key=lambda run: (run[value] if value else "", run["id"]), reverse=falls)
    lacking.sort(key=lambda run: run["id"], reverse=falls)
    return [run["id"] for run in having + lacking]


def next_of(response):
    """Where the next page is, or None."""
    link = response.headers.get("Link")
    if link is None:
        return None
    target, relation = link.split("; ")
    assert relation == 'rel="next"'
    return target.strip("<>")


def walk(client, path, body, limits):
    """Yield the pages of a list; the n-th page has at most the n-th of `limits`, which begin anew when they are through."""
    number = 0
    while path:
        limit = limits[number % len(limits)]
        response = client.post(path, json=body | {"limit": limit})
        page = ok(response)
        path = next_of(response)
        assert len(page) == limit or (path is None and len(page) < limit)
        yield page
        number += 1


def make_some_runs(client, flow, number, seed):
    """Runs of a flow in many states, of which many share a name or a time."""
    chance = random.Random(seed)
    for _ in range(number):
        kind = chance.choice(["SCHEDULED", "PENDING", "COMPLETED"])
        scheduled = {"scheduled_time": (NOON + timedelta(hours=chance.randrange(4))).isoformat()}
        state = {"type": "SCHEDULED", "state_details": scheduled} if kind == "SCHEDULED" else {"type": "PENDING"}
        run = make_flow_run(client, flow_id=flow, name=chance.choice("abcd") * chance.randrange(1, 3), state=state)
        if kind == "COMPLETED":
            for entered in ("RUNNING", kind):
                ok(client.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": entered}}), 201)


@pytest.fixture(scope="module")
def some_runs(shared):
    """The criteria of forty runs, and their documents."""
    client = shared.app.test_client()
    flow = make_flow(client)
    make_some_runs(client, flow["id"], 40, seed=1)
    criteria = {"flows": {"id": {"any_": [flow["id"]]}}}
    runs = ok(client.post("/flow_runs/filter", json=criteria))
    assert len(runs) == 40
    assert {run["end_time"] is None for run in runs} == {run["next_scheduled_start_time"] is None for run in runs} == {True, False}
    return criteria, runs


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sort=st.sampled_from(list(ORDERS)), limits=st.lists(st.integers(3, 45), min_size=1, max_size=4), begins=st.booleans())
def test_the_pages_together_are_the_list_in_order(api, some_runs, sort, limits, begins):
    criteria, runs = some_runs
    body = criteria | {"sort": sort} | ({"cursor": ""} if begins else {})
    found = [run["id"] for page in walk(api, "/flow_runs/filter", body, limits) for run in page]
    assert found == in_order(runs, sort)


@pytest.mark.parametrize("sort", ORDERS)
def test_rows_that_come_or_go_are_neither_doubled_nor_lost(api, sort):
    flow = make_flow(api)["id"]
    make_some_runs(api, flow, 24, seed=2)
    chance = random.Random(3)
    criteria = {"flows": {"id": {"any_": [flow]}}}
    before = ok(api.post("/flow_runs/filter", json=criteria))
    gone, seen = set(), []
    for number, page in enumerate(walk(api, "/flow_runs/filter", criteria | {"sort": sort}, [5])):
        seen += [run["id"] for run in page]
        # the row that the cursor stands at, and one anywhere
        for id in {seen[-1], chance.choice(before)["id"]} - gone:
            assert api.delete(f"/flow_runs/{id}").status_code == 204
            gone.add(id)
        make_some_runs(api, flow, 2, seed=number + 10)
        assert number < 40
    assert len(set(seen)) == len(seen)
    assert [id for id in seen if id in ids(before) - gone] == in_order([run for run in before if run["id"] not in gone], sort)


def make_logs(client):
    """Forty logs of one flow run, and criteria that they alone meet."""
    chance, run = random.Random(4), make_flow_run(client)["id"]
    tasks = [None, *(make_task_run(client)["id"] for _ in range(3))]
    logs = [
        {
            "name": "log",
            "level": chance.choice([10, 20, -5]),
            "message": "m",
            "timestamp": (NOON + timedelta(seconds=chance.randrange(5))).isoformat(),
            "flow_run_id": run,
            "task_run_id": chance.choice(tasks),
        }
        for _ in range(40)
    ]
    ok(client.post("/logs/", json=logs), 201)
    return {"logs": {"flow_run_id": {"any_": [run]}}}


def make_flows(client):
    tag = make_flow(client)["name"]
    for _ in range(15):
        make_flow(client, tags=[tag])
    return {"flows": {"tags": {"all_": [tag]}}}


def make_deployments(client):
    tag = make_flow(client)["name"]
    for name in "abcabcabcaabb":
        make_deployment(client, name=name, tags=[tag])
    return {"deployments": {"tags": {"all_": [tag]}}}


def make_task_runs(client):
    run = make_flow_run(client)["id"]
    for name in "abcabcabc":
        make_task_run(client, flow_run_id=run, name=name)
    return {"flow_runs": {"id": {"any_": [run]}}}


MAKERS = {"logs": make_logs, "flows": make_flows, "deployments": make_deployments, "task_runs": make_task_runs}


@pytest.mark.parametrize("entity", MAKERS)
def test_every_order_of_every_list_has_cursors(api, entity):
    criteria, path = MAKERS[entity](api), f"/{entity}/filter"
    sorts = {"deployments": [None], "task_runs": list(ORDERS)}.get(entity)
    if sorts is None:
        document = ok(api.get("/openapi.json"))["components"]["schemas"]
        sorts = document[{"logs": "LogSort", "flows": "FlowSort"}[entity]]["enum"]
    for sort in sorts:
        body = criteria | ({"sort": sort} if sort else {})
        whole = ok(api.post(path, json=body))
        assert len(whole) > 8
        paged = [row for page in walk(api, path, body, [4, 3]) for row in page]
        assert [row["id"] for row in paged] == [row["id"] for row in whole], sort
        assert [row["id"] for row in ok(api.post(path, json=body | {"cursor": "", "limit": 1000}))] == [row["id"] for row in whole], sort


def test_a_page_that_ends_the_list_has_no_link_though_it_is_full(api, some_runs):
    criteria, runs = some_runs
    assert next_of(api.post("/flow_runs/filter", json=criteria | {"limit": len(runs)})) is None
    assert next_of(api.post("/flow_runs/filter", json=criteria | {"limit": len(runs) - 1}))
    assert next_of(api.post("/flow_runs/filter", json=criteria | {"limit": 0})) is None


def test_a_cursor_in_the_address_goes_before_one_in_the_body(api, some_runs):
    criteria, runs = some_runs
    path = next_of(api.post("/flow_runs/filter", json=criteria | {"limit": 10}))
    cursor = path.partition("?cursor=")[2]
    rest = in_order(runs, "ID_DESC")[10:]
    for asked, body in ((path, {"cursor": ""}), (path, {}), ("/flow_runs/filter", {"cursor": cursor})):
        assert [run["id"] for run in ok(api.post(asked, json=criteria | body | {"limit": 1000}))] == rest


def test_after_an_offset_a_cursor_goes_on(api, some_runs):
    criteria, runs = some_runs
    path = next_of(api.post("/flow_runs/filter", json=criteria | {"limit": 10, "offset": 5}))
    assert [run["id"] for run in ok(api.post(path, json=criteria))] == in_order(runs, "ID_DESC")[15:]


def test_the_limit_is_larger_with_a_cursor_and_an_offset_beside_it_is_422(api):
    assert wrong_fields(api.post("/flows/filter", json={"limit": 201})) == {"body.limit"}
    assert wrong_fields(api.post("/flows/filter", json={"limit": 1001, "cursor": ""})) == {"body.limit"}
    assert len(ok(api.post("/flows/filter", json={"limit": 1000, "cursor": ""}))) >= 0
    assert wrong_fields(api.post("/flows/filter", json={"offset": 1, "cursor": ""})) == {"body.offset"}


def test_the_limit_without_a_cursor_is_that_of_the_settings(sqlite_url):
    app = create_app(Settings(database_url=sqlite_url, page_size=7))
    app.test_client_class = ApiClient
    client = app.test_client()
    assert "from 0 to 7, or to 1000 with a cursor" in problem(client.post("/flows/filter", json={"limit": 8}), 422)["detail"]
    assert ok(client.post("/flows/filter", json={"limit": 8, "cursor": ""})) == []
    app.extensions["mintaka"].database.dispose()


def packed(value):
    """A cursor of our form, with a content of ours."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


ID = "0197a9f2-6b1c-7d5e-9c3a-000000000001"
FORGED = [
    "x",
    "é",
    "====",
    "a" * 4000,
    packed(None),
    packed(5),
    packed("flow_runs"),
    packed([]),
    packed({"flow_runs": 1}),
    packed(["flow_runs", "NAME_ASC"]),
    packed(["flow_runs", "NAME_ASC", "a"]),
    packed(["flow_runs", "NAME_ASC", "a", ID, ID]),
    packed(["flow_runs", "NAME_ASC", None, ID]),
    packed(["flow_runs", "NAME_ASC", 5, ID]),
    packed(["flow_runs", "NAME_ASC", "a\0", ID]),
    packed(["flow_runs", "NAME_ASC", "\ud800", ID]),
    packed(["flow_runs", "NAME_ASC", "a", "not an id"]),
    packed(["flow_runs", "NAME_ASC", "a", None]),
    packed(["flow_runs", "NAME_DESC", "a", ID]),
    packed(["task_runs", "NAME_ASC", "a", ID]),
    packed([["flow_runs"], {}, "a", ID]),
]


@pytest.mark.parametrize("cursor", FORGED, ids=range(len(FORGED)))
def test_what_is_no_cursor_of_this_list_in_this_order_is_422(api, cursor):
    body = {"sort": "NAME_ASC"}
    assert wrong_fields(api.post("/flow_runs/filter", json=body | {"cursor": cursor})) == {"body.cursor"}
    assert wrong_fields(api.post("/flow_runs/filter", json=body, query_string={"cursor": cursor})) == {"query.cursor"}


@pytest.mark.parametrize("value", ["soon", 5, "9999-01-01T00:00:00+00:00", ["2022-06-01"]], ids=str)
def test_a_time_in_a_cursor_is_a_time(api, value):
    sort = "EXPECTED_START_TIME_ASC"
    forged = packed(["flow_runs", sort, value, ID])
    assert wrong_fields(api.post("/flow_runs/filter", json={"sort": sort, "cursor": forged})) == {"body.cursor"}


@pytest.mark.parametrize("value", [2**31, 1.5, "20", True, None], ids=str)
def test_a_number_in_a_cursor_is_one_that_the_column_holds(api, value):
    forged = packed(["logs", "LEVEL_ASC", value, "2022-06-01T00:00:00+00:00", ID])
    assert wrong_fields(api.post("/logs/filter", json={"sort": "LEVEL_ASC", "cursor": forged})) == {"body.cursor"}


def test_a_name_of_many_bytes_fits_into_a_cursor(api):
    flow = make_flow(api)["id"]
    for number in range(3):
        make_flow_run(api, flow_id=flow, name="\N{WAVING HAND SIGN}" * 511 + str(number))
    pages = walk(api, "/flow_runs/filter", {"flows": {"id": {"any_": [flow]}}, "sort": "NAME_ASC"}, [1])
    assert [run["name"][-1] for page in pages for run in page] == ["0", "1", "2"]
