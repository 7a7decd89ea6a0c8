"""`mintaka deployments`."""

import click

from app.cli.command_group import CommandGroup, transaction
from app.cli.options import (
    checked,
    flow_option,
    instant_option,
    listing,
    name_option,
    number_option,
    page_options,
    parameters,
    tag_option,
    tell_rest,
    yes_option,
)
from app.cli.output import output_option, plain, print_facts, print_json, print_table, short_id
from app.cli.references import DEPLOYMENT, require_deployment, shown
from app.cli.runs import print_runs
from app.domain.deployment_schedules import DEFAULT
from app.domain.plurals import counted
from app.domain.runs import NewFlowRun
from app.domain.states import StateType, new_state
from app.schemas.base import Part
from app.schemas.deployments import ScheduleRuns
from app.schemas.flow_runs import DeploymentFlowRunCreate

deployments = CommandGroup("deployments", help="Look at deployments and change them. DEPLOYMENT is an id, the end of one, or FLOW/NAME.")

deployment_argument = click.argument("deployment", type=DEPLOYMENT)


@deployments.command()
@name_option("deployments")
@flow_option
@tag_option("deployments")
@click.option("--active/--inactive", default=None, help="Those whose schedule is switched on, or off.")
@page_options
@output_option
def ls(name, flow, tags, active, part, output):
    """List deployments, ordered by name.

    \b
    Examples:
      mintaka deployments ls --active --tag nightly
      mintaka deployments ls --flow etl --limit 20 --offset 20
      mintaka deployments ls --output json | jq -r '.[].id'
    """

    def work(unit):
        criteria = {"name": {"like_": name}, "tags": {"all_": tags}, "is_schedule_active": {"eq_": active}}
        filters = {"deployments": criteria, "flows": {"name": {"any_": [flow]}} if flow is not None else None}
        found, more = listing(unit.deployments, filters, part)
        flows = unit.flows.find({"deployments": criteria}, None)
        return found, more, {str(document["id"]): document["name"] for document in flows}

    found, more, flow_names = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(("DEPLOYMENT", "ACTIVE", "SCHEDULE", "TAGS", "ID"), [_row(one, flow_names) for one in plain(found)])
    tell_rest(more)


def _row(document, flow_names):
    name = f"{flow_names[document['flow_id']]}/{document['name']}"
    return name, document["is_schedule_active"], schedule_text(document["schedule"]), document["tags"], short_id(document["id"])


@deployments.command()
@deployment_argument
@number_option("--runs", default=5, show_default=True, check=checked(Part, "limit"), help="Show so many of the next runs.")
@output_option
def inspect(deployment, runs, output):
    """Show all there is to know about DEPLOYMENT.

    With it: when the scheduler will look at it next (`top_up_due`), why its schedule failed (`schedule_error`), and its next runs. JSON
    has these as further members of the deployment: flow_name, top_up_due, schedule_error, schedule_failures and next_runs.

    \b
    Examples:
      mintaka deployments inspect etl/nightly
      mintaka deployments inspect etl/nightly --runs 20
      mintaka deployments inspect etl/nightly --output json | jq .schedule_error
    """
    document = transaction(lambda unit: everything_about(unit, deployment, runs), read_only=True)
    if output == "json":
        print_json(document)
        return
    facts = plain(document)
    next_runs = facts.pop("next_runs")
    flow_data = facts["flow_data"]
    facts["flow_data"] = f"{flow_data['encoding']}, {counted(len(flow_data['blob']), 'character')}"
    print_facts(facts)
    click.echo()
    if next_runs:
        flow = facts["flow_name"]
        print_runs([run | {"flow_name": flow, "deployment_name": f"{flow}/{facts['name']}"} for run in document["next_runs"]])
    else:
        click.echo("No scheduled runs.")


def everything_about(unit, deployment, runs):
    document = require_deployment(unit, deployment)
    default = next((schedule for schedule in unit.deployment_schedules.of(document["id"]) if schedule.slug == DEFAULT), None)
    return document | {
        "flow_name": unit.flows.require(document["flow_id"])["name"],
        "top_up_due": default and default.top_up_due,
        "schedule_error": default and default.schedule_error,
        "schedule_failures": default.schedule_failures if default else 0,
        "next_runs": unit.flow_runs.find(scheduled_runs(document["id"]), runs, sort="NEXT_SCHEDULED_START_TIME_ASC"),
    }


