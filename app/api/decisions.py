"""What the rules of orchestration decided about a state that a client proposed."""

from app.api.http import count, parts


def decided(kind, outcome):
    """Count a decision about a run of `kind`. Return the answer of the route, of what the orchestration returned."""
    rule = outcome.pop("rule") or "none"
    count(parts().metrics.decisions.labels(kind, outcome["status"].lower(), rule))
    return outcome, 200 if outcome["state"] is None else 201
