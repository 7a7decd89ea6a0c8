"""The documents of plain schedules: `parse` reads one that is stored, `validate` one that is new."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from time import thread_time

from app.domain.schedules.base import DEFAULT_START, EARLIEST, LATEST, ScheduleTooSlow, naive_utc
from app.domain.schedules.cron import CronSchedule
from app.domain.schedules.interval import IntervalSchedule
from app.domain.schedules.rrule import RRuleSchedule
from app.errors import InvalidSchedule

MEMBERS = {
    "interval": (IntervalSchedule, frozenset({"interval", "anchor_date", "timezone"})),
    "cron": (CronSchedule, frozenset({"cron", "timezone", "day_or"})),
    "rrule": (RRuleSchedule, frozenset({"rrule", "timezone"})),
}

# Seconds of CPU that a new schedule may take to find its next date.
MAX_SEARCH = 0.1

# What a new schedule must be able to give from now on: as much as the scheduler asks of one, unless its settings say otherwise.
HORIZON, MAX_RUNS = timedelta(days=100), 100

# The shortest interval, in seconds, that a new schedule may have unless a setting says otherwise.
MIN_INTERVAL_SECONDS = 1.0

# The longest text, in characters, with which a document is cached.
_MAX_CACHED_LENGTH = 512


def parse(document):
    """Return the schedule of a JSON document. Raise InvalidSchedule(field, reason); field "" means the document as a whole."""
    return _known(document).schedule


class _Known:
    """A schedule, and what validating it has found: whether it ever fires, and the first date from `since` on.

    Deployments are sent again and again, and many have the same schedule. Until that date has passed it need not be sought again, which
    spares an update of a deployment with what it is a third of its CPU.
    """

    def __init__(self, document):
        self.schedule = _parse(document)
        self.kind = next(kind for kind in MEMBERS if kind in document)
        self.fires = False
        self.found: tuple[datetime, datetime | None] | None = None

    def is_still_next(self, after):
        """Return whether what was found is what would be found from `after` on."""
        if self.found is None:
            return False
        since, first = self.found
        return since <= naive_utc(after) and (first is None or naive_utc(after) <= first)


def _known(document):
    if not isinstance(document, Mapping):
        raise InvalidSchedule("", f"must be an object with one of {', '.join(MEMBERS)}")
    # True, 1 and 1.0 are one key of a mapping, and only two of them are an interval: so the type is part of the key.
    items = tuple((key, type(value), value) for key, value in document.items())
    return _known_small(items) if all(_is_small(value) for value in document.values()) else _Known(document)


def _is_small(value):
    """Return whether a document with this member is cached: long texts are rare, and would let a client fill the memory."""
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, str) and len(value) <= _MAX_CACHED_LENGTH)


@lru_cache(maxsize=4096)
def _known_small(items):
    return _Known({key: value for key, _, value in items})


def _parse(document):
    kinds = [kind for kind in MEMBERS if kind in document]
    if len(kinds) != 1:
        raise InvalidSchedule("", f"must have exactly one of {', '.join(MEMBERS)}; it has {' and '.join(kinds) or 'none'}")
    make, members = MEMBERS[kinds[0]]
    for key in document:
        if key not in members:
            raise InvalidSchedule(str(key)[:80], f"is not a member of a schedule with {kinds[0]}; allowed are {', '.join(sorted(members))}")
    return make.parse(**document)


def validate(document, after=None, min_interval_seconds=MIN_INTERVAL_SECONDS):
    """Return the schedule of a new document: one that fires, and finds its next date in time. Raise InvalidSchedule.

    With `after`, an instant, the first date from there on is sought too, and those that follow it soon. They need not exist: a rule may
    have ended. But a rule whose COUNT begins at the default start, and not at one that was given, must have some left.
    """
    known = _known(document)
    schedule, kind = known.schedule, known.kind
    if kind == "interval" and schedule.step.total_seconds() < min_interval_seconds:
        raise InvalidSchedule(kind, f"must be at least {min_interval_seconds:g} second{'' if min_interval_seconds == 1 else 's'}")
    if not known.fires:
        if first_date(schedule, EARLIEST, kind) is None:
            raise InvalidSchedule(kind, f"never fires in the years {EARLIEST.year} to {LATEST.year}")
        known.fires = True
    if after is not None and not known.is_still_next(after):
        first = _first_from(schedule, after, kind)
        known.found = naive_utc(after), first and naive_utc(first)
    return schedule


def _first_from(schedule, after, kind):
    first = first_date(schedule, after, kind)
    if kind != "rrule":
        return first
    if first is None and schedule.recurrence.counts_from_default:
        reason = f"has a COUNT and no DTSTART, so it counts from {DEFAULT_START:%Y-%m-%d} on, and all its dates have passed; give a DTSTART"
        raise InvalidSchedule(kind, reason)
    # in so many days any other schedule, and one rule alone, has fewer candidates than may be looked at
    if len(schedule.recurrence.rules) > 1:
        for _ in schedule.occurrences(after, after + HORIZON, MAX_RUNS):
            pass
    return first


def first_date(schedule, start, kind):
    """Return the first date from `start` on, or None. Raise ScheduleTooSlow for one that takes too long to find."""
    # The second try is for what the first one had to work out once and keeps: it is the next date that must be cheap, not the first.
    for _ in range(2):
        before = thread_time()
        found = next(schedule.occurrences(start, LATEST, 1), None)
        if thread_time() - before <= MAX_SEARCH:
            return found
    raise ScheduleTooSlow(kind, f"takes more than {MAX_SEARCH * 1000:.0f} ms of CPU to find its next date")
