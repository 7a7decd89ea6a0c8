"""The table of docs/reliability.rst, which the faults write where MINTAKA_TEST_FAULTS_TABLE names a file."""

import json
import os
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
TABLE = ROOT / "docs" / "reliability-table.txt"
LINES = "MINTAKA_TEST_FAULTS_LINES"
HEAD = ("Database", "Fault", "Times", "Acknowledged writes", "Requests without an answer", "Lost, doubled or broken")
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def add(kind, fault, times, written, unknown, wrong):
    """Note what a fault has done, where notes are taken."""
    if file := os.environ.get(LINES):
        with Path(file).open("a") as lines:
            lines.write(json.dumps([NAMES[kind], fault[0].upper() + fault[1:], times, written, unknown, wrong]) + "\n")


def table(file):
    """Return the table of the notes in a file, as reStructuredText."""
    noted = sorted(json.loads(line) for line in Path(file).read_text().splitlines())
    rows = [HEAD, *([f"{value:,}" if isinstance(value, int) else value for value in row] for row in noted)]
    cells = ("\n".join(f"   {'* -' if not place else '  -'} {value}" for place, value in enumerate(row)) for row in rows)
    return ".. list-table::\n   :header-rows: 1\n\n" + "\n".join(cells) + "\n"
