"""`flask runs`."""

import click

from app.cli.group import Noun, mintaka, transaction
from app.cli.options import (
    DEPLOYMENT,
    checked,
    flow_option,
    listing,
    name_option,
    page_options,
    require_deployment,
    sort_option,
    tag_option,
    tell_rest,
)
from app.cli.output import output_option, plain, print_json, print_table
from app.db.session import get_session
from app.domain.states import StateType
from app.repositories.flow_runs import FlowRuns
from app.schemas.filters import Page

runs = Noun("runs", help="Look at flow runs.")

STATES = [kind.value for kind in StateType]
HEADINGS = ("NAME", "STATE", "EXPECTED START", "START", "TAGS", "ID")


@runs.command()
@click.option("--deployment", type=DEPLOYMENT, help="Those of this deployment: its id, or FLOW/NAME.")
@flow_option
@name_option("flow_runs")
@click.option("--state", "states", type=click.Choice(STATES, case_sensitive=False), multiple=True, help="Those in this state; repeatable.")
@tag_option("flow_runs")
@click.option("--after", callback=checked(Page, "flow_runs.expected_start_time.after_"), help="Expected to start at this instant or later.")
@click.option("--before", callback=checked(Page, "flow_runs.expected_start_time.before_"), help="... at this instant or earlier.")
@sort_option(FlowRuns)
@page_options
@output_option
def ls(deployment, flow, name, states, tags, after, before, sort, part, output):
    """List flow runs.

    Instants are ISO 8601; one without an offset is in UTC.

    \b
    Examples:
      flask --app wsgi runs ls --limit 20
      flask --app wsgi runs ls --deployment etl/nightly --state SCHEDULED --sort EXPECTED_START_TIME_ASC
      flask --app wsgi runs ls --state FAILED --state CANCELLED --after 2022-06-01 --output json
    """

    def work():
        criteria = {
            "name": {"like_": name},
            "tags": {"all_": tags},
            "state": {"type": {"any_": list(states) or None}},
            "expected_start_time": {"after_": after, "before_": before},
            "deployment_id": {"any_": [require_deployment(deployment)["id"]] if deployment else None},
        }
        filters = {"flow_runs": criteria, "flows": {"name": {"any_": [flow]}} if flow is not None else None}
        return listing(FlowRuns(get_session(), mintaka().clock), filters, part, sort)

    found, more = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_runs(plain(found))
    tell_rest(more)


def print_runs(found):
    """Print flow runs, as plain JSON values, in a table."""
    rows = [(run["name"], run["state_name"], run["expected_start_time"], run["start_time"], run["tags"], run["id"]) for run in found]
    print_table(HEADINGS, rows)
