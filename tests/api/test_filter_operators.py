"""Each operator of each criterion (contract, section 3) on all four lists, with what it finds written out by hand.

There are four chains in a database of their own, each a flow, a deployment, a flow run and a task run of one name; the fourth has no
deployment. What is asked of any member of a chain therefore finds, on every list, that list's members of the same chains.
"""

import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest

from app.config import Settings
from app.domain.filters import FILTERS
from tests import databases
from tests.api.asking import ok, problem
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run
from tests.conftest import ApiClient, Clock

NAMES = {1: "étoile", 2: "ÉTOILE_", 3: "pl_in", 4: "ΟΔΟΣ\\ΟΔΟΣΑ"}
TAGS = {1: ["a", "b"], 2: ["b", "é", '"q"'], 3: [], 4: ["a"]}
LISTS = {"flows": {1, 2, 3, 4}, "deployments": {1, 2, 3}, "flow_runs": {1, 2, 3, 4}, "task_runs": {1, 2, 3, 4}}
ALL = {1, 2, 3, 4}

# Chains 1 and 4 start at their hour, 2 and 3 are due at theirs; the clock stands at the chain's hour while it is made
HOUR = {number: datetime(2022, 6, 1, 12 + number, tzinfo=UTC) for number in ALL}
STATES = {
    1: {"type": "RUNNING"},
    2: {"type": "SCHEDULED", "name": "Late", "state_details": {"scheduled_time": HOUR[2].isoformat()}},
    3: {"type": "SCHEDULED", "state_details": {"scheduled_time": HOUR[3].isoformat()}},
    4: {"type": "RUNNING", "name": "Retrying"},
}
MOMENT = timedelta(microseconds=1)
NO_ID = str(uuid4())


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request, tmp_path_factory):
    """The URL of a migrated database of each kind, for this module alone."""
    if request.param == "sqlite":
        copy = shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path_factory.mktemp("chains") / "mintaka.db")
        yield f"sqlite:///{copy}"
    else:
        server, template = request.getfixturevalue("postgres_server"), request.getfixturevalue("postgres_template")
        with databases.temporary_database(server, template) as url:
            yield url


@pytest.fixture(scope="module")
def chains(url):
    """The chains: a client, and `ids`, from entity and chain number to id."""
    from app import create_app

    clock = Clock()
    app = create_app(Settings(database_url=url), clock=clock)
    app.test_client_class = ApiClient
    client = app.test_client()
    ids = {entity: {} for entity in LISTS}
    for number, name in NAMES.items():
        clock.stop_at(HOUR[number])
        common = {"name": name, "tags": TAGS[number]}
        flow = make_flow(client, **common)
        own = {"flow_id": flow["id"]}
        if number in LISTS["deployments"]:
            active = number != 2
            ids["deployments"][number] = make_deployment(client, **common, **own, is_schedule_active=active)["id"]
            own |= {"deployment_id": ids["deployments"][number]}
        if number > 2:
            own |= {"flow_version": str(number), "flow_runner": {"type": f"runner {number}"}}
        if number == 3:
            own |= {"parent_task_run_id": ids["task_runs"][2]}
        run = make_flow_run(client, **common, **own, state=STATES[number])
        if number == 3:
            # the subflow's run has put its state onto the task run that stands for it
            restored = client.post(f"/task_runs/{own['parent_task_run_id']}/set_state", json={"state": STATES[2], "force": True})
            assert restored.status_code == 201
        ids["flows"][number], ids["flow_runs"][number] = flow["id"], run["id"]
        ids["task_runs"][number] = make_task_run(client, **common, flow_run_id=run["id"], state=STATES[number])["id"]
    yield SimpleNamespace(client=client, ids=ids)
    app.extensions["mintaka"].database.dispose()


def found(chains, filters):
    """Chain numbers that each list finds, in which each row is listed once and the count is the list's length."""
    answer = {}
    for entity in LISTS:
        numbers = {id: number for number, id in chains.ids[entity].items()}
        rows = [numbers[row["id"]] for row in ok(chains.client.post(f"/{entity}/filter", json=filters))]
        assert len(rows) == len({*rows}) == ok(chains.client.post(f"/{entity}/count", json=filters))
        answer[entity] = {*rows}
    return answer


