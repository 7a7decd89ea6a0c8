"""Filters (contract, section 3): each operator, and the whole of them against an independent model in plain Python."""

import uuid
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.filters import FILTERS
from tests.api.asking import ids, ok, problem, runs_of
from tests.api.factories import make_deployment, make_flow, make_flow_run, make_task_run

START = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
NAMES = ["alpha", "ALPHA%", "be_ta", "be\\ta", "Éte-été", "gamma"]
# what may not be in the name of a flow or a deployment
PLAIN = [name.replace("%", "") for name in NAMES]
TAGS = ["x", "y", "é"]
TYPES = ["SCHEDULED", "PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"]
# the order in which each entity is listed, by `sort` where there is one
LISTED = {
    "flows": (lambda row: (row["name"], row["id"]), {"sort": "NAME_ASC"}),
    "deployments": (lambda row: (row["name"], row["id"]), {}),
    "flow_runs": (lambda row: row["id"], {"sort": "ID_DESC"}),
    "task_runs": (lambda row: row["id"], {"sort": "ID_DESC"}),
}


@pytest.fixture(scope="module")
def world(shared):
    """A few flows, deployments, flow runs and task runs that differ in all that can be asked for: entity to documents, and a client."""
    client = shared.app.test_client()
    mark = uuid.uuid4().hex[:8]
    flows = [make_flow(client, name=f"{PLAIN[number]} {mark}", tags=TAGS[: number % 3]) for number in range(5)]
    deployments = [
        make_deployment(
            client, name=PLAIN[number], flow_id=flows[number // 2]["id"], tags=TAGS[number % 3 :], is_schedule_active=number % 2 == 0
        )
        for number in range(6)
    ]
    runs, tasks = [], []
    for number in range(14):
        fields = {"flow_id": flows[number % 4]["id"], "name": NAMES[number % 6], "tags": TAGS[: number % 4]}
        fields["state"] = {"type": TYPES[number % 6], "name": NAMES[number % 3]}
        if number % 6 == 0:
            fields["state"]["state_details"] = {"scheduled_time": (START + timedelta(hours=number)).isoformat()}
        if number % 3:
            deployment = deployments[number % 6]
            fields |= {"deployment_id": deployment["id"], "flow_id": deployment["flow_id"]}
        if number % 2:
            fields |= {"flow_version": str(number % 4), "flow_runner": {"type": f"runner-{number % 3}"}}
        if number > 10:
            fields["parent_task_run_id"] = tasks[number - 11]["id"]
        runs.append(make_flow_run(client, **fields))
        if number % 4 != 3:
            state = {"type": TYPES[(number + 2) % 6], "name": NAMES[number % 2]}
            task = {"name": NAMES[(number + 1) % 6], "tags": TAGS[number % 3 :], "state": state}
            tasks += [make_task_run(client, flow_run_id=runs[-1]["id"], **task) for _ in range(1 + number % 2)]
    runs = [run | {"schedule_slug": None, "schedule_id": None} for run in runs] + scheduled_runs(client, deployments[0])
    # a subflow's run has put its state onto the task run that stands for it
    tasks = [ok(client.get(f"/task_runs/{task['id']}")) for task in tasks]
    return client, {"flows": flows, "deployments": deployments, "flow_runs": runs, "task_runs": tasks}


def scheduled_runs(client, deployment):
    """The runs of two new schedules of a deployment, each with the slug, which its key names, and the id of its schedule."""
    ids = {}
    for slug in ("default", "often"):
        body = {"schedule": {"interval": 86_400}, "max_scheduled_runs": 2}
        ids[slug] = ok(client.put(f"/deployments/{deployment['id']}/schedules/{slug}", json=body), 201)["id"]
    made = runs_of(client, deployment, tags={"all_": ["auto-scheduled"]})
    slugs = ["often" if " often " in run["idempotency_key"] else "default" for run in made]
    return [run | {"schedule_slug": slug, "schedule_id": ids[slug]} for run, slug in zip(made, slugs, strict=True)]


class Model:
    """Which rows meet a filter, told from the documents alone."""

    def __init__(self, rows):
        self.rows = rows

    def meets(self, entity, row, filters):
        """Whether a row meets the filters on its own entity and on every other."""
        asked = {other: criteria for other, criteria in filters.items() if criteria is not None}
        if entity in asked and not self.own(entity, row, asked[entity]):
            return False
        runs = self.runs_of(entity, row)
        if entity in ("flows", "deployments"):
            # a filter on runs and one on their tasks mean the same run
            wanted = [run for run in runs if self.own("flow_runs", run, asked.get("flow_runs", {})) and self.has_task(run, asked)]
            if ("flow_runs" in asked or "task_runs" in asked) and not wanted:
                return False
            other = "deployments" if entity == "flows" else "flows"
            return other not in asked or any(self.own(other, each, asked[other]) for each in self.linked(entity, row, other))
        run = row if entity == "flow_runs" else runs[0]
        if entity == "flow_runs" and not self.has_task(run, asked):
            return False
        if entity == "task_runs" and "flow_runs" in asked and not self.own("flow_runs", run, asked["flow_runs"]):
            return False
        return all(
            any(self.own(other, each, asked[other]) for each in self.rows[other] if each["id"] == run[f"{other[:-1]}_id"])
            for other in ("flows", "deployments")
            if other in asked
        )

    def runs_of(self, entity, row):
        if entity == "task_runs":
            return [run for run in self.rows["flow_runs"] if run["id"] == row["flow_run_id"]]
        return [run for run in self.rows["flow_runs"] if run.get(f"{entity[:-1]}_id") == row["id"]]

    def linked(self, entity, row, other):
        if entity == "flows":
            return [each for each in self.rows[other] if each["flow_id"] == row["id"]]
        return [each for each in self.rows[other] if each["id"] == row["flow_id"]]

    def has_task(self, run, asked):
        if "task_runs" not in asked:
            return True
        return any(self.own("task_runs", task, asked["task_runs"]) for task in self.rows["task_runs"] if task["flow_run_id"] == run["id"])

    def own(self, entity, row, criteria):
        """Whether a row meets the criteria on its own fields."""
        for field, operators in criteria.items():
            if field == "state":
                flat = {f"state_{name}": asked for name, asked in (operators or {}).items()}
                if not self.own(entity, row, flat):
                    return False
                continue
            for operator, wanted in (operators or {}).items():
                if wanted is not None and not self.holds(row, field, operator, wanted):
                    return False
        return True

    def holds(self, row, field, operator, wanted):
        if field == "subflow_runs":
            return any(run["parent_task_run_id"] == row["id"] for run in self.rows["flow_runs"]) is wanted
        value = row["flow_runner"]["type"] if field == "flow_runner_type" else row[field]
        if operator == "is_null_":
            return (value in (None, [])) is wanted
        if operator in ("any_", "all_", "not_any_", "eq_"):
            return {
                "any_": lambda: value in wanted,
                "not_any_": lambda: value not in wanted,
                "all_": lambda: set(wanted) <= set(value),
                "eq_": lambda: value == wanted,
            }[operator]()
        if operator == "like_":
            return wanted.lower() in value.lower()
        if value is None:
            return False
        instant, bound = datetime.fromisoformat(value), datetime.fromisoformat(wanted)
        return instant <= bound if operator == "before_" else instant >= bound


def value_for(draw, rows, entity, criterion, operator):
    """A value to ask for: mostly one that some row has."""
    if operator in ("is_null_", "eq_", "exists_"):
        return draw(st.booleans())
    if criterion.kind == "tags":
        return draw(st.lists(st.sampled_from([*TAGS, "none-has-it"]), max_size=2))
    have = [row["flow_runner"]["type"] if criterion.column == "flow_runner_type" else row[criterion.column] for row in rows[entity]]
    present = st.sampled_from([value for value in have if value is not None])
    if operator == "like_":
        text = draw(present)
        start = draw(st.integers(0, len(text)))
        part = text[start : start + draw(st.integers(0, 4))]
        return draw(st.sampled_from([part, part.upper(), part.lower(), "%", "_", "\\"]))
    if operator in ("before_", "after_"):
        return draw(present)
    absent = {"uuid": st.uuids().map(str), "text": st.just("none-has-it"), "state_type": st.sampled_from(TYPES)}[criterion.kind]
    return draw(st.lists(present | absent, max_size=3))


@st.composite
def filters_on(draw, rows):
    """Filters with a few criteria on a few entities."""
    filters = {}
    for entity in draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=3, unique=True)):
        criteria = {}
        for criterion in draw(st.lists(st.sampled_from(FILTERS[entity]), max_size=2, unique=True)):
            operators = draw(st.lists(st.sampled_from(criterion.operators), min_size=1, max_size=2, unique=True))
            asked = {operator: value_for(draw, rows, entity, criterion, operator) for operator in operators}
            group, _, member = criterion.field.rpartition(".")
            (criteria.setdefault(group, {}) if group else criteria)[member] = asked
        filters[entity] = criteria or draw(st.sampled_from([{}, None]))
    return filters


