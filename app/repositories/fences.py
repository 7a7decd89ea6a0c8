"""Whether objects bear tags: those of a key that is fenced in."""

from sqlalchemy import bindparam, exists, or_, select

from app.db.models import Backfill, Deployment, Flow, FlowRun, FlowRunState, TaskRun, TaskRunState, WorkQueue
from app.db.sql import ArrayContainsAll, prepared
from app.db.types import Json

FLOW, DEPLOYMENT, FLOW_RUN, TASK_RUN = (model.__table__ for model in (Flow, Deployment, FlowRun, TaskRun))
FLOW_RUN_STATE, TASK_RUN_STATE, BACKFILL = FlowRunState.__table__, TaskRunState.__table__, Backfill.__table__

_TAGS = bindparam("tags", type_=Json)
_DEPLOYMENT_BEARS, _RUN_BEARS = ArrayContainsAll(DEPLOYMENT.c.tags, _TAGS), ArrayContainsAll(FLOW_RUN.c.tags, _TAGS)
_OF_RUN = select(FLOW_RUN.c.id).where(_RUN_BEARS)
_OF_TASK_RUN = _OF_RUN.join(TASK_RUN, TASK_RUN.c.flow_run_id == FLOW_RUN.c.id)


def _by_id(statement, table):
    return prepared(statement.where(table.c.id == bindparam("wanted")))


# What bears the tags, by the kind of object whose id is `wanted`: it, or what it belongs to
BEARERS = {
    "Flow": _by_id(
        select(FLOW.c.id).where(
            or_(
                exists().where(DEPLOYMENT.c.flow_id == FLOW.c.id, _DEPLOYMENT_BEARS),
                exists().where(FLOW_RUN.c.flow_id == FLOW.c.id, _RUN_BEARS),
            )
        ),
        FLOW,
    ),
    "Deployment": _by_id(select(DEPLOYMENT.c.id).where(_DEPLOYMENT_BEARS), DEPLOYMENT),
    "Backfill": _by_id(
        select(DEPLOYMENT.c.id).where(_DEPLOYMENT_BEARS).join(BACKFILL, BACKFILL.c.deployment_id == DEPLOYMENT.c.id), BACKFILL
    ),
    "Flow run": _by_id(_OF_RUN, FLOW_RUN),
    "Task run": _by_id(_OF_TASK_RUN, TASK_RUN),
    "Flow run state": _by_id(_OF_RUN.join(FLOW_RUN_STATE, FLOW_RUN_STATE.c.flow_run_id == FLOW_RUN.c.id), FLOW_RUN_STATE),
    "Task run state": _by_id(_OF_TASK_RUN.join(TASK_RUN_STATE, TASK_RUN_STATE.c.task_run_id == TASK_RUN.c.id), TASK_RUN_STATE),
}

# A work queue bears the tags that its filter asks for: it has no runs but those that bear them
WORK_QUEUE = WorkQueue.__table__
QUEUES = select(WORK_QUEUE.c.id, WORK_QUEUE.c.filter)
QUEUE = _by_id(QUEUES, WORK_QUEUE)


class Bearers:
    """What bears tags."""

    def __init__(self, session, _clock):
        self.session = session

    def bears(self, kind, id, tags):
        """Return whether the object `id`, of one of the kinds in BEARERS, exists and bears all of the `tags`."""
        return self.session.execute(BEARERS[kind], {"wanted": id, "tags": tags}).first() is not None

    def queues(self, tags, id=None):
        """Return the ids of the work queues, or of the one with `id` alone, that bear all of the `tags`."""
        rows = self.session.execute(QUEUES) if id is None else self.session.execute(QUEUE, {"wanted": id})
        return {row.id for row in rows if set(tags) <= set(row.filter["tags"] or ())}
