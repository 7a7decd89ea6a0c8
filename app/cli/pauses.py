"""`mintaka deployments pause` and `resume`."""

from functools import wraps

import click

from app.cli.command_group import transaction
from app.cli.deployments import deployments, everything_about, scheduled_runs
from app.cli.options import checked, flow_option, instant_option, name_option, tag_option
from app.cli.output import plain
from app.cli.references import DEPLOYMENT, require_deployment, shown
from app.domain.plurals import counted
from app.schemas.deployment_schedules import PauseCreate


def selection_options(command):
    """Let a command take DEPLOYMENT or the options that choose several, handed to it as filters in `selection`, None without them."""

    @wraps(command)
    def chosen(deployment, name, flow, tags, **options):
        criteria = {"name": name and {"like_": name}, "tags": tags and {"all_": tags}}
        criteria = {field: asked for field, asked in criteria.items() if asked}
        selection = ({"deployments": criteria} if criteria else {}) | ({"flows": {"name": {"any_": [flow]}}} if flow is not None else {})
        if bool(selection) == (deployment is not None):
            raise click.UsageError("Give a DEPLOYMENT, or options that choose several: --name, --flow, --tag.")
        return command(deployment=deployment, selection=selection or None, **options)

    for option in (tag_option("deployments"), flow_option, name_option("deployments")):
        chosen = option(chosen)
    return click.argument("deployment", type=DEPLOYMENT, required=False)(chosen)


@deployments.command()
@selection_options
@click.option("--note", callback=checked(PauseCreate, "note"), help="Why, for people.")
@instant_option("--until", check=checked(PauseCreate, "until"), help="When the scheduler switches them on again.")
def pause(deployment, selection, note, until):
    """Switch the schedules of DEPLOYMENT off, or those of all deployments that the options name.

    The runs they made ahead of time that have never started are deleted; runs made by hand stay.

    \b
    Examples:
      mintaka deployments pause etl/nightly
      mintaka deployments pause etl/nightly --note "Warehouse is being migrated" --until 2026-12-01T08:00
      mintaka deployments pause --tag nightly --note "Freeze"
    """
    reason = {name: value for name, value in (("note", note), ("until", until)) if value is not None}
    if selection:
        changed = transaction(lambda unit: unit.deployment_service.pause_all(selection, **reason))
        click.echo(f"{counted(changed, 'deployment')} paused")
        return

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        unit.deployment_service.pause(id, **reason)
        return unit.flow_runs.count(scheduled_runs(id))

    left = transaction(work)
    remain = "remains" if left == 1 else "remain"
    click.echo(f"{shown(deployment)} is paused; {counted(left, 'scheduled run')} made by hand {remain}")


@deployments.command()
@selection_options
def resume(deployment, selection):
    """Switch the schedules of DEPLOYMENT on, or those of all paused deployments that the options name, and make their runs.

    Doing it twice makes no run twice.

    \b
    Examples:
      mintaka deployments resume etl/nightly
      mintaka deployments resume 0190c9b2-7d3c-7cc1-a1a5-3f1b6f6b0c52
      mintaka deployments resume --tag nightly
    """
    if selection:
        changed = transaction(lambda unit: unit.deployment_service.resume_all(selection))
        click.echo(f"{counted(changed, 'deployment')} resumed")
        return

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        unit.deployment_service.activate(id)
        return everything_about(unit, id, 1)

    document = plain(transaction(work))
    click.echo(f"{shown(deployment)} is active; {_next_run(document)}")
    if document["schedule_error"]:
        click.echo(f"Its schedule failed: {document['schedule_error']}", err=True)


def _next_run(document):
    if document["schedule"] is None:
        return "it has no schedule"
    return f"its next run is at {document['next_runs'][0]['next_scheduled_start_time']}" if document["next_runs"] else "it has no next run"
