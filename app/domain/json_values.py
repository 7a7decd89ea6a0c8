"""JSON values: what a request may hold, and when two are the same."""

import json
import math
import re
from decimal import Decimal
from itertools import chain

import orjson

from app.errors import InvalidField

# What can make a string unfit for a database is written as an escape; a body without one needs no walk
_ESCAPE = b"\\u"
_SURROGATE = re.compile("[\ud800-\udfff]")


def same_json(one, other):
    """Return whether two values are the same JSON, where 1, 1.0 and true are three different things and the order of members is none."""
    return _canonical(one) == _canonical(other)


def dumps(value):
    """Return `value` as JSON text in UTF-8, with whatever orjson knows how to write, and whole numbers of any size, which it does not."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_known_to_orjson).encode()


def _known_to_orjson(value):
    return json.loads(orjson.dumps(value))


def _canonical(value):
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # a whole number over 64 bits
        return json.dumps(value, sort_keys=True)


def loads(body, max_depth, mend=False):
    """Return the value of `body`, UTF-8 text of one JSON document.

    Raise InvalidField for text that is not JSON, NaN and infinities, NUL and lone surrogates in strings and keys (PostgreSQL stores
    neither), and lists and objects nested deeper than `max_depth`. With `mend`, such characters are not refused: they become U+FFFD.
    """
    try:
        # from bytes, json.loads takes other encodings too, and surrogates as they are
        value = json.loads(body.decode(), parse_constant=_refuse_constant, parse_float=_number)
    except UnicodeDecodeError:
        raise InvalidField("", "The body is not UTF-8 text.", kind="invalid_json") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    except json.JSONDecodeError as error:
        raise InvalidField("", f"The body is not JSON: {error.msg} at character {error.pos}.", kind="invalid_json") from None
    except ValueError:
        raise InvalidField("", "The body holds a whole number of too many digits.", kind="invalid_json") from None
    escapes = _ESCAPE in body
    # a document with fewer brackets than the limit cannot be nested deeper
    if escapes or body.count(b"[") + body.count(b"{") > max_depth:
        _check(value, max_depth, escapes and not mend)
    return _mended(value) if mend and escapes else value


def _refuse_constant(name):
    raise InvalidField("", f"The body is not JSON: {name} is not a number there.", kind="invalid_json")


def _number(text):
    number = float(text)
    if not math.isfinite(number):
        raise InvalidField("", "The body holds a number that is too large.", kind="invalid_json")
    # PostgreSQL keeps decimals, and answers neither an exponent nor a negative zero: what is stored must be the same as what was asked
    if number == 0:
        return 0.0
    written = repr(number)
    return int(Decimal(written)) if "e+" in written else number


def _check(value, max_depth, texts):
    level, depth = [value], 0
    while level:
        nested = [item for item in level if isinstance(item, list | dict)]
        if texts:
            # a batch says the same few keys and names many times
            for text in {item for item in level if isinstance(item, str)}.union(*(item for item in nested if isinstance(item, dict))):
                _check_text(text)
        if depth == max_depth and nested:
            raise _too_deep(max_depth)
        depth += 1
        level = list(chain.from_iterable(item.values() if isinstance(item, dict) else item for item in nested))


def _mended(value):
    if isinstance(value, str):
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value.replace("\0", "\N{REPLACEMENT CHARACTER}"))
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return {_mended(name): _mended(item) for name, item in value.items()} if isinstance(value, dict) else value


def _check_text(text):
    if "\0" in text:
        raise InvalidField("", "A string holds the character NUL (\\u0000), which is not allowed.", kind="invalid_text")
    if _SURROGATE.search(text):
        raise InvalidField("", "A string holds half of a surrogate pair, which is not a character.", kind="invalid_text")


def _too_deep(max_depth):
    return InvalidField("", f"The body is nested deeper than {max_depth} levels.", kind="too_deep")
