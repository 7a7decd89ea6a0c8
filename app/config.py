"""Settings, read from MINTAKA_* variables. The only module that looks at the environment."""

import base64
import binascii
import os
import re
from dataclasses import dataclass, field, fields
from datetime import timedelta
from functools import cached_property
from typing import Any

from environs import Env, EnvValidationError, ValidationError, validate

from app.addresses import is_private
from app.domain.ages import ALLOWED as AGES
from app.domain.ages import parse_age
from app.domain.audit import ALL, OPERATORS
from app.domain.bounds import Bounds
from app.domain.keys import AUTO, OFF, ON

PREFIX = "MINTAKA_"
# The test suite has variables of its own
TEST_PREFIX = "MINTAKA_TEST_"


class InvalidSetting(ValueError):
    """A MINTAKA_* variable holds a value that cannot be used."""


# What workers and those who start them go by, and what a worker tells its commands (`app.worker`)
WORKER_VARIABLES = {"MINTAKA_API_KEY", "MINTAKA_API_URL", "MINTAKA_PARAMETERS", "MINTAKA_RUN_ID", "MINTAKA_RUN_NAME"}

# Seconds: PostgreSQL counts a timeout in milliseconds, in 31 bits
MAX_TIMEOUT = 2_147_483
MAX_INTEGER = 2**31 - 1
MAX_SECONDS = 366 * 86_400

# What gunicorn binds to, and what a browser sends as Origin
PORT = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ADDRESS = rf"unix:.+|fd://[0-9]+|(?:\[[0-9A-Fa-f:.]+\]|[^:/\[\]\s]*):{PORT}"
HOST = r"\*|[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
ORIGIN = r"[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+"

DEFAULT_BOUNDS = Bounds()


# A reader takes environs' Env and the name of a variable that is set, and returns its value. Its error says what is allowed.


def _text(env, name):
    return env.str(name, pre_load=str.strip)


def _whole(minimum, maximum=MAX_INTEGER):
    allowed = f"a whole number from {minimum} to {maximum}"

    def digits(text):
        # int() reads 1_0 and +1, too
        if not text.strip().isdecimal():
            raise ValidationError(allowed)
        return text

    return lambda env, name: env.int(name, pre_load=digits, validate=validate.Range(minimum, maximum, error=allowed))


def _seconds(minimum=0.0, maximum=MAX_SECONDS):
    allowed = f"a number of seconds from {minimum:g} to {maximum}"
    messages = dict.fromkeys(("invalid", "special", "too_large"), allowed)
    return lambda env, name: env.float(name, validate=validate.Range(minimum, maximum, error=allowed), error_messages=messages)


def _duration(env, name):
    return timedelta(seconds=_seconds(1)(env, name))


def _age(env, name):
    try:
        return parse_age(env.str(name))
    except ValueError:
        raise EnvValidationError(AGES, [AGES]) from None


def _one_of(*choices):
    known = validate.OneOf(choices, error=f"one of {', '.join(choices)}")
    return lambda env, name: env.str(name, pre_load=lambda text: text.strip().lower(), validate=known)


def _switch(env, name):
    # marshmallow takes yes, on and 1 as well, unless told otherwise
    words = {"truthy": {"true"}, "falsy": {"false"}, "error_messages": {"invalid": "true or false"}}
    return env.bool(name, pre_load=lambda text: text.strip().lower(), **words)


def _words(items):
    return tuple(item.strip() for item in items if item.strip())


def _each(pattern, allowed):
    def matches(items):
        words = _words(items)
        if not words or not all(re.fullmatch(pattern, word) for word in words):
            raise ValidationError(f"{allowed}; several are comma-separated")

    return lambda env, name: _words(env.list(name, validate=matches))


def _addresses(env, name):
    return ",".join(_each(ADDRESS, "an address such as 127.0.0.1:8000, [::]:8000 or unix:/run/mintaka.sock")(env, name))


def _tcp_address(env, name):
    address = _addresses(env, name)
    if "," in address or "/" in address:
        raise EnvValidationError("", ["one address such as 127.0.0.1:9090 or [::]:9090"])
    return address


