"""`flask flows`."""

from app.cli.group import Noun, mintaka, transaction
from app.cli.options import listing, name_option, page_options, sort_option, tag_option, tell_rest
from app.cli.output import output_option, plain, print_json, print_table
from app.db.session import get_session
from app.repositories.flows import Flows

flows = Noun("flows", help="Look at flows.")


@flows.command()
@name_option("flows")
@tag_option("flows")
@sort_option(Flows)
@page_options
@output_option
def ls(name, tags, sort, part, output):
    """List flows.

    \b
    Examples:
      flask --app wsgi flows ls
      flask --app wsgi flows ls --name etl --tag team-data --sort CREATED_DESC
      flask --app wsgi flows ls --output json
    """
    filters = {"flows": {"name": {"like_": name}, "tags": {"all_": tags}}}
    found, more = transaction(lambda: listing(Flows(get_session(), mintaka().clock), filters, part, sort), read_only=True)
    if output == "json":
        print_json(found)
    else:
        rows = [(flow["name"], flow["tags"], flow["created"], flow["id"]) for flow in plain(found)]
        print_table(("NAME", "TAGS", "CREATED", "ID"), rows)
    tell_rest(more)
