"""Figures as the tables of results.rst and the bars of docs/performance.svg."""

import statistics

from benchmarks import growth, plot
from benchmarks.memory import STARTS
from benchmarks.pairs import middle, ratio
from benchmarks.scenarios import SCENARIOS

P99 = 2.0  # times the practical limit's, at most
FILL = {"copy": 0.5, "reference": 10.0, "two": 1.0}
IDLE_MS, GROWTH, WORKER_MB, SCHEDULER_MB, START = 2.0, 1.5, 120, 150, 1.3
SQLITE = 3.0


def table(head, rows):
    """An RST list table."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines += [f"   {'* -' if place == 0 else '  -'} {cell}" for place, cell in enumerate(row)]
    return "\n".join(lines) + "\n"


def section(title, text, *tables):
    """A section of the page."""
    return "\n".join([title, "-" * len(title), "", text, "", *tables])


def _times(value):
    return "" if value is None else f"{value:.1f}x"


def _share(value):
    return "" if value is None else f"{value:.2f}"


def _whole(value):
    return "" if value is None else f"{value:,.0f}"


def requests(rounds):
    """Requests on PostgreSQL, beside the practical limit and the reference."""
    head = ("scenario", "Mintaka /s", "p99 ms", "of the limit", "aim", "p99 by the limit's", "times the reference", "aim", "errors")
    rows = []
    for name, sides in rounds.items():
        scenario, ours = SCENARIOS[name], middle(sides)["mintaka"]
        what = f"{scenario.what} (``{name}``)" + ("" if scenario.unit == "requests/s" else f", {scenario.unit}")
        rows.append(
            (
                what,
                _whole(ours["rate"]),
                f"{ours['p99_ms']:.1f}" if "p99_ms" in ours else "",
                *(_share(ratio(sides, "limit")), _share(scenario.target), _times(ratio(sides, "limit", "p99_ms"))),
                *(_times(ratio(sides, "reference")), _times(scenario.times), _whole(ours.get("errors"))),
            )
        )
    return table(head, rows)


def on_sqlite(rounds):
    """Requests on SQLite, beside the reference."""
    head = ("scenario", "Mintaka /s", "p99 ms", "times the reference", "errors")
    rows = []
    for name, sides in rounds.items():
        ours = middle(sides)["mintaka"]
        cells = (_whole(ours["rate"]), f"{ours['p99_ms']:.1f}" if "p99_ms" in ours else "")
        rows.append((f"{SCENARIOS[name].what} (``{name}``)", *cells, _times(ratio(sides, "reference")), _whole(ours.get("errors"))))
    return table(head, rows)


def _fill_ratio(rounds, key, other, words):
    """Return the median ratio in `words`, over the rounds in which the other made any runs; an empty text where there is none."""
    ratios = [mine / its for mine, its in zip(rounds[key], rounds[other], strict=True) if its]
    return words.format(statistics.median(ratios)) if ratios else ""


def fill(rounds):
    """The first fill."""
    rows = [
        ("one scheduler", _whole(statistics.median(rounds["mintaka"])), "", ""),
        (
            "PostgreSQL copies the rows",
            _whole(statistics.median(rounds["copy"])),
            _fill_ratio(rounds, "mintaka", "copy", "a scheduler fills at {:.2f} of that"),
            f"{FILL['copy']:.2f}",
        ),
        (
            "two schedulers",
            _whole(statistics.median(rounds["two"])),
            _fill_ratio(rounds, "two", "mintaka", "{:.2f} times one"),
            f"{FILL['two']:.2f}",
        ),
    ]
    if "reference" in rounds:
        rows.append(
            (
                "the reference",
                _whole(statistics.median(rounds["reference"])),
                _fill_ratio(rounds, "mintaka", "reference", "a scheduler fills {:.1f} times as fast"),
                f"{FILL['reference']:.1f}",
            )
        )
    return table(("who", "runs/s", "ratio", "aim"), rows)


def idle(figures):
    """Passes with nothing due."""
    rows = [(f"{number:,}", f"{milliseconds:.2f}", f"{IDLE_MS:.0f}") for number, milliseconds in figures.items()]
    return table(("active deployments", "ms", "aim: below"), rows)


def growing(figures):
    """How cost grows."""
    sizes = list(next(iter(figures.values())))
    head = ("what", *(f"{runs:,} runs, ms" for runs in sizes), "growth", "aim: below")
    rows = []
    for thing, costs in figures.items():
        rows.append((growth.what(thing), *(f"{each:.2f}" for each in costs.values()), _times(growth.factor(costs)), f"{GROWTH}x"))
    return table(head, rows)


def memory(workers, schedulers):
    """Resident memory."""
    rows = [(f"a worker after {number:,} mixed requests", f"{each:.0f}", f"{WORKER_MB}") for number, each in workers.items()]
    rows += [(f"a scheduler that fills {number:,} deployments", f"{each:.0f}", f"{SCHEDULER_MB}") for number, each in schedulers.items()]
    return table(("process", "MB", "aim: below"), rows)


def starting(rounds):
    """How long commands take to start."""
    libraries, *others = STARTS
    rows = [(libraries, f"{statistics.median(rounds[libraries]) * 1000:.0f}", "", "")]
    for what in others:
        times = statistics.median(mine / its for mine, its in zip(rounds[what], rounds[libraries], strict=True))
        rows.append((what, f"{statistics.median(rounds[what]) * 1000:.0f}", f"{times:.2f}x", f"{START}x"))
    return table(("what", "ms", "times the libraries", "aim: below"), rows)


def picture(found):
    """The SVG of what was measured, by part."""
    rounds, sqlite, growth_figures = found.get("requests", {}), found.get("sqlite", {}), found.get("growth", {})
    shares = [(SCENARIOS[name].what, ratio(sides, "limit"), SCENARIOS[name].target) for name, sides in rounds.items()]
    times = [(SCENARIOS[name].what, ratio(sides, "reference"), SCENARIOS[name].times) for name, sides in rounds.items()]
    on_file = [(SCENARIOS[name].what, ratio(sides, "reference"), SQLITE) for name, sides in sqlite.items()]
    grown = [(growth.what(thing), growth.factor(costs), GROWTH) for thing, costs in growth_figures.items()]
    panels = [
        ("Rate as a share of bare Flask + psycopg2 + orjson", shares, {}),
        ("Rate in times of the reference, PostgreSQL", times, {"unit": "x"}),
        ("Rate in times of the reference, SQLite", on_file, {"unit": "x"}),
        ("Cost beside the most runs, in times of the cost beside few", grown, {"unit": "x", "most": True}),
    ]
    return plot.page([(title, [row for row in rows if row[1] is not None], options) for title, rows, options in panels])