def on_each_list(expected):
    """What is found where `expected` chains meet a filter: those of them that a list has a member of."""
    return {entity: expected & present for entity, present in LISTS.items()}


NAME_AND_TAGS = [
    ({"name": {"any_": [NAMES[1], NAMES[3], "other"]}}, {1, 3}),
    ({"name": {"any_": [NAMES[1].upper()]}}, set()),
    ({"name": {"any_": []}}, set()),
    ({"name": {"like_": "ÉTOILE"}}, {1, 2}),
    ({"name": {"like_": "Étoile"}}, {1, 2}),
    ({"name": {"like_": "toile_"}}, {2}),
    ({"name": {"like_": "_"}}, {2, 3}),
    ({"name": {"like_": "\\"}}, {4}),
    ({"name": {"like_": "%"}}, set()),
    ({"name": {"like_": "p%n"}}, set()),
    ({"name": {"like_": "οδοσ\\ο"}}, {4}),
    # a sigma that ends what is asked for does not end a word of the name
    ({"name": {"like_": "ΟΔΟΣ"}}, {4}),
    ({"name": {"like_": "q" * 512}}, set()),
    ({"name": {"like_": ""}}, ALL),
    ({"tags": {"all_": ["a"]}}, {1, 4}),
    ({"tags": {"all_": ["b", "a", "b"]}}, {1}),
    ({"tags": {"all_": ["é", '"q"']}}, {2}),
    ({"tags": {"all_": ["A"]}}, set()),
    ({"tags": {"all_": [""]}}, set()),
    ({"tags": {"all_": []}}, ALL),
    ({"tags": {"is_null_": True}}, {3}),
    ({"tags": {"is_null_": False}}, {1, 2, 4}),
    ({"tags": {"all_": ["a"], "is_null_": True}}, set()),
    ({"name": {"any_": [NAMES[1], NAMES[2]], "like_": "_"}, "tags": {"all_": ["b"]}}, {2}),
    ({"name": {"any_": None, "like_": None}, "tags": None}, ALL),
]

STATE = [
    ({"state": {"type": {"any_": ["SCHEDULED"]}}}, {2, 3}),
    ({"state": {"type": {"any_": ["RUNNING", "FAILED"]}}}, {1, 4}),
    ({"state": {"type": {"any_": []}}}, set()),
    ({"state": {"name": {"any_": ["Late", "Running"]}}}, {1, 2}),
    ({"state": {"name": {"any_": ["late"]}}}, set()),
    ({"state": {"name": {"any_": []}}}, set()),
    ({"state": {"type": {"any_": ["SCHEDULED"]}, "name": {"any_": ["Late", "Retrying"]}}}, {2}),
    ({"state": {"type": None, "name": {"any_": None}}}, ALL),
    ({"state": None}, ALL),
    ({"start_time": {"is_null_": True}}, {2, 3}),
    ({"start_time": {"is_null_": False}}, {1, 4}),
    ({"start_time": {"before_": HOUR[1].isoformat()}}, {1}),
    ({"start_time": {"before_": (HOUR[1] - MOMENT).isoformat()}}, set()),
    ({"start_time": {"after_": HOUR[4].isoformat()}}, {4}),
    ({"start_time": {"after_": (HOUR[4] + MOMENT).isoformat()}}, set()),
    ({"start_time": {"after_": HOUR[1].isoformat(), "before_": HOUR[4].isoformat()}}, {1, 4}),
    ({"start_time": {"after_": (HOUR[1] + MOMENT).isoformat(), "before_": (HOUR[4] - MOMENT).isoformat()}}, set()),
    ({"start_time": {"before_": HOUR[4].isoformat(), "is_null_": True}}, set()),
]

