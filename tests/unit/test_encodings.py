"""Bodies in gzip are unpacked within a bound."""

import gzip
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.http.encodings import unpack


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
def test_what_was_packed_is_unpacked_in_one_member_or_several(parts):
    whole = b"".join(parts)
    assert unpack(b"".join(gzip.compress(part) for part in parts), len(whole)) == whole


@given(st.binary(min_size=1, max_size=300), st.data())
def test_what_is_cut_off_is_refused(body, data):
    packed = gzip.compress(body)
    with pytest.raises(ValueError):
        unpack(packed[: data.draw(st.integers(1, len(packed) - 1))], len(body))


def test_what_is_not_gzip_is_refused():
    for body in (b"{}", os.urandom(50), gzip.compress(b"{}") + b"x", gzip.compress(b"{}")[:-8] + bytes(8)):
        with pytest.raises(ValueError):
            unpack(body, 100)


def test_no_more_is_unpacked_than_one_byte_over_the_bound():
    packed = gzip.compress(bytes(10**8))
    assert len(packed) < 10**5 + 10**4
    assert unpack(packed, 1000) == bytes(1001)
    assert len(unpack(gzip.compress(bytes(600)) * 1000, 1000)) == 1001
