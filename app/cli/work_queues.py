"""`mintaka work-queues`."""

import click

from app.cli.command_group import CommandGroup, transaction
from app.cli.options import checked, number_option, page_options, tell_rest, whole_list, yes_option
from app.cli.output import output_option, plain, print_facts, print_json, print_table, short_id
from app.cli.references import DEPLOYMENT, require_deployment, require_work_queue
from app.cli.runs import print_runs, with_names
from app.domain.plurals import counted
from app.schemas.base import Part
from app.schemas.work_queues import QueueFilter, WorkQueueCreate

work_queues = CommandGroup("work-queues", help="Look at work queues and change them. QUEUE is a name, an id, or an end of an id.")

queue_argument = click.argument("queue")


@work_queues.command()
@page_options
@output_option
def ls(part, output):
    """List work queues, ordered by name.

    \b
    Examples:
      mintaka work-queues ls
      mintaka work-queues ls --output json | jq -r '.[].name'
    """
    found, more = transaction(lambda unit: whole_list(unit.work_queues, part), read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(("QUEUE", "PAUSED", "LIMIT", "RUNS", "ID"), [_row(queue) for queue in plain(found)])
    tell_rest(more)


def _row(queue):
    return queue["name"], queue["is_paused"], queue["concurrency_limit"], _filter_text(queue["filter"]), short_id(queue["id"])


def _filter_text(criteria):
    """Return which runs are in a queue, in a few words."""
    parts = []
    if criteria.get("tags"):
        parts.append(f"tagged {', '.join(criteria['tags'])}")
    if criteria.get("deployment_ids") is not None:
        parts.append(f"of {counted(len(criteria['deployment_ids']), 'deployment')}")
    if criteria.get("flow_runner_types") is not None:
        parts.append(f"for {', '.join(criteria['flow_runner_types']) or 'no'} runners")
    return " ".join(parts) or "of all deployments"


@work_queues.command()
@click.argument("name", callback=checked(WorkQueueCreate, "name"))
@click.option("--tag", "tags", multiple=True, callback=checked(QueueFilter, "tags"), help="Only runs with this tag; repeat it for several.")
@click.option(
    "--deployment",
    "deployments",
    type=DEPLOYMENT,
    metavar="DEPLOYMENT",
    multiple=True,
    help="Only runs of this deployment: its id, or FLOW/NAME; repeat it for several.",
)
@click.option(
    "--flow-runner",
    "runners",
    metavar="TYPE",
    multiple=True,
    callback=checked(QueueFilter, "flow_runner_types"),
    help="Only runs for flow runners of this type; repeat it for several.",
)
@number_option(
    "--limit", check=checked(WorkQueueCreate, "concurrency_limit"), help="Hand out at most so many at a time; no limit if not given."
)
@click.option("--description", default="", callback=checked(WorkQueueCreate, "description"), help="What there is to say about it.")
@click.option("--paused", is_flag=True, help="Hand out nothing until it is resumed.")
@output_option
def create(name, tags, deployments, runners, limit, description, paused, output):
    """Create the work queue NAME.

    It holds the runs of all deployments, or those that meet every option given.

    \b
    Examples:
      mintaka work-queues create default
      mintaka work-queues create nightly --tag nightly --limit 10
      mintaka work-queues create etl --deployment etl/nightly --deployment etl/hourly
    """

    def work(unit):
        ids = [str(require_deployment(unit, deployment)["id"]) for deployment in deployments]
        return unit.work_queues.create(
            {
                "name": name,
                "filter": {"tags": tags, "deployment_ids": ids or None, "flow_runner_types": runners},
                "description": description or "",
                "is_paused": paused,
                "concurrency_limit": limit,
            }
        )

    document = transaction(work)
    if output == "json":
        print_json(document)
    else:
        click.echo(f"{name} is created ({document['id']})")


@work_queues.command()
@queue_argument
@number_option("--runs", default=5, show_default=True, check=checked(Part, "limit"), help="Show so many of the runs that are due.")
@output_option
def inspect(queue, runs, output):
    """Show all there is to know about QUEUE, and the runs that it would hand out now, those first that are due for longest.

    JSON has the runs as a further member of the queue: due_runs.

    \b
    Examples:
      mintaka work-queues inspect default
      mintaka work-queues inspect default --output json | jq '.due_runs | length'
    """

    def work(unit):
        document = require_work_queue(unit, queue)
        return document, with_names(unit, unit.work_queue_service.runs(document["id"], runs))

    document, due = transaction(work, read_only=True)
    if output == "json":
        print_json(document | {"due_runs": due})
        return
    print_facts(plain(document))
    click.echo()
    if due:
        print_runs(due)
    else:
        click.echo("No runs to hand out.")


@work_queues.command()
@queue_argument
@page_options
@output_option
def holders(queue, part, output):
    """List the runs that take up room in QUEUE, those first that are held for longest.

    HELD SINCE is when a run was claimed, or, where an agent took it without a lease, when it entered its state. Such a run is held until
    somebody ends it.

    \b
    Examples:
      mintaka work-queues holders default
      mintaka work-queues holders default --output json | jq -r '.[].since'
    """

    def work(unit):
        return unit.work_queue_service.holders(require_work_queue(unit, queue)["id"], None, part.offset)

    held = transaction(work, read_only=True)
    found = held[: part.limit]
    if output == "json":
        print_json(found)
    else:
        print_table(("RUN", "STATE", "HELD SINCE", "WORKER", "LEASE ENDS", "ID"), [_holder_row(run) for run in plain(found)])
    tell_rest(len(held) - len(found))


def _holder_row(run):
    return run["name"], run["state_name"], run["since"], run["worker"], run["lease_expires_at"], short_id(run["id"])


@work_queues.command()
@queue_argument
def pause(queue):
    """Hand out no runs of QUEUE.

    Runs that are claimed or running stay so.

    \b
    Examples:
      mintaka work-queues pause default
    """
    _set_paused(queue, True)
    click.echo(f"{queue} is paused")


@work_queues.command()
@queue_argument
def resume(queue):
    """Hand out the runs of QUEUE again.

    \b
    Examples:
      mintaka work-queues resume default
    """
    _set_paused(queue, False)
    click.echo(f"{queue} hands out runs")


def _set_paused(queue, paused):
    transaction(lambda unit: unit.work_queues.update(require_work_queue(unit, queue)["id"], {"is_paused": paused}))


@work_queues.command()
@queue_argument
@yes_option
def delete(queue, yes):
    """Delete QUEUE.

    Its runs stay, and so do the leases on them.

    \b
    Examples:
      mintaka work-queues delete default
      mintaka work-queues delete default --yes
    """
    document = transaction(lambda unit: require_work_queue(unit, queue), read_only=True)
    if not yes:
        click.confirm(f"Delete the work queue {document['name']}?", abort=True, err=True)
    transaction(lambda unit: unit.work_queues.delete(document["id"]))
    click.echo(f"{document['name']} is deleted")
