"""The audit trail as values: who changed something, and what of it was changed.

What may be a secret is never in it: of parameters, of the data of blocks, of what runs a flow it has the names alone.
"""

import json
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.domain.json_values import same_json
from app.domain.unset import UNSET

# Where a change came from
API, COMMAND_LINE = "api", "cli"

# What is recorded: everything, or all but what workers do with their runs by the thousand
ALL, OPERATORS = "all", "operators"

# Members of which the names are recorded, and no values
NAMES_ONLY = {"config", "context", "data", "empirical_policy", "flow_data", "flow_runner_config", "parameters", "task_inputs"}

# A longer value is not recorded, but how long it is
MAX_VALUE = 4_000


class Actor(NamedTuple):
    """Who asks for changes. `name` is that of an API key or of a user of the operating system, None where nobody has to say it."""

    via: str
    name: str | None = None
    key_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was changed: an `action` on an object. `changes` map fields to what `differences` says, `details` hold what is no field."""

    action: str
    object_kind: str
    object_id: UUID | None = None
    object_name: str | None = None
    changes: dict[str, Any] | None = None
    details: dict[str, Any] | None = None


def differences(before, after):
    """Return what differs between two mappings of fields to values, of which one that is None has no fields.

    A field maps to its `before` and `after`, without the one that there is not; one of NAMES_ONLY to the names that were `added`, `changed`
    and `removed`.
    """
    before, after = before or {}, after or {}
    found = {}
    for name in [*before, *(name for name in after if name not in before)]:
        sides = {side: held[name] for side, held in (("before", before), ("after", after)) if name in held}
        if len(sides) == 2 and _same(sides["before"], sides["after"]):
            continue
        difference = _names(sides) if name in NAMES_ONLY else {side: recorded(value) for side, value in sides.items()}
        if difference:
            found[name] = difference
    return found


def recorded(value):
    """Return a value as the trail has it: as JSON, without what may be secret, and how long it is in place of one that is too long."""
    plain = _plain(value)
    # JSON has six characters for one at most
    if not isinstance(plain, str | list | dict) or not plain or (isinstance(plain, str) and 6 * len(plain) + 2 <= MAX_VALUE):
        return plain
    length = len(json.dumps(plain, ensure_ascii=False))
    return plain if length <= MAX_VALUE else f"({length:,} characters)"


def members(value, *without):
    """Return the fields of a dataclass instance that are set, by name, `without` some."""
    return {field.name: held for field in fields(value) if field.name not in without and (held := getattr(value, field.name)) is not UNSET}


def state_changes(previous, state):
    """Return the change of a run from one `State`, or none, to another."""
    return differences(previous and _shown(previous), _shown(state))


def _shown(state):
    return {"state_type": state.type, "state_name": state.name}


def _same(one, other):
    if one is other or (type(one) is type(other) and isinstance(one, str | int | UUID | datetime)):
        return one == other
    return same_json(_plain(one, masked=False), _plain(other, masked=False))


def _names(sides):
    before, after = sides.get("before") or {}, sides.get("after") or {}
    names = {
        "added": sorted(after.keys() - before.keys()),
        "changed": sorted(name for name in before.keys() & after.keys() if not _same(before[name], after[name])),
        "removed": sorted(before.keys() - after.keys()),
    }
    return {what: recorded(found) for what, found in names.items() if found}


def _is_hidden(name, value):
    return name in NAMES_ONLY and isinstance(value, dict)


def _plain(value, masked=True):
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: sorted(held) if masked and _is_hidden(name, held) else _plain(held, masked) for name, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one, masked) for one in value]
    return _plain(members(value), masked) if is_dataclass(value) else str(value)
