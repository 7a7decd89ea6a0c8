"""`mintaka apply`, `diff`, `export` and `schema`: files instead of clicks."""

from importlib.resources import files as resources

import click

from app.cli.command_group import ApplicationCommand, BadInput, Failed, StandaloneCommand, transaction
from app.cli.options import flow_option
from app.cli.output import cell, styled
from app.cli.wanted_files import read_files, refuse, set_name_of
from app.cli.yaml_text import write
from app.domain.files import KINDS, RefusedFile

COLORS = {"created": "green", "changed": "yellow", "deleted": "red", "kept": "yellow"}
MAX_SET_NAME = 255
SCHEMA = "files.schema.json"


class _DiffCommand(ApplicationCommand):
    """A command whose exit code 1 says that it found a difference, and 2 that it failed, as diff's do."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except Failed as error:
            raise BadInput(error.message) from None


def _set_name(ctx, param, name):
    if name is not None and not 1 <= len(name) <= MAX_SET_NAME:
        raise click.BadParameter(f"Must have 1 to {MAX_SET_NAME} characters.")
    return name


def _file_options(command):
    path = click.Path(allow_dash=True)
    for option in (
        click.option("--set", "set_name", metavar="NAME", callback=_set_name, help="The name of the set; that of the file or folder."),
        click.option("--prune", is_flag=True, help="Delete what an earlier apply of the set made, and it does not have any more."),
        click.option("-f", "--file", "path", type=path, required=True, help="A file, a folder of them, or - for standard input."),
    ):
        command = option(command)
    return command


@click.command(cls=ApplicationCommand)
@_file_options
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
def apply(path, prune, set_name, dry_run):
    """Make the server what files say.

    Flows, deployments, concurrency limits and work queues are created or changed, each file in one transaction. What is not named
    stays.

    \b
    Examples:
      mintaka apply -f etl.yaml
      mintaka apply -f deployments/ --prune --dry-run
      mintaka apply -f - --set etl --prune
    """
    files, set_name = read_files(path), _named(path, set_name, prune)
    if dry_run:
        changes = _undone(files, set_name, prune)
        _show(changes)
        _sum_up(changes, "would be ")
        return
    changes = []
    for file in files:
        changes += transaction(lambda unit, file=file: _apply(unit, file, set_name))
    if prune:
        changes += transaction(lambda unit: unit.file_service.prune([file.wanted for file in files], set_name))
    for change in changes:
        if change.action != "unchanged":
            _tell(change)
    _sum_up(changes, "")


@click.command(
    cls=_DiffCommand,
    epilog="""\b
Exit codes:
  0  no difference
  1  there are differences
  2  failed, wrong usage, or a value that is not allowed
""",
)
@_file_options
def diff(path, prune, set_name):
    """Show what applying files would change, and change nothing.

    \b
    Examples:
      mintaka diff -f etl.yaml
      mintaka diff -f deployments/ --prune
    """
    changes = _undone(read_files(path), _named(path, set_name, prune), prune)
    _show(changes)
    if any(change.action not in ("unchanged", "kept") for change in changes):
        raise click.exceptions.Exit(1)


@click.command(cls=ApplicationCommand)
@flow_option
@click.option("--tag", "tags", multiple=True, help="Those with this tag; repeat it for several.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, writable=True), help="Write to this file.")
def export(flow, tags, out):
    """Print the file that says what the server has.

    With --flow or --tag, the deployments that are named and their flows; else all of them, concurrency limits and work queues, too.

    \b
    Examples:
      mintaka export -o server.yaml
      mintaka export --flow etl --tag nightly
    """
    filters = {}
    if flow is not None:
        filters["flows"] = {"name": {"any_": [flow]}}
    if tags:
        filters["deployments"] = {"tags": {"all_": list(tags)}}
    found = transaction(lambda unit: unit.file_service.export(filters), read_only=True)
    print_or_write(write(found) if found else "", out)


@click.command(cls=StandaloneCommand)
def schema():
    """Print the JSON Schema of files, for editors.

    \b
    Examples:
      mintaka schema
    """
    click.echo(resources("app.schemas").joinpath(SCHEMA).read_text(encoding="utf-8"), nl=False)


def print_or_write(text, out):
    """Print `text`, or write it to the file `out`."""
    if out is None:
        click.echo(text, nl=False)
        return
    with open(out, "w", encoding="utf-8") as file:
        file.write(text)


def _named(path, set_name, prune):
    name = set_name or set_name_of(path)
    if name is None and prune:
        raise click.UsageError("With --prune, standard input needs --set.")
    return name or "stdin"


def _apply(unit, file, set_name):
    try:
        return unit.file_service.apply(file.wanted, set_name)
    except RefusedFile as error:
        refuse(file.told(error.errors))


class _Undo(Exception):
    """Rolls a transaction back, and takes along what was done in it."""

    def __init__(self, changes):
        self.changes = changes


def _undone(files, set_name, prune):
    """Return the Changes of applying files, which is done, all of it in one transaction, and undone."""

    def work(unit):
        changes = [change for file in files for change in _apply(unit, file, set_name)]
        if prune:
            changes += unit.file_service.prune([file.wanted for file in files], set_name)
        raise _Undo(changes)

    changes = []
    try:
        transaction(work)
    except _Undo as undone:
        changes = undone.changes
    return changes


def _tell(change):
    reason = f": {change.reason}" if change.reason else ""
    if change.action == "changed":
        reason = f": {', '.join(name for name, _, _ in _differences(change))}"
    click.echo(f"{styled(change.action, fg=COLORS[change.action])} {KINDS[change.kind]} {cell(change.name)}{reason}")


def _show(changes):
    """Print what changes, member by member."""
    for change in changes:
        if change.action == "unchanged":
            continue
        _tell(change)
        if change.action == "changed":
            for name, before, after in _differences(change):
                for sign, value, color in (("-", before, "red"), ("+", after, "green")):
                    if value is not None:
                        click.echo(f"  {styled(sign, fg=color)} {name}: {cell(value)}")


def _differences(change):
    """Yield the name of each member that differs, what it was and what it is. Schedules are members by their slugs."""
    before, after = (_by_slug(side) for side in (change.before, change.after))
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield name, before.get(name), after.get(name)


def _by_slug(document):
    members = {name: value for name, value in document.items() if name != "schedules"}
    return members | {f"schedules.{schedule['slug']}": schedule for schedule in document.get("schedules", ())}


def _sum_up(changes, would):
    counts = {action: sum(change.action == action for change in changes) for action in ("created", "changed", "deleted", "kept")}
    same = sum(change.action == "unchanged" for change in changes)
    done = [f"{count} {would}{action}" for action, count in counts.items() if count]
    click.echo(", ".join([*done, f"{same} unchanged"]) if done else f"Nothing {'to do' if would else 'was changed'}: {same} unchanged")
