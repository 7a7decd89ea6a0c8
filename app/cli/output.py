"""How commands print: JSON for scripts, aligned columns for people."""

import json
import shutil
import sys
import time
from datetime import timedelta

import click
from tabulate import tabulate
from wcwidth import wcswidth

from app.config import no_color
from app.domain import json_values

GAP = 2
# The narrowest that a column is made for the table to fit the terminal
MIN_WIDTH = 8
# Seconds between two lines of progress when nobody watches a terminal
REPORT_EVERY = 10.0

STATE_COLORS = {"PENDING": "cyan", "RUNNING": "blue", "COMPLETED": "green", "FAILED": "red", "CANCELLED": "bright_black"}
UNITS = ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min"), (timedelta(seconds=1), "s"))

output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Columns for people, or JSON for scripts."
)


def print_json(value):
    """Print `value` as one line of JSON, as the API would answer it."""
    click.echo(json_values.dumps(value))


def plain(document):
    """Return a document of the API as plain JSON values: parts that are kept as text are read, ids and instants become text."""
    # not orjson's: it reads a whole number over 64 bits as a float
    return json.loads(json_values.dumps(document))


def print_table(headings, rows):
    """Print `rows` of JSON values under `headings`, in columns."""
    _print([[bold(heading) for heading in headings], *rows])


def print_facts(facts):
    """Print a mapping of words to JSON values, one to a line."""
    _print(list(facts.items()))


def _print(rows):
    cells = [[cell(value) for value in row] for row in rows]
    # piped text is as wide as it needs to be
    widths = _fitting(cells, shutil.get_terminal_size().columns) if is_terminal() else None
    click.echo(tabulate(cells, tablefmt="plain", disable_numparse=True, preserve_whitespace=True, maxcolwidths=widths))


def _fitting(cells, terminal):
    """Return the widths of columns that fit `terminal` together, where they can: the widest are made narrower, and their text wraps."""
    widths = [max(wcswidth(click.unstyle(text)) for text in column) for column in zip(*cells, strict=True)]
    while sum(widths) + GAP * (len(widths) - 1) > terminal and max(widths) > MIN_WIDTH:
        widths[widths.index(max(widths))] -= 1
    return widths


def is_terminal():
    """Return whether a person reads standard output."""
    return sys.stdout is not None and sys.stdout.isatty()


class Styled(str):
    """Text that is printable already, with colours in it."""


def bold(text):
    """Return `text` in bold on a terminal."""
    return styled(text, bold=True)


def state_cell(run):
    """Return the name of a run's state in the colour of its type. Late runs stand out."""
    color = "yellow" if run["state_name"] == "Late" else STATE_COLORS.get(run["state_type"])
    return styled(run["state_name"], fg=color)


def styled(text, **style):
    """Return a JSON value on one line, styled by `click.style` on a terminal whose user wants colours."""
    printable = cell(text)
    return Styled(click.style(printable, **style) if is_terminal() and not no_color() else printable)


def cell(value):
    """Return a JSON value on one line for people."""
    if isinstance(value, Styled):
        return value
    if value is None or value in ("", [], {}):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    return _printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def short_id(id):
    """Return the end of an id. Ids begin with the time they were made at, so that those made together differ at their ends."""
    return str(id)[-8:]


def relative(instant, now):
    """Return how far an instant (None: "-") is from `now`, in whole units: `in 3 h`, `2 d ago`."""
    if instant is None:
        return "-"
    distance = abs(instant - now)
    unit, name = next(((unit, name) for unit, name in UNITS if distance >= unit), (None, None))
    if unit is None:
        return "now"
    text = f"{distance // unit} {name}"
    return f"in {text}" if instant > now else f"{text} ago"


def _printable(text):
    # names come from clients: a control character in one could rewrite the terminal
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


class Progress:
    """Tells on standard error how far a long command is: in place on a terminal, else as a line every now and then."""

    def __init__(self, stream=None, clock=time.monotonic):
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._clock = clock
        self._told = clock()
        self._width = 0

    def tell(self, text):
        """Print `text`, in place of what was printed before."""
        text = str(text)
        if self._in_place:
            # the cursor goes back to the start, so that a line of the log goes over it and not behind it
            click.echo(f"{text:{self._width}}\r", file=self._stream, nl=False)
            self._width = len(text)
        elif self._clock() - self._told >= REPORT_EVERY:
            click.echo(text, file=self._stream)
            self._told = self._clock()

    def done(self):
        """Clear the line for what comes next."""
        if self._in_place and self._width:
            click.echo(f"{'':{self._width}}\r", file=self._stream, nl=False)
