"""`mintaka keys`."""

import click

from app.cli.command_group import CommandGroup, Failed, mintaka, os_user, transaction
from app.cli.options import page_options, tell_rest, whole_list
from app.cli.output import output_option, plain, print_facts, print_json, print_table
from app.domain.keys import MAX_NAME_LENGTH, SCOPES, UNFENCED_SCOPES, duration
from app.errors import NotFound

keys = CommandGroup("keys", help="Make, list and end API keys.")


def _duration(ctx, param, text):
    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _scopes(ctx, param, chosen):
    # click's own error for an option that is missing has a line for each choice
    if not chosen:
        raise click.BadParameter(f"Give one or more of {', '.join(SCOPES)}.")
    return chosen


def _name(ctx, param, text):
    if not 1 <= len(text) <= MAX_NAME_LENGTH or not text.isprintable():
        raise click.BadParameter(f"Must be 1 to {MAX_NAME_LENGTH} printable characters.")
    return text


name_argument = click.argument("name", callback=_name)


def _print_key(document, output):
    if output == "json":
        print_json(document)
    else:
        print_facts(plain(document))
        click.echo("Keep the key now: it is stored nowhere.", err=True)


@keys.command()
@name_argument
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(list(SCOPES)),
    metavar="SCOPE",
    multiple=True,
    callback=_scopes,
    help=f"What it may do; repeat it for several: {', '.join(SCOPES)}.",
)
@click.option("--expires", metavar="DURATION", callback=_duration, help="How long it lasts, such as 12h or 90d; for ever if not given.")
@click.option(
    "--tag",
    "tags",
    metavar="TAG",
    multiple=True,
    help="Let it reach only deployments, runs, logs and work queues with this tag; repeat it for those that have them all.",
)
@output_option
def create(name, scopes, expires, tags, output):
    """Make the key NAME, and print it: this once.

    \b
    Examples:
      mintaka keys create ci --scope deployments:write --expires 90d
      mintaka keys create agent --scope worker --scope runs:read --output json
      mintaka keys create team-a --scope runs:read --scope runs:write --tag team-a
    """
    if tags and (unfenced := [scope for scope in scopes if scope in UNFENCED_SCOPES]):
        raise click.UsageError(f"A key with the scope {' or '.join(unfenced)} cannot have tags: what it opens has none.")
    longest = mintaka().settings.bounds.tag_length
    if any(not 1 <= len(tag) <= longest for tag in tags):
        raise click.BadParameter(f"Must be 1 to {longest} characters.", param_hint="'--tag'")
    _print_key(transaction(lambda unit: unit.keys.create(name, scopes, expires, os_user(), tags)), output)


@keys.command()
@page_options
@output_option
def ls(part, output):
    """List the keys that are not revoked, by name, without their secrets, with when each was last used, to the minute.

    \b
    Examples:
      mintaka keys ls
      mintaka keys ls --all --output json
    """
    found, more = transaction(lambda unit: whole_list(unit.keys, part), read_only=True)
    if output == "json":
        print_json(found)
    else:
        rows = [(key["name"], key["scopes"], key.get("tags", ""), key["expires"], key["last_used"], key["id"]) for key in plain(found)]
        print_table(("NAME", "SCOPES", "TAGS", "EXPIRES", "LAST USED", "ID"), rows)
    tell_rest(more)


@keys.command()
@name_argument
def revoke(name):
    """End the key NAME. The name stays taken.

    \b
    Examples:
      mintaka keys revoke ci
    """
    try:
        transaction(lambda unit: unit.keys.revoke(name))
    except NotFound as error:
        raise Failed(f"{error}: {name}") from None
    click.echo(f"{name} is revoked")


@keys.command()
@name_argument
@click.option(
    "--overlap", metavar="DURATION", callback=_duration, help="How long the old secret stays good, such as 1d; not at all if not given."
)
@click.option("--expires", metavar="DURATION", callback=_duration, help="How long the key lasts from now; as long as before if not given.")
@output_option
def rotate(name, overlap, expires, output):
    """Give the key NAME a new secret, and print it: this once.

    Its id and its scopes stay. A secret from before an earlier rotation ends at once.

    \b
    Examples:
      mintaka keys rotate ci --overlap 1d
      mintaka keys rotate ci --expires 90d --output json
    """
    try:
        document = transaction(lambda unit: unit.keys.rotate(name, overlap, expires))
    except NotFound as error:
        raise Failed(f"{error}: {name}") from None
    _print_key(document, output)
