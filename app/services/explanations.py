"""Why a deployment does not run, and why a run does not start: the facts, each read once, and what they mean."""

from datetime import timedelta

from app.domain.explanations import Facts, explain, explain_ended_run, explain_held_run, explain_waiting_run
from app.domain.states import HELD
from app.repositories.heartbeats import SCHEDULER
from app.services.work_queues import filter_of

A_DAY = timedelta(days=1)


class ExplanationService:
    """Explains, and changes nothing."""

    def __init__(self, unit):
        self.unit, self.clock, self.facts = unit, unit.clock, unit.explanations

    def deployment(self, id):
        """Return the `Explanation` of a deployment. Raise NotFound."""
        return explain(self._facts(id))

    def run(self, run):
        """Return the `Reason`s why a run, a document, is where it is."""
        if run["state_type"] in HELD:
            return explain_held_run(run, self.facts.held_run(run["id"]), self.clock())
        waiting = self.facts.waiting_run(run["id"])
        if waiting is None:
            return explain_ended_run(run)
        return explain_waiting_run(waiting, None if waiting.deployment_id is None else self._facts(waiting.deployment_id, waiting.tags))

    def _facts(self, id, tags=None):
        now = self.clock()
        deployment = self.unit.deployments.stored(id)
        queues = self.facts.with_held(self.facts.queues(), lambda queue: filter_of(queue, state={"type": {"any_": HELD}}))
        return Facts(
            now=now,
            horizon=self.unit.policy.end(now),
            deployment=deployment,
            schedules=self.unit.deployment_schedules.of(id),
            waiting=self.facts.waiting(id),
            held=self.facts.held(id),
            not_started=self.facts.not_started(id, now - A_DAY),
            queues=queues,
            tag_limits=self.facts.tag_limits(tags or deployment.tags),
            scheduler=self.unit.heartbeats.last_of(SCHEDULER),
        )
