"""Saved searches: what comes in, what is answered, and examples."""

from app.schemas import fields
from app.schemas.base import STORED, Body, Stored
from app.schemas.context import Bound

NAME = "Unique among saved searches."
FILTERS = "The criteria, as the dashboard understands them."


class SavedSearchFilter(Body):
    """One criterion, as a dashboard understands it. The server keeps it and never reads it."""

    object = fields.String("What is searched.", required=True, example="flow_run")
    property = fields.String("Which of its properties.", required=True, example="state")
    type = fields.String("The type of the property.", required=True, example="state")
    operation = fields.String("How the property is compared.", required=True, example="any")
    value = fields.Raw("Any JSON value.", required=True, allow_none=True, example=["FAILED"])


class SavedSearchPut(Body):
    """A saved search to create, or to change by its name."""

    name = fields.String(NAME, max=fields.MAX_TEXT, required=True, example="failed-runs")
    filters = fields.List(fields.Nested(SavedSearchFilter), FILTERS, max=Bound("filter_values"), load_default=list)

    example = {
        "name": "failed-runs",
        "filters": [{"object": "flow_run", "property": "state", "type": "state", "operation": "any", "value": ["FAILED"]}],
    }


class SavedSearch(Stored):
    """A saved search."""

    name = fields.String(NAME, required=True)
    filters = fields.List(fields.Nested(SavedSearchFilter), FILTERS, required=True)

    example = STORED | SavedSearchPut.example
