"""JSON bodies read as TensorFlow Serving reads them, which uses RapidJSON.

Of two equal names in an object the first counts, NaN and infinities are numbers, and what follows the value is ignored.
A body that keeps to the standard, as nearly all do, is parsed by orjson alone; Python's parser, with which the rest is
read, takes five to ten times as long and stops everything else meanwhile, and is kept for bodies of some size.
"""

import json
import math
import re
from typing import Any

import numpy as np
import orjson

from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.values import quoted

# Bytes of a body that Python's parser may read.
SLOW = 4 << 20
# Lists, objects and names in a body. An empty list takes 2 bytes of it and more than 60 of memory.
PARTS = 4_000_000

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_INF = re.compile(rf"({_STRING})|Inf(?!i)", re.DOTALL)
# Numbers that may be beyond a double, which Python's parser takes for infinite.
_HUGE = re.compile(r"[eE]\+?\d{3}")
_INF_VALUE = re.compile("-?Inf(?!i)")
_STRING_AND_REST = re.compile(rf"{_STRING}|[^\[\]{{}}\"]++", re.DOTALL)
_STRING_AND_COLON = re.compile(_STRING.encode() + rb"[ \t\r\n]*+(:?)", re.DOTALL)
_NO_SPACE = re.compile(r"[^ \t\r\n]")
_HALF_OF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|(u[dD][89a-fA-F])|.)", re.DOTALL)
_LITERALS = ("true", "false", "null", "NaN", "Infinity", "-NaN", "-Infinity")


def parse(body: bytes) -> dict:
    """Returns the object that is the body of a request.

    Raises:
        ServingError: If the body is no JSON or no object, or is nested deeper than the parsers go (1,024 levels). If
            it is larger than `SLOW` and needs a reader of more than standard JSON. If it has more than `PARTS` lists,
            objects and names, for which brackets and colons in strings count, too (HTTP status 413).

    Example:
        >>> parse(b'{"instances": [NaN], "instances": [1]} and more')
        {'instances': [nan]}
    """
    if len(body) > PARTS and sum(_count(body, mark) for mark in (b"[", b"{", b":")) > PARTS:
        raise ServingError("INVALID_ARGUMENT", f"There are more than {PARTS} lists, objects and names.", status=413)
    try:
        value, refused = orjson.loads(body), None
    except orjson.JSONDecodeError as error:
        value, refused = None, error
    if refused or (type(value) is dict and _repeats(value, body)):
        if len(body) > SLOW:
            raise _error(f"{refused or 'A name occurs twice in an object'}, in a body of more than {SLOW >> 20} MiB.")
        value = _slowly(body)
    if type(value) is not dict:
        raise invalid(f"JSON Value: {quoted(value)} Is not object")
    return value


def _error(reason, offset=None):
    return invalid(f"JSON Parse error: {reason}" + ("" if offset is None else f" at offset: {offset}"))


def _count(body, byte):
    if len(body) < 4096:
        return body.count(byte)
    return int(np.count_nonzero(np.frombuffer(body, np.uint8) == byte[0]))


def _repeats(value, body):
    """Whether an object may have had a name twice: there are more names in the body than in what was parsed."""
    names, colons = len(value), _count(body, b":")
    if names == colons:
        return False
    for rows in value.values():
        if type(rows) is list and set(map(type, rows)) == {dict}:
            names += sum(map(len, rows))
    if names == colons:
        return False
    return _STRING_AND_COLON.findall(body).count(b":") != _names(value)


def _names(value):
    """How many names the objects in a value have."""
    names, pending = 0, [value]
    while pending:
        each = pending.pop()
        if type(each) is dict:
            names += len(each)
            each = each.values()
        pending += [child for child in each if type(child) is dict or type(child) is list]
    return names


def _slowly(body: bytes) -> Any:
    """Parses by Python's own parser, for what orjson refuses or reads otherwise."""
    try:
        text, broken = body.decode(), None
    except UnicodeDecodeError as error:  # It matters only if it comes before the value's end.
        text, broken = body[: error.start].decode(), error.start
    start = _after_space(text, 1 if text.startswith("\ufeff") else 0)
    if start == len(text) and broken is None:
        raise _error("The document is empty" + ("." if text else ""), start or None)
    try:
        return _decode(text, start)
    except _SyntaxError as error:
        offset = len(text[: error.position].encode())
        if broken is not None and offset >= broken:
            raise _error("Invalid encoding in string.", broken) from None
        raise _error(error.reason, offset) from None


