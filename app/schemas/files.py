"""Files of flows, deployments, work queues and limits: the members that each may have. They are the API's, but that names stand for ids."""

from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from app.domain import schedules
from app.domain.deployment_schedules import SHAPE, ScheduleChanges, changed_members
from app.domain.files import Named, Wanted, WantedDeployment
from app.schemas import fields
from app.schemas.base import Body, DataDocument
from app.schemas.concurrency_limits import ConcurrencyLimitCreate
from app.schemas.context import Bound, current
from app.schemas.deployment_schedules import NamedSchedule, PauseFields, Schedules
from app.schemas.deployments import FLOW_DATA, NAME, DeploymentFields
from app.schemas.fields import MAX_TEXT
from app.schemas.flows import NAME as FLOW_NAME
from app.schemas.flows import FlowUpdate
from app.schemas.policies import StartPolicyUpdate
from app.schemas.work_queues import FILTER, ONE_OF, TAGS, WorkQueueUpdate
from app.schemas.work_queues import NAME as QUEUE_NAME

# Members of a deployment that are set by themselves after it is: a new one is its name here, its field in `FileDeployment`, and its line in
# `app.services.file_members`
PARTS = ("pause", "policy")


class FileSchedule(NamedSchedule):
    """A schedule of a deployment. What is absent or null has its default."""

    @validates_schema
    def _usable(self, body, **kwargs):
        changes = ScheduleChanges(**{name: value for name, value in body.items() if name != "slug"})
        try:
            # whether it has dates from now on is asked where it is known whether it is new
            schedules.validate_shape(changed_members(SHAPE, changes), min_interval_seconds=current().bounds.min_interval_seconds)
        except schedules.InvalidMember as error:
            messages: Any = [error.reason]
            for step in reversed(error.loc):
                messages = {step: messages}
            raise ValidationError(messages) from None


class FileSchedules(Schedules):
    """All schedules of a deployment, each looked at by itself, so that all that is wrong is said at once."""

    item = FileSchedule


class FilePause(PauseFields):
    """Why a deployment is paused, and until when."""


class FileFlow(FlowUpdate):
    """A flow."""

    name = fields.Name(FLOW_NAME, required=True, example="etl")


class FileDeployment(DeploymentFields):
    """A deployment. What is absent keeps its value, null clears it."""

    flow = fields.Name("The name of its flow, which is made if there is none.", required=True, example="etl")
    name = fields.Name(NAME, required=True, example="nightly")
    flow_data = fields.Nested(DataDocument, f"{FLOW_DATA} Required for a new deployment.")
    schedules = FileSchedules("All schedules of the deployment: those not named are deleted. Not beside `schedule`.")
    pause = fields.Nested(FilePause, "Pauses the deployment. Only beside `is_schedule_active: false`.")
    policy = fields.Nested(StartPolicyUpdate, "Whether its due runs start.")

    @validates_schema
    def _paused(self, body, **kwargs):
        if "pause" in body and body.get("is_schedule_active") is not False:
            raise ValidationError("Goes with is_schedule_active: false only.", "pause")

    @post_load
    def _changes(self, body, **kwargs):
        names = Named(body.pop("flow"), body["name"])
        parts = {name: body.pop(name) for name in PARTS if name in body}
        return WantedDeployment(names=names, changes=super()._changes(body), parts=parts)


class FileQueueFilter(Body):
    """Which flow runs are in a work queue. What is absent or null asks for nothing."""

    tags = fields.Tags(TAGS, allow_none=True, load_default=None, example=["nightly"])
    deployments = fields.List(
        fields.String(),
        f"Runs of deployments, by the names FLOW/NAME: {ONE_OF}",
        max=Bound("filter_values"),
        allow_none=True,
        load_default=None,
        example=["etl/nightly"],
    )
    flow_runner_types = fields.List(
        fields.String(max=MAX_TEXT),
        f"Runs with kinds of runners: {ONE_OF}",
        max=Bound("filter_values"),
        allow_none=True,
        load_default=None,
    )


class FileWorkQueue(WorkQueueUpdate):
    """A work queue. What is absent keeps its value."""

    name = fields.Name(QUEUE_NAME, required=True, example="etl")
    filter = fields.Nested(FileQueueFilter, FILTER)


class FileConcurrencyLimit(ConcurrencyLimitCreate):
    """A limit on the task runs with a tag."""


class File(Body):
    """Flows, deployments with their schedules, concurrency limits and work queues that a server is to have."""

    flows = fields.List(fields.Nested(FileFlow), "Flows, by name.")
    deployments = fields.List(fields.Nested(FileDeployment), "Deployments, by flow and name.")
    concurrency_limits = fields.List(fields.Nested(FileConcurrencyLimit), "Limits, by tag.")
    work_queues = fields.List(fields.Nested(FileWorkQueue), "Work queues, by name.")

    example = {
        "flows": [{"name": "etl", "tags": ["team-data"]}],
        "deployments": [
            {
                "flow": "etl",
                "name": "nightly",
                "flow_data": {"encoding": "json", "blob": '"s3://bucket/flow.py"'},
                "tags": ["nightly"],
                "policy": {"concurrency_limit": 1, "overlap": "skip"},
                "schedules": [
                    {
                        "slug": "month-end",
                        "schedule": {"cron": "0 18 L * *", "timezone": "Europe/Berlin"},
                        "exclude": ["2026-12-31", {"holidays": "DE-BE"}],
                    },
                    {"slug": "often", "schedule": {"interval": 1200}, "jitter_seconds": 300},
                ],
            }
        ],
        "concurrency_limits": [{"tag": "warehouse", "concurrency_limit": 2}],
        "work_queues": [{"name": "etl", "filter": {"deployments": ["etl/nightly"]}, "concurrency_limit": 10}],
    }

    @post_load
    def _wanted(self, body, **kwargs):
        wanted = Wanted(**body)
        keys = {
            "flows": [flow["name"] for flow in wanted.flows],
            "deployments": [deployment.names for deployment in wanted.deployments],
            "concurrency_limits": [limit["tag"] for limit in wanted.concurrency_limits],
            "work_queues": [queue["name"] for queue in wanted.work_queues],
        }
        member = {"concurrency_limits": "tag"}
        twice = {}
        for kind, found in keys.items():
            places = [place for place, key in enumerate(found) if key in found[:place]] if len(set(found)) < len(found) else []
            if places:
                twice[kind] = {place: {member.get(kind, "name"): ["Another one has this name."]} for place in places}
        if twice:
            raise ValidationError(twice)
        return wanted


def allowed_at(loc):
    """Return the names of the members that the object at the path `loc` of a file may have, in order, or None where that is not known."""
    found = fields.Nested(File)
    for step in loc:
        if isinstance(step, int):
            found = getattr(found, "inner", None)
        elif isinstance(found, fields.Nested):
            found = found.schema.fields.get(step)
        if found is None:
            return None
    return list(found.schema.fields) if isinstance(found, fields.Nested) else None
