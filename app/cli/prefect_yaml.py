"""Today's prefect.yaml as deployments of a file."""

import json

from app.domain import schedules
from app.errors import InvalidSchedule

KINDS = {"cron": ("cron", "timezone", "day_or"), "interval": ("interval", "timezone", "anchor_date"), "rrule": ("rrule", "timezone")}
# what a schedule may have beside its kind's members: read here, or said to be left out
READ = ("active", "slug", "parameters")
CARRIED = ("name", "entrypoint", "flow_name", "parameters", "tags", "schedule", "schedules", "paused")


def read(document):
    """Return the deployments, as a file has them, of a prefect.yaml; what is wrong with it, and what is left out, each as (path, text)."""
    errors, left_out, found = [], [], []
    if not isinstance(document, dict) or not isinstance(document.get("deployments"), list):
        return [], [((), "has no list of deployments")], []
    left_out += [((name,), "is left out") for name in document if name != "deployments"]
    for place, one in enumerate(document["deployments"]):
        loc = ("deployments", place)
        if not isinstance(one, dict) or not isinstance(one.get("name"), str):
            errors.append((loc, "has no name"))
            continue
        left_out += [((*loc, name), "is left out") for name, value in one.items() if name not in CARRIED and value not in (None, {}, [])]
        found.append(_deployment(one, loc, errors, left_out))
    return found, errors, left_out


def _deployment(one, loc, errors, left_out):
    entrypoint = str(one.get("entrypoint") or "")
    # a flow without a name is called after its function, with hyphens
    flow = one.get("flow_name") or entrypoint.rpartition(":")[2].rpartition(".")[2].replace("_", "-")
    if not flow:
        errors.append((loc, "has neither entrypoint nor flow_name, so that its flow has no name"))
    deployment = {"flow": flow, "name": one["name"], "flow_data": {"encoding": "json", "blob": json.dumps(entrypoint)}}
    deployment |= {name: one[name] for name in ("parameters", "tags") if one.get(name)}
    if one.get("paused"):
        deployment["is_schedule_active"] = False
    listed = one.get("schedules")
    if listed:
        pairs = [((*loc, "schedules", place), schedule) for place, schedule in enumerate(listed)]
    else:
        pairs = [((*loc, "schedule"), one["schedule"])] if one.get("schedule") else []
    made = [_schedule(schedule, place, at, errors, left_out) for place, (at, schedule) in enumerate(pairs)]
    return deployment | {"schedules": [schedule for schedule in made if schedule]}


def _schedule(given, place, loc, errors, left_out):
    kinds = [kind for kind in KINDS if isinstance(given, dict) and given.get(kind) is not None]
    if len(kinds) != 1:
        errors.append((loc, f"must have exactly one of {', '.join(KINDS)}"))
        return None
    members = KINDS[kinds[0]]
    document = {name: given[name] for name in members if given.get(name) is not None}
    if document.get("anchor_date") and document.pop("timezone", None):
        left_out.append(((*loc, "timezone"), "is left out beside an anchor_date"))
    left_out += [((*loc, name), "is left out") for name, value in given.items() if name not in (*members, *READ) and value is not None]
    try:
        schedules.validate(document)
    except InvalidSchedule as error:
        errors.append(((*loc, error.field) if error.field else loc, error.reason))
    found = {"slug": str(given.get("slug") or ("default" if place == 0 else f"schedule-{place + 1}")), "schedule": document}
    if given.get("active") is False:
        found["is_active"] = False
    return found | ({"parameters": given["parameters"]} if given.get("parameters") else {})
