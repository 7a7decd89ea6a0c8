"""Deployments: what comes in, what is answered, and examples."""

from marshmallow import ValidationError, post_load, validates_schema

from app.domain.deployments import DeploymentChanges
from app.schemas import fields
from app.schemas.base import (
    ANY_ID,
    FLOW_ID,
    NO_RUNNER,
    STORED,
    Answer,
    Body,
    DataDocument,
    FlowRunner,
    FlowRunnerAnswer,
    Stored,
    flow_runner_columns,
)
from app.schemas.context import Bound, current
from app.schemas.deployment_schedules import Schedules
from app.schemas.schedules import Schedule

NAME = "Unique in its flow."
FLOW = "The flow that is deployed."
FLOW_DATA = "The flow's code."
ACTIVE = "Whether the schedule makes runs; true for a new deployment."
PARAMETERS = "Parameters of every run."
TAGS = "What the deployment can be found by. Its runs get them too."
LISTED = {"deployments": {"tags": {"all_": ["nightly"]}, "is_schedule_active": {"eq_": True}}, "limit": 20}
PAUSED = {"deployments": {"tags": {"all_": ["nightly"]}}}
COUNTED = {"deployments": {"name": {"like_": "night"}}}

_DATA = {"encoding": "json", "blob": '"s3://bucket/flow.py"'}


class DeploymentFields(Body):
    """What a deployment is created with and updated with alike."""

    schedule = Schedule("When to run; null: never by itself. It is the schedule called `default`.", allow_none=True)
    schedules = Schedules("All schedules of the deployment: those not named are deleted. Not beside `schedule`.")
    is_schedule_active = fields.Boolean(ACTIVE, example=True)
    parameters = fields.Object(PARAMETERS, allow_none=True, example={"table": "orders"})
    tags = fields.Tags(TAGS, allow_none=True, example=["nightly"])
    flow_runner = fields.Nested(FlowRunner, allow_none=True)

    @validates_schema
    def _schedule_or_schedules(self, body, **kwargs):
        if "schedule" in body and "schedules" in body:
            raise ValidationError("Give schedule or schedules, not both.", "schedules")

    @post_load
    def _changes(self, body, **kwargs):
        body |= flow_runner_columns(body)
        cleared = {name: empty() for name, empty in (("parameters", dict), ("tags", list)) if body.get(name, empty) is None}
        return DeploymentChanges(**body | cleared)


class DeploymentCreate(DeploymentFields):
    """A deployment to create, or to update by its flow and name. On an update an absent field keeps its value and null clears it."""

    name = fields.Name(NAME, required=True, example="nightly")
    flow_id = fields.UUID(FLOW, required=True)
    flow_data = fields.Nested(DataDocument, f"{FLOW_DATA} Required for a new deployment.")

    examples = {
        "cron": {
            "summary": "Weekdays at 9 in Berlin (cron)",
            "value": {
                "name": "nightly",
                "flow_id": ANY_ID,
                "flow_data": _DATA,
                "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
                "parameters": {"table": "orders"},
                "tags": ["nightly"],
            },
        },
        "interval": {
            "summary": "Every 20 minutes (interval)",
            "value": {"name": "often", "flow_id": ANY_ID, "flow_data": _DATA, "schedule": {"interval": 1200}},
        },
        "rrule": {
            "summary": "The last Friday of each month at 17:00 in New York (rrule)",
            "value": {
                "name": "monthly",
                "flow_id": ANY_ID,
                "flow_data": _DATA,
                "schedule": {"rrule": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0", "timezone": "America/New_York"},
            },
        },
        "by_hand": {
            "summary": "Without a schedule, for runs made by hand",
            "value": {
                "name": "by-hand",
                "flow_id": ANY_ID,
                "flow_data": _DATA,
                "flow_runner": {"type": "subprocess", "config": {"env": {"STAGE": "test"}}},
            },
        },
    }


class DeploymentUpdate(DeploymentFields):
    """What to change of a deployment. An absent field keeps its value and null clears it. Its flow cannot be changed."""

    name = fields.Name(NAME, example="nightly")
    flow_data = fields.Nested(DataDocument, FLOW_DATA)

    examples = {
        "schedule": {
            "summary": "Another schedule, and nothing else",
            "value": {"schedule": {"cron": "30 7 * * 1-5", "timezone": "Europe/Berlin"}},
        },
        "name": {"summary": "Another name", "value": {"name": "every-night"}},
    }


class ScheduleRuns(Body):
    """The window to make runs in; one in the past is a backfill."""

    start_time = fields.Instant("First instant; now if not given.", allow_none=True, load_default=None)
    end_time = fields.Instant(lambda: f"Last instant; {_ahead()} after the start if not given.", allow_none=True, load_default=None)
    max_runs = fields.Integer(
        lambda: f"At most so many; {current().policy.max_runs} if not given.",
        min=1,
        max=Bound("runs_per_request"),
        allow_none=True,
        load_default=None,
        example=10,
    )

    example = {"start_time": "2022-06-01T00:00:00+00:00", "end_time": "2022-06-08T00:00:00+00:00", "max_runs": 10}


def _ahead():
    seconds = current().policy.max_time.total_seconds()
    days, rest = divmod(seconds, 86_400)
    return f"{seconds:g} seconds" if rest else f"{days:g} {'day' if days == 1 else 'days'}"


class Deployment(Stored):
    """A deployment."""

    name = fields.String(NAME, required=True)
    flow_id = fields.UUID(FLOW, required=True)
    flow_data = fields.Nested(DataDocument, FLOW_DATA, required=True)
    schedule = Schedule("When it runs, with every default filled in; null: never by itself.", required=True, allow_none=True)
    is_schedule_active = fields.Boolean("Whether the schedule makes runs.", required=True)
    parameters = fields.Object(PARAMETERS, required=True)
    tags = fields.List(fields.String(), TAGS, required=True)
    flow_runner = fields.Nested(FlowRunnerAnswer, required=True)

    example = STORED | {
        "name": "nightly",
        "flow_id": FLOW_ID,
        "flow_data": _DATA,
        "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin", "day_or": True},
        "is_schedule_active": True,
        "parameters": {"table": "orders"},
        "tags": ["nightly"],
        "flow_runner": NO_RUNNER,
    }


class ScheduleReport(Answer):
    """What scheduling did. Answered with `Prefer: return=representation`; null otherwise."""

    due = fields.Integer("Occurrences in the window, at most max_runs.", required=True)
    created = fields.Integer("Runs made now.", required=True)
    existing = fields.Integer("Runs that were there already.", required=True)
    truncated = fields.Boolean("Whether the window holds more than max_runs.", required=True)
    reason = fields.String("Why nothing is due, or null.", required=True, allow_none=True)

    example = {"due": 5, "created": 5, "existing": 0, "truncated": False, "reason": None}


SCHEDULED = {"anyOf": [ScheduleReport, {"type": "null"}], "examples": [ScheduleReport.example]}
PREFER = {
    "in": "header",
    "name": "Prefer",
    "required": False,
    "description": "`return=representation` asks for a report (RFC 7240); without it the answer is null.",
    "schema": {"type": "string"},
    "example": "return=representation",
}
PREFERENCE_APPLIED = {
    "Preference-Applied": {
        "description": "`return=representation` where the report was asked for.",
        "schema": {"type": "string", "enum": ["return=representation"]},
    }
}