OF_FLOW_RUNS = [
    ({"expected_start_time": {"before_": HOUR[2].isoformat()}}, {1, 2}),
    ({"expected_start_time": {"before_": (HOUR[2] - MOMENT).isoformat()}}, {1}),
    ({"expected_start_time": {"after_": HOUR[3].isoformat()}}, {3, 4}),
    ({"expected_start_time": {"after_": (HOUR[3] + MOMENT).isoformat()}}, {4}),
    # the same instants in another zone, and without one
    ({"expected_start_time": {"after_": "2022-06-01T16:00:00+02:00", "before_": "2022-06-01T15:00:00"}}, {2, 3}),
    ({"next_scheduled_start_time": {"before_": HOUR[4].isoformat()}}, {2, 3}),
    ({"next_scheduled_start_time": {"before_": HOUR[2].isoformat()}}, {2}),
    ({"next_scheduled_start_time": {"after_": HOUR[3].isoformat()}}, {3}),
    ({"next_scheduled_start_time": {"after_": (HOUR[3] + MOMENT).isoformat()}}, set()),
    ({"deployment_id": {"is_null_": True}}, {4}),
    ({"deployment_id": {"is_null_": False}}, {1, 2, 3}),
    ({"parent_task_run_id": {"is_null_": True}}, {1, 2, 4}),
    ({"parent_task_run_id": {"is_null_": False}}, {3}),
    ({"parent_task_run_id": {"any_": []}}, set()),
    ({"flow_version": {"any_": ["3", "5"]}}, {3}),
    ({"flow_version": {"any_": []}}, set()),
    ({"flow_runner_type": {"any_": ["runner 4", "runner 3"]}}, {3, 4}),
    ({"flow_runner_type": {"any_": ["RUNNER 4"]}}, set()),
]

CASES = [
    *((entity, criteria, expected & LISTS[entity]) for entity in LISTS for criteria, expected in NAME_AND_TAGS),
    *((entity, criteria, expected) for entity in ("flow_runs", "task_runs") for criteria, expected in STATE),
    *(("flow_runs", criteria, expected) for criteria, expected in OF_FLOW_RUNS),
    ("deployments", {"is_schedule_active": {"eq_": True}}, {1, 3}),
    ("deployments", {"is_schedule_active": {"eq_": False}}, {2}),
    ("deployments", {"is_schedule_active": {"eq_": None}}, {1, 2, 3}),
    ("task_runs", {"subflow_runs": {"exists_": True}}, {2}),
    ("task_runs", {"subflow_runs": {"exists_": False}}, {1, 3, 4}),
]


def named(value):
    return value if isinstance(value, str) else "".join(str(value).split())[:60] if isinstance(value, dict) else ""


@pytest.mark.parametrize("entity, criteria, expected", CASES, ids=named)
def test_an_operator_finds_what_is_written_here_on_every_list(chains, entity, criteria, expected):
    assert found(chains, {entity: criteria}) == on_each_list(expected)


@pytest.mark.parametrize("entity", LISTS)
@pytest.mark.parametrize("wanted", [set(), {2}, {1, 3}])
def test_any_of_some_ids_finds_those(chains, entity, wanted):
    ids = [chains.ids[entity][number] for number in wanted]
    # an id twice, and one that nothing has, change nothing but an empty list
    for listed in (ids, [*ids, *ids, NO_ID] if ids else [NO_ID]):
        assert found(chains, {entity: {"id": {"any_": listed}}}) == on_each_list(wanted)


@pytest.mark.parametrize("unwanted", [set(), {2}, {1, 3}])
def test_not_any_of_some_ids_finds_the_others(chains, unwanted):
    ids = [chains.ids["flow_runs"][number] for number in unwanted]
    assert found(chains, {"flow_runs": {"id": {"not_any_": ids}}}) == on_each_list(ALL - unwanted)
    both = {"any_": [chains.ids["flow_runs"][number] for number in (1, 2)], "not_any_": ids}
    assert found(chains, {"flow_runs": {"id": both}}) == on_each_list({1, 2} - unwanted)


def test_runs_are_found_by_the_ids_of_their_deployment_and_of_their_parent(chains):
    by_deployment = {"deployment_id": {"any_": [chains.ids["deployments"][1], NO_ID]}}
    assert found(chains, {"flow_runs": by_deployment}) == on_each_list({1})
    by_parent = {"parent_task_run_id": {"any_": [chains.ids["task_runs"][number] for number in (1, 2)]}}
    assert found(chains, {"flow_runs": by_parent}) == on_each_list({3})


