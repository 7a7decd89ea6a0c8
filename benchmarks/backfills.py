"""A large backfill beside load: how soon it begins, how fast its runs are made, what memory the scheduler takes, and whom it disturbs.

usage: python -m benchmarks.backfills [--occurrences 87600] [--seconds 30]
"""

import argparse
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from benchmarks.retention import Site, show
from benchmarks.servers import mintaka, postgres
from tests import databases, serving

MEGABYTE = 1_000_000
EVERY = 0.5  # seconds between two looks
FIRST = datetime(2010, 1, 1, tzinfo=UTC)


class Backfilled:
    """A deployment whose hourly schedule is off and is filled, and another that makes a run each second."""

    def __init__(self, site, scheduler, occurrences):
        self.api, self.scheduler, self.occurrences = site.api, scheduler, occurrences
        self.hourly = self._deployment(site.flow, "hourly", schedule={"cron": "0 * * * *"}, is_schedule_active=False)
        self.other = self._deployment(site.flow, "every second", schedule={"interval": 1}, is_schedule_active=True)
        self.began_in, self.megabytes, self.ahead = 0.0, [], []

    def _deployment(self, flow, name, **schedule):
        body = {"name": name, "flow_id": flow, "flow_data": {"encoding": "json", "blob": "1"}}
        return self.api("POST", "/deployments/", body | schedule)["id"]

    def look(self):
        """Note the scheduler's memory, and how many runs of the other deployment lie ahead."""
        with suppress(psutil.NoSuchProcess):
            self.megabytes.append(psutil.Process(self.scheduler.pid).memory_info().rss / MEGABYTE)
        later = {"next_scheduled_start_time": {"after_": datetime.now(UTC).isoformat()}}
        mine = {"deployments": {"id": {"any_": [self.other]}}, "flow_runs": later}
        self.ahead.append(self.api("POST", "/flow_runs/count", mine))

    def fill(self):
        """Begin the backfill, and wait until all of its runs are made. Return the document of it."""
        window = {"start": FIRST.isoformat(), "end": (FIRST + timedelta(hours=self.occurrences - 1)).isoformat()}
        began = time.perf_counter()
        id = self.api("POST", f"/deployments/{self.hourly}/backfills", window)["id"]
        self.began_in = time.perf_counter() - began
        while True:
            backfill = self.api("GET", f"/backfills/{id}")
            self.look()
            if backfill["made"] >= backfill["total"]:
                return backfill
            time.sleep(EVERY)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--occurrences", type=int, default=87_600, help="hours that are filled; 87,600 are ten years")
    parser.add_argument("--seconds", type=float, default=30, help="how long the load is measured by itself")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres(folder) as server_url,
        databases.temporary_database(server_url) as url,
        mintaka(url) as server,
        serving.running_scheduler(url, Path(folder) / "scheduler.log", scheduler_loop_seconds=5) as scheduler,
    ):
        site = Site(server, url)
        filled = Backfilled(site, scheduler, options.occurrences)
        for _ in range(round(options.seconds / EVERY / 10)):
            filled.look()
            time.sleep(EVERY)
        alone = max(filled.megabytes)
        show("without", site.measure(lambda: time.sleep(options.seconds))[2])
        filled.ahead.clear()
        backfill, seconds, times = site.measure(filled.fill)
        show("beside the backfill", times)
        print(f"{backfill['made']:,} of {backfill['total']:,} runs made in {seconds:.1f} s; begun in {filled.began_in * 1000:.0f} ms")
        print(f"the scheduler takes {alone:.0f} MB before, {max(filled.megabytes):.0f} MB at most meanwhile")
        print(f"runs that lay ahead of a schedule of each second meanwhile: {min(filled.ahead)} at least, {max(filled.ahead)} at most")


if __name__ == "__main__":
    main()
