"""The history of runs, as dashboards draw it."""

from datetime import timedelta

from app.domain.history import interval_starts
from app.repositories.history import count_by_interval


def run_history(runs, filters, start, end, seconds):
    """The intervals of `seconds` each that cover [start, end), as documents, with the states of the runs that were to start in them.

    `runs` is the repository of flow runs or of task runs.
    """
    length = timedelta(seconds=seconds)
    starts = interval_starts(start, end, length)
    history = [{"interval_start": start, "interval_end": start + length, "states": []} for start in starts]
    for interval, state_type, state_name, count, run_time, lateness in count_by_interval(runs, filters, start, length, len(starts)):
        history[interval]["states"].append(
            {
                "state_type": state_type,
                "state_name": state_name,
                "count_runs": count,
                "sum_estimated_run_time": float(run_time),
                "sum_estimated_lateness": float(lateness),
            }
        )
    return history
