"""Alembic's environment: `app.db.migrate` (or Alembic's own command line) hands over a connection."""

from alembic import context

from app.config import Settings
from app.db.models import Base
from app.db.session import Database


def migrate(connection):
    """Run the scripts on `connection`, inside its transaction."""
    context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    migrate(connection)
else:
    settings = Settings.from_environ()
    with Database(settings.database_url, settings).engine().begin() as own:
        migrate(own)
