"""JSON bodies: what RapidJSON takes and says, by lines 32 to 36 of docs/serving-conformance.md."""

import json
import math
import random
import time

import orjson
import pytest

from kerasmlsp.serving import parsing
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.parsing import parse

PREFIX = "JSON Parse error: "
TAKEN = {
    "32-object": (b'{"instances": [1], "more": {}}', {"instances": [1], "more": {}}),
    "35-trailing-brace": (b'{"a": 1}}', {"a": 1}),
    "35-trailing-words": (b'{"a": 1} and so on', {"a": 1}),
    "35-trailing-bytes-that-are-no-utf-8": (b'{"a": 1} \xff', {"a": 1}),
    "35-first-of-two": (b'{"a": 1, "a": 2}', {"a": 1}),
    "35-first-of-two-keeps-the-order": (b'{"a": 1, "b": 3, "a": 2}', {"a": 1, "b": 3}),
    "35-first-of-two-in-a-row": (b'{"instances": [{"x": 1, "x": 2}, {"x": 3}]}', {"instances": [{"x": 1}, {"x": 3}]}),
    "35-first-of-two-in-nested-lists": (b'{"a": [[[{"x": 1, "x": 2}]]]}', {"a": [[[{"x": 1}]]]}),
    "35-first-of-two-in-an-object": (b'{"a": {"b": {"x": 1, "x": 2}}}', {"a": {"b": {"x": 1}}}),
    "35-first-of-two-objects": (b'{"a": {"b": 1, "c": 2}, "a": {"d": 3}}', {"a": {"b": 1, "c": 2}}),
    "35-first-of-two-beside-colons": (b'{"a": "x:y::", "b": ": ", "b": 2}', {"a": "x:y::", "b": ": "}),
    "35-first-of-two-with-spaces": (b'{"a"\t:1, "a" \r\n : 2}', {"a": 1}),
    "35-first-of-two-written-otherwise": (b'{"a": 1, "\\u0061": 2}', {"a": 1}),
    "35-first-of-two-beside-what-looks-like-names": (b'{"a": "\\":\\":", "b": 1, "b": 2}', {"a": '":":', "b": 1}),
    "35-first-of-two-that-end-in-a-backslash": (b'{"a\\\\": 1, "a\\\\": 2, "b": ":"}', {"a\\": 1, "b": ":"}),
    "35-no-two-beside-smileys": (b'{"a": ":)", "b": [":", "\\"", ":"]}', {"a": ":)", "b": [":", '"', ":"]}),
    "35-no-two-beside-a-backslash": (b'{"a\\\\": 1, "b": "\\":", "c": 2}', {"a\\": 1, "b": '":', "c": 2}),
    "35-byte-order-mark": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    "36-infinities": (b'{"a": [Infinity, -Infinity, Inf, -Inf]}', {"a": [math.inf, -math.inf, math.inf, -math.inf]}),
    "36-not-in-strings": (b'{"a": [Inf, "Inf", "NaN\\"", "-Inf"]}', {"a": [math.inf, "Inf", 'NaN"', "-Inf"]}),
    "46-beyond-64-bits": (b'{"a": 18446744073709551616}', {"a": 2.0**64}),
    "46-beyond-64-bits-and-exponents": (b'{"a": [18446744073709551616, 1e+003], "a": 1}', {"a": [2.0**64, 1e3]}),
    "46-zeros-before-the-exponent": (b'{"a": [0.0001e+0310, 1e-400], "a": 1}', {"a": [1e306, 0.0]}),
    "46-integers-exact": (b'{"a": [18446744073709551615, -9223372036854775808]}', {"a": [2**64 - 1, -(2**63)]}),
    "35-surrogate-pair": (b'{"a": "\\ud83d\\ude00", "a": 1}', {"a": "\U0001f600"}),
    "35-backslash-before-what-looks-like-half-a-pair": (b'{"a": "\\\\ud800", "a": 1}', {"a": "\\ud800"}),
}
REFUSED = {
    "34-empty": (b"", "The document is empty"),
    "34-blank": (b" \n", "The document is empty. at offset: 2"),
    "34-no-value": (b'{"a": tru}', "Invalid value. at offset: 9"),
    "34-nothing-after-a-comma": (b"[1,]", "Invalid value. at offset: 3"),
    "34-no-end-of-a-list": (b'{"a": [1', "Missing a comma or ] after an array element. at offset: 8"),
    "34-no-comma-in-a-list": (b'{"a": {"b": [1 2]}}', "Missing a comma or ] after an array element. at offset: 15"),
    "34-no-comma-in-an-object": (b'{"a": [1, 2] "b": 1}', "Missing a comma or } after an object member. at offset: 13"),
    "34-brackets-in-strings": (b'{"[[": "[" 1}', "Missing a comma or } after an object member. at offset: 11"),
    "34-no-end-of-an-object": (b'{"a": 1', "Missing a comma or } after an object member. at offset: 7"),
    "34-no-name": (b"{a: 1}", "Missing a name for object member. at offset: 1"),
    "34-no-name-after-a-comma": (b'{"a": 1,}', "Missing a name for object member. at offset: 8"),
    "34-no-colon": (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
    "34-no-quotation-mark": (b'{"a": "x', "Missing a closing quotation mark in string. at offset: 8"),
    "34-a-zero-byte": (b'{"a": "\0"}', "Missing a closing quotation mark in string. at offset: 7"),
    "34-a-control-character": (b'{"a": "\n"}', "Invalid encoding in string. at offset: 7"),
    "34-escape": (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
    "34-hexadecimal": (b'{"a": "\\u12g4"}', "Incorrect hex digit after \\u escape in string. at offset: 7"),
    "34-half-a-pair": (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: 7"),
    "34-the-second-half-alone": (b'{"a": "\\udc00"}', "The surrogate pair in string is invalid. at offset: 7"),
    "34-fraction": (b'{"a": 1.}', "Miss fraction part in number. at offset: 8"),
    "34-exponent": (b'{"a": 1e+}', "Miss exponent in number. at offset: 9"),
    "34-too-big": (b'{"a": 1e400}', "Number too big to be stored in double. at offset: 6"),
    "34-too-many-digits": (b'{"a": ' + b"9" * 5000 + b"}", "Number too big to be stored in double. at offset: 6"),
    "34-leading-zero": (b'{"a": 01}', "Missing a comma or } after an object member. at offset: 7"),
    "34-offset-in-bytes": ('{"äö": tru}'.encode(), "Invalid value. at offset: 12"),
    "34-offset-behind-inf": (b'{"a": Inf "b"}', "Missing a comma or } after an object member. at offset: 10"),
    "36-almost-infinity": (b'{"a": -Infinitx}', "Invalid value. at offset: 14"),
    "35-no-utf-8": (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
    "35-an-error-before-what-is-no-utf-8": (b'{a": "\xff"}', "Missing a name for object member. at offset: 1"),
}
NO_OBJECTS = {
    "35-list": (b"[1, 2]", "JSON Value: [\n    1,\n    2\n] Is not object"),
    "35-string": (b'"x"', 'JSON Value: "x" Is not object'),
    "35-null": (b"null", "JSON Value: null Is not object"),
    "35-nan": (b"NaN", "JSON Value: NaN Is not object"),
}


def table(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


@pytest.mark.parametrize(("body", "expected"), **table(TAKEN))
def test_taken(body, expected):
    value = parse(body)
    assert value == expected
    assert json.dumps(value) == json.dumps(expected)  # also the types and the order


@pytest.mark.parametrize(("body", "text"), **table(REFUSED))
def test_refused(body, text):
    with pytest.raises(ServingError) as error:
        parse(body)
    assert (str(error.value), error.value.code, error.value.status) == (PREFIX + text, "INVALID_ARGUMENT", 400)


@pytest.mark.parametrize(("body", "text"), **table(NO_OBJECTS))
def test_no_object(body, text):
    with pytest.raises(ServingError) as error:
        parse(body)
    assert str(error.value) == text


def test_line_50_errors_quote_256_bytes():
    with pytest.raises(ServingError) as error:
        parse(orjson.dumps(["ä" * 1000]))
    quoted = str(error.value).removeprefix("JSON Value: ").removesuffix(" Is not object")
    assert quoted.startswith('[\n    "ää') and 254 < len(quoted.encode()) <= 256


def test_nan_is_a_number():
    value = parse(b'{"a": [NaN, "NaN", 0.1]}')["a"]
    assert math.isnan(value[0]) and value[1:] == ["NaN", 0.1]


@pytest.mark.parametrize("unit", [b"[", b'{"a":', b'{"a":[', b"[{"], ids=["lists", "objects", "both", "no name"])
def test_deep_nesting_is_refused_quickly(unit):
    begin = time.perf_counter()
    for body in (unit * 1_000_000, b'{"instances": ' + unit * 500_000, b'{"a": NaN, "b": ' + unit * 500_000):
        with pytest.raises(ServingError) as error:
            parse(body)
        assert error.value.status == 400 and str(error.value).startswith(PREFIX)
    assert time.perf_counter() - begin < 20


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"":0,'], ids=["lists", "objects", "names"])
def test_a_body_of_empty_parts_is_refused_before_it_takes_memory(unit):
    with pytest.raises(ServingError) as error:
        parse(b'{"a": [' + unit * (parsing.PARTS + 1))
    assert error.value.status == 413


@pytest.mark.parametrize("what", [b"NaN", b"1, 1 1", b'{"a": 1, "a": 2}'], ids=["NaN", "damaged", "twice"])
def test_a_large_body_has_to_keep_to_the_standard(what):
    body = b'{"a": "%b", "b": [%b]}'
    with pytest.raises(ServingError, match=r"^JSON Parse error: .* in a body of more than 4 MiB\.$") as error:
        parse(body % (b"x" * parsing.SLOW, what))
    assert error.value.status == 400
    assert len(parse(body % (b"x: xxxx" * 1_000_000, b"1"))["a"]) == 7_000_000


def test_a_string_of_brackets_is_no_nesting():
    assert parse(b'{"a": "' + b"[" * 10_000 + b'"}') == {"a": "[" * 10_000}


# What random bodies are made of.
STRINGS = ["a", "b", "b64", ":", '":', "\\", '\\":', "x\\", "[", "}", "ä", "\U0001f600", "NaN", "", "\n", "Inf", "null"]

# What they are damaged with.
PIECES = [bytes([each]) for each in b'"\\[]{}:,\xff\xe4\0e.'] + [b"Inf", b"\\u", b""]


def random_value(rng, depth=0):
    """A JSON value as text, with names that repeat, and what it is to be read as."""
    kind = rng.randrange(8 if depth < 4 else 5)
    if kind < 2:
        text = rng.choice(STRINGS)
        return json.dumps(text, ensure_ascii=rng.random() < 0.5), text
    if kind == 2:
        return rng.choice([("1", 1), ("-0.5", -0.5), ("1e2", 100.0), ("18446744073709551615", 2**64 - 1)])
    if kind == 3:
        return rng.choice([("true", True), ("false", False), ("null", None)])
    if kind == 4:
        odd = [("Infinity", math.inf), ("-Infinity", -math.inf), ("Inf", math.inf), ("-Inf", -math.inf)]
        return rng.choice(odd) if rng.random() < 0.2 else ("7", 7)
    space = lambda: rng.choice(["", "", " ", "\n", "\t "])  # noqa: E731
    if kind == 5:
        items = [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
        return f"[{space()}{','.join(f'{text}{space()}' for text, _ in items)}]", [value for _, value in items]
    return random_object(rng, depth, space)


def random_object(rng, depth, space):
    texts, value = [], {}
    for _ in range(rng.randrange(4)):
        name = rng.choice(STRINGS[:9])
        text, each = random_value(rng, depth + 1)
        texts.append(f"{json.dumps(name)}{space()}:{space()}{text}")
        value.setdefault(name, each)
    return f"{space()}{{{','.join(texts)}}}{space()}", value


def test_random_bodies_are_read_as_written():
    rng = random.Random(1)
    repeated = 0
    for _ in range(3000):
        text, value = random_object(rng, 0, lambda: "")
        assert parse(text.encode()) == value, text
        assert json.dumps(parse((text + rng.choice(["", "x", "\n", "}"])).encode())) == json.dumps(value), text
        repeated += json.loads(text.replace("Infinity", "1").replace("Inf", "1")) != value
    assert repeated > 300  # the last would have counted, or there were infinities


def test_damaged_bodies_raise_nothing_else():
    rng = random.Random(2)
    seeds = [body for body, _ in (*TAKEN.values(), *REFUSED.values(), *NO_OBJECTS.values())]
    refused = 0
    for _ in range(20_000):
        body = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 4)):
            place = rng.randrange(len(body) + 1)
            body[place : place + rng.randrange(3)] = rng.choice(PIECES)
        try:
            assert type(parse(bytes(body))) is dict
        except ServingError as error:
            refused += 1
            assert error.status == 400
    assert refused > 1000
