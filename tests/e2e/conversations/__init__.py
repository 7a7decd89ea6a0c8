"""What is said to both servers, by resource. Each conversation begins with an empty database."""

from tests.e2e.conversations import blocks, catalogue, observation, orchestration, runs, work_queues

CONVERSATIONS = {
    "catalogue": catalogue.CONVERSATION,
    "runs": runs.CONVERSATION,
    "orchestration": orchestration.CONVERSATION,
    "work queues": work_queues.CONVERSATION,
    "blocks": blocks.CONVERSATION,
    # the last: it drops the database, and makes it anew
    "observation": observation.CONVERSATION,
}
