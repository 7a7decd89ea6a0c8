"""`flask deployments preview`: when a schedule runs, and what daylight saving does to it."""

from itertools import islice

import click

from app.cli.deployments import deployments
from app.cli.group import Failed, mintaka, transaction
from app.cli.options import DEPLOYMENT, checked, require_deployment
from app.cli.output import output_option, plain, print_json, print_table
from app.domain import schedules
from app.domain.instants import LATEST
from app.domain.schedules.daylight import explain
from app.errors import InvalidSchedule
from app.schemas.requests import ScheduleRuns

# Where a member of a schedule has another name on the command line
OPTIONS = {"anchor_date": "--anchor", "day_or": "--no-day-or"}


@deployments.command()
@click.argument("deployment", type=DEPLOYMENT, required=False)
@click.option("--cron", help="A cron expression of five fields, or an alias such as @daily.")
@click.option("--interval", type=float, metavar="SECONDS", help="So many seconds between runs.")
@click.option("--rrule", help="A recurrence rule of RFC 5545.")
@click.option("--timezone", metavar="ZONE", help="The IANA name of the schedule's time zone; UTC if not given.")
@click.option("--anchor", metavar="INSTANT", help="With --interval: an instant to count from.")
@click.option("--no-day-or", is_flag=True, help="With --cron: day of month and day of week must both match.")
@click.option("--start", callback=checked(ScheduleRuns, "start_time"), help="The first instant to look at; now if not given.")
@click.option("--count", type=int, default=10, show_default=True, callback=checked(ScheduleRuns, "max_runs"), help="Show so many.")
@output_option
def preview(deployment, cron, interval, rrule, timezone, anchor, no_day_or, start, count, output):
    """Show the next runs of a schedule, in its time zone and in UTC.

    The schedule is that of DEPLOYMENT, paused or not, or one given by --cron, --interval or --rrule. The last column says what daylight
    saving does to a run. Nothing is stored.

    \b
    Examples:
      flask --app wsgi deployments preview etl/nightly
      flask --app wsgi deployments preview --cron '30 2 * * *' --timezone America/New_York --start 2022-03-12 --count 3
      flask --app wsgi deployments preview --interval 86400 --timezone Europe/London --output json
      flask --app wsgi deployments preview --rrule 'FREQ=MONTHLY;BYDAY=-1FR' --timezone Europe/Berlin
    """
    members = {"cron": cron, "interval": interval, "rrule": rrule, "timezone": timezone, "anchor_date": anchor}
    members = {name: value for name, value in members.items() if value is not None} | ({"day_or": False} if no_day_or else {})
    start = start or mintaka().clock()
    if deployment is None:
        schedule, instants = _occurrences_of_options(members, start, count)
    elif members:
        raise click.UsageError("Give a deployment or the options of a schedule, not both.")
    else:
        schedule, instants = _occurrences_of_deployment(deployment, start, count)
    found = _described(schedule, instants)
    zone = schedule.timezone or "UTC"
    if output == "json":
        print_json({"schedule": schedule.to_document(), "timezone": zone, "occurrences": found})
        return
    print_table((f"LOCAL ({zone})", "UTC", "DAYLIGHT SAVING"), [_row(occurrence) for occurrence in found])
    if len(found) < count:
        click.echo(f"(no more until the end of {LATEST.year})", err=True)


def _occurrences_of_options(members, start, count):
    if not members.keys() & schedules.MEMBERS.keys():
        raise click.UsageError("Give a deployment, or one of --cron, --interval and --rrule.")
    try:
        return _occurrences(schedules.validate(members, after=start), start, count)
    except InvalidSchedule as error:
        if not error.field:
            raise click.UsageError("Give one of --cron, --interval and --rrule, not several.") from None
        raise click.BadParameter(error.reason, param_hint=f"'{OPTIONS.get(error.field, f'--{error.field}')}'") from None


def _occurrences_of_deployment(deployment, start, count):
    document = plain(transaction(lambda: require_deployment(deployment), read_only=True))
    if document["schedule"] is None:
        raise Failed("The deployment has no schedule.")
    try:
        return _occurrences(schedules.parse(document["schedule"]), start, count)
    except InvalidSchedule as error:
        # what is stored is no fault of whoever asks for it
        raise Failed(f"The deployment's schedule failed: {error}") from None


def _occurrences(schedule, start, count):
    return schedule, list(islice(schedule.occurrences(start, LATEST, count), count))


def _described(schedule, instants):
    notes = explain(schedule, instants)
    return [
        {"local": instant.astimezone(schedule.zone), "utc": instant, "daylight_saving": note}
        for instant, note in zip(instants, notes, strict=True)
    ]


def _row(occurrence):
    return (*(f"{occurrence[side]:%a} {occurrence[side].isoformat(' ')}" for side in ("local", "utc")), occurrence["daylight_saving"])
