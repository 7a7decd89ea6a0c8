"""Logging: one configuration for Mintaka's loggers and gunicorn's, as text or as JSON."""

import logging
import logging.config
import socket
import time

from flask import g, has_request_context
from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from app import tracing


class TextFormatter(logging.Formatter):
    """A log record as a line for people. Times are in UTC."""

    converter = time.gmtime

    def formatMessage(self, record):
        """Return the line, with the id of the trace where there is one."""
        line = super().formatMessage(record)
        trace_id = getattr(record, "trace_id", None)
        return f"{line} trace_id={trace_id}" if trace_id else line


class JsonFormatter(BaseJsonFormatter):
    """A log record as one line of JSON: time, level, logger, message, and the record's extra attributes."""

    converter = time.gmtime
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03d+00:00"

    def process_log_record(self, log_data):
        """Write the level as the setting writes it."""
        log_data["level"] = log_data["level"].lower()
        return log_data


class RequestId(logging.Filter):
    """Adds the id of the request that is being handled to a record."""

    def filter(self, record):
        """Keep every record."""
        if has_request_context() and "request_id" in g and not hasattr(record, "request_id"):
            record.request_id = g.request_id
        return True


class Trace(logging.Filter):
    """Adds to a record which trace it belongs to, where traces are made."""

    def filter(self, record):
        """Keep every record."""
        if (ids := tracing.current()) is not None:
            record.trace_id, record.span_id = ids
        return True


class Origin(logging.Filter):
    """Adds to a record where it comes from: the host and the process, of which there are many."""

    host = socket.gethostname()

    def filter(self, record):
        """Keep every record."""
        record.host, record.pid = self.host, record.process
        return True


FORMATTERS = {
    "text": {"()": TextFormatter, "format": "%(asctime)s %(levelname)-7s %(host)s[%(pid)d] %(name)s %(message)s"},
    "json": {
        "()": JsonFormatter,
        "fmt": ["asctime", "levelname", "host", "pid", "name", "message"],
        "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"},
    },
}


def logging_config(settings):
    """Return the argument of `logging.config.dictConfig` for the loggers of Mintaka and gunicorn, which write to standard error."""
    logger = {"level": settings.log_level.upper(), "handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {settings.log_format: FORMATTERS[settings.log_format]},
        "filters": {"origin": {"()": Origin}, "request_id": {"()": RequestId}, "trace": {"()": Trace}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": settings.log_format, "filters": ["origin", "request_id", "trace"]},
        },
        "loggers": {"mintaka": logger, "gunicorn.error": logger},
    }


def server_logging_config(settings):
    """Return `logging_config` for a process that is Mintaka's own: warnings of libraries are logged, too."""
    return logging_config(settings) | {"root": {"level": "WARNING", "handlers": ["stderr"]}}


def configure(settings):
    """Configure logging, unless the `mintaka` logger has a handler: gunicorn, or a program that embeds Mintaka, has configured it then."""
    if not logging.getLogger("mintaka").handlers:
        logging.config.dictConfig(server_logging_config(settings))
