"""A schedule with everything that shapes it, from the members of a document."""

from dataclasses import replace

from app.domain.schedules.base import EARLIEST, InvalidMember, ScheduleTooSlow
from app.domain.schedules.bounds import Bounded
from app.domain.schedules.daylight import DaylightSaving
from app.domain.schedules.documents import HORIZON, MAX_RUNS, MIN_INTERVAL_SECONDS, first_date, parse, validate
from app.domain.schedules.exclusions import AllExcluded, Excluding
from app.domain.schedules.jitter import Jittered
from app.domain.schedules.wrapper import layers
from app.errors import InvalidSchedule

# From the inside out. A new one is a line here.
WRAPPERS = (DaylightSaving, Excluding, Bounded, Jittered)


def shape(members, key=None):
    """Return the schedule of `members`: `schedule`, and any of those that shape it. Raise InvalidMember.

    `key` names the schedule among all there are, such as "{deployment id} {slug}", and decides its jitter.
    """
    return _wrap(members, key, parse)


def validate_shape(members, key=None, after=None, min_interval_seconds=MIN_INTERVAL_SECONDS):
    """Return the schedule of new `members`: one that fires, from `after` on unless it has ended. Raise InvalidMember."""
    schedule = _wrap(members, key, lambda document: validate(document, after, min_interval_seconds))
    if not any(layers(schedule)):
        return schedule
    try:
        _validate_layers(schedule, EARLIEST, "")
        if after is not None and first_date(_without(schedule, Excluding), after, schedule.kind) is not None:
            _validate_layers(schedule, after, " from now on")
            for _ in schedule.occurrences(after, after + HORIZON, MAX_RUNS):
                pass
    except ScheduleTooSlow as error:
        raise InvalidMember(("exclude",) if isinstance(error, AllExcluded) else ("schedule", error.field), error.reason) from error
    return schedule


def shape_members(schedule):
    """Return the members that `shape` reads, with every default."""
    members = {name: value for wrapper in WRAPPERS for name, value in wrapper.members.items()}
    for wrapper in layers(schedule):
        members |= wrapper.to_members()
    return {"schedule": schedule.to_document(), **members}


def _wrap(members, key, read):
    allowed = {name for wrapper in WRAPPERS for name in wrapper.members}
    for name in members:
        if name != "schedule" and name not in allowed:
            raise InvalidMember((str(name)[:80],), f"is not a member; allowed are schedule, {', '.join(sorted(allowed))}")
    try:
        schedule = read(members.get("schedule"))
    except InvalidSchedule as error:
        raise InvalidMember(("schedule", *([error.field] if error.field else [])), error.reason) from error
    for wrapper in WRAPPERS:
        values = {name: default if members.get(name) is None else members[name] for name, default in wrapper.members.items()}
        schedule = wrapper.wrap(schedule, values, key)
    return schedule


def _validate_layers(schedule, start, when):
    """Raise InvalidMember, with the members that leave no date, if there is none from `start` on."""
    if first_date(schedule, start, schedule.kind) is not None:
        return
    for wrapper in layers(schedule):
        if first_date(wrapper, start, schedule.kind) is None:
            first, *others = (name for name, value in wrapper.to_members().items() if value != wrapper.members[name])
            raise InvalidMember((first,), f"leaves no run{when}" + "".join(f", together with {name}" for name in others))


def _without(schedule, kind):
    """Return the schedule without its wrappers of one kind."""
    rest = schedule.plain
    for wrapper in layers(schedule):
        if not isinstance(wrapper, kind):
            rest = replace(wrapper, inner=rest)
    return rest
