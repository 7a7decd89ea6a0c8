"""What the documentation shows is what the code does: its tables and examples are read from the pages and held against the code."""

import csv
import json
import re
import shlex
from datetime import datetime
from pathlib import Path

import click
import pytest

from app import create_app
from app.config import WORKER_VARIABLES, Settings, settings_table
from app.domain import schedules
from app.domain.filters import CRITERIA
from app.domain.keys import SCOPES
from app.domain.schedules.daylight import explain
from app.repositories.deployments import Deployments
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.repositories.logs import Logs
from app.repositories.task_runs import TaskRuns

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

TABLE = re.compile(r"^\.\. csv-table::(?P<title>.*)\n(?:   :\w+:.*\n)*\n(?P<rows>(?:   .*\n)+)", re.MULTILINE)
SCHEDULE = re.compile(r"^\.\. code-block:: json\n\n   (?P<document>\{.*\})\n\n(?=\.\. csv-table::)", re.MULTILINE)
SECTION = re.compile(r"^([a-z][a-z -]*)\n[-~]+\n(.*?)(?=^[a-z][a-z -]*\n[-~]+\n|\Z)", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^   \$ (?P<command>mintaka .*)\n(?P<output>(?:   .*\n)+)", re.MULTILINE)

# Commands that are not Mintaka's: those of Flask and of flask-smorest
FOREIGN_COMMANDS = {"openapi", "routes", "run", "shell"}
EXAMPLES_OF_GUNICORN = {"--workers"}
# Files of Swagger UI, which nobody asks for by hand
ASSETS = ("/api/docs/assets/<", "/api/docs/static/<")


def page(name):
    return (DOCS / f"{name}.rst").read_text(encoding="utf-8")


def tables(text):
    """The csv-tables of a page as (title, rows), each cell without the quotes of literals."""
    for match in TABLE.finditer(text):
        lines = [line[3:] for line in match["rows"].splitlines()]
        rows = [[cell.replace("``", "") for cell in row] for row in csv.reader(lines, skipinitialspace=True)]
        yield match["title"].strip(), rows


def table(name, title):
    [rows] = [rows for found, rows in tables(page(name)) if found == title]
    return rows


def schedule_examples():
    """(document, rows) of each schedule in the page on schedules that a table of its dates follows."""
    text = page("schedules")
    for match in SCHEDULE.finditer(text):
        _, rows = next(tables(text[match.end() :]))
        yield json.loads(match["document"]), rows


def commands(group, path=()):
    """(words, command) of every command below `group` that does something."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    """An application that has no database; nothing here asks for one."""
    return create_app(Settings(database_url=f"sqlite:///{tmp_path_factory.mktemp('docs') / 'none.db'}"))


def test_the_table_of_settings_is_that_of_the_code():
    documented = next(rows for _, rows in tables(page("settings")))
    # the page writes as ``literal`` what the code writes as `literal`
    assert documented == [[name, default, help.replace("`", "")] for name, default, help in settings_table()]


EXAMPLES = list(schedule_examples())


@pytest.mark.parametrize(("document", "rows"), EXAMPLES, ids=[json.dumps(document) for document, _ in EXAMPLES])
def test_the_dates_shown_for_a_schedule_are_those_it_has(document, rows):
    schedule = schedules.validate(document)
    first, last = (datetime.fromisoformat(rows[index][1]) for index in (0, -1))
    found = list(schedule.occurrences(first, last, len(rows) + 1))
    notes = [note or "" for note in explain(schedule, found)]
    computed = [[moment.isoformat(timespec="minutes") for moment in (instant.astimezone(schedule.zone), instant)] for instant in found]
    assert rows == [[*dates, note] for dates, note in zip(computed, notes, strict=True)]


def test_every_kind_of_schedule_has_an_example():
    assert {kind for document, _ in EXAMPLES for kind in ("interval", "cron", "rrule") if kind in document} == {"interval", "cron", "rrule"}


def test_every_route_is_listed_with_the_scopes_that_suffice(application):
    served = {}
    for rule in application.url_map.iter_rules():
        if not rule.rule.startswith(ASSETS):
            scopes = getattr(application.view_functions[rule.endpoint], "scopes", ())
            shown = "any" if set(scopes) == set(SCOPES) else " ".join(scopes) or "none"
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            served |= {(method, path): shown for method in rule.methods - {"HEAD", "OPTIONS"}}
    assert {(method, path): scopes for method, path, _, scopes in table("api", "Routes")} == served


def test_every_scope_is_explained():
    assert dict(table("operating", "Scopes")) == SCOPES


def test_every_criterion_of_a_filter_is_listed():
    known = [[entity, criterion.field, " ".join(criterion.operators)] for entity, criteria in CRITERIA.items() for criterion in criteria]
    assert sorted(table("api", "Criteria")) == sorted(known)


def test_every_operator_of_a_filter_is_explained():
    used = {operator for criteria in CRITERIA.values() for criterion in criteria for operator in criterion.operators}
    explained = next(rows for _, rows in tables(page("api")) if rows[0][0] == "any_")
    assert {operator for operator, _ in explained} == used


def test_every_order_of_a_list_is_listed_the_default_first():
    known = {repository.entity: list(repository.sorts) for repository in (Flows, Deployments, FlowRuns, TaskRuns, Logs)}
    assert {entity: sorts.split() for entity, sorts in table("api", "Orders")} == known


def test_every_command_is_described_with_all_its_options(application):
    sections = dict(SECTION.findall(page("cli")))
    ours = {
        " ".join(words): {option for param in command.params for option in (*param.opts, *param.secondary_opts) if option.startswith("--")}
        for words, command in commands(application.cli)
        if words[0] not in FOREIGN_COMMANDS
    }
    assert ours.keys() <= sections.keys()
    described = {command: set(re.findall(r"--[a-z][a-z-]*", sections[command])) - EXAMPLES_OF_GUNICORN for command in ours}
    assert described == ours


def test_an_option_takes_what_its_help_says(application):
    sections = dict(SECTION.findall(page("cli")))
    for words, command in commands(application.cli):
        if words[0] in FOREIGN_COMMANDS:
            continue
        context = click.Context(command)
        for option in command.params:
            if isinstance(option, click.Option) and not option.is_flag:
                metavar = option.make_metavar(context).strip("[]")
                assert f"``{option.opts[0]} {metavar}``" in sections[" ".join(words)], words


def test_a_preview_is_shown_as_it_is_printed(application):
    [(command, output)] = [found for found in CONSOLE.findall(page("cli")) if "preview --cron" in found[0]]
    program, *arguments = shlex.split(command)
    assert program == "mintaka"
    printed = application.test_cli_runner().invoke(args=arguments)
    assert printed.exit_code == 0
    shown = [line[3:] for line in output.splitlines()]
    assert [line.rstrip() for line in printed.stdout.splitlines()] == shown


def test_every_page_is_reached_from_the_index():
    listed = set(re.findall(r"^   ([\w-]+)$", page("index"), re.MULTILINE))
    assert listed == {path.stem for path in DOCS.glob("*.rst")} - {"index"}


def test_a_setting_that_is_named_exists():
    of_tests = {"MINTAKA_TEST_EXAMPLES", "MINTAKA_TEST_POSTGRES_URL", "MINTAKA_TEST_REFERENCE_PYTHON", "MINTAKA_TEST_SLOW"}
    known = {name for name, _, _ in settings_table()} | WORKER_VARIABLES | of_tests
    texts = [path.read_text(encoding="utf-8") for path in (*DOCS.glob("*.rst"), ROOT / "README.rst", ROOT / "CHANGELOG.rst")]
    assert {name for text in texts for name in re.findall(r"(?<!_)MINTAKA_[A-Z_]+[A-Z]", text)} <= known


def test_what_the_page_on_development_names_is_in_the_code():
    named = set(re.findall(r"``([^`\n]+)``", page("development")))
    paths = {name for name in named if re.fullmatch(r"(?:app|benchmarks|deploy|docs|migrations|tests)/[\w/.]*", name)}
    assert len(paths) > 30
    assert [name for name in sorted(paths) if not (ROOT / name).exists()] == []
    # the classes, functions and tables that a reader would look for
    names = {name for name in named if re.fullmatch(r"[A-Z]\w*[a-zA-Z]|[a-z]+_\w+", name) and not name.startswith("MINTAKA_")}
    defined = set()
    for path in (ROOT / "app").rglob("*.py"):
        defined.update(re.findall(r"^ *(?:def|class) (\w+)|^([A-Z_]+) = ", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert names - {name for pair in defined for name in pair} == set()
    assert {"DeploymentCreate", "create_deployment", "CRITERIA"} <= names
