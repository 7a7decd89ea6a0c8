"""The tables."""

from app.db.models.applied import Applied
from app.db.models.audit import AuditEntry
from app.db.models.backfills import Backfill
from app.db.models.base import Base
from app.db.models.block_documents import BlockDocument, BlockDocumentReference
from app.db.models.block_schemas import BlockSchema, BlockSchemaReference
from app.db.models.block_types import BlockType
from app.db.models.cached_results import CachedResult
from app.db.models.concurrency_limits import ConcurrencyLimit, ConcurrencySlot
from app.db.models.deployment_schedules import DeploymentSchedule
from app.db.models.deployments import Deployment
from app.db.models.flow_runs import FlowRun, FlowRunState
from app.db.models.flows import Flow
from app.db.models.heartbeats import Heartbeat
from app.db.models.keys import ApiKey
from app.db.models.leases import Lease
from app.db.models.logs import Log
from app.db.models.saved_searches import SavedSearch
from app.db.models.task_runs import TaskRun, TaskRunState
from app.db.models.work_queues import Agent, WorkQueue

__all__ = [
    "Agent",
    "ApiKey",
    "Applied",
    "AuditEntry",
    "Backfill",
    "Base",
    "BlockDocument",
    "BlockDocumentReference",
    "BlockSchema",
    "BlockSchemaReference",
    "BlockType",
    "CachedResult",
    "ConcurrencyLimit",
    "ConcurrencySlot",
    "Deployment",
    "DeploymentSchedule",
    "Flow",
    "FlowRun",
    "FlowRunState",
    "Heartbeat",
    "Lease",
    "Log",
    "SavedSearch",
    "TaskRun",
    "TaskRunState",
    "WorkQueue",
]
