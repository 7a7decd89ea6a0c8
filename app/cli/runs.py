"""`mintaka runs`."""

import click

from app.cli.command_group import CommandGroup, Failed, flush, mintaka, transaction
from app.cli.options import (
    listing,
    page_options,
    sort_option,
    tell_rest,
)
from app.cli.output import bold, output_option, plain, print_facts, print_json, print_table, relative, short_id, state_cell, styled
from app.cli.references import RUN, require_run
from app.cli.run_selection import run_filters, run_selection
from app.cli.signals import stop_signals
from app.domain.states import TERMINAL, StateType, new_state
from app.repositories.flow_runs import FlowRuns

runs = CommandGroup("runs", help="Look at flow runs, end them and retry them. RUN is an id, or the beginning or the end of one.")

HEADINGS = ("ID", "FLOW/DEPLOYMENT", "NAME", "STATE", "START")
# Values in one list of a filter, for a statement that every database takes
CHUNK = 1000
# Lines of a log read at a time
LOG_LINES = 1000
LEVELS = ((50, "CRITICAL", "red"), (40, "ERROR", "red"), (30, "WARNING", "yellow"), (20, "INFO", None), (0, "DEBUG", "bright_black"))

run_argument = click.argument("run", type=RUN)


@runs.command()
@run_selection
@sort_option(FlowRuns.sorts)
@page_options
@output_option
def ls(selection, sort, part, output):
    """List flow runs.

    START is when a run started, or is expected to start. Instants are ISO 8601; one without an offset is in UTC. The ids are shortened;
    every command takes them so. JSON has all of each run.

    \b
    Examples:
      mintaka runs ls --limit 20
      mintaka runs ls --deployment etl/nightly --state SCHEDULED --sort EXPECTED_START_TIME_ASC
      mintaka runs ls --state FAILED --state CANCELLED --after 2022-06-01 --output json
    """

    def work(unit):
        found, more = listing(unit.flow_runs, run_filters(unit, selection), part, sort)
        return (found if output == "json" else with_names(unit, found)), more

    found, more = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_runs(found)
    tell_rest(more)


@runs.command()
@run_argument
@output_option
def inspect(run, output):
    """Show all there is to know about RUN, and the states it has been in.

    JSON has these as further members of the run: flow_name, deployment_name (FLOW/NAME) and states.

    \b
    Examples:
      mintaka runs inspect 9c1f2ab4
      mintaka runs inspect 9c1f2ab4 --output json | jq .state.message
    """

    def work(unit):
        [document] = with_names(unit, [require_run(unit, run)])
        return document | {"states": unit.flow_runs.history(document["id"])}

    document = transaction(work, read_only=True)
    if output == "json":
        print_json(document)
        return
    facts = plain(document)
    facts["state"] = state_cell(facts)
    first = ("id", "name", "deployment_name", "flow_name", "state")
    print_facts({name: facts[name] for name in first} | {name: value for name, value in facts.items() if name not in ("states", *first)})
    click.echo()
    print_table(("SINCE", "STATE", "TYPE", "MESSAGE"), [_state_row(state) for state in plain(document["states"])])


@runs.command()
@click.argument("run_ids", metavar="RUN...", type=RUN, nargs=-1, required=True)
@click.option("--message", default="Cancelled on the command line", show_default=True, help="The message of the state.")
def cancel(run_ids, message):
    """Set each RUN to CANCELLED.

    A run that is not started yet is not started any more, and is not made again by its schedule. Whoever executes a run learns it the next
    time that it reports. A run that has ended stays as it is, which is a failure; the other runs are cancelled all the same.

    \b
    Examples:
      mintaka runs cancel 9c1f2ab4
      mintaka runs cancel 9c1f2ab4 07be33d1 --message 'the source is down tonight'
    """
    refused = [reason for run in run_ids if (reason := _cancel(run, message))]
    if refused:
        raise Failed("; ".join(refused))


def _cancel(run, message):
    """Cancel one run. Return why it was refused, None when it was done."""

    def work(unit):
        document = require_run(unit, run)
        state = new_state(StateType.CANCELLED, unit.clock(), message=message)
        return document, unit.orchestration.set_flow_run_state(document["id"], state)

    try:
        document, outcome = transaction(work)
    except Failed as error:
        return error.message
    if outcome["status"] != "ACCEPT":
        return f"{document['name']} ({document['id']}) is not cancelled: {outcome['details']['reason']}"
    click.echo(f"{document['name']} ({document['id']}) is cancelled")
    return None


@runs.command()
@run_argument
@click.option("--new", is_flag=True, help="Make a new run of the same, and leave RUN as it is.")
@output_option
def retry(run, new, output):
    """Make RUN, which is over, SCHEDULED again, due now; its history is kept.

    With --new, a new run with its parameters and tags is made, which the tag retry_of:ID links to it.

    \b
    Examples:
      mintaka runs retry 9c1f2ab4
      mintaka runs retry 9c1f2ab4 --new --output json | jq -r .id
    """

    def work(unit):
        id = require_run(unit, run)["id"]
        return unit.run_service.retry_as_new(id) if new else unit.run_service.retry(id)

    document = transaction(work)
    if output == "json":
        print_json(document)
    else:
        click.echo(f"{document['name']} ({document['id']}) is {state_cell(document)}")


