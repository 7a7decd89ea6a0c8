"""Options that choose flow runs."""

from functools import wraps

import click

from app.cli.options import checked, flow_option, instant_option, name_option, tag_option
from app.cli.references import DEPLOYMENT, require_deployment
from app.domain.states import StateType
from app.schemas.filters import Page

STATES = [kind.value for kind in StateType]

_state_option = click.option(
    "--state",
    "states",
    type=click.Choice(STATES, case_sensitive=False),
    metavar="TYPE",
    multiple=True,
    help=f"Those in a state of this type: {', '.join(STATES)}; repeat it for several.",
)
_OPTIONS = (
    click.option("--deployment", type=DEPLOYMENT, metavar="DEPLOYMENT", help="Those of this deployment: its id, or FLOW/NAME."),
    flow_option,
    name_option("flow_runs"),
    _state_option,
    tag_option("flow_runs"),
    instant_option("--after", check=checked(Page, "flow_runs.expected_start_time.after_"), help="Expected to start then or later."),
    instant_option("--before", check=checked(Page, "flow_runs.expected_start_time.before_"), help="... then or earlier."),
)


def run_selection(command):
    """Add the options that choose flow runs, handed to the command as one `selection`, empty without them."""

    @wraps(command)
    def with_selection(*args, states, **options):
        given = {name: options.pop(name) for name in ("deployment", "flow", "name", "tags", "after", "before")} | {"states": list(states)}
        selection = {name: value for name, value in given.items() if value not in (None, [])}
        return command(*args, selection=selection, **options)

    for option in reversed(_OPTIONS):
        with_selection = option(with_selection)
    return with_selection


def run_filters(unit, selection):
    """Return the filters that a `selection` means. Raise Failed for a deployment that does not exist."""
    deployment = selection.get("deployment")
    criteria = {
        "name": {"like_": selection.get("name")},
        "tags": {"all_": selection.get("tags")},
        "state": {"type": {"any_": selection.get("states")}},
        "expected_start_time": {"after_": selection.get("after"), "before_": selection.get("before")},
        "deployment_id": {"any_": [require_deployment(unit, deployment)["id"]] if deployment else None},
    }
    return {"flow_runs": criteria, "flows": {"name": {"any_": [selection["flow"]]}} if "flow" in selection else None}
