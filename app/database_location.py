"""Where the database is: at the URL that the settings name, or in a folder of the current directory."""

from pathlib import Path

from app.config import InvalidSetting
from app.db import engine


def instance():
    """Return the folder of the default database: `instance` in the directory the process runs in."""
    return Path.cwd() / "instance"


def read_url(settings):
    """Return the SQLAlchemy URL of the replica that `settings` name, or None. Raise InvalidSetting."""
    if not settings.database_read_url:
        return None
    try:
        url = engine.database_url(settings.database_read_url)
    except ValueError as error:
        raise InvalidSetting(f"MINTAKA_DATABASE_READ_URL: {error}") from None
    if {url.get_backend_name(), database_url(settings, make_folder=False).get_backend_name()} != {"postgresql"}:
        raise InvalidSetting("MINTAKA_DATABASE_READ_URL: only PostgreSQL has replicas; MINTAKA_DATABASE_URL must be a PostgreSQL URL, too")
    return url


def database_url(settings, make_folder=True):
    """Return the SQLAlchemy URL that `settings` name. Where they name none, return that of a SQLite file in the instance folder.

    Make that folder unless told otherwise. Raise InvalidSetting.
    """
    if settings.database_url:
        try:
            return engine.database_url(settings.database_url)
        except ValueError as error:
            raise InvalidSetting(f"MINTAKA_DATABASE_URL: {error}") from None
    if make_folder:
        try:
            instance().mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidSetting(f"MINTAKA_DATABASE_URL is not set, and {instance()} cannot be made: {error.strerror}") from None
    return engine.sqlite_file(instance() / "mintaka.db")
