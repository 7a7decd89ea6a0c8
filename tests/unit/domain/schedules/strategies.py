"""Random schedules, zones and windows."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from tests.unit.domain.schedules.oracle import ZONES

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_CRON_NAMES = {
    3: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))

# Zones with a rule far into the future, with half an hour, with none, with a negative saving, and a day that is missing.
zones = st.sampled_from([*ZONES, "Europe/Dublin", "Asia/Kolkata", "Asia/Gaza", "Africa/Monrovia"])
moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))
spans = st.integers(0, 60 * 24 * 400).map(lambda minutes: timedelta(minutes=minutes)) | st.integers(0, 10**8).map(
    lambda n: timedelta(microseconds=n)
)


def cron_fields(index):
    """One field of a cron expression."""
    low, high = _CRON_RANGES[index]
    value = st.integers(low, high).map(str)
    if index in _CRON_NAMES:
        value |= st.sampled_from(_CRON_NAMES[index])
    span = st.tuples(value, value).map("-".join) | value.map(lambda text: f"{text}-{text}")
    step = st.integers(1, min(high, 7) if index == 4 else high).map(str)
    items = [st.just("*"), value, span, step.map("*/{}".format), st.tuples(span, step).map("/".join), st.tuples(value, step).map("/".join)]
    alone = [st.sampled_from(["*", "*/1"])]
    if index == 2:
        items += [st.sampled_from(["l", "10-L"])]
        alone += [st.integers(1, 31).map("{}W".format), st.integers(1, 31).map("w{}".format), st.just("?")]
    if index == 4:
        nth = st.integers(0, 7).map("L{}".format) | st.tuples(value | span, st.sampled_from("12345")).map("#".join)
        alone += [st.lists(nth, min_size=1, max_size=2).map(",".join), st.just("?")]
    return st.lists(st.one_of(items), min_size=1, max_size=2).map(",".join) | st.one_of(alone)


cron_texts = st.tuples(*map(cron_fields, range(5))).map(" ".join)
# One in two minutes, hours and days: texts with dates in every window.
dense_cron_texts = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "30 * * * *", "15,45 1-3 * * *", "30 2 * * *", "0 0 * * *", "59 23 * * sun", "0 1 29 2 *", "5 0-3 L * *"]
)


_seconds = (
    st.integers(1, 200).map(lambda days: days * 86_400)
    | st.integers(1, 10**6)
    | st.floats(0.001, 10**6, allow_nan=False)
    | st.sampled_from([86_400.0, 90_000, 1800, 0.000001])
)
_choice = st.booleans()


@st.composite
def interval_documents(draw):
    document = {"interval": draw(_seconds)}
    if draw(_choice):
        document["timezone"] = draw(zones)
    elif draw(_choice):
        document["anchor_date"] = draw(moments).isoformat()
    return document


def cron_documents():
    return st.fixed_dictionaries({"cron": cron_texts | dense_cron_texts, "timezone": zones, "day_or": _choice})


def _numbers(low, high, signed=False, most=4):
    number = st.integers(low, high)
    if signed:
        number |= st.integers(-high, -low)
    return st.lists(number, min_size=1, max_size=most).map(lambda found: ",".join(map(str, found)))


FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY")
_plain_days = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=5, unique=True).map(",".join)
_numbered_days = st.tuples(st.sampled_from(["1", "2", "3", "4", "5", "-1", "-2"]), st.sampled_from(WEEKDAYS)).map("".join)
# The parts of a rule: its values, and that one rule in how many has it.
_PARTS = {
    "INTERVAL": (st.sampled_from([1, 2, 3, 5, 7, 10]) | st.integers(1, 60), 2),
    "BYMONTH": (_numbers(1, 12), 4),
    "BYMONTHDAY": (_numbers(1, 31, True), 4),
    "BYYEARDAY": (_numbers(1, 366, True, 20), 10),
    "BYWEEKNO": (_numbers(1, 51), 10),
    "BYDAY": (_plain_days, 4),
    "BYHOUR": (_numbers(0, 23), 4),
    "BYMINUTE": (_numbers(0, 59), 4),
    "BYSECOND": (_numbers(0, 59), 10),
    "BYSETPOS": (_numbers(1, 3, True) | _numbers(1, 30, True), 5),
    "WKST": (st.sampled_from(WEEKDAYS), 4),
    "COUNT": (st.integers(1, 30), 5),
}
_odds = {odds: st.integers(1, odds) for _, odds in _PARTS.values()}


@st.composite
def rules(draw, frequencies=FREQUENCIES, without=()):
    """The text of a rule, without its RRULE:."""
    parts = {"FREQ": draw(st.sampled_from(frequencies))}
    for name, (values, odds) in _PARTS.items():
        if name not in without and draw(_odds[odds]) == 1:
            parts[name] = draw(values)
    if "BYDAY" in parts and parts["FREQ"] in {"YEARLY", "MONTHLY"} and "BYWEEKNO" not in parts and draw(_choice):
        parts["BYDAY"] = draw(_numbered_days)
    return ";".join(f"{name}={value}" for name, value in parts.items())


_rule_lists = st.lists(rules(), min_size=1, max_size=2)
_date_lists = st.lists(st.tuples(moments, st.sampled_from(["", "Z"])), max_size=3)


@st.composite
def rrule_documents(draw):
    lines = []
    if draw(_choice):
        lines.append(f"DTSTART:{draw(moments):%Y%m%dT%H%M%S}")
    lines += [f"RRULE:{rule}" for rule in draw(_rule_lists)]
    for name in ("RDATE", "EXDATE"):
        dates = draw(_date_lists)
        if dates:
            lines.append(f"{name}:" + ",".join(f"{date:%Y%m%dT%H%M00}{zone}" for date, zone in dates))
    return {"rrule": "\n".join(lines), "timezone": draw(zones)}