@pytest.mark.parametrize("entity", sorted(FILTERS))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_lists_and_counts_are_those_of_an_independent_model(world, entity, data):
    client, rows = world
    asked = data.draw(filters_on(rows))
    key, order = LISTED[entity]
    # the database is shared: look at this world alone
    mine = [row["id"] for row in rows[entity]]
    own = asked.get(entity) or {}
    within = dict(own.get("id") or {})
    within["any_"] = [id for id in mine if id in within["any_"]] if within.get("any_") is not None else mine
    filters = asked | {entity: own | {"id": within}}
    model = Model(rows)
    expected = sorted((row for row in rows[entity] if model.meets(entity, row, filters)), key=key, reverse=order.get("sort") == "ID_DESC")
    found = ok(client.post(f"/{entity}/filter", json=filters | order))
    if entity in ("flows", "deployments"):
        # collations differ between databases; the order is tested elsewhere
        assert ids(found) == ids(expected)
    else:
        assert [row["id"] for row in found] == [row["id"] for row in expected]
    assert ok(client.post(f"/{entity}/count", json=filters)) == len(expected)


def _operators():
    return [
        (entity, criterion, operator) for entity, criteria in FILTERS.items() for criterion in criteria for operator in criterion.operators
    ]


@pytest.mark.parametrize(("entity", "criterion", "operator"), _operators(), ids=lambda value: getattr(value, "field", value))
def test_every_operator_of_every_entity_is_taken_by_every_list(world, entity, criterion, operator):
    client, _ = world
    kinds = {"uuid": str(uuid.UUID(int=1)), "text": "a", "tags": "x", "state_type": "PENDING", "instant": START.isoformat()}
    value = {"any_": list, "not_any_": list, "all_": list}.get(operator)
    value = [kinds[criterion.kind]] if value else True if operator in ("is_null_", "eq_", "exists_") else kinds[criterion.kind]
    asked = {operator: value}
    for step in reversed(criterion.field.split(".")):
        asked = {step: asked}
    for listed in FILTERS:
        found = ok(client.post(f"/{listed}/filter", json={entity: asked}))
        assert ok(client.post(f"/{listed}/count", json={entity: asked})) >= len(found)


