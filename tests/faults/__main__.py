"""The whole battery: `python -m tests.faults [--write]`; with `--write` it writes the table of docs/reliability.rst."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from tests.faults import report

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        os.environ |= {"MINTAKA_TEST_SLOW": "true", "MINTAKA_TEST_FAULTS": "true", report.LINES: str(notes)}
        code = pytest.main(["-q", str(Path(__file__).parent)])
        text = report.table(notes)
        print(text)
        if "--write" in sys.argv and code == 0:
            report.TABLE.write_text(text)
    sys.exit(code)
