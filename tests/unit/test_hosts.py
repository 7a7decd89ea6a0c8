"""Which hosts a request may name."""

import ipaddress

import pytest

from app.api.http.hosts import is_allowed, is_own

OWN = {ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("2001:db8::7")}


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:4200",
        "localhost.",
        "a.localhost:80",
        "127.0.0.1:8000",
        "127.9.9.9",
        "[::1]",
        "[::1]:8000",
        "192.0.2.7:80",
        "[2001:db8::7]:80",
        "[2001:DB8:0::7]",
        "mintaka.example",
        "MINTAKA.example:443",
        "mintaka.example.",
    ],
)
def test_the_servers_own_names_and_addresses_are_let_in_whatever_the_port(host):
    assert is_allowed(host, ("mintaka.example",), OWN.__contains__)


@pytest.mark.parametrize(
    "host",
    [
        "elsewhere.example",
        "mintaka.example.elsewhere.example",
        "xmintaka.example",
        "localhost.elsewhere.example",
        "127.0.0.1.elsewhere.example",
        "192.0.2.8",
        "[2001:db8::8]",
        "0.0.0.0",
        "[::]",
        "",
        ":80",
        "a b",
        "localhost:x",
        "user@localhost",
        "[localhost]",
        "2130706433",
        "127.1",
    ],
)
def test_no_other_is(host):
    assert not is_allowed(host, ("mintaka.example",), OWN.__contains__)


def test_a_star_lets_every_host_in():
    assert is_allowed("elsewhere.example", ("*",), OWN.__contains__)


def test_the_addresses_of_this_machine_are_its_own():
    assert is_own(ipaddress.ip_address("127.0.0.1"))
    # for documentation, and for nobody to have
    assert not is_own(ipaddress.ip_address("192.0.2.1"))
    assert not is_own(ipaddress.ip_address("0.0.0.0"))
