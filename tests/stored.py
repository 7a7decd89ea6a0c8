"""Deployments and their schedules as they are stored, read and changed past the API."""

from types import SimpleNamespace
from uuid import UUID

from sqlalchemy import select, update

from app.db.models import Deployment, DeploymentSchedule

DEPLOYMENT, SCHEDULE = Deployment.__table__, DeploymentSchedule.__table__
TOP_UP = ("schedule", "top_up_due", "schedule_error", "schedule_failures", "rules_version")


def change(database, id, slug="default", **values):
    """Set columns of a deployment, and of its schedule with the slug."""
    of_schedule = {name: value for name, value in values.items() if name in TOP_UP}
    own = {name: value for name, value in values.items() if name not in TOP_UP}
    with database.transaction() as session:
        if own:
            session.execute(update(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id)).values(own))
        if of_schedule:
            changed = SCHEDULE.c.deployment_id == UUID(id), SCHEDULE.c.slug == slug
            session.execute(update(SCHEDULE).where(*changed).values(of_schedule))


def row(database, id, slug="default"):
    """The columns of a deployment, and those of its schedule with the slug that say what the scheduler knows of it."""
    with database.transaction(read_only=True) as session:
        deployment = session.execute(select(DEPLOYMENT).where(DEPLOYMENT.c.id == UUID(id))).one()
        of_deployment = SCHEDULE.c.deployment_id == UUID(id), SCHEDULE.c.slug == slug
        schedule = session.execute(select(*(SCHEDULE.c[name] for name in TOP_UP)).where(*of_deployment)).one_or_none()
    never = dict.fromkeys(TOP_UP) | {"schedule_failures": 0}
    return SimpleNamespace(**deployment._asdict(), **(schedule._asdict() if schedule else never))
