"""`mintaka backfill`."""

import sys

import click

from app.cli.command_group import CommandGroup, flush, transaction
from app.cli.options import checked, instant_option, listing, number_option, page_options, parameters, tell_rest
from app.cli.output import Progress, bold, is_terminal, output_option, plain, print_facts, print_json, print_table, short_id
from app.cli.references import BACKFILL, DEPLOYMENT, require_backfill, require_deployment, shown
from app.cli.runs import found_by_ids, names_of
from app.cli.signals import stop_signals
from app.domain.backfills import OVER, BackfillState, NewBackfill, Order, Reprocess
from app.domain.deployment_schedules import DEFAULT
from app.domain.plurals import counted
from app.schemas.backfills import BackfillCreate

backfill = CommandGroup("backfill", help="Make the runs of a schedule for a window. BACKFILL is an id, or the beginning or the end of one.")

HEADINGS = ("ID", "DEPLOYMENT", "SCHEDULE", "FROM", "TO", "STATE", "MADE", "ENDED")
STATES = [state.value for state in BackfillState]
BAR_WIDTH = 30
ENDED = ("completed", "failed", "cancelled")

backfill_argument = click.argument("reference", metavar="BACKFILL", type=BACKFILL)


@backfill.command()
@click.argument("deployment", type=DEPLOYMENT)
@instant_option("--start", check=checked(BackfillCreate, "start"), help="The first instant.")
@instant_option("--end", check=checked(BackfillCreate, "end"), help="The last instant.")
@click.option(
    "--slug", default=DEFAULT, show_default=True, callback=checked(BackfillCreate, "slug"), help="The schedule; it may be inactive."
)
@click.option(
    "--order",
    type=click.Choice([order.value for order in Order]),
    default=Order.FORWARD.value,
    show_default=True,
    help="The earliest occurrence first, or the latest.",
)
@number_option(
    "--max-active", check=checked(BackfillCreate, "max_active"), help="At most so many of its runs at once; any number if not given."
)
@click.option(
    "--reprocess",
    type=click.Choice([which.value for which in Reprocess]),
    default=Reprocess.NONE.value,
    show_default=True,
    help="Of the occurrences that have a run, which get another: none, those that failed, all.",
)
@click.option("--param", "params", multiple=True, metavar="KEY=JSON", callback=parameters, help="A parameter of the runs; repeatable.")
@click.option("--dry-run", is_flag=True, help="Make nothing, and say what would be made.")
@output_option
def start(deployment, start, end, slug, order, max_active, reprocess, params, dry_run, output):
    """Begin to make a run of DEPLOYMENT for each occurrence of a schedule from --start to --end.

    Instants are ISO 8601; one without an offset is in UTC. It goes on when the command has ended: the end of a run makes the next one, and
    the scheduler makes what is left.

    \b
    Examples:
      mintaka backfill start etl/nightly --start 2022-06-01 --end 2022-06-08 --dry-run
      mintaka backfill start etl/nightly --start 2022-06-01 --end 2022-06-08 --max-active 2 --order backward
      mintaka backfill start etl/nightly --start 2022-01-01 --end 2022-12-31 --reprocess failed --param full=true
    """
    for name, value in (("--start", start), ("--end", end)):
        if value is None:
            raise click.UsageError(f"Give {name}, such as {name} 2022-06-01.")
    new = NewBackfill(
        start=start,
        end=end,
        slug=slug,
        order=Order(order),
        max_active=max_active,
        reprocess=Reprocess(reprocess),
        parameters=params or {},
    )

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        return unit.backfill_service.dry_run(id, new) if dry_run else unit.backfill_service.begin(id, new)

    found = transaction(work, read_only=dry_run)
    if output == "json":
        print_json(found)
    elif dry_run:
        facts = plain(found)
        print_facts(facts | {"sample": ", ".join(facts["sample"])})
    else:
        click.echo(f"{found['id']} has {counted(found['total'], 'occurrence')}; {counted(found['made'], 'run')} made so far")


@backfill.command()
@click.option("--deployment", type=DEPLOYMENT, metavar="DEPLOYMENT", help="Those of this deployment: its id, or FLOW/NAME.")
@click.option(
    "--state",
    "states",
    type=click.Choice(STATES, case_sensitive=False),
    metavar="STATE",
    multiple=True,
    help=f"Those in this state: {', '.join(STATES)}; repeat it for several.",
)
@page_options
@output_option
def ls(deployment, states, part, output):
    """List backfills, the newest first.

    MADE is how many runs there are so far, of how many occurrences.

    \b
    Examples:
      mintaka backfill ls --state RUNNING --state PAUSED
      mintaka backfill ls --deployment etl/nightly --output json | jq -r '.[].id'
    """

    def work(unit):
        wanted = {"id": {"any_": [require_deployment(unit, deployment)["id"]]}} if deployment else None
        found, more = listing(unit.backfills, {"deployments": wanted, "state": {"any_": list(states) or None}}, part)
        return found, more, _deployment_names(unit, found)

    found, more, names = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(HEADINGS, [_row(one, names) for one in plain(found)])
    tell_rest(more)


