"""What has become of runs, for tests: written into the database, as a worker's reports would be."""

from uuid import UUID

from sqlalchemy import update

from app.db.models import FlowRun

FLOW_RUN = FlowRun.__table__
STARTED = ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED")


def enter_state(client, run, state_type):
    """Put a flow run (a document) into a state of a type."""
    database = client.application.extensions["mintaka"].database
    with database.transaction() as session:
        values = {"state_type": state_type, "state_name": state_type.capitalize()}
        session.execute(update(FLOW_RUN).where(FLOW_RUN.c.id == UUID(run["id"])).values(values))


def start_some(client, runs):
    """Put the first runs of a list into the states that follow SCHEDULED, one each. Returns those runs."""
    started = runs[: len(STARTED)]
    for run, state_type in zip(started, STARTED, strict=True):
        enter_state(client, run, state_type)
    return started
