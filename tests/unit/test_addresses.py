"""The addresses that a server is to listen on."""

import socket

import pytest

from app.addresses import is_private, tcp_addresses, text_of, unusable


def test_the_tcp_addresses_among_all():
    assert list(tcp_addresses("127.0.0.1:8000, [::1]:80,:4200,unix:/run/x:1,fd://3,host.example:1")) == [
        ("127.0.0.1", 8000),
        ("::1", 80),
        ("0.0.0.0", 4200),
        ("host.example", 1),
    ]


def test_what_can_be_listened_on_is_left_as_it_was():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()
        assert unusable([("127.0.0.1", 0), address]) == f"127.0.0.1:{address[1]} is in use by another program; MINTAKA_BIND names another."
    assert unusable([address]) is None
    assert unusable([address]) is None
    # for documentation, and for nobody to have
    assert "192.0.2.1:80 is no address of this machine" in unusable([("192.0.2.1", 80)])


@pytest.mark.parametrize(
    ("bind", "private"),
    [
        ("127.0.0.1:8000", True),
        ("127.9.0.1:8000, [::1]:8000,unix:/run/mintaka.sock", True),
        ("localhost:8000", True),
        ("0.0.0.0:8000", False),
        (":8000", False),
        ("[::]:8000", False),
        ("192.0.2.1:8000", False),
        ("127.0.0.1.example:8000", False),
        ("127.0.0.1:8000,10.0.0.1:8000", False),
        ("fd://3", False),
    ],
)
def test_an_address_is_private_if_only_this_machine_reaches_it(bind, private):
    assert is_private(bind) is private


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_what_a_socket_listens_on_is_told_as_the_setting_has_it(family):
    with socket.create_server(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0), family=family) as listener:
        name = listener.getsockname()
    assert list(tcp_addresses(text_of(name))) == [name[:2]]


def test_unix_sockets_are_told_by_their_paths(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        assert text_of(listener.getsockname()) == f"unix:{tmp_path / 's'}"
    assert text_of(b"\0abstract") == "unix:@abstract"
    assert text_of("") == "unix:?"
