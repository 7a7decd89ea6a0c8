"""Runs a flow whose names are as long as they may be, and asks everything that the client can ask, with its own defaults. Prints counts."""

import asyncio
import json

from prefect import flow, get_run_logger, task
from prefect.client import get_client
from prefect.orion.schemas.filters import LogFilter

LONGEST = 255


@task(name="t" * LONGEST)
def work(number):
    """Log a line, of which one character is none."""
    get_run_logger().info("number %s \0 of some", number)
    return number


@flow(name="s" * LONGEST)
def inner():
    """A subflow."""
    return work(2).wait().result()


@flow(name="questions")
def outer():
    """The flow that is asked about."""
    return [work(1).wait().result(), inner().result()]


async def ask(flow_run_id):
    """How many of each kind the client finds."""
    async with get_client() as client:
        run = await client.read_flow_run(flow_run_id)
        found = {
            "flows": await client.read_flows(),
            "flow_runs": await client.read_flow_runs(),
            "task_runs": await client.read_task_runs(),
            "deployments": await client.read_deployments(),
            "work_queues": await client.read_work_queues(),
            "limits": await client.read_concurrency_limits(limit=10, offset=0),
            "block_schemas": await client.read_block_schemas(),
            "states": await client.read_flow_run_states(flow_run_id),
        }
        counts = {kind: len(rows) for kind, rows in found.items()}
        own, all_logs = LogFilter(flow_run_id={"any_": [run.id]}), await client.read_logs()
        lines = []
        # the client sends its logs in the background
        for _ in range(100):
            lines = [log.message for log in await client.read_logs(own)]
            if any("number 1" in line for line in lines):
                break
            await asyncio.sleep(0.1)
        return counts | {"lines": [line for line in lines if "number" in line], "has_logs": isinstance(all_logs, list)}


if __name__ == "__main__":
    state = outer()
    print(json.dumps({"result": state.result(), **asyncio.run(ask(state.state_details.flow_run_id))}))
