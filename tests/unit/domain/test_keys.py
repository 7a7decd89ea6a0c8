"""The text of API keys."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.keys import digest, duration, id_of, new_key


@given(st.uuids())
def test_a_key_holds_its_id_and_no_two_have_one_secret(id):
    key, other = new_key(id), new_key(id)
    assert id_of(key) == id_of(other) == id
    assert key != other
    assert digest(key) == hashlib.sha256(key.encode()).hexdigest()


@given(st.uuids(), st.data())
def test_a_key_with_one_wrong_digit_is_none(id, data):
    key = new_key(id)
    place = data.draw(st.integers(0, len(key) - 1))
    digit = data.draw(st.sampled_from([digit for digit in "0123456789abcdef" if digit != key[place]]))
    with pytest.raises(ValueError, match="not a key"):
        id_of(key[:place] + digit + key[place + 1 :])


@given(st.text())
def test_text_that_is_no_key_is_none(text):
    with pytest.raises(ValueError, match="not a key"):
        id_of(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("90d", timedelta(90)), ("1s", timedelta(0, 1)), ("2w", timedelta(14)), ("36h", timedelta(1.5))]
)
def test_a_duration_is_a_number_with_a_unit(text, expected):
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "d", "90", "0d", "-1d", "1.5d", "1y", "3661d", "999999999w", "1d2h", "٣d"])
def test_a_duration_that_is_none_says_what_is_allowed(text):
    with pytest.raises(ValueError, match="such as 12h or 90d, and at most 3660d"):
        duration(text)
