"""What flow runs and task runs share: members of answers, orders, and histories."""

from enum import StrEnum

from app.domain.history import MAX_INTERVALS
from app.domain.states import StateType
from app.schemas import fields
from app.schemas.base import STATE_ID, STORED, Answer, Stored
from app.schemas.filters import Filters
from app.schemas.states import State

NAME = "Two random words if not given."
TAGS = "What the run can be found by."
FIRST_STATE = "The first state; PENDING if not given."
POLICY = "How the run is retried, as the client set it."

# Seconds of an interval of a history
MAX_INTERVAL = 100 * 366 * 86_400

WEEK = {"history_start": "2022-06-01T00:00:00+00:00", "history_end": "2022-06-08T00:00:00+00:00", "history_interval_seconds": 86400}


# Two enumerations of the same orders: the reference has one for each list, and clients know them by these names
class FlowRunSort(StrEnum):
    """The orders of a list of flow runs. Runs without the value that is sorted by come last. The newest first if none is asked for."""

    ID_DESC = "ID_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"


class TaskRunSort(StrEnum):
    """The orders of a list of task runs. Runs without the value that is sorted by come last. The newest first if none is asked for."""

    ID_DESC = "ID_DESC"
    EXPECTED_START_TIME_ASC = "EXPECTED_START_TIME_ASC"
    EXPECTED_START_TIME_DESC = "EXPECTED_START_TIME_DESC"
    NAME_ASC = "NAME_ASC"
    NAME_DESC = "NAME_DESC"
    NEXT_SCHEDULED_START_TIME_ASC = "NEXT_SCHEDULED_START_TIME_ASC"
    END_TIME_DESC = "END_TIME_DESC"


class RunTimesAnswer(Answer):
    """When a run started and ended, and for how long it ran. Durations are in seconds."""

    expected_start_time = fields.Instant("When it was to start.", required=True, allow_none=True)
    start_time = fields.Instant("When it was RUNNING first.", required=True, allow_none=True)
    end_time = fields.Instant("When it ended; null while it has not.", required=True, allow_none=True)
    total_run_time = fields.Float("Seconds that it was RUNNING, up to its latest state.", required=True)
    estimated_run_time = fields.Float("Seconds that it has been RUNNING up to now.", required=True)
    state = fields.Nested(State, "The state that it is in.", required=True, allow_none=True)


class Run(Stored, RunTimesAnswer):
    """What flow runs and task runs share. Durations are in seconds."""

    name = fields.String("The run's name.", required=True)
    tags = fields.List(fields.String(), TAGS, required=True)
    state_id = fields.UUID("The id of its state.", required=True, allow_none=True)
    state_type = fields.Enum(StateType, "The type of its state.", required=True, allow_none=True)
    state_name = fields.String("The name of its state.", required=True, allow_none=True)
    run_count = fields.Integer("How often it has been RUNNING.", required=True)
    next_scheduled_start_time = fields.Instant("When it is to start next; null unless it is SCHEDULED.", required=True, allow_none=True)
    estimated_start_time_delta = fields.Float("Seconds from the expected start to the actual one, or up to now.", required=True)

    example = STORED | {
        "name": "brave-otter",
        "tags": ["adhoc"],
        "state_id": STATE_ID,
        "state_type": "RUNNING",
        "state_name": "Running",
        "run_count": 1,
        "expected_start_time": "2022-06-01T07:00:00+00:00",
        "next_scheduled_start_time": None,
        "start_time": "2022-06-01T07:00:00+00:00",
        "end_time": None,
        "total_run_time": 0.0,
        "estimated_run_time": 4.5,
        "estimated_start_time_delta": 0.0,
        "state": State.example,
    }


class HistoryQuery(Filters):
    """The time to look at, how it is cut up, and criteria on the runs."""

    history_start = fields.Instant("Where the first interval begins.", required=True)
    history_end = fields.Instant("Where to end; the last interval may go on beyond it.", required=True)
    history_interval_seconds = fields.Float(
        f"How long each interval is. {MAX_INTERVALS} are answered at most.", min=1, max=MAX_INTERVAL, required=True
    )


class HistoryState(Answer):
    """Runs that are in one state. Durations are in seconds."""

    state_type = fields.Enum(StateType, "The type of the state.", required=True)
    state_name = fields.String("The name of the state.", required=True)
    count_runs = fields.Integer("How many runs are in it.", required=True)
    sum_estimated_run_time = fields.Float("Seconds that they have been RUNNING, in all.", required=True)
    sum_estimated_lateness = fields.Float("Seconds that they were late, in all.", required=True)


class HistoryInterval(Answer):
    """The runs that are expected to start in an interval, by state. It does not contain its end."""

    interval_start = fields.Instant("Where the interval begins.", required=True)
    interval_end = fields.Instant("Where the next one begins.", required=True)
    states = fields.List(fields.Nested(HistoryState), "The states of its runs.", required=True)

    example = {
        "interval_start": "2022-06-01T00:00:00+00:00",
        "interval_end": "2022-06-02T00:00:00+00:00",
        "states": [
            {
                "state_type": "COMPLETED",
                "state_name": "Completed",
                "count_runs": 3,
                "sum_estimated_run_time": 92.5,
                "sum_estimated_lateness": 0.0,
            }
        ],
    }