@pytest.mark.parametrize("filters", [None, {}, dict.fromkeys(LISTS)])
def test_null_asks_for_nothing_on_any_list(chains, filters):
    assert found(chains, filters) == on_each_list(ALL)


@pytest.mark.parametrize("entity", LISTS)
def test_no_criteria_on_another_entity_ask_that_there_is_one(chains, entity):
    assert found(chains, {entity: {}}) == on_each_list(LISTS[entity])


def test_criteria_on_several_entities_must_all_hold(chains):
    filters = {
        "flows": {"name": {"like_": "étoile"}},
        "deployments": {"is_schedule_active": {"eq_": True}},
        "flow_runs": {"start_time": {"is_null_": False}},
        "task_runs": {"tags": {"all_": ["a"]}},
    }
    assert found(chains, filters) == on_each_list({1})
    assert found(chains, filters | {"flow_runs": {"start_time": {"is_null_": True}}}) == on_each_list(set())


def lists_of_values():
    """Every criterion and operator that takes a list, with its entity."""
    return [
        (entity, criterion, operator)
        for entity, criteria in FILTERS.items()
        for criterion in criteria
        for operator in criterion.operators
        if operator in ("any_", "not_any_", "all_")
    ]


def criteria_of(criterion, operator, values):
    """The criteria of an entity that ask one thing."""
    criteria = {operator: values}
    for step in reversed(criterion.field.split(".")):
        criteria = {step: criteria}
    return criteria


def many(criterion, count):
    """As many values of a criterion's kind, all different where there are as many, and none that a row has."""
    if criterion.kind == "uuid":
        return [str(uuid4()) for _ in range(count)]
    if criterion.kind == "state_type":
        return ["CANCELLED"] * count
    return [f"value {number}" for number in range(count)]


@pytest.mark.parametrize("entity, criterion, operator", lists_of_values(), ids=lambda value: getattr(value, "field", value))
def test_a_list_may_hold_a_thousand_values_and_not_one_more(chains, entity, criterion, operator):
    allowed = {entity: criteria_of(criterion, operator, many(criterion, 1000))}
    assert found(chains, allowed) == on_each_list(ALL if operator == "not_any_" else set())
    refused = {entity: criteria_of(criterion, operator, many(criterion, 1001))}
    for verb in ("filter", "count"):
        document = problem(chains.client.post(f"/{entity}/{verb}", json=refused), 422)
        assert document["errors"][0]["loc"] == ["body", entity, *criterion.field.split("."), operator]


def test_every_list_may_be_full_at_the_same_time(chains):
    filters = {}
    for entity, criterion, operator in lists_of_values():
        asked = filters.setdefault(entity, {})
        *groups, last = criterion.field.split(".")
        for group in groups:
            asked = asked.setdefault(group, {})
        asked.setdefault(last, {})[operator] = many(criterion, 1000)
    assert found(chains, filters) == on_each_list(set())


@pytest.fixture
def crossed(client):
    """A deployment with two runs, one PENDING with a task run called `one`, the other RUNNING with one called `two`."""
    deployment = make_deployment(client)
    own = {"flow_id": deployment["flow_id"], "deployment_id": deployment["id"]}
    for kind, name in (("PENDING", "one"), ("RUNNING", "two")):
        run = make_flow_run(client, **own, state={"type": kind})
        make_task_run(client, flow_run_id=run["id"], name=name)
        make_task_run(client, flow_run_id=run["id"], name=name)
    return client


@pytest.mark.parametrize("entity", ["flows", "deployments"])
def test_criteria_on_runs_and_on_their_tasks_must_hold_of_one_and_the_same_run(crossed, entity):
    pending = {"state": {"type": {"any_": ["PENDING"]}}}
    for name, expected in (("one", 1), ("two", 0)):
        filters = {"flow_runs": pending, "task_runs": {"name": {"any_": [name]}}}
        assert ok(crossed.post(f"/{entity}/count", json=filters)) == expected
        assert len(ok(crossed.post(f"/{entity}/filter", json=filters))) == expected


def test_task_runs_are_listed_by_what_their_run_and_its_owners_are(crossed):
    filters = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}, "deployments": {}, "flows": {}}
    assert [run["name"] for run in ok(crossed.post("/task_runs/filter", json=filters))] == ["two", "two"]
