"""What schemas of several resources are made from."""

from typing import Any

from marshmallow import RAISE, Schema

from app.schemas import fields
from app.schemas.context import Bound, current
from app.schemas.fields import MAX_TEXT, NOT_AN_OBJECT, UNKNOWN

# Stands for an id that nobody can know beforehand; the page of Swagger UI fills in that of what it made last
ANY_ID = "00000000-0000-0000-0000-000000000000"

# What every example of an answer begins with
STORED = {
    "id": "0197a9f2-6b1c-7d5e-9c3a-1f2e3d4c5b6a",
    "created": "2022-06-01T07:00:00+00:00",
    "updated": "2022-06-01T07:00:00+00:00",
}
# Ids in examples of answers, which refer to one another
FLOW_ID, DEPLOYMENT_ID, FLOW_RUN_ID, TASK_RUN_ID, STATE_ID, BLOCK_TYPE_ID, BLOCK_SCHEMA_ID = (
    f"0197a9f2-6b1c-7d5e-9c3a-{number:012x}" for number in range(1, 8)
)


class Body(Schema):
    """A JSON object in which no member is unknown.

    A class may have an `example`, or several as `examples`; with them its routes show them in the API document.
    """

    class Meta:
        """A member that no field is for is refused."""

        unknown = RAISE

    error_messages = {"unknown": UNKNOWN, "type": NOT_AN_OBJECT}


class Part(Body):
    """Which part of a list."""

    limit = fields.Limit()
    offset = fields.Offset()

    example = {"limit": 20}


class CursorPart(Part):
    """Which part of a list that has cursors."""

    limit = fields.Limit(
        lambda: f"At most so many; {current().bounds.page_size} if not given, which is the maximum unless there is a cursor.",
        max=Bound("cursor_page_size"),
    )
    cursor = fields.Cursor("Begin after this; empty: at the beginning. The answer's `Link` has that of the next page.")


class CursorQuery(Body):
    """A cursor in the query string, where the `Link` of an answer has it."""

    # without a documented maximum: a longer one ends as a path that is too long
    cursor = fields.Cursor("Where the page begins. It goes before the body's, and comes from the `Link` of another page.", max=None)


class Answer(Schema):
    """What the server answers. Answers are made from rows, without a walk through their schemas; a test holds them against each other."""


class Stored(Answer):
    """What every stored object has."""

    id = fields.UUID("The object's own id.", required=True)
    created = fields.Instant("When it was made.", required=True)
    updated = fields.Instant("When it was changed last.", required=True)


class DataDocument(Body):
    """Encoded data, which the server keeps and never reads."""

    encoding = fields.String("How the blob is encoded.", max=MAX_TEXT, required=True, example="json")
    blob = fields.String("The encoded data.", required=True, example='"s3://bucket/flow.py"')


class FlowRunner(Body):
    """What runs a flow, and its configuration. The server passes both on to agents."""

    type = fields.String("The kind of runner.", max=MAX_TEXT, allow_none=True, example="subprocess")
    config = fields.Object("The runner's settings.", allow_none=True, example={"env": {"STAGE": "test"}})


class FlowRunnerAnswer(Answer):
    """What runs a flow; both members are null when none was set."""

    type = fields.String("The kind of runner.", required=True, allow_none=True)
    config = fields.Object("The runner's settings.", required=True, allow_none=True)


NO_RUNNER = {"type": None, "config": None}


def flow_runner_columns(body) -> dict[str, Any]:
    """Take `flow_runner` out of a loaded `body`. Return its two columns, none where it is absent; null clears both."""
    if "flow_runner" not in body:
        return {}
    runner = body.pop("flow_runner") or {}
    return {"flow_runner_type": runner.get("type"), "flow_runner_config": runner.get("config")}


# Answers that are no objects
COUNT = {"type": "integer", "minimum": 0, "description": "How many there are.", "examples": [3]}
NOTHING = {"type": "null", "description": "Always null.", "examples": [None]}
