"""`mintaka deployments explain` and `mintaka runs explain`."""

from dataclasses import asdict

import click

from app.cli.command_group import mintaka, transaction
from app.cli.deployments import deployment_argument, deployments
from app.cli.output import bold, output_option, plain, print_json, print_table, relative, state_cell
from app.cli.references import require_deployment, require_run, shown
from app.cli.runs import run_argument, runs


@deployments.command("explain")
@deployment_argument
@output_option
@click.pass_context
def explain_deployment(ctx, deployment, output):
    """Say whether the next run of DEPLOYMENT will start, and why not, the most decisive reason first.

    The exit code is 0 where it will, else 1.

    \b
    Examples:
      mintaka deployments explain etl/nightly
      mintaka deployments explain etl/nightly --output json | jq -r '.reasons[].code'
    """
    found = transaction(lambda unit: unit.explanation_service.deployment(require_deployment(unit, deployment)["id"]), read_only=True)
    reasons = [reason._asdict() for reason in found.reasons]
    if output == "json":
        print_json(asdict(found) | {"reasons": reasons})
    else:
        click.echo(f"{shown(deployment)} {_verdict(found)}")
        _print_reasons(found.reasons)
    ctx.exit(0 if found.will_run else 1)


def _verdict(found):
    if found.next_run is None:
        return "will not run: no run waits to be started"
    when = f"at {plain(found.next_run)} ({relative(found.next_run, mintaka().clock())})"
    return f"will run {when}" if found.will_run else f"will not run, as things are; its next run is due {when}"


@runs.command("explain")
@run_argument
@output_option
def explain_run(run, output):
    """Say why RUN is where it is: what it waits for, who holds it, or how it ended.

    \b
    Examples:
      mintaka runs explain 9c1f2ab4
      mintaka runs explain 9c1f2ab4 --output json | jq -r '.reasons[0].message'
    """

    def work(unit):
        document = require_run(unit, run)
        return document, unit.explanation_service.run(document)

    document, reasons = transaction(work, read_only=True)
    if output == "json":
        named = {name: document[name] for name in ("id", "name", "state_type", "state_name")}
        print_json(named | {"reasons": [reason._asdict() for reason in reasons]})
        return
    click.echo(f"{bold(document['name'])} ({document['id']}) is {state_cell(document)}")
    _print_reasons(reasons)


def _print_reasons(reasons):
    if reasons:
        now = mintaka().clock()
        rows = [(reason.code, relative(reason.since, now), reason.message) for reason in reasons]
        print_table(("REASON", "SINCE", "MESSAGE"), rows)
