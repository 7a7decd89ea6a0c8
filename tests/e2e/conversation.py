"""A conversation to hold with two servers, and what is left of an answer when ids, clocks and random names are taken out of it.

`{name}` in a path or body stands for the id that an earlier step saved under that name.
"""

import difflib
import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.e2e.differences import DIFFERENCES, WORDS

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
ANONYMOUS = re.compile(r"(?<=^anonymous:)[0-9a-f]+$")
SETS = {"tags", "active_slots", "upstream_dependencies"}
# how long things took between two requests
CLOCK = {"estimated_start_time_delta", "estimated_run_time", "total_run_time", "sum_estimated_run_time", "sum_estimated_lateness"}
AGES = 100  # seconds: a longer delay counts down, and a second may pass between two servers
ABSENT = "00000000-0000-0000-0000-000000000000"


@dataclass
class Step:
    """One request. `save` names what its answer has `at` (keys with dots between). `differs` is a key of DIFFERENCES. `unordered`: the
    reference gives a list in the order of its random ids."""

    method: str
    path: str
    body: object = None
    save: str | None = None
    at: str = "id"
    differs: str | None = None
    unordered: bool = False
    headers: dict = field(default_factory=dict)


def post(path, body=None, **more):
    """A POST step; without a body it sends `{}`, since the reference takes some optional bodies only so."""
    return Step("POST", path, {} if body is None else body, **more)


def get(path, **more):
    """A GET step."""
    return Step("GET", path, **more)


def patch(path, body, **more):
    """A PATCH step."""
    return Step("PATCH", path, body, **more)


def put(path, body, **more):
    """A PUT step."""
    return Step("PUT", path, body, **more)


def delete(path, **more):
    """A DELETE step."""
    return Step("DELETE", path, **more)


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
            assert status < 400, f"{self.base} {step.method} {step.path} {step.body}: {status} {value}"
            self.ids[step.save] = _at(value, step.at)
        if status >= 400 or (step.differs and not DIFFERENCES[step.differs].ignored):
            # an answer that may differ must not shift the numbers of the ids that come after it
            value = json.loads(UUID.sub("(id)", json.dumps(value)))
        if step.unordered and isinstance(value, list):
            value = sorted(value, key=_without_ids)
        ignored = DIFFERENCES[step.differs].ignored if step.differs else ()
        return status, self.normalise(value, ignored=ignored)

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
        try:
            return status, json.loads(text) if text else None
        except ValueError:
            return status, {"text": text.decode()}

    def normalise(self, value, key=None, ignored=()):
        """`value` with ids numbered in the order they appear, the server's own clock and random names blanked, instants in UTC."""
        if isinstance(value, dict):
            return {name: self.normalise(inner, name, ignored) for name, inner in sorted(value.items()) if name not in ignored}
        if isinstance(value, list):
            # a set in the reference, and answered in the order of that
            return (_sorted if key in SETS else list)(self.normalise(inner, key, ignored) for inner in value)
        if key in WORDS and value is not None:
            return "(words)"
        if key in CLOCK and value is not None:
            return "(clock)"
        if key == "delay_seconds" and value > AGES:
            return "(ages)"
        if isinstance(value, str):
            text = UUID.sub(lambda match: self.seen.setdefault(match.group(), f"(id {len(self.seen)})"), value)
            text = ANONYMOUS.sub("(hash)", INSTANT.sub(_utc, text))
            return "(two words)" if key == "name" and re.fullmatch(r"[a-z]+-[a-z]+", text) else text
        return value


def complaint(step, ours, theirs):
    """What is wrong with two answers (each a status and a value) to one step, as a text; None where nothing is."""
    (our_status, our_answer), (their_status, their_answer) = ours, theirs
    difference = DIFFERENCES[step.differs] if step.differs else None
    if difference and difference.statuses:
        fits = (our_status, their_status) == difference.statuses
    elif difference and not difference.ignored:
        fits = our_status == their_status and our_answer != their_answer
    else:
        fits = our_status == their_status and (our_answer == their_answer or _same_error(our_status, our_answer, their_answer))
    if fits:
        return None
    lines = difflib.unified_diff(_lines(their_answer), _lines(our_answer), "theirs", "ours", n=1, lineterm="")
    return "\n".join([f"{step.method} {step.path} {step.body}: theirs {their_status}, ours {our_status}", *lines])


def _same_error(status, ours, theirs):
    """Whether a problem document refuses for the reference's reason. Clients print the `detail` of a 404, so it has to begin like the
    reference's; 422 has to be about members that the reference complains of."""
    if status < 400 or not isinstance(ours, dict) or not isinstance(ours.get("detail"), str):
        return False
    theirs = theirs if isinstance(theirs, dict) else {}
    if status == 404 and theirs.get("detail", theirs.get("message", "Not Found")) != "Not Found":
        return ours["detail"].casefold().startswith(_what_is_missing(theirs))
    if status == 422 and "exception_detail" in theirs:
        places = _places(theirs["exception_detail"])
        return bool(ours["errors"]) and (_places(ours["errors"]) <= places or ("body", "__root__") in places)
    return True


def _what_is_missing(error):
    """The reference's words for a 404, as "flow run not found"; one of them shows Python's own `id` in between."""
    return error.get("detail", error.get("message")).replace(" <built-in function id>", "").casefold()


def _places(errors):
    """The members of the request that errors are about."""
    return {tuple(error["loc"][:2]) for error in errors}


def _sorted(values):
    return sorted(values, key=json.dumps)


def _lines(value):
    return json.dumps(value, indent=1).splitlines()


def _at(value, path):
    for key in path.split("."):
        value = value[key]
    return value


def _without_ids(value):
    """A sort key that is the same on both servers: the value as text without ids and without what lies near the present."""
    return INSTANT.sub(_utc, UUID.sub("", json.dumps(value, sort_keys=True)))


def _utc(match):
    instant = datetime.fromisoformat(match.group()).astimezone(UTC)
    # what lies near the present came from a server's clock
    if abs((datetime.now(UTC) - instant).total_seconds()) < 300:
        return "(clock)"
    return instant.isoformat()
