"""Options that several commands take, read and checked by the rules of the API's requests."""

from functools import wraps
from typing import NamedTuple

import click
from marshmallow import ValidationError

from app.domain import json_values
from app.domain.ages import parse_age
from app.errors import InvalidField
from app.schemas.base import Part
from app.schemas.context import current
from app.schemas.filters import Page


def checked(schema, path):
    """Return a callback for an option that holds what the field at `path` of a request body holds: what the API refuses, it refuses."""

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


def number_option(name, *, check, **attributes):
    """Return an option that takes a whole number."""
    return click.option(name, type=int, metavar="N", callback=check, **attributes)


def name_option(entity):
    """Return `--name`: part of a name."""
    return click.option("--name", callback=checked(Page, f"{entity}.name.like_"), help="Those with this text in their name.")


def tag_option(entity):
    """Return `--tag`, repeated: all of the tags must be there."""
    callback = checked(Page, f"{entity}.tags.all_")
    return click.option("--tag", "tags", multiple=True, callback=callback, help="Those with this tag; repeat it for several.")


def flow_option(command):
    """Add `--flow`: the name of a flow, all of it."""
    return click.option("--flow", help="Those of the flow with this name.")(command)


def instant_option(name, *, check, help):
    """Return an option that takes an ISO 8601 instant."""
    return click.option(name, metavar="INSTANT", callback=check, help=help)


def age_option(name, *, help, **attributes):
    """Return an option that takes an age, as `90d`."""

    def read(ctx, param, text):
        if text is None:
            return None
        try:
            return parse_age(text)
        except ValueError as error:
            raise click.BadParameter(f"{text!r} is not {error}.") from None

    return click.option(name, metavar="AGE", callback=read, help=help, **attributes)


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


class ListPart(NamedTuple):
    """Which part of a list: at most `limit` (None: all there are), after the first `offset`."""

    limit: int | None
    offset: int


def page_options(command):
    """Add `--limit`, `--offset` and `--all`, handed to the command as one `part`."""

    @wraps(command)
    def with_part(*args, limit, offset, every, **options):
        if every and limit is not None:
            raise click.UsageError("Give --limit or --all, not both.", click.get_current_context())
        if limit is None and not every:
            limit = current().bounds.page_size
        return command(*args, part=ListPart(limit, offset), **options)

    every = click.option("--all", "every", is_flag=True, help="All there are, in place of a limit.")
    offset = number_option("--offset", default=0, check=checked(Part, "offset"), help="Skip so many first.")
    limit = number_option("--limit", check=checked(Part, "limit"), help="At most so many; the maximum if not given.")
    return limit(offset(every(with_part)))


def sort_option(sorts):
    """Return `--sort`: one of the orders `sorts`, the first being the default."""
    names = list(sorts)
    return click.option("--sort", type=click.Choice(names), metavar="ORDER", default=names[0], show_default=True, help=_orders(names))


def _orders(names):
    return f"The order: {', '.join(names[:-1])} or {names[-1]}."


def listing(repository, filters, part, sort=None):
    """Return the documents that meet `filters`, and how many there are after them."""
    found = repository.find(filters, part.limit, part.offset, sort)
    # a page that is not full is the last one
    return found, max(repository.count(filters) - part.offset - len(found), 0) if len(found) == part.limit else 0


def whole_list(repository, part):
    """Return what `listing` does, of a repository without filters, which holds few rows."""
    rows = repository.list(offset=part.offset)
    found = rows[: part.limit]
    return found, len(rows) - len(found)


def tell_rest(more):
    """Say on standard error that a list goes on, to scripts too: what they do next would be done to a part of it."""
    if more:
        click.echo(f"({more} more; --all shows them)", err=True)


def parameters(ctx, param, pairs):
    """Read a repeated option of the form KEY=JSON. Return a mapping, None when there is none."""
    found = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"{pair!r} is not of the form KEY=JSON, such as limit=5.")
        try:
            found[key] = json_values.loads(text.encode(), current().bounds.json_depth)
        except InvalidField as error:
            reason = error.reason.replace("The body", "It")
            raise click.BadParameter(f"The value of {key!r}: {reason} It must be JSON; a string has its quotes: '{key}=\"...\"'.") from None
    return found or None
