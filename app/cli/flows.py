"""`mintaka flows`."""

import click

from app.cli.command_group import CommandGroup, transaction
from app.cli.options import listing, name_option, page_options, sort_option, tag_option, tell_rest
from app.cli.output import output_option, plain, print_facts, print_json, print_table, short_id
from app.cli.references import require_flow
from app.domain.states import StateType
from app.repositories.flows import Flows

flows = CommandGroup("flows", help="Look at flows. FLOW is a name, an id, or the beginning or end of an id.")


@flows.command()
@name_option("flows")
@tag_option("flows")
@sort_option(Flows.sorts)
@page_options
@output_option
def ls(name, tags, sort, part, output):
    """List flows.

    \b
    Examples:
      mintaka flows ls
      mintaka flows ls --name etl --tag team-data --sort CREATED_DESC
      mintaka flows ls --output json
    """
    filters = {"flows": {"name": {"like_": name}, "tags": {"all_": tags}}}
    found, more = transaction(lambda unit: listing(unit.flows, filters, part, sort), read_only=True)
    if output == "json":
        print_json(found)
    else:
        rows = [(flow["name"], flow["tags"], flow["created"], short_id(flow["id"])) for flow in plain(found)]
        print_table(("NAME", "TAGS", "CREATED", "ID"), rows)
    tell_rest(more)


@flows.command()
@click.argument("flow")
@output_option
def inspect(flow, output):
    """Show FLOW, its deployments, and how many runs it has in each state.

    JSON has these as further members of the flow: deployments and run_counts.

    \b
    Examples:
      mintaka flows inspect etl
      mintaka flows inspect etl --output json | jq .run_counts
    """

    def work(unit):
        document = require_flow(unit, flow)
        criteria = {"flows": {"id": {"any_": [document["id"]]}}}
        states = {kind: {"flow_runs": {"state": {"type": {"any_": [kind]}}}} for kind in StateType}
        counts = {kind.value: unit.flow_runs.count(criteria | asked) for kind, asked in states.items()}
        return document | {"deployments": unit.deployments.find(criteria, None), "run_counts": counts}

    document = transaction(work, read_only=True)
    if output == "json":
        print_json(document)
        return
    facts = plain(document)
    deployments, counts = facts.pop("deployments"), facts.pop("run_counts")
    facts["runs"] = ", ".join(f"{number} {kind}" for kind, number in counts.items() if number) or None
    print_facts(facts)
    click.echo()
    if not deployments:
        click.echo("No deployments.")
        return
    rows = [(f"{facts['name']}/{one['name']}", one["is_schedule_active"], one["tags"], short_id(one["id"])) for one in deployments]
    print_table(("DEPLOYMENT", "ACTIVE", "TAGS", "ID"), rows)
