"""The addresses that a server listens on, tried before anything is started."""

import errno
import os
import re
import socket
from ipaddress import ip_address

TCP = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:/]*)):(?P<port>[0-9]+)")

REASONS = {
    errno.EADDRINUSE: "is in use by another program",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "may not be listened on by this user",
}


def tcp_addresses(bind):
    """Yield (host, port) of each TCP address in `bind`, the value of MINTAKA_BIND."""
    for address in bind.split(","):
        if match := TCP.fullmatch(address.strip()):
            yield match["ipv6"] or match["host"] or "0.0.0.0", int(match["port"])


def is_loopback(host):
    """Return whether only this machine reaches the host of an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(bind):
    """Return whether only this machine reaches each address in `bind`, the value of MINTAKA_BIND: loopback and unix sockets.

    What `fd://` listens on is not known before it is opened, so that it is taken for a public one.
    """
    addresses = [address.strip() for address in bind.split(",") if address.strip()]
    public = [address for address in addresses if not address.startswith("unix:") and not any(map(is_loopback, _hosts(address)))]
    return not public


def text_of(name):
    """Return what a socket's `getsockname` says in the form of MINTAKA_BIND."""
    if isinstance(name, tuple):
        # without the interface of a link-local address
        host = name[0].partition("%")[0]
        return f"[{host}]:{name[1]}" if ":" in host else f"{host}:{name[1]}"
    path = os.fsdecode(name).replace("\0", "@").replace(",", "_")
    return f"unix:{path or '?'}"


def _hosts(address):
    return [host for host, _ in tcp_addresses(address)]


def unusable(addresses):
    """Return why the first of `addresses` that cannot be listened on cannot, as a sentence; None where all can."""
    for host, port in addresses:
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                pass
        except OSError as error:
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            reason = REASONS.get(error.errno or 0) or f"cannot be listened on ({error.strerror or error})"
            return f"{shown} {reason}; MINTAKA_BIND names another."
    return None
