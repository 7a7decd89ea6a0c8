"""Changing many flow runs at once: what comes in, what is answered, and examples."""

from marshmallow import ValidationError, validates_schema

from app.domain.filters import FILTERS, conditions
from app.schemas import fields
from app.schemas.base import ANY_ID, FLOW_RUN_ID, Answer
from app.schemas.filters import Filters
from app.schemas.states import SetStateStatus, StateCreate

LIMIT = "At most so many, the oldest first; the maximum if not given."
DRY_RUN = "true: change nothing, and say what would be changed."
NO_CRITERION = "Give at least one criterion, on flow runs or on what they belong to."
OF_DEPLOYMENT = {"flow_runs": {"deployment_id": {"any_": [ANY_ID]}, "state": {"type": {"any_": ["PENDING", "RUNNING"]}}}}


class BulkChange(Filters):
    """Which flow runs to change: those that meet all criteria, of which there has to be one."""

    limit = fields.Limit(LIMIT)
    dry_run = fields.Boolean(DRY_RUN, load_default=False, example=True)

    example = {"flow_runs": {"state": {"type": {"any_": ["CANCELLED"]}}}, "limit": 100, "dry_run": True}

    @validates_schema
    def _not_all(self, body, **kwargs):
        # whoever forgets the filter means none of them
        if not any(True for entity in FILTERS for _ in conditions(entity, body.get(entity) or {})):
            raise ValidationError(NO_CRITERION, "flow_runs")


class SetFlowRunStates(BulkChange):
    """Which flow runs a state is proposed for."""

    state = fields.Nested(StateCreate, "The state to enter.", required=True)
    force = fields.Boolean("true: ask no rule, just enter it.", load_default=False, example=False)

    example = OF_DEPLOYMENT | {"state": {"type": "CANCELLED", "message": "The source is down"}, "limit": 100, "dry_run": False}


class Refused(Answer):
    """A flow run that was not changed as it was asked for."""

    id = fields.UUID("The flow run.", required=True)
    status = fields.Enum(SetStateStatus, "REJECT: it is in another state instead; WAIT and ABORT: nothing changed.", required=True)
    reason = fields.String("Why.", required=True)

    example = {"id": FLOW_RUN_ID, "status": "ABORT", "reason": "The run is over."}


class BulkChanged(Answer):
    """What a change of many flow runs did, or would do."""

    matched = fields.Integer("How many met all criteria, whatever the limit.", required=True)
    changed = fields.Integer("How many were changed.", required=True)
    refused = fields.List(fields.Nested(Refused), "Those that the rules kept as they were, or put into another state.", required=True)

    example = {"matched": 12, "changed": 11, "refused": [Refused.example]}
