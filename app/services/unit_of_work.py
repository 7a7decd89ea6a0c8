"""The unit of work: one session, one clock, and the repositories and services made from them, each once and when it is first needed."""

from functools import cached_property

from app.repositories.applied import AppliedObjects
from app.repositories.audit import AuditEntries
from app.repositories.backfills import Backfills
from app.repositories.block_documents import BlockDocuments
from app.repositories.block_schemas import BlockSchemas
from app.repositories.block_types import BlockTypes
from app.repositories.concurrency_limits import ConcurrencyLimits
from app.repositories.deployment_schedules import DeploymentSchedules
from app.repositories.deployments import Deployments
from app.repositories.explanations import Explanations
from app.repositories.fences import Bearers
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.repositories.heartbeats import Heartbeats
from app.repositories.keys import Keys
from app.repositories.late_runs import LateRuns
from app.repositories.leases import Leases
from app.repositories.logs import Logs
from app.repositories.observation import Observation
from app.repositories.retention import Retention
from app.repositories.saved_searches import SavedSearches
from app.repositories.scheduled_runs import ScheduledRuns
from app.repositories.starts import Starts
from app.repositories.task_run_graph import TaskRunGraph
from app.repositories.task_runs import TaskRuns
from app.repositories.work_queues import WorkQueues
from app.services.audit import Trail
from app.services.backfills import BackfillService
from app.services.bulk_runs import BulkRunService
from app.services.deployment_schedules import DeploymentScheduleService
from app.services.deployments import DeploymentService
from app.services.explanations import ExplanationService
from app.services.files import FileService
from app.services.orchestration import Orchestration
from app.services.runs import RunService
from app.services.scheduled_runs import ScheduledRunService
from app.services.starts import StartService
from app.services.work_queues import WorkQueueService


class UnitOfWork:
    """What one transaction works with. It lasts as long as its session; nothing in it commits.

    `parts` are those that `create_app` put together: `clock`, `policy`, `vault` and `settings` are used here.
    What `actor`, an `Actor`, changes is recorded in the audit trail; the server's own work has none. `fence` is the `Fence` around a key
    with tags, or None.
    """

    fence = None

    def __init__(self, session, parts, actor=None):
        self.session, self.parts = session, parts
        self.clock = parts.clock
        self.trail = Trail(session, parts.clock, actor, parts.settings.audit)

    @property
    def policy(self):
        """Return how far ahead runs are made."""
        return self.parts.policy

    @property
    def bounds(self):
        """Return the sizes that a request may have."""
        return self.parts.settings.bounds

    def _repository(self, kind, *more):
        return self.trail.watched(kind(self.session, self.clock, *more))

    def _service(self, kind):
        return self.trail.watched(kind(self))

    flows = cached_property(lambda self: self._repository(Flows))
    deployments = cached_property(lambda self: self._repository(Deployments))
    deployment_schedules = cached_property(lambda self: self._repository(DeploymentSchedules))
    flow_runs = cached_property(lambda self: self._repository(FlowRuns))
    scheduled_runs = cached_property(lambda self: self._repository(ScheduledRuns))
    late_runs = cached_property(lambda self: self._repository(LateRuns))
    task_runs = cached_property(lambda self: self._repository(TaskRuns))
    task_run_graph = cached_property(lambda self: self._repository(TaskRunGraph))
    observation = cached_property(lambda self: self._repository(Observation))
    retention = cached_property(lambda self: self._repository(Retention))
    heartbeats = cached_property(lambda self: self._repository(Heartbeats))
    leases = cached_property(lambda self: self._repository(Leases))
    audit_entries = cached_property(lambda self: self._repository(AuditEntries))
    keys = cached_property(lambda self: self._repository(Keys))
    bearers = cached_property(lambda self: self._repository(Bearers))
    explanations = cached_property(lambda self: self._repository(Explanations))
    logs = cached_property(lambda self: self._repository(Logs))
    saved_searches = cached_property(lambda self: self._repository(SavedSearches))
    work_queues = cached_property(lambda self: self._repository(WorkQueues))
    concurrency_limits = cached_property(lambda self: self._repository(ConcurrencyLimits))
    applied = cached_property(lambda self: self._repository(AppliedObjects))
    block_types = cached_property(lambda self: self._repository(BlockTypes))
    block_schemas = cached_property(lambda self: self._repository(BlockSchemas))
    starts = cached_property(lambda self: self._repository(Starts, self.flow_runs))
    backfills = cached_property(lambda self: self._repository(Backfills))
    block_documents = cached_property(lambda self: self._repository(BlockDocuments, self.parts.vault))

    deployment_service = cached_property(lambda self: self._service(DeploymentService))
    deployment_schedule_service = cached_property(lambda self: self._service(DeploymentScheduleService))
    scheduled_run_service = cached_property(lambda self: self._service(ScheduledRunService))
    run_service = cached_property(lambda self: self._service(RunService))
    orchestration = cached_property(lambda self: self._service(Orchestration))
    backfill_service = cached_property(lambda self: self._service(BackfillService))
    bulk_run_service = cached_property(lambda self: self._service(BulkRunService))
    explanation_service = cached_property(lambda self: self._service(ExplanationService))
    start_service = cached_property(lambda self: self._service(StartService))
    work_queue_service = cached_property(lambda self: self._service(WorkQueueService))
    file_service = cached_property(lambda self: self._service(FileService))
