"""What is inside flow runs: their task runs, the subflow runs that these stand for, and what is inside those."""

from dataclasses import replace

from sqlalchemy import Uuid, bindparam, delete, literal, or_, select

from app.db.models import ConcurrencySlot, FlowRun, Lease, TaskRun
from app.domain.states import HELD, TERMINAL, State, StateType, new_state
from app.repositories.runs import TIMES

FLOW_RUN, TASK_RUN, SLOT, LEASE = FlowRun.__table__, TaskRun.__table__, ConcurrencySlot.__table__, Lease.__table__

# The reference's client leaves a task run in this state for good when what it depends on has not completed
NOT_READY = "NotReady"

_IDS = bindparam("ids", type_=Uuid, expanding=True)
_TASK_RUN_COLUMNS = ("id", "flow_run_id", "tags", "state_id", "state_type", "state_name", *TIMES)
_IS_OPEN = (
    or_(TASK_RUN.c.state_type.is_(None), TASK_RUN.c.state_type.not_in(sorted(kind.value for kind in TERMINAL))),
    or_(TASK_RUN.c.state_name.is_(None), TASK_RUN.c.state_name != literal(NOT_READY)),
)
OPEN_TASK_RUNS = select(TASK_RUN.c.id).where(TASK_RUN.c.flow_run_id.in_(_IDS), *_IS_OPEN)
LOCK_TASK_RUNS = (
    select(*(TASK_RUN.c[name] for name in _TASK_RUN_COLUMNS))
    .where(TASK_RUN.c.id.in_(_IDS), *_IS_OPEN)
    .order_by(TASK_RUN.c.id)
    .with_for_update(key_share=True)
)
LOCK_SUBFLOWS = (
    select(FLOW_RUN.c.id, FLOW_RUN.c.parent_task_run_id, FLOW_RUN.c.state_id, FLOW_RUN.c.state_type, *(FLOW_RUN.c[name] for name in TIMES))
    .where(
        FLOW_RUN.c.parent_task_run_id.in_(_IDS),
        FLOW_RUN.c.state_type.in_([kind.value for kind in HELD]),
        FLOW_RUN.c.id.not_in(select(LEASE.c.flow_run_id)),
    )
    .order_by(FLOW_RUN.c.id)
    .with_for_update(key_share=True)
)
# in order of id, as whoever empties a limit deletes them too
_SLOTS = select(SLOT.c.id).where(SLOT.c.task_run_id.in_(_IDS)).order_by(SLOT.c.id).with_for_update()
RELEASE = delete(SLOT).where(SLOT.c.id.in_(_SLOTS))


class NestedRuns:
    """What is inside flow runs whose rows the caller has locked. `flow_runs` and `task_runs` are the repositories."""

    def __init__(self, session, flow_runs, task_runs):
        self.session, self.flow_runs, self.task_runs = session, flow_runs, task_runs

    def end(self, flow_run_id, state):
        """Let all that is inside a flow run end with it, CANCELLED; `state` is the one that the flow run has entered."""
        subflows, tasks = self._lock(flow_run_id)
        message = f"Ended with the flow run that it belongs to, which is {state.type}"
        self._enter(subflows, tasks, new_state(StateType.CANCELLED, state.timestamp, message=message))

    def interrupt(self, flow_run_id, state):
        """Let what is running inside a flow run be PENDING, so that a new attempt runs it again; `state` is as in `end`."""
        subflows, tasks = ([row for row in rows if row.state_type == StateType.RUNNING] for rows in self._lock(flow_run_id))
        message = f"Interrupted: the flow run that it belongs to is {state.type} again"
        self._enter(subflows, tasks, new_state(StateType.PENDING, state.timestamp, message=message))

    def _lock(self, flow_run_id):
        """Lock what is not over inside a flow run, at any depth. Return the rows of subflow runs and those of task runs.

        Flow runs that have a lease of their own are left out, with all that is inside them: their worker is another one. Flow runs are
        locked from the outer to the inner, each level in order of id, and then the task runs in order of id.
        """
        subflows, tasks = [], self._ids(OPEN_TASK_RUNS, [flow_run_id])
        inside = tasks
        while inside:
            below = self.session.execute(LOCK_SUBFLOWS, {"ids": inside}).all()
            subflows += below
            inside = self._ids(OPEN_TASK_RUNS, [row.id for row in below]) if below else []
            tasks += inside
        return subflows, self.session.execute(LOCK_TASK_RUNS, {"ids": tasks}).all() if tasks else []

    def _enter(self, subflows, tasks, state):
        """Take the locked rows to `state`, the task runs that stand for subflow runs with their ids, and give back all slots."""
        if subflows:
            self._enter_many(self.flow_runs, subflows, lambda row: state)
        if not tasks:
            return
        children = {row.parent_task_run_id: str(row.id) for row in subflows}
        notes = {id: replace(state, details=state.details | {"child_flow_run_id": child}) for id, child in children.items()}
        self._enter_many(self.task_runs, tasks, lambda row: notes.get(row.id, state))
        self.session.execute(RELEASE, {"ids": [row.id for row in tasks]})

    @staticmethod
    def _enter_many(runs, rows, state_for):
        # how long a run has been running is all that its last state is needed for
        running = runs.entered_at([row.state_id for row in rows if row.state_type == StateType.RUNNING])
        before = {id: State(type=StateType.RUNNING, timestamp=instant, name="Running") for id, instant in running.items()}
        runs.enter_many([(row, before.get(row.state_id), state_for(row)) for row in rows])

    def _ids(self, statement, ids):
        return self.session.scalars(statement, {"ids": ids}).all()
