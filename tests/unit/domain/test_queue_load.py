"""Runs by work queue: the same numbers as asking each queue about each run."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.domain.explanations import Queue
from app.domain.queue_load import by_queue

IDS = [UUID(int=number) for number in range(3)]
TAGS, RUNNERS = ["a", "b", "c"], ["subprocess", "docker", None]

filters = st.fixed_dictionaries(
    {},
    optional={
        "tags": st.none() | st.lists(st.sampled_from(TAGS), max_size=2),
        "deployment_ids": st.none() | st.lists(st.sampled_from([str(id) for id in IDS]), max_size=3),
        "flow_runner_types": st.none() | st.lists(st.sampled_from(["subprocess", "docker"]), max_size=2),
    },
)
kinds = st.tuples(st.sampled_from(IDS), st.lists(st.sampled_from(TAGS), max_size=4), st.sampled_from(RUNNERS), st.integers(1, 9))


def is_in(asked, deployment_id, tags, runner):
    """Whether a queue with the filter `asked` hands out such a run, by the words of the API document."""
    has_tags = all(tag in tags for tag in asked.get("tags") or [])
    of_deployment = asked.get("deployment_ids") is None or str(deployment_id) in asked["deployment_ids"]
    return has_tags and of_deployment and (asked.get("flow_runner_types") is None or runner in asked["flow_runner_types"])


@given(st.lists(filters, max_size=6), st.lists(kinds, max_size=8))
def test_the_numbers_are_those_of_asking_each_queue_about_each_run(asked, kinds):
    queues = [Queue(UUID(int=99 - number), str(number), one, False, None, None) for number, one in enumerate(asked)]
    numbers, lost = by_queue(queues, kinds)
    expected = {str(number): sum(kind[3] for kind in kinds if is_in(one, *kind[:3])) for number, one in enumerate(asked)}
    assert numbers == expected
    assert lost == sum(kind[3] for kind in kinds if not any(is_in(one, *kind[:3]) for one in asked))
