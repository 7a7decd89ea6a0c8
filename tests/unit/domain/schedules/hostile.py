"""Texts of schedules that somebody could send to do harm, made by grammars of cron and of RFC 5545 and then damaged, and a process that
reads them.

`python -m tests.unit.domain.schedules.hostile` reads documents, one of JSON a line, and writes for each what came of it and the CPU that it
took: [outcome, seconds]. The process may use so many seconds of CPU in all, and is killed by the system beyond.
"""

import json
import resource
import sys
from datetime import UTC, datetime
from time import process_time

from app.domain.schedules.base import ScheduleTooSlow
from app.domain.schedules.documents import HORIZON, MAX_RUNS, validate
from app.errors import InvalidSchedule

NOW = datetime(2022, 6, 1, tzinfo=UTC)
CPU_SECONDS = 60

NAMES = ("MON", "tue", "Sun", "JAN", "dec", "L", "W", "LW", "15W", "L-3", "5L", "2#3", "FRI#5", "?", "*", "H", "@daily", "@reboot", "")
SEPARATORS = (*[" "] * 20, "  ", "\t", "\n", "\u00a0")
FREQUENCIES = ("YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY")
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LIMITS = {
    "BYMONTH": 12,
    "BYMONTHDAY": 31,
    "BYYEARDAY": 366,
    "BYWEEKNO": 53,
    "BYHOUR": 23,
    "BYMINUTE": 59,
    "BYSECOND": 59,
    "BYSETPOS": 366,
}
DATES = ("20220601T090000Z", "20220601T090000", "20240229", "19700101T000000Z", "21991231T235959Z", "20220101", "00010101T000000Z")
ZONES = (*[""] * 8, ";TZID=Europe/Berlin", ";TZID=America/New_York", ";TZID=Nowhere", ";VALUE=DATE")
DAMAGE = " ,;:=-/*#@L\0\n\u0663\U0001f600" + "9" * 3


def number(random, largest):
    """A number as text: mostly one that is allowed."""
    if random.random() < 0.02:
        return str(random.choice((0, largest + 1, -1, 10 ** random.randint(1, 30))))
    return str(random.choice((1, largest, random.randint(1, largest), random.randint(1, largest))))


def cron_field(random, largest):
    """One field of a cron expression."""
    parts = []
    for _ in range(random.choice((1, 1, 1, 1, 1, 1, 2, 3, 60))):
        start = random.choice(("*", "*", "*", number(random, largest)))
        start = random.choice(NAMES) if random.random() < 0.05 else start
        end = f"-{number(random, largest)}" if start != "*" and random.random() < 0.3 else ""
        step = f"/{number(random, largest // 2)}" if (end or start == "*") and random.random() < 0.3 else ""
        parts.append(f"{start}{end}{step}")
    return ",".join(parts)


def cron(random):
    """A cron expression."""
    fields = [cron_field(random, largest) for largest in (59, 23, 31, 12, 7)]
    if random.random() < 0.1:
        fields = fields[: random.randint(0, 4)] or [random.choice(NAMES)] * random.randint(1, 9)
    return random.choice(SEPARATORS).join(fields)


def numbers(random, name, largest):
    """A list of numbers, few or all that there are."""
    count = random.choice((1, 1, 2, 5, largest))
    signs = ("", "", "-", "+") if largest in (31, 53, 366) else ("",)
    return f"{name}=" + ",".join(random.choice(signs) + number(random, largest) for _ in range(count))


def rule(random):
    """The parts of one RRULE."""
    parts = [f"FREQ={random.choice(FREQUENCIES)}"]
    parts += [numbers(random, name, largest) for name, largest in LIMITS.items() if random.random() < 0.15]
    if random.random() < 0.3:
        places = ("", "1", "-1", "5") if random.random() < 0.5 else ("",)
        parts.append("BYDAY=" + ",".join(random.choice(places) + day for day in random.sample(DAYS, random.randint(1, 7))))
    more = (f"INTERVAL={number(random, 1000)}", f"COUNT={number(random, 10_000)}", f"UNTIL={random.choice(DATES)}", "WKST=SU")
    parts += random.sample(more, random.choice((0, 0, 1, 2)))
    parts += ["WKST=XX"] if random.random() < 0.02 else []
    random.shuffle(parts)
    return ";".join(parts)


def recurrence(random):
    """The text of a recurrence: a rule, or properties with rules among them."""
    if random.random() < 0.4:
        return rule(random)
    lines = [f"DTSTART{random.choice(ZONES)}:{random.choice(DATES)}"] if random.random() < 0.8 else []
    lines += [f"{random.choice(('RRULE', 'RRULE', 'EXRULE'))}:{rule(random)}" for _ in range(random.choice((1, 1, 2, 6)))]
    for name in ("RDATE", "EXDATE"):
        if random.random() < 0.3:
            lines.append(f"{name}{random.choice(ZONES)}:" + ",".join(random.choices(DATES, k=random.choice((1, 3, 300)))))
    text = random.choice(("\n", "\r\n")).join(lines)
    return text if random.random() < 0.9 else text.replace("00", "0\r\n 0", 3)


def damaged(random, text):
    """A text with a few characters of it changed, doubled or left out."""
    characters = list(text)
    for _ in range(random.randint(1, 3)):
        place = random.randrange(len(characters) + 1)
        characters[place : place + random.choice((0, 1, 5))] = random.choice((random.choice(DAMAGE), "", "1" * 50, text[:200]))
    return "".join(characters)


def document(random):
    """One document of a schedule, to be sent as JSON."""
    kind, make = random.choice((("cron", cron), ("rrule", recurrence)))
    text = make(random)
    text = damaged(random, text) if random.random() < 0.3 else text
    zone = {"timezone": random.choice(("UTC", "America/New_York", "Africa/Casablanca"))} if random.random() < 0.5 else {}
    return {kind: text} | zone


def outcome(given):
    """What becomes of one document, as the server treats a new one, and as its scheduler does then."""
    try:
        schedule = validate(given, NOW)
        return f"{sum(1 for _ in schedule.occurrences(NOW, NOW + HORIZON, MAX_RUNS))} dates"
    except ScheduleTooSlow:
        return "too slow"
    except InvalidSchedule:
        return "refused"
    except Exception as error:  # whatever it is, it is a fault
        return f"fault: {error!r}"


def main():
    """Read documents and write what came of them."""
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]), int(sys.argv[1])))
    for line in sys.stdin:
        began = process_time()
        found = outcome(json.loads(line))
        print(json.dumps([found, process_time() - began]), flush=True)


if __name__ == "__main__":
    main()
