"""The schedules of deployments, and pauses: what comes in, what is answered, and examples."""

from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, post_load, validate

from app.domain.deployment_schedules import MAX_SCHEDULES, MAX_SLUG_LENGTH, SLUG_PATTERN, ScheduleChanges
from app.domain.schedules import MAX_EXCLUSIONS, MAX_JITTER_SECONDS
from app.schemas import fields
from app.schemas.base import DEPLOYMENT_ID, STORED, Answer, Body, Stored
from app.schemas.context import Bound
from app.schemas.filters import Filters
from app.schemas.schedules import KINDS, Schedule

SLUG = "Names the schedule in its deployment. `default` is the one that the deployment's `schedule` shows and sets."
ACTIVE = "Whether this schedule makes runs, while the deployment's `is_schedule_active` is true."
STARTS_AT, ENDS_AT = "No occurrence is before this instant; null: no bound.", "No occurrence is after this instant; null: no bound."
EXCLUDE = "Occurrences that are left out."
JITTER = (
    "Each run starts later than its occurrence by a share of so many seconds, or of the distance to the next occurrence if that is less. "
    "Deployment, slug and occurrence alone decide the share."
)
PARAMETERS = "Parameters of the runs of this schedule, over those of the deployment."
MAX_RUNS = "Runs that are kept ahead; null: as many as the server's setting says."

MAX_PREVIEW, DEFAULT_PREVIEW = 1_000, 10
MAX_NOTE = 2_000


class Gap(StrEnum):
    """What becomes of a local time that does not exist: it is moved on by the length of the gap, or left out."""

    LATER = "later"
    SKIP = "skip"


class Fold(StrEnum):
    """Which of a local time that exists twice is meant."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class ExcludedSpan(Body):
    """From one instant to another, both included."""

    start = fields.Instant("The first instant that is left out.", required=True)
    end = fields.Instant("The last instant that is left out.", required=True)


class ExcludedCron(Body):
    """Local times in the schedule's zone."""

    cron = fields.String("Five fields; whatever local time they match is left out.", required=True, example="* * 25,26 12 *")


class ExcludedHolidays(Body):
    """Public holidays."""

    holidays = fields.String("A country, or a part of one, by its ISO 3166 code.", required=True, example="DE-BE")


class ExcludedCalendar(Body):
    """The days of all-day events."""

    ics = fields.String("An iCalendar text (RFC 5545) of at most 256 kB.", required=True)


class Document(fields.Object):
    """When to run: an interval, a cron expression or a recurrence rule."""

    one_of = KINDS


# its component is the one that the deployment's schedule has
Document.__name__ = Schedule.__name__


class Exclusion(fields.Raw):
    """A local date such as 2026-12-25, a span, a cron expression, the holidays of a country, or an iCalendar text."""

    any_of = (ExcludedSpan, ExcludedCron, ExcludedHolidays, ExcludedCalendar)


class ScheduleFields(Body):
    """What can be set of a schedule."""

    schedule = Document("When to run.", required=True)
    is_active = fields.Boolean(f"{ACTIVE} true if not given.", allow_none=True, example=True)
    starts_at = fields.Instant(STARTS_AT, allow_none=True)
    ends_at = fields.Instant(ENDS_AT, allow_none=True)
    # marshmallow takes it away from the class, whose instances have an attribute of that name
    exclude: Any = fields.List(Exclusion(), EXCLUDE, max=MAX_EXCLUSIONS, allow_none=True, example=["2026-12-25"])
    jitter_seconds = fields.Integer(f"{JITTER} 0 if not given.", max=MAX_JITTER_SECONDS, allow_none=True, example=60)
    gap = fields.Enum(Gap, "What becomes of a local time that does not exist; `later` if not given.", allow_none=True)
    fold = fields.Enum(Fold, "Which of a local time that exists twice is meant; `first` if not given.", allow_none=True)
    parameters = fields.Object(PARAMETERS, allow_none=True, example={"region": "eu"})
    max_scheduled_runs = fields.Integer(MAX_RUNS, min=1, max=Bound("runs_per_request"), allow_none=True)


class ScheduleSet(ScheduleFields):
    """A schedule to create, or to put in the place of the one with the same slug. What is absent or null has its default."""

    examples = {
        "shaped": {
            "summary": "Weekdays at 9 in Berlin but for holidays, until June",
            "value": {
                "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
                "exclude": ["2026-12-24", {"holidays": "DE-BE"}],
                "ends_at": "2027-06-30T21:59:59+00:00",
            },
        },
        "spread": {
            "summary": "Every 20 minutes, spread over five minutes",
            "value": {"schedule": {"interval": 1200}, "jitter_seconds": 300, "parameters": {"region": "eu"}},
        },
    }

    @post_load
    def _changes(self, body, **kwargs):
        return ScheduleChanges(**body)


class ScheduleUpdate(ScheduleFields):
    """What to change of a schedule. What is absent keeps its value, null gives it its default."""

    schedule = Document("When to run.")

    example = {"exclude": ["2026-12-25"], "jitter_seconds": None}

    @post_load
    def _changes(self, body, **kwargs):
        return ScheduleChanges(**body)


class NamedSchedule(ScheduleFields):
    """A schedule among all those of a deployment."""

    slug = fields.String(
        SLUG,
        min=1,
        max=MAX_SLUG_LENGTH,
        required=True,
        validate=[validate.Regexp(rf"{SLUG_PATTERN}\Z", error="May hold a to z, 0 to 9 and - only.")],
        example="office-hours",
    )


