"""`mintaka db`: the schema of the database."""

from pathlib import Path

import click
from alembic.util import CommandError

from app.cli.command_group import CommandGroup, Failed, mintaka, missing_file, require_current, transaction
from app.cli.options import age_option, tag_option, yes_option
from app.cli.output import Progress, output_option, print_facts, print_json
from app.cli.signals import stop_signals
from app.database_location import database_url
from app.db import migrate
from app.db.engine import shown
from app.domain.audit import Entry, recorded
from app.domain.states import TERMINAL
from app.scheduler.retention import Pruner

ENDED = sorted(TERMINAL)

db = CommandGroup("db", help="Migrate the database, say which revision it is at, and delete what is old.")


@db.command()
@click.argument("revision", default="head")
def upgrade(revision):
    """Migrate up to REVISION, the newest if not given.

    Several processes may do this at once: one does the work, the others wait.

    \b
    Examples:
      mintaka db upgrade
      MINTAKA_DATABASE_URL=postgresql://mintaka@localhost/mintaka mintaka db upgrade
    """
    prepare_folder(mintaka())
    _migrate(migrate.upgrade, revision)


@db.command()
@click.argument("revision")
@yes_option
def downgrade(revision, yes):
    """Migrate down to REVISION; `base` empties the database.

    What the tables and columns that go away hold is lost.

    \b
    Examples:
      mintaka db downgrade 0001
      mintaka db downgrade base --yes
    """
    if not yes:
        click.confirm(f"Downgrade {_where()} to {revision}? Data is lost.", abort=True, err=True)
    _migrate(migrate.downgrade, revision)


@db.command()
@output_option
def current(output):
    """Say which revision the database is at.

    \b
    Examples:
      mintaka db current
      mintaka db current --output json
    """
    revision, head = _revision(), migrate.head()
    if output == "json":
        print_json({"current": revision, "head": head})
    else:
        click.echo(_said(revision))


@db.command()
@output_option
@click.pass_context
def check(ctx, output):
    """Exit with 1 unless the database is at the newest revision and its tables are what the program expects.

    \b
    Examples:
      mintaka db check
      mintaka db check || mintaka db upgrade
    """
    database = mintaka().database
    revision, head = _revision(), migrate.head()
    # tables of another revision differ, which says nothing
    differences = list(_described(migrate.differences(database))) if revision == head else None
    if output == "json":
        print_json({"current": revision, "head": head, "differences": differences})
    else:
        print_facts({"revision": _said(revision), "tables": "not compared" if differences is None else _compared(differences)})
    if differences != []:
        ctx.exit(1)


@db.command()
@age_option("--older-than", required=True, help="Those that ended so long ago, such as 12h, 90d or 8w.")
@click.option(
    "--state",
    "states",
    type=click.Choice(ENDED, case_sensitive=False),
    metavar="TYPE",
    multiple=True,
    help=f"Those that ended in a state of this type: {', '.join(ENDED)}; repeat it for several.",
)
@tag_option("flow_runs")
@click.option("--logs", is_flag=True, help="Delete the lines of logs that are as old, too, of whatever runs.")
@click.option("--audit", is_flag=True, help="Delete the entries of the audit trail that are as old, too.")
@click.option("--dry-run", is_flag=True, help="Delete nothing, and say what would be deleted.")
@yes_option
@output_option
def prune(older_than, states, tags, logs, audit, dry_run, yes, output):
    """Delete finished flow runs, with their task runs, states and subflow runs.

    Short transactions delete a few at a time, so that nobody waits for them; Ctrl-C ends the command after the one it is at. Runs that have
    not ended are never deleted, nor are those with a cached result that is in use or a subflow run that is not as old. A subflow run goes
    with its parent.

    \b
    Examples:
      mintaka db prune --older-than 90d --dry-run
      mintaka db prune --older-than 30d --state completed --tag nightly --yes
      mintaka db prune --older-than 26w --logs --yes
    """
    if not (dry_run or yes):
        click.confirm(f"Delete what ended more than {older_than.total_seconds() / 3600:g} hours ago from {_where()}?", abort=True, err=True)
    require_current()
    filters = {"flow_runs": {"state": {"type": {"any_": list(states)}} if states else None, "tags": {"all_": tags} if tags else None}}
    progress = Progress()
    with stop_signals() as stop:
        pruner = Pruner(mintaka(), older_than, older_than if logs else None, older_than if audit else None, filters)
        try:
            report = pruner.run_once(lambda: stop.asked, progress.tell, dry_run)
        finally:
            progress.done()
        deleted = {name: number for name, number in report.numbers().items() if number and name != "seconds"}
        if deleted and not dry_run:
            _record(older_than, filters["flow_runs"], deleted)
        if output == "json":
            print_json(report.numbers())
        else:
            click.echo(str(report))
        if stop.asked:
            click.echo("Stopped by a signal: the same command goes on.", err=True)


def _record(older_than, flow_runs, deleted):
    details = {"older_than_seconds": older_than.total_seconds(), "flow_runs": recorded(flow_runs), "deleted": deleted}
    transaction(lambda unit: unit.trail.add(Entry(action="prune", object_kind="database", details=details)))


def _migrate(direction, revision):
    database, before = mintaka().database, _revision()
    try:
        direction(database, revision)
    except CommandError as error:
        raise Failed(str(error)) from None
    after = migrate.current(database)
    click.echo(f"{_where()}: {_said(after)}, as before" if after == before else f"{_where()}: {_said(after)}, was {before or 'none'}")


def _revision():
    """Return the revision of the database, None for one that does not exist. None is created by being asked about."""
    database = mintaka().database
    return None if missing_file(database) else migrate.current(database)


def prepare_folder(parts):
    """Make the folder of the default database. Raise Failed for a database in another folder that does not exist."""
    database_url(parts.settings, make_folder=True)
    path = missing_file(parts.database)
    if path and not Path(path).parent.is_dir():
        raise Failed(f"The database cannot be created: there is no folder {Path(path).parent}.")


def _where():
    return shown(mintaka().database.url)


def _said(revision):
    head = migrate.head()
    return f"{revision} (newest)" if revision == head else f"{revision or 'none'} (newest is {head})"


def _compared(differences):
    return "; ".join(differences) or "as expected"


def _described(operations):
    """What would make the tables what they should be: one line for each of Alembic's operations."""
    for operation in operations:
        if isinstance(operation, list):
            yield from _described(operation)
            continue
        verb, *parts = operation
        tables = [part.table.name for part in parts if getattr(part, "table", None) is not None]
        names = [str(part) if isinstance(part, str) else getattr(part, "name", None) for part in parts]
        yield " ".join([verb.replace("_", " "), *dict.fromkeys(filter(None, [*tables, *names]))])
