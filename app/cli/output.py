"""How commands print: JSON for scripts, aligned columns for people."""

import json
import sys
import time
import unicodedata

import click
import orjson

GAP = "  "
# Seconds between two lines of progress when nobody watches a terminal
REPORT_EVERY = 10.0

output_option = click.option(
    "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Columns for people, or JSON for scripts."
)


def print_json(value):
    """`value` as one line of JSON, as the API would answer it."""
    click.echo(orjson.dumps(value))


def plain(document):
    """A document of the API as plain JSON values: its parts that are kept as text are read, its ids and instants become text."""
    # not orjson's: it reads a whole number over 64 bits as a float
    return json.loads(orjson.dumps(document))


def print_table(headings, rows):
    """Print `rows` of JSON values under `headings`, in columns."""
    cells = [list(headings), *([cell(value) for value in row] for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (text + " " * (width - _width(text)) for text, width in zip(row, widths, strict=True))
        click.echo(GAP.join(padded).rstrip())


def print_facts(facts):
    """Print a mapping of words to JSON values, one to a line."""
    width = max(map(_width, facts))
    for name, value in facts.items():
        click.echo(f"{name:{width}}{GAP}{cell(value)}")


def cell(value):
    """A JSON value on one line for people."""
    if value is None or value == [] or value == {}:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ", ".join(value)
    return _printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _printable(text):
    # names come from clients: a control character in one could rewrite the terminal
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode() for character in text)


def _width(text):
    """How many columns of a terminal `text` takes."""
    return sum(0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF") for character in text)


class Progress:
    """Tells on standard error how far a long command is: in place on a terminal, else as a line every now and then."""

    def __init__(self, stream=None, clock=time.monotonic):
        self._stream = stream or sys.stderr
        self._in_place = self._stream.isatty()
        self._clock = clock
        self._told = clock()
        self._width = 0

    def tell(self, text):
        """Say `text`, in place of what was said before."""
        text = str(text)
        if self._in_place:
            # the cursor goes back to the start, so that a line of the log goes over it and not behind it
            click.echo(f"{text:{self._width}}\r", file=self._stream, nl=False)
            self._width = len(text)
        elif self._clock() - self._told >= REPORT_EVERY:
            click.echo(text, file=self._stream)
            self._told = self._clock()

    def done(self):
        """Leave the line free for what comes next."""
        if self._in_place and self._width:
            click.echo(f"{'':{self._width}}\r", file=self._stream, nl=False)