class Schedules(fields.List):
    """All schedules of a deployment, loaded as a mapping of slugs to `ScheduleChanges`."""

    item = NamedSchedule

    def __init__(self, description=None, **options):
        super().__init__(fields.Nested(self.item), description, max=MAX_SCHEDULES, **options)

    def _deserialize(self, value, attr, data, **kwargs):
        found: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        slugs = [body.pop("slug") for body in found]
        twice = {place: {"slug": ["Another one has this slug."]} for place, slug in enumerate(slugs) if slug in slugs[:place]}
        if twice:
            raise ValidationError(twice)
        return {slug: ScheduleChanges(**body) for slug, body in zip(slugs, found, strict=True)}


class SchedulePreview(ScheduleFields):
    """A schedule that is not stored, and the window whose dates are asked for."""

    start = fields.Instant("The first instant; now if not given.", allow_none=True, load_default=None)
    end = fields.Instant("The last instant; no bound if not given.", allow_none=True, load_default=None)
    limit = fields.Integer(
        f"At most so many dates; {DEFAULT_PREVIEW} if not given.", min=1, max=MAX_PREVIEW, load_default=DEFAULT_PREVIEW, example=10
    )
    explain = fields.Boolean("Whether to list what was left out, too, and why.", load_default=False, example=False)

    example = {
        "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
        "fold": "both",
        "start": "2026-10-24T00:00:00+02:00",
        "limit": 3,
    }

    @post_load
    def _split(self, body, **kwargs):
        window = {name: body.pop(name) for name in ("start", "end", "limit", "explain")}
        return ScheduleChanges(**body), window


class DeploymentSchedule(Stored):
    """A schedule of a deployment."""

    deployment_id = fields.UUID("The deployment whose schedule it is.", required=True)
    slug = fields.String(SLUG, required=True)
    schedule = Document("When it runs, with every default filled in.", required=True)
    is_active = fields.Boolean(ACTIVE, required=True)
    starts_at = fields.Instant(STARTS_AT, required=True, allow_none=True)
    ends_at = fields.Instant(ENDS_AT, required=True, allow_none=True)
    exclude: Any = fields.List(Exclusion(), EXCLUDE, required=True)
    jitter_seconds = fields.Integer(JITTER, max=MAX_JITTER_SECONDS, required=True)
    gap = fields.Enum(Gap, "What becomes of a local time that does not exist.", required=True)
    fold = fields.Enum(Fold, "Which of a local time that exists twice is meant.", required=True)
    parameters = fields.Object(PARAMETERS, required=True)
    max_scheduled_runs = fields.Integer(MAX_RUNS, min=1, max=Bound("runs_per_request"), required=True, allow_none=True)
    description = fields.String("The schedule in words; null where it cannot be read any more.", required=True, allow_none=True)
    schedule_error = fields.String("Why the scheduler could not make its runs; null: it could.", required=True, allow_none=True)
    next_run = fields.Instant("When the next run that it has made starts; null: there is none.", required=True, allow_none=True)

    example = STORED | {
        "deployment_id": DEPLOYMENT_ID,
        "slug": "office-hours",
        "schedule": {"cron": "0 9 * * 1-5", "timezone": "Europe/Berlin", "day_or": True},
        "is_active": True,
        "starts_at": None,
        "ends_at": None,
        "exclude": ["2026-12-25"],
        "jitter_seconds": 0,
        "gap": "later",
        "fold": "first",
        "parameters": {},
        "max_scheduled_runs": None,
        "description": "weekdays at 09:00 Europe/Berlin, not on 25 December 2026",
        "schedule_error": None,
        "next_run": "2022-06-01T07:00:00+00:00",
    }


class PreviewedDate(Answer):
    """A date of a schedule."""

    instant = fields.Instant("The occurrence, in UTC.", required=True)
    local = fields.Instant("The same instant, in the schedule's zone.", required=True)
    note = fields.String("What a change of clocks or jitter does to it, or why it is left out.", required=True, allow_none=True)

    example = {
        "instant": "2026-10-25T00:30:00+00:00",
        "local": "2026-10-25T02:30:00+02:00",
        "note": "local time 02:30 occurs twice: this is the first, both are used",
    }


class PauseFields(Body):
    """Why schedules are paused, and for how long."""

    note = fields.String("Why, for people.", max=MAX_NOTE, allow_none=True, example="The warehouse is being migrated")
    until = fields.Instant("When the scheduler switches them on again; null: somebody does.", allow_none=True)


class PauseCreate(PauseFields):
    """A pause. What is absent stays as it was in a pause that has begun."""

    example = {"note": "The warehouse is being migrated", "until": "2026-12-01T08:00:00+00:00"}


class PauseMany(PauseFields, Filters):
    """Which deployments to pause, why, and until when."""

    example = {"deployments": {"tags": {"all_": ["nightly"]}}, "note": "The warehouse is being migrated"}

    @post_load
    def _split(self, body, **kwargs):
        return {name: body.pop(name) for name in ("note", "until") if name in body}, body


class Pause(Answer):
    """Whether a deployment's schedules are paused."""

    paused = fields.Boolean("Whether no schedule of the deployment makes runs.", required=True)
    note = fields.String("Why; null where nobody said.", required=True, allow_none=True)
    until = fields.Instant("When the scheduler switches them on again; null: somebody does.", required=True, allow_none=True)
    since = fields.Instant("Since when; null: they are not paused.", required=True, allow_none=True)

    example = {
        "paused": True,
        "note": "The warehouse is being migrated",
        "until": "2026-12-01T08:00:00+00:00",
        "since": "2022-06-01T07:00:00+00:00",
    }


class Changed(Answer):
    """How many deployments a request has changed."""

    changed = fields.Integer("How many there were.", required=True)

    example = {"changed": 12}
