"""Things as files have them: read from the server with names for ids, and without what has its default."""

import json
from uuid import UUID

from app.domain import json_values
from app.domain.deployment_schedules import DEFAULT, SHAPE
from app.domain.files import Named
from app.domain.start_policy import NO_POLICY
from app.errors import InvalidField, NotFound


def plain(document):
    """Return a document of the API as plain JSON values."""
    # not orjson's: it reads a whole number over 64 bits as a float
    return json.loads(json_values.dumps(document))


def flow_of(document):
    """Return a flow as a file has it."""
    return _with({"name": document["name"]}, tags=plain(document)["tags"])


def limit_of(document):
    """Return a concurrency limit as a file has it."""
    return {name: document[name] for name in ("tag", "concurrency_limit")}


def queue_of(unit, document):
    """Return a work queue as a file has it. Deployments that are gone are left out of its filter: they have no runs that wait."""
    found = plain(document)
    asked = {name: value for name, value in found["filter"].items() if value is not None}
    if "deployment_ids" in asked:
        asked["deployments"] = _names(unit, [UUID(id) for id in asked.pop("deployment_ids")])
    queue = _with({"name": found["name"]}, filter=asked, description=found["description"], is_paused=found["is_paused"])
    if found["concurrency_limit"] is not None:
        queue["concurrency_limit"] = found["concurrency_limit"]
    return queue


def deployment_of(unit, document, flow_name):
    """Return a deployment as a file has it."""
    found = plain(document)
    deployment = {"flow": flow_name, "name": found["name"], "flow_data": found["flow_data"]}
    runner = {name: value for name, value in found["flow_runner"].items() if value is not None}
    deployment = _with(deployment, parameters=found["parameters"], tags=found["tags"], flow_runner=runner)
    if not found["is_schedule_active"]:
        deployment["is_schedule_active"] = False
    for name, (read, _) in PARTS.items():
        deployment = _with(deployment, **{name: read(unit, document["id"])})
    stored = [_schedule_of(schedule) for schedule in unit.deployment_schedules.of(document["id"])]
    if len(stored) == 1 and stored[0].keys() == {"slug", "schedule"} and stored[0]["slug"] == DEFAULT:
        return deployment | {"schedule": stored[0]["schedule"]}
    return _with(deployment, schedules=stored)


def deployment_ids(unit, names):
    """Return the ids, as text, of the deployments that texts FLOW/NAME name. Raise InvalidField for one that there is not."""
    found = []
    for place, text in enumerate(names):
        try:
            flow, name = text.split("/")
            found.append(str(unit.deployments.read_by_names(flow, name)["id"]))
        except (ValueError, NotFound):
            raise InvalidField(f"filter.deployments.{place}", "There is no such deployment; give FLOW/NAME.") from None
    return found


def _names(unit, ids):
    documents = unit.deployments.find({"deployments": {"id": {"any_": ids}}}, None)
    flows = {document["flow_id"]: unit.flows.require(document["flow_id"])["name"] for document in documents}
    names = {document["id"]: Named(flows[document["flow_id"]], document["name"]) for document in documents}
    return [str(names[id]) for id in ids if id in names]


def _schedule_of(schedule):
    shape = {name: schedule.members[name] for name, default in SHAPE.items() if schedule.members[name] != default}
    plain = schedule.members["schedule"]
    plain = {name: value for name, value in plain.items() if value is not None and (name, value) != ("day_or", True)}
    found = {"slug": schedule.slug, "schedule": plain} | shape
    if not schedule.is_active:
        found["is_active"] = False
    found = _with(found, parameters=schedule.parameters)
    return found if schedule.max_scheduled_runs is None else found | {"max_scheduled_runs": schedule.max_scheduled_runs}


def _with(document, **members):
    """Return `document` with those `members` that are not empty."""
    return document | {name: value for name, value in members.items() if value}


def _pause_of(unit, id):
    pause = unit.deployments.pause_of(id)
    return {name: value for name, value in plain({"note": pause["note"], "until": pause["until"]}).items() if value is not None}


def _pause(unit, id, wanted):
    unit.deployment_service.pause(id, **wanted)


def _policy_of(unit, id):
    policy = unit.deployments.start_policy_of(id)
    return plain({name: value for name, value in vars(policy).items() if value != getattr(NO_POLICY, name)})


def _set_policy(unit, id, wanted):
    unit.deployment_service.change_start_policy(id, wanted)


# name: how it is read as files have it, and how it is set. What is read as empty is left out of a file
PARTS = {"pause": (_pause_of, _pause), "policy": (_policy_of, _set_policy)}
