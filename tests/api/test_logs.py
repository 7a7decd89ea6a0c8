"""Logs: create in batches, list by criteria and in every order."""

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.domain import instants
from app.repositories.logs import Logs
from tests.api.asking import ids, ok, problem, wrong_fields
from tests.api.factories import make_flow_run, make_task_run

NINE = datetime.fromisoformat("2022-06-01T09:00:00+00:00")


def log(**fields):
    """A log of a flow run that nobody knows."""
    return {"name": "etl", "level": 20, "message": "hello", "timestamp": NINE.isoformat(), "flow_run_id": str(uuid4())} | fields


def create(client, *logs):
    """Create logs."""
    assert ok(client.post("/logs/", json=list(logs)), 201) is None


def listed(client, **body):
    return ok(client.post("/logs/filter", json=body))


def of_run(client, run, **body):
    """The messages of a run's logs, in the order of the list."""
    return [found["message"] for found in listed(client, logs={"flow_run_id": {"any_": [run]}}, **body)]


def test_a_log_is_answered_with_every_field(client, clock):
    clock.stop_at(NINE + timedelta(seconds=5))
    run = make_flow_run(client)["id"]
    task_run = make_task_run(client, flow_run_id=run)["id"]
    create(client, log(flow_run_id=run, task_run_id=task_run, message='Zeile 1\n\ttwo \N{SNOWMAN} \\ "', name=""))
    [found] = listed(client)
    assert UUID(found.pop("id")).version == 7
    assert found == {
        "created": clock().isoformat(),
        "updated": clock().isoformat(),
        "name": "",
        "level": 20,
        "message": 'Zeile 1\n\ttwo \N{SNOWMAN} \\ "',
        "timestamp": NINE.isoformat(),
        "flow_run_id": run,
        "task_run_id": task_run,
    }


def test_logs_of_runs_that_are_not_known_are_kept(api):
    run = str(uuid4())
    create(api, log(flow_run_id=run), log(flow_run_id=run, task_run_id=None), log(flow_run_id=run, task_run_id=str(uuid4())))
    assert len(of_run(api, run)) == 3


def test_a_log_outlives_its_run(api):
    run = make_flow_run(api)["id"]
    create(api, log(flow_run_id=run))
    ok(api.delete(f"/flow_runs/{run}"), 204)
    assert of_run(api, run) == ["hello"]


def test_no_logs_at_all_are_nothing_to_do(api):
    assert ok(api.post("/logs/", json=[]), 201) is None


def test_instants_without_an_offset_are_in_utc_and_others_are_converted(api):
    run = str(uuid4())
    create(api, *(log(flow_run_id=run, timestamp=text) for text in ("2022-06-01T09:00:00", "2022-06-01T09:00:00.000001+02:00")))
    found = listed(api, logs={"flow_run_id": {"any_": [run]}})
    assert [each["timestamp"] for each in found] == ["2022-06-01T07:00:00.000001+00:00", "2022-06-01T09:00:00+00:00"]


@pytest.mark.parametrize("level", [-(2**31), -1, 0, 2**31 - 1])
def test_every_whole_number_that_the_column_holds_is_a_level(api, level):
    run = str(uuid4())
    create(api, log(flow_run_id=run, level=level))
    assert listed(api, logs={"flow_run_id": {"any_": [run]}})[0]["level"] == level


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"level": 2**31}, "body.1.level"),
        ({"level": True}, "body.1.level"),
        ({"level": "20"}, "body.1.level"),
        ({"level": 20.0}, "body.1.level"),
        ({"level": None}, "body.1.level"),
        ({"name": None}, "body.1.name"),
        ({"message": 1}, "body.1.message"),
        ({"timestamp": "yesterday"}, "body.1.timestamp"),
        ({"timestamp": 0}, "body.1.timestamp"),
        ({"timestamp": "1969-12-31T23:59:59+00:00"}, "body.1.timestamp"),
        ({"flow_run_id": None}, "body.1.flow_run_id"),
        ({"flow_run_id": [1]}, "body.1.flow_run_id"),
        ({"task_run_id": "x"}, "body.1.task_run_id"),
        ({"id": str(uuid4())}, "body.1.id"),
    ],
)
def test_one_bad_log_is_named_by_place_and_field_and_none_is_kept(api, fields, wrong):
    run = str(uuid4())
    assert wrong_fields(api.post("/logs/", json=[log(flow_run_id=run), log(flow_run_id=run) | fields, log(flow_run_id=run)])) == {wrong}
    assert of_run(api, run) == []


