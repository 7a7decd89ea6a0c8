"""Measure Mintaka, the practical limit and, if asked, the reference server in one go, and write the tables and the plot.

usage: python -m benchmarks.run [--reference] [--write] [--quick] [--parts requests,sqlite,scheduler,growth,memory] [--only read,claim_10]

README.rst says what it needs. Mintaka and the limit run with 2 gunicorn workers of 4 threads; the reference is one asynchronous process,
which is how it is shipped. Machines differ and are noisy: read the ratios.
"""

import argparse
import sys
import tempfile

from benchmarks import filling, growth, memory, pairs, report, servers
from benchmarks.scenarios import CLAIMED, CLIENTS, MOST_CLAIMS, SCENARIOS
from benchmarks.wire import HERE

RESULTS = HERE / "results.rst"
PICTURE = HERE.parent / "docs" / "performance.svg"
PARTS = ("requests", "sqlite", "scheduler", "growth", "memory")
QUICK = {
    "pairs": 1,
    "seconds": 1,
    "fill": 50,
    "fill_pairs": 1,
    "idle": (100, 500),
    "runs": (100, 2_000),
    "times": 3,
    "mixed": 2_000,
    "filled": (50,),
    "starts": 1,
}
FULL = {
    "pairs": 5,
    "seconds": 3,
    "fill": 1_000,
    "fill_pairs": 3,
    "idle": (100, 5_000, 100_000),
    "runs": growth.SIZES,
    "times": 100,
    "mixed": 100_000,
    "filled": (1_000, 5_000),
    "starts": 10,
}


class Run:
    """One measurement. Every part returns its section of the page, and leaves its figures in `found`."""

    def __init__(self, server_url, folder, arguments):
        self.server_url, self.folder, self.arguments = server_url, folder, arguments
        self.found = {}
        names = arguments.only.split(",") if arguments.only else SCENARIOS
        self.scenarios = [SCENARIOS[name] for name in names]

    def _pairs(self, subjects):
        asked = self.arguments
        return pairs.measure(subjects, self.scenarios, asked.pairs, asked.seconds, asked.connections)

    def _how(self):
        asked = self.arguments
        return (
            f"A closed loop of {asked.connections} keep-alive connections; {asked.pairs} rounds of {asked.seconds} s for each server in "
            "turn; medians, and medians of the ratios within a round."
        )

    def requests(self):
        """Requests on PostgreSQL."""
        options = {"due": MOST_CLAIMS * CLAIMED * self.arguments.seconds}
        with servers.all_on_postgres(self.server_url, self.folder, self.arguments.reference, **options) as subjects:
            rounds = self.found["requests"] = self._pairs(subjects)
        aims = f"The aim for every p99 is {report.P99:.0f} times the limit's at most."
        return report.section("Requests on PostgreSQL", f"{self._how()} {aims}", report.requests(rounds))

    def sqlite(self):
        """Requests on SQLite."""
        options = {"due": 5_000 * self.arguments.seconds}
        with servers.all_on_sqlite(self.folder, self.arguments.reference, **options) as subjects:
            rounds = self.found["sqlite"] = self._pairs(subjects)
        aims = f"The aim is {report.SQLITE:.0f} times the reference on SQLite."
        return report.section("Requests on SQLite", f"{self._how()} {aims}", report.on_sqlite(rounds))

    def scheduler(self):
        """The first fill, and passes with nothing due."""
        asked = self.arguments
        rounds = filling.first_fill(self.server_url, self.folder, asked.fill, asked.fill_pairs, asked.reference)
        figures = filling.idle_passes(self.server_url, asked.idle)
        self.found |= {"fill": rounds, "idle": figures}
        text = (
            f"The first runs of {asked.fill:,} deployments, {filling.RUNS_EACH} of each, by ``mintaka scheduler run --once``, its start "
            "included; PostgreSQL copies the same rows into tables with the same indexes. Then passes with nothing due."
        )
        return report.section("The scheduler", text, report.fill(rounds), report.idle(figures))

    def growth(self):
        """How cost grows with what is stored."""
        figures, loaded = growth.measure(self.server_url, self.arguments.runs, self.arguments.times)
        self.found["growth"] = figures
        largest = max(loaded)
        text = (
            f"One request or pass at a time, the median of {self.arguments.times}. {largest:,} runs with their history, of "
            f"{max(growth.LEAST_DEPLOYMENTS, largest // growth.RUNS_PER_DEPLOYMENT):,} deployments, were loaded in {loaded[largest]:.0f} s."
        )
        return report.section("How cost grows", text, report.growing(figures))

    def memory(self):
        """Memory and start-up."""
        asked = self.arguments
        workers = memory.workers(self.server_url, asked.mixed, asked.connections)
        schedulers = memory.schedulers(self.server_url, asked.filled)
        starts = memory.starts(self.folder, asked.starts)
        self.found |= {"workers": workers, "schedulers": schedulers, "starts": starts}
        text = "Resident memory, and the time that commands take to start."
        return report.section("Memory and start", text, report.memory(workers, schedulers), report.starting(starts))


def arguments():
    """The command line, with the numbers of `--quick` or of a serious run where it names none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", action="store_true", help="measure the reference server, too")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results.rst and docs/performance.svg")
    parser.add_argument("--quick", action="store_true", help="a look at whether it runs: too short for figures that mean anything")
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated; all of them by default")
    parser.add_argument("--only", help="names of scenarios, comma-separated")
    parser.add_argument("--connections", type=int, default=CLIENTS)
    for name in ("pairs", "seconds", "times"):
        parser.add_argument(f"--{name}", type=int, help=f"default {FULL[name]}")
    parser.add_argument(
        "--runs", type=lambda text: tuple(int(number) for number in text.split(",")), help="sizes that growth is measured at"
    )
    asked = parser.parse_args()
    for name, value in (QUICK if asked.quick else FULL).items():
        if getattr(asked, name, None) is None:
            setattr(asked, name, value)
    return asked


def main():
    """Measure, print, and with --write keep what was found."""
    asked = arguments()
    sections = []
    with tempfile.TemporaryDirectory() as folder, servers.postgres(folder) as server_url:
        if asked.reference and (lack := servers.lacks_reference(server_url)):
            sys.exit(lack)
        run = Run(server_url, folder, asked)
        for part in asked.parts.split(","):
            if part not in PARTS:
                sys.exit(f"{part} is no part; they are {', '.join(PARTS)}")
            print(f"== {part}", file=sys.stderr, flush=True)
            sections.append(getattr(run, part)())
            print(sections[-1], flush=True)
            # after every part, so that what breaks one does not take the others
            if asked.write:
                RESULTS.write_text("\n".join(sections))
                PICTURE.write_text(report.picture(run.found))


if __name__ == "__main__":
    main()
