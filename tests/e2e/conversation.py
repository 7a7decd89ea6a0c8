"""A conversation to hold with two servers, and what is left of an answer when ids, clocks and random names are taken out of it.

`{name}` in a path or body stands for the id that an earlier step saved under that name.
"""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
CLOCK = {"created", "updated", "timestamp", "estimated_start_time_delta", "estimated_run_time"}
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
ABSENT = "00000000-0000-0000-0000-000000000000"


@dataclass
class Step:
    """One request. `save` names the id of its answer; `differs` says why the answers may not be compared beyond their statuses."""

    method: str
    path: str
    body: object = None
    save: str | None = None
    differs: str | None = None
    ignore: tuple = ()
    headers: dict = field(default_factory=dict)


def post(path, body=None, **more):
    """A POST step; without a body it sends `{}`, since the reference takes some optional bodies only so."""
    return Step("POST", path, {} if body is None else body, **more)


def get(path, **more):
    """A GET step."""
    return Step("GET", path, **more)


class Speaker:
    """Holds a conversation with one server, and remembers ids."""

    def __init__(self, base):
        self.base = base
        self.ids = {}
        self.seen = {}

    def say(self, step):
        """(status, normalised answer) of one step."""
        status, value = self._send(step.method, self._fill(step.path), step.body, step.headers)
        if step.save:
            self.ids[step.save] = (value[0] if isinstance(value, list) else value)["id"]
        return status, self.normalise(value, ignore=step.ignore)

    def _fill(self, text):
        return re.sub(r"\{(\w+)\}", lambda match: self.ids[match.group(1)], text)

    def _send(self, method, path, body, headers):
        data = None if body is None else self._fill(json.dumps(body).replace("{}", "\0")).replace("\0", "{}").encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json", **headers}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        return status, json.loads(text) if text else None

    def normalise(self, value, key=None, ignore=()):
        """`value` with ids numbered in the order they appear, the server's own clock and random names blanked, instants in UTC."""
        if isinstance(value, dict):
            return {name: self.normalise(inner, name, ignore) for name, inner in value.items() if name not in ignore}
        if key == "tags":
            # the reference joins tags through a set, and answers them in the order of that
            return sorted(value)
        if isinstance(value, list):
            return [self.normalise(inner, key, ignore) for inner in value]
        if key in CLOCK and value is not None:
            return "(clock)"
        if isinstance(value, str):
            text = UUID.sub(lambda match: self.seen.setdefault(match.group(), f"(id {len(self.seen)})"), value)
            text = INSTANT.sub(_utc, text)
            return "(two words)" if key == "name" and re.fullmatch(r"[a-z]+-[a-z]+", text) else text
        return value


def _utc(match):
    instant = datetime.fromisoformat(match.group()).astimezone(UTC)
    # what lies near the present came from a server's clock
    if abs((datetime.now(UTC) - instant).total_seconds()) < 300:
        return "(clock)"
    return instant.isoformat()