def test_everything_that_is_wrong_is_said_up_to_a_limit(api):
    assert wrong_fields(api.post("/logs/", json=[log(), {}, 3, log(level="x", name=1)])) == {
        *(f"body.1.{field}" for field in ("name", "level", "message", "timestamp", "flow_run_id")),
        "body.2",
        *("body.3.level", "body.3.name"),
    }
    answer = problem(api.post("/logs/", json=[{}] * 1000), 422)
    assert len(answer["errors"]) == 100


@pytest.mark.parametrize("body", ["{}", "null", "", '"x"', json.dumps(log())])
def test_what_is_no_list_is_refused(api, body):
    assert wrong_fields(api.post("/logs/", data=body, content_type="application/json")) == {"body"}


def test_nul_and_half_characters_are_replaced_so_that_no_line_of_a_batch_is_lost(api):
    run = str(uuid4())
    create(
        api,
        log(flow_run_id=run),
        *(log(flow_run_id=run, name=f"n{text}", message=f"a{text}b\U0001f600") for text in ("\0", "\ud800", "\udfff")),
    )
    assert of_run(api, run) == ["hello"] + ["a\ufffdb\U0001f600"] * 3
    assert {found["name"] for found in listed(api, logs={"flow_run_id": {"any_": [run]}})} == {"etl", "n\ufffd"}


def test_what_the_references_client_calls_a_filter_is_one(api):
    run = str(uuid4())
    create(api, log(flow_run_id=run, message="its own"), log(message="another's"))
    criteria = {"flow_run_id": {"any_": [run]}}
    assert [found["message"] for found in listed(api, filter=criteria, limit=None, offset=0)] == ["its own"]
    assert len(listed(api, filter=None)) >= 2
    assert [found["message"] for found in listed(api, logs=criteria, filter={"level": {"ge_": 50}})] == ["its own"]


def test_a_batch_of_many_megabytes_is_kept_whole_and_in_order(api):
    run = str(uuid4())
    lines = [log(flow_run_id=run, message=f"{number} {'x' * 180}") for number in range(20_000)]
    create(api, *lines)
    assert of_run(api, run, limit=2) == [line["message"] for line in lines[:2]]
    assert of_run(api, run, limit=200, offset=19_998) == [line["message"] for line in lines[19_998:]]
    assert of_run(api, run, limit=1, sort="TIMESTAMP_DESC") == [lines[-1]["message"]]


def test_a_batch_beyond_the_limit_of_a_body_is_refused(app, client):
    run = str(uuid4())
    assert client.post("/logs/", json=[log(flow_run_id=run, message="x" * 2**20)] * 16).status_code == 413
    assert of_run(client, run) == []


@pytest.fixture
def three(api):
    """The ids of two flow runs, with three logs of different levels and times, called a, b and c."""
    run, other, task = str(uuid4()), str(uuid4()), str(uuid4())
    create(
        api,
        log(flow_run_id=run, message="a", level=10, timestamp=NINE.isoformat()),
        log(flow_run_id=run, message="b", level=30, timestamp=(NINE + timedelta(seconds=1)).isoformat(), task_run_id=task),
        log(flow_run_id=other, message="c", level=20, timestamp=(NINE + timedelta(seconds=2)).isoformat()),
    )
    return run, other, task


