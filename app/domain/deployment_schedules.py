"""Schedules of deployments as values: what a request sets of one, one as it is stored, and what its runs are made from."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from app.domain import schedules
from app.domain.deployments import Deployment
from app.domain.ids import new_id
from app.domain.instants import isoformat
from app.domain.json_values import same_json
from app.domain.schedules import shape_members
from app.domain.unset import UNSET, Unset, given

# The schedule that a deployment's `schedule` shows and sets
DEFAULT = "default"
SLUG_PATTERN, MAX_SLUG_LENGTH = r"[a-z0-9-]+", 63
MAX_SCHEDULES = 100

# What shapes a schedule, with what leaves it as it is
SHAPE = {name: value for wrapper in schedules.WRAPPERS for name, value in wrapper.members.items()}


@dataclass(frozen=True, kw_only=True)
class ScheduleChanges:
    """What a request sets of a schedule, as JSON holds it. UNSET keeps the stored value, and is the default of a new schedule.

    None clears a value, which gives it its default.
    """

    schedule: dict[str, Any] | Unset = UNSET
    is_active: bool | Unset | None = UNSET
    starts_at: datetime | Unset | None = UNSET
    ends_at: datetime | Unset | None = UNSET
    exclude: list[Any] | Unset | None = UNSET
    jitter_seconds: int | Unset | None = UNSET
    gap: str | Unset | None = UNSET
    fold: str | Unset | None = UNSET
    parameters: dict[str, Any] | Unset | None = UNSET
    max_scheduled_runs: int | Unset | None = UNSET


@dataclass(frozen=True, kw_only=True)
class TopUp:
    """The result of making a schedule's runs: when that is due again (None: never), and the failure if the schedule failed.

    `failures` counts the failures in a row, `rules_version` says by which rules of the time zone the runs were made.
    """

    schedule_id: UUID
    due: datetime | None
    error: str | None = None
    failures: int = 0
    rules_version: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeploymentSchedule:
    """A schedule of a deployment as it is stored. `schedule` is the value of its `members`, which are the document and what shapes it."""

    id: UUID
    deployment_id: UUID
    slug: str
    members: dict[str, Any]
    schedule: Any
    is_active: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)
    max_scheduled_runs: int | None = None
    top_up_due: datetime | None = None
    schedule_error: str | None = None
    schedule_failures: int = 0
    rules_version: str | None = None

    @property
    def shown(self):
        """Return what a client sets of it, by name."""
        own = {"is_active": self.is_active, "parameters": self.parameters, "max_scheduled_runs": self.max_scheduled_runs}
        return {**self.members, **own}

    def makes_the_same_runs_as(self, other):
        """Return whether a run of this schedule equals one of `other`, and both make as many."""
        if self is other:
            return True
        plain, documents = ("is_active", "max_scheduled_runs"), ("members", "parameters")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            same_json(getattr(self, name), getattr(other, name)) for name in documents
        )

    def with_plain(self, plain):
        """Return the schedule with another plain schedule, shaped as before, and past failures forgotten."""
        members = self.members | {"schedule": plain.to_document()}
        return replace(self, members=members, schedule=shaped(members, self.key), schedule_failures=0)

    def topped_up(self, top_up):
        """Return the schedule with the result `top_up`."""
        return replace(
            self,
            top_up_due=top_up.due,
            schedule_error=top_up.error,
            schedule_failures=top_up.failures,
            rules_version=top_up.rules_version,
        )

    @property
    def key(self):
        """Return what names the schedule among all there are, and decides its jitter."""
        return schedule_key(self.deployment_id, self.slug)


@dataclass(frozen=True)
class RunTemplate:
    """What the runs of a schedule are made from: the schedule, and its deployment."""

    deployment: Deployment
    schedule: DeploymentSchedule

    @property
    def is_active(self):
        """Return whether runs are made of it."""
        return self.deployment.is_schedule_active and self.schedule.is_active

    @cached_property
    def parameters(self):
        """Return the deployment's parameters with the schedule's over them."""
        return {**self.deployment.parameters, **self.schedule.parameters}

    def run_key(self, occurrence):
        """Return the idempotency key of the run of an occurrence: one form for whoever makes it, in whatever window it was asked for."""
        return f"{self._key} {occurrence.isoformat()}"

    def start(self, occurrence):
        """Return when the run of an occurrence starts."""
        return occurrence + self.schedule.schedule.offset(occurrence) if self._is_delayed else occurrence

    @cached_property
    def _key(self):
        schedule = self.schedule
        return f"scheduled {schedule.deployment_id}" + ("" if schedule.slug == DEFAULT else f" {schedule.slug}")

    @cached_property
    def _is_delayed(self):
        return bool(self.schedule.schedule.longest_offset)


def occurrence_of(key):
    """Return the occurrence that the idempotency key of a scheduled run names."""
    return datetime.fromisoformat(key.rsplit(" ", 1)[-1])


def schedule_key(deployment_id, slug):
    """Return what names a schedule among all there are."""
    return f"{deployment_id} {slug}"


def plain_schedule(deployment_id, slug, plain):
    """Return a new `DeploymentSchedule` of a plain schedule."""
    return DeploymentSchedule(id=new_id(), deployment_id=deployment_id, slug=slug, members=shape_members(plain), schedule=plain)


def changed_schedule(stored, changes, schedule):
    """Return `stored` with `changes` made, of which `schedule` is the value, and past failures forgotten."""
    own = {"is_active": True, "parameters": {}, "max_scheduled_runs": None}
    values = {name: own[name] if value is None else value for name, value in given(changes).items() if name in own}
    # what cannot be parsed stays as it is
    members = stored.members if schedule is stored.schedule else shape_members(schedule)
    return replace(stored, **values, members=members, schedule=schedule, schedule_failures=0)


def changed_members(members, changes):
    """Return the `members` of a schedule with `changes` made, as `app.domain.schedules.shape` reads them."""
    named = {name: value for name, value in given(changes).items() if name == "schedule" or name in SHAPE}
    return members | {name: SHAPE.get(name) if value is None else _as_json(value) for name, value in named.items()}


def _as_json(value):
    return isoformat(value) if isinstance(value, datetime) else value


@dataclass(frozen=True)
class UnreadableSchedule:
    """A stored schedule that cannot be parsed: it raises `error` where a schedule has dates."""

    members: Any
    error: Exception

    @property
    def longest_offset(self):
        """Raise the error."""
        raise self.error

    def occurrences(self, start, end, limit):
        """Raise the error."""
        raise self.error

    def to_document(self):
        """Return what is stored."""
        return self.members["schedule"]


def shaped(members, key):
    """Return the schedule that is stored as `members`. One that cannot be parsed is an `UnreadableSchedule`."""
    try:
        if all(members[name] == value for name, value in SHAPE.items()):
            return schedules.parse(members["schedule"])
        return schedules.shape(members, key)
    # whatever is wrong with one schedule, even a fault of ours, must not keep the scheduler from the others
    except Exception as error:
        return UnreadableSchedule(members, error)
