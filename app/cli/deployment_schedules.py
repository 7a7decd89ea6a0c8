"""`mintaka deployments schedules` and `mintaka deployments preview`."""

from dataclasses import replace
from functools import wraps

import click

from app.cli.command_group import CommandGroup, Failed, mintaka, transaction
from app.cli.deployments import deployment_argument, deployments
from app.cli.options import checked, instant_option, number_option, parameters
from app.cli.output import output_option, plain, print_json, print_table
from app.cli.references import DEPLOYMENT, require_deployment, shown
from app.domain import json_values, schedules
from app.domain.deployment_schedules import DEFAULT, SHAPE, ScheduleChanges, UnreadableSchedule, changed_members
from app.domain.instants import LATEST
from app.domain.unset import given
from app.errors import InvalidField, NotFound
from app.schemas.deployment_schedules import Fold, Gap, NamedSchedule, ScheduleFields
from app.schemas.deployments import ScheduleRuns

# Where a member of a schedule has another name on the command line
OPTIONS = {"anchor_date": "--anchor", "day_or": "--no-day-or", "jitter_seconds": "--jitter", "max_scheduled_runs": "--max-runs"}

schedules_group = CommandGroup("schedules", help="Look at the schedules of a deployment and set them. SLUG names one.")
deployments.add_command(schedules_group)

slug_argument = click.argument("slug", callback=checked(NamedSchedule, "slug"))


def _exclusions(ctx, param, texts):
    """Return the entries: a date is given as it is, any other as JSON."""
    entries = []
    for text in texts:
        try:
            entries.append(json_values.loads(text.encode(), 4) if text.lstrip().startswith("{") else text)
        except InvalidField as error:
            raise click.BadParameter(error.reason) from None
    return entries or None


def schedule_options(command):
    """Add the options that describe a schedule, handed to the command as `changes`, a `ScheduleChanges` of what was given."""

    @wraps(command)
    def described(cron, interval, rrule, timezone, anchor, no_day_or, jitter, **options):
        members = {"cron": cron, "interval": interval, "rrule": rrule, "timezone": timezone, "anchor_date": anchor}
        members = {name: value for name, value in members.items() if value is not None} | ({"day_or": False} if no_day_or else {})
        shape = {name: options.pop(name) for name in ("starts_at", "ends_at", "exclude", "gap", "fold")} | {"jitter_seconds": jitter}
        shape = {name: value for name, value in shape.items() if value is not None}
        return command(changes=ScheduleChanges(**({"schedule": members} if members else {}), **shape), **options)

    for option in reversed(
        (
            click.option("--cron", help="A cron expression of five fields, or an alias such as @daily."),
            click.option("--interval", type=float, metavar="SECONDS", help="So many seconds between runs."),
            click.option("--rrule", help="A recurrence rule of RFC 5545."),
            click.option("--timezone", metavar="ZONE", help="The IANA name of the schedule's time zone; UTC if not given."),
            click.option("--anchor", metavar="INSTANT", help="With --interval: an instant to count from."),
            click.option("--no-day-or", is_flag=True, help="With --cron: day of month and day of week must both match."),
            instant_option("--starts-at", check=checked(ScheduleFields, "starts_at"), help="The first instant it may have."),
            instant_option("--ends-at", check=checked(ScheduleFields, "ends_at"), help="The last instant it may have."),
            click.option(
                "--exclude",
                multiple=True,
                metavar="ENTRY",
                callback=_exclusions,
                help="Leave out a date, or an entry as JSON; repeatable.",
            ),
            number_option("--jitter", check=checked(ScheduleFields, "jitter_seconds"), help="Start up to so many seconds later."),
            click.option("--gap", type=click.Choice([gap.value for gap in Gap]), help="What becomes of a local time that does not exist."),
            click.option(
                "--fold", type=click.Choice([fold.value for fold in Fold]), help="Which of a local time that exists twice is meant."
            ),
        )
    ):
        described = option(described)
    return described


@schedules_group.command()
@deployment_argument
@output_option
def ls(deployment, output):
    """List the schedules of DEPLOYMENT, in order of slug.

    \b
    Examples:
      mintaka deployments schedules ls etl/nightly
      mintaka deployments schedules ls etl/nightly --output json
    """

    def work(unit):
        return unit.deployment_schedule_service.list(require_deployment(unit, deployment)["id"])

    found = transaction(work, read_only=True)
    if output == "json":
        print_json(found)
        return
    rows = [(one["slug"], one["is_active"], one["description"] or one["schedule_error"], one["next_run"]) for one in plain(found)]
    print_table(("SLUG", "ACTIVE", "SCHEDULE", "NEXT RUN"), rows)


