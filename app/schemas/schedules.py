"""What the three kinds of schedule look like. These schemas document; `app.domain.schedules` validates, and knows more than they say."""

from marshmallow import fields

from app.schemas.base import Body, Boolean, Instant, Text

ZONE = {"format": "iana-timezone", "example": "Europe/Berlin"}
DAYLIGHT_SAVING = (
    "A local time that a change of clocks leaves out is moved on by the length of the gap (02:30 becomes 03:30); "
    "one that comes twice means the first. Occurrences that fall on one instant are one."
)


class IntervalSchedule(Body):
    """Every so many seconds from an anchor, in both directions. Give an anchor or a zone, not both."""

    interval = fields.Float(
        required=True,
        metadata={
            "description": "Seconds from one run to the next, more than 0. A whole number of days steps in days of the zone's calendar, "
            f"so that 09:00 stays 09:00 when clocks change; anything else steps in elapsed time. {DAYLIGHT_SAVING}",
            "example": 1200,
            "exclusiveMinimum": 0,
            "maximum": 100 * 366 * 86_400,
        },
    )
    anchor_date = Instant(
        allow_none=True, metadata={"description": "One of the occurrences; midnight of 2020-01-01 in the zone if not given."}
    )
    timezone = Text(
        longest=None, allow_none=True, metadata=ZONE | {"description": "The zone, by its IANA name, of the default anchor; UTC if null."}
    )


class CronSchedule(Body):
    """The local times of a zone that a cron expression names."""

    cron = Text(
        required=True,
        shortest=1,
        metadata={
            "description": "Five fields (minute, hour, day of month, month, day of week) or one of @hourly, @daily, @midnight, @weekly, "
            f"@monthly, @yearly, @annually. An expression that never fires is refused. {DAYLIGHT_SAVING}",
            "example": "0 9 * * 1-5",
            "format": "cron",
        },
    )
    timezone = Text(longest=None, allow_none=True, metadata=ZONE | {"description": "The zone, by its IANA name; UTC if null."})
    day_or = Boolean(
        metadata={
            "description": "When both days are restricted: whether either is enough (true, as cron has it) or both must hold.",
            "example": True,
        }
    )


class RRuleSchedule(Body):
    """The local times of a zone that RFC 5545 recurrence text names."""

    rrule = Text(
        required=True,
        longest=8_000,
        shortest=1,
        metadata={
            "description": "An RRULE, or several lines of DTSTART, RRULE, RDATE and EXDATE. Without DTSTART it counts from midnight of "
            "2020-01-01 in the zone. EXRULE, BYEASTER, SECONDLY and INTERVAL=0 are refused, and so is a rule that "
            "takes too long to find its next date. "
            f"{DAYLIGHT_SAVING}",
            "example": "FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0",
            "format": "rrule",
        },
    )
    timezone = Text(longest=None, allow_none=True, metadata=ZONE | {"description": "The zone, by its IANA name; UTC if null."})


KINDS = (IntervalSchedule, CronSchedule, RRuleSchedule)
