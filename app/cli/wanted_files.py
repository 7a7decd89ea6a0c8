"""Files of deployments as they are read: found, parsed and validated, all that is wrong with the line of each."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import click
from marshmallow import ValidationError

from app.cli.command_group import BadInput
from app.cli.output import cell
from app.cli.yaml_text import Reader, Wrong
from app.domain.files import Wanted
from app.schemas.context import current
from app.schemas.fields import UNKNOWN
from app.schemas.files import File, allowed_at

SUFFIXES = (".yaml", ".yml")
STDIN = "-"


@dataclass(frozen=True)
class WantedFile:
    """A file, what it says, and its text with the line of each part."""

    name: str
    reader: Any
    wanted: Wanted

    def told(self, errors):
        """Return a line for each of `errors`, paths in the file with what is wrong there."""
        # the path of an error of the API's rules is text
        paths = [(tuple(int(step) if str(step).isdigit() else step for step in loc), reason) for loc, reason in errors]
        return [_told(self.name, self.reader.line(loc), loc, reason) for loc, reason in paths]


def set_name_of(path):
    """Return the name of the set that a file or a folder is if nobody names it: its own, without a suffix. None for standard input."""
    return None if path == STDIN else Path(path).resolve().stem


def read_files(path):
    """Return the WantedFiles at `path`: one, all below a folder in order of their names, or standard input.

    Raise BadInput, after all that is wrong with any of them was told on standard error.
    """
    files, errors = [], []
    for name, text in _texts(path):
        try:
            files.append(_read(name, text, errors))
        except Wrong as error:
            errors.append(_told(name, error.line, (), error.reason))
    errors += _twice([file for file in files if file])
    if errors:
        refuse(errors)
    return files


def refuse(errors) -> NoReturn:
    """Tell all `errors`, lines of text, on standard error. Raise BadInput."""
    *others, last = errors
    for error in others:
        click.echo(error, err=True)
    raise BadInput(last)


def _texts(path):
    if path == STDIN:
        return [("<stdin>", _utf8("<stdin>", sys.stdin.buffer.read()))]
    paths = [Path(path)]
    if Path(path).is_dir():
        paths = sorted(found for found in Path(path).rglob("*") if found.suffix in SUFFIXES and found.is_file())
        if not paths:
            raise BadInput(f"{path}: The folder has no file {' or '.join(f'*{suffix}' for suffix in SUFFIXES)}.")
    return [(str(found), _utf8(found, found.read_bytes())) for found in paths]


def _utf8(name, content):
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{name}: The file is not UTF-8 text.") from None


def _read(name, text, errors):
    reader = Reader(text, current().bounds.json_depth)
    try:
        # a file without a word wants nothing
        data: Any = {} if reader.value is None else reader.value
        wanted: Any = File().load(data)
        return WantedFile(name, reader, wanted)
    except ValidationError as error:
        for loc, reason in sorted(_flat(error.messages), key=lambda one: reader.line(one[0])):
            if reason == UNKNOWN and (allowed := allowed_at(loc[:-1])):
                reason = f"{reason} Allowed are {', '.join(allowed)}."
            errors.append(_told(name, reader.line(loc), loc, reason))
        return None


def _twice(files):
    """Yield what is wrong where two files name the same thing: each would undo what the other did."""
    seen = {}
    for file in files:
        for kind, name in set(file.wanted.names()):
            other = seen.setdefault((kind, name), file)
            if other is not file and not (kind == "flows" and not _sets_flow(file, name, other)):
                yield f"{file.name}: {kind}: {cell(name)} is in {other.name}, too."


def _sets_flow(file, name, other):
    return all(name in [flow["name"] for flow in one.wanted.flows] for one in (file, other))


def _flat(messages, loc=()):
    if isinstance(messages, dict):
        for step, below in messages.items():
            yield from _flat(below, loc if step == "_schema" else (*loc, step))
    else:
        for message in [messages] if isinstance(messages, str) else messages:
            yield from _flat(message, loc) if isinstance(message, dict) else [(loc, message)]


def _told(name, line, loc, reason):
    field = ".".join(map(str, loc))
    return f"{cell(name)}:{line}: {cell(f'{field}: {reason}' if field else reason)}"
