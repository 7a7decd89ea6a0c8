"""From local times to instants: what daylight saving does to a schedule that goes by the calendar.

The rule is RFC 5545's (3.3.5) unless a schedule chooses another: a local time that does not exist uses the offset before the gap, one
that exists twice means the first. All times in this module are naive: local ones in the zone, the others in UTC.
"""

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from dateutil.tz import datetime_ambiguous, datetime_exists

from app.domain import zones

_TICK = timedelta(microseconds=1)
# Longer than any gap or fold (a date line crossing takes 24 hours), so that one just before a window is seen.
_MARGIN = timedelta(days=2)

GAPS = ("later", "skip")
FOLDS = ("first", "second", "both")


@dataclass(frozen=True)
class Daylight:
    """What becomes of a local time that does not exist (`gap`), and of one that exists twice (`fold`)."""

    gap: str = "later"
    fold: str = "first"


RFC_5545 = Daylight()


class Piece(NamedTuple):
    """Local times [start, end) that mean the same: local - offset, for each of `offsets`.

    The instants of times with `waits` land on those of later local times: in a gap, and for the second of two.
    """

    start: datetime
    end: datetime
    offsets: tuple
    waits: bool = False


def pieces(zone, start, end, daylight=RFC_5545):
    """Yield Pieces, in local order and without holes, that hold every local time whose instant is in [start, end] (UTC)."""
    low, high = start - _MARGIN, end + _MARGIN
    offset = zones.offset_at(zone, low)
    local = low + offset
    for shift in zones.shifts_from(zone, low, high):
        before, after = shift.at + shift.before, shift.at + shift.after
        turn = max(min(before, after), local)
        yield Piece(local, turn, (shift.before,))
        local = max(before, after)
        if before < after:
            yield Piece(turn, local, (shift.before,) if daylight.gap == "later" else (), waits=True)
        else:
            offsets = {"first": (shift.before,), "second": (shift.after,), "both": (shift.before, shift.after)}[daylight.fold]
            yield Piece(turn, local, offsets, waits=daylight.fold == "both")
        offset = shift.after
    yield Piece(local, high + offset, (offset,))


def instants(walk, zone, start, end, steps, daylight=RFC_5545):
    """Yield, strictly increasing and aware, the instants in [start, end] (UTC) of the local times that `walk` gives.

    `walk(low, high)` yields local times in [low, high), increasing. Instants that land on those of later local times wait in a queue until
    the walk has overtaken them; this is the only place where local order and UTC order differ.
    """
    low, high = _local_bounds(zone, start, end, daylight)
    if low >= high:
        return
    spans = pieces(zone, start, end, daylight)
    piece = next(spans)
    waiting = deque()
    for local in walk(low, high):
        while local >= piece.end:
            piece = next(spans)
        if not piece.offsets:
            steps.take()
        for offset in piece.offsets:
            moment = local - offset
            if moment < start or moment > end:
                steps.take()
            elif piece.waits and offset == piece.offsets[-1]:
                waiting.append(moment)
            else:
                while waiting and waiting[0] <= moment:
                    earlier = waiting.popleft()
                    if earlier < moment:
                        yield earlier.replace(tzinfo=UTC)
                yield moment.replace(tzinfo=UTC)
    for moment in waiting:
        yield moment.replace(tzinfo=UTC)


def readings(local, zone, daylight):
    """Return the naive UTC times that one local time means."""
    first = zones.to_utc(local, zone)
    if not datetime_exists(local, zone):
        return (first,) if daylight.gap == "later" else ()
    if daylight.fold == "first" or not datetime_ambiguous(local, zone):
        return (first,)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(tzinfo=None)
    return (second,) if daylight.fold == "second" else (first, second)


def _local_bounds(zone, start, end, daylight):
    """Return the local times [low, high) that hold every local time whose instant is in [start, end]; none if low is not before high.

    Beside a gap or a fold they hold a few whose instants lie outside: local order and UTC order cannot both be cut there.
    """
    after = (
        max(piece.start, start + offset)
        for piece in pieces(zone, start, start, daylight)
        for offset in piece.offsets
        if piece.end - offset > start
    )
    before = (
        min(piece.end, end + offset + _TICK)
        for piece in pieces(zone, end, end, daylight)
        for offset in piece.offsets
        if piece.start - offset <= end
    )
    return min(after), max(before)
