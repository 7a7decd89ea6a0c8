"""Who may call: each route says which scopes of a key suffice for it."""

from app.domain.keys import SCOPES

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


def needs(*scopes):
    """Decorate a view that takes a key with one of `scopes`; `admin` suffices for all."""
    unknown = set(scopes) - set(SCOPES)
    if unknown or not scopes:
        raise ValueError(f"{', '.join(unknown) or 'nothing'} is no scope of a key")

    def decorate(view):
        view.scopes = scopes
        return view

    return decorate