@pytest.mark.parametrize(
    ("criteria", "messages"),
    [
        ({}, "abc"),
        ({"level": {"ge_": 20}}, "bc"),
        ({"level": {"le_": 20}}, "ac"),
        ({"level": {"ge_": 11, "le_": 29}}, "c"),
        ({"level": None}, "abc"),
        ({"level": {"ge_": None}}, "abc"),
        ({"timestamp": {"after_": "2022-06-01T09:00:01+00:00"}}, "bc"),
        ({"timestamp": {"before_": "2022-06-01T11:00:01+02:00"}}, "ab"),
        ({"timestamp": {"before_": "2022-06-01T09:00:00.999999"}}, "a"),
        ({"flow_run_id": {"any_": []}}, ""),
        ({"task_run_id": {"any_": []}}, ""),
    ],
)
def test_logs_are_listed_by_their_criteria(api, three, criteria, messages):
    runs = {"flow_run_id": {"any_": list(three[:2])}}
    assert "".join(found["message"] for found in listed(api, logs=runs | criteria)) == messages


def test_logs_are_listed_by_task_run(api, three):
    assert [found["message"] for found in listed(api, logs={"task_run_id": {"any_": [three[2], str(uuid4())]}})] == ["b"]


@pytest.mark.parametrize(
    ("sort", "messages"), [("TIMESTAMP_ASC", "abc"), ("TIMESTAMP_DESC", "cba"), ("LEVEL_ASC", "acb"), ("LEVEL_DESC", "bca")]
)
def test_logs_are_listed_in_the_order_asked_for(api, three, sort, messages):
    found = listed(api, logs={"flow_run_id": {"any_": list(three[:2])}}, sort=sort)
    assert "".join(each["message"] for each in found) == messages


def test_logs_are_listed_by_the_ids_of_their_runs(api, three):
    runs = {"flow_run_id": {"any_": list(three[:2])}}
    by_run = sorted(three[:2])
    assert [found["flow_run_id"] for found in listed(api, logs=runs, sort="FLOW_RUN_ID_ASC")] == sorted([*by_run, three[0]])
    assert [found["flow_run_id"] for found in listed(api, logs=runs, sort="FLOW_RUN_ID_DESC")] == sorted([*by_run, three[0]], reverse=True)
    for sort in ("TASK_RUN_ID_ASC", "TASK_RUN_ID_DESC"):
        assert [found["task_run_id"] for found in listed(api, logs=runs, sort=sort)] == [three[2], None, None]


def test_pages_of_logs_of_one_instant_neither_overlap_nor_leave_one_out(api):
    run = str(uuid4())
    create(api, *(log(flow_run_id=run, message=str(number)) for number in range(25)))
    for sort in Logs.sorts:
        pages = [listed(api, logs={"flow_run_id": {"any_": [run]}}, sort=sort, limit=10, offset=offset) for offset in (0, 10, 20)]
        assert [len(page) for page in pages] == [10, 10, 5]
        assert len(set.union(*map(ids, pages))) == 25


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"sort": "NAME_ASC"}, "body.sort"),
        ({"limit": 201}, "body.limit"),
        ({"offset": -1}, "body.offset"),
        ({"flows": {}}, "body.flows"),
        ({"logs": {"name": {"any_": []}}}, "body.logs.name"),
        ({"logs": {"level": {"ge_": 2**31}}}, "body.logs.level.ge_"),
        ({"logs": {"level": {"le_": "20"}}}, "body.logs.level.le_"),
        ({"logs": {"flow_run_id": {"any_": ["x"]}}}, "body.logs.flow_run_id.any_.0"),
    ],
)
def test_a_list_of_logs_refuses_what_it_does_not_know(api, body, wrong):
    assert wrong_fields(api.post("/logs/filter", json=body)) == {wrong}


def test_the_body_of_a_list_may_be_left_out(api):
    assert isinstance(ok(api.post("/logs/filter")), list)


def test_what_the_quick_check_lets_through_is_what_the_schema_makes_of_it():
    from app.schemas.logs import LogCreate

    given = [log(), log(task_run_id=str(uuid4())), log(task_run_id=None), log(flow_run_id=str(uuid4()).upper())]
    schema = LogCreate()
    for quick, each in zip(LogCreate(many=True).load(given), given, strict=True):
        assert quick == {"task_run_id": None} | schema.load(each)
        assert quick["timestamp"] == instants.parse(each["timestamp"])
