"""The rules of the house that a machine can hold."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "app").rglob("*.py"))
MOST_LINES = 400


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def names_used(path):
    """Every dotted name that a module imports or reads an attribute through: `os.environ`, `sqlalchemy.dialects.postgresql`, ..."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def users_of(*prefixes):
    """The modules that use a name which starts with one of the dotted `prefixes`."""
    dotted = tuple(f"{prefix}." for prefix in prefixes)
    return {module_name(path) for path in SOURCES if any(f"{name}.".startswith(dotted) for name in names_used(path))}


def test_imports_keep_every_contract_of_setup_cfg():
    # in a process of its own: import-linter reconfigures logging
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache", "--no-logo"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_only_config_and_the_worker_read_the_environment():
    # a worker is not set up by the server's settings, and hands its environment on to the commands that it runs
    assert users_of("os.environ", "os.environb", "os.getenv", "os.putenv") == {"app.config", "app.worker.cli"}


def test_only_the_database_layer_names_a_dialect():
    assert users_of("sqlalchemy.dialects", "psycopg2", "sqlite3") == {"app.db.dialect", "app.db.engine", "app.db.sql", "app.db.types"}


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_file_passes_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
