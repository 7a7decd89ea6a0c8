"""What PostgreSQL is told of every connection or, behind a pooler, of every transaction: the time zone, timeouts, no compiling of plans."""

import math

from sqlalchemy import event


def server_settings(settings, statement_timeout):
    """Return PostgreSQL's parameters by name. `statement_timeout` is in seconds, 0 for never."""
    return {
        "timezone": "UTC",
        # rounded up: 0 means never
        "statement_timeout": math.ceil(statement_timeout * 1000),
        "lock_timeout": math.ceil(settings.database_lock_timeout * 1000),
        "idle_in_transaction_session_timeout": math.ceil(settings.database_idle_timeout * 1000),
        # a plan made for one query's values is made anew in a fraction of a millisecond; compiling it to machine code takes a hundred
        "jit": "off",
    }


def reading_timeout(settings):
    """Return the seconds that a statement of a transaction which only reads may take, 0 for never."""
    return min(filter(None, (settings.query_timeout, settings.database_statement_timeout)), default=0.0)


def startup_options(parameters):
    """Return libpq's `options` for server parameters."""
    return " ".join(f"-c {name}={value}" for name, value in parameters.items())


def set_in_each_transaction(engine, parameters, autocommit):
    """Send server parameters along with the first statement of each transaction of `engine`: a pooler drops those of a connection.

    In one message, so that nothing more is waited for. With `autocommit` every statement is a transaction, and such a message is one, too.
    """
    prefix = "".join(f"SET LOCAL {name} = '{value}'; " for name, value in parameters.items())

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.info["is_new"] = True

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def send_along(connection, _cursor, statement, parameters, _context, _executemany):
        if autocommit or connection.info.pop("is_new", False):
            statement = prefix + statement
        return statement, parameters
