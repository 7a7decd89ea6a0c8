"""Which work queues runs are in, for many runs and queues at once."""

from collections import Counter, defaultdict


def by_queue(queues, kinds):
    """Return how many runs each queue has, as {name: number}, and how many runs are in no queue.

    `queues` are `app.domain.explanations.Queue`s, whose names differ; `kinds` are (deployment_id, tags, type of flow runner, number of
    runs). A run may be in several queues.
    """
    # most queues ask for a deployment or a tag, so that few have to be looked at for each kind of run
    of_deployment, of_tag, others = defaultdict(list), defaultdict(list), []
    for queue in queues:
        deployments, tags = queue.filter.get("deployment_ids"), queue.filter.get("tags")
        if deployments is not None:
            for id in set(deployments):
                of_deployment[id].append(queue)
        elif tags:
            of_tag[tags[0]].append(queue)
        else:
            others.append(queue)
    numbers, lost = Counter({queue.name: 0 for queue in queues}), 0
    for deployment_id, tags, runner, number in kinds:
        asked = [*of_deployment[str(deployment_id)], *(queue for tag in set(tags) for queue in of_tag[tag]), *others]
        matching = [queue.name for queue in asked if queue.matches(deployment_id, tags, runner)]
        numbers.update(dict.fromkeys(matching, number))
        lost += 0 if matching else number
    return dict(numbers), lost
