"""The fence around a key that was made with tags: it sees and changes what bears all of them, and what it makes bears them."""

from dataclasses import replace

from app.domain.unset import UNSET
from app.errors import Conflict, NotFound


class Fence:
    """The fence of `tags` around what one unit of work does."""

    def __init__(self, unit, tags):
        self.unit, self.tags = unit, sorted(tags)

    def encloses(self, kind, id):
        """Return whether an object is there, and inside. `kind` is one of `app.repositories.fences.BEARERS`."""
        return self.unit.bearers.bears(kind, id, self.tags)

    def require(self, kind, id):
        """Raise NotFound for an object that is outside, as if it were not there."""
        if not self.encloses(kind, id):
            raise NotFound(kind)

    def check_reference(self, kind, id):
        """Raise Conflict where a new object refers to one that is outside, as if that were not there."""
        if id is not None and not self.encloses(kind, id):
            raise Conflict("The request refers to something that does not exist.")

    def require_queue(self, id):
        """Raise NotFound for a work queue that is outside."""
        if not self.unit.bearers.queues(self.tags, id):
            raise NotFound("Work queue")

    def admit(self, deployment):
        """Raise Conflict for a stored deployment that is outside, whose name somebody inside has asked for."""
        if not set(self.tags) <= set(deployment.tags):
            raise Conflict("The name is taken by a deployment of this flow that the key does not reach.")

    def with_tags(self, tags):
        """Return tags that were asked for with those of the fence."""
        return list(dict.fromkeys([*(tags or ()), *self.tags]))

    def made(self, value):
        """Return a value of a new object, with `tags`, as it is inside."""
        return replace(value, tags=self.with_tags(None if value.tags is UNSET else value.tags))

    def changed(self, changes):
        """Return changes of an object inside that keep it there."""
        return changes if changes.tags is UNSET else self.made(changes)

    def narrowed(self, entity, filters):
        """Return filters on `entity` that only what is inside meets. What they ask of related objects they ask of those inside."""
        bearing = {"task_runs": "flow_runs", "logs": "flow_runs", "flows": "deployments"}.get(entity, entity)
        asked = {name for name in ("deployments", "flow_runs") if filters.get(name) is not None}
        if filters.get("task_runs") is not None:
            asked.add("flow_runs")
        return filters | {name: self._narrowed(filters.get(name) or {}) for name in asked | {bearing}}

    def _narrowed(self, criteria):
        tags = criteria.get("tags") or {}
        return criteria | {"tags": tags | {"all_": [*(tags.get("all_") or ()), *self.tags]}}