def _after_space(text, position):
    found = _NO_SPACE.search(text, position)
    return found.start() if found else len(text)


class _SyntaxError(Exception):
    def __init__(self, reason, position):
        super().__init__(reason)
        self.reason, self.position = reason, position


def _decode(text, start, decoder=None):
    """The value that begins at `start`."""
    decoder = decoder or (_EXACT if _HUGE.search(text) else _QUICK)
    try:
        value, end = decoder.raw_decode(text, start)
    except RecursionError:
        raise _error("Too many lists and objects within each other.") from None
    except json.JSONDecodeError as error:
        if _INF_VALUE.match(text, error.pos):
            return _decode_with_inf(text, start)
        raise _SyntaxError(*_reason(error.msg, text, error.pos)) from None
    except _TooLarge as error:
        raise _SyntaxError("Number too big to be stored in double.", text.find(str(error))) from None
    except ValueError:  # More digits than Python takes for an integer.
        return _decode(text, start, _EXACT)
    if _HALF_OF_PAIR.search(text, start, end):
        for escape in _ESCAPE.finditer(text, start, end):
            if escape[1]:
                raise _SyntaxError("The surrogate pair in string is invalid.", escape.start())
    return value


def _decode_with_inf(text, start):
    """The same where `Inf`, which RapidJSON takes, too, is to be `Infinity`."""
    places = [match.start() for match in _INF.finditer(text) if not match[1]]
    try:
        return _decode(_INF.sub(lambda match: match[1] or "Infinity", text), start)
    except _SyntaxError as error:
        # Where it is without the letters put in.
        shift, added = 0, len("inity")
        for place in places:
            if place + shift + len("Infinity") <= error.position:
                shift += added
        raise _SyntaxError(error.reason, error.position - shift) from None


class _TooLarge(ValueError):
    pass


def _first_counts(pairs):
    value: dict = {}
    for name, each in pairs:
        value.setdefault(name, each)
    return value


def _double(token):
    value = float(token)
    if math.isinf(value):
        raise _TooLarge(token)
    return value


def _integer(token):
    """An integer; beyond 64 bits a double, as in RapidJSON."""
    value = int(token) if len(token) <= 20 else None
    return value if value is not None and -(2**63) <= value < 2**64 else _double(token)


_QUICK = json.JSONDecoder(object_pairs_hook=_first_counts)
_EXACT = json.JSONDecoder(object_pairs_hook=_first_counts, parse_float=_double, parse_int=_integer)


def _reason(said, text, position):
    """RapidJSON's words for an error of Python's parser, and where RapidJSON would say that it is."""
    if said.startswith("Unterminated string"):
        return "Missing a closing quotation mark in string.", len(text)
    if said.startswith("Invalid control character"):
        # A zero byte is the end of the text there.
        zero = text[position] == "\0"
        return "Missing a closing quotation mark in string." if zero else "Invalid encoding in string.", position
    if said.startswith("Invalid \\"):
        hexadecimal = said.startswith("Invalid \\u")
        reason = (
            "Incorrect hex digit after \\u escape in string." if hexadecimal else "Invalid escape character in string."
        )
        return reason, text.rfind("\\", 0, position + 1)
    if said.startswith("Illegal trailing comma"):  # As Python 3.13 and later say.
        position = _after_space(text, position + 1)
        said = "Expecting property name" if text[position] == "}" else ""
    if said.startswith("Expecting property name"):
        return "Missing a name for object member.", position
    if said.startswith("Expecting ':'"):
        return "Missing a colon after a name of object member.", position
    if said.startswith("Expecting ','"):
        return _no_comma(text, position)
    # It reads on as long as it may become true, false, null or a number.
    rest = text[position : position + 9]
    read = max(_common(rest, each) for each in _LITERALS)
    return "Invalid value.", position + read


def _common(one, other):
    """How many characters two texts begin with in common."""
    return next(
        (index for index, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _no_comma(text, position):
    """What is said where a value has ended and no comma follows."""
    if position < len(text) and text[position - 1].isdecimal():
        if text[position] == ".":
            return "Miss fraction part in number.", position + 1
        if text[position] in "eE":
            sign = text[position + 1 : position + 2] in ("+", "-")
            return "Miss exponent in number.", position + 1 + sign
    brackets, before = _STRING_AND_REST.sub("", text[:position]), None
    while brackets != before:
        before, brackets = brackets, brackets.replace("[]", "").replace("{}", "")
    if brackets.endswith("["):
        return "Missing a comma or ] after an array element.", position
    return "Missing a comma or } after an object member.", position
