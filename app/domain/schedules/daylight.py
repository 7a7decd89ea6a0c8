"""What daylight saving does to a schedule: the choice that a schedule makes, and what a person is told of its dates."""

from dataclasses import dataclass
from datetime import UTC, timedelta

from app.domain import zones
from app.domain.schedules.base import InvalidMember
from app.domain.schedules.walltime import FOLDS, GAPS, RFC_5545, Daylight
from app.domain.schedules.words import offset_words, time_words
from app.domain.schedules.wrapper import Wrapper

_TICK = timedelta(microseconds=1)
# Longer than any gap or fold: a date line crossing takes 24 hours.
_MARGIN = timedelta(days=2)

_GAP_PHRASES = {"skip": "skipping local times that do not exist"}
_FOLD_PHRASES = {"second": "at the second of two equal local times", "both": "at both of two equal local times"}


@dataclass(frozen=True)
class DaylightSaving(Wrapper):
    """The same local times, with another choice for those that do not exist or exist twice. Steps of elapsed time know neither."""

    choice: Daylight = RFC_5545

    members = {"gap": RFC_5545.gap, "fold": RFC_5545.fold}

    @classmethod
    def wrap(cls, inner, values, key):
        """Return `inner` with the choice that the values make. Raise InvalidMember."""
        for name, allowed in (("gap", GAPS), ("fold", FOLDS)):
            if values[name] not in allowed:
                raise InvalidMember((name,), f"must be one of {', '.join(allowed)}")
        choice = Daylight(values["gap"], values["fold"])
        return inner if choice == RFC_5545 else cls(inner, choice)

    def to_members(self):
        """Return the members that `wrap` reads."""
        return {"gap": self.choice.gap, "fold": self.choice.fold}

    def phrases(self):
        """Return the parts of a sentence that say what it chooses."""
        return [phrase for phrase in (_GAP_PHRASES.get(self.choice.gap), _FOLD_PHRASES.get(self.choice.fold)) if phrase]

    @property
    def daylight(self):
        """Return the choice."""
        return self.choice

    def occurrences(self, start, end, limit, **context):
        """Yield at most `limit` UTC instants in [start, end], in order. Raise ScheduleTooSlow."""
        return self.inner.occurrences(start, end, limit, **{"daylight": self.choice, **context})


def explain(schedule, instants):
    """Return one note, or None, for each of the schedule's instants, which are aware and in order.

    A change of the offset is told at the first instant after it, so it takes the instant before to be in the list.
    """
    notes, before = [], None
    for instant in instants:
        moment = instant.astimezone(UTC).replace(tzinfo=None)
        offset = zones.offset_at(schedule.zone, moment)
        parts = [*_gap_notes(schedule, moment), *_fold_notes(schedule, moment)]
        if before is not None and offset != before:
            parts.append(f"the offset from UTC changes from {offset_words(before)} to {offset_words(offset)} before this run")
        notes.append("; ".join(parts) or None)
        before = offset
    return notes


def _gap_notes(schedule, moment):
    for shift in zones.shifts_from(schedule.zone, moment - _MARGIN, moment):
        wanted, actual = moment + shift.before, moment + shift.after
        if moment - shift.at < shift.after - shift.before and _names(schedule, wanted):
            note = f"local time {_clock(wanted, actual)} does not exist: runs at {_clock(actual, wanted)}"
            yield f"{note}, as one with the run of that time" if _names(schedule, actual) else note


def _fold_notes(schedule, moment):
    for shift in zones.shifts_from(schedule.zone, moment - _MARGIN, moment + _MARGIN):
        twice = shift.before - shift.after
        if shift.at - twice <= moment < shift.at + twice and twice > timedelta(0):
            is_first = moment < shift.at
            local = moment + (shift.before if is_first else shift.after)
            yield f"local time {_clock(local, local)} occurs twice: {_chosen(schedule, local, is_first)}"


def _chosen(schedule, local, is_first):
    this = f"this is the {'first' if is_first else 'second'}"
    if not _names(schedule, local):
        return this
    fold = schedule.daylight.fold
    if fold == "both":
        return f"{this}, both are used"
    # a date that was given as an instant may be the other one
    return f"the {fold} is used" if is_first == (fold == "first") else this


def _names(schedule, local):
    return next(iter(schedule.wall_times(local, local + _TICK)), None) is not None


def _clock(local, other):
    """Return the local time, with its date where the other's differs."""
    return time_words(local) if local.date() == other.date() else f"{local:%Y-%m-%d} {time_words(local)}"
