"""One English sentence for a schedule, such as "weekdays at 09:00 Europe/Berlin, not on 25 December, until 30 June 2027".

A sentence must be right: what has no form here is given as its expression. A test reads the sentences back.
"""

from datetime import datetime, timedelta
from itertools import pairwise

from app.domain.schedules.cron import CronSchedule
from app.domain.schedules.exclusions import ExcludedCron, Excluding
from app.domain.schedules.interval import IntervalSchedule
from app.domain.schedules.rrule import RRuleSchedule
from app.domain.schedules.words import MONTHS, WEEKDAYS, date_words, every_words, join_words, ordinal, time_words
from app.domain.schedules.wrapper import layers

# Times of a day, days of a month, and excluded dates that are listed one by one at most.
_MAX_LISTED = 6
_MINUTES_A_DAY = 1_440
_WEEKDAYS_ONLY, _WEEKEND = frozenset({1, 2, 3, 4, 5}), frozenset({0, 6})
_NTH = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth", "l": "last", -1: "last"}


class NoWords(Exception):
    """There is no form for it; the expression is used."""


def describe(schedule):
    """Return one sentence that says when a schedule runs."""
    phrases = [_plain(schedule.plain)]
    for layer in layers(schedule):
        phrases += _exclusions(layer) if isinstance(layer, Excluding) else layer.phrases()
    return ", ".join(phrases)


def _plain(schedule):
    make, expression = _FORMS[schedule.kind]
    try:
        return make(schedule)
    except NoWords:
        return f"{schedule.kind} {' '.join(expression(schedule).split())} {schedule.zone.key}"


def _interval(schedule):
    anchor = schedule.anchor.astimezone(schedule.zone).replace(tzinfo=None)
    if schedule.by_calendar and schedule.step == timedelta(days=1):
        return f"every day at {time_words(anchor)} {schedule.zone.key}"
    return f"{every_words(schedule.step)} counted from {date_words(anchor)} {time_words(anchor)} {schedule.zone.key}"


def _cron(schedule):
    fields = schedule.fields
    return _sentence(_days_of_cron(fields.days), fields.hours, fields.minutes, schedule.zone)


def _rrule(schedule):
    """Say one rule that every calendar could say; DTSTART and UNTIL are bounds of it, for it has no COUNT."""
    recurrence = schedule.recurrence
    if len(recurrence.rules) != 1 or recurrence.dates or recurrence.local_dates or recurrence.start is not None:
        raise NoWords
    if recurrence.excluded or recurrence.excluded_locals or recurrence.excluded_days:
        raise NoWords
    (rule,) = recurrence.rules
    if rule.interval != 1 or rule.positions or rule.count or rule.until_utc or rule.seconds != (0,):
        raise NoWords
    sentence = _sentence(_days_of_rule(rule.days), rule.hours, rule.minutes, schedule.zone)
    ends = [f"from {date_words(rule.start)}" + (f" {time_words(rule.start)}" if rule.start.time() != datetime.min.time() else "")]
    if rule.until is not None:
        is_whole_day = rule.until.time() == datetime.max.time()
        ends.append(f"until {date_words(rule.until)}" + ("" if is_whole_day else f" {time_words(rule.until)}"))
    return ", ".join([sentence, *ends])


_FORMS = {
    IntervalSchedule.kind: (_interval, lambda schedule: f"{schedule.step.total_seconds():g}"),
    CronSchedule.kind: (_cron, lambda schedule: schedule.cron),
    RRuleSchedule.kind: (_rrule, lambda schedule: schedule.rrule),
}


def _sentence(days, hours, minutes, zone):
    """Return "weekdays at 09:00 Europe/Berlin", "every 20 minutes UTC"..."""
    times = [hour * 60 + minute for hour in hours for minute in minutes]
    steps = {after - before for before, after in pairwise([*times, times[0] + _MINUTES_A_DAY])}
    if len(times) > 1 and len(steps) == 1 and times[0] == 0:
        words = (
            [days, every_words(timedelta(minutes=steps.pop()))] if days != "every day" else [every_words(timedelta(minutes=steps.pop()))]
        )
    elif len(times) <= _MAX_LISTED:
        words = [days, f"at {join_words([_clock(time) for time in times])}"]
    else:
        steps = {after - before for before, after in pairwise(times)}
        if len(steps) > 1:
            raise NoWords
        words = [days, every_words(timedelta(minutes=steps.pop())), f"from {_clock(times[0])} to {_clock(times[-1])}"]
    return " ".join([*words, zone.key])


