"""Flow runs."""

from functools import lru_cache

from sqlalchemy import Integer, Uuid, bindparam, select

from app.db.engine import writes_in_with
from app.db.models import Deployment, FlowRun, FlowRunState, TaskRun
from app.domain.runs import RETRIED
from app.domain.states import HELD
from app.errors import NotFound
from app.repositories import new_runs
from app.repositories.filtering import read_filters, where
from app.repositories.json_text import with_flow_runner
from app.repositories.runs import SHARED_COLUMNS, Runs, RunStatements, RunWriter, answer_columns, run_sorts

DEPLOYMENT = Deployment.__table__
FLOW_RUN = FlowRun.__table__
FLOW_RUN_STATE = FlowRunState.__table__
TASK_RUN = TaskRun.__table__

UNIQUE = ("flow_id", "idempotency_key")
OWN_COLUMNS = (
    "flow_id",
    "deployment_id",
    "flow_version",
    "parameters",
    "idempotency_key",
    "context",
    "empirical_policy",
    "empirical_config",
    "parent_task_run_id",
    "auto_scheduled",
    "flow_runner_type",
    "flow_runner_config",
)
COLUMNS = answer_columns(FLOW_RUN, SHARED_COLUMNS + OWN_COLUMNS)
_TO_RETRY = select(*(FLOW_RUN.c[name] for name in ("id", "name", "state_type", "state_name", "parent_task_run_id", *RETRIED)))
LOCK_TO_RETRY = _TO_RETRY.where(FLOW_RUN.c.id == bindparam("wanted")).with_for_update(key_share=True)


LOCK_DEPLOYMENTS = (
    select(DEPLOYMENT.c.id)
    .where(DEPLOYMENT.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)))
    .order_by(DEPLOYMENT.c.id)
    .with_for_update(key_share=True)
)


@lru_cache(maxsize=128)
def _found(shape):
    """Return the SELECT of flow runs that meet filters of a shape, the oldest first."""
    found = select(FLOW_RUN.c.id, FLOW_RUN.c.deployment_id).where(*where("flow_runs", shape))
    return found.order_by(FLOW_RUN.c.id).limit(bindparam("limit", type_=Integer))


@lru_cache(maxsize=128)
def _lock_those(shape):
    """Return the SELECT that locks those of `ids` that meet filters of a shape."""
    return lock_flow_runs(FLOW_RUN.c.id.in_(bindparam("ids", type_=Uuid, expanding=True)), *where("flow_runs", shape), of=FLOW_RUN)


def lock_flow_runs(*conditions, of=None):
    """Return the SELECT that locks the flow runs that meet `conditions`, in the order in which all processes lock several."""
    return select(FLOW_RUN.c.id).where(*conditions).order_by(FLOW_RUN.c.id).with_for_update(key_share=True, of=of)


class FlowRuns(Runs):
    """Runs of flows, unique by flow and idempotency key where they have one."""

    table = FLOW_RUN
    state_table = FLOW_RUN_STATE
    entity = "flow_runs"
    kind = "Flow run"
    sorts = run_sorts(FLOW_RUN)
    unique = UNIQUE
    statements = RunStatements(FLOW_RUN, FLOW_RUN_STATE, COLUMNS, UNIQUE, locked=("parent_task_run_id", "backfill_id"))
    selection = statements.selection
    writer = RunWriter(selection, with_flow_runner(select(*COLUMNS), **RunWriter.computed))
    # itself, then those that its task runs stand for, as transitions lock them; a deletion would lock the latter last
    locks_for_delete = (
        lock_flow_runs(FLOW_RUN.c.id == bindparam("wanted")),
        lock_flow_runs(FLOW_RUN.c.parent_task_run_id.in_(select(TASK_RUN.c.id).where(TASK_RUN.c.flow_run_id == bindparam("wanted")))),
    )

    def with_state(self, document, state, now):
        """Return the answer for a run; its flow runner is always an object."""
        document = super().with_state(document, state, now)
        document["flow_runner"] = {"type": document.pop("flow_runner_type"), "config": document.pop("flow_runner_config")}
        return document

    def create_of_deployment(self, deployment_id, values, state, most_tags):
        """Create a run of a deployment as one statement: with the columns `values`, over the deployment's parameters, tags and runner.

        Return its answer; None, with nothing done, where that is not all there is to it: no such deployment, a run with the same
        idempotency key, maybe more than `most_tags` tags, a concurrency limit that the run counts under, or a database that cannot do it.
        It is one round trip in place of three.
        """
        if not writes_in_with(self.session):
            return None
        now = self.clock()
        columns, members, entry = self._new(values, state, now)
        statement = new_runs.create_of_deployment(self.statements, tuple(columns), state.type in HELD)
        bounds = {"wanted": deployment_id, "number_of_tags": len(values["tags"]), "most_tags": most_tags}
        row = self.session.execute(statement, new_runs.run_parameters(columns) | entry | bounds).one_or_none()
        return row and self.with_state(row._asdict(), members, now)

    def lock_found(self, filters, limit):
        """Lock up to `limit` flow runs that meet `filters`, the oldest first, after their deployments. Return their ids, in order.

        Deployments come first since transitions lock them so, each in order of id.
        """
        shape, parameters = read_filters(filters)
        found = self.session.execute(_found(shape), parameters | {"limit": limit}).all()
        self.session.execute(LOCK_DEPLOYMENTS, {"ids": [row.deployment_id for row in found if row.deployment_id is not None]})
        # those that have changed meanwhile may meet them no more
        return self.session.scalars(_lock_those(shape), parameters | {"ids": [row.id for row in found]}).all()

    def lock_to_retry(self, id):
        """Lock the row `id` until the transaction ends. Return what a retry needs to know of it. Raise NotFound."""
        row = self.session.execute(LOCK_TO_RETRY, {"wanted": id}).one_or_none()
        if row is None:
            raise NotFound(self.kind)
        return row

    @staticmethod
    def state_references(run):
        """Return the run's id, and for a subflow that of the task run that stands for it in its parent."""
        parent = run["parent_task_run_id"]
        return {"flow_run_id": str(run["id"])} | ({"task_run_id": str(parent)} if parent else {})
