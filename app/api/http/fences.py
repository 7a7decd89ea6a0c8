"""What a key with tags reaches: each route says how it is fenced in, and one that does not is closed to such keys.

A rule is a function `rule(fence, view, *args, **kwargs)` that calls the view and returns what is answered, in the transaction of the view.
"""

from functools import wraps

from flask import g

from app.api.http.transaction import unit_of_work
from app.errors import Conflict, NotFound
from app.services.fence import Fence


def fenced(rule):
    """Decorate a view, below `transaction`, whose `rule` says what a key with tags reaches through it."""

    def decorate(view):
        @wraps(view)
        def inside(*args, **kwargs):
            key = g.get("key")
            if key is None or not key.tags:
                return view(*args, **kwargs)
            unit = unit_of_work()
            unit.fence = Fence(unit, key.tags)
            return rule(unit.fence, view, *args, **kwargs)

        inside.fence = rule  # pyright: ignore[reportAttributeAccessIssue] -- the stub of wraps knows no attributes of functions
        return inside

    return decorate


def unfenced(view):
    """Decorate a view that shows nothing of what anybody has stored, and changes nothing of it."""
    view.fence = None
    return view


def fenced_within(view):
    """Decorate a view that calls a function which is `fenced`, in a transaction of its own."""
    view.fence = None
    return view


def by_id(kind):
    """Return the rule of what is done to the object of a kind whose id is in the path."""

    def rule(fence, view, *args, id, **kwargs):
        fence.require(kind, id)
        return view(*args, id=id, **kwargs)

    return rule


def change(kind):
    """Return the rule of a change of such an object, which keeps the tags of the fence."""

    def rule(fence, view, changes, *, id):
        fence.require(kind, id)
        return view(fence.changed(changes), id=id)

    return rule


def listing(entity):
    """Return the rule of a body with filters on objects of an entity."""
    return lambda fence, view, body: view(fence.narrowed(entity, body))


def bulk_pause(fence, view, asked):
    """Narrow down which deployments are paused."""
    pause, filters = asked
    return view((pause, fence.narrowed("deployments", filters)))


def new_flow_run(fence, view, new, **path):
    """Make a run inside, of what is inside. An idempotency key finds none outside."""
    if path:
        fence.require("Deployment", path["id"])
    fence.check_reference("Deployment", new.deployment_id)
    fence.check_reference("Task run", new.parent_task_run_id)
    return _made(fence, "Flow run", view(fence.made(new), **path))


def new_task_run(fence, view, new):
    """Make a task run of a flow run inside. It has the tags of the request alone, which count for concurrency limits."""
    fence.check_reference("Flow run", new.flow_run_id)
    return _made(fence, "Task run", view(new))


def history(kind, parameter):
    """Return the rule of a list of the states of a run, which a query parameter names. A run that does not exist has none."""
    return lambda fence, view, query: view(query) if fence.encloses(kind, query[parameter]) else []


def deployment_by_names(fence, view, **names):
    """Require the deployment that the path names."""
    fence.require("Deployment", fence.unit.deployments.read_by_names(names["flow_name"], names["deployment_name"])["id"])
    return view(**names)


def flow_by_name(fence, view, name):
    """Require the flow that the path names."""
    fence.require("Flow", fence.unit.flows.read_by_name(name)["id"])
    return view(name=name)


def new_deployment(fence, view, changes):
    """Let the service make or change a deployment inside: it knows which of both once it has locked the row."""
    return view(changes)


def any_flow(fence, view, body):
    """Let a flow be found or made: it is a name, which deployments and runs with any tags may share."""
    return view(body)


def new_logs(fence, view, given):
    """Require the flow runs that lines are of."""
    for id in {line["flow_run_id"] for line in given}:
        fence.check_reference("Flow run", id)
    return view(given)


def new_queue(fence, view, body):
    """Make a work queue of runs inside."""
    return view(_of_runs_inside(fence, body))


def queue_change(fence, view, body, *, id):
    """Change a work queue so that it stays one of runs inside."""
    fence.require_queue(id)
    return view(_of_runs_inside(fence, body) if "filter" in body else body, id=id)


def queue_by_id(fence, view, *args, id):
    """Require the work queue whose id is in the path."""
    fence.require_queue(id)
    return view(*args, id=id)


def queue_by_name(fence, view, name):
    """Require the work queue that the path names."""
    fence.require_queue(fence.unit.work_queues.read_by_name(name)["id"])
    return view(name=name)


def queues(fence, view, body):
    """List the work queues inside."""
    bearing = fence.unit.bearers.queues(fence.tags)
    inside = [queue for queue in fence.unit.work_queues.list() if queue["id"] in bearing]
    return inside[body["offset"] :][: body["limit"]]


def _of_runs_inside(fence, body):
    return body | {"filter": body["filter"] | {"tags": fence.with_tags(body["filter"]["tags"])}}


def _made(fence, kind, result):
    """Return the result of a view that has made an object. Raise Conflict, which undoes it, where it found one outside instead."""
    document, _ = result
    try:
        fence.require(kind, document["id"])
    except NotFound:
        raise Conflict("What identifies this run is taken by one that the key does not reach.") from None
    return result
