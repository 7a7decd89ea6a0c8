"""Crontabs, as crontab(5) has them, as deployments of a file."""

import re
from dataclasses import dataclass

from app.domain import schedules
from app.errors import InvalidSchedule

_VARIABLE = re.compile(r"""\s*(?:"([^"]+)"|'([^']+)'|([A-Za-z_]\w*))\s*=\s*(.*?)\s*""")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
MAX_NAME = 60


@dataclass(frozen=True)
class Entry:
    """An entry of a crontab: a deployment as a file has it, and the comments above it."""

    deployment: dict
    comments: list[str]


def read(text, flow, has_users=False):
    """Return the Entries of a crontab, and what is wrong with it as pairs of a line and a reason.

    With `has_users` a user precedes each command.
    """
    entries, errors, comments, variables, names = [], [], [], {}, set()
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped:
            comments = []
        elif stripped.startswith("#"):
            comments.append(stripped.lstrip("#").strip())
        elif found := _VARIABLE.fullmatch(line):
            variables = variables | {found[1] or found[2] or found[3]: _unquoted(found[4])}
            comments = []
        else:
            try:
                entries.append(Entry(_deployment(stripped, flow, has_users, variables, names), comments))
            except ValueError as error:
                errors.append((number, str(error)))
            comments = []
    return entries, errors


def _deployment(line, flow, has_users, variables, names):
    count = 1 if line.startswith("@") else 5
    parts = line.split(None, count + has_users)
    if len(parts) <= count + has_users:
        wanted = f"{'an alias' if count == 1 else 'five fields'}, {'a user and ' if has_users else ''}a command"
        raise ValueError(f"has not all of {wanted}")
    if parts[0].lower() == "@reboot":
        raise ValueError("@reboot has no times; allowed are five fields, and @hourly, @daily, @weekly, @monthly, @yearly and their like")
    schedule: dict[str, object] = {"cron": " ".join(parts[:count])}
    if zone := variables.get("CRON_TZ"):
        schedule["timezone"] = zone
    if count == 5 and _both_days(parts[2], parts[4]):
        schedule["day_or"] = False
    try:
        schedules.validate(schedule)
    except InvalidSchedule as error:
        raise ValueError(f"{error.field or 'the schedule'} {error.reason}") from None
    command, stdin = _command(parts[-1])
    parameters = {"command": command}
    if stdin is not None:
        parameters["stdin"] = stdin
    if has_users:
        parameters["user"] = parts[count]
    if environment := {name: value for name, value in variables.items() if name != "CRON_TZ"}:
        parameters["env"] = environment
    return {
        "flow": flow,
        "name": _name(command, names),
        "flow_data": {"encoding": "crontab", "blob": line},
        "parameters": parameters,
        "schedule": schedule,
    }


def _both_days(day, weekday):
    """Return whether both must match: cron asks for either only where neither field begins with a star."""
    return (day[0] == "*" or weekday[0] == "*") and "*" not in (day, weekday)


def _command(text):
    """Return the command, and what it is given on standard input: what follows the first % that has no backslash, % being a line break."""
    command, *lines = (part.replace("\\%", "%") for part in re.split(r"(?<!\\)%", text))
    return command.strip(), "\n".join(lines) + "\n" if lines else None


def _name(command, names):
    """Return a name made of a command, which none of `names` is, and add it."""
    base = _NOT_IN_NAMES.sub("-", command).strip("-")[:MAX_NAME].strip("-") or "command"
    name, number = base, 1
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name


def _unquoted(value):
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
