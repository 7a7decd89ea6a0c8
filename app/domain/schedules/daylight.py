"""What daylight saving does to the dates of a schedule, in words for a person who looks at them."""

from datetime import UTC, timedelta

from app.domain import zones

_TICK = timedelta(microseconds=1)
# Longer than any gap or fold: a date line crossing takes 24 hours.
_MARGIN = timedelta(days=2)


def explain(schedule, instants):
    """One note, or None, for each of the schedule's instants, which are aware and in order.

    A change of the offset is told at the first instant after it, so it takes the instant before to be in the list.
    """
    notes, before = [], None
    for instant in instants:
        moment = instant.astimezone(UTC).replace(tzinfo=None)
        offset = zones.offset_at(schedule.zone, moment)
        parts = [*_gap_notes(schedule, moment), *_fold_notes(schedule, moment)]
        if before is not None and offset != before:
            parts.append(f"the offset from UTC changes from {_offset(before)} to {_offset(offset)} before this run")
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
            chosen = "the first is used" if is_first and _names(schedule, local) else f"this is the {'first' if is_first else 'second'}"
            yield f"local time {_clock(local, local)} occurs twice: {chosen}"


def _names(schedule, local):
    return next(iter(schedule.wall_times(local, local + _TICK)), None) is not None


def _clock(local, other):
    """The local time, with its date where the other's differs."""
    text = f"{local:%H:%M}" if not (local.second or local.microsecond) else f"{local:%H:%M:%S}"
    return text if local.date() == other.date() else f"{local:%Y-%m-%d} {text}"


def _offset(offset):
    """As ISO 8601 writes it: -05:00."""
    sign, rest = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, seconds = divmod(int(rest.total_seconds()), 3600)
    minutes, seconds = divmod(seconds, 60)
    return f"{sign}{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")
