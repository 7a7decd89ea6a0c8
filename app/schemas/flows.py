"""Flows: what comes in, what is answered, and examples."""

from enum import StrEnum

from app.schemas import fields
from app.schemas.base import STORED, Body, Stored
from app.schemas.filters import Page

NAME = "Unique among flows."
TAGS = "What the flow can be found by."
COUNTED = {"flows": {"tags": {"all_": ["team-data"]}}}


class FlowSort(StrEnum):
    """The orders of a list of flows. By name if none is asked for."""

    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    CREATED_DESC = "CREATED_DESC"
    UPDATED_DESC = "UPDATED_DESC"


class FlowCreate(Body):
    """A flow to create, or to find by its name."""

    name = fields.Name(NAME, required=True, example="etl")
    tags = fields.Tags(TAGS, load_default=list, example=["team-data"])

    example = {"name": "etl", "tags": ["team-data"]}


class FlowUpdate(Body):
    """What to change of a flow."""

    tags = fields.Tags(TAGS, example=["team-data", "nightly"])

    example = {"tags": ["team-data", "nightly"]}


class FlowPage(Page):
    """Criteria, which part of what meets them, and its order."""

    sort = fields.Enum(FlowSort, "The order; NAME_ASC if not given.", allow_none=True, load_default=None)

    example = {"flows": {"name": {"like_": "etl"}}, "sort": "NAME_ASC", "limit": 20}


class Flow(Stored):
    """A flow."""

    name = fields.String(NAME, required=True)
    tags = fields.List(fields.String(), TAGS, required=True)

    example = STORED | {"name": "etl", "tags": ["team-data"]}
