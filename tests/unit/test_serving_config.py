"""gunicorn is told what the settings say, and the defaults are safe ones."""

import gc
import runpy
from types import SimpleNamespace

import pytest

from app.config import Settings
from app.logging import server_logging_config


@pytest.fixture
def configured(monkeypatch):
    """`configured(MINTAKA_X="1", ...)`: gunicorn's configuration with those variables set."""

    def load(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_module("app.serving.config")

    for name in ("BIND", "WORKERS", "THREADS", "GRACEFUL_TIMEOUT", "LOG_FORMAT", "LOG_LEVEL"):
        monkeypatch.delenv(f"MINTAKA_{name}", raising=False)
    return load


def test_by_default_only_this_machine_reaches_the_server(configured):
    assert configured()["bind"] == ["127.0.0.1:8000"]


def test_the_settings_reach_gunicorn(configured):
    variables = {"BIND": "0.0.0.0:80, [::]:80", "WORKERS": "3", "THREADS": "7", "GRACEFUL_TIMEOUT": "1.5", "LOG_LEVEL": "error"}
    configuration = configured(**{f"MINTAKA_{name}": value for name, value in variables.items()})
    expected = {"bind": ["0.0.0.0:80", "[::]:80"], "workers": 3, "threads": 7, "graceful_timeout": 2, "loglevel": "error"}
    assert {name: configuration[name] for name in expected} == expected


def test_workers_are_forked_before_the_application_is_loaded(configured):
    configuration = configured()
    assert configuration["worker_class"] == "app.serving.worker.Worker"
    assert configuration["preload_app"] is False


def test_what_a_worker_has_loaded_is_left_alone_by_the_garbage_collector(configured):
    configuration = configured()
    loaded = [[]]
    frozen = gc.get_freeze_count()
    configuration["post_worker_init"](worker=SimpleNamespace(age=2))
    assert gc.get_freeze_count() > frozen
    assert not any(thing is loaded for thing in gc.get_objects())


def test_a_setting_that_makes_no_sense_is_named_without_a_traceback(configured):
    with pytest.raises(SystemExit, match="MINTAKA_WORKERS must be a whole number"):
        configured(MINTAKA_WORKERS="many")


@pytest.mark.parametrize("url", ["mysql://x", "sqlite://", "nothing"])
def test_a_database_url_that_no_worker_could_use_is_refused_before_there_are_any(configured, url):
    with pytest.raises(SystemExit, match=r"^mintaka: MINTAKA_DATABASE_URL: "):
        configured(MINTAKA_DATABASE_URL=url)


def test_a_folder_for_the_default_database_that_cannot_be_made_is_named_before_there_are_workers(configured, tmp_path, monkeypatch):
    (tmp_path / "instance").write_text("a file")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MINTAKA_DATABASE_URL", raising=False)
    with pytest.raises(SystemExit) as refused:
        configured()
    assert "MINTAKA_DATABASE_URL" in str(refused.value)
    assert str(tmp_path / "instance") in str(refused.value)
    assert (tmp_path / "instance").read_text() == "a file"


@pytest.mark.parametrize("form", ["text", "json"])
def test_gunicorn_logs_as_the_rest_does(configured, form):
    configuration = configured(MINTAKA_LOG_FORMAT=form)
    assert configuration["logconfig_dict"] == server_logging_config(Settings(log_format=form))
    assert configuration["logconfig_dict"]["loggers"]["gunicorn.error"]["handlers"] == ["stderr"]
