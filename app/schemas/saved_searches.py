"""Saved searches: what comes in, what is answered, and the examples."""

from marshmallow import Schema, fields

from app.schemas.answers import Answer
from app.schemas.base import Body, BoundedList, Text
from app.schemas.filters import Part


class SavedSearchFilter(Body):
    """One criterion, as a dashboard understands it. The server keeps it and never reads it."""

    object = Text(longest=None, required=True, metadata={"description": "What is searched.", "example": "flow_run"})
    property = Text(longest=None, required=True, metadata={"description": "Which of its properties.", "example": "state"})
    type = Text(longest=None, required=True, metadata={"description": "The type of the property.", "example": "state"})
    operation = Text(longest=None, required=True, metadata={"description": "How the property is compared.", "example": "any"})
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "Any JSON value.", "example": ["FAILED"]})


class SavedSearchPut(Body):
    """A saved search to create, or to change by its name."""

    name = Text(required=True, metadata={"description": "Unique among saved searches.", "example": "failed-runs"})
    filters = BoundedList(fields.Nested(SavedSearchFilter), "filter_values", load_default=list)


class SavedSearchPage(Part):
    """Which part of the list."""


class SavedSearchCriterion(Schema):
    """One criterion."""

    object = fields.String(required=True)
    property = fields.String(required=True)
    type = fields.String(required=True)
    operation = fields.String(required=True)
    value = fields.Raw(required=True, allow_none=True)


class SavedSearch(Answer):
    """A saved search."""

    name = fields.String(required=True, metadata={"example": "failed-runs"})
    filters = fields.List(fields.Nested(SavedSearchCriterion), required=True)


SAVED_SEARCH = {
    "name": "failed-runs",
    "filters": [{"object": "flow_run", "property": "state", "type": "state", "operation": "any", "value": ["FAILED"]}],
}
SAVED_SEARCH_FILTER = {"limit": 20}
