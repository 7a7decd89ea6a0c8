"""Wrong keys of one address are slowed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.failures import MOST, MOST_ADDRESSES, WINDOW, Failures


def fail(failures, address, times, now=0.0):
    for _ in range(times):
        failures.add(address, now)


def test_an_address_may_fail_so_many_times_and_then_waits_for_the_end_of_its_minute():
    failures = Failures()
    fail(failures, "192.0.2.1", MOST - 1)
    assert failures.wait("192.0.2.1", 1.0) == 0
    fail(failures, "192.0.2.1", 1, 10.0)
    assert failures.wait("192.0.2.1", 10.5) == 50
    assert failures.wait("192.0.2.2", 10.5) == 0
    assert failures.wait("192.0.2.1", WINDOW) == 0


@given(st.lists(st.floats(0, 300), max_size=80), st.floats(0, 300))
def test_nobody_waits_who_failed_less_often_within_a_minute_and_nobody_longer_than_that(instants, now):
    failures = Failures()
    for instant in sorted(instants):
        if not failures.wait("192.0.2.1", instant):
            failures.add("192.0.2.1", instant)
    now += max(instants, default=0)
    seconds = failures.wait("192.0.2.1", now)
    recent = [instant for instant in instants if now - WINDOW < instant <= now]
    assert 0 <= seconds <= WINDOW
    if seconds:
        assert len(recent) >= MOST


@pytest.mark.parametrize(("one", "other", "same"), [("2001:db8::1", "2001:db8::ffff", True), ("2001:db8::1", "2001:db8:0:1::1", False)])
def test_who_has_one_address_of_ipv6_has_its_whole_network(one, other, same):
    failures = Failures()
    fail(failures, one, MOST)
    assert (failures.wait(other, 1.0) > 0) is same


def test_the_number_of_addresses_is_bounded():
    failures = Failures()
    for number in range(MOST_ADDRESSES + 10):
        failures.add(f"address {number}", 0.0)
    assert len(failures) == MOST_ADDRESSES
