"""Backfills: what comes in, what is answered, and examples."""

from marshmallow import ValidationError, post_load, validates_schema

from app.domain.backfills import MAX_ACTIVE, MAX_OCCURRENCES, BackfillState, NewBackfill, Order, Reprocess
from app.domain.deployment_schedules import DEFAULT, MAX_SLUG_LENGTH, SLUG_PATTERN
from app.schemas import fields
from app.schemas.base import DEPLOYMENT_ID, STORED, Answer, Body, Part, Stored
from app.schemas.fields import MAX_INT32
from app.schemas.filters import ENTITY_FILTERS
from app.schemas.validators import Pattern

START, END = "The first occurrence that gets a run is at or after this instant.", "The last one is at or before this instant."
SLUG = "The schedule whose occurrences get runs; it need not be active."
ORDER = "forward: the earliest occurrence first; backward: the latest first."
ACTIVE = "How many of its runs may be SCHEDULED, PENDING or RUNNING at once; null: any number."
REPROCESS = (
    "Which occurrences get a run. none: those that have none; failed: those too whose newest run FAILED; all: each, though it has one."
)
PARAMETERS = "Parameters of its runs, over those of the schedule and the deployment."
TOTAL = "Occurrences in the window."

EXAMPLE = {
    "start": "2022-06-01T00:00:00+00:00",
    "end": "2022-06-08T00:00:00+00:00",
    "slug": DEFAULT,
    "order": "forward",
    "max_active": 2,
    "reprocess": "none",
    "parameters": {"full_reload": True},
}


class BackfillCreate(Body):
    """A backfill to begin, or with `dry_run` to look at."""

    start = fields.Instant(START, required=True)
    end = fields.Instant(f"{END} A window holds up to {MAX_OCCURRENCES:,} occurrences.", required=True)
    slug = fields.String(
        SLUG,
        max=MAX_SLUG_LENGTH,
        validate=[Pattern(SLUG_PATTERN, error="Must be of a to z, 0 to 9 and -.")],
        load_default=DEFAULT,
        example=DEFAULT,
    )
    order = fields.Enum(Order, ORDER, load_default=Order.FORWARD, example="forward")
    max_active = fields.Integer(ACTIVE, min=1, max=MAX_ACTIVE, allow_none=True, load_default=None, example=2)
    reprocess = fields.Enum(Reprocess, REPROCESS, load_default=Reprocess.NONE, example="none")
    parameters = fields.Object(PARAMETERS, load_default=dict, example={"full_reload": True})
    dry_run = fields.Boolean("true: store nothing, and say what would be done.", load_default=False, example=False)

    example = EXAMPLE | {"dry_run": False}

    @validates_schema
    def _in_order(self, body, **kwargs):
        if body["end"] < body["start"]:
            raise ValidationError("Is before the start.", "end")

    @post_load
    def _new(self, body, **kwargs):
        is_dry = body.pop("dry_run")
        return NewBackfill(**body), is_dry


class StateFilter(Body):
    """Criteria on the state of a backfill."""

    any_ = fields.List(fields.Enum(BackfillState), "One of these. An empty list matches nothing.", max=10, allow_none=True)


class BackfillPage(Part):
    """Criteria on backfills, and which part of those that meet them."""

    deployments = fields.Nested(ENTITY_FILTERS["deployments"], "Those of such deployments.", allow_none=True)
    state = fields.Nested(StateFilter, allow_none=True)

    example = {"state": {"any_": ["RUNNING", "PAUSED"]}, "limit": 20}


class BackfillCounts(Answer):
    """How many runs of a backfill are where."""

    scheduled = fields.Integer("Waiting to be started.", required=True)
    running = fields.Integer("PENDING or RUNNING.", required=True)
    completed = fields.Integer("COMPLETED.", required=True)
    failed = fields.Integer("FAILED.", required=True)
    cancelled = fields.Integer("CANCELLED.", required=True)


class Backfill(Stored):
    """The runs of a schedule for its occurrences in a window."""

    deployment_id = fields.UUID("Whose runs they are.", required=True)
    slug = fields.String(SLUG, required=True)
    start = fields.Instant(START, required=True)
    end = fields.Instant(END, required=True)
    order = fields.Enum(Order, ORDER, required=True)
    max_active = fields.Integer(ACTIVE, min=1, max=MAX_ACTIVE, required=True, allow_none=True)
    reprocess = fields.Enum(Reprocess, REPROCESS, required=True)
    parameters = fields.Object(PARAMETERS, required=True)
    state = fields.Enum(
        BackfillState,
        "RUNNING: it makes runs, or waits for them to end; PAUSED: it makes no more; COMPLETED: all have ended; CANCELLED: it was ended.",
        required=True,
    )
    total = fields.Integer(TOTAL, max=MAX_INT32, required=True)
    made = fields.Integer("Runs made so far.", max=MAX_INT32, required=True)
    counts = fields.Nested(BackfillCounts, required=True)

    example = (
        STORED
        | EXAMPLE
        | {
            "deployment_id": DEPLOYMENT_ID,
            "state": "RUNNING",
            "total": 7,
            "made": 3,
            "counts": {"scheduled": 1, "running": 1, "completed": 1, "failed": 0, "cancelled": 0},
        }
    )


class BackfillDryRun(Answer):
    """What a backfill would do."""

    total = fields.Integer(TOTAL, required=True)
    existing = fields.Integer("Those that get no run, since they have one.", required=True)
    first = fields.Instant("The first occurrence that would get a run; null: none would.", required=True, allow_none=True)
    last = fields.Instant("The last one, in the order of the backfill.", required=True, allow_none=True)
    sample = fields.List(fields.Instant(), "The first ten that would get a run.", required=True)

    example = {
        "total": 7,
        "existing": 5,
        "first": "2022-06-03T07:00:00+00:00",
        "last": "2022-06-04T07:00:00+00:00",
        "sample": ["2022-06-03T07:00:00+00:00", "2022-06-04T07:00:00+00:00"],
    }
