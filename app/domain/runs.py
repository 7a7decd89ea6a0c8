"""Runs as values: what a request sets of a flow run or a task run."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.names import random_name
from app.domain.states import State
from app.domain.unset import UNSET, Unset


@dataclass(frozen=True, kw_only=True)
class NewFlowRun:
    """A flow run to create. `state` None means PENDING, `name` None two random words; UNSET leaves the choice to the deployment."""

    flow_id: UUID | Unset = UNSET
    deployment_id: UUID | None = None
    name: str | None = None
    flow_version: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    idempotency_key: str | None = None
    parent_task_run_id: UUID | None = None
    flow_runner_type: str | Unset | None = UNSET
    flow_runner_config: dict[str, Any] | Unset | None = UNSET
    state: State | None = None


# The tag of a run that a schedule made
AUTO_SCHEDULED_TAG = "auto-scheduled"
# What a run that is a retry of another one takes from it; it has a name, a key and a state of its own
RETRIED = ("flow_id", "deployment_id", "flow_version", "parameters", "context", "tags", "flow_runner_type", "flow_runner_config")
# Tags that say who made a run
_MAKERS = ("retry_of:", "backfill:")


def retry_columns(run):
    """Return the columns of a new run that is a retry of `run`, a row with `id` and RETRIED, to which a tag links it."""
    tags = [tag for tag in run.tags if tag != AUTO_SCHEDULED_TAG and not tag.startswith(_MAKERS)]
    own = {"name": random_name(), "tags": [f"retry_of:{run.id}", *tags], "idempotency_key": None, "parent_task_run_id": None}
    return {name: getattr(run, name) for name in RETRIED} | own


@dataclass(frozen=True, kw_only=True)
class FlowRunChanges:
    """What a request sets of a flow run. UNSET keeps the stored value."""

    name: str | Unset = UNSET
    flow_version: str | Unset | None = UNSET
    parameters: dict[str, Any] | Unset = UNSET
    tags: list[str] | Unset = UNSET
    flow_runner_type: str | Unset | None = UNSET
    flow_runner_config: dict[str, Any] | Unset | None = UNSET


@dataclass(frozen=True, kw_only=True)
class NewTaskRun:
    """A task run to create. `state` None means PENDING, `name` None two random words."""

    flow_run_id: UUID
    task_key: str
    dynamic_key: str
    name: str | None = None
    cache_key: str | None = None
    cache_expiration: datetime | None = None
    task_version: str | None = None
    empirical_policy: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    task_inputs: dict[str, Any] = field(default_factory=dict)
    state: State | None = None
