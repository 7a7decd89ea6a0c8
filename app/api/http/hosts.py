"""Which `Host` a request may name.

A page of another site can give its own name the address of this server (DNS rebinding), and a browser then takes the server for that site:
the page may call it, and read what it answers. Such a request names the site as its host.
"""

import ipaddress
import re
import socket
from functools import lru_cache

from flask import abort

HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::[0-9]*)?")

ANY = "*"


def is_allowed(host, allowed, is_own):
    """Return whether a request may name `host`, the value of its header.

    `allowed` are the names and addresses that the settings list, in lower case; `is_own(address)` is whether an address (of the module
    ipaddress) is one of this machine.
    """
    match = HOST.fullmatch(host)
    if match is None:
        return False
    name = (match["ipv6"] or match["name"]).lower().removesuffix(".")
    if ANY in allowed or name in allowed or name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    return address.is_loopback or is_own(address)


def is_own(address):
    """Return whether `address` is one of this machine's network interfaces."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return not address.is_unspecified


@lru_cache(maxsize=256)
def _is_allowed(host, allowed):
    return is_allowed(host, allowed, is_own)


def check_host(environ, allowed):
    """Refuse the request of a WSGI environment with 421 where a browser may have been led here by somebody else's name."""
    # as it came, before a proxy's word was taken
    came = environ.get("werkzeug.proxy_fix.orig") or environ
    # no browser speaks to a unix socket; what does so is a proxy, which has its own names
    if not came["REMOTE_ADDR"]:
        return
    host = environ.get("HTTP_HOST")
    if (host and not _is_allowed(host, allowed)) or (came is not environ and not _is_allowed(came["HTTP_HOST"] or "localhost", allowed)):
        abort(421, "This host is not the server's; MINTAKA_ALLOWED_HOSTS lists those that are, besides its addresses.")
