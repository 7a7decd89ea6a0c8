"""`mintaka concurrency-limits`."""

import click

from app.cli.command_group import CommandGroup, Failed, transaction
from app.cli.options import checked, page_options, tell_rest, whole_list
from app.cli.output import output_option, plain, print_json, print_table
from app.domain.plurals import counted
from app.errors import NotFound
from app.schemas.concurrency_limits import ConcurrencyLimitCreate

concurrency_limits = CommandGroup("concurrency-limits", help="Limit how many task runs with a tag may run at a time.")

tag_argument = click.argument("tag", callback=checked(ConcurrencyLimitCreate, "tag"))


@concurrency_limits.command()
@page_options
@output_option
def ls(part, output):
    """List the limits, ordered by tag.

    TAKEN is how many task runs are running under a limit now.

    \b
    Examples:
      mintaka concurrency-limits ls
      mintaka concurrency-limits ls --all --output json
    """
    found, more = transaction(lambda unit: whole_list(unit.concurrency_limits, part), read_only=True)
    if output == "json":
        print_json(found)
    else:
        rows = [(limit["tag"], limit["concurrency_limit"], len(limit["active_slots"])) for limit in plain(found)]
        print_table(("TAG", "LIMIT", "TAKEN"), rows)
    tell_rest(more)


@concurrency_limits.command("set")
@tag_argument
@click.argument("limit", type=int, callback=checked(ConcurrencyLimitCreate, "concurrency_limit"))
def set_limit(tag, limit):
    """Let at most LIMIT task runs with TAG run at a time.

    A limit that TAG has already is replaced. 0 lets none run. Those that are running stay so.

    \b
    Examples:
      mintaka concurrency-limits set warehouse 2
      mintaka concurrency-limits set warehouse 0
    """
    transaction(lambda unit: unit.concurrency_limits.put(tag, limit))
    click.echo(f"{tag}: {counted(limit, 'task run')} at a time")


@concurrency_limits.command()
@tag_argument
def reset(tag):
    """Give back every slot under the limit on TAG.

    For slots of task runs that nobody works on any more: whatever ends, or loses its lease, gives them back itself. A task run that is
    running after all goes on, without a slot.

    \b
    Examples:
      mintaka concurrency-limits reset warehouse
    """

    def work(unit):
        taken = len(unit.concurrency_limits.read_by_tag(tag)["active_slots"])
        unit.concurrency_limits.reset(tag)
        return taken

    try:
        taken = transaction(work)
    except NotFound as error:
        raise Failed(f"{error}: {tag}") from None
    click.echo(f"{tag}: {counted(taken, 'slot')} given back")


@concurrency_limits.command()
@tag_argument
def rm(tag):
    """Remove the limit on TAG.

    \b
    Examples:
      mintaka concurrency-limits rm warehouse
    """
    try:
        transaction(lambda unit: unit.concurrency_limits.delete_tag(tag))
    except NotFound as error:
        raise Failed(f"{error}: {tag}") from None
    click.echo(f"{tag} is not limited any more")
