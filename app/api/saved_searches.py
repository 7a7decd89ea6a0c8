"""Saved searches."""

from app.api.http import Blueprint, needs, transaction, unit_of_work
from app.schemas.base import Part
from app.schemas.saved_searches import SavedSearch, SavedSearchPut

blueprint = Blueprint("Saved Searches", __name__, url_prefix="/api/saved_searches", description="Filters that dashboards keep.")


@blueprint.put("/")
@needs("runs:write")
@blueprint.arguments(SavedSearchPut)
@blueprint.response(201, SavedSearch)
@blueprint.alt_response(200, schema=SavedSearch, description="Changed", success=True)
@transaction()
def put_saved_search(body):
    """Create or change a saved search.

    One of the same name gets these filters in place of its own.
    """
    search, created = unit_of_work().saved_searches.put(**body)
    return search, 201 if created else 200


@blueprint.get("/<id:id>")
@needs("runs:read")
@blueprint.response(200, SavedSearch)
@transaction(read_only=True)
def read_saved_search(id):
    """Read a saved search.

    By its id.
    """
    return unit_of_work().saved_searches.require(id)


@blueprint.post("/filter")
@needs("runs:read")
@blueprint.arguments(Part, required=False)
@blueprint.response(200, SavedSearch(many=True))
@transaction(read_only=True)
def read_saved_searches(body):
    """List saved searches.

    All of them, ordered by name.
    """
    return unit_of_work().saved_searches.list(body["limit"], body["offset"])


@blueprint.delete("/<id:id>")
@needs("runs:write")
@blueprint.response(204)
@transaction()
def delete_saved_search(id):
    """Delete a saved search.

    By its id.
    """
    unit_of_work().saved_searches.delete(id)
    return None, 204
