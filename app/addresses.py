"""The addresses that a server listens on, tried before anything is started."""

import errno
import re
import socket

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
