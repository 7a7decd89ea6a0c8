"""A flow for the real client: a task that fails once, a cached one, a subflow, two tasks that share a tag, and a line in the log.

It runs under the client's own Python, from the storage that a deployment put it in; so it imports nothing of this project.
"""

import time
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.context import get_run_context


@task(retries=1, retry_delay_seconds=0)
def fail_once(folder):
    """Fail the first time it is asked in a flow run."""
    marker = Path(folder) / f"failed-{get_run_context().task_run.flow_run_id}"
    if not marker.exists():
        marker.touch()
        raise ConnectionError("the first time fails")
    return "second time"


@task(cache_key_fn=lambda context, parameters: f"square of {parameters['number']} in {context.task_run.flow_run_id}")
def square(number):
    """The square of a number, computed once for every flow run."""
    return number * number


@task(tags=["scarce"])
def use_what_is_scarce(number):
    """Take a second under a tag that may be limited."""
    time.sleep(1)
    return number


@task
def add(numbers):
    """The sum of numbers."""
    return sum(numbers)


@flow
def total(numbers):
    """A subflow."""
    return add(numbers).result()


@flow
def etl(folder, scarce=0):
    """Do it all; `scarce` is how many tasks with the limited tag begin at once."""
    get_run_logger().info("etl begins in %s", folder)
    retried = fail_once(folder).result()
    first = square(7)
    first.wait()
    second = square(7)
    used = [use_what_is_scarce(number) for number in range(scarce)]
    whole = total([first, second])
    return retried, whole.result(), [future.result() for future in used]
