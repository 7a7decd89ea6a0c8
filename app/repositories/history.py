"""The history of runs: how many were expected to start when, and in which states they are."""

from sqlalchemy import Float, case, func, literal, select

from app.db.dialects import epoch_microseconds
from app.domain.instants import microseconds
from app.domain.states import TERMINAL, StateType
from app.repositories.filtering import where


def count_by_interval(runs, filters, start, length, intervals):
    """How the runs that meet `filters` spread over so many `intervals`, each as long as the timedelta `length`, the first at `start`.

    `runs` is the repository of either kind of run. Rows of (number of the interval, state type, state name, runs, seconds they have been
    running, seconds they were late), for what there is, in that order; one statement, whose work grows with the runs alone.
    """
    table, now = runs.table, microseconds(runs.clock())
    expected = epoch_microseconds(runs.session, table.c.expected_start_time)
    started = epoch_microseconds(runs.session, table.c.start_time)
    state = runs.state_table.c
    entered = select(epoch_microseconds(runs.session, state.timestamp)).where(state.id == table.c.state_id).correlate(table)
    waits_no_more = table.c.start_time.is_(None) & table.c.state_type.in_(TERMINAL)
    run = (
        select(
            ((expected - microseconds(start)) // (microseconds(start + length) - microseconds(start))).label("interval"),
            table.c.state_type,
            table.c.state_name,
            table.c.total_run_time,
            # only what runs is looked up
            case((table.c.state_type == StateType.RUNNING, now - entered.scalar_subquery()), else_=0).label("running"),
            case((waits_no_more, 0), else_=func.coalesce(started, now) - expected).label("late"),
        )
        .where(table.c.expected_start_time >= start, table.c.expected_start_time < start + intervals * length)
        .where(table.c.state_type.is_not(None), *where(runs.session, runs.entity, filters))
        .subquery("run")
    )
    group = (run.c.interval, run.c.state_type, run.c.state_name)
    sums = (func.sum(run.c.total_run_time + _seconds(run.c.running)), func.sum(_seconds(run.c.late)))
    rows = runs.session.execute(select(*group, func.count(), *sums).group_by(*group))
    # a database's collation may be another's
    return sorted(tuple(row) for row in rows)


def _seconds(expression):
    """Seconds of an expression in microseconds; none where it is negative, since two servers' clocks may disagree."""
    return case((expression > 0, expression), else_=0) * literal(1e-6, Float(53))
