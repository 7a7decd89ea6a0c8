"""Changing many flow runs at once: those that meet filters, in one transaction."""

from app.domain.audit import recorded


class BulkRunService:
    """Sets the states of flow runs, and deletes them, each as if it were the only one."""

    def __init__(self, unit):
        self.unit, self.session, self.flow_runs = unit, unit.session, unit.flow_runs

    def set_state(self, filters, state, limit, *, is_dry, force=False):
        """Propose the State `state` for up to `limit` of the runs that meet `filters`, the oldest first; with `force`, ask no rule.

        Return how many runs met the filters (`matched`), how many were `changed`, and which were `refused`, with the reason.
        """

        def propose(id):
            outcome = self.unit.orchestration.set_flow_run_state(id, state, force)
            if outcome["status"] == "ACCEPT":
                return None
            return {"id": id, "status": outcome["status"], "reason": outcome["details"]["reason"]}

        facts = {"state_type": state.type, "state_name": state.name, "force": force}
        return self._change(filters, limit, is_dry, propose, **facts)

    def delete(self, filters, limit, *, is_dry):
        """Delete up to `limit` of the runs that meet `filters`, the oldest first. Return what `set_state` does."""
        return self._change(filters, limit, is_dry, self.flow_runs.delete)

    def _change(self, filters, limit, is_dry, change, **facts):
        """Call `change(id)`, which returns None or why it was refused, for each run. Take it all back where it `is_dry`.

        The audit trail has one entry for all of them.
        """
        # a dry run does what the real thing does, so that they agree
        trial = self.session.begin_nested() if is_dry else None
        matched = self.flow_runs.count(filters)
        outcomes = [change(id) for id in self.flow_runs.lock_found(filters, limit)]
        refused = [outcome for outcome in outcomes if outcome is not None]
        if trial is not None:
            trial.rollback()
        changed = len(outcomes) - len(refused)
        if changed and not is_dry:
            counts = {"matched": matched, "changed": changed, "refused": len(refused)}
            self.unit.trail.note(None, None, filter=recorded(filters), **counts, **facts)
        return {"matched": matched, "changed": changed, "refused": refused}
