"""Options that several commands take, read and checked by the rules of the API's requests."""

import uuid
from functools import wraps
from typing import NamedTuple

import click
from marshmallow import ValidationError

from app.cli.group import Failed, mintaka
from app.db.session import get_session
from app.domain import bounds, json_values
from app.errors import InvalidField, NotFound
from app.repositories.deployments import Deployments
from app.schemas.filters import Page


def checked(schema, path):
    """A callback for an option that holds what the field at `path` of a request body holds: what the API refuses, it refuses."""

    def callback(ctx, param, value):
        if value is None or value == ():
            return None
        try:
            return _field(schema, path).deserialize(list(value) if param.multiple else value)
        except ValidationError as error:
            raise click.BadParameter(" ".join(_texts(error.messages))) from None

    return callback


def _field(schema, path):
    *groups, name = path.split(".")
    fields = schema().fields
    for group in groups:
        fields = fields[group].schema.fields
    return fields[name]


def _texts(messages):
    if isinstance(messages, str):
        return [messages]
    return [text for below in (messages.values() if isinstance(messages, dict) else messages) for text in _texts(below)]


def name_option(entity):
    """`--name`: part of a name."""
    return click.option("--name", callback=checked(Page, f"{entity}.name.like_"), help="Those with this text in their name.")


def tag_option(entity):
    """`--tag`, repeated: all of the tags must be there."""
    callback = checked(Page, f"{entity}.tags.all_")
    return click.option("--tag", "tags", multiple=True, callback=callback, help="Those with this tag; repeat it for several.")


def flow_option(command):
    """`--flow`: the name of a flow, all of it."""
    return click.option("--flow", help="Those of the flow with this name.")(command)


class Part(NamedTuple):
    """Which part of a list: at most `limit` (None: all there are), behind the first `offset`."""

    limit: int | None
    offset: int


def page_options(command):
    """`--limit`, `--offset` and `--all`, handed to the command as one `part`."""

    @wraps(command)
    def with_part(*args, limit, offset, every, **options):
        if every and limit is not None:
            raise click.UsageError("Give --limit or --all, not both.", click.get_current_context())
        if limit is None and not every:
            limit = bounds.in_force().page_size
        return command(*args, part=Part(limit, offset), **options)

    every = click.option("--all", "every", is_flag=True, help="All there are, in place of a limit.")
    offset = click.option("--offset", type=int, default=0, callback=checked(Page, "offset"), help="Pass over so many first.")
    limit = click.option("--limit", type=int, callback=checked(Page, "limit"), help="At most so many; the maximum if not given.")
    return limit(offset(every(with_part)))


def sort_option(repository):
    """`--sort`: one of the orders in which a repository lists."""
    sorts = list(repository.sorts)
    return click.option("--sort", type=click.Choice(sorts), default=sorts[0], show_default=True, help="The order.")


def listing(repository, filters, part, sort=None):
    """The documents that meet `filters`, and how many there are behind them."""
    found = repository.find(filters, part.limit, part.offset, sort)
    # a page that is not full is the last one
    return found, max(repository.count(filters) - part.offset - len(found), 0) if len(found) == part.limit else 0


def tell_rest(more):
    """Say on standard error that a list goes on, to scripts too: what they do next would be done to a part of it."""
    if more:
        click.echo(f"({more} more; --all shows them)", err=True)


class DeploymentType(click.ParamType):
    """A deployment's id (a UUID), or the names of its flow and its own, (flow, name)."""

    name = "deployment"

    def convert(self, value, param, ctx):
        """The UUID or the names."""
        if not isinstance(value, str):
            return value
        names = value.split("/")
        if len(names) == 2 and all(names):
            return tuple(names)
        try:
            return uuid.UUID(value)
        except ValueError:
            self.fail(f"{value!r} is neither an id nor of the form FLOW/NAME.", param, ctx)


DEPLOYMENT = DeploymentType()


def require_deployment(reference):
    """The document of the deployment that a value of `DEPLOYMENT` means. Raises Failed when there is none."""
    registry = Deployments(get_session(), mintaka().clock)
    try:
        return registry.read_by_names(*reference) if isinstance(reference, tuple) else registry.require(reference)
    except NotFound as error:
        raise Failed(f"{error}: {'/'.join(reference) if isinstance(reference, tuple) else reference}") from None


def parameters(ctx, param, pairs):
    """A callback for a repeated option of the form KEY=JSON: a mapping, None when there is none."""
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r} is not of the form KEY=JSON, such as limit=5.")
        try:
            found[key] = json_values.loads(text.encode(), bounds.in_force().json_depth)
        except InvalidField as error:
            reason = error.reason.replace("The body", "It")
            raise click.BadParameter(f"The value of {key!r}: {reason} It must be JSON; a string has its quotes: '{key}=\"...\"'.") from None
    return found or None
