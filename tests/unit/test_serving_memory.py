"""What a large request took is given back after it."""

import gc
import weakref

import pytest

from app.serving.memory import LargeRequests


class Circle:
    def __init__(self):
        self.itself = self


def test_what_a_large_request_leaves_in_circles_is_gone_after_it():
    large = LargeRequests()
    with large.one():
        left = weakref.ref(Circle())
        assert left() is not None
    assert left() is None


def test_the_garbage_collector_rests_until_the_last_large_request_is_over_even_one_that_fails():
    large = LargeRequests()
    with large.one():
        with pytest.raises(KeyError), large.one():
            raise KeyError
        assert not gc.isenabled()
    assert gc.isenabled()
