"""What each kind of schedule looks like. These schemas document; `app.domain.schedules` validates, and knows more than they say."""

from app.domain.schedules import MIN_INTERVAL_SECONDS
from app.schemas import fields
from app.schemas.base import Body
from app.schemas.context import Bound
from app.schemas.fields import MAX_TEXT

ZONE = {"format": "iana-timezone", "example": "Europe/Berlin"}
DAYLIGHT_SAVING = (
    "A local time that a change of clocks leaves out is moved on by the length of the gap (02:30 becomes 03:30); "
    "one that comes twice means the first. Occurrences that fall on one instant are one."
)


class IntervalSchedule(Body):
    """Every so many seconds from an anchor, in both directions. Give an anchor or a zone, not both."""

    interval = fields.Float(
        f"Seconds from one run to the next, at least {MIN_INTERVAL_SECONDS:g} unless the server is set otherwise. A whole number of days "
        "steps in days of the zone's calendar, so that 09:00 stays 09:00 when clocks change; anything else steps in elapsed time. "
        f"{DAYLIGHT_SAVING}",
        min=Bound("min_interval_seconds"),
        max=100 * 366 * 86_400,
        required=True,
        example=1200,
    )
    anchor_date = fields.Instant("One of the occurrences; midnight of 2020-01-01 in the zone if not given.", allow_none=True)
    timezone = fields.String("The zone, by its IANA name, of the default anchor; UTC if null.", allow_none=True, metadata=ZONE)


class CronSchedule(Body):
    """The local times of a zone that a cron expression names."""

    cron = fields.String(
        "Five fields (minute, hour, day of month, month, day of week) or one of @hourly, @daily, @midnight, @weekly, "
        f"@monthly, @yearly, @annually. An expression that never fires is refused. {DAYLIGHT_SAVING}",
        min=1,
        max=MAX_TEXT,
        required=True,
        example="0 9 * * 1-5",
        metadata={"format": "cron"},
    )
    timezone = fields.String("The zone, by its IANA name; UTC if null.", allow_none=True, metadata=ZONE)
    day_or = fields.Boolean(
        "When both days are restricted: whether either is enough (true, as cron has it) or both must hold.", example=True
    )


class RRuleSchedule(Body):
    """The local times of a zone that RFC 5545 recurrence text names."""

    rrule = fields.String(
        "An RRULE, or several lines of DTSTART, RRULE, RDATE and EXDATE. Without DTSTART it counts from midnight of "
        "2020-01-01 in the zone. EXRULE, BYEASTER, SECONDLY and INTERVAL=0 are refused, and so is a rule that "
        f"takes too long to find its next date. {DAYLIGHT_SAVING}",
        min=1,
        max=8_000,
        required=True,
        example="FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0",
        metadata={"format": "rrule"},
    )
    timezone = fields.String("The zone, by its IANA name; UTC if null.", allow_none=True, metadata=ZONE)


# By the member that says which kind it is; a test holds them against the kinds that there are
KINDS = {"interval": IntervalSchedule, "cron": CronSchedule, "rrule": RRuleSchedule}


class Schedule(fields.Schedule):
    """When to run: an interval, a cron expression or a recurrence rule."""

    one_of = KINDS