def _deployment_names(unit, found):
    """Return the names of the deployments of backfills, FLOW/NAME by id as text."""
    deployments = found_by_ids(unit.deployments, "deployments", {one["deployment_id"] for one in found})
    flows = names_of(unit.flows, "flows", {deployment["flow_id"] for deployment in deployments})
    return {str(deployment["id"]): f"{flows[deployment['flow_id']]}/{deployment['name']}" for deployment in deployments}


def _row(one, names):
    made = f"{one['made']} of {one['total']}"
    ended = sum(one["counts"][name] for name in ENDED)
    return bold(short_id(one["id"])), names[one["deployment_id"]], one["slug"], one["start"], one["end"], one["state"], made, ended


@backfill.command()
@backfill_argument
@output_option
def show(reference, output):
    """Show all there is to know about BACKFILL.

    \b
    Examples:
      mintaka backfill show 9c1f2ab4
      mintaka backfill show 9c1f2ab4 --output json | jq .counts.failed
    """
    found = transaction(lambda unit: require_backfill(unit, reference), read_only=True)
    if output == "json":
        print_json(found)
    else:
        facts = plain(found)
        print_facts({name: value for name, value in facts.items() if name != "counts"} | facts["counts"])


@backfill.command()
@backfill_argument
@click.option("--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, metavar="SECONDS", help="Look so often.")
@click.pass_context
def watch(ctx, reference, interval):
    """Show how far BACKFILL is until it is over: a bar on a terminal, else a line for each change.

    The exit code is 0 when it is COMPLETED and no run FAILED, else 1. Ctrl-C ends the command, not the backfill.

    \b
    Examples:
      mintaka backfill watch 9c1f2ab4
      mintaka backfill watch 9c1f2ab4 --interval 10 && echo done
    """
    id = transaction(lambda unit: require_backfill(unit, reference)["id"], read_only=True)
    bar, last = Progress(sys.stdout) if is_terminal() else None, None
    with stop_signals() as stop:
        while True:
            found = transaction(lambda unit: unit.backfills.require(id), read_only=True)
            if bar is not None:
                bar.tell(bar_text(found))
            elif (line := progress_text(found)) != last:
                click.echo(line)
                last = line
            flush()
            if found["state"] in OVER or stop.wait(interval):
                break
    if bar is not None:
        bar.done()
        click.echo(bar_text(found))
    ctx.exit(0 if found["state"] == BackfillState.COMPLETED and not found["counts"]["failed"] else 1)


def progress_text(found):
    """Return how far a backfill is, in a line."""
    counts = ", ".join(f"{number} {name}" for name, number in found["counts"].items() if number)
    return f"{found['state']}: {found['made']} of {found['total']} made{counts and f'; {counts}'}"


def bar_text(found):
    """Return how far a backfill is, as a bar and in words. Occurrences that get no run are known as such when it is over."""
    ended = sum(found["counts"][name] for name in ENDED)
    share = 1.0 if found["state"] == BackfillState.COMPLETED else ended / max(found["total"], 1)
    filled = int(share * BAR_WIDTH)
    return f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}] {share:4.0%}  {progress_text(found)}"


@backfill.command()
@backfill_argument
def pause(reference):
    """Let BACKFILL make no more runs; those that it has made go on.

    \b
    Examples:
      mintaka backfill pause 9c1f2ab4
    """
    _act(reference, "pause", "is paused")


@backfill.command()
@backfill_argument
def resume(reference):
    """Let BACKFILL go on from where it was paused.

    \b
    Examples:
      mintaka backfill resume 9c1f2ab4
    """
    _act(reference, "resume", "goes on")


@backfill.command()
@backfill_argument
def cancel(reference):
    """End BACKFILL, and delete its runs that have not been started; the others go on.

    \b
    Examples:
      mintaka backfill cancel 9c1f2ab4
    """
    _act(reference, "cancel", "is cancelled")


def _act(reference, action, done):
    found = transaction(lambda unit: getattr(unit.backfill_service, action)(require_backfill(unit, reference)["id"]))
    click.echo(f"{shown(reference)} {done}; {progress_text(found)}")
