"""Making a server what a file says, by the rules of the API, and saying in a file what a server is."""

from contextlib import contextmanager
from dataclasses import replace

from app.domain.files import KINDS, Change, Named, RefusedFile
from app.domain.json_values import same_json
from app.errors import InvalidField, NotFound
from app.services.file_members import PARTS, deployment_ids, deployment_of, flow_of, limit_of, queue_of

# What a new work queue has that a file does not say
NEW_QUEUE = {
    "filter": {"tags": None, "deployment_ids": None, "flow_runner_types": None},
    "description": "",
    "is_paused": False,
    "concurrency_limit": None,
}


class FileService:
    """Files of flows, deployments, concurrency limits and work queues."""

    def __init__(self, unit):
        self.unit, self.session = unit, unit.session

    def apply(self, wanted, set_name):
        """Make the server what `wanted` says. Return a Change for each thing, in its order. Raise RefusedFile, with all that is wrong.

        What is as it is wanted already is not written. What is new is noted as made by `set_name`.
        """
        changes, errors = [], []
        for kind in KINDS:
            for place, one in enumerate(getattr(wanted, kind)):
                try:
                    changes += getattr(self, f"_apply_{kind}")(one, set_name)
                except InvalidField as error:
                    errors.append(((kind, place, *error.loc), error.reason))
        if errors:
            raise RefusedFile(errors)
        return changes

    def prune(self, wanted, set_name):
        """Delete what an earlier apply of `set_name` made, and none of `wanted` names. Return the Changes.

        A flow that has deployments or runs is kept.
        """
        named = {(kind, name) for one in wanted for kind, name in one.names()}
        made = [(kind, id, self._read(kind, id)) for kind, id in self.unit.applied.of_set(set_name)]
        changes = []
        # what refers to another thing goes first
        for kind in reversed(KINDS):
            for _, id, found in (one for one in made if one[0] == kind):
                if found is None:
                    self.unit.applied.forget(kind, id)
                elif (kind, found[0]) not in named:
                    changes.append(self._delete(kind, id, *found))
        return changes

    def export(self, filters=None):
        """Return the document of a file that says what the server has; with `filters`, the deployments that meet them, and their flows."""
        flows = {flow["id"]: flow for flow in self.unit.flows.find({}, None)}
        deployments = self.unit.deployments.find(filters or {}, None)
        of_flow = [(flows[found["flow_id"]]["name"], found) for found in deployments]
        used = {found["flow_id"] for found in deployments}
        document = {
            "flows": [flow_of(flow) for id, flow in flows.items() if not filters or id in used],
            "deployments": [
                deployment_of(self.unit, found, name) for name, found in sorted(of_flow, key=lambda one: (one[0], one[1]["name"]))
            ],
        }
        if not filters:
            document["concurrency_limits"] = [limit_of(limit) for limit in self.unit.concurrency_limits.list()]
            document["work_queues"] = [queue_of(self.unit, queue) for queue in self.unit.work_queues.list()]
        return {kind: found for kind, found in document.items() if found}

    def _apply_flows(self, wanted, set_name):
        name = wanted["name"]

        def write(found):
            flow, _ = self.unit.flows.create(name, wanted.get("tags", []))
            if found is not None and "tags" in wanted:
                self.unit.flows.update(flow["id"], {"tags": wanted["tags"]})

        return [self._settle("flows", name, lambda: self._found(self.unit.flows.read_by_name, name), flow_of, write, set_name)]

    def _apply_deployments(self, wanted, set_name):
        unit, names = self.unit, wanted.names
        flows = self._apply_flows({"name": names.flow}, set_name)
        flow_id = unit.flows.read_by_name(names.flow)["id"]
        changes = replace(wanted.changes, flow_id=flow_id)

        def write(found):
            deployment, _ = unit.deployment_service.upsert(changes)
            for name, value in wanted.parts.items():
                _, put = PARTS[name]
                with _below(name):
                    put(unit, deployment["id"], value)

        change = self._settle(
            "deployments",
            str(names),
            lambda: self._found(unit.deployments.read_by_names, *names),
            lambda found: deployment_of(unit, found, names.flow),
            write,
            set_name,
        )
        # a flow that only its deployments name is worth a word when it is new
        return [*(flow for flow in flows if flow.action == "created"), change]

    def _apply_concurrency_limits(self, wanted, set_name):
        limits, tag = self.unit.concurrency_limits, wanted["tag"]

        def write(found):
            limits.put(tag, wanted["concurrency_limit"])

        return [self._settle("concurrency_limits", tag, lambda: self._found(limits.read_by_tag, tag), limit_of, write, set_name)]

    def _apply_work_queues(self, wanted, set_name):
        queues, name = self.unit.work_queues, wanted["name"]
        if "filter" in wanted:
            asked = dict(wanted["filter"])
            names = asked.pop("deployments")
            ids = None if names is None else deployment_ids(self.unit, names)
            wanted = wanted | {"filter": asked | {"deployment_ids": ids}}

        def write(found):
            if found is None:
                queues.create(NEW_QUEUE | wanted)
            else:
                queues.update(found["id"], {key: value for key, value in wanted.items() if key != "name"})

        def show(found):
            return queue_of(self.unit, found)

        return [self._settle("work_queues", name, lambda: self._found(queues.read_by_name, name), show, write, set_name)]

    def _settle(self, kind, name, read, show, write, set_name):
        """Write a thing, unless that leaves it as it is. Return the Change."""
        found = read()
        before = None if found is None else show(found)
        savepoint = self.session.begin_nested()
        try:
            write(found)
        except Exception:
            savepoint.rollback()
            raise
        made = read()
        after = show(made)
        if found is not None and same_json(before, after):
            # nothing is touched, not even when it was changed last
            savepoint.rollback()
            self.unit.applied.take_over(set_name, kind, found["id"])
            return Change(kind=kind, name=name, action="unchanged", before=before, after=after)
        savepoint.commit()
        if found is None:
            self.unit.applied.record(set_name, kind, made["id"])
        else:
            self.unit.applied.take_over(set_name, kind, made["id"])
        return Change(kind=kind, name=name, action="created" if found is None else "changed", before=before, after=after)

    def _read(self, kind, id):
        """Return the name of a thing and what a file has of it, or None if it is gone."""
        unit = self.unit
        document = self._found(getattr(unit, kind).require, id)
        if document is None:
            return None
        if kind == "flows":
            return document["name"], flow_of(document)
        if kind == "deployments":
            names = Named(unit.flows.require(document["flow_id"])["name"], document["name"])
            return str(names), deployment_of(unit, document, names.flow)
        if kind == "concurrency_limits":
            return document["tag"], limit_of(document)
        return document["name"], queue_of(unit, document)

    def _delete(self, kind, id, name, before):
        unit = self.unit
        if kind == "flows":
            of_flow = {"flows": {"id": {"any_": [id]}}}
            if unit.deployments.count(of_flow) or unit.flow_runs.count(of_flow):
                return Change(kind=kind, name=name, action="kept", before=before, reason="it has deployments or runs")
        if kind == "deployments":
            unit.deployment_service.delete(id)
        else:
            getattr(unit, kind).delete(id)
        unit.applied.forget(kind, id)
        return Change(kind=kind, name=name, action="deleted", before=before)

    @staticmethod
    def _found(read, *key):
        try:
            return read(*key)
        except NotFound:
            return None


@contextmanager
def _below(name):
    """Say of an InvalidField in the block that its field is below `name`."""
    try:
        yield
    except InvalidField as error:
        raise InvalidField(f"{name}.{error.field}", error.reason, error.kind) from error
