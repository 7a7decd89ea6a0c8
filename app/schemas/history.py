"""The history of runs: what is asked, what is answered, and the examples."""

from marshmallow import Schema, fields

from app.domain.history import MAX_INTERVALS
from app.domain.states import StateType
from app.schemas.base import Choice, Instant, Number
from app.schemas.filters import Filters

SHORTEST, LONGEST = 1, 100 * 366 * 86400


class HistoryQuery(Filters):
    """The time to look at, how it is cut up, and criteria on the runs."""

    history_start = Instant(required=True, metadata={"description": "Where the first interval begins."})
    history_end = Instant(required=True, metadata={"description": "Where to end; the last interval may go on beyond it."})
    history_interval_seconds = Number(
        SHORTEST, LONGEST, required=True, metadata={"description": f"How long each interval is. {MAX_INTERVALS} are answered at most."}
    )


class HistoryState(Schema):
    """Runs that are in one state. Durations are in seconds."""

    state_type = Choice(list(StateType), required=True)
    state_name = fields.String(required=True)
    count_runs = fields.Integer(required=True)
    sum_estimated_run_time = fields.Float(required=True)
    sum_estimated_lateness = fields.Float(required=True)


class HistoryInterval(Schema):
    """The runs that are expected to start in an interval, by state. It does not contain its end."""

    interval_start = fields.AwareDateTime(required=True)
    interval_end = fields.AwareDateTime(required=True)
    states = fields.List(fields.Nested(HistoryState), required=True)


_WEEK = {"history_start": "2022-06-01T00:00:00+00:00", "history_end": "2022-06-08T00:00:00+00:00", "history_interval_seconds": 86400}
FLOW_RUN_HISTORY = _WEEK | {"flows": {"name": {"any_": ["etl"]}}}
TASK_RUN_HISTORY = _WEEK | {"task_runs": {"state": {"type": {"any_": ["RUNNING", "COMPLETED", "FAILED"]}}}}
