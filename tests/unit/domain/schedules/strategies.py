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


@st.composite
def cron_fields(draw, index):
    """One field of a cron expression."""
    low, high = _CRON_RANGES[index]
    value = st.integers(low, high).map(str)
    if index in _CRON_NAMES:
        value |= st.sampled_from(_CRON_NAMES[index])
    step = st.integers(1, high).map(str)
    items = [
        st.just("*"),
        value,
        st.builds("{}-{}".format, value, value),
        st.builds("*/{}".format, step),
        st.builds("{}-{}/{}".format, value, value, step),
        st.builds("{}/{}".format, value, step),
    ]
    if index == 2:
        items += [st.sampled_from(["l", "?", "10-L"]), st.builds("{}W".format, st.integers(1, 31))]
    if index == 4:
        items += [st.builds("L{}".format, st.integers(0, 7)), st.builds("{}#{}".format, value, st.integers(1, 5)), st.just("?")]
    return ",".join(draw(st.lists(st.one_of(items), min_size=1, max_size=2)))


cron_texts = st.tuples(*map(cron_fields, range(5))).map(" ".join)
# One in two minutes, hours and days: texts with dates in every window.
dense_cron_texts = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "30 * * * *", "15,45 1-3 * * *", "30 2 * * *", "0 0 * * *", "59 23 * * sun", "0 1 29 2 *", "5 0-3 L * *"]
)


@st.composite
def interval_documents(draw):
    seconds = draw(
        st.integers(1, 200).map(lambda days: days * 86_400)
        | st.integers(1, 10**6)
        | st.floats(0.001, 10**6, allow_nan=False)
        | st.sampled_from([86_400.0, 90_000, 1800, 0.000001])
    )
    document = {"interval": seconds}
    if draw(st.booleans()):
        document["timezone"] = draw(zones)
    elif draw(st.booleans()):
        document["anchor_date"] = draw(moments).isoformat()
    return document


@st.composite
def cron_documents(draw):
    return {"cron": draw(cron_texts | dense_cron_texts), "timezone": draw(zones), "day_or": draw(st.booleans())}


def _numbers(low, high, signed=False, most=4):
    number = st.integers(low, high)
    if signed:
        number |= st.integers(-high, -low)
    return st.lists(number, min_size=1, max_size=most).map(lambda found: ",".join(map(str, found)))


@st.composite
def rules(draw, frequencies=("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY"), weeks=True, counts=True):
    """The text of a rule, without its RRULE:."""
    frequency = draw(st.sampled_from(frequencies))
    parts = [f"FREQ={frequency}"]

    def maybe(name, values, odds=4):
        if draw(st.integers(1, odds)) == 1:
            parts.append(f"{name}={draw(values)}")

    maybe("INTERVAL", st.sampled_from([1, 2, 3, 5, 7, 10]) | st.integers(1, 60), 2)
    maybe("BYMONTH", _numbers(1, 12))
    maybe("BYMONTHDAY", _numbers(1, 31, True))
    maybe("BYYEARDAY", _numbers(1, 366, True, 20), 10)
    if weeks:
        maybe("BYWEEKNO", _numbers(1, 51), 10)
    numbered = frequency in {"YEARLY", "MONTHLY"} and not any(part.startswith("BYWEEKNO") for part in parts) and draw(st.booleans())
    plain = st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=5, unique=True).map(",".join)
    ordinal = st.sampled_from([1, 2, 3, 4, 5, -1, -2])
    maybe("BYDAY", st.builds("{}{}".format, ordinal, st.sampled_from(WEEKDAYS)) if numbered else plain, 3)
    maybe("BYHOUR", _numbers(0, 23))
    maybe("BYMINUTE", _numbers(0, 59))
    maybe("BYSECOND", _numbers(0, 59), 10)
    maybe("BYSETPOS", _numbers(1, 3, True) | _numbers(1, 30, True), 5)
    maybe("WKST", st.sampled_from(WEEKDAYS))
    if counts:
        maybe("COUNT", st.integers(1, 30), 5)
    return ";".join(parts)


@st.composite
def rrule_documents(draw):
    lines = []
    if draw(st.booleans()):
        lines.append(f"DTSTART:{draw(moments):%Y%m%dT%H%M%S}")
    lines += [f"RRULE:{rule}" for rule in draw(st.lists(rules(), min_size=1, max_size=2))]
    for name in ("RDATE", "EXDATE"):
        dates = draw(st.lists(moments, max_size=3))
        if dates:
            lines.append(f"{name}:" + ",".join(f"{date:%Y%m%dT%H%M00}{draw(st.sampled_from(['', 'Z']))}" for date in dates))
    return {"rrule": "\n".join(lines), "timezone": draw(zones)}


documents = interval_documents() | cron_documents() | rrule_documents()
