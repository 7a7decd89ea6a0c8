"""Transitions of runs: a client proposes a state, the rules decide, and what follows from it happens in the same transaction."""

from dataclasses import replace

from app.domain.audit import state_changes
from app.domain.instants import parse
from app.domain.orchestration import FLOW_RULES, TASK_RULES, Abort, Accept, Reject, Transition, Wait, judge
from app.domain.states import TERMINAL, State, StateType
from app.errors import Conflict
from app.repositories.cached_results import CachedResults
from app.repositories.concurrency_limits import Slots
from app.repositories.nested_runs import NestedRuns

NO_RULES = ()


class Orchestration:
    """Takes runs from state to state. A transition holds its run's row, so that of several at the same time each sees the one before.

    Locks are taken in one order: the deployment, where its policy has a say in the transition, a flow run, the subflow runs inside it from
    the outer to the inner, task runs inside them, the task run that stands for it in its parent, limits in order of tag, its backfill.
    """

    def __init__(self, unit):
        self.session, self.clock = unit.session, unit.clock
        self.unit, self.flow_runs, self.task_runs, self.leases = unit, unit.flow_runs, unit.task_runs, unit.leases
        self.cache = CachedResults(unit.session, unit.clock)
        self.nested = NestedRuns(unit.session, unit.flow_runs, unit.task_runs)

    def set_flow_run_state(self, id, proposed, force=False, lease_id=None):
        """Propose the State `proposed` for a flow run; with `force`, enter it without asking the rules. Return `answer`.

        With `lease_id`, the caller must hold the run under that lease. Raise NotFound, and Conflict for a lease that is over.
        """
        run, previous, owner = self.unit.starts.lock_run(id, proposed.type, is_leased=lease_id is not None)
        if lease_id is not None and not self.leases.holds(lease_id, id):
            said = why_it_ended(previous) or "it ran out, or the run has ended or was claimed again"
            raise Conflict(f"The lease is over: {said}. Stop working on the run.")
        now = self.clock()
        transition = Transition(
            previous=previous,
            proposed=replace(proposed, timestamp=now),
            now=now,
            run_count=run.run_count,
            **self._start_facts(run, owner),
        )
        verdict = judge(transition, NO_RULES if force else FLOW_RULES)
        if not isinstance(verdict, Accept | Reject):
            return answer(verdict, None)
        state = verdict.state
        entry = self.flow_runs.enter(run, previous, state)
        self._let_go(id, state)
        self.tell_parent(id, run.parent_task_run_id, state)
        if isinstance(verdict, Accept) and verdict.superseded:
            self.unit.start_service.supersede(verdict.superseded, run)
        is_end = state.is_terminal and not transition.leaves(*TERMINAL)
        if is_end and run.backfill_id is not None:
            self.unit.backfill_service.run_ended(run.backfill_id)
        if is_end and owner is not None and owner.policy.pause_after_failures is not None:
            self.unit.start_service.ended(owner, run, state)
        return self._noted(run, previous, state, answer(verdict, entry))

    def end_many(self, states):
        """End flow runs that are not over, with all that is inside them. `states` maps their ids to terminal `State`s. Return how many.

        Their deployments are locked already where policies have a say in it.
        """
        rows = self.unit.starts.lock_to_end(states)
        running = self.flow_runs.entered_at([row.state_id for row in rows if row.state_type == StateType.RUNNING])
        before = {id: State(type=StateType.RUNNING, timestamp=instant, name="Running") for id, instant in running.items()}
        if rows:
            self.flow_runs.enter_many([(row, before.get(row.state_id), states[row.id]) for row in rows])
        for row in rows:
            # one that has never been held has nothing inside it
            if row.state_type != StateType.SCHEDULED or row.run_count:
                self._let_go(row.id, states[row.id])
        for row in sorted((row for row in rows if row.parent_task_run_id), key=lambda row: row.parent_task_run_id):
            self.tell_parent(row.id, row.parent_task_run_id, states[row.id])
        for id in sorted({row.backfill_id for row in rows} - {None}):
            self.unit.backfill_service.run_ended(id)
        return len(rows)

    def _start_facts(self, run, owner):
        """Return what a `Transition` is told of the deployment of a flow run, whose `Owner` is locked or None."""
        if owner is None:
            return {}
        facts = {"policy": owner.policy, "is_backfill": run.backfill_id is not None}
        if owner.policy.catchup_window_seconds is not None:
            facts["created"] = run.created
        if owner.policy.concurrency_limit is not None:
            facts["room"] = lambda: self.unit.starts.room(owner)
        return facts

    def set_task_run_state(self, id, proposed, force=False):
        """Propose a state for a task run, whose result may be cached, and which may need a slot under the limits on its tags."""
        run, previous = self.task_runs.lock(id)
        slots = Slots(self.session, self.clock, id, run.tags)
        policy = run.empirical_policy
        # a state begins when it is entered, not before whoever held the run let go of it
        now = self.clock()
        transition = Transition(
            previous=previous,
            proposed=replace(proposed, timestamp=now),
            now=now,
            run_count=run.run_count,
            max_retries=policy.get("max_retries", 0),
            retry_delay_seconds=policy.get("retry_delay_seconds", 0.0),
            cached=self._cached,
            limits=slots.limits,
        )
        verdict = judge(transition, NO_RULES if force else TASK_RULES)
        if not isinstance(verdict, Accept | Reject):
            return answer(verdict, None)
        state = verdict.state
        entry = self.task_runs.enter(run, previous, state)
        if state.type == StateType.RUNNING:
            slots.take()
        elif transition.leaves(StateType.RUNNING):
            slots.release()
        key, expiration = state.details["cache_key"], state.details["cache_expiration"]
        # what came out of the cache is in there already
        if key and state.type == StateType.COMPLETED and isinstance(verdict, Accept) and not force:
            self.cache.add(key, entry["id"], expiration and parse(expiration))
        return self._noted(run, previous, state, answer(verdict, entry))

    def _noted(self, run, previous, state, outcome):
        if self.unit.trail.is_on:
            self.unit.trail.note(run.id, run.name, state_changes(previous, state), status=outcome["status"])
        return outcome

    def _let_go(self, flow_run_id, state):
        """Where nobody works on a flow run in its new state, end its lease, and take what is inside it along."""
        if state.is_terminal:
            self.leases.release(flow_run_id)
            self.nested.end(flow_run_id, state)
        elif state.type == StateType.SCHEDULED:
            self.leases.release(flow_run_id)
            self.nested.interrupt(flow_run_id, state)

    def tell_parent(self, flow_run_id, parent_task_run_id, state):
        """Put the new state of a subflow's run onto the task run that stands for it in its parent, if it is one."""
        if parent_task_run_id is not None:
            details = state.details | {"child_flow_run_id": str(flow_run_id)}
            self.set_task_run_state(parent_task_run_id, replace(state, details=details), force=True)

    def _cached(self, key):
        row = self.cache.find(key)
        return row and self.task_runs.state_of(row)


def why_it_ended(state):
    """Return what a worker is told of the CANCELLED `State` of its run, or None for another one."""
    if state is None or state.type != StateType.CANCELLED:
        return None
    named = "" if state.name == "Cancelled" else f" ({state.name})"
    return f"the flow run was cancelled{named}{f': {state.message.rstrip(chr(46))}' if state.message else ''}"


def answer(verdict, entry):
    """Return what a client is told: the entry of the history (or None), the status, and its details; and which `rule` decided it."""
    match verdict:
        case Accept():
            status, details = "ACCEPT", {"type": "accept_details"}
        case Reject(_, reason):
            status, details = "REJECT", {"type": "reject_details", "reason": reason}
        case Wait(delay_seconds, reason):
            status, details = "WAIT", {"type": "wait_details", "delay_seconds": delay_seconds, "reason": reason}
        case Abort(reason):
            status, details = "ABORT", {"type": "abort_details", "reason": reason}
    return {"state": entry, "status": status, "details": details, "rule": verdict.rule}
