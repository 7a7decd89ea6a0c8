"""A second opinion on what a schedule's dates are: slow, plain, and sharing nothing with the code under test.

It looks at every minute of UTC to learn which local time it is, never asks a zone about a local time, and knows nothing of `fold`.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ZONES = (
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Africa/Casablanca",
    "Pacific/Apia",
    "UTC",
)


def local(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None)


def transitions(name, first=2020, last=2035):
    """The instants, to the hour, after which a zone's offset is another one. UTC has none: an instant every four years stands in for it."""
    zone = ZoneInfo(name)
    if name == "UTC":
        return [datetime(year, 3, 1, tzinfo=UTC) for year in range(first, last + 1, 4)]
    found, moment = [], datetime(first, 1, 1, tzinfo=UTC)
    before = moment.astimezone(zone).utcoffset()
    while moment.year <= last:
        moment += HOUR
        after = moment.astimezone(zone).utcoffset()
        if after != before:
            found.append(moment)
        before = after
    return found


class Scan:
    """The minutes of UTC from `low` to `high`, and the first of them at which each local time is on the clock."""

    def __init__(self, name, low, high):
        self.zone = ZoneInfo(name)
        self.first, self.last = {}, {}
        moment = low
        while moment <= high:
            known = local(moment, self.zone)
            self.first.setdefault(known, moment)
            self.last[known] = moment
            moment += MINUTE
        self.local_low, self.local_high = min(self.first), max(self.first)
        # Every minute that a calendar has, in the gaps too.
        self.local_minutes = [self.local_low + n * MINUTE for n in range((self.local_high - self.local_low) // MINUTE + 1)]

    def instant(self, wanted):
        """The first instant of a local time; one that is never on the clock counts on from the last one before it that is."""
        known, missing = wanted, timedelta(0)
        while known not in self.first:
            known, missing = known - MINUTE, missing + MINUTE
        return self.first[known] + missing

    def readings(self, wanted, gap, fold):
        """The instants that one local time means, with a choice for those that are never on the clock, and on it twice."""
        if wanted not in self.first:
            return [self.instant(wanted)] if gap == "later" else []
        return {"first": [self.first[wanted]], "second": [self.last[wanted]], "both": [self.first[wanted], self.last[wanted]]}[fold]

    def instants(self, wanted, start, end, gap="later", fold="first"):
        """The distinct instants in [start, end] of local times, in order."""
        found = {moment for local_time in wanted for moment in self.readings(local_time, gap, fold)}
        return sorted(moment for moment in found if start <= moment <= end)
