"""Retention: finished flow runs, logs and audit entries that are older than they are to be kept are deleted, in short transactions."""

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from app.domain.plurals import counted
from app.repositories.retention import STARTED, UNSTARTED
from app.services.unit_of_work import UnitOfWork

log = logging.getLogger("mintaka.scheduler")

# Seconds that a transaction is to hold its locks for; twice as much is the most that others should have to wait
AIM_SECONDS = 0.05
# Rows in a transaction: to begin with, at least, at most
FIRST_BATCH, MIN_BATCH, MAX_BATCH = 100, 1, 5_000


# What a report counts
COUNTED = ("flow_runs", "task_runs", "logs", "audit_entries")


@dataclass
class PruneReport:
    """What a pass deleted, or with `dry_run` would delete. `longest` is for how many seconds at most a transaction held its locks."""

    dry_run: bool = False
    flow_runs: int = 0
    task_runs: int = 0
    logs: int = 0
    audit_entries: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def numbers(self):
        """Return what was counted, for scripts."""
        return {name: getattr(self, name) for name in (*COUNTED, "seconds")}

    def __str__(self):
        parts = [counted(self.flow_runs, "flow run"), counted(self.task_runs, "task run"), counted(self.logs, "log line")]
        parts += [counted(self.audit_entries, "audit entry", "audit entries")] if self.audit_entries else []
        verb = "would be deleted" if self.dry_run else f"deleted in {self.seconds:.3f} s"
        return f"{', '.join(parts[:-1])} and {parts[-1]} {verb}"


@dataclass
class BatchSize:
    """How many rows a transaction deletes, so that it holds its locks for about `AIM_SECONDS` whatever a row costs here."""

    rows: int = field(default_factory=lambda: FIRST_BATCH)

    def adapt(self, rows, seconds):
        """Go by a transaction that deleted so many rows in so many seconds."""
        fitting = int(rows * AIM_SECONDS / max(seconds, 0.001))
        # one that was small, since there were no more, says little about larger ones
        if fitting < self.rows or rows >= self.rows // 2:
            self.rows = min(max(fitting, MIN_BATCH), 2 * self.rows, MAX_BATCH)


@dataclass
class Pruner:
    """Deletes what is older than it is to be kept. Any number of processes may run it: what one holds, the others pass over.

    `flow_runs`, `logs` and `audit` are timedeltas, None to delete none of them; `filters` restrict the flow runs.
    Each transaction deletes whole flow runs with all that is inside them, so that one that is interrupted leaves nothing half.
    """

    parts: Any
    flow_runs: timedelta | None = None
    logs: timedelta | None = None
    audit: timedelta | None = None
    filters: dict = field(default_factory=dict)
    name = "retention"

    def run_once(self, should_stop=lambda: False, progress=lambda report: None, dry_run=False):
        """Delete all that is old. Return a PruneReport. Call `should_stop()` and `progress(report)` for every transaction."""
        report, began, now = PruneReport(dry_run), time.perf_counter(), self.parts.clock()

        def tell():
            report.seconds = time.perf_counter() - began
            progress(report)
            return should_stop()

        if self.flow_runs is not None:
            for kind in (STARTED, UNSTARTED):
                self._prune_runs(kind, now - self.flow_runs, report, tell)
        if self.logs is not None:
            self._prune_rows("logs", now - self.logs, report, tell)
        if self.audit is not None:
            self._prune_rows("audit_entries", now - self.audit, report, tell)
        report.seconds = time.perf_counter() - began
        if not dry_run and (report.flow_runs or report.logs or report.audit_entries):
            facts = {f"deleted_{name}": getattr(report, name) for name in COUNTED}
            log.info("%s", report, extra=facts | {"seconds": round(report.seconds, 6)})
        return report

    def _prune_runs(self, kind, before, report, tell):
        size, position = BatchSize(), None
        while not tell():
            limit = size.rows
            found = self._read(lambda unit, at=position, limit=limit: unit.retention.finished(kind, before, self.filters, at, limit))
            if not found:
                return
            trees = self._read(lambda unit, found=found: unit.retention.trees([row.id for row in found], before))
            for batch in _fitting(trees, size):
                delete = partial(_delete, batch, before)
                gone = batch if report.dry_run else self._timed(delete, report, _rows, size)
                report.flow_runs += sum(len(tree.ids) for tree in gone)
                report.task_runs += sum(tree.tasks for tree in gone)
                if tell():
                    return
            position = found[-1]

    def _prune_rows(self, what, before, report, tell):
        """Delete rows of one table, `logs` or `audit_entries`."""
        if report.dry_run:
            setattr(report, what, self._read(lambda unit: getattr(unit.retention, f"count_{what}")(before)))
            return
        size, more = BatchSize(), not tell()
        while more:
            limit = size.rows
            deleted = self._timed(lambda unit, limit=limit: getattr(unit.retention, f"delete_{what}")(before, limit), report, int, size)
            setattr(report, what, getattr(report, what) + deleted)
            more = deleted == limit and not tell()

    def _timed(self, work, report, rows, size):
        began = time.perf_counter()
        done = self._run(work)
        seconds = time.perf_counter() - began
        report.longest = max(report.longest, seconds)
        if number := rows(done):
            size.adapt(number, seconds)
        # half of the time belongs to others: to their transactions, to the disk, to vacuum
        time.sleep(seconds)
        self.parts.database.take_turns()
        return done

    def _read(self, work):
        return self._run(work, read_only=True)

    def _run(self, work, read_only=False):
        return self.parts.database.run(lambda session: work(UnitOfWork(session, self.parts)), read_only=read_only)


def _delete(trees, before, unit):
    return unit.retention.delete(trees, before)


def _rows(trees):
    return sum(tree.size for tree in trees)


def _fitting(trees, size):
    """Yield `trees` in batches of `size.rows` rows as it is by then. One tree is the least, however large it is: it goes as a whole."""
    batch, rows = [], 0
    for tree in trees:
        if batch and rows + tree.size > size.rows:
            yield batch
            batch, rows = [], 0
        batch.append(tree)
        rows += tree.size
    if batch:
        yield batch
