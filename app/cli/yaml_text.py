"""YAML as files have it: JSON's values, with the line of each. `on` and `12:30` and `2026-12-25` are text, as people mean them."""

import json
import re

import yaml

from app.domain import json_values
from app.errors import InvalidField

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
# what PyYAML takes a value for if it has no tag
_TAGS = frozenset({"map", "seq", "str", "null", "bool", "int", "float", "timestamp", "merge", "value"})
_BASE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Aliases make a small text a large document
MAX_VALUES = 1_000_000


class Wrong(Exception):
    """What is wrong with a text, and in which line."""

    def __init__(self, line, reason):
        super().__init__(reason)
        self.line, self.reason = line, reason


class Reader:
    """The value of a YAML text of one document, and the lines of its parts by their paths. Raise Wrong."""

    def __init__(self, text, max_depth):
        self._values, self._depth = 0, max_depth
        self.lines: dict[tuple, int] = {(): 1}
        try:
            node = yaml.compose(text, Loader=_BASE)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise Wrong(mark.line + 1 if mark else 1, f"is not YAML: {error.problem or error.context}") from None
        except (yaml.YAMLError, RecursionError) as error:
            raise Wrong(1, f"is not YAML: {' '.join(str(error).split())}") from None
        value = None if node is None else self._value(node, ())
        try:
            self.value = json_values.loads(json.dumps(value, allow_nan=True).encode(), max_depth)
        except InvalidField as error:
            raise Wrong(1, error.reason.replace("The body", "The file")) from None

    def line(self, loc):
        """Return the line of the part at the path `loc`, or of the nearest thing around it."""
        loc = tuple(loc)
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]

    def _value(self, node, loc):
        line = node.start_mark.line + 1
        self.lines.setdefault(loc, line)
        self._values += 1
        if self._values > MAX_VALUES:
            raise Wrong(line, f"holds more than {MAX_VALUES:,} values")
        if len(loc) > self._depth:
            raise Wrong(line, f"is nested deeper than {self._depth} levels")
        if node.tag.removeprefix("tag:yaml.org,2002:") not in _TAGS:
            raise Wrong(line, f"has the tag {node.tag}; no tags are allowed")
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.style else _plain(node.value, line)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(item, (*loc, place)) for place, item in enumerate(node.value)]
        found = {}
        for key, item in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise Wrong(at, "has a key that is no text")
            if key.value in found:
                raise Wrong(at, f"has {key.value!a} twice")
            self.lines.setdefault((*loc, key.value), at)
            found[key.value] = self._value(item, (*loc, key.value))
        return found


def _plain(text, line):
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text):
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise Wrong(line, "holds a whole number of too many digits") from None


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        # items of a list stand in from their key, as people write them
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data):
        return True


def _text(dumper, text):
    style = "'" if text in _WORDS or _NUMBER.fullmatch(text) else None
    if not text.replace("\n", "").isprintable():
        # other kinds of line breaks are changed by who reads them, unless they are escaped
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _float(dumper, number):
    digits, *exponent = json.dumps(number).split("e")
    # to other readers of YAML a number without a point has no exponent
    text = "e".join([digits if "." in digits else f"{digits}.0", *exponent])
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(float, _float)


def write(value):
    """Return a JSON value as YAML that `Reader` reads as the same."""
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=120)
