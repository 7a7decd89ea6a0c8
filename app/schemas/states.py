"""States of runs: what is proposed, what becomes of it, and how a state is answered."""

from enum import StrEnum

from marshmallow import post_load

from app.domain.states import StateType, new_state
from app.schemas import fields
from app.schemas.base import ANY_ID, FLOW_RUN_ID, STATE_ID, Answer, Body, DataDocument
from app.schemas.context import current
from app.schemas.fields import MAX_TEXT

TYPE = "One of the six types that every state has."
DATA = "What the run brought about, encoded by the client."
OF_FLOW_RUN, OF_TASK_RUN = "The flow run that is in the state.", "The task run that is in the state."
CHILD = "The subflow's run that the task run stands for."
CACHE_KEY = "Under which a COMPLETED state is found again by task runs with the same key."
CACHE_EXPIRATION = "Until when it is found; null: for ever."


class SetStateStatus(StrEnum):
    """What became of a proposed state."""

    ACCEPT = "ACCEPT"
    REJECT = "REJECT"
    WAIT = "WAIT"
    ABORT = "ABORT"


class StateDetails(Body):
    """What a state says besides its type, name and message."""

    flow_run_id = fields.UUIDText(OF_FLOW_RUN, allow_none=True)
    task_run_id = fields.UUIDText(OF_TASK_RUN, allow_none=True)
    child_flow_run_id = fields.UUIDText(CHILD, allow_none=True)
    scheduled_time = fields.Instant("When a SCHEDULED run is to start; now if not given.", allow_none=True)
    cache_key = fields.String(CACHE_KEY, allow_none=True)
    cache_expiration = fields.Instant(CACHE_EXPIRATION, allow_none=True)


class StateCreate(Body):
    """A state to enter."""

    type = fields.Enum(StateType, TYPE, required=True, example="SCHEDULED")
    name = fields.String("The state's name; its type's if not given.", max=MAX_TEXT, allow_none=True, example="Scheduled")
    message = fields.String("What there is to say about it.", allow_none=True)
    data = fields.Nested(DataDocument, DATA, allow_none=True)
    state_details = fields.Nested(StateDetails)

    @post_load
    def _state(self, body, **kwargs):
        return new_state(now=current().clock(), **body)


class SetTaskRunState(Body):
    """A state to propose for a task run."""

    state = fields.Nested(StateCreate, "The state to enter.", required=True)
    force = fields.Boolean("true: ask no rule, just enter it.", allow_none=True, load_default=None, example=False)

    example = {"state": {"type": "RUNNING"}, "force": False}


class SetFlowRunState(SetTaskRunState):
    """A state to propose for a flow run."""

    lease_id = fields.UUID(
        "Who claimed the run shows its lease; 409 if that is over. The reference does not know this member.",
        allow_none=True,
        load_default=None,
    )


class StateDetailsAnswer(Answer):
    """What a state says besides its type, name and message."""

    flow_run_id = fields.UUID(OF_FLOW_RUN, required=True, allow_none=True)
    task_run_id = fields.UUID(OF_TASK_RUN, required=True, allow_none=True)
    child_flow_run_id = fields.UUID(CHILD, required=True, allow_none=True)
    scheduled_time = fields.Instant("When a SCHEDULED run is to start.", required=True, allow_none=True)
    cache_key = fields.String(CACHE_KEY, required=True, allow_none=True)
    cache_expiration = fields.Instant(CACHE_EXPIRATION, required=True, allow_none=True)


class State(Answer):
    """A state of a run."""

    id = fields.UUID("The state's own id.", required=True)
    type = fields.Enum(StateType, TYPE, required=True)
    name = fields.String("The state's name, which says more than its type where a client gave one.", required=True)
    timestamp = fields.Instant("When it was entered.", required=True)
    message = fields.String("What there is to say about it.", required=True, allow_none=True)
    data = fields.Nested(DataDocument, DATA, required=True, allow_none=True)
    state_details = fields.Nested(StateDetailsAnswer, required=True)

    example = {
        "id": STATE_ID,
        "type": "RUNNING",
        "name": "Running",
        "timestamp": "2022-06-01T07:00:00+00:00",
        "message": None,
        "data": None,
        "state_details": {
            "flow_run_id": FLOW_RUN_ID,
            "task_run_id": None,
            "child_flow_run_id": None,
            "scheduled_time": None,
            "cache_key": None,
            "cache_expiration": None,
        },
    }


class StateAnswer(Answer):
    """What became of a proposed state."""

    state = fields.Nested(State, "The state that was entered; null for WAIT and ABORT.", required=True, allow_none=True)
    status = fields.Enum(
        SetStateStatus,
        "ACCEPT: the state was entered. REJECT: another one was, which is in `state`. WAIT: nothing changed; propose it "
        "again after `details.delay_seconds`. ABORT: nothing changed; give up.",
        required=True,
    )
    details = fields.Object(
        "`type` and, but for ACCEPT, the `reason`; for WAIT `delay_seconds`.",
        required=True,
        example={"type": "wait_details", "delay_seconds": 30, "reason": "The scheduled time has not come yet."},
    )

    example = {"state": State.example, "status": "ACCEPT", "details": {"type": "accept_details"}}


# Of an answer with which nothing changed
WAITS = {
    "state": None,
    "status": "WAIT",
    "details": {"type": "wait_details", "delay_seconds": 30, "reason": "The scheduled time has not come yet."},
}


class FlowRunStatesQuery(Body):
    """Whose history to read."""

    flow_run_id = fields.UUID("The flow run.", required=True, example=ANY_ID)


class TaskRunStatesQuery(Body):
    """Whose history to read."""

    task_run_id = fields.UUID("The task run.", required=True, example=ANY_ID)
