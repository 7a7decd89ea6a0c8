"""Deployments as values: what a request sets of one, and one as it is stored."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from app.domain.json_values import same_json
from app.domain.start_policy import Overlap, StartPolicy
from app.domain.unset import UNSET, Unset, given


@dataclass(frozen=True, kw_only=True)
class DeploymentChanges:
    """What a request sets of a deployment, validated. UNSET keeps the stored value, and is the default of a new deployment.

    `flow_data` is `{encoding, blob}`. `schedule` is a schedule of `app.domain.schedules` for the slug `default`, or None; `schedules` maps
    slugs to `ScheduleChanges`, and stands for all that there are. None clears `parameters` and `tags`.
    """

    flow_id: UUID | Unset = UNSET
    name: str | Unset = UNSET
    flow_data: dict[str, Any] | Unset = UNSET
    schedule: Any = UNSET
    schedules: dict[str, Any] | Unset = UNSET
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
class Deployment:
    """A deployment as it is stored, without its schedules. `flow_data` is UNSET where it was not read: nothing but a client needs it.

    `is_schedule_active` is the switch over all of its schedules. While it is off, `paused_since` says since when, `pause_note` why, and
    `paused_until` when the scheduler switches it on again. `failures_in_a_row` are those since then that `pause_after_failures` goes by.
    """

    id: UUID
    flow_id: UUID
    name: str
    flow_data: dict[str, Any] | Unset = UNSET
    is_schedule_active: bool = True
    parameters: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    flow_runner_type: str | None = None
    flow_runner_config: dict[str, Any] | None = None
    pause_note: str | None = None
    paused_until: datetime | None = None
    paused_since: datetime | None = None
    concurrency_limit: int | None = None
    overlap: Overlap = Overlap.BUFFER_ALL
    catchup_window_seconds: int | None = None
    pause_after_failures: int | None = None
    failures_in_a_row: int = 0

    @property
    def start_policy(self):
        """Return what it says of the start of its runs."""
        return StartPolicy(
            concurrency_limit=self.concurrency_limit,
            overlap=Overlap(self.overlap),
            catchup_window_seconds=self.catchup_window_seconds,
            pause_after_failures=self.pause_after_failures,
        )

    def paused(self, now, note=UNSET, until=UNSET):
        """Return the deployment switched off at `now`; UNSET leaves the note and the end of a pause that it is in already."""
        changes = {name: value for name, value in (("pause_note", note), ("paused_until", until)) if value is not UNSET}
        return replace(self, is_schedule_active=False, paused_since=self.paused_since or now, **changes)

    def resumed(self):
        """Return the deployment switched on."""
        failures = self.failures_in_a_row if self.paused_since is None else 0
        return replace(self, is_schedule_active=True, pause_note=None, paused_until=None, paused_since=None, failures_in_a_row=failures)

    def with_changes(self, changes, now):
        """Return the deployment with `changes` made at `now`: switched on it forgets its pause, switched off it is paused from now on."""
        changed = replace(self, **own_changes(changes))
        return changed.resumed() if changed.is_schedule_active else changed.paused(now)

    def makes_the_same_runs_as(self, other):
        """Return whether a scheduled run of this deployment equals one of `other`, and both make runs or neither does."""
        return self.is_schedule_active == other.is_schedule_active and all(
            one is two or same_json(one, two) for one, two in zip(self._copied_to_runs(), other._copied_to_runs(), strict=True)
        )

    def _copied_to_runs(self):
        return self.parameters, self.tags, self.flow_runner_type, self.flow_runner_config


def own_changes(changes):
    """Return what `DeploymentChanges` set of the deployment itself, by name."""
    return {name: value for name, value in given(changes).items() if name not in ("schedule", "schedules")}
