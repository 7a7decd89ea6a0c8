"""The files of deploy/, as the programs that they are for read them."""

import configparser
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from app.config import Settings, settings_table
from tests.conftest import IN_CI
from tests.serving import ROOT

DEPLOY = ROOT / "deploy"
SETTINGS = {name for name, _, _ in settings_table()}
INTERPOLATION = re.compile(r"\$\{(\w+):([?-])([^}]*)\}")


def text(name):
    """Return the text of a file of deploy/."""
    return (DEPLOY / name).read_text(encoding="utf-8")


def assignments(name):
    """Return the lines `NAME=value` of a file of deploy/, as a dict."""
    return dict(line.split("=", 1) for line in text(name).splitlines() if line and not line.startswith("#"))


def documents(name):
    """Return the YAML documents of a file of deploy/."""
    return list(yaml.safe_load_all(text(name)))


def compose(**variables):
    """Return the compose file with `variables` in place of `${NAME:?reason}`, and of `${NAME:-default}` where they have it."""

    def value(match):
        name, operator, default = match.groups()
        return variables[name] if operator == "?" else variables.get(name, default)

    return yaml.safe_load(INTERPOLATION.sub(value, text("compose.yaml")))


def unit(name):
    """Return a systemd unit as {section: {key: [values]}}: a key may occur more than once."""
    sections = {}
    for line in text(f"systemd/{name}.service").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            section.setdefault(key, []).append(value)
    return sections


def tox_command(env, **values):
    """Return the words of the last command of a tox environment, with `values` in place of what stands in braces."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini")
    line = parser[f"testenv:{env}"]["commands"].strip().splitlines()[-1]
    tool, *words = shlex.split(re.sub(r"\{(\w+)(?::([^}]*))?\}", lambda match: values.get(match[1], match[2] or ""), line))
    return [str(Path(sys.executable).with_name(tool)), *words]


def settings_from(environ):
    """Return the settings that a process with the variables `environ` has. Fail for a MINTAKA_* variable that is none."""
    assert {name for name in environ if name.startswith("MINTAKA_")} <= SETTINGS
    with patch.dict(os.environ, environ, clear=True):
        return Settings.from_environ()


def program(name, package):
    """Return the path of a program. Skip the test where Debian's `package` is not installed, and fail in CI."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if not found:
        (pytest.fail if IN_CI else pytest.skip)(f"no {name}: it is in Debian's package {package}")
    return found
