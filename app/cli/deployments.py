"""`mintaka deployments`."""

from itertools import islice

import click

from app.cli.command_group import CommandGroup, Failed, mintaka, transaction
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
from app.domain import schedules
from app.domain.instants import LATEST
from app.domain.plurals import counted
from app.domain.runs import NewFlowRun
from app.domain.schedules.daylight import explain
from app.domain.states import StateType, new_state
from app.errors import InvalidSchedule
from app.schemas.deployments import ScheduleRuns
from app.schemas.filters import Page
from app.schemas.flow_runs import DeploymentFlowRunCreate

# Where a member of a schedule has another name on the command line
OPTIONS = {"anchor_date": "--anchor", "day_or": "--no-day-or"}

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
@number_option("--runs", default=5, show_default=True, check=checked(Page, "limit"), help="Show so many of the next runs.")
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
    document = transaction(lambda unit: _everything_about(unit, deployment, runs), read_only=True)
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


def _everything_about(unit, deployment, runs):
    document = require_deployment(unit, deployment)
    row = unit.deployments.require_for_run(document["id"])
    return document | {
        "flow_name": unit.flows.require(document["flow_id"])["name"],
        "top_up_due": row.top_up_due,
        "schedule_error": row.schedule_error,
        "schedule_failures": row.schedule_failures,
        "next_runs": unit.flow_runs.find(_scheduled_runs(document["id"]), runs, sort="NEXT_SCHEDULED_START_TIME_ASC"),
    }


@deployments.command()
@deployment_argument
def pause(deployment):
    """Switch the schedule of DEPLOYMENT off.

    The runs it made that have not been started are deleted; runs made by hand stay.

    \b
    Examples:
      mintaka deployments pause etl/nightly
      mintaka deployments ls --tag nightly --all --output json | jq -r '.[].id' |
        xargs -n 1 mintaka deployments pause
    """

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        unit.deployment_service.pause(id)
        return unit.flow_runs.count(_scheduled_runs(id))

    left = transaction(work)
    remain = "remains" if left == 1 else "remain"
    click.echo(f"{shown(deployment)} is paused; {counted(left, 'scheduled run')} made by hand {remain}")


@deployments.command()
@deployment_argument
def resume(deployment):
    """Switch the schedule of DEPLOYMENT on, and make its runs.

    Doing it twice makes no run twice.

    \b
    Examples:
      mintaka deployments resume etl/nightly
      mintaka deployments resume 0190c9b2-7d3c-7cc1-a1a5-3f1b6f6b0c52
    """

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        unit.deployment_service.activate(id)
        return _everything_about(unit, id, 1)

    document = plain(transaction(work))
    click.echo(f"{shown(deployment)} is active; {_next_run(document)}")
    if document["schedule_error"]:
        click.echo(f"Its schedule failed: {document['schedule_error']}", err=True)


def _next_run(document):
    if document["schedule"] is None:
        return "it has no schedule"
    return f"its next run is at {document['next_runs'][0]['next_scheduled_start_time']}" if document["next_runs"] else "it has no next run"


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
        return id, unit.flow_runs.count(_scheduled_runs(id))

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


def _scheduled_runs(id):
    return {"flow_runs": {"deployment_id": {"any_": [id]}, "state": {"type": {"any_": [StateType.SCHEDULED]}}}}


@deployments.command()
@click.argument("deployment", type=DEPLOYMENT, required=False)
@click.option("--cron", help="A cron expression of five fields, or an alias such as @daily.")
@click.option("--interval", type=float, metavar="SECONDS", help="So many seconds between runs.")
@click.option("--rrule", help="A recurrence rule of RFC 5545.")
@click.option("--timezone", metavar="ZONE", help="The IANA name of the schedule's time zone; UTC if not given.")
@click.option("--anchor", metavar="INSTANT", help="With --interval: an instant to count from.")
@click.option("--no-day-or", is_flag=True, help="With --cron: day of month and day of week must both match.")
@instant_option("--start", check=checked(ScheduleRuns, "start_time"), help="The first instant to look at; now if not given.")
@number_option("--count", default=10, show_default=True, check=checked(ScheduleRuns, "max_runs"), help="Show so many.")
@output_option
def preview(deployment, cron, interval, rrule, timezone, anchor, no_day_or, start, count, output):
    """Show the next runs of a schedule, in its time zone and in UTC.

    The schedule is that of DEPLOYMENT, paused or not, or one given by --cron, --interval or --rrule. The last column says what daylight
    saving does to a run. Nothing is stored.

    \b
    Examples:
      mintaka deployments preview etl/nightly
      mintaka deployments preview --cron '30 2 * * *' --timezone America/New_York --start 2022-03-12 --count 3
      mintaka deployments preview --interval 86400 --timezone Europe/London --output json
      mintaka deployments preview --rrule 'FREQ=MONTHLY;BYDAY=-1FR' --timezone Europe/Berlin
    """
    members = {"cron": cron, "interval": interval, "rrule": rrule, "timezone": timezone, "anchor_date": anchor}
    members = {name: value for name, value in members.items() if value is not None} | ({"day_or": False} if no_day_or else {})
    start = start or mintaka().clock()
    if deployment is None:
        schedule, instants = _occurrences_of_options(members, start, count)
    elif members:
        raise click.UsageError("Give a deployment or the options of a schedule, not both.")
    else:
        schedule, instants = _occurrences_of_deployment(deployment, start, count)
    found = _described(schedule, instants)
    zone = schedule.timezone or "UTC"
    if output == "json":
        print_json({"schedule": schedule.to_document(), "timezone": zone, "occurrences": found})
        return
    print_table((f"LOCAL ({zone})", "UTC", "DAYLIGHT SAVING"), [_occurrence_row(occurrence) for occurrence in found])
    if len(found) < count:
        click.echo(f"(no more until the end of {LATEST.year})", err=True)


def _occurrences_of_options(members, start, count):
    if not members.keys() & schedules.MEMBERS.keys():
        raise click.UsageError("Give a deployment, or one of --cron, --interval and --rrule.")
    try:
        return _occurrences(schedules.validate(members, after=start), start, count)
    except InvalidSchedule as error:
        if not error.field:
            raise click.UsageError("Give one of --cron, --interval and --rrule, not several.") from None
        raise click.BadParameter(error.reason, param_hint=f"'{OPTIONS.get(error.field, f'--{error.field}')}'") from None


def _occurrences_of_deployment(deployment, start, count):
    document = plain(transaction(lambda unit: require_deployment(unit, deployment), read_only=True))
    if document["schedule"] is None:
        raise Failed("The deployment has no schedule.")
    try:
        return _occurrences(schedules.parse(document["schedule"]), start, count)
    except InvalidSchedule as error:
        # what is stored is no fault of whoever asks for it
        raise Failed(f"The deployment's schedule failed: {error}") from None


def _occurrences(schedule, start, count):
    return schedule, list(islice(schedule.occurrences(start, LATEST, count), count))


def _described(schedule, instants):
    notes = explain(schedule, instants)
    return [
        {"local": instant.astimezone(schedule.zone), "utc": instant, "daylight_saving": note}
        for instant, note in zip(instants, notes, strict=True)
    ]


def _occurrence_row(occurrence):
    return (*(f"{occurrence[side]:%a} {occurrence[side].isoformat(' ')}" for side in ("local", "utc")), occurrence["daylight_saving"])
