"""Mintaka: a deployments and scheduling server for data teams.

`create_app` and `make_parts` are the only places where the parts are put together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from app.config import Settings, shared_metrics, unknown_variables

__version__ = "0.1.0"


@dataclass(frozen=True)
class Parts:
    """The parts that views and commands work with. `policy` says how far ahead runs are made, `vault` encrypts blocks,
    `metrics` counts what happens, `keys` knows the API keys.
    """

    settings: Settings
    clock: Callable[[], datetime]
    database: Any
    policy: Any
    vault: Any
    metrics: Any = None
    keys: Any = None


def make_parts(settings, clock=None):
    """Return the Parts that `settings` describe. `clock` is that of `create_app`."""
    # the worker is in this package too, and does without the server's dependencies
    from app.database_location import database_url, read_url
    from app.db.engine import key_file
    from app.db.session import Database
    from app.domain.planning import Policy
    from app.metrics import Metrics
    from app.services.keys import KeyRing
    from app.services.vault import Vault

    metrics = Metrics(*shared_metrics())
    database = Database(database_url(settings, make_folder=False), settings, metrics, read_url(settings))
    policy = Policy(settings.scheduler_max_runs, settings.scheduler_max_scheduled_time, timedelta(seconds=settings.scheduler_retry_seconds))
    vault = Vault(settings.encryption_keys, key_file(database.url))
    clock = clock or database.clock
    keys = KeyRing(database, clock, settings.key_cache_seconds)
    return Parts(settings, clock, database, policy, vault, metrics, keys)


def create_app(settings=None, clock=None):
    """Return the WSGI application. `settings` default to those of the environment.

    `clock()` returns the current instant. One that is given takes the place of the database's clock, in statements too. No connection is
    made here, so that a server may fork afterwards.
    """
    from flask import Flask

    from app import api, cli, tracing
    from app.database_location import instance

    settings = settings or Settings.from_environ()
    app = Flask("mintaka", static_folder=None, instance_path=str(instance()))
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    for name in unknown_variables():
        app.logger.warning("%s is not a setting and has no effect", name)
    app.extensions["mintaka"] = make_parts(settings, clock)
    tracing.instrument(app)
    api.init_app(app, __version__)
    cli.init_app(app)
    return app