@runs.command()
@run_argument
@click.option(
    "--level",
    "least",
    type=click.Choice([name for _, name, _ in reversed(LEVELS)], case_sensitive=False),
    metavar="LEVEL",
    help="Only lines of this level and above: DEBUG, INFO, WARNING, ERROR or CRITICAL.",
)
@output_option
def logs(run, least, output):
    """Print what RUN and its task runs logged, the oldest line first.

    \b
    Examples:
      mintaka runs logs 9c1f2ab4
      mintaka runs logs 9c1f2ab4 --level WARNING
      mintaka runs logs 9c1f2ab4 --output json | jq -r '.[].message'
    """
    lowest = next((number for number, name, _ in LEVELS if name == least), None)
    id = transaction(lambda unit: require_run(unit, run)["id"], read_only=True)
    filters = {"logs": {"flow_run_id": {"any_": [id]}, "level": {"ge_": lowest}}}
    found, offset = [], 0
    while True:
        page = transaction(lambda unit, offset=offset: unit.logs.find(filters, LOG_LINES, offset, "TIMESTAMP_ASC"), read_only=True)
        if output == "json":
            found += page
        else:
            for line in page:
                _print_log(line)
        offset += len(page)
        if len(page) < LOG_LINES:
            break
    if output == "json":
        print_json(found)


def _print_log(line):
    name, color = next((name, color) for number, name, color in LEVELS if line["level"] >= number)
    at = line["timestamp"].strftime("%Y-%m-%d %H:%M:%S")
    first, *more = line["message"].splitlines() or [""]
    click.echo(f"{at}  {styled(f'{name:8}', fg=color)}  {styled(line['name'])}: {styled(first)}")
    for text in more:
        click.echo(f"    {styled(text)}")


@runs.command()
@run_argument
@click.option("--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, metavar="SECONDS", help="Look so often.")
@click.pass_context
def watch(ctx, run, interval):
    """Print every state that RUN enters, until it ends.

    The exit code is 0 when the run is COMPLETED, else 1. Ctrl-C ends the command, not the run.

    \b
    Examples:
      mintaka runs watch 9c1f2ab4
      mintaka runs watch 9c1f2ab4 --interval 10 && echo done
    """
    id = transaction(lambda unit: require_run(unit, run)["id"], read_only=True)
    seen = set()
    with stop_signals() as stop:
        while True:
            states = transaction(lambda unit: unit.flow_runs.history(id), read_only=True)
            for state in states:
                if state["id"] not in seen:
                    seen.add(state["id"])
                    _print_state(state)
            last = states[-1]["type"] if states else None
            if last in TERMINAL or stop.wait(interval):
                break
    ctx.exit(0 if last == StateType.COMPLETED else 1)


def _print_state(state):
    at = state["timestamp"].strftime("%Y-%m-%d %H:%M:%S")
    message = f"  {styled(state['message'])}" if state["message"] else ""
    click.echo(f"{at}  {state_cell({'state_name': state['name'], 'state_type': state['type']})}{message}")
    flush()


def with_names(unit, documents):
    """Return documents of flow runs with the names of their flows, and FLOW/NAME of their deployments (None without one)."""
    flows = names_of(unit.flows, "flows", {document["flow_id"] for document in documents})
    deployments = names_of(unit.deployments, "deployments", {document["deployment_id"] for document in documents} - {None})
    named = []
    for document in documents:
        flow, deployment = flows.get(document["flow_id"]), deployments.get(document["deployment_id"])
        named.append(document | {"flow_name": flow, "deployment_name": deployment and f"{flow}/{deployment}"})
    return named


def names_of(repository, entity, ids):
    """Return the names of what `repository` has under `ids`: {id: name}."""
    return {found["id"]: found["name"] for found in found_by_ids(repository, entity, ids)}


def found_by_ids(repository, entity, ids):
    """Return the documents that `repository` has under `ids`."""
    ids = sorted(ids)
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return [found for chunk in chunks for found in repository.find({entity: {"id": {"any_": chunk}}}, None)]


def print_runs(documents):
    """Print flow runs that `with_names` returned in a table."""
    now = mintaka().clock()
    print_table(HEADINGS, [_run_row(run, now) for run in documents])


def _run_row(run, now):
    start = relative(run["start_time"] or run["expected_start_time"], now)
    return bold(short_id(run["id"])), run["deployment_name"] or run["flow_name"], run["name"], state_cell(run), start


def _state_row(state):
    return state["timestamp"], state_cell({"state_name": state["name"], "state_type": state["type"]}), state["type"], state["message"]
