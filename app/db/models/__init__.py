"""The tables."""

from app.db.models.base import Base
from app.db.models.blocks import BlockDocument, BlockDocumentReference, BlockSchema, BlockSchemaReference, BlockType
from app.db.models.registry import Deployment, Flow
from app.db.models.runs import CachedResult, FlowRun, FlowRunState, Lease, TaskRun, TaskRunState
from app.db.models.work import Agent, ConcurrencyLimit, ConcurrencySlot, Log, SavedSearch, WorkQueue

__all__ = [
    "Agent",
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
    "Flow",
    "FlowRun",
    "FlowRunState",
    "Lease",
    "Log",
    "SavedSearch",
    "TaskRun",
    "TaskRunState",
    "WorkQueue",
]
