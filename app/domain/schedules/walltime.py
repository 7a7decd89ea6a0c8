"""From local times to instants: what daylight saving does to a schedule that goes by the calendar.

The rule is RFC 5545's (3.3.5): a local time that does not exist uses the offset before the gap, one that exists twice means the first.
All times in this module are naive: local ones in the zone, the others in UTC.
"""

from collections import deque
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.domain import zones

_TICK = timedelta(microseconds=1)
# Longer than any gap or fold (a date line crossing takes 24 hours), so that one just before a window is seen.
_MARGIN = timedelta(days=2)


class Piece(NamedTuple):
    """Local times [start, end) that share an offset. In a gap they do not exist, and the offset is the one before it."""

    start: datetime
    end: datetime
    offset: timedelta
    gap: bool


def pieces(zone, start, end):
    """Yield Pieces, in local order and without holes, that hold every local time whose instant is in [start, end] (UTC)."""
    low, high = start - _MARGIN, end + _MARGIN
    offset = zones.offset_at(zone, low)
    local = low + offset
    for shift in zones.shifts_from(zone, low, high):
        turn = shift.at + shift.before
        yield Piece(local, turn, shift.before, False)
        local = max(turn, shift.at + shift.after)
        if local > turn:
            yield Piece(turn, local, shift.before, True)
        offset = shift.after
    yield Piece(local, high + offset, offset, False)


def instants(walk, zone, start, end, steps):
    """Yield, strictly increasing and aware, the instants in [start, end] (UTC) of the local times that `walk` gives.

    `walk(low, high)` yields local times in [low, high), increasing. The times of a gap land on those that follow it, so they wait
    in a queue until the walk has overtaken them; this is the only place where local order and UTC order differ.
    """
    low, high = _local_bounds(zone, start, end)
    if low >= high:
        return
    spans = pieces(zone, start, end)
    piece = next(spans)
    waiting = deque()
    for local in walk(low, high):
        while local >= piece.end:
            piece = next(spans)
        moment = local - piece.offset
        if moment < start or moment > end:
            steps.take()
        elif piece.gap:
            waiting.append(moment)
        else:
            while waiting and waiting[0] <= moment:
                earlier = waiting.popleft()
                if earlier < moment:
                    yield earlier.replace(tzinfo=UTC)
            yield moment.replace(tzinfo=UTC)
    for moment in waiting:
        yield moment.replace(tzinfo=UTC)


def _local_bounds(zone, start, end):
    """The local times [low, high) that hold every local time whose instant is in [start, end]; none if low is not before high.

    Beside a gap they hold a few whose instants lie outside: local order and UTC order cannot both be cut there.
    """
    first = next(piece for piece in pieces(zone, start, start) if piece.end - piece.offset > start)
    last = (piece for piece in pieces(zone, end, end) if piece.start - piece.offset <= end)
    return max(first.start, start + first.offset), max(min(piece.end, end + piece.offset + _TICK) for piece in last)