@pytest.mark.parametrize("entity", sorted(FILTERS))
def test_an_empty_any_matches_nothing_and_an_empty_all_matches_everything(world, entity):
    client, rows = world
    mine = {"id": {"any_": [row["id"] for row in rows[entity]]}}
    assert ok(client.post(f"/{entity}/count", json={entity: mine | {"name": {"any_": []}}})) == 0
    assert ok(client.post(f"/{entity}/count", json={entity: mine | {"tags": {"all_": []}}})) == len(rows[entity])


@pytest.mark.parametrize(
    ("text", "names"), [("%", {"ALPHA%"}), ("_", {"be_ta"}), ("\\", {"be\\ta"}), ("ÉTÉ", {"Éte-été"}), ("alpha", {"alpha", "ALPHA%"})]
)
def test_like_is_a_substring_in_upper_or_lower_case_in_which_no_character_is_special(world, text, names):
    client, rows = world
    mine = {"id": {"any_": [row["id"] for row in rows["flow_runs"]]}}
    found = ok(client.post("/flow_runs/filter", json={"flow_runs": mine | {"name": {"like_": text}}}))
    assert {row["name"] for row in found} == names


def test_before_and_after_include_the_instant_itself(api):
    run = make_flow_run(api, state={"type": "SCHEDULED", "state_details": {"scheduled_time": START.isoformat()}})
    mine = {"id": {"any_": [run["id"]]}}
    for operator, bound, expected in [
        ("before_", START, 1),
        ("after_", START, 1),
        ("before_", START - timedelta(microseconds=1), 0),
        ("after_", START + timedelta(microseconds=1), 0),
    ]:
        for field in ("expected_start_time", "next_scheduled_start_time"):
            asked = mine | {field: {operator: bound.isoformat()}}
            assert ok(api.post("/flow_runs/count", json={"flow_runs": asked})) == expected, (operator, field)


def test_a_row_with_many_that_match_is_listed_and_counted_once(api):
    flow = make_flow(api)
    for _ in range(3):
        run = make_flow_run(api, flow_id=flow["id"], tags=["many"])
        for _ in range(2):
            make_task_run(api, flow_run_id=run["id"])
    asked = {"flows": {"id": {"any_": [flow["id"]]}}, "flow_runs": {"tags": {"all_": ["many"]}}, "task_runs": {}}
    assert [row["id"] for row in ok(api.post("/flows/filter", json=asked))] == [flow["id"]]
    assert ok(api.post("/flows/count", json=asked)) == 1
    assert ok(api.post("/flow_runs/count", json=asked)) == 3


def test_an_operator_that_a_field_does_not_have_is_refused(api):
    document = problem(api.post("/flows/filter", json={"flows": {"id": {"like_": "x"}}}), 422)
    assert document["errors"][0]["loc"] == ["body", "flows", "id", "like_"]
