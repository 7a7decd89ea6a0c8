"""Settings, read from MINTAKA_* variables. The only module that looks at the environment."""

import base64
import binascii
import os
import re
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta

from app.domain.bounds import Bounds


class InvalidSetting(ValueError):
    """A MINTAKA_* variable holds a value that cannot be used."""


# What workers and those who start them go by, and what a worker tells its commands (`app.worker`)
WORKER_VARIABLES = {"MINTAKA_API_KEY", "MINTAKA_API_URL", "MINTAKA_PARAMETERS", "MINTAKA_RUN_ID", "MINTAKA_RUN_NAME"}

# Seconds: PostgreSQL counts a timeout in milliseconds, in 31 bits
LONGEST_TIMEOUT = 2_147_483

# What gunicorn binds to, and what a browser sends as Origin
PORT = r"(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
ADDRESS = rf"unix:.+|fd://[0-9]+|(?:\[[0-9A-Fa-f:.]+\]|[^:/\[\]\s]*):{PORT}"
HOST = r"\*|[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"
ORIGIN = r"[a-z][a-z0-9+.-]*://[^/?#@\sA-Z]+"


def _whole(minimum, maximum=2**31 - 1):
    def read(text):
        number = int(text) if text.strip().isdecimal() else None
        if number is None or not minimum <= number <= maximum:
            raise ValueError(f"a whole number from {minimum} to {maximum}")
        return number

    return read


def _seconds(minimum=0.0, maximum=366 * 86_400):
    def read(text):
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not minimum <= number <= maximum:
            raise ValueError(f"a number of seconds from {minimum:g} to {maximum}")
        return number

    return read


def _duration(text):
    return timedelta(seconds=_seconds(1)(text))


def _one_of(*choices):
    def read(text):
        if text.lower() not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text.lower()

    return read


def _words(text):
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _each(pattern, example):
    def read(text):
        words = _words(text)
        if not words or not all(re.fullmatch(pattern, word) for word in words):
            raise ValueError(f"{example}; several are comma-separated")
        return words

    return read


def _addresses(text):
    return ",".join(_each(ADDRESS, "an address such as 127.0.0.1:8000, [::]:8000 or unix:/run/mintaka.sock")(text))


def _hosts(text):
    return tuple(word.lower() for word in _each(HOST, "a name or an address, without a port, such as mintaka.example, or * for any")(text))


def _switch(text):
    if text.lower() not in ("true", "false"):
        raise ValueError("true or false")
    return text.lower() == "true"


def _fernet_keys(text):
    keys = _words(text)
    try:
        if any(len(base64.b64decode(key, altchars=b"-_", validate=True)) != 32 for key in keys):
            raise ValueError
    except (ValueError, binascii.Error):
        # not a word of what it is: it may be all but a letter of a key
        raise ValueError("keys that `flask --app wsgi blocks generate-key` prints, comma-separated") from None
    return keys


