"""What schemas are told of the application, through marshmallow's context: bounds, the clock, how far ahead runs are made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from marshmallow.experimental import context

from app.domain.bounds import Bounds
from app.domain.clock import utcnow
from app.domain.planning import Policy


@dataclass(frozen=True, kw_only=True)
class LoadContext:
    """What a schema may ask for while it loads, and while the API document is written.

    `policy` says how far ahead runs are made; only the API document asks for it.
    """

    bounds: Bounds = field(default_factory=Bounds)
    clock: Callable = utcnow
    policy: Policy = field(default_factory=Policy)

    @classmethod
    def of(cls, parts):
        """Return the LoadContext of an application, which is put together from `parts`."""
        return cls(bounds=parts.settings.bounds, clock=parts.clock, policy=parts.policy)


Context = context.Context[LoadContext]
_DEFAULT = LoadContext()


def current():
    """Return the LoadContext of the request at hand, or the defaults where none was entered."""
    return Context.get(_DEFAULT)


@dataclass(frozen=True)
class Bound:
    """The bound called `name`, looked up when it is needed: two applications in one process may differ."""

    name: str

    def __call__(self):
        return getattr(Context.get(_DEFAULT).bounds, self.name)
