"""Backfills: beginning, holding back and ending them, and making their runs.

The next run is made in the transaction that ends one; the scheduler's pass makes what nobody made. Locks are taken in one order: flow runs,
then the backfill.
"""

import logging
from uuid import UUID

from app.domain import schedules
from app.domain.audit import differences
from app.domain.backfills import MAX_OCCURRENCES, OVER, BackfillState, Order, Reprocess, Window, wanted
from app.domain.deployment_schedules import UnreadableSchedule, schedule_key, shaped
from app.errors import Conflict, InvalidField

# Runs that a transaction makes, and occurrences that it looks at
RUNS_AT_ONCE, LOOKS_AT_ONCE = 1_000, 5_000
LOOKED_AHEAD = 500
# Runs that the request makes which begins a backfill without `max_active`
MADE_AT_BEGIN = 100
SAMPLE = 10

log = logging.getLogger("mintaka.backfills")


class BackfillService:
    """The backfills of deployments."""

    def __init__(self, unit):
        self.unit, self.clock, self.backfills = unit, unit.clock, unit.backfills

    def begin(self, deployment_id, new):
        """Begin a `NewBackfill`. Return its answer. Raise NotFound, InvalidField."""
        schedule, window = self._window(deployment_id, new)
        values = {name: getattr(new, name) for name in ("slug", "start", "end", "order", "max_active", "reprocess", "parameters")}
        kept = {"members": schedule.members, "parameters": schedule.parameters, "id": str(schedule.id)}
        row = self.backfills.insert(
            values
            | {
                "deployment_id": deployment_id,
                "schedule": kept,
                "state": BackfillState.RUNNING,
                "total": window.total,
                "next_occurrence": window.first,
            }
        )
        self._advance(row, MADE_AT_BEGIN)
        return self.backfills.require(row.id)

    def dry_run(self, deployment_id, new):
        """Return what `begin` would do: `total` occurrences, how many are `existing`, and `first`, `last` and a `sample` of the others."""
        schedule, window = self._window(deployment_id, new)
        made, first, last, sample, position = 0, None, None, [], window.first
        while position is not None:
            found, position = self._wanted(window, schedule, new.reprocess, position, LOOKS_AT_ONCE)
            made += len(found)
            sample += found[: SAMPLE - len(sample)]
            if found:
                first, last = first or found[0], found[-1]
        return {"total": window.total, "existing": window.total - made, "first": first, "last": last, "sample": sample}

    def pause(self, id):
        """Let a backfill make no more runs. Return its answer. Raise NotFound, and Conflict for one that is over."""
        self._lock_open(id)
        self.backfills.update(id, state=BackfillState.PAUSED)
        return self.backfills.require(id)

    def resume(self, id):
        """Let a paused backfill go on. Return its answer. Raise NotFound, and Conflict for one that is over."""
        self._lock_open(id)
        self.backfills.update(id, state=BackfillState.RUNNING)
        self._advance(self.backfills.row(id), MADE_AT_BEGIN)
        return self.backfills.require(id)

    def cancel(self, id):
        """End a backfill, and delete its runs that have not been started. Return its answer. Raise NotFound, Conflict."""
        self.backfills.row(id)
        self.backfills.delete_unstarted(id, lock_only=True)
        row = self._lock_open(id)
        self.backfills.update(id, state=BackfillState.CANCELLED, next_occurrence=None)
        self.unit.trail.note(id, None, differences({"state": row.state}, {"state": BackfillState.CANCELLED}))
        # whoever ended a run meanwhile has made another one
        self.backfills.delete_unstarted(id)
        return self.backfills.require(id)

    def run_ended(self, id):
        """Make the next runs of the backfill `id`, of which one has ended in this transaction."""
        row = self.backfills.row(id)
        # where it makes as many as it can, an end makes no room for another
        if row.state not in OVER and (row.max_active is not None or row.next_occurrence is None):
            row = self.backfills.row(id, lock=True)
            if row.state not in OVER:
                self._advance(row, RUNS_AT_ONCE)

    def work(self, id):
        """Make runs of the backfill `id`, as many as one transaction makes. Return how many, and whether more can be made at once."""
        row = self.backfills.lock_free(id)
        return (0, False) if row is None else self._advance(row, RUNS_AT_ONCE)

    def _advance(self, row, limit):
        """Make up to `limit` runs of a locked backfill, as far as it may have more, and end it when nothing is left.

        Return how many, and whether more can be made at once.
        """
        room, made, position = self._room(row, limit), 0, row.next_occurrence
        if room and position is not None:
            try:
                found, position = self._next(row, room)
            except schedules.InvalidSchedule as error:
                # the end of a run, and the other backfills, are not to fail with it
                log.warning("backfill %s is paused: its schedule cannot be read any more: %s", row.id, error)
                self.backfills.update(row.id, state=BackfillState.PAUSED)
                return 0, False
            made = len(found)
        if made or position != row.next_occurrence:
            self.backfills.update(row.id, made=row.made + made, next_occurrence=position)
        if position is None and not made and not self.backfills.active(row.id, 1):
            self.backfills.update(row.id, state=BackfillState.COMPLETED)
        return made, room > 0 and position is not None and (row.max_active is None or made < room)

    def _room(self, row, limit):
        """Return how many runs a locked backfill may have beside those that are active, up to `limit`."""
        if row.state != BackfillState.RUNNING:
            return 0
        return limit if row.max_active is None else min(limit, row.max_active - self.backfills.active(row.id, row.max_active))

    def _next(self, row, number):
        """Insert the next `number` runs of a locked backfill. Return their occurrences, and the position that follows them.

        They are fewer where a transaction has looked at enough occurrences that get none.
        """
        deployment, schedule = self.unit.deployments.require_for_run(row.deployment_id), _Kept(row)
        position, found, looked, ahead = row.next_occurrence, [], 0, number
        while position is not None and len(found) < number and looked < LOOKS_AT_ONCE:
            more, position = self._wanted(schedule.window, schedule, Reprocess(row.reprocess), position, ahead)
            looked += ahead
            # where most have a run already, one look at a time would take long
            ahead = max(ahead, LOOKED_AHEAD)
            left = number - len(found)
            if len(more) > left:
                position = more[left]
            found += more[:left]
        if found:
            parameters = {**deployment.parameters, **schedule.parameters, **row.parameters}
            self.backfills.insert_runs(row, deployment, parameters, schedule.id, found)
        return found, position

    def _wanted(self, window, schedule, reprocess, position, number):
        """Return which of the next `number` occurrences from `position` on get a run, and the position that follows them.

        A dry run and the real thing go by this alone.
        """
        occurrences, following = window.batch(position, number)
        if reprocess == Reprocess.ALL:
            return occurrences, following
        newest = self.backfills.newest(schedule.deployment_id, schedule.slug, occurrences, schedule.schedule.longest_offset)
        return wanted(occurrences, newest, reprocess), following

    def _window(self, deployment_id, new):
        """Return the schedule that a `NewBackfill` names, and its `Window`. Raise NotFound, InvalidField."""
        self.unit.deployments.require_for_run(deployment_id)
        if new.end < new.start:
            raise InvalidField("end", "Is before the start.")
        found = [schedule for schedule in self.unit.deployment_schedules.of(deployment_id) if schedule.slug == new.slug]
        if not found:
            raise InvalidField("slug", f"The deployment has no schedule called {new.slug}.")
        [schedule] = found
        if isinstance(schedule.schedule, UnreadableSchedule):
            raise InvalidField("slug", f"The schedule cannot be read: {schedule.schedule.error}")
        try:
            total = sum(1 for _ in schedule.schedule.occurrences(new.start, new.end, MAX_OCCURRENCES + 1))
        except schedules.InvalidSchedule as error:
            raise InvalidField("end", f"The schedule's dates in this window cannot be found: {error}") from error
        if total > MAX_OCCURRENCES:
            raise InvalidField("end", f"The window holds more than {MAX_OCCURRENCES:,} occurrences; give a shorter one.")
        return schedule, Window(schedule.schedule, new.start, new.end, new.order, total)

    def _lock_open(self, id):
        row = self.backfills.row(id, lock=True)
        if row.state in OVER:
            raise Conflict(f"The backfill is {row.state}.")
        return row


class _Kept:
    """The schedule of a backfill as it was when that began."""

    def __init__(self, row):
        self.id, self.parameters = UUID(row.schedule["id"]), row.schedule["parameters"]
        self.deployment_id, self.slug = row.deployment_id, row.slug
        self.schedule = shaped(row.schedule["members"], schedule_key(row.deployment_id, row.slug))
        self.window = Window(self.schedule, row.start, row.end, Order(row.order), row.total)
