"""The addresses that a server is to listen on."""

import socket

from app.addresses import tcp_addresses, unusable


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
