"""Backfills: the runs of a schedule for its occurrences in a window, made one after the other."""

from enum import StrEnum


class BackfillState(StrEnum):
    """Where a backfill is. A PAUSED one makes no more runs until it is resumed; COMPLETED and CANCELLED ones are over."""

    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


class Order(StrEnum):
    """The order in which a backfill makes its runs."""

    FORWARD = "forward"
    BACKWARD = "backward"


class Reprocess(StrEnum):
    """For which occurrences a backfill makes a run. none: those that have none; failed: those too whose newest run FAILED; all: each."""

    NONE = "none"
    FAILED = "failed"
    ALL = "all"