@schedules_group.command("set")
@deployment_argument
@slug_argument
@schedule_options
@click.option("--param", "params", multiple=True, metavar="KEY=JSON", callback=parameters, help="A parameter of its runs; repeatable.")
@number_option("--max-runs", check=checked(ScheduleFields, "max_scheduled_runs"), help="Keep so many runs ahead.")
@click.option("--active/--inactive", "is_active", default=None, help="Whether it makes runs.")
@output_option
def set_schedule(deployment, slug, changes, params, max_runs, is_active, output):
    """Create the schedule SLUG of DEPLOYMENT, or change what the options name of it.

    \b
    Examples:
      mintaka deployments schedules set etl/nightly month-end --cron '0 18 L * *' --timezone Europe/Berlin --exclude 2026-12-31
      mintaka deployments schedules set etl/nightly often --interval 1200 --jitter 300 --param 'region="eu"'
      mintaka deployments schedules set etl/nightly often --exclude '{"holidays": "DE-BE"}'
    """
    others = {"parameters": params or None, "max_scheduled_runs": max_runs, "is_active": is_active}
    changes = replace(changes, **{name: value for name, value in others.items() if value is not None})

    def work(unit):
        id, service = require_deployment(unit, deployment)["id"], unit.deployment_schedule_service
        unit.deployments.lock(id)
        if any(schedule.slug == slug for schedule in unit.deployment_schedules.of(id)):
            return service.change(id, slug, changes), False
        if not changes.schedule:
            raise click.UsageError("A new schedule needs one of --cron, --interval and --rrule.")
        return service.put(id, slug, changes)

    try:
        document, created = transaction(work)
    except InvalidField as error:
        raise _bad_option(error) from None
    if output == "json":
        print_json(document)
    else:
        facts = plain(document)
        click.echo(f"{shown(deployment)} {slug} is {'set' if created else 'changed'}: {facts['description']}")


@schedules_group.command()
@deployment_argument
@slug_argument
def rm(deployment, slug):
    """Remove the schedule SLUG of DEPLOYMENT.

    The runs it made ahead of time that have never started are deleted.

    \b
    Examples:
      mintaka deployments schedules rm etl/nightly month-end
    """

    def work(unit):
        id = require_deployment(unit, deployment)["id"]
        try:
            unit.deployment_schedule_service.delete(id, slug)
        except NotFound as error:
            raise Failed(f"{error}: {slug}") from None

    transaction(work)
    click.echo(f"{shown(deployment)} {slug} is removed")


@deployments.command()
@click.argument("deployment", type=DEPLOYMENT, required=False)
@click.option("--schedule", "slug", callback=checked(NamedSchedule, "slug"), help="With DEPLOYMENT: the slug of its schedule.")
@schedule_options
@instant_option("--start", check=checked(ScheduleRuns, "start_time"), help="The first instant to look at; now if not given.")
@number_option("--count", default=10, show_default=True, check=checked(ScheduleRuns, "max_runs"), help="Show so many.")
@output_option
def preview(deployment, slug, changes, start, count, output):
    """Show the next runs of a schedule, in its time zone and in UTC.

    The schedule is one of DEPLOYMENT, paused or not, or one given by --cron, --interval or --rrule. The last column says what daylight
    saving, and jitter, do to a run. Nothing is stored.

    \b
    Examples:
      mintaka deployments preview etl/nightly
      mintaka deployments preview --cron '30 2 * * *' --timezone America/New_York --start 2022-03-12 --count 3
      mintaka deployments preview --interval 86400 --timezone Europe/London --output json
      mintaka deployments preview --rrule 'FREQ=MONTHLY;BYDAY=-1FR' --timezone Europe/Berlin --exclude '{"holidays": "DE-BE"}'
    """
    start = start or mintaka().clock()
    if deployment is None:
        schedule = _of_options(changes, start)
    elif given(changes):
        raise click.UsageError("Give a deployment or the options of a schedule, not both.")
    else:
        schedule = _of_deployment(deployment, slug or DEFAULT)
    try:
        dates = schedules.preview(schedule, start, LATEST, count)
    except schedules.InvalidSchedule as error:
        raise Failed(f"The schedule failed: {error}") from None
    found = [{"local": date["local"], "utc": date["instant"], "daylight_saving": date["note"]} for date in dates]
    zone = schedule.zone.key
    if output == "json":
        print_json({"schedule": schedule.to_document(), "timezone": zone, "occurrences": found})
        return
    print_table((f"LOCAL ({zone})", "UTC", "DAYLIGHT SAVING"), [_row(occurrence) for occurrence in found])
    if len(found) < count:
        click.echo(f"(no more until the end of {LATEST.year})", err=True)


def _of_options(changes, start):
    members = changes.schedule or {}
    if not members.keys() & schedules.MEMBERS.keys():
        raise click.UsageError("Give a deployment, or one of --cron, --interval and --rrule.")
    try:
        return schedules.validate_shape(changed_members(SHAPE, changes), None, start, mintaka().settings.min_interval_seconds)
    except schedules.InvalidSchedule as error:
        raise _bad_option(error) from None


def _of_deployment(deployment, slug):
    def work(unit):
        found = {schedule.slug: schedule for schedule in unit.deployment_schedules.of(require_deployment(unit, deployment)["id"])}
        return found.get(slug)

    stored = transaction(work, read_only=True)
    if stored is None:
        raise Failed("The deployment has no schedule." if slug == DEFAULT else f"The deployment has no schedule {slug}.")
    if isinstance(stored.schedule, UnreadableSchedule):
        # what is stored is no fault of whoever asks for it
        raise Failed(f"The deployment's schedule failed: {stored.schedule.error}")
    return stored.schedule


def _bad_option(error):
    """Return the usage error for a value that cannot be used."""
    if error.loc == ("schedule",):
        return click.UsageError("Give one of --cron, --interval and --rrule, not several.")
    name = next((step for step in error.loc if isinstance(step, str) and step != "schedule"), "schedule")
    option = OPTIONS.get(name, f"--{name.replace('_', '-')}")
    return click.BadParameter(error.reason, param_hint=f"'{option}'")


def _row(occurrence):
    return (*(f"{occurrence[side]:%a} {occurrence[side].isoformat(' ')}" for side in ("local", "utc")), occurrence["daylight_saving"])
