"""What log lines look like, and who configures logging."""

import json
import logging
import logging.config
import os
import socket
import sys
from datetime import UTC, datetime

import pytest
from flask import Flask, g

from app.config import Settings
from app.logging import configure, logging_config


@pytest.fixture
def formatted():
    """`formatted("json", record)` returns the line that a record becomes."""

    def line(form, record):
        configurator = logging.config.DictConfigurator(logging_config(Settings(log_format=form)))
        config = configurator.config
        for record_filter in config["handlers"]["stderr"]["filters"]:
            configurator.configure_filter(config["filters"][record_filter]).filter(record)
        return configurator.configure_formatter(config["formatters"][form]).format(record)

    return line


def record(message="%d runs", arguments=(3,), level=logging.WARNING, **extra):
    return logging.getLogger("mintaka.test").makeRecord("mintaka.test", level, "file", 1, message, arguments, None, extra=extra)


def test_a_json_line_has_the_documented_fields_and_those_of_the_record(formatted):
    logged = record(runs=3, text="\udcff", big=10**30)
    line = formatted("json", logged)
    assert "\n" not in line
    found = json.loads(line)
    assert datetime.fromisoformat(found.pop("time")) == datetime.fromtimestamp(int(logged.created * 1000) / 1000, UTC)
    assert (found.pop("host"), found.pop("pid")) == (socket.gethostname(), os.getpid())
    assert found == {"level": "warning", "logger": "mintaka.test", "message": "3 runs", "runs": 3, "text": "\udcff", "big": 10**30}


def test_a_line_is_readable_and_in_utc(formatted):
    logged = record()
    logged.created = 1_000_000_000.25
    origin = f"{socket.gethostname()}[{os.getpid()}]"
    assert formatted("text", logged) == f"2001-09-09 01:46:40,{logged.msecs:03.0f} WARNING {origin} mintaka.test 3 runs"


def test_a_failure_has_its_traceback_under_exception(formatted):
    logged = record()
    try:
        raise ValueError("broken")
    except ValueError:
        logged.exc_info = sys.exc_info()
    found = json.loads(formatted("json", logged))
    assert "ValueError: broken" in found["exception"]
    assert "exc_info" not in found


def test_the_id_of_the_request_is_in_every_line_that_is_logged_while_it_is_handled(formatted):
    with Flask("test").test_request_context():
        g.request_id = "abc"
        assert json.loads(formatted("json", record()))["request_id"] == "abc"
        assert json.loads(formatted("json", record(request_id="given")))["request_id"] == "given"
    assert "request_id" not in json.loads(formatted("json", record()))


def test_logging_that_a_program_has_configured_is_left_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(logging.config, "dictConfig", asked.append)
    monkeypatch.setattr(logging.getLogger("mintaka"), "handlers", [logging.NullHandler()])
    configure(Settings())
    assert asked == []
    monkeypatch.setattr(logging.getLogger("mintaka"), "handlers", [])
    configure(Settings(log_level="error"))
    assert asked[0]["loggers"]["mintaka"]["level"] == "ERROR"
