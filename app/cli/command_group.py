"""What every group of commands shares: an application context, and errors as one line with an exit code."""

import errno
import getpass
import logging
import os
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from flask import current_app
from flask.cli import AppGroup, ScriptInfo
from sqlalchemy.exc import DBAPIError

from app.db import migrate
from app.db.failures import driver_message, failure
from app.domain.audit import COMMAND_LINE, Actor
from app.errors import AppError, InvalidField, Unavailable
from app.schemas.context import Context, LoadContext
from app.services.unit_of_work import UnitOfWork

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


class CommandGroup(AppGroup):
    """The commands on one kind of thing."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("epilog", EXIT_CODES)
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx, args):
        """Refuse what no database stores, before any command sees it."""
        _refuse_other_than_utf8(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx):
        """Run the command that was asked for. Raise Failed or BadInput for whatever goes wrong."""
        with errors_on_one_line(), _application(ctx):
            return super().invoke(ctx)


class StandaloneCommand(click.Command):
    """A command that is in no group."""

    def invoke(self, ctx):
        """Run the command. Raise Failed or BadInput for whatever goes wrong."""
        with errors_on_one_line():
            return super().invoke(ctx)


class ApplicationCommand(StandaloneCommand):
    """A command that is in no group, and works with the application."""

    def parse_args(self, ctx, args):
        """Refuse what no database stores."""
        _refuse_other_than_utf8(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx):
        """Run the command. Raise Failed or BadInput for whatever goes wrong."""
        with errors_on_one_line(), _application(ctx):
            return super().invoke(ctx)


@contextmanager
def _application(ctx):
    """Enter the application, and the rules of the API's requests by which options are checked as they are parsed."""
    if not current_app:
        ctx.with_resource(ctx.ensure_object(ScriptInfo).load_app().app_context())
    with Context(LoadContext.of(mintaka())):
        yield
    # a disk that is full, or a pipe that is closed, shows here and not when the interpreter ends
    flush()


def _refuse_other_than_utf8(args):
    for argument in args:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise BadInput(f"The argument {argument!a} is not UTF-8 text.") from None


@contextmanager
def errors_on_one_line():
    """Turn every error in the block into Failed or BadInput. Let those pass that click itself ends the program for."""
    try:
        yield
    except click.UsageError as error:
        raise BadInput(_one_line(error)) from None
    except (click.ClickException, click.Abort, click.exceptions.Exit):
        raise
    except InvalidField as error:
        raise BadInput(f"{error.field}: {error.reason}" if error.field else error.reason) from None
    except Unavailable as error:
        raise Failed(_unavailable(error)) from None
    except AppError as error:
        raise Failed(str(error)) from None
    except DBAPIError as error:
        log.debug("the database failed", exc_info=True)
        raise Failed(f"The database failed: {driver_message(error)}") from None
    except OSError as error:
        _discard_output()
        if error.errno == errno.EPIPE:
            # nobody reads any more, which click ends without a word
            raise
        named = f"{error.filename}: " if error.filename else ""
        raise Failed(f"{named}{error.strerror or error}") from None
    except Exception as error:
        log.debug("the command failed", exc_info=True)
        said = " ".join(str(error).split())
        raise Failed(f"Internal error: {type(error).__name__}: {said} (MINTAKA_LOG_LEVEL=debug shows where)") from None


def _unavailable(error):
    """Say what keeps the database from being used, in the driver's words. Do not promise that waiting helps where it may not."""
    said = driver_message(error)
    reason = f"{error.facts['reason']} ({said})" if said else error.facts["reason"]
    # a connection that nobody accepts may be a mistake in the URL as well as a server that is down
    return f"{reason[0].upper()}{reason[1:]}" if failure(error.__cause__) == "unreachable" else f"Try again later: {reason}"


def _discard_output():
    """Drop what standard output still holds if it cannot be written, so that the interpreter does not fail again as it ends."""
    try:
        flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def flush():
    """Write what standard output holds, if there is one."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _one_line(error):
    message = error.format_message()
    if isinstance(error, click.BadParameter) or error.ctx is None:
        return message
    return f"{message} See '{error.ctx.command_path} --help'."


def mintaka():
    """Return what `create_app` put together: settings, clock, database, policy, vault."""
    return current_app.extensions["mintaka"]


def transaction(work, read_only=False):
    """Run `work(unit)` with the UnitOfWork of one transaction and return what it returned.

    Raise Failed unless the migrations of the database are current.
    """
    require_current()
    parts = mintaka()
    asking = None if read_only else Actor(COMMAND_LINE, os_user())
    return parts.database.run(lambda session: work(UnitOfWork(session, parts, asking)), read_only=read_only)


def os_user():
    """Return the name of the user who runs the command."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # a container may run as a user that no file knows
        return "unknown"


def require_current():
    """Raise Failed, saying what to do, unless the database is at the revision this program knows."""
    database = mintaka().database
    if path := missing_file(database):
        raise Failed(f"There is no database at {path}; `mintaka db upgrade` creates it.")
    if pending := migrate.pending(database):
        raise Failed(pending)


def missing_file(database):
    """Return the path of a SQLite file that does not exist, else None. Whoever opens it would create it."""
    url = database.url
    is_file = url.get_backend_name() == "sqlite" and "uri" not in url.query
    return url.database if is_file and not Path(url.database).exists() else None
