"""Which version of the world's rules a schedule's dates follow: those of its time zone, and of the public holidays it leaves out."""

from app.domain import zones
from app.domain.schedules import calendars
from app.domain.schedules.exclusions import ExcludedHolidays, Excluding
from app.domain.schedules.wrapper import layers


def rules_version(schedule):
    """Return a text that changes when the dates of a schedule may have changed though nobody changed the schedule."""
    exclusions = (layer for layer in layers(schedule) if isinstance(layer, Excluding))
    exclusions = (layer for layer in layers(schedule) if isinstance(layer, Excluding))
    uses_holidays = any(isinstance(entry, ExcludedHolidays) for layer in exclusions for entry in layer.entries)
    return _version(schedule.zone.key, uses_holidays)


def is_current(version):
    """Return whether a text that `rules_version` returned once is still what it would return."""
    if version is None:
        return False
    zone, _, *holidays = version.split(" ")
    try:
        return version == _version(zone, bool(holidays))
    except ValueError:
        return False


def _version(zone, uses_holidays):
    holidays = [f"holidays-{calendars.holidays_version()}"] if uses_holidays else []
    return " ".join([zone, zones.data_digest(zone), *holidays])
