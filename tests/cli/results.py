"""What tests of commands look at in click's result."""

import json


def done(result):
    """What a command that ended well printed."""
    assert result.exit_code == 0, result.output
    return result.stdout


def documents(result):
    """The JSON that a command printed, all of it on one line."""
    (line,) = done(result).splitlines()
    return json.loads(line)


def failed(result, exit_code):
    """The one line of error that a command ended with."""
    assert result.exit_code == exit_code, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("Error: ")


def table(result):
    """The rows of a table that a command printed, each a mapping of headings to text."""
    heading, *rows = done(result).splitlines()
    names = heading.split("  ")
    starts = [heading.index(name.strip()) for name in names if name.strip()]
    ends = [*starts[1:], None]
    return [{heading[start:end].strip(): row[start:end].strip() for start, end in zip(starts, ends, strict=True)} for row in rows]
