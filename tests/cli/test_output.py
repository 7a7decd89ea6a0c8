"""How commands print."""

import io
import sys
from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from app.cli.output import REPORT_EVERY, Progress, cell, plain, print_facts, print_table, relative, short_id, state_cell, styled
from app.domain.plurals import counted


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
        ("", "-"),
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


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(80)`: standard output is a terminal of so many columns, whose text is returned."""

    def of(columns, **variables):
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)
        for name, value in ({"COLUMNS": str(columns), "NO_COLOR": ""} | variables).items():
            monkeypatch.setenv(name, value)
        return stream

    return of


@given(
    columns=st.integers(60, 120),
    rows=st.lists(st.tuples(*[st.text(st.characters(exclude_categories=["C"]), max_size=40)] * 4), min_size=1, max_size=5),
)
def test_a_table_fits_the_terminal(columns, rows):
    with pytest.MonkeyPatch.context() as patch:
        stream = Terminal()
        patch.setattr(sys, "stdout", stream)
        patch.setenv("COLUMNS", str(columns))
        print_table("ABCD", rows)
    assert all(wcswidth(click.unstyle(line)) <= columns for line in stream.getvalue().split("\n"))


def test_a_piped_table_is_as_wide_as_its_text(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    print_table(("NAME",), [("word " * 50,)])
    assert len(capsys.readouterr().out.splitlines()) == 2


RUNNING = {"state_name": "Running", "state_type": "RUNNING"}


def test_colours_are_for_terminals(terminal):
    assert state_cell(RUNNING) == "Running"
    terminal(80)
    assert state_cell(RUNNING) == click.style("Running", fg="blue")
    assert state_cell({"state_name": "Late", "state_type": "SCHEDULED"}) == click.style("Late", fg="yellow")
    # what a client named so is no colour
    assert styled("\x1b[2J", bold=True) == click.style("\\x1b[2J", bold=True)


def test_colours_are_left_out_where_the_user_wants_none(terminal):
    terminal(80, NO_COLOR="1")
    assert state_cell(RUNNING) == "Running"


NOW = datetime(2022, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        ({"hours": 3, "minutes": 59}, "in 3 h"),
        ({"days": -2, "hours": -1}, "2 d ago"),
        ({"minutes": 1}, "in 1 min"),
        ({"seconds": -59}, "59 s ago"),
        ({"milliseconds": 999}, "now"),
        ({"days": 400}, "in 400 d"),
    ],
)
def test_an_instant_is_shown_by_its_distance_in_whole_units(distance, text):
    assert relative(NOW + timedelta(**distance), NOW) == text


def test_no_instant_is_a_dash():
    assert relative(None, NOW) == "-"


def test_the_end_of_an_id_stands_for_it():
    assert short_id(UUID("01a21411-5f30-7601-ae3d-669adee5651a")) == "dee5651a"


def test_one_thing_is_in_the_singular():
    assert [counted(number, "run") for number in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
