"""What the audit trail has of a change: what differs, and nothing that may be secret."""

import json
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit import MAX_VALUE, NAMES_ONLY, differences, recorded, state_changes
from app.domain.json_values import same_json
from app.domain.start_policy import Overlap
from app.domain.states import StateType, new_state

SECRET = "hunter2"
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["a", "b"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "y"]), inner, max_size=2))
DOCUMENTS = st.dictionaries(st.sampled_from(["name", "tags", "filter", "limit"]), VALUES, max_size=4)


@given(before=DOCUMENTS, after=DOCUMENTS)
def test_what_was_and_what_differs_make_what_is(before, after):
    made = dict(before)
    for name, difference in differences(before, after).items():
        assert difference.get("before") == before.get(name)
        if "after" in difference:
            made[name] = difference["after"]
        else:
            del made[name]
    assert same_json(made, after)


@given(document=DOCUMENTS)
def test_what_is_the_same_does_not_differ(document):
    assert differences(document, json.loads(json.dumps(document))) == {}


def test_1_and_true_differ():
    assert differences({"limit": 1}, {"limit": True}) == {"limit": {"before": 1, "after": True}}


@given(name=st.sampled_from(sorted(NAMES_ONLY)), depth=st.integers(0, 3), before=st.booleans())
def test_of_what_may_be_secret_there_are_names_alone(name, depth, before):
    value = {name: {"password": SECRET}}
    for _ in range(depth):
        value = {"schedules": [value]}
    document = differences(value, None) if before else differences(None, value)
    text = json.dumps(document)
    assert SECRET not in text
    assert "password" in text


def test_names_of_parameters_are_added_changed_and_removed():
    before, after = {"parameters": {"a": 1, "b": 1, "c": 1}}, {"parameters": {"b": 1, "c": 2, "d": 1}}
    assert differences(before, after) == {"parameters": {"added": ["d"], "changed": ["c"], "removed": ["a"]}}
    assert differences({"flow_runner_config": None}, {"flow_runner_config": {}}) == {}


def test_values_are_recorded_as_json():
    id, instant = UUID(int=1), datetime(2026, 6, 1, tzinfo=UTC)
    values = {"id": id, "at": [instant], "overlap": Overlap.SKIP}
    assert recorded(values) == {"id": str(id), "at": ["2026-06-01T00:00:00+00:00"], "overlap": "skip"}


def test_a_long_value_is_not_recorded_but_how_long_it_is():
    assert recorded("a" * (MAX_VALUE - 2)) == "a" * (MAX_VALUE - 2)
    assert recorded("a" * MAX_VALUE) == "(4,002 characters)"


def test_a_change_of_state_is_that_of_type_and_name():
    now = datetime(2026, 6, 1, tzinfo=UTC)
    pending, late = new_state(StateType.PENDING, now), new_state(StateType.SCHEDULED, now, name="Late", message=SECRET)
    assert state_changes(None, late) == {"state_type": {"after": "SCHEDULED"}, "state_name": {"after": "Late"}}
    expected = {"state_type": {"before": "SCHEDULED", "after": "PENDING"}, "state_name": {"before": "Late", "after": "Pending"}}
    assert state_changes(late, pending) == expected
