"""Pauses that end: the deployments are switched on again, and have runs from then on."""

from app.scheduler.passes import BatchedPass

BATCH_SIZE = 20


class PauseEnd(BatchedPass):
    """Activates deployments whose pause was to last until now. Any number of processes may run it: each pause is ended once."""

    name = "ended pauses"
    noun, done = "pause", "ended"

    def __init__(self, parts, batch_size=BATCH_SIZE):
        super().__init__(parts, batch_size)

    def batch(self, unit, now):
        """End the pauses that should have ended longest ago. Return how many."""
        return unit.deployment_service.end_pauses(self.batch_size)
