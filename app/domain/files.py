"""What a file says that a server is to have, validated, and what applying it does."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.domain.deployments import DeploymentChanges
from app.errors import AppError

# The kinds of things that a file has, in the order in which they are applied: a deployment needs its flow, a queue may name deployments
KINDS = {"flows": "flow", "deployments": "deployment", "concurrency_limits": "concurrency limit", "work_queues": "work queue"}


class Named(NamedTuple):
    """A deployment by its names."""

    flow: str
    name: str

    def __str__(self):
        return f"{self.flow}/{self.name}"


@dataclass(frozen=True, kw_only=True)
class WantedDeployment:
    """A deployment in a file: its names, what to change of it, and those of its members that the changes do not cover, by name."""

    names: Named
    changes: DeploymentChanges
    parts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """All that a file says, a list for each of KINDS; of all but deployments the members that it names."""

    flows: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[WantedDeployment] = field(default_factory=list)
    concurrency_limits: list[dict[str, Any]] = field(default_factory=list)
    work_queues: list[dict[str, Any]] = field(default_factory=list)

    def names(self):
        """Yield the kind and the name of each thing that is to exist, flows that only a deployment names among them."""
        yield from (("flows", flow["name"]) for flow in self.flows)
        for deployment in self.deployments:
            yield "flows", deployment.names.flow
            yield "deployments", str(deployment.names)
        yield from (("concurrency_limits", limit["tag"]) for limit in self.concurrency_limits)
        yield from (("work_queues", queue["name"]) for queue in self.work_queues)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What applying a file did to one thing: `created`, `changed`, `unchanged`, `deleted` or `kept`.

    `before` and `after` are the thing as files have it.
    """

    kind: str
    name: str
    action: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    reason: str | None = None


class RefusedFile(AppError):
    """The file cannot be applied"""

    def __init__(self, errors):
        super().__init__()
        # each a path in the file's document, and what is wrong there
        self.errors = errors