@deployments.command()
@deployment_argument
@instant_option("--start", check=checked(ScheduleRuns, "start_time"), help="First instant; now if not given.")
@instant_option("--end", check=checked(ScheduleRuns, "end_time"), help="Last instant; if not given, as far on as runs are kept ahead.")
@number_option("--max-runs", check=checked(ScheduleRuns, "max_runs"), help="At most so many; as kept ahead if not given.")
@output_option
def schedule(deployment, start, end, max_runs, output):
    """Make the runs of DEPLOYMENT in a window; one in the past is a backfill.

    Runs that exist already are not made again. Instants are ISO 8601; one without an offset is in UTC. A paused deployment, or one without
    a schedule, gets none, which is not a failure: the report says so.

    \b
    Examples:
      mintaka deployments schedule etl/nightly --start 2022-06-01 --end 2022-06-08
      mintaka deployments schedule etl/nightly --max-runs 500 --output json
    """

    def work(unit):
        return unit.deployment_service.schedule(require_deployment(unit, deployment)["id"], start, end, max_runs)

    report = transaction(work)
    if output == "json":
        print_json(report)
    else:
        print_facts(report)


@deployments.command()
@deployment_argument
@click.option("--param", "params", multiple=True, metavar="KEY=JSON", callback=parameters, help="A parameter of the run; repeatable.")
@click.option("--tag", "tags", multiple=True, callback=checked(DeploymentFlowRunCreate, "tags"), help="A tag of the run; repeatable.")
@click.option("--name", callback=checked(DeploymentFlowRunCreate, "name"), help="The run's name; two random words if not given.")
@click.option(
    "--idempotency-key",
    callback=checked(DeploymentFlowRunCreate, "idempotency_key"),
    help="A second run of the flow with the same key is not made.",
)
@output_option
def run(deployment, params, tags, name, idempotency_key, output):
    """Make a run of DEPLOYMENT that is due now.

    Its parameters are the deployment's with --param over them, its tags those of both. It is SCHEDULED, so that an agent picks it up.

    \b
    Examples:
      mintaka deployments run etl/nightly
      mintaka deployments run etl/nightly --param limit=5 --param 'table="orders"' --tag adhoc
      mintaka deployments run etl/nightly --idempotency-key ticket-7 --output json
    """

    def work(unit):
        now = new_state(StateType.SCHEDULED, unit.clock())
        new = NewFlowRun(parameters=params or {}, tags=tags or [], name=name, idempotency_key=idempotency_key, state=now)
        return unit.deployment_service.create_flow_run(require_deployment(unit, deployment)["id"], new)

    document, created = transaction(work)
    if output == "json":
        print_json(document)
    else:
        facts = plain(document)
        click.echo(f"{'made' if created else 'exists already:'} {facts['name']} ({facts['id']}), {facts['state_name']}")


@deployments.command()
@deployment_argument
@yes_option
def delete(deployment, yes):
    """Delete DEPLOYMENT with all its runs in a SCHEDULED state.

    Other runs stay, without a deployment.

    \b
    Examples:
      mintaka deployments delete etl/nightly
      mintaka deployments delete etl/nightly --yes
    """

    def look(unit):
        id = require_deployment(unit, deployment)["id"]
        return id, unit.flow_runs.count(scheduled_runs(id))

    id, scheduled = transaction(look, read_only=True)
    if not yes:
        click.confirm(f"Delete {shown(deployment)} and its {counted(scheduled, 'scheduled run')}?", abort=True, err=True)
    # by id: the one that was asked about, whatever has its name by now
    transaction(lambda unit: unit.deployment_service.delete(id))
    click.echo(f"{shown(deployment)} is deleted")


def schedule_text(document):
    """A stored schedule in a few words."""
    if not document:
        return None
    kind = next((kind for kind in ("cron", "rrule", "interval") if kind in document), None)
    if kind is None:
        return document
    return f"{kind} {document[kind]}{' s' if kind == 'interval' else ''} ({document.get('timezone') or 'UTC'})"


def scheduled_runs(id):
    return {"flow_runs": {"deployment_id": {"any_": [id]}, "state": {"type": {"any_": [StateType.SCHEDULED]}}}}
