"""JSON values: what a request may hold, and when two are the same."""

import json
import math
import re

from app.errors import InvalidField

# What can make a string unfit for a database is written as an escape; a body without one needs no walk
_ESCAPE = b"\\u"
_SURROGATE = re.compile("[\ud800-\udfff]")


def same_json(one, other):
    """Whether two values are the same JSON, where 1, 1.0 and true are three different things and the order of members is none."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def loads(body, max_depth):
    """The value of `body`, UTF-8 text of one JSON document.

    Refused with InvalidField: text that is not JSON, NaN and infinities, NUL and lone surrogates in strings and keys (PostgreSQL stores
    neither), and nesting deeper than `max_depth`.
    """
    try:
        value = json.loads(body, parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError:
        raise InvalidField("", "The body is not UTF-8 text.", kind="invalid_json") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except json.JSONDecodeError as error:
        raise InvalidField("", f"The body is not JSON: {error.msg} at character {error.pos}.", kind="invalid_json") from None
    except ValueError as error:
        raise InvalidField("", f"The body is not JSON: {error}.", kind="invalid_json") from None
    # a document with fewer brackets than the limit cannot be nested deeper
    if _ESCAPE in body or body.count(b"[") + body.count(b"{") > max_depth:
        _check(value, max_depth)
    return value


def _refuse_constant(name):
    raise ValueError(f"{name} is not a JSON number")


def _finite(text):
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _check(value, max_depth):
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > max_depth + 1:
            raise _too_deep(max_depth)
        below = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, list):
                below.extend(item)
            elif isinstance(item, dict):
                below.extend(item.values())
                for key in item:
                    _check_text(key)
        level = below


def _check_text(text):
    if "\0" in text:
        raise InvalidField("", "A string holds the character NUL (\\u0000), which is not allowed.", kind="invalid_text")
    if _SURROGATE.search(text):
        raise InvalidField("", "A string holds half of a surrogate pair, which is not a character.", kind="invalid_text")


def _too_deep(max_depth):
    return InvalidField("", f"The body is nested deeper than {max_depth} levels.", kind="too_deep")