def _clock(minute):
    return f"{minute // 60:02}:{minute % 60:02}"


def _days_of_cron(rule):
    of_month = [f"the weekday nearest to the {ordinal(day)}" for day in sorted(rule.nearest)] if rule.nearest else _month_days(rule.days)
    of_week = _nth_words(rule.nth) if rule.nth else _weekday_words(rule.weekdays)
    if rule.day_or and rule.days is not None and rule.weekdays is not None:
        # a field that names every day makes the other one idle
        phrases = [_month_day_phrase(of_month, rule.months), _week_phrase(of_week, rule.nth)] if of_week else ["every day"]
    elif of_month and of_week:
        raise NoWords
    elif of_month:
        phrases = [_month_day_phrase(of_month, rule.months)]
    else:
        phrases = [_week_phrase(of_week, rule.nth)] if of_week else ["every day"]
    return _in_months(join_words(phrases), rule.months)


def _days_of_rule(days):
    if days.year_days is not None or days.weeks is not None:
        raise NoWords
    weekdays = None if days.weekdays is None else frozenset((weekday + 1) % 7 for weekday in days.weekdays)
    nth = frozenset(((weekday + 1) % 7, n) for weekday, n in days.nth)
    if nth and (weekdays or not days.nth_in_month or days.month_days is not None or not all(n in _NTH for _, n in nth)):
        raise NoWords
    of_month = None
    if days.month_days is not None:
        if weekdays is not None or not all(day > 0 or day == -1 for day in days.month_days):
            raise NoWords
        of_month = _month_days(frozenset("l" if day == -1 else day for day in days.month_days))
    if nth:
        return _in_months(_week_phrase(_nth_words(nth), nth), days.months)
    if of_month is not None:
        return _in_months(_month_day_phrase(of_month, days.months), days.months)
    of_week = _weekday_words(weekdays)
    return _in_months("every day" if of_week is None else _week_phrase(of_week, nth), days.months)


def _month_days(days):
    """Return ["the 1st", "the last day"], or None where any day will do."""
    if days is None:
        return None
    if len(days) > _MAX_LISTED:
        raise NoWords
    return [f"the {ordinal(day)}" for day in sorted(days - {"l"})] + (["the last day"] if "l" in days else [])


def _month_day_phrase(words, months):
    return join_words(words) + ("" if months is not None else " of the month")


def _weekday_words(weekdays):
    if weekdays is None or len(weekdays) == 7:
        return None
    if weekdays == _WEEKDAYS_ONLY:
        return ["weekdays"]
    if weekdays == _WEEKEND:
        return ["weekends"]
    return [f"{WEEKDAYS[day]}s" for day in sorted(weekdays, key=lambda day: (day + 6) % 7)]


def _nth_words(nth):
    order = sorted(nth, key=lambda pair: (99 if pair[1] in ("l", -1) else pair[1], (pair[0] + 6) % 7))
    return [f"the {_NTH[n]} {WEEKDAYS[weekday]}" for weekday, n in order]


def _week_phrase(words, nth):
    return join_words(words) + (" of the month" if nth else "")


def _in_months(phrase, months):
    return phrase if months is None or len(months) == 12 else f"{phrase} in {join_words([MONTHS[month - 1] for month in sorted(months)])}"


def _exclusions(layer):
    """Return ["not on 25 December 2026, 26 December 2026 or weekends"]; an expression where there is no form."""
    words = []
    for entry in layer.entries:
        words.append(_excluded_cron(entry.schedule) if isinstance(entry, ExcludedCron) else entry.phrase(layer.zone))
    more = len(words) - _MAX_LISTED
    return [f"not {word}" for word in words[:_MAX_LISTED]] + ([f"and {more} more exclusion{'' if more == 1 else 's'}"] if more > 0 else [])


def _excluded_cron(schedule):
    fields = schedule.fields
    is_whole_day = len(fields.minutes) == 60 and len(fields.hours) == 24
    try:
        if is_whole_day:
            days = fields.days
            if days.months is not None and len(days.months) == 1 and days.days and len(days.days) == 1 and days.weekdays is None:
                (day,), (month,) = days.days, days.months
                if day != "l" and not days.nearest:
                    return f"on {day} {MONTHS[month - 1]}"
            return f"on {_days_of_cron(days)}"
    except NoWords:
        pass
    return f"at cron {' '.join(schedule.cron.split())}"
