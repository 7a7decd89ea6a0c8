"""How commands print."""

import io
from datetime import UTC, datetime
from uuid import UUID

import orjson
import pytest

from app.cli.output import REPORT_EVERY, Progress, cell, plain, print_facts, print_table


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_columns_are_as_wide_as_their_widest_cell(capsys):
    print_table(("NAME", "TAGS"), [("a", ["x", "y"]), ("longer", [])])
    assert capsys.readouterr().out == "NAME    TAGS\na       x, y\nlonger  -\n"


def test_wide_and_combining_characters_keep_columns_aligned(capsys):
    print_table(("N", "T"), [("日本", "x"), ("e\N{COMBINING ACUTE ACCENT}", "x")])
    assert capsys.readouterr().out == "N     T\n日本  x\ne\N{COMBINING ACUTE ACCENT}     x\n"


def test_a_table_without_rows_still_has_its_headings(capsys):
    print_table(("NAME", "ID"), [])
    assert capsys.readouterr().out == "NAME  ID\n"


def test_facts_are_printed_one_to_a_line(capsys):
    print_facts({"due": 3, "reason": None})
    assert capsys.readouterr().out == "due     3\nreason  -\n"


@pytest.mark.parametrize(
    "value, text",
    [
        (None, "-"),
        ([], "-"),
        ({}, "-"),
        (0, "0"),
        (False, "no"),
        (True, "yes"),
        (["a", "b"], "a, b"),
        ([1, "b"], '[1, "b"]'),
        ({"é": 1}, '{"é": 1}'),
        ("two\nlines", "two\\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
    ],
)
def test_a_cell_is_one_printable_line(value, text):
    assert cell(value) == text


def test_plain_reads_what_a_document_keeps_as_text():
    big = 10**30
    document = {"id": UUID(int=1), "created": datetime(2022, 1, 1, tzinfo=UTC), "parameters": orjson.Fragment(f'{{"x": {big}}}')}
    assert plain(document) == {
        "id": "00000000-0000-0000-0000-000000000001",
        "created": "2022-01-01T00:00:00+00:00",
        "parameters": {"x": big},
    }


def test_progress_stays_on_one_line_of_a_terminal_and_is_wiped_out():
    stream = Terminal()
    progress = Progress(stream)
    progress.tell("10 runs")
    progress.tell("9 runs")
    progress.done()
    assert stream.getvalue() == "10 runs\r9 runs \r      \r"


def test_piped_progress_is_a_plain_line_every_now_and_then():
    stream = io.StringIO()
    times = iter([0.0, 1.0, REPORT_EVERY, REPORT_EVERY, REPORT_EVERY + 1.0])
    progress = Progress(stream, clock=lambda: next(times))
    for number in (1, 2, 3):
        progress.tell(f"{number} runs")
    progress.done()
    assert stream.getvalue() == "2 runs\n"
