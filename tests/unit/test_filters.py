"""`app.repositories.filtering`: what a statement depends on, and what is only a value of it."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from app.repositories.filtering import read_filters, where

ONE, TWO, THREE = (UUID(int=number) for number in (1, 2, 3))
DAY = datetime(2022, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "one, other",
    [
        ({"flows": {"id": {"any_": [ONE, TWO]}}}, {"flows": {"id": {"any_": [ONE, TWO, THREE]}}}),
        ({"flows": {"name": {"like_": "a"}}}, {"flows": {"name": {"like_": "b%"}}}),
        ({"flow_runs": {"tags": {"all_": ["a"]}}}, {"flow_runs": {"tags": {"all_": ["b", "c"]}}}),
        ({"flow_runs": {"start_time": {"after_": DAY}}}, {"flow_runs": {"start_time": {"after_": DAY.replace(year=2023)}}, "limit": 3}),
        ({"flow_runs": {}, "flows": None}, {"flow_runs": {"tags": {"all_": []}}}),
    ],
)
def test_filters_that_differ_in_values_alone_have_one_statement(one, other):
    assert read_filters(one)[0] == read_filters(other)[0]


@pytest.mark.parametrize(
    "one, other",
    [
        ({}, {"flow_runs": {}}),
        ({"flow_runs": {"id": {"any_": []}}}, {"flow_runs": {"id": {"any_": [ONE]}}}),
        ({"flow_runs": {"id": {"any_": [ONE]}}}, {"flow_runs": {"id": {"not_any_": [ONE]}}}),
        ({"task_runs": {"subflow_runs": {"exists_": True}}}, {"task_runs": {"subflow_runs": {"exists_": False}}}),
        ({"deployments": {"is_schedule_active": {"eq_": True}}}, {"deployments": {"is_schedule_active": {"eq_": False}}}),
    ],
)
def test_filters_that_ask_for_something_else_have_another_statement(one, other):
    assert read_filters(one)[0] != read_filters(other)[0]


def test_every_value_is_a_parameter_of_the_conditions():
    filters = {
        "flows": {"name": {"any_": ["a", "b"], "like_": "c"}},
        "deployments": {"id": {"any_": [ONE]}},
        "flow_runs": {"state": {"type": {"any_": ["FAILED"]}}, "start_time": {"before_": DAY, "is_null_": False}},
        "task_runs": {"tags": {"all_": ["t"]}},
    }
    shape, parameters = read_filters(filters)
    names = {name for condition in where("flow_runs", shape) for name in condition.compile().binds if name in parameters}
    assert names == set(parameters)
    assert len(names) == 6
