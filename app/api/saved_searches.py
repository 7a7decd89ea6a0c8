"""Saved searches."""

from app.api.blueprint import Blueprint, page, services
from app.db.session import get_session
from app.repositories.saved_searches import SavedSearches
from app.schemas.saved_searches import SAVED_SEARCH, SAVED_SEARCH_FILTER, SavedSearch, SavedSearchPage, SavedSearchPut

blueprint = Blueprint("Saved Searches", __name__, url_prefix="/api/saved_searches", description="Filters that dashboards keep.")


def saved_searches():
    """The stored saved searches."""
    return SavedSearches(get_session(), services().clock)


@blueprint.put("/")
@blueprint.arguments(SavedSearchPut, example=SAVED_SEARCH)
@blueprint.answers(201, SavedSearch, also={200: "Changed"}, description="Created")
def put_saved_search(body):
    """Create or change a saved search.

    One of the same name gets these filters in place of its own.
    """
    document, created = saved_searches().put(**body)
    return document, 201 if created else 200


@blueprint.get("/<id:id>")
@blueprint.answers(200, SavedSearch, errors=(404, 422), read_only=True)
def read_saved_search(id):
    """Read a saved search.

    By its id.
    """
    return saved_searches().require(id)


@blueprint.post("/filter")
@blueprint.arguments(SavedSearchPage, required=False, example=SAVED_SEARCH_FILTER)
@blueprint.answers(200, SavedSearch(many=True), read_only=True)
def read_saved_searches(body):
    """List saved searches.

    All of them, ordered by name.
    """
    return saved_searches().list(*page(body))


@blueprint.delete("/<id:id>")
@blueprint.answers(204, errors=(404, 422))
def delete_saved_search(id):
    """Delete a saved search.

    By its id.
    """
    saved_searches().delete(id)
    return None, 204
