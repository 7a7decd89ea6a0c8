"""The dates of a schedule, with what a person wants to know of each."""

from dataclasses import replace
from datetime import timedelta
from itertools import islice

from app.domain.schedules.base import LATEST
from app.domain.schedules.daylight import DaylightSaving, explain
from app.domain.schedules.exclusions import Excluding
from app.domain.schedules.jitter import Jittered
from app.domain.schedules.walltime import RFC_5545
from app.domain.schedules.words import duration_words, time_words
from app.domain.schedules.wrapper import layers

# Excluded dates that are listed at most.
MAX_EXPLAINED = 1_000


def preview(schedule, start, end=LATEST, limit=10, explain_excluded=False):
    """Return the first `limit` occurrences in [start, end], each as {"instant", "local", "note"}; the note is None where there is none.

    With `explain_excluded` those that are left out in between are listed as well, with the reason in their note.
    """
    kept = list(schedule.occurrences(start, end, limit))
    notes = dict(zip(kept, explain(schedule, kept), strict=True))
    reasons = _reasons(schedule, start, kept[-1] if len(kept) == limit else end, set(kept)) if explain_excluded and limit > 0 else {}
    return [
        {
            "instant": instant,
            "local": instant.astimezone(schedule.zone),
            "note": reasons[instant] if instant in reasons else _join(notes[instant], _jitter_note(schedule, instant)),
        }
        for instant in sorted({*kept, *reasons})
    ]


def _join(*notes):
    return "; ".join(note for note in notes if note) or None


def _jitter_note(schedule, instant):
    jitter = next((layer for layer in reversed(list(layers(schedule))) if isinstance(layer, Jittered)), None)
    if jitter is None:
        return None
    if jitter.key is None:
        return f"jitter: starts up to {duration_words(timedelta(seconds=jitter.seconds))} later"
    offset = schedule.offset(instant)
    start = (instant + offset).astimezone(schedule.zone)
    return f"jitter: starts {duration_words(offset)} later, at {time_words(start)}"


def _reasons(schedule, start, end, kept):
    """Return {instant: why it is left out}, in order, of at most MAX_EXPLAINED instants."""
    exclusions = [layer for layer in layers(schedule) if isinstance(layer, Excluding)]
    found = _with_everything(schedule).occurrences(start, end, len(kept) + MAX_EXPLAINED)
    left_out = islice((instant for instant in found if instant not in kept), MAX_EXPLAINED)
    return {instant: _reason(exclusions, instant) for instant in left_out}


def _reason(exclusions, instant):
    reasons = (layer.reason(instant) for layer in exclusions)
    reason = next((reason for reason in reasons if reason), None)
    return f"excluded: {reason}" if reason else "skipped: its local time does not exist"


def _with_everything(schedule):
    """Return the schedule as if nothing were excluded, and local times that do not exist were moved on."""
    rest = schedule.plain
    for layer in layers(schedule):
        if isinstance(layer, DaylightSaving):
            rest = replace(layer, inner=rest, choice=replace(layer.choice, gap=RFC_5545.gap))
        elif not isinstance(layer, Excluding):
            rest = replace(layer, inner=rest)
    return rest
