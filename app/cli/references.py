"""How commands name things: by id, by a shortened id, or by name."""

import re
import uuid
from typing import NamedTuple

import click

from app.cli.command_group import Failed
from app.db.models import AuditEntry, Backfill, Deployment, Flow, FlowRun, WorkQueue
from app.errors import NotFound
from app.repositories.short_ids import matching_ids

SHORT_ID = re.compile(r"(?=(?:-*[0-9A-Fa-f]){4})[0-9A-Fa-f-]{4,35}")


class ShortId(NamedTuple):
    """The beginning or the end of an id."""

    text: str


class Names(NamedTuple):
    """The name of a flow and that of its deployment."""

    flow: str
    deployment: str


class IdType(click.ParamType):
    """An id, or enough of its beginning or end: a UUID or a ShortId."""

    def __init__(self, name):
        self.name = name

    def convert(self, value, param, ctx):
        """Return the UUID or the ShortId."""
        if not isinstance(value, str):
            return value
        found = as_id(value)
        if found is None:
            self.fail(f"{value!r} is neither an id nor the beginning or the end of one, at least 4 characters.", param, ctx)
        return found


class DeploymentType(click.ParamType):
    """A deployment: a UUID, a ShortId or Names."""

    name = "deployment"

    def convert(self, value, param, ctx):
        """Return the UUID, the ShortId or the Names."""
        if not isinstance(value, str):
            return value
        names = value.split("/")
        if len(names) == 2 and all(names):
            return Names(*names)
        found = as_id(value)
        if found is None:
            self.fail(f"{value!r} is neither an id nor of the form FLOW/NAME.", param, ctx)
        return found


def as_id(text):
    """Return the UUID or the ShortId that `text` is, else None."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return ShortId(text) if SHORT_ID.fullmatch(text) else None


DEPLOYMENT = DeploymentType()
RUN = IdType("run")
BACKFILL = IdType("backfill")
AUDIT_ENTRY = IdType("entry")


def require_run(unit, reference):
    """Return the document of the flow run that a value of `RUN` means. Raise Failed when there is none, or more than one."""
    return _required(unit.flow_runs.require, _full_id(unit, FlowRun, "Flow run", reference), reference)


def require_backfill(unit, reference):
    """Return the document of the backfill that a value of `BACKFILL` means. Raise Failed when there is none, or more than one."""
    return _required(unit.backfills.require, _full_id(unit, Backfill, "Backfill", reference), reference)


def require_audit_entry(unit, reference):
    """Return the entry of the audit trail that a value of `AUDIT_ENTRY` means. Raise Failed when there is none, or more than one."""
    return _required(unit.audit_entries.require, _full_id(unit, AuditEntry, "Audit entry", reference), reference)


def require_deployment(unit, reference):
    """Return the document of the deployment that a value of `DEPLOYMENT` means. Raise Failed when there is none, or more than one."""
    if isinstance(reference, Names):
        return _required(lambda names: unit.deployments.read_by_names(*names), reference, reference)
    return _required(unit.deployments.require, _full_id(unit, Deployment, "Deployment", reference), reference)


def require_flow(unit, text):
    """Return the document of the flow whose name, id or shortened id is `text`. Raise Failed when there is none, or more than one."""
    return _by_name_or_id(unit, unit.flows, Flow, "Flow", text)


def require_work_queue(unit, text):
    """Return the document of the work queue whose name, id or shortened id is `text`. Raise Failed when there is none, or several."""
    return _by_name_or_id(unit, unit.work_queues, WorkQueue, "Work queue", text)


def shown(reference):
    """Return a reference as it was given."""
    return reference.text if isinstance(reference, ShortId) else "/".join(reference) if isinstance(reference, Names) else str(reference)


def _by_name_or_id(unit, repository, model, kind, text):
    try:
        return repository.read_by_name(text)
    except NotFound:
        reference = as_id(text)
        if reference is None:
            raise Failed(f"{kind} not found: {text}") from None
    return _required(repository.require, _full_id(unit, model, kind, reference), text)


def _full_id(unit, model, kind, reference):
    if not isinstance(reference, ShortId):
        return reference
    found = matching_ids(unit.session, model, reference.text)
    if len(found) > 1:
        raise Failed(f"More than one {kind.lower()} has an id that begins or ends with {reference.text}; give more of it.")
    if not found:
        raise Failed(f"{kind} not found: {reference.text}")
    return found[0]


def _required(read, key, reference):
    try:
        return read(key)
    except NotFound as error:
        raise Failed(f"{error}: {shown(reference)}") from None
