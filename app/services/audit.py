"""The audit trail of a transaction, and the one list of what is recorded in it.

Where somebody asks for a change, through the API or on the command line, the unit of work hands out its repositories and services as
`Recorded`: a call of one of OPERATIONS leaves an entry in the same transaction, if it changed something. What such a call does in turn is
part of it, and leaves none; nor does what the server does by itself, whose units of work have no actor.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from sqlalchemy import Table, select

from app.db.models import (
    ApiKey,
    Backfill,
    BlockDocument,
    BlockSchema,
    BlockType,
    ConcurrencyLimit,
    Deployment,
    Flow,
    FlowRun,
    SavedSearch,
    TaskRun,
    WorkQueue,
)
from app.domain.audit import OPERATORS, Entry, differences
from app.repositories.audit import AuditEntries
from app.repositories.block_documents import BlockDocuments
from app.repositories.block_schemas import BlockSchemas
from app.repositories.block_types import BlockTypes
from app.repositories.concurrency_limits import ConcurrencyLimits
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.repositories.keys import Keys
from app.repositories.saved_searches import SavedSearches
from app.repositories.task_runs import TaskRuns
from app.repositories.work_queues import WorkQueues
from app.services.backfills import BackfillService
from app.services.bulk_runs import BulkRunService
from app.services.deployment_schedules import DeploymentScheduleService
from app.services.deployments import DeploymentService
from app.services.orchestration import Orchestration
from app.services.runs import RunService
from app.services.work_queues import WorkQueueService


class Trail:
    """Records what a transaction changes on behalf of `actor`, an `Actor`, or nothing where that is None.

    `scope` is ALL, or OPERATORS to leave out what workers do with their runs.
    """

    def __init__(self, session, clock, actor=None, scope=None):
        self.session, self.actor, self.scope = session, actor, scope
        self._entries = None if actor is None else AuditEntries(session, clock)
        self._is_inside, self._noted = False, None

    def watched(self, part):
        """Return a repository or service whose changes are recorded, or `part` as it is where there is nothing to record."""
        operations = None if self.actor is None else OPERATIONS.get(type(part))
        return part if operations is None else Recorded(part, operations, self)

    @property
    def is_on(self):
        """Return whether an operation is going on that leaves an entry: whether it is worth finding out what to `note`."""
        return self._is_inside

    def note(self, id, name, changes=None, *, action=None, **details):
        """Say what the operation at hand changed of which object. What is noted last counts."""
        if self._is_inside:
            self._noted = {"object_id": id, "object_name": name, "changes": changes, "details": details} | (
                {"action": action} if action else {}
            )

    def add(self, entry):
        """Record an `Entry` of what no operation does."""
        if self._entries is not None:
            self._entries.add(self.actor, entry)

    def record(self, operation, method, *args, **kwargs):
        """Call `method`, which does an `Operation`, and record what it changed unless it is part of another one."""
        if operation.is_of_workers and self.scope == OPERATORS and not self._is_inside:
            return method(*args, **kwargs)
        if self._is_inside:
            noted = self._noted
            try:
                return method(*args, **kwargs)
            finally:
                # what a part notes is not what the whole changed
                self._noted = noted
        self._is_inside, self._noted = True, None
        try:
            before = operation.before(self.session, *args, **kwargs)
            result = method(*args, **kwargs)
            found = operation.found(self.session, before, result, self._noted, *args)
        finally:
            self._is_inside = False
        if found is not None:
            self.add(Entry(**{"action": operation.action, "object_kind": operation.kind} | found))
        return result


class Recorded:
    """A repository or a service some of whose methods are `operations` that a `Trail` records."""

    def __init__(self, part, operations, trail):
        self._part, self._operations, self._trail = part, operations, trail

    def __getattr__(self, name):
        """Return the attribute of the part, in place of an operation what calls and records it."""
        found, operation = getattr(self._part, name), self._operations.get(name)
        return found if operation is None else partial(self._trail.record, operation, found)


@dataclass(frozen=True)
class Operation:
    """A method that does an `action` to an object of a `kind`, and notes by itself what it changed. What notes nothing changed nothing."""

    action: str
    kind: str
    is_of_workers: bool = False

    def before(self, session, *args, **kwargs) -> Any:
        """Return what has to be known from before the call."""

    def found(self, session, before, result, noted, *args):
        """Return members of the `Entry`, or None where nothing was changed. `noted` is what was noted in the call, `args` are its own."""
        return noted


@dataclass(frozen=True)
class Making(Operation):
    """A method that returns the document of what it made, or that and whether it is new. The first argument may have `parameters`, too."""

    members: tuple = ()
    # those that an existing one gets; where there are none it stays as it is
    added: tuple = ()

    def found(self, session, before, result, noted, *args):
        """Return the `members` of what was made."""
        document, is_new = result if isinstance(result, tuple) else (result, True)
        if not is_new and not self.added:
            return None
        made = {name: _parsed(document[name]) for name in (self.members if is_new else self.added) if name in document}
        for given in args:
            made |= {"parameters": given.parameters} if getattr(given, "parameters", None) else {}
        name = document.get("name", document.get("checksum"))
        own = {"object_id": document["id"], "object_name": name, "changes": differences(None, made)}
        return own if is_new else own | {"action": "update"}


@dataclass(frozen=True)
class OfRow(Operation):
    """A method that changes the row of a `table` whose column `by` holds its first argument, or the argument of that name.

    `members` are the columns that are recorded, all but NOT_RECORDED if none are named. A row that is to be changed is locked, so that what
    it was is what was changed.
    """

    table: Table | None = None
    by: str = "id"
    members: tuple = ()
    name: str | None = "name"
    # of a deletion, others have their own order of locks
    is_deletion: bool = False
    # something happens to it, whether or not it shows
    is_always: bool = False

    def before(self, session, *args, **kwargs):
        """Return the value that the row is found by, and the row or None."""
        value = kwargs[self.by] if self.by in kwargs else args[0]
        return value, self._row(session, value, lock=not self.is_deletion)

    def found(self, session, before, result, noted, *args):
        """Return how the row differs."""
        value, row = before
        now = None if self.is_deletion else self._row(session, value)
        known, changes = row or now, differences(self._shown(row), self._shown(now))
        changes |= _replaced_data(args) if self.table is BLOCK_DOCUMENT and not self.is_deletion else {}
        if known is None or not (changes or self.is_always):
            return None
        own = {"object_id": known.id, "object_name": self.name and getattr(known, self.name), "changes": changes}
        return own | ({"action": "create"} if row is None else {})

    def _row(self, session, value, lock=False):
        assert self.table is not None
        wanted = select(*(self.table.c[name] for name in self._columns)).where(self.table.c[self.by] == value)
        return session.execute(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()

    @property
    def _columns(self) -> list[str]:
        assert self.table is not None
        members = self.members or [str(column.name) for column in self.table.c if column.name not in NOT_RECORDED]
        return [*{"id", *([self.name] if self.name else []), *members}]

    def _shown(self, row):
        return row and {name: value for name, value in row._asdict().items() if name != "id"}


@dataclass(frozen=True)
class OfSlots(OfRow):
    """A method that gives back the slots under a concurrency limit, whose document it returns."""

    def found(self, session, before, result, noted, *args):
        """Return the limit. Whose slots they were nobody can know any more."""
        return {"object_id": result["id"], "object_name": result["tag"]}


@dataclass(frozen=True)
class OfDefaultStorage(Operation):
    """A method that chooses which block is the default storage."""

    def before(self, session, *args, **kwargs):
        """Return the block that is."""
        return session.execute(DEFAULT_STORAGE).one_or_none()

    def found(self, session, before, result, noted, *args):
        """Return the block that is now, and in its absence the one that was."""
        now = session.execute(DEFAULT_STORAGE).one_or_none()
        known, changes = now or before, differences({"default_storage": before and before.id}, {"default_storage": now and now.id})
        return {"object_id": known.id, "object_name": known.name, "changes": changes} if changes else None


def _parsed(value):
    """Return a member of a document, which may be JSON text as it is stored."""
    return json.loads(orjson.dumps(value)) if isinstance(value, orjson.Fragment) else value


def _replaced_data(args):
    """Return the change of a block's data, which is replaced as a whole: the names of the members that it has from now on."""
    data = next((given["data"] for given in args if isinstance(given, dict) and given.get("data") is not None), None)
    return {} if data is None else differences(None, {"data": data})


