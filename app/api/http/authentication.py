"""Who may call: each route says which scopes of a key suffice for it, and each request has to bring such a key.

`Authorization: Bearer KEY`, unless the settings say that nobody is asked.
"""

from functools import lru_cache

from flask import current_app, g

from app.addresses import is_loopback
from app.api.http.transaction import parts
from app.domain.keys import AUTO, SCOPES
from app.errors import Fenced, InvalidKey, ScopeMissing

# Who asks these is not asked for a key
OPEN = frozenset(
    {
        "Root.health",
        "Root.ready",
        "api-docs.openapi_json",
        "api-docs.openapi_swagger_ui",
        "swagger-ui.static",
        "swagger-ui-assets.static",
        "pages.favicon",
        "pages.front_page",
    }
)


def needs(*scopes, unless=None):
    """Decorate a view that takes a key with one of `scopes`; `admin` suffices for all. Where `unless()` is true it takes none."""
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise ValueError(f"{', '.join(unknown) or 'nothing'} is no scope of a key")

    def decorate(view):
        view.scopes, view.needs_no_key = scopes, unless
        return view

    return decorate


def is_on(request):
    """Return whether a request needs a key.

    With MINTAKA_AUTH=auto it does unless the server is set to listen on this machine alone, and the request came to such an address: a
    server that was told otherwise on its command line does not become one that asks nobody.
    """
    settings = parts().settings
    return settings.asks_for_keys or (settings.auth == AUTO and not is_local(request, listener(request)[0]))


# asked for every request, of the few addresses there are
_is_loopback = lru_cache(maxsize=256)(is_loopback)


def listener(request):
    """Return (host, port) of the address that the request came to, whatever a proxy says of its own."""
    environ = request.environ
    came = environ.get("werkzeug.proxy_fix.orig") or {}
    return came.get("SERVER_NAME") or environ["SERVER_NAME"], int(came.get("SERVER_PORT") or environ["SERVER_PORT"] or 0)


def is_local(request, host):
    """Return whether only this machine reaches `host`, that of `listener`."""
    # a unix socket's clients have no address, and gunicorn gives its name as the host
    return _is_loopback(host) or not (request.environ.get("werkzeug.proxy_fix.orig") or request.environ).get("REMOTE_ADDR")


def check_key(request):
    """Before the view of a request, and before its body is read: see whose key it has, as `g.key`.

    Raise InvalidKey, or TooManyFailures, or ScopeMissing for a key that may not do this, or Fenced for one with tags.
    """
    # what a browser asks before it sends a key; Flask answers it itself
    if request.method == "OPTIONS" or request.endpoint in OPEN or not is_on(request):
        return
    view = request.endpoint and current_app.view_functions[request.endpoint]
    scopes, needs_no_key = getattr(view, "scopes", ()), getattr(view, "needs_no_key", None)
    if needs_no_key is not None and needs_no_key():
        return
    scheme, _, text = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidKey
    g.key, g.key_is_unnoted = parts().keys.key(text.strip(), request.remote_addr or "")
    # a path with a malformed id has no view, and any key may know that it is malformed
    if view and not g.key.suffices(scopes):
        raise ScopeMissing(g.key.name, scopes)
    if view and g.key.tags and not hasattr(view, "fence"):
        raise Fenced(key=g.key.name)


def note_use(response):
    """After a request: let the use of its key be noted when the answer has been sent."""
    if g.get("key_is_unnoted"):
        keys, id = parts().keys, g.key.id
        response.call_on_close(lambda: keys.note_use(id))
