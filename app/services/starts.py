"""Whether due runs start, by the policies of their deployments: claims, looks and transitions ask here, and the scheduler's pass."""

from collections import Counter
from functools import partial

from app.domain.start_policy import (
    MISSED,
    SUPERSEDED,
    Ending,
    Overlap,
    endings,
    failures_in_a_row,
    missed,
    no_room,
    pause_note,
    superseded_by,
)
from app.domain.states import HELD, StateType, new_state

# Times that a claim looks for runs again where others took the room that it had seen
LOOKS = 3


class StartService:
    """Decides which due runs start, and ends those that are not to."""

    def __init__(self, unit):
        self.unit, self.clock, self.starts = unit, unit.clock, unit.starts

    def offered(self, filters, limit):
        """Return the ids of up to `limit` due runs that meet `filters` and could start now, the longest due first."""
        now = self.clock()
        found = [*self.starts.unlimited(filters, limit, now), *self.starts.offered(filters, limit, now)]
        found.sort(key=lambda row: (row.next_scheduled_start_time, row.id))
        return [row.id for row in found[:limit]]

    def claim(self, claim, filters, limit):
        """Return what `claim(limit, chosen)` claims, up to `limit` of the due runs that meet `filters`.

        `chosen` are the ids of runs of deployments with a concurrency limit that may start; their deployments are locked.
        """
        claimed, locked = [], {}
        for look in range(LOOKS):
            limit_left = limit - len(claimed)
            now = self.clock()
            wanted = {row.deployment_id for row in self.starts.offered(filters, limit_left, now)} - locked.keys()
            # waiting for another one now could be waiting for somebody who waits for those that are held
            locked |= self.starts.lock_owners(wanted, skip_locked=look > 0) if wanted else {}
            for id in wanted & locked.keys():
                self.settle(locked[id])
            offered = self.starts.offered(filters, limit_left, now, locked) if locked else []
            found = claim(limit_left, [row.id for row in offered])
            claimed += found
            if len(claimed) == limit or not wanted:
                break
        for owner in locked.values():
            self.settle(owner)
        return claimed

    def settle(self, owner):
        """End the due runs of a locked `Owner` that are not to start, and those that others take the room of. Return how many."""
        now, found = self.clock(), []
        if owner.policy.catchup_window_seconds is not None:
            for run in self.starts.missed(owner.id, now):
                found.append(Ending(run, MISSED, missed(run.next_scheduled_start_time, run.catchup_window_seconds)))
        gone = {ending.run.id for ending in found}
        if owner.policy.concurrency_limit is not None and owner.policy.overlap != Overlap.BUFFER_ALL:
            due = [run for run in self.starts.due(owner.id, now) if run.id not in gone]
            if due:
                found += endings(self.starts.room(owner), due)
        return self._end(found, now)

    def settle_all(self, after, limit):
        """Do what `settle` does for the next deployments whose ids are greater than `after`, up to `limit`.

        Return how many runs were ended, and the id of the last deployment that was looked at, None where there are no more.
        """
        ids = self.starts.unsettled(self.clock(), after, limit)
        # who holds one settles it, or the next pass does
        owners = self.starts.lock_owners(ids, skip_locked=True) if ids else {}
        return sum(self.settle(owner) for owner in owners.values()), ids[-1] if len(ids) == limit else None

    def first_state(self, owner_id, state):
        """Return the first state of a new run of a deployment: `state`, or SCHEDULED where that takes up room that there is not.

        The deployment is locked where it has a limit.
        """
        if state.type not in HELD:
            return state
        owner = self.starts.lock_owners([owner_id]).get(owner_id)
        if owner is None or owner.policy.concurrency_limit is None:
            return state
        room = self.starts.room(owner)
        return state if room.free else new_state(StateType.SCHEDULED, state.timestamp, message=no_room(room))

    def supersede(self, runs, taker):
        """Cancel `runs`, `RunFacts` that hold the room that the run `taker` takes."""
        self._end([Ending(run, SUPERSEDED, superseded_by(taker)) for run in runs], self.clock())

    def ended(self, owner, run, state):
        """Count the run of a locked `Owner` that has ended in `state`, and pause the deployment after as many failures as it says."""
        failures = failures_in_a_row(owner.failures_in_a_row, state.type)
        if failures != owner.failures_in_a_row:
            self.unit.deployments.set_failures(owner.id, failures)
        if state.type == StateType.FAILED and failures >= owner.policy.pause_after_failures:
            self.unit.deployment_service.pause_after_failures(owner.id, pause_note(failures, run.name, run.id))

    def _end(self, endings, now):
        if not endings:
            return 0
        states = {run.id: new_state(StateType.CANCELLED, now, name=name, message=message) for run, name, message in endings}
        count = self.unit.parts.metrics.not_started
        numbers = Counter(ending.name for ending in endings)
        self.unit.session.after_commit += [partial(count.labels(name).inc, number) for name, number in numbers.items()]
        return self.unit.orchestration.end_many(states)
