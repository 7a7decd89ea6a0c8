"""What the errors of database drivers mean."""

import random
import re

from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from app.errors import Unavailable

# SQLSTATE, from appendix A of the PostgreSQL manual
TRANSIENT = {"40001", "40P01"}  # serialization_failure, deadlock_detected
BUSY = {"55P03", "57014", "53300", "57P01", "57P02", "57P03"}  # lock and statement timeouts, too many connections, shutdown
# names of SQLite's result codes, which longer ones begin with
SQLITE = {
    "SQLITE_BUSY": "busy",
    "SQLITE_INTERRUPT": "busy",
    "SQLITE_LOCKED": "busy",
    "SQLITE_CANTOPEN": "unreachable",
    "SQLITE_FULL": "full",
    "SQLITE_READONLY": "read-only",
    "SQLITE_IOERR": "broken",
}
# disk_full, read_only_sql_transaction, io_error; undefined_table and undefined_column: a migration is under way, or has been taken back
POSTGRESQL = {"53100": "full", "25006": "read-only", "58030": "broken", "42P01": "schema", "42703": "schema"}
# SQLite has one code for all that is wrong with a statement
SQLITE_SCHEMA = re.compile("no such (?:table|column): |table .* has no column named ")
FOREIGN_KEY, UNIQUE = "23503", "23505"

# What to tell whoever asked, when to try again at once has not helped or would not
_TOO_BUSY = "the database is too busy or does not answer"
# query_canceled
TOO_SLOW = {"57014", "SQLITE_INTERRUPT"}
UNAVAILABLE = {
    "retry": _TOO_BUSY,
    "busy": _TOO_BUSY,
    "unreachable": "no connection to the database can be made",
    "full": "the disk of the database is full",
    "read-only": "the database is read-only and takes no changes",
    "broken": "the disk of the database fails",
    "schema": "the database lacks a table or a column; its migrations may be under way",
}


def failure(error):
    """What a driver's error means for the transaction: "conflict", a key of UNAVAILABLE, or None for a fault of ours."""
    if not isinstance(error, DBAPIError):
        return None
    if isinstance(error, IntegrityError):
        return "conflict"
    code = getattr(error.orig, "pgcode", None)
    if error.connection_invalidated or code in TRANSIENT:
        return "retry"
    name = getattr(error.orig, "sqlite_errorname", None)
    if name is not None:
        if SQLITE_SCHEMA.match(str(error.orig)):
            return "schema"
        return next((meaning for start, meaning in SQLITE.items() if name.startswith(start)), None)
    if code in BUSY:
        return "busy"
    if code in POSTGRESQL:
        return POSTGRESQL[code]
    # psycopg2 gives no code when no connection came about
    return "unreachable" if isinstance(error, OperationalError) and code is None else None


def is_too_slow(error):
    """Return whether a driver's error says that the time for a statement was over."""
    return bool(TOO_SLOW & {getattr(error.orig, "pgcode", None), getattr(error.orig, "sqlite_errorname", None)})


def broken_rule(error):
    """What an IntegrityError means, for the client whose request caused it."""
    code = getattr(error.orig, "pgcode", None)
    if code == FOREIGN_KEY or "FOREIGN KEY" in str(error.orig):
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        named = f" ({constraint.split('_', 1)[1]})" if constraint else ""
        return f"The request refers to something that does not exist{named}."
    if code == UNIQUE or "UNIQUE" in str(error.orig):
        return "Something with the same unique values exists already."
    return "The request breaks a rule of the database."


def driver_message(error):
    """Return the first line of the database driver's message, for operators; an empty text when the driver was not asked.

    `error` is an Unavailable, or an error of SQLAlchemy's.
    """
    cause = error.__cause__ if isinstance(error, Unavailable) else error
    return str(getattr(cause, "orig", None) or "").partition("\n")[0]


def jitter(attempt):
    """Seconds to wait before retry number `attempt` (from 1)."""
    return random.uniform(0.5, 1.0) * 0.02 * 4**attempt
