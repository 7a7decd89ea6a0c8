"""Schedules as pure values: when a deployment runs.

`parse` reads a stored document of a plain schedule, `validate` one that is new; `shape` and `validate_shape` do the same for a schedule
with bounds, exclusions, jitter and a choice for daylight saving, which wrap it. Every schedule has `occurrences(start, end, limit)`,
`zone`, `wall_times(low, high)` and `offset(occurrence)`. It depends on nothing but itself: no clock, no database. The dates in [a, c]
are the dates in [a, b] and those in (b, c], for every b.
"""

from app.domain.schedules.base import EARLIEST, LATEST, InvalidMember, ScheduleTooSlow
from app.domain.schedules.cron import CronSchedule
from app.domain.schedules.description import describe
from app.domain.schedules.documents import MEMBERS, MIN_INTERVAL_SECONDS, parse, validate
from app.domain.schedules.exclusions import AllExcluded
from app.domain.schedules.interval import IntervalSchedule
from app.domain.schedules.preview import preview
from app.domain.schedules.rrule import RRuleSchedule
from app.domain.schedules.shape import WRAPPERS, shape, shape_members, validate_shape
from app.errors import InvalidSchedule

__all__ = [
    "EARLIEST",
    "LATEST",
    "MEMBERS",
    "MIN_INTERVAL_SECONDS",
    "WRAPPERS",
    "AllExcluded",
    "CronSchedule",
    "IntervalSchedule",
    "InvalidMember",
    "InvalidSchedule",
    "RRuleSchedule",
    "ScheduleTooSlow",
    "describe",
    "parse",
    "preview",
    "shape",
    "shape_members",
    "validate",
    "validate_shape",
]
