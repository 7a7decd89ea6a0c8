"""Deployments as values: what a request sets of one, and one as it is stored."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain import schedules
from app.domain.json_values import same_json
from app.domain.unset import UNSET, Unset, given


@dataclass(frozen=True, kw_only=True)
class DeploymentChanges:
    """What a request sets of a deployment, validated. UNSET keeps the stored value, and is the default of a new deployment.

    `flow_data` is `{encoding, blob}`, `schedule` a schedule of `app.domain.schedules` or None. None clears `parameters` and `tags`.
    """

    flow_id: UUID | Unset = UNSET
    name: str | Unset = UNSET
    flow_data: dict[str, Any] | Unset = UNSET
    schedule: Any = UNSET
    is_schedule_active: bool | Unset = UNSET
    parameters: dict[str, Any] | Unset = UNSET
    tags: list[str] | Unset = UNSET
    flow_runner_type: str | Unset | None = UNSET
    flow_runner_config: dict[str, Any] | Unset | None = UNSET

    def __post_init__(self):
        for name, empty in (("parameters", {}), ("tags", [])):
            if getattr(self, name) is None:
                object.__setattr__(self, name, empty)


@dataclass(frozen=True, kw_only=True)
class TopUp:
    """The result of making a deployment's runs: when that is due again (None: never), and the failure if its schedule failed.

    `failures` counts the failures in a row.
    """

    deployment_id: UUID
    due: datetime | None
    error: str | None = None
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as it is stored. `flow_data` is UNSET where it was not read: nothing but a client needs it."""

    id: UUID
    flow_id: UUID
    name: str
    flow_data: dict[str, Any] | Unset = UNSET
    schedule: Any = None
    is_schedule_active: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    flow_runner_type: str | None = None
    flow_runner_config: dict[str, Any] | None = None
    top_up_due: datetime | None = None
    schedule_error: str | None = None
    schedule_failures: int = 0

    @property
    def is_scheduled(self):
        """Return whether it has an active schedule."""
        return self.is_schedule_active and self.schedule is not None

    def with_changes(self, changes):
        """Return the deployment with `changes` made, and past failures of its schedule forgotten."""
        return replace(self, **given(changes), schedule_failures=0)

    def makes_the_same_runs_as(self, other):
        """Return whether a scheduled run of this deployment equals one of `other`, and both make runs or neither does."""
        return self.is_schedule_active == other.is_schedule_active and all(
            one is two or same_json(one, two) for one, two in zip(self._copied_to_runs(), other._copied_to_runs(), strict=True)
        )

    def has(self, top_up):
        """Return whether the result `top_up` is stored already."""
        return (self.top_up_due, self.schedule_error, self.schedule_failures) == (top_up.due, top_up.error, top_up.failures)

    def _copied_to_runs(self):
        schedule = None if self.schedule is None else self.schedule.to_document()
        return schedule, self.parameters, self.tags, self.flow_runner_type, self.flow_runner_config


@dataclass(frozen=True)
class UnreadableSchedule:
    """A stored schedule that cannot be parsed: it raises `error` where a schedule has dates."""

    document: Any
    error: Exception

    def occurrences(self, start, end, limit):
        """Raise the error."""
        raise self.error

    def to_document(self):
        """Return what is stored."""
        return self.document


def stored_schedule(document):
    """Return the schedule that is stored as `document`, or None. One that cannot be parsed is an `UnreadableSchedule`."""
    if document is None:
        return None
    try:
        return schedules.parse(document)
    # whatever is wrong with one schedule, even a fault of ours, must not keep the scheduler from the others
    except Exception as error:
        return UnreadableSchedule(document, error)
