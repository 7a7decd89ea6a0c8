"""Alembic's environment. `app.db.migrate` hands over a connection; Alembic's own command line uses the database that the settings name."""

from alembic import context

from app.config import Settings
from app.database_location import database_url
from app.db.migrate import comparison, render_type
from app.db.models import Base
from app.db.session import Database


def migrate(connection):
    """Run the scripts on `connection`, inside its transaction."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=True,
        render_item=render_type,
        **comparison(connection),
    )
    context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    migrate(connection)
else:
    settings = Settings.from_environ()
    with Database(database_url(settings), settings).engine().begin() as own:
        migrate(own)
