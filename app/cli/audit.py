"""`mintaka audit`."""

import json
from functools import wraps

import click

from app.cli.command_group import CommandGroup, transaction
from app.cli.options import checked, instant_option, listing, page_options, tell_rest
from app.cli.output import output_option, plain, print_facts, print_json, print_table, short_id
from app.cli.references import AUDIT_ENTRY, require_audit_entry
from app.domain import json_values
from app.repositories.audit import OLDEST_FIRST
from app.repositories.cursors import START
from app.schemas.audit import AuditPage

audit = CommandGroup("audit", help="Look at the audit trail: who changed what. ENTRY is an id, or the beginning or end of one.")

# Entries that an export reads at a time
AT_ONCE = 1000


def _many(name, path, metavar, help):
    callback = checked(AuditPage, f"audit_entries.{path}.any_")
    return click.option(name, path, multiple=True, metavar=metavar, callback=callback, help=f"{help}; repeatable.")


def selection(command):
    """Add the options that choose entries, handed to the command as `filters`."""

    @wraps(command)
    def with_filters(*args, since, until, **options):
        names = ("actor", "action", "object_kind", "object_id", "request_id")
        criteria = {name: {"any_": options.pop(name)} for name in names}
        return command(*args, filters={"audit_entries": criteria | {"created": {"after_": since, "before_": until}}}, **options)

    for option in (
        instant_option("--until", check=checked(AuditPage, "audit_entries.created.before_"), help="Those from this instant or before."),
        instant_option("--since", check=checked(AuditPage, "audit_entries.created.after_"), help="Those from this instant or later."),
        _many("--request", "request_id", "ID", "Those of the request with this id"),
        _many("--object", "object_id", "ID", "Those of the object with this id"),
        _many("--kind", "object_kind", "KIND", "Those of this kind of object, such as deployment"),
        _many("--action", "action", "ACTION", "Those of this action, such as pause"),
        _many("--actor", "actor", "NAME", "Those of the key or the user of this name"),
    ):
        with_filters = option(with_filters)
    return with_filters


@audit.command()
@selection
@page_options
@output_option
def ls(filters, part, output):
    """List entries, the newest first.

    \b
    Examples:
      mintaka audit ls --kind deployment --action pause --since 2026-06-01
      mintaka audit ls --actor ci --limit 20
      mintaka audit ls --object 0197a9f2-6b1c-7d5e-9c3a-1f2e3d4c5b6a --output json
    """
    found, more = transaction(lambda unit: listing(unit.audit_entries, filters, part), read_only=True)
    if output == "json":
        print_json(found)
    else:
        print_table(("TIME", "WHO", "ACTION", "OBJECT", "NAME", "WHAT", "ID"), [_row(entry) for entry in plain(found)])
    tell_rest(more)


def _row(entry):
    who = entry["actor"] or entry["address"]
    what = ", ".join([*entry["changes"], *entry["details"]])
    return entry["created"], who, entry["action"], entry["object_kind"], entry["object_name"], what, short_id(entry["id"])


@audit.command()
@click.argument("entry", type=AUDIT_ENTRY)
@output_option
def show(entry, output):
    """Show all of ENTRY.

    \b
    Examples:
      mintaka audit show 9c1f2ab4
      mintaka audit show 9c1f2ab4 --output json | jq .changes
    """
    document = transaction(lambda unit: require_audit_entry(unit, entry), read_only=True)
    if output == "json":
        print_json(document)
        return
    facts = plain(document)
    changes, details = facts.pop("changes"), facts.pop("details")
    print_facts(facts | details)
    if changes:
        click.echo()
        columns = ("before", "after", "added", "changed", "removed")
        shown = [column for column in columns if any(column in change for change in changes.values())]
        rows = [(field, *(change.get(column) for column in shown)) for field, change in changes.items()]
        print_table(("FIELD", *(column.upper() for column in shown)), rows)


@audit.command()
@selection
@click.option("-o", "--out", type=click.File("wb"), default="-", help="Write to this file.")
def export(filters, out):
    """Write entries as JSON lines, the oldest first.

    \b
    Examples:
      mintaka audit export --until 2026-01-01 -o audit-2025.jsonl
      mintaka audit export --actor ci | jq -r .action | sort | uniq -c
    """
    cursor = START
    while cursor is not None:
        page, cursor = transaction(lambda unit, at=cursor: _page(unit, filters, at), read_only=True)
        for entry in page:
            out.write(json_values.dumps(entry) + b"\n")


def _page(unit, filters, cursor):
    found, following = unit.audit_entries.page(filters, AT_ONCE, 0, OLDEST_FIRST, cursor)
    return json.loads(json_values.dumps(found)), following
