"""Mintaka: a deployments and scheduling server for data teams.

`create_app` is the only place where the parts are put together.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from app.config import InvalidSetting, Settings, unknown_variables
from app.domain.clock import utcnow

__version__ = "0.1.0"


@dataclass(frozen=True)
class Services:
    """What views and commands work with. `policy` says how far ahead runs are made, `vault` encrypts blocks."""

    settings: Settings
    clock: object
    database: object
    policy: object
    vault: object


def create_app(settings=None, clock=utcnow):
    """The WSGI application. `settings` default to those of the environment; `clock()` answers the current instant.

    No connection is made here, so that a server may fork afterwards.
    """
    # the worker is in this package too, and does without the server's dependencies
    from flask import Flask

    from app import api, cli
    from app.api import logging
    from app.db.dialects import key_file
    from app.db.session import Database
    from app.services.scheduling import Policy
    from app.services.vault import Vault

    settings = settings or Settings.from_environ()
    app = Flask("mintaka", instance_path=str(instance()))
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    logging.configure(settings)
    for name in unknown_variables():
        app.logger.warning("%s is not a setting and has no effect", name)
    database = Database(database_url(settings), settings)
    policy = Policy(settings.scheduler_max_runs, settings.scheduler_max_scheduled_time, timedelta(seconds=settings.scheduler_retry_seconds))
    vault = Vault(settings.encryption_keys, key_file(database.url))
    app.extensions["mintaka"] = Services(settings, clock, database, policy, vault)
    api.init_app(app, __version__)
    cli.init_app(app)
    return app


def instance():
    """The folder of the default database: `instance` in the directory the server runs in."""
    return Path.cwd() / "instance"


def database_url(settings):
    """The SQLAlchemy URL that `settings` name; where they name none, that of SQLite's file in the instance folder, which is made.

    Raises InvalidSetting.
    """
    from app.db import dialects

    if settings.database_url:
        try:
            return dialects.database_url(settings.database_url)
        except ValueError as error:
            raise InvalidSetting(f"MINTAKA_DATABASE_URL: {error}") from None
    try:
        instance().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidSetting(f"MINTAKA_DATABASE_URL is not set, and {instance()} cannot be made: {error.strerror}") from None
    return dialects.sqlite_file(instance() / "mintaka.db")