def _setting(default, read, help, secret=False):
    return field(default=default, repr=not secret, metadata={"read": read, "help": help, "secret": secret})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be set. A field `scheduler_max_runs` is read from `MINTAKA_SCHEDULER_MAX_RUNS`."""

    database_url: str = _setting("", str, "Where the data lives: a SQLite or PostgreSQL URL. Empty means `instance/mintaka.db`.")
    database_pool_size: int = _setting(
        0,
        _whole(0, 1000),
        "Connections kept per process in each of its two pools (reads and writes). 0 means one per gunicorn thread, plus one.",
    )
    database_connect_timeout: float = _setting(
        5.0, _seconds(2, LONGEST_TIMEOUT), "Seconds to wait for a connection to PostgreSQL, for each of its addresses."
    )
    database_statement_timeout: float = _setting(
        30.0, _seconds(0, LONGEST_TIMEOUT), "Seconds after which PostgreSQL ends a statement. 0 means never."
    )
    database_lock_timeout: float = _setting(
        10.0, _seconds(0.001, LONGEST_TIMEOUT), "Seconds to wait for a row lock (PostgreSQL) or the write lock (SQLite)."
    )
    database_idle_timeout: float = _setting(
        60.0, _seconds(0, LONGEST_TIMEOUT), "Seconds after which PostgreSQL ends an idle transaction. 0 means never."
    )

    scheduler_max_runs: int = _setting(100, _whole(1, 10_000), "Runs kept ahead for each active schedule.")
    scheduler_max_scheduled_time: timedelta = _setting(timedelta(days=100), _duration, "How far ahead runs are made, in seconds.")
    scheduler_loop_seconds: float = _setting(60.0, _seconds(0.1), "Seconds from the start of one scheduler pass to the next.")
    scheduler_batch_size: int = _setting(20, _whole(1, 1000), "Deployments claimed in one scheduler transaction.")
    scheduler_retry_seconds: float = _setting(60.0, _seconds(1), "Wait after a schedule's first failure; doubled each time, up to a day.")

    lease_seconds: int = _setting(60, _whole(1, 86_400), "Seconds a worker holds a claimed run for, unless it asks for others.")
    late_runs_after_seconds: float = _setting(
        5.0, _seconds(), "Seconds after its start time at which a run that has not been started is late."
    )
    late_runs_loop_seconds: float = _setting(5.0, _seconds(0.1), "Seconds from one look for late runs and expired leases to the next.")

    max_body_bytes: int = _setting(16 * 1024 * 1024, _whole(1024), "Largest request body, in bytes; above it the answer is 413.")
    max_json_depth: int = _setting(64, _whole(4, 500), "Deepest nesting of a JSON body.")
    max_tags: int = _setting(200, _whole(1, 10_000), "Tags on one object.")
    max_tag_length: int = _setting(255, _whole(1, 10_000), "Characters in one tag.")
    max_idempotency_key_length: int = _setting(255, _whole(1, 1000), "Characters in an idempotency key.")
    max_filter_values: int = _setting(1000, _whole(1, 10_000), "Values in one list of a filter.")
    page_size: int = _setting(200, _whole(1, 10_000), "The default of `limit`, and its maximum.")

    allowed_origins: tuple = _setting(
        (),
        _each(ORIGIN, "an origin such as https://ui.example, in lower case and without a path"),
        "Origins besides the server's own whose pages may call the API (CORS), comma-separated.",
    )
    allowed_hosts: tuple = _setting(
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
    encryption_keys: tuple = _setting(
        (),
        _fernet_keys,
        "Keys that blocks are encrypted with, comma-separated: the first encrypts, all decrypt. Required on PostgreSQL.",
        secret=True,
    )
    admin_database_routes: bool = _setting(False, _switch, "Whether the API lets whoever reaches it clear, drop and create the database.")
    log_format: str = _setting("text", _one_of("text", "json"), "How log lines are written.")
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "The least severe level that is logged.")

    bind: str = _setting("127.0.0.1:8000", _addresses, "The address gunicorn listens on.")
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
        """The request bounds these settings ask for."""
        return Bounds(
            body_bytes=self.max_body_bytes,
            json_depth=self.max_json_depth,
            tags=self.max_tags,
            tag_length=self.max_tag_length,
            idempotency_key_length=self.max_idempotency_key_length,
            filter_values=self.max_filter_values,
            page_size=self.page_size,
        )

    @property
    def pool_size(self):
        """Connections per process: never fewer than the threads that may ask for one at the same time."""
        return self.database_pool_size or self.threads + 1

    def in_force(self, **shown):
        """The settings by the names of their variables, as JSON values, secrets as `***`; those in `shown` are given, by their fields."""
        values = {setting.name: getattr(self, setting.name) for setting in fields(self)}
        values |= {setting.name: ["***"] * len(values[setting.name]) for setting in fields(self) if setting.metadata["secret"]} | shown
        durations = {name: value.total_seconds() for name, value in values.items() if isinstance(value, timedelta)}
        return {variable_name(setting): (values | durations)[setting.name] for setting in fields(self)}

    @classmethod
    def from_environ(cls, environ=None):
        """Read the settings from `environ` (default: the process's).

        Raises InvalidSetting, naming the variable and what it may hold.
        """
        environ = os.environ if environ is None else environ
        values = {}
        for setting in fields(cls):
            variable = variable_name(setting)
            if environ.get(variable, "").strip():
                try:
                    values[setting.name] = setting.metadata["read"](environ[variable].strip())
                except ValueError as error:
                    raise InvalidSetting(f"{variable} must be {error}") from None
        return cls(**values)


def variable_name(setting):
    """The environment variable of a dataclass field of `Settings`."""
    return f"MINTAKA_{setting.name.upper()}"


def unknown_variables(environ=None):
    """MINTAKA_* names that are no setting: worth a warning, not a refusal, since a cluster may inject names of its own."""
    environ = os.environ if environ is None else environ
    known = {variable_name(setting) for setting in fields(Settings)} | WORKER_VARIABLES
    # MINTAKA_TEST_* belongs to the test suite
    return sorted(name for name in environ if name.startswith("MINTAKA_") and not name.startswith("MINTAKA_TEST_") and name not in known)


def settings_table():
    """Rows of (variable, default as text, help), in order: what the documentation's table is held against."""
    rows = []
    for setting in fields(Settings):
        default = None if setting.default is MISSING else setting.default
        if isinstance(default, timedelta):
            default = int(default.total_seconds())
        elif isinstance(default, float):
            default = f"{default:g}"
        elif isinstance(default, bool):
            default = str(default).lower()
        elif default == ():
            default = ""
        rows.append((variable_name(setting), str(default), setting.metadata["help"]))
    return rows


def environ_for(program, **variables):
    """The environment of a child process: this one's without the variables of `program` (its prefix), and with `variables`."""
    return {name: value for name, value in os.environ.items() if not name.startswith(f"{program}_")} | variables
