"""JSON bodies: what is read, what is refused, and which values are the same."""

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import json_values
from app.errors import InvalidField

DEPTH = 64


def loads(text):
    return json_values.loads(text if isinstance(text, bytes) else text.encode(), DEPTH)


def refused(text):
    with pytest.raises(InvalidField) as error:
        loads(text)
    return error.value


def nested(depth, inner=""):
    return "[" * depth + inner + "]" * depth


@pytest.mark.parametrize(
    "text", ["", "{", "{'a': 1}", '{"a": 1,}', '{"a" 1}', "[1 2]", "01", '"a\nb"', '{"a": 1} x', "nul", "+1", ".5", "1."]
)
def test_text_that_is_not_json_is_refused(text):
    assert refused(text).kind == "invalid_json"


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\x80"'])
def test_bytes_that_are_not_utf_8_are_refused(body):
    assert refused(body).kind == "invalid_json"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32-be"])
def test_json_in_another_encoding_is_refused(encoding):
    assert refused('{"a": 1}'.encode(encoding)).kind == "invalid_json"


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "[[1e400]]"])
def test_numbers_that_are_not_finite_are_refused(text):
    for body in (text, f"[{text}]", f'{{"a": {text}}}', f'{{"a": [{{"b": {text}}}]}}'):
        assert refused(body).kind == "invalid_json"


@pytest.mark.parametrize("escape", ["\\u0000", "a\\u0000b", "\\ud800", "\\udfff", "\\ude00\\ud83d", "x\\ud83d"])
def test_nul_and_lone_surrogates_are_refused_in_values_and_in_keys(escape):
    for body in (f'"{escape}"', f'["{escape}"]', f'{{"{escape}": 1}}', f'{{"a": [{{"b": "{escape}"}}]}}', f'{{"a": [{{"{escape}": 2}}]}}'):
        assert refused(body).kind == "invalid_text"


def test_a_surrogate_pair_is_one_character():
    assert loads('"\\ud83d\\ude00"') == loads('"😀"') == "😀"


def test_an_escaped_backslash_is_no_escape_of_nul():
    assert loads('"\\\\u0000"') == "\\u0000"


@pytest.mark.parametrize("inner", ["", "1", '"\\u0041"'])
def test_nesting_to_the_limit_is_read_and_one_deeper_is_refused(inner):
    assert loads(nested(DEPTH, inner))
    assert refused(nested(DEPTH + 1, inner)).kind == "too_deep"


def test_objects_nest_as_lists_do():
    assert loads('{"a":' * DEPTH + "1" + "}" * DEPTH)
    assert refused('{"a":' * (DEPTH + 1) + "1" + "}" * (DEPTH + 1)).kind == "too_deep"


def test_breadth_is_not_depth():
    assert len(loads("[" + ",".join(["[]"] * 1000) + "]")) == 1000


def test_brackets_in_strings_are_not_depth():
    assert loads(json.dumps("[{" * 1000)) == "[{" * 1000


def test_nesting_that_would_exhaust_the_stack_is_refused():
    assert refused(nested(100_000)).kind == "too_deep"
    assert refused('{"a":' * 100_000 + "1" + "}" * 100_000).kind == "too_deep"


def test_whole_numbers_of_any_size_are_kept_exactly():
    for number in (2**63, -(2**63) - 1, 10**30, 7**2000):
        assert loads(str(number)) == number


def test_a_whole_number_too_long_to_read_is_refused():
    assert refused("1" * 5000).kind == "invalid_json"


@pytest.mark.parametrize("secret", ['{"hush": NaN}', '"hush', '{"hush" 1}', '["hush\\ud800"]', '"hush\\u0000"', "1" * 5000, "12345e999"])
def test_a_refusal_does_not_repeat_the_body(secret):
    said = str(refused(secret))
    assert "hush" not in said
    assert "1111" not in said
    assert "12345" not in said


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NUMBERS = st.integers() | st.floats(-1e15, 1e15)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans())
def test_what_is_written_is_read_back(value, ascii_only):
    assert loads(json.dumps(value, ensure_ascii=ascii_only)) == value


@given(JSON)
def test_a_value_is_the_same_as_itself_read_back(value):
    text = json.dumps(value)
    assert json_values.same_json(loads(text), loads(text))
    # what a database answers, members in another order and spaces in other places
    assert json_values.same_json(loads(text), loads(json.dumps(loads(text), sort_keys=True, indent=1)))


@given(JSON, JSON)
def test_values_that_differ_are_not_the_same(one, other):
    if one != other:
        assert not json_values.same_json(one, other)


def test_true_and_1_and_1_0_are_three_different_things():
    values = [True, 1, 1.0]
    for index, one in enumerate(values):
        for other in values[index + 1 :]:
            assert not json_values.same_json(one, other)
            assert not json_values.same_json({"a": [one]}, {"a": [other]})


def test_false_and_0_and_null_and_emptiness_differ():
    values = [False, 0, 0.0, None, "", [], {}]
    for index, one in enumerate(values):
        assert not any(json_values.same_json(one, other) for other in values[index + 1 :])


def test_the_order_of_members_is_none_and_that_of_a_list_is_one():
    assert json_values.same_json({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"d": 3, "c": 2}, "a": 1})
    assert not json_values.same_json([1, 2], [2, 1])


@pytest.mark.parametrize(
    "text", ["1e16", "1E+16", "1e23", "1e300", "-2.5e20", "1e-7", "5e-324", "-0.0", "-0e5", "0.1", "9.125", "1.7976931348623157e308"]
)
def test_a_number_is_the_same_as_the_one_that_postgresql_makes_of_it(text):
    assert json_values.same_json(loads(text), json.loads(as_jsonb_writes(json.dumps(loads(text)))))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_with_a_fraction_or_an_exponent_keeps_its_value(number):
    assert float(loads(repr(number))) == number
    assert json_values.same_json(loads(repr(number)), json.loads(as_jsonb_writes(json.dumps(loads(repr(number))))))


def as_jsonb_writes(text):
    """A JSON number as PostgreSQL answers it: a decimal, without an exponent and without a negative zero."""
    number = Decimal(text)
    return format(number if number else abs(number), "f")


@given(JSON | st.integers() | st.lists(st.integers()))
def test_what_is_dumped_is_what_was_there(value):
    assert json.loads(json_values.dumps(value)) == value


def test_whole_numbers_of_any_size_stand_beside_what_is_no_json_yet():
    value = {
        "id": uuid.UUID(int=1),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "stored": orjson.Fragment('{"n": 1000000000000000000000}'),
        "n": 10**30,
    }
    found = json.loads(json_values.dumps(value))
    assert found == {"id": str(uuid.UUID(int=1)), "at": "2026-01-01T00:00:00+00:00", "stored": {"n": 10**21}, "n": 10**30}
