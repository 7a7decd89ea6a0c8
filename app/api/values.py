"""The values of the domain that request bodies describe."""

from app.domain.deployments import DeploymentChanges
from app.domain.runs import FlowRunChanges, NewFlowRun, NewTaskRun
from app.domain.schedules import parse
from app.domain.states import new_state


def deployment_changes(body):
    """Return the `DeploymentChanges` of a body."""
    values = _runner_split(body)
    if values.get("schedule") is not None:
        values["schedule"] = parse(values["schedule"])
    return DeploymentChanges(**values)


def new_flow_run(body, clock):
    """Return the `NewFlowRun` of a body. Without a flow runner, or with null, it is the deployment's."""
    body = {name: value for name, value in body.items() if (name, value) != ("flow_runner", None)}
    return NewFlowRun(**_runner_split(_state_made(body, clock)))


def flow_run_changes(body):
    """Return the `FlowRunChanges` of a body."""
    return FlowRunChanges(**_runner_split(body))


def new_task_run(body, clock):
    """Return the `NewTaskRun` of a body."""
    return NewTaskRun(**_state_made(body, clock))


def _runner_split(body):
    values = {name: value for name, value in body.items() if name != "flow_runner"}
    if "flow_runner" in body:
        runner = body["flow_runner"] or {}
        values |= {"flow_runner_type": runner.get("type"), "flow_runner_config": runner.get("config")}
    return values


def _state_made(body, clock):
    return body | ({"state": new_state(now=clock(), **body["state"])} if body.get("state") is not None else {})
