"""`flask deployments`, without `preview`."""

import click

from app.cli.group import Noun, mintaka, transaction
from app.cli.options import (
    DEPLOYMENT,
    checked,
    flow_option,
    listing,
    name_option,
    page_options,
    parameters,
    require_deployment,
    tag_option,
    tell_rest,
)
from app.cli.output import output_option, plain, print_facts, print_json, print_table
from app.cli.runs import print_runs
from app.db.session import get_session
from app.domain.runs import NewFlowRun
from app.domain.states import StateType, new_state
from app.repositories.deployments import Deployments
from app.repositories.flow_runs import FlowRuns
from app.repositories.flows import Flows
from app.schemas.filters import Page
from app.schemas.requests import DeploymentFlowRunCreate, ScheduleRuns
from app.services.unit_of_work import UnitOfWork

deployments = Noun("deployments", help="Look at deployments and change them. DEPLOYMENT is an id, or FLOW/NAME.")

deployment_argument = click.argument("deployment", type=DEPLOYMENT)


def service():
    """What can be done to deployments, in the transaction at hand."""
    return UnitOfWork(get_session(), mintaka()).deployment_service


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
      flask --app wsgi deployments ls --active --tag nightly
      flask --app wsgi deployments ls --flow etl --limit 20 --offset 20
      flask --app wsgi deployments ls --output json | jq -r '.[].id'
    """

    def work():
        criteria = {"name": {"like_": name}, "tags": {"all_": tags}, "is_schedule_active": {"eq_": active}}
        filters = {"deployments": criteria, "flows": {"name": {"any_": [flow]}} if flow is not None else None}
        clock = mintaka().clock
        found, more = listing(Deployments(get_session(), clock), filters, part)
        flows = Flows(get_session(), clock).find({"deployments": criteria}, None)
        return found, more, {str(document["id"]): document["name"] for document in flows}

    found, more, flow_names = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(("DEPLOYMENT", "ACTIVE", "SCHEDULE", "TAGS", "ID"), [_row(one, flow_names) for one in plain(found)])
    tell_rest(more)


def _row(document, flow_names):
    name = f"{flow_names[document['flow_id']]}/{document['name']}"
    return name, document["is_schedule_active"], schedule_text(document["schedule"]), document["tags"], document["id"]


@deployments.command()
@deployment_argument
@click.option("--runs", type=int, default=5, show_default=True, callback=checked(Page, "limit"), help="Show so many of the next runs.")
@output_option
def inspect(deployment, runs, output):
    """Show all there is to know about DEPLOYMENT.

    With it: when the scheduler will look at it next (`top_up_due`), why its schedule failed (`schedule_error`), and its next runs. JSON
    has these as further members of the deployment: flow_name, top_up_due, schedule_error, schedule_failures and next_runs.

    \b
    Examples:
      flask --app wsgi deployments inspect etl/nightly
      flask --app wsgi deployments inspect etl/nightly --runs 20
      flask --app wsgi deployments inspect etl/nightly --output json | jq .schedule_error
    """
    document = transaction(lambda: _everything_about(deployment, runs), read_only=True)
    if output == "json":
        print_json(document)
        return
    facts = plain(document)
    next_runs = facts.pop("next_runs")
    flow_data = facts["flow_data"]
    facts["flow_data"] = f"{flow_data['encoding']}, {len(flow_data['blob'])} characters"
    print_facts(facts)
    click.echo()
    if next_runs:
        print_runs(next_runs)
    else:
        click.echo("No scheduled runs.")


def _everything_about(deployment, runs):
    clock = mintaka().clock
    document = require_deployment(deployment)
    row = Deployments(get_session(), clock).require_for_run(document["id"])
    return document | {
        "flow_name": Flows(get_session(), clock).require(document["flow_id"])["name"],
        "top_up_due": row.top_up_due,
        "schedule_error": row.schedule_error,
        "schedule_failures": row.schedule_failures,
        "next_runs": FlowRuns(get_session(), clock).find(_scheduled_runs(document["id"]), runs, sort="NEXT_SCHEDULED_START_TIME_ASC"),
    }


@deployments.command()
@deployment_argument
def pause(deployment):
    """Switch the schedule of DEPLOYMENT off.

    The runs it made that have not been started are deleted; runs made by hand stay.

    \b
    Examples:
      flask --app wsgi deployments pause etl/nightly
      flask --app wsgi deployments ls --tag nightly --all --output json | jq -r '.[].id' |
        xargs -n 1 flask --app wsgi deployments pause
    """

    def work():
        document = require_deployment(deployment)
        service().pause(document["id"])
        return FlowRuns(get_session(), mintaka().clock).count(_scheduled_runs(document["id"]))

    left = transaction(work)
    click.echo(f"{_shown(deployment)} is paused; {left} scheduled runs made by hand remain")


@deployments.command()
@deployment_argument
def resume(deployment):
    """Switch the schedule of DEPLOYMENT on, and make its runs.

    Doing it twice makes no run twice.

    \b
    Examples:
      flask --app wsgi deployments resume etl/nightly
      flask --app wsgi deployments resume 0190c9b2-7d3c-7cc1-a1a5-3f1b6f6b0c52
    """

    def work():
        document = require_deployment(deployment)
        service().activate(document["id"])
        return _everything_about(document["id"], 1)

    document = plain(transaction(work))
    click.echo(f"{_shown(deployment)} is active; {_next_run(document)}")
    if document["schedule_error"]:
        click.echo(f"Its schedule failed: {document['schedule_error']}", err=True)


def _next_run(document):
    if document["schedule"] is None:
        return "it has no schedule"
    return f"its next run is at {document['next_runs'][0]['next_scheduled_start_time']}" if document["next_runs"] else "it has no next run"


@deployments.command()
@deployment_argument
@click.option("--start", callback=checked(ScheduleRuns, "start_time"), help="First instant; now if not given.")
@click.option("--end", callback=checked(ScheduleRuns, "end_time"), help="Last instant; if not given, as far on as runs are kept ahead.")
@click.option("--max-runs", type=int, callback=checked(ScheduleRuns, "max_runs"), help="At most so many; as kept ahead if not given.")
@output_option
def schedule(deployment, start, end, max_runs, output):
    """Make the runs of DEPLOYMENT in a window; one in the past is a backfill.

    Runs that exist already are not made again. Instants are ISO 8601; one without an offset is in UTC. A paused deployment, or one without
    a schedule, gets none, which is not a failure: the report says so.

    \b
    Examples:
      flask --app wsgi deployments schedule etl/nightly --start 2022-06-01 --end 2022-06-08
      flask --app wsgi deployments schedule etl/nightly --max-runs 500 --output json
    """

    def work():
        return service().schedule(require_deployment(deployment)["id"], start, end, max_runs)

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
      flask --app wsgi deployments run etl/nightly
      flask --app wsgi deployments run etl/nightly --param limit=5 --param 'table="orders"' --tag adhoc
      flask --app wsgi deployments run etl/nightly --idempotency-key ticket-7 --output json
    """
    now = new_state(StateType.SCHEDULED, mintaka().clock())
    new = NewFlowRun(parameters=params or {}, tags=tags or [], name=name, idempotency_key=idempotency_key, state=now)
    document, created = transaction(lambda: service().create_flow_run(require_deployment(deployment)["id"], new))
    if output == "json":
        print_json(document)
    else:
        facts = plain(document)
        click.echo(f"{'made' if created else 'exists already:'} {facts['name']} ({facts['id']}), {facts['state_name']}")


@deployments.command()
@deployment_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(deployment, yes):
    """Delete DEPLOYMENT with all its runs in a SCHEDULED state.

    Other runs stay, without a deployment.

    \b
    Examples:
      flask --app wsgi deployments delete etl/nightly
      flask --app wsgi deployments delete etl/nightly --yes
    """

    def look():
        document = require_deployment(deployment)
        return document["id"], FlowRuns(get_session(), mintaka().clock).count(_scheduled_runs(document["id"]))

    id, scheduled = transaction(look, read_only=True)
    if not yes:
        click.confirm(f"Delete {_shown(deployment)} and its {scheduled} scheduled runs?", abort=True, err=True)
    # by id: the one that was asked about, whatever has its name by now
    transaction(lambda: service().delete(id))
    click.echo(f"{_shown(deployment)} is deleted")


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


def _shown(deployment):
    return "/".join(deployment) if isinstance(deployment, tuple) else str(deployment)