BLOCK_DOCUMENT = BlockDocument.__table__
DEFAULT_STORAGE = select(BLOCK_DOCUMENT.c.id, BLOCK_DOCUMENT.c.name).where(BLOCK_DOCUMENT.c.is_default_storage_block_document)

# Columns that are no concern of who reads the trail, or not to be seen by them
NOT_RECORDED = {"id", "created", "updated", "last_polled", "failures_in_a_row"}

FLOW_RUN_MEMBERS = ("flow_id", "deployment_id", "state_type", "state_name")
TASK_RUN_MEMBERS = ("flow_run_id", "task_key", "dynamic_key", "state_type", "state_name")
BLOCK_MEMBERS = ("name", "is_anonymous", "block_type_id", "block_schema_id")


def _rows(kind, model, *names, **options):
    known = {"update": {}, "delete": {"is_deletion": True}}
    return {name: OfRow(name, kind, table=model.__table__, **known[name], **options) for name in names}


OPERATIONS = {
    Flows: {"create": Making("create", "flow", members=("name",)), **_rows("flow", Flow, "update", "delete")},
    DeploymentService: {
        "upsert": Operation("create", "deployment"),
        "change": Operation("update", "deployment"),
        "activate": OfRow("resume", "deployment", table=Deployment.__table__),
        "pause": OfRow("pause", "deployment", table=Deployment.__table__),
        "pause_all": Operation("pause", "deployment"),
        "resume_all": Operation("resume", "deployment"),
        "change_start_policy": OfRow("set_policy", "deployment", table=Deployment.__table__),
        "schedule": Operation("schedule", "deployment"),
        "delete": OfRow("delete", "deployment", table=Deployment.__table__, is_deletion=True),
        "create_flow_run": Making("create", "flow_run", members=FLOW_RUN_MEMBERS),
    },
    DeploymentScheduleService: {
        "put": Operation("update", "schedule"),
        "change": Operation("update", "schedule"),
        "delete": Operation("delete", "schedule"),
    },
    BackfillService: {
        "begin": Making("create", "backfill", members=("deployment_id", "slug", "start", "end", "order", "max_active", "reprocess")),
        **{name: OfRow(name, "backfill", table=Backfill.__table__, members=("state",), name=None) for name in ("pause", "resume")},
        # the runs are locked before the backfill
        "cancel": Operation("cancel", "backfill"),
    },
    RunService: {
        "create_flow_run": Making("create", "flow_run", members=FLOW_RUN_MEMBERS),
        "create_task_run": Making("create", "task_run", members=TASK_RUN_MEMBERS, is_of_workers=True),
        "update_flow_run": OfRow(
            "update",
            "flow_run",
            table=FlowRun.__table__,
            members=("name", "flow_version", "parameters", "tags", "flow_runner_type", "flow_runner_config"),
        ),
        "retry": Operation("retry", "flow_run"),
        "retry_as_new": Making("retry", "flow_run", members=FLOW_RUN_MEMBERS),
    },
    Orchestration: {
        "set_flow_run_state": Operation("set_state", "flow_run", is_of_workers=True),
        "set_task_run_state": Operation("set_state", "task_run", is_of_workers=True),
    },
    BulkRunService: {"set_state": Operation("set_state", "flow_run"), "delete": Operation("delete", "flow_run")},
    FlowRuns: _rows("flow_run", FlowRun, "delete", members=FLOW_RUN_MEMBERS),
    TaskRuns: _rows("task_run", TaskRun, "delete", members=TASK_RUN_MEMBERS),
    WorkQueues: {
        "create": Making("create", "work_queue", members=("name", "filter", "description", "is_paused", "concurrency_limit")),
        **_rows("work_queue", WorkQueue, "update", "delete"),
    },
    WorkQueueService: {"claim": Operation("claim", "work_queue", is_of_workers=True)},
    ConcurrencyLimits: {
        "put": OfRow("update", "concurrency_limit", table=ConcurrencyLimit.__table__, by="tag", name="tag"),
        "reset": OfSlots("reset", "concurrency_limit", table=ConcurrencyLimit.__table__, by="tag", name="tag"),
        "delete_tag": OfRow("delete", "concurrency_limit", table=ConcurrencyLimit.__table__, by="tag", name="tag", is_deletion=True),
        **_rows("concurrency_limit", ConcurrencyLimit, "delete", name="tag"),
    },
    SavedSearches: {
        "put": OfRow("update", "saved_search", table=SavedSearch.__table__, by="name"),
        **_rows("saved_search", SavedSearch, "delete"),
    },
    BlockTypes: {
        "create": Making("create", "block_type", members=("name", "logo_url", "documentation_url", "description")),
        **_rows("block_type", BlockType, "update", "delete"),
    },
    BlockSchemas: {
        "create": Making("create", "block_schema", members=("checksum", "block_type_id", "capabilities"), added=("capabilities",)),
        **_rows("block_schema", BlockSchema, "delete", name="checksum"),
    },
    BlockDocuments: {
        "create": Making("create", "block_document", members=BLOCK_MEMBERS),
        **_rows("block_document", BlockDocument, "update", "delete", members=BLOCK_MEMBERS),
        "set_default_storage": OfDefaultStorage("set_default_storage", "block_document"),
        "clear_default_storage": OfDefaultStorage("clear_default_storage", "block_document"),
    },
    Keys: {
        "create": Making("create", "key", members=("scopes", "tags", "expires")),
        "revoke": OfRow("revoke", "key", table=ApiKey.__table__, by="name", members=("revoked",), is_always=True),
        "rotate": OfRow("rotate", "key", table=ApiKey.__table__, by="name", members=("expires", "previous_expires"), is_always=True),
    },
}
