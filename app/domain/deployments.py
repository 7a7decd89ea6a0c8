"""Deployments as values: what a request sets of one."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.unset import UNSET, Unset


@dataclass(frozen=True, kw_only=True)
class DeploymentChanges:
    """What a request sets of a deployment, validated. UNSET keeps the stored value, and is the default of a new deployment.

    `flow_data` is `{encoding, blob}`, `schedule` a schedule of `app.domain.schedules` or None.
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
