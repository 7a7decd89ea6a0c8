"""The sizes a request may have. Settings fill them in; the schemas read the ones that are in force for the request at hand."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """Upper limits on what a request may carry. Lengths are in characters, the body in bytes."""

    body_bytes: int = 16 * 1024 * 1024
    json_depth: int = 64
    tags: int = 200
    tag_length: int = 255
    name_length: int = 255
    idempotency_key_length: int = 255
    filter_values: int = 1000
    page_size: int = 200
    runs_per_request: int = 10_000
    min_interval_seconds: float = 1.0


_in_force = ContextVar("bounds", default=Bounds())  # noqa: B039 - a frozen value


def in_force():
    """The `Bounds` of the request being handled."""
    return _in_force.get()


def enforce(bounds):
    """Put `bounds` in force for the current request or command."""
    _in_force.set(bounds)
