"""`mintaka deployments policy`."""

from dataclasses import asdict
from typing import Any

import click

from app.cli.command_group import transaction
from app.cli.deployments import deployment_argument, deployments
from app.cli.options import checked
from app.cli.output import output_option, print_facts, print_json
from app.cli.references import require_deployment
from app.domain.start_policy import Overlap, StartPolicyChanges
from app.schemas.policies import StartPolicyUpdate

NOTHING = "none"


def _number_or_none(name, help):
    """Return an option that takes a whole number, or `none` to clear what is stored."""
    field = name.removeprefix("--").replace("-", "_")
    check = checked(StartPolicyUpdate, field)

    def callback(ctx, param, text):
        if text is None or text == NOTHING:
            return text
        return check(ctx, param, int(text) if text.isascii() and text.isdigit() else text)

    return click.option(name, field, metavar="N|none", callback=callback, help=help)


@deployments.command()
@deployment_argument
@_number_or_none("--concurrency-limit", "How many of its runs may be PENDING or RUNNING at once.")
@click.option("--overlap", type=click.Choice([overlap.value for overlap in Overlap]), help="What becomes of a due run that finds no room.")
@_number_or_none("--catchup-window-seconds", "A run that is due for longer without having started ends as Missed.")
@_number_or_none("--pause-after-failures", "It is paused after so many failed runs in a row.")
@output_option
def policy(deployment, overlap, output, **numbers):
    """Show whether the due runs of DEPLOYMENT start, or change it.

    What no option names stays as it is; `none` clears. Runs that have started already go on, though they be more than a new limit.

    \b
    Examples:
      mintaka deployments policy etl/nightly
      mintaka deployments policy etl/nightly --concurrency-limit 1 --overlap skip
      mintaka deployments policy etl/nightly --pause-after-failures none --output json
    """
    named: dict[str, Any] = {name: None if value == NOTHING else value for name, value in numbers.items() if value is not None}
    if overlap:
        named["overlap"] = Overlap(overlap)

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        if not named:
            return unit.deployments.start_policy_of(id)
        return unit.deployment_service.change_start_policy(id, StartPolicyChanges(**named))

    found = asdict(transaction(work, read_only=not named))
    if output == "json":
        print_json(found)
    else:
        print_facts(found)
