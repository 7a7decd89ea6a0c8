"""Settings: where they come from, what they may hold, and what a wrong one is answered with."""

import os
from dataclasses import FrozenInstanceError, fields
from datetime import timedelta

import pytest

from app.config import InvalidSetting, Settings, environ_for, settings_table, unknown_variables, variable_name

KEY, OTHER_KEY = "A" * 43 + "=", "B" * 42 + "A="


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """Take every MINTAKA_* variable out of the environment."""
    for name in [name for name in os.environ if name.startswith("MINTAKA_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def read(monkeypatch):
    """`read(MINTAKA_X="1", ...)` returns the settings of an environment that has these variables beside the process's."""

    def settings(**variables):
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            return Settings.from_environ()

    return settings


def test_the_defaults_are_those_of_the_contract(read):
    settings = read()
    assert settings.database_url == ""
    assert settings.scheduler_max_runs == 100
    assert settings.scheduler_max_scheduled_time == timedelta(days=100)
    assert settings.scheduler_loop_seconds == 60.0
    assert settings.bind == "127.0.0.1:8000"
    assert settings == Settings()


def test_the_default_bounds_are_those_of_the_contract(read):
    bounds = read().bounds
    assert bounds.body_bytes == 16 * 1024 * 1024
    assert bounds.json_depth == 64
    assert (bounds.tags, bounds.tag_length) == (200, 255)
    assert bounds.name_length == 255
    assert bounds.idempotency_key_length == 255
    assert bounds.filter_values == 1000
    assert bounds.page_size == 200
    assert bounds.runs_per_request == 10_000


def test_every_setting_is_read_from_its_variable(read):
    texts = {
        "database_url": "postgresql://db/mintaka",
        "scheduler_max_scheduled_time": "3600",
        "allowed_origins": "https://one.example, https://two.example",
        "log_format": "JSON",
        "log_level": "Warning",
        "admin_database_routes": "True",
        "database_pooler": "true",
        "database_read_url": "postgresql://replica.example/mintaka",
        "encryption_keys": f"{KEY}, {OTHER_KEY}",
        "bind": "0.0.0.0:9000",
        "metrics_bind": "127.0.0.1:9001",
        "scheduler_metrics_bind": "[::1]:9002",
        "max_body_bytes": "2048",
        "retention_flow_runs": "90d",
        "retention_logs": " 12H ",
        "retention_audit": "730d",
        "audit": "Operators",
        "auth": "ON",
        "allowed_hosts": "Mintaka.example, 2001:db8::7",
        "trusted_proxies": "2",
        "request_timeout": "1.5",
    }
    read_back = {
        "scheduler_max_scheduled_time": timedelta(hours=1),
        "allowed_origins": ("https://one.example", "https://two.example"),
        "log_format": "json",
        "log_level": "warning",
        "admin_database_routes": True,
        "database_pooler": True,
        "encryption_keys": (KEY, OTHER_KEY),
        "max_body_bytes": 2048,
        "retention_flow_runs": timedelta(days=90),
        "retention_logs": timedelta(hours=12),
        "retention_audit": timedelta(days=730),
        "audit": "operators",
        "auth": "on",
        "allowed_hosts": ("mintaka.example", "2001:db8::7"),
        "trusted_proxies": 2,
        "request_timeout": 1.5,
    }
    for field in fields(Settings):
        text = texts.get(field.name, "77")
        settings = read(**{f"MINTAKA_{field.name.upper()}": text})
        expected = read_back.get(field.name, texts.get(field.name, 77))
        assert getattr(settings, field.name) == expected, field.name
        assert field.default is None or type(getattr(settings, field.name)) is type(field.default), field.name


@pytest.mark.parametrize(
    "setting, bound",
    [
        ("max_body_bytes", "body_bytes"),
        ("max_json_depth", "json_depth"),
        ("max_tags", "tags"),
        ("max_tag_length", "tag_length"),
        ("max_idempotency_key_length", "idempotency_key_length"),
        ("max_filter_values", "filter_values"),
        ("page_size", "page_size"),
    ],
)
def test_every_bound_is_a_setting_of_its_own(setting, bound):
    lifted = {setting: getattr(Settings(), setting) + 1}
    before, after = Settings().bounds, Settings(**lifted).bounds
    changed = {field.name for field in fields(before) if getattr(before, field.name) != getattr(after, field.name)}
    assert changed == {bound}
    assert getattr(after, bound) == lifted[setting]


@pytest.mark.parametrize("text", ["", "   "])
def test_an_empty_variable_means_the_default(read, text):
    assert read(MINTAKA_SCHEDULER_MAX_RUNS=text).scheduler_max_runs == 100


@pytest.mark.parametrize(
    "variable, text, allowed",
    [
        ("MINTAKA_SCHEDULER_MAX_RUNS", "0", "a whole number from 1 to 10000"),
        ("MINTAKA_SCHEDULER_MAX_RUNS", "10001", "a whole number from 1 to 10000"),
        ("MINTAKA_SCHEDULER_MAX_RUNS", "1.5", "a whole number"),
        ("MINTAKA_SCHEDULER_MAX_RUNS", "1_0", "a whole number"),
        ("MINTAKA_SCHEDULER_MAX_RUNS", "-1", "a whole number"),
        ("MINTAKA_SCHEDULER_LOOP_SECONDS", "0", "from 0.1 to"),
        ("MINTAKA_DATABASE_CONNECT_TIMEOUT", "1", "from 2 to 2147483"),
        # PostgreSQL would refuse the connection
        ("MINTAKA_DATABASE_STATEMENT_TIMEOUT", "2147484", "from 0 to 2147483"),
        # it would wait for ever
        ("MINTAKA_DATABASE_LOCK_TIMEOUT", "0", "from 0.001 to 2147483"),
        ("MINTAKA_BIND", "127.0.0.1:65536", "an address such as 127.0.0.1:8000"),
        ("MINTAKA_BIND", "8000", "an address such as 127.0.0.1:8000"),
        ("MINTAKA_BIND", ",", "an address such as 127.0.0.1:8000"),
        ("MINTAKA_ALLOWED_ORIGINS", "https://ui.example/", "an origin such as https://ui.example"),
        ("MINTAKA_ALLOWED_ORIGINS", "https://ui.example, ui.example", "an origin such as https://ui.example"),
        ("MINTAKA_SCHEDULER_LOOP_SECONDS", "nan", "a number of seconds"),
        ("MINTAKA_SCHEDULER_LOOP_SECONDS", "inf", "a number of seconds"),
        ("MINTAKA_SCHEDULER_LOOP_SECONDS", "1e400", "a number of seconds"),
        ("MINTAKA_ADMIN_DATABASE_ROUTES", "yes", "true or false"),
        ("MINTAKA_SCHEDULER_LOOP_SECONDS", "soon", "a number of seconds"),
        ("MINTAKA_SCHEDULER_MAX_SCHEDULED_TIME", "100 days", "a number of seconds"),
        ("MINTAKA_MAX_BODY_BYTES", "16MB", "a whole number"),
        ("MINTAKA_LOG_FORMAT", "xml", "one of text, json"),
        ("MINTAKA_ENCRYPTION_KEYS", "A" * 43, "generate-key"),
        ("MINTAKA_ENCRYPTION_KEYS", f"{KEY},secret", "generate-key"),
        ("MINTAKA_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_the_variable_and_what_is_allowed(read, variable, text, allowed):
    with pytest.raises(InvalidSetting) as refused:
        read(**{variable: text})
    assert str(refused.value).startswith(f"{variable} must be ")
    assert allowed in str(refused.value)


def test_a_pool_holds_at_least_one_connection_for_each_thread(read):
    assert Settings(threads=8).pool_size >= 8
    assert Settings(threads=8, database_pool_size=3).pool_size == 3


def test_settings_do_not_change_once_read(read):
    with pytest.raises(FrozenInstanceError):
        Settings().threads = 1


def test_variables_that_are_no_setting_are_named_and_not_refused(monkeypatch):
    for name, value in {"MINTAKA_SCHEDULER_MAX_RUN": "7", "MINTAKA_THREADS": "2", "MINTAKA_TEST_POSTGRES_URL": "x", "HOME": "/"}.items():
        monkeypatch.setenv(name, value)
    assert unknown_variables() == ["MINTAKA_SCHEDULER_MAX_RUN"]
    assert Settings.from_environ().threads == 2


def test_every_variable_that_cannot_be_used_is_named_at_once(read):
    with pytest.raises(InvalidSetting) as refused:
        read(MINTAKA_THREADS="none", MINTAKA_WORKERS="2", MINTAKA_LOG_FORMAT="xml")
    assert str(refused.value) == "MINTAKA_LOG_FORMAT must be one of text, json; MINTAKA_THREADS must be a whole number from 1 to 256"


def test_the_table_of_settings_has_a_row_for_each_with_its_default_and_what_it_is_for():
    table = {variable: (default, help) for variable, default, help in settings_table()}
    assert list(table) == [variable_name(field) for field in fields(Settings)]
    assert table["MINTAKA_SCHEDULER_MAX_SCHEDULED_TIME"][0] == "8640000"
    assert table["MINTAKA_SCHEDULER_LOOP_SECONDS"][0] == "60"
    assert all(help.endswith(".") for _default, help in table.values())


def test_every_default_in_the_table_can_be_set_as_it_is_written(read):
    assert read(**{variable: default for variable, default, _help in settings_table()}) == Settings()


def test_a_secret_shows_neither_in_the_settings_nor_in_what_is_said_of_a_wrong_one(read):
    settings = read(MINTAKA_ENCRYPTION_KEYS=f"{KEY},{OTHER_KEY}")
    assert settings.encryption_keys == (KEY, OTHER_KEY)
    assert KEY not in repr(settings)
    assert settings.in_force()["MINTAKA_ENCRYPTION_KEYS"] == ["***", "***"]
    with pytest.raises(InvalidSetting) as refused:
        read(MINTAKA_ENCRYPTION_KEYS=f"{KEY}{OTHER_KEY}")
    assert KEY not in str(refused.value)


def test_a_child_process_gets_none_of_another_programs_variables(monkeypatch):
    monkeypatch.setenv("OTHER_PROFILE", "x")
    monkeypatch.setenv("ANOTHER", "y")
    environ = environ_for("OTHER", OTHER_URL="z")
    assert environ["ANOTHER"] == "y"
    assert {name: value for name, value in environ.items() if name.startswith("OTHER_")} == {"OTHER_URL": "z"}
