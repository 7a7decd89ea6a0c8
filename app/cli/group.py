"""What every group of commands shares: an app context with the bounds in force, and errors as one line with an exit code."""

import logging
from contextlib import contextmanager
from contextvars import copy_context

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError

from app.db import migrate
from app.db.failures import driver_message
from app.db.session import in_transaction
from app.domain import bounds
from app.errors import AppError, InvalidField, Unavailable

EXIT_CODES = """\b
Exit codes:
  0  done
  1  failed, or not found
  2  wrong usage, or a value that is not allowed
"""

log = logging.getLogger("mintaka.cli")


class Failed(click.ClickException):
    """The command could not do what it was asked to."""

    exit_code = 1


class BadInput(click.ClickException):
    """The command was asked for something it does not take."""

    exit_code = 2


class Noun(AppGroup):
    """The commands on one kind of thing."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("epilog", EXIT_CODES)
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx, args):
        """Refuse what no database stores, before any command sees it."""
        for argument in args:
            try:
                argument.encode()
            except UnicodeEncodeError:
                raise BadInput(f"The argument {argument!a} is not UTF-8 text.") from None
        return super().parse_args(ctx, args)

    def invoke(self, ctx):
        """Run the command that was asked for. Raises Failed or BadInput, whatever went wrong."""
        if not current_app:
            ctx.with_resource(ctx.ensure_object(ScriptInfo).load_app().app_context())
        with errors_on_one_line():
            # the bounds hold for this command, not for whoever called it from Python
            return copy_context().run(self._invoke_within_bounds, ctx)

    def _invoke_within_bounds(self, ctx):
        # options are checked against the bounds as they are parsed, which is inside
        bounds.enforce(mintaka().settings.bounds)
        return super().invoke(ctx)


class Alone(click.Command):
    """A command that is in no group."""

    def invoke(self, ctx):
        """Run the command. Raises Failed or BadInput, whatever went wrong."""
        with errors_on_one_line():
            return super().invoke(ctx)


@contextmanager
def errors_on_one_line():
    """Turn whatever goes wrong in the block, and may go wrong, into Failed or BadInput."""
    try:
        yield
    except click.UsageError as error:
        raise BadInput(_one_line(error)) from None
    except InvalidField as error:
        raise BadInput(f"{error.field}: {error.reason}" if error.field else error.reason) from None
    except AppError as error:
        reason = driver_message(error) if isinstance(error, Unavailable) else ""
        raise Failed(f"{error} ({reason})" if reason else str(error)) from None
    except DBAPIError as error:
        log.debug("the database failed", exc_info=True)
        raise Failed(f"The database failed: {driver_message(error)}") from None


def _one_line(error):
    message = error.format_message()
    if isinstance(error, click.BadParameter) or error.ctx is None:
        return message
    return f"{message} See '{error.ctx.command_path} --help'."


def mintaka():
    """What `create_app` put together: settings, clock, database, policy."""
    return current_app.extensions["mintaka"]


def transaction(work, read_only=False):
    """What `work()` returns, run in one transaction on a database whose migrations are current. Raises Failed if they are not."""
    require_current()
    return in_transaction(mintaka().database, work, read_only=read_only)


def require_current():
    """Raise Failed, saying what to do, unless the database is at the revision this program knows."""
    if pending := migrate.pending(mintaka().database):
        raise Failed(pending)
