"""Migrations: Alembic, run from the program so that a wheel without a checkout can migrate too."""

from functools import cache
from importlib.resources import files

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db import types
from app.db.engine import delete_all, is_sqlite, migration_lock
from app.db.models import ApiKey, AuditEntry, Base
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
    """Return the newest revision that this program knows."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def current(database):
    """Return the revision the database is at, or None for one that was never migrated."""
    return database.run(_revision, read_only=True)


def pending(database):
    """Return why this program cannot use the database, as a sentence, or None when its migrations are current."""
    at = current(database)
    if at == head():
        return None
    return _too_new(at) or f"The database is at revision {at or 'none'} and needs {head()}; `mintaka db upgrade` migrates it."


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
    """Return what to do about a database that a newer program has migrated, as a sentence, or None for any other."""
    if at is None or at in _known():
        return None
    return f"The database is at revision {at}, which this program is too old to know: install the newer one, or downgrade with that."


def upgrade(database, revision="head"):
    """Migrate up to `revision`, in one transaction. Several processes may do so at once: one of them does the work.

    Raise NotReady for a database that a newer program has migrated.
    """
    _migrate(database, command.upgrade, revision)


def downgrade(database, revision):
    """Migrate down to `revision` (`base` empties the database), in one transaction."""
    _migrate(database, command.downgrade, revision)


def clear(session):
    """Delete every row but those of the audit trail and of API keys. The tables stay."""
    kept = {AuditEntry.__table__, ApiKey.__table__}
    delete_all(session, [table for table in Base.metadata.sorted_tables if table not in kept])


def differences(database):
    """Return how the tables of the database differ from the models: a list of Alembic's operations, empty when they agree."""
    with database.engine(read_only=True).connect() as connection:
        return compare_metadata(MigrationContext.configure(connection, opts=comparison(connection)), Base.metadata)


def comparison(connection):
    """Return Alembic's options for comparing the models with the tables behind `connection`."""
    return {"compare_type": True, "compare_server_default": True, "include_object": _belongs_to(connection)}


def render_type(kind, value, context):
    """Write a column type of `app.db.types` into a migration, with its import; leave all else to Alembic."""
    if kind != "type" or type(value).__module__ != types.__name__:
        return False
    context.imports.add(f"from {types.__name__} import {type(value).__name__}")
    return f"{type(value).__name__}()"


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
        if kind == "index" and reflected and (name or "").endswith("_trigram"):
            # it is there only where the server has the extension
            return False
        return name != "alembic_version"

    return include
