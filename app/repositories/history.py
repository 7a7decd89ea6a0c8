"""The history of runs: how many were expected to start when, and in which states they are."""

from functools import lru_cache

from sqlalchemy import BigInteger, Float, bindparam, case, func, literal, select

from app.db.sql import EpochMicroseconds
from app.db.types import UtcDateTime
from app.domain.instants import microseconds
from app.domain.states import TERMINAL, StateType
from app.repositories.filtering import read_filters, where


class RunHistory:
    """The history of the runs of one kind; `runs` is its repository."""

    def __init__(self, session, clock, runs):
        self.session, self.clock, self.runs = session, clock, runs

    def count_by_interval(self, filters, start, length, intervals):
        """Return how the runs that meet `filters` spread over so many `intervals`, each as long as the timedelta `length`, from `start` on.

        The rows are (number of the interval, state type, state name, runs, seconds they have been running, seconds they were late), for
        what there is, in that order. This is one statement, whose work grows with the runs alone.
        """
        shape, parameters = read_filters(filters)
        parameters |= {"start": start, "end": start + intervals * length}
        parameters |= {"now": microseconds(self.clock()), "start_microseconds": microseconds(start)}
        parameters["length"] = microseconds(start + length) - microseconds(start)
        rows = self.session.execute(_statement(type(self.runs), shape), parameters)
        # a database's collation may be another's
        return sorted(tuple(row) for row in rows)


@lru_cache(maxsize=128)
def _statement(runs, shape):
    table, state = runs.table.c, runs.state_table.c
    now, start, length = (bindparam(name, type_=BigInteger) for name in ("now", "start_microseconds", "length"))
    expected, started = EpochMicroseconds(table.expected_start_time), EpochMicroseconds(table.start_time)
    entered = select(EpochMicroseconds(state.timestamp)).where(state.id == table.state_id).correlate(runs.table)
    waits_no_more = table.start_time.is_(None) & table.state_type.in_(sorted(kind.value for kind in TERMINAL))
    run = (
        select(
            ((expected - start) // length).label("interval"),
            table.state_type,
            table.state_name,
            table.total_run_time,
            # only for what runs is the state's time read
            case((table.state_type == literal(StateType.RUNNING.value), now - entered.scalar_subquery()), else_=0).label("running"),
            case((waits_no_more, 0), else_=func.coalesce(started, now) - expected).label("late"),
        )
        .where(table.expected_start_time >= bindparam("start", type_=UtcDateTime))
        .where(table.expected_start_time < bindparam("end", type_=UtcDateTime))
        .where(table.state_type.is_not(None), *where(runs.entity, shape))
        .subquery("run")
    )
    group = (run.c.interval, run.c.state_type, run.c.state_name)
    sums = (func.sum(run.c.total_run_time + _seconds(run.c.running)), func.sum(_seconds(run.c.late)))
    return select(*group, func.count(), *sums).group_by(*group)


def _seconds(expression):
    """Return the seconds of an expression in microseconds; none where it is negative, since two servers' clocks may disagree."""
    return case((expression > 0, expression), else_=0) * literal(1e-6, Float(53))
