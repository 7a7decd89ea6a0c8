"""Where Mintaka answers otherwise than the reference, on purpose. docs/differences.rst has each entry; nothing else may differ."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """`row` is the subject of its row in docs/differences.rst, as written there.

    `statuses` are (ours, theirs) where these differ, `ignored` the only members of the answer that do; with neither, the answers differ
    as a whole.
    """

    row: str
    statuses: tuple = ()
    ignored: tuple = ()


DIFFERENCES = {
    "the key of a scheduled run": Difference("Key of a scheduled run", ignored=("idempotency_key",)),
    "an absent deployment": Difference("``/schedule`` on a missing deployment", statuses=(404, 200)),
    "an update keeps": Difference("Updating a deployment"),
    "too many runs": Difference("``max_runs``", statuses=(422, 200)),
    "an interval with a zone": Difference("Interval with a ``timezone``", statuses=(201, 500)),
    "six fields": Difference("Cron", statuses=(422, 201)),
    "a rule that is none": Difference("RRule", statuses=(422, 201)),
    "no body": Difference("No body", statuses=(201, 422)),
    "an instant without an offset": Difference("Instants without an offset", statuses=(200, 500)),
    "an unknown field": Difference("Unknown fields", statuses=(422, 200)),
    "a text for a number": Difference("Types", statuses=(422, 200)),
    "a list for an object": Difference("Types", statuses=(422, 201)),
    "an empty name": Difference("Names of flows and deployments", statuses=(422, 201)),
    "no logs": Difference("``POST /logs/`` with an empty list", statuses=(201, 409)),
    "a constant in a graph": Difference("``/flow_runs/{id}/graph``", statuses=(200, 500)),
    "a limit of 0": Difference("Work queue with a limit of 0"),
    "a polled queue": Difference("Deleting a work queue", statuses=(204, 409)),
    "a malformed id": Difference("Malformed ids", statuses=(422, 500)),
    "an unknown reference": Difference("References between blocks", statuses=(422, 500)),
    "a slot of one's own": Difference("Concurrency limits", statuses=(201, 200)),
    "a slot while waiting": Difference("Concurrency limits", ignored=("active_slots",)),
    "the wrong thing is missing": Difference("Errors", statuses=(404, 404)),
    "settings": Difference("``GET /api/admin/settings``"),
    "an end before the time": Difference("Ending a run before its time", statuses=(201, 200)),
    "a wildcard": Difference("``like_``"),
}

# members of answers that are sentences for people, with the row of docs/differences.rst that says so
WORDS = {"reason": "Reasons of ``set_state``"}
