"""One log line a request, and the request's id in its answer."""

import json
import logging
import time

from flask import g, has_request_context, request

log = logging.getLogger("mintaka.request")

STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON: time, level, logger, message, and whatever the record carries besides."""

    def format(self, record):
        """The line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if has_request_context() and "request_id" in g:
            line["request_id"] = g.request_id
        line |= {name: value for name, value in record.__dict__.items() if name not in STANDARD}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A log record as a line for people."""

    def __init__(self):
        super().__init__("%(asctime)s %(levelname)-7s %(name)s %(message)s")


def configure(settings):
    """Send Mintaka's log to standard error in the format the settings ask for. An application that embeds it may have done so already."""
    logger = logging.getLogger("mintaka")
    logger.setLevel(settings.log_level.upper())
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    formatter = JsonFormatter() if settings.log_format == "json" else TextFormatter()
    formatter.converter = time.gmtime
    for handler in logger.handlers:
        handler.setFormatter(formatter)


def log_requests(app):
    """Log each request of `app`: method, route (not the path, which has ids in it), status, milliseconds, request id."""

    @app.before_request
    def begin():
        g.began = time.perf_counter()

    @app.after_request
    def end(response):
        request_id = g.get("request_id")
        if request_id is not None:
            response.headers["X-Request-ID"] = request_id
        if log.isEnabledFor(logging.INFO):
            route = request.url_rule.rule if request.url_rule else request.path
            milliseconds = round((time.perf_counter() - g.began) * 1000, 2) if "began" in g else 0.0
            facts = {"method": request.method, "route": route, "status": response.status_code, "ms": milliseconds, "request_id": request_id}
            log.info("%s %s %d %.2f ms %s", request.method, route, response.status_code, milliseconds, request_id, extra=facts)
        return response
