"""Migrations: Alembic, run from the program so that a wheel without a checkout can migrate too."""

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db.dialects import delete_all, is_sqlite, migration_lock
from app.db.models import Base
from app.errors import NotReady

LOCK = 0x6D696E74  # one number for every process that migrates this database


def _config(connection=None):
    config = Config()
    config.set_main_option("script_location", str(files("migrations")))
    config.attributes["connection"] = connection
    return config


@cache
def _known():
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


@cache
def head():
    """The newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(database):
    """The revision the database is at, or None for one that was never migrated."""
    return database.run(_revision, read_only=True)


def pending(database):
    """What keeps the database from being used by this program, as a sentence; None when its migrations are current."""
    at = current(database)
    if at == head():
        return None
    return _too_new(at) or f"The database is at revision {at or 'none'} and needs {head()}; `flask --app wsgi db upgrade` migrates it."


def require(database):
    """Raise NotReady, which says what is to be done, for a database that is older than this program.

    It is asked until it is found to be as new; what a newer program has migrated may still have all that is needed.
    """
    if database.is_migrated:
        return
    at = current(database)
    if at is None or (at in _known() and at != head()):
        raise NotReady(pending(database))
    database.is_migrated = True


def _revision(session):
    return MigrationContext.configure(session.connection()).get_current_revision()


def _too_new(at):
    """What is to be done about a database whose revision a newer program made, as a sentence; None for any other."""
    if at is None or at in _known():
        return None
    return f"The database is at revision {at}, which this program is too old to know: install the newer one, or downgrade with that."


def upgrade(database, revision="head"):
    """Migrate up to `revision`. Several processes may ask at once: one does the work, in one transaction.

    Raises NotReady for a database that a newer program has migrated.
    """
    _migrate(database, command.upgrade, revision)


def downgrade(database, revision):
    """Migrate down to `revision` (`base` empties the database), in one transaction."""
    _migrate(database, command.downgrade, revision)


def clear(session):
    """Delete every row. The tables stay."""
    delete_all(session, Base.metadata.sorted_tables)


def differences(database):
    """What separates the tables of the database from the models: a list of Alembic's operations, empty when they agree."""
    with database.engine(read_only=True).connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": _belongs_to(connection)}
        return compare_metadata(MigrationContext.configure(connection, opts=options), Base.metadata)


def _migrate(database, direction, revision):
    def work(session):
        migration_lock(session.connection(), LOCK)
        if reason := _too_new(_revision(session)):
            raise NotReady(reason)
        direction(_config(session.connection()), revision)

    database.run(work)


def _belongs_to(connection):
    sqlite = is_sqlite(connection)

    def include(thing, name, kind, reflected, _compare_to):
        if kind == "index" and not reflected and sqlite:
            # a GIN index is PostgreSQL's alone
            return not thing.kwargs.get("postgresql_using")
        return name != "alembic_version"

    return include
