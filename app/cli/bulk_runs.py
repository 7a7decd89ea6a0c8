"""`mintaka runs delete` and `runs set-state`."""

import click

from app.cli.command_group import Failed, transaction
from app.cli.options import checked, number_option, yes_option
from app.cli.output import output_option, print_json
from app.cli.references import RUN, require_run
from app.cli.run_selection import STATES, run_filters, run_selection
from app.cli.runs import runs
from app.domain.plurals import counted
from app.domain.states import StateType, new_state
from app.schemas.bulk_runs import BulkChange
from app.schemas.context import current
from app.schemas.states import StateCreate

limit_option = number_option(
    "--limit", check=checked(BulkChange, "limit"), help="At most so many, the oldest first; the maximum if not given."
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be changed.")


@runs.command()
@click.argument("run", type=RUN, required=False)
@run_selection
@limit_option
@dry_run_option
@yes_option
@output_option
def delete(run, selection, limit, dry_run, yes, output):
    """Delete RUN with its task runs and its history, or the runs that options choose.

    A run that its schedule made is made again while its time has not come; `mintaka runs cancel` skips it for good.

    \b
    Examples:
      mintaka runs delete 9c1f2ab4
      mintaka runs delete 9c1f2ab4 --yes
      mintaka runs delete --deployment etl/nightly --state CANCELLED --before 2022-06-01 --dry-run
    """
    if (run is None) != bool(selection):
        raise click.UsageError("Give a RUN, or options that choose several, such as --deployment and --state.")
    if selection:
        how = {"limit": limit, "dry_run": dry_run, "yes": yes, "output": output}
        _change("Delete {}?", "deleted", selection, lambda service, *asked, **options: service.delete(*asked, **options), **how)
        return
    if limit is not None or dry_run or output == "json":
        raise click.UsageError("--limit, --dry-run and --output go with options that choose several runs.")
    document = transaction(lambda unit: require_run(unit, run), read_only=True)
    named = f"{document['name']} ({document['id']})"
    if not yes:
        click.confirm(f"Delete the run {named}, {document['state_name']}, with its task runs?", abort=True, err=True)
    transaction(lambda unit: unit.flow_runs.delete(document["id"]))
    click.echo(f"{named} is deleted")


@runs.command("set-state")
@click.argument("type", type=click.Choice(STATES, case_sensitive=False), metavar="TYPE")
@run_selection
@click.option("--state-name", callback=checked(StateCreate, "name"), help="The name of the state; its type's if not given.")
@click.option("--message", callback=checked(StateCreate, "message"), help="The message of the state.")
@click.option("--force", is_flag=True, help="Ask no rule, just enter it.")
@limit_option
@dry_run_option
@yes_option
@output_option
def set_state(type, selection, state_name, message, force, limit, dry_run, yes, output):
    """Set the runs that options choose to a state of TYPE: SCHEDULED, PENDING, RUNNING, COMPLETED, FAILED or CANCELLED.

    The rules decide on each run; those that they refuse are listed, which is a failure, and the others are changed all the same.

    \b
    Examples:
      mintaka runs set-state CANCELLED --deployment etl/nightly --state SCHEDULED --message 'the source is down tonight'
      mintaka runs set-state FAILED --state RUNNING --before 2022-06-01 --state-name Lost --dry-run
    """
    if not selection:
        raise click.UsageError("Give options that choose runs, such as --deployment and --state.")

    def propose(service, filters, limit, **how):
        state = new_state(StateType(type), service.unit.clock(), name=state_name, message=message)
        return service.set_state(filters, state, limit, force=force, **how)

    how = {"limit": limit, "dry_run": dry_run, "yes": yes, "output": output}
    answer = _change(f"Set {{}} to {type}?", f"set to {type}", selection, propose, **how)
    if answer["refused"]:
        raise Failed("; ".join(f"{refused['id']} is not: {refused['reason']}" for refused in answer["refused"]))


def _change(question, done, selection, change, *, limit, dry_run, yes, output):
    """Change the runs of a `selection` with `change`, after asking the `question`. Print and return the answer."""

    def work(unit, is_dry):
        most = current().bounds.page_size if limit is None else limit
        return change(unit.bulk_run_service, run_filters(unit, selection), most, is_dry=is_dry)

    if not dry_run and not yes:
        would = transaction(lambda unit: work(unit, True))
        click.confirm(question.format(counted(would["changed"], "run")), abort=True, err=True)
    answer = transaction(lambda unit: work(unit, dry_run))
    if output == "json":
        print_json(answer)
    else:
        verb = "would be" if dry_run else "is" if answer["changed"] == 1 else "are"
        left = answer["matched"] - answer["changed"] - len(answer["refused"])
        click.echo(f"{counted(answer['changed'], 'run')} {verb} {done}{f'; {left} more' if left > 0 else ''}")
    return answer