def _hosts(env, name):
    allowed = "a name or an address, without a port, such as mintaka.example, or * for any"
    return tuple(host.lower() for host in _each(HOST, allowed)(env, name))


def _are_fernet_keys(items):
    try:
        if any(len(base64.b64decode(key, altchars=b"-_", validate=True)) != 32 for key in _words(items)):
            raise ValueError
    except (ValueError, binascii.Error):
        # the text is not repeated: it may be all but a letter of a key
        raise ValidationError("keys that `mintaka blocks generate-key` prints, comma-separated") from None


def _fernet_keys(env, name):
    return _words(env.list(name, validate=_are_fernet_keys))


def _setting(default, read, help, secret=False) -> Any:
    return field(default=default, repr=not secret, metadata={"read": read, "help": help, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. A field `scheduler_max_runs` is read from `MINTAKA_SCHEDULER_MAX_RUNS`."""

    database_url: str = _setting("", _text, "Where the data lives: a SQLite or PostgreSQL URL. Empty means `instance/mintaka.db`.")
    database_read_url: str = _setting(
        "", _text, "A streaming replica of that PostgreSQL database, which answers lists, counts and histories while it lacks nothing."
    )
    database_pool_size: int = _setting(
        0,
        _whole(0, 1000),
        "Connections kept per process in each of its pools (reads, writes, replica). 0 means one per gunicorn thread, plus one.",
    )
    database_connect_timeout: float = _setting(
        5.0, _seconds(2, MAX_TIMEOUT), "Seconds to wait for a connection to PostgreSQL, for each of its addresses."
    )
    database_statement_timeout: float = _setting(
        30.0, _seconds(0, MAX_TIMEOUT), "Seconds after which PostgreSQL ends a statement. 0 means never."
    )
    database_lock_timeout: float = _setting(
        10.0, _seconds(0.001, MAX_TIMEOUT), "Seconds to wait for a row lock (PostgreSQL) or the write lock (SQLite)."
    )
    database_pooler: bool = _setting(
        False,
        _switch,
        "Whether a pooler in transaction mode (PgBouncer) is between: each transaction sets its timeouts then, and nothing is prepared.",
    )
    query_timeout: float = _setting(
        5.0, _seconds(0, MAX_TIMEOUT), "Seconds after which a list, a count or a history is given up. 0 means never."
    )
    database_idle_timeout: float = _setting(
        60.0, _seconds(0, MAX_TIMEOUT), "Seconds after which PostgreSQL ends an idle transaction. 0 means never."
    )

    scheduler_max_runs: int = _setting(100, _whole(1, 10_000), "Runs kept ahead for each active schedule.")
    scheduler_max_scheduled_time: timedelta = _setting(timedelta(days=100), _duration, "How far ahead runs are made, in seconds.")
    scheduler_loop_seconds: float = _setting(60.0, _seconds(0.1), "Seconds from the start of one scheduler pass to the next.")
    scheduler_batch_size: int = _setting(20, _whole(1, 1000), "Deployments claimed in one scheduler transaction.")
    scheduler_retry_seconds: float = _setting(60.0, _seconds(1), "Wait after a schedule's first failure; doubled each time, up to a day.")

    min_interval_seconds: float = _setting(
        DEFAULT_BOUNDS.min_interval_seconds, _seconds(0.000001), "The shortest interval, in seconds, that a schedule may have."
    )

    lease_seconds: int = _setting(60, _whole(1, 86_400), "Seconds a worker holds a claimed run for, unless it asks for others.")
    late_runs_after_seconds: float = _setting(
        5.0, _seconds(), "Seconds after its start time at which a run that has not been started is late."
    )
    late_runs_loop_seconds: float = _setting(5.0, _seconds(0.1), "Seconds from one look for late runs and expired leases to the next.")

    retention_flow_runs: timedelta | None = _setting(
        None, _age, "How long finished flow runs are kept, with their task runs and states, such as `90d`. Empty means for ever."
    )
    retention_logs: timedelta | None = _setting(None, _age, "How long lines of logs are kept, such as `90d`. Empty means for ever.")
    retention_audit: timedelta | None = _setting(
        None, _age, "How long entries of the audit trail are kept, such as `730d`. Empty means for ever."
    )
    retention_loop_seconds: float = _setting(3600.0, _seconds(0.1), "Seconds from one look for what is older than that to the next.")

    max_body_bytes: int = _setting(DEFAULT_BOUNDS.body_bytes, _whole(1024), "Largest request body, in bytes; above it the answer is 413.")
    max_json_depth: int = _setting(DEFAULT_BOUNDS.json_depth, _whole(4, 500), "Deepest nesting of a JSON body.")
    max_tags: int = _setting(DEFAULT_BOUNDS.tags, _whole(1, 10_000), "Tags on one object.")
    max_tag_length: int = _setting(DEFAULT_BOUNDS.tag_length, _whole(1, 10_000), "Characters in one tag.")
    max_idempotency_key_length: int = _setting(DEFAULT_BOUNDS.idempotency_key_length, _whole(1, 1000), "Characters in an idempotency key.")
    max_filter_values: int = _setting(DEFAULT_BOUNDS.filter_values, _whole(1, 10_000), "Values in one list of a filter.")
    max_offset: int = _setting(DEFAULT_BOUNDS.offset, _whole(0), "Most items of a list that `offset` may pass over.")
    page_size: int = _setting(DEFAULT_BOUNDS.page_size, _whole(1, 10_000), "The default of `limit`, and its maximum.")

    allowed_origins: tuple[str, ...] = _setting(
        (),
        _each(ORIGIN, "an origin such as https://ui.example, in lower case and without a path"),
        "Origins besides the server's own whose pages may call the API (CORS), comma-separated.",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        _hosts,
        "Names that clients may reach the server by, besides localhost and its own addresses, comma-separated; another is answered 421. "
        "`*` allows all.",
    )
    trusted_proxies: int = _setting(
        0,
        _whole(0, 100),
        "Proxies in front of the server, one behind the other, whose X-Forwarded-For, -Proto, -Host, -Port and -Prefix are believed.",
    )
    auth: str = _setting(
        AUTO,
        _one_of(AUTO, ON, OFF),
        "Whether clients need an API key: `on`, `off`, or `auto`: unless the server listens on loopback and unix sockets alone.",
    )
    key_cache_seconds: float = _setting(
        5.0,
        _seconds(0, 3600),
        "Seconds for which a process remembers a key, and goes on taking one that was revoked. 0 means none.",
    )
    encryption_keys: tuple[str, ...] = _setting(
        (),
        _fernet_keys,
        "Keys that blocks are encrypted with, comma-separated: the first encrypts, all decrypt. Required on PostgreSQL.",
        secret=True,
    )
    audit: str = _setting(
        ALL,
        _one_of(ALL, OPERATORS),
        "What the audit trail records: `all` changes, or `operators`: all but what workers do with runs (claims, states, task runs).",
    )
    admin_database_routes: bool = _setting(False, _switch, "Whether the API lets whoever reaches it clear, drop and create the database.")
    log_format: str = _setting("text", _one_of("text", "json"), "How log lines are written.")
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "The least severe level that is logged.")

    bind: str = _setting("127.0.0.1:8000", _addresses, "The address gunicorn listens on.")
    metrics_bind: str = _setting(
        "",
        _addresses,
        "An address of its own for `/metrics`, in place of that of the API. Nothing else is answered there.",
    )
    scheduler_metrics_bind: str = _setting(
        "", _tcp_address, "The address on which a scheduler process answers `/metrics`. Empty means none."
    )
    workers: int = _setting(2, _whole(1, 256), "gunicorn worker processes.")
    threads: int = _setting(4, _whole(1, 256), "Threads in each gunicorn worker.")
    request_timeout: float = _setting(
        30.0,
        _seconds(1, 86_400),
        "Seconds within which the head of a request has to arrive, and again its body; after it the answer is 408. "
        "One that reads nothing of its answer for as long is let go.",
    )
    graceful_timeout: float = _setting(30.0, _seconds(1), "Seconds that requests in flight are given to finish when a worker stops.")

    @property
    def bounds(self):
        """The bounds of a request."""
        return Bounds(
            body_bytes=self.max_body_bytes,
            json_depth=self.max_json_depth,
            tags=self.max_tags,
            tag_length=self.max_tag_length,
            idempotency_key_length=self.max_idempotency_key_length,
            filter_values=self.max_filter_values,
            page_size=self.page_size,
            min_interval_seconds=self.min_interval_seconds,
            offset=self.max_offset,
        )

    @cached_property
    def asks_for_keys(self):
        """Whether a server that listens where the settings say needs an API key of its clients."""
        return self.auth == ON or (self.auth == AUTO and not is_private(self.bind))

    @property
    def pool_size(self):
        """The number of connections kept per process and pool: at least one for each thread."""
        return self.database_pool_size or self.threads + 1

    def in_force(self, **shown):
        """Return the settings by the names of their variables, as JSON values, secrets as `***`. `shown` replaces values, by field name."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        values |= {setting.name: ["***"] * len(values[setting.name]) for setting in fields(self) if setting.metadata["secret"]} | shown
        durations = {name: value.total_seconds() for name, value in values.items() if isinstance(value, timedelta)}
        return {variable_name(setting): (values | durations)[setting.name] for setting in fields(self)}

    @classmethod
    def from_environ(cls):
        """Return the settings of this process's environment. Raise InvalidSetting, naming each wrong variable and what it may hold."""
        env = Env()
        values, wrong = {}, []
        for setting in fields(cls):
            name = variable_name(setting)
            if not env.str(name, "").strip():
                continue
            try:
                values[setting.name] = setting.metadata["read"](env, name)
            except EnvValidationError as error:
                wrong.append(f"{name} must be {next(iter(error.error_messages))}")
        if wrong:
            raise InvalidSetting("; ".join(wrong))
        return cls(**values)


def variable_name(setting):
    """Return the name of the environment variable of a dataclass field of `Settings`."""
    return f"{PREFIX}{setting.name.upper()}"


# What gunicorn's processes tell each other: the folder that their metrics are in, and which of its files are whose
METRICS_FOLDER, METRICS_SLOT = "PROMETHEUS_MULTIPROC_DIR", "PROMETHEUS_MULTIPROC_SLOT"


def share_metrics(folder, slot=None):
    """Let this process, and those that it forks, share the metrics in `folder`; where it is None, share none."""
    for name, value in ((METRICS_FOLDER, folder), (METRICS_SLOT, slot)):
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


def shared_metrics():
    """Return the folder of metrics that this process shares and the slot that is its own; twice None where it shares none."""
    folder, slot = os.environ.get(METRICS_FOLDER), os.environ.get(METRICS_SLOT)
    return (folder, slot) if folder and slot else (None, None)


def share_bind(addresses):
    """Tell the processes that this one forks what it listens on: gunicorn's command line and inherited sockets win over MINTAKA_BIND."""
    os.environ[f"{PREFIX}BIND"] = addresses


def unknown_variables():
    """Return the MINTAKA_* names that are no setting. They deserve a warning, not a refusal: a cluster may inject names of its own."""
    known = {variable_name(setting) for setting in fields(Settings)} | WORKER_VARIABLES
    return sorted(name for name in os.environ if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) and name not in known)


def settings_table():
    """Return rows of (variable, default as text, help), in order. The documentation's table is tested against them."""
    return [(variable_name(setting), _default_text(setting.default), setting.metadata["help"]) for setting in fields(Settings)]


def _default_text(default):
    match default:
        case timedelta():
            return str(int(default.total_seconds()))
        case float():
            return f"{default:g}"
        case bool():
            return str(default).lower()
        case () | None:
            return ""
    return str(default)


def environ_for(program, **variables):
    """Return the environment of a child process: this one's, without variables that begin with `program`_, and with `variables`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(f"{program}_")} | variables


def api_key():
    """Return the API key that this process is to send to a server, as a worker does; None where there is none."""
    return os.environ.get("MINTAKA_API_KEY") or os.environ.get("PREFECT_API_KEY")


def no_color():
    """Return whether the user asks programs for plain text, by https://no-color.org."""
    return bool(os.environ.get("NO_COLOR"))


def variables_of(program):
    """Return the variables of this process whose names begin with `program`_."""
    return {name: value for name, value in os.environ.items() if name.startswith(f"{program}_")}
