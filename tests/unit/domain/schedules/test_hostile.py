"""No text of a schedule costs the server much: each is read or refused within a quarter of a second of CPU, and none breaks it."""

import json
import os
import subprocess
import sys
from random import Random

import pytest

from tests.serving import ROOT
from tests.unit.domain.schedules import hostile

# MINTAKA_TEST_EXAMPLES asks for more
EXAMPLES = int(os.environ.get("MINTAKA_TEST_EXAMPLES", "600"))
MAX_SECONDS = 0.25


def read(documents):
    """[(document, outcome, seconds)] of a process that may use MAX_SECONDS for each document, and some to start."""
    allowed = int(hostile.CPU_SECONDS + MAX_SECONDS * len(documents))
    command = [sys.executable, "-m", "tests.unit.domain.schedules.hostile", str(allowed)]
    text = "".join(f"{json.dumps(document)}\n" for document in documents)
    process = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True)
    answers = [json.loads(line) for line in process.stdout.splitlines()]
    # the one after the last answer has killed it
    assert len(answers) == len(documents), (process.stderr[-500:], documents[len(answers)])
    return [(document, *answer) for document, answer in zip(documents, answers, strict=True)]


def test_texts_made_by_grammars_are_cheap_whatever_they_say():
    random = Random(os.environ.get("MINTAKA_TEST_SEED", "1"))
    found = read([hostile.document(random) for _ in range(EXAMPLES)])
    assert [(document, outcome) for document, outcome, _ in found if outcome.startswith("fault")] == []
    # once more, alone: another process may have come between
    dear = [document for document, _, seconds in found if seconds > MAX_SECONDS]
    assert [answer for answer in read(dear) if answer[2] > MAX_SECONDS] == []
    # the grammar makes both, or it would show nothing
    outcomes = {outcome for _, outcome, _ in found}
    assert "refused" in outcomes
    assert f"{hostile.MAX_RUNS} dates" in outcomes
    assert sum(outcome.endswith("dates") for _, outcome, _ in found) > EXAMPLES / 5


def test_a_process_that_takes_too_long_is_seen(monkeypatch):
    monkeypatch.setattr(hostile, "CPU_SECONDS", 0)
    with pytest.raises(AssertionError, match="cron"):
        read([{"cron": "* * * * *"}])
