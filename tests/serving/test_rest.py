"""TensorFlow Serving's REST bodies, by the lines of docs/serving-conformance.md.

Many cases are upstream's own, of util/json_tensor_test.cc.
"""

import base64
import json
import math
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from kerasmlsp.serving import examples, inference, rest, values
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.parsing import parse
from kerasmlsp.serving.tensors import NUMPY, Signature, TensorInfo

HELLO = {"b64": "aGVsbG8="}
FAILED = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
FAILED_KEY = "Failed to process element: {} key: {} of 'instances' list. Error: INVALID_ARGUMENT: "
PLAIN_ROWS = (
    "instances is a plain list, but expecting list of objects as multiple input tensors required as per tensorinfo_map"
)
PLAIN_COLUMNS = (
    "inputs is a plain value/list, but expecting an object as multiple input tensors required as per tensorinfo_map"
)


def signature(defaults=None, **inputs):
    """Of inputs of any shape, by name the type."""
    return Signature(
        {name: TensorInfo(f"{name}:0", f"DT_{dtype}", None) for name, dtype in inputs.items()}, {}, "", defaults or {}
    )


def table(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


def read(request, of):
    return rest.read_predict(parse(json.dumps(request).encode()), of)


def arrays_of(expected):
    return {name: (array.dtype, array.shape, array.tolist()) for name, array in expected.items()}


def array(dtype, value):
    return np.array(value, dtype=NUMPY[f"DT_{dtype}"])


X, TWO = signature(x="INT32"), signature(a="INT32", b="STRING")
TEXT, FLOAT = signature(text="STRING"), signature(x="FLOAT")
# By line: request, signature, arrays.
READ = {
    "37-rows": ({"instances": [[1, 2], [3, 4], [5, 6]]}, X, {"x": array("INT32", [[1, 2], [3, 4], [5, 6]])}),
    "37-rows-of-scalars": ({"instances": [1, 2]}, X, {"x": array("INT32", [1, 2])}),
    "37-rows-named": ({"instances": [{"x": [1]}, {"x": [2]}]}, X, {"x": array("INT32", [[1], [2]])}),
    "37-rows-of-several-inputs": (
        {"instances": [{"a": 1, "b": "one"}, {"b": "two", "a": 2}]},
        TWO,
        {"a": array("INT32", [1, 2]), "b": array("STRING", [b"one", b"two"])},
    ),
    "37-rows-of-different-ranks": (
        {"instances": [{"a": [[1, 2], [3, 4]], "b": ["foo", "bar"]}] * 2},
        TWO,
        {"a": array("INT32", [[[1, 2], [3, 4]]] * 2), "b": array("STRING", [[b"foo", b"bar"]] * 2)},
    ),
    "32-other-keys": ({"instances": [1], "more": [{"x": None}]}, X, {"x": array("INT32", [1])}),
    "42-columns": ({"inputs": [[1, 2]]}, X, {"x": array("INT32", [[1, 2]])}),
    "42-columns-named": ({"inputs": {"x": [1, 2]}}, X, {"x": array("INT32", [1, 2])}),
    "42-scalar": ({"inputs": 7}, X, {"x": array("INT32", 7)}),
    "42-columns-of-different-length": (
        {"inputs": {"a": [1, 2, 3], "b": "x"}},
        TWO,
        {"a": array("INT32", [1, 2, 3]), "b": array("STRING", b"x")},
    ),
    "43-surplus-names": ({"inputs": {"x": 1, "more": None}}, X, {"x": array("INT32", 1)}),
    "45-integers-for-float": ({"instances": [1, 2.5]}, FLOAT, {"x": array("FLOAT", [1, 2.5])}),
    "45-uint8": ({"instances": [0, 255]}, signature(x="UINT8"), {"x": array("UINT8", [0, 255])}),
    "45-int8": ({"instances": [-128, 127]}, signature(x="INT8"), {"x": array("INT8", [-128, 127])}),
    "45-int16": (
        {"instances": [-(2**15), 2**15 - 1]},
        signature(x="INT16"),
        {"x": array("INT16", [-(2**15), 2**15 - 1])},
    ),
    "45-uint16": ({"instances": [0, 2**16 - 1]}, signature(x="UINT16"), {"x": array("UINT16", [0, 2**16 - 1])}),
    "45-int32": ({"instances": [-(2**31), 2**31 - 1]}, X, {"x": array("INT32", [-(2**31), 2**31 - 1])}),
    "45-uint32": ({"instances": [0, 2**32 - 1]}, signature(x="UINT32"), {"x": array("UINT32", [0, 2**32 - 1])}),
    "45-int64": (
        {"instances": [-(2**63), 2**63 - 1]},
        signature(x="INT64"),
        {"x": array("INT64", [-(2**63), 2**63 - 1])},
    ),
    "45-uint64": ({"instances": [0, 2**64 - 1]}, signature(x="UINT64"), {"x": array("UINT64", [0, 2**64 - 1])}),
    "45-bool": ({"instances": [True, False]}, signature(x="BOOL"), {"x": array("BOOL", [True, False])}),
    "45-double": ({"instances": [1, 0.1]}, signature(x="DOUBLE"), {"x": array("DOUBLE", [1, 0.1])}),
    "45-string": ({"instances": ["ä", "", "\0"]}, TEXT, {"text": array("STRING", ["ä".encode(), b"", b"\0"])}),
    "46-rounded": ({"instances": [0.1, 16777217]}, FLOAT, {"x": array("FLOAT", [0.1, 16777216])}),
    "46-beyond-float32": ({"instances": [1e300, -1e300]}, FLOAT, {"x": array("FLOAT", [math.inf, -math.inf])}),
    "46-large-integers-for-double": (
        {"instances": [2**64 - 1, -1]},
        signature(x="DOUBLE"),
        {"x": array("DOUBLE", [2.0**64, -1])},
    ),
    "47-rows-without-elements": ({"instances": [[], []]}, X, {"x": np.zeros((2, 0), np.int32)}),
    "47-deeper-without-elements": ({"instances": [[[], []]]}, X, {"x": np.zeros((1, 2, 0), np.int32)}),
    "12-no-rows": ({"inputs": []}, X, {"x": np.zeros((0,), np.int32)}),
    "12-no-rows-of-strings": ({"inputs": {"text": []}}, TEXT, {"text": np.zeros((0,), object)}),
    "48-b64-rows": ({"instances": [HELLO, {"b64": "d29ybGQ="}]}, TEXT, {"text": array("STRING", [b"hello", b"world"])}),
    "48-b64-in-lists": ({"instances": [[HELLO], ["x"]]}, TEXT, {"text": array("STRING", [[b"hello"], [b"x"]])}),
    "48-b64-named": ({"instances": [{"text": HELLO}]}, TEXT, {"text": array("STRING", [b"hello"])}),
    "48-b64-as-the-whole-value": ({"inputs": HELLO}, TEXT, {"text": array("STRING", b"hello")}),
    "48-b64-in-columns": ({"inputs": {"text": [HELLO]}}, TEXT, {"text": array("STRING", [b"hello"])}),
    "48-b64-without-padding": ({"inputs": {"b64": "aGVsbG8"}}, TEXT, {"text": array("STRING", b"hello")}),
    "48-b64-with-white-space": ({"inputs": {"b64": " aGVs\nbG8=\t"}}, TEXT, {"text": array("STRING", b"hello")}),
    "48-b64-empty": ({"inputs": {"b64": ""}}, TEXT, {"text": array("STRING", b"")}),
    "49-a-row-that-is-b64": ({"instances": [HELLO]}, signature(b64="STRING"), {"b64": array("STRING", [b"hello"])}),
    "44-defaults-of-rows": (
        {"instances": [{"text": "a"}, {"text": "b"}]},
        signature({"k": 5, "s": "x"}, text="STRING", k="INT32", s="STRING"),
        {"text": array("STRING", [b"a", b"b"]), "k": array("INT32", [5, 5]), "s": array("STRING", [b"x", b"x"])},
    ),
    "44-defaults-of-columns": (
        {"inputs": {"text": ["a", "b"]}},
        signature({"k": [5, 6]}, text="STRING", k="INT32"),
        {"text": array("STRING", [b"a", b"b"]), "k": array("INT32", [[5, 6], [5, 6]])},
    ),
    "44-defaults-given": (
        {"instances": [{"text": "a", "k": 7}]},
        signature({"k": 5}, text="STRING", k="INT32"),
        {"text": array("STRING", [b"a"]), "k": array("INT32", [7])},
    ),
}


@pytest.mark.parametrize(("request_", "of", "expected"), **table(READ))
def test_read(request_, of, expected):
    found, row = read(request_, of)
    assert arrays_of(found) == arrays_of(expected)
    assert row == ("instances" in request_)


def kinds(value, said, dtype):
    return f"JSON Value: {value} Type: {said} is not of expected type: {dtype}"


# By line: request, signature, the error's text.
REFUSED = {
    "38-no-list": (
        {"instances": 1},
        X,
        "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array",
    ),
    "38-an-object": (
        {"instances": {}},
        X,
        "JSON Value: {\n    \"instances\": {}\n} Expecting 'instances' to be an list/array",
    ),
    "38-null": (
        {"instances": None},
        X,
        "JSON Value: {\n    \"instances\": null\n} Expecting 'instances' to be an list/array",
    ),
    "38-empty": ({"instances": []}, X, "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    "38-both": (
        {"instances": [1], "inputs": 1},
        X,
        'JSON Value: {\n    "instances": [\n        1\n    ],\n    "inputs": 1\n} Not formatted correctly expecting '
        "only one of 'inputs' or 'instances' keys to exist",
    ),
    "38-none": ({"instance": [1]}, X, "Missing 'inputs' or 'instances' key"),
    "38-no-inputs-at-all": ({"instances": [1]}, signature(), "Failed to get input map for signature: DEFAULT"),
    "38-no-inputs-of-the-signature": (
        {"instances": [1], "signature_name": "__saved_model_init_op"},
        signature(),
        "Failed to get input map for signature: __saved_model_init_op",
    ),
    "39-plain-rows": ({"instances": [1]}, TWO, PLAIN_ROWS),
    "39-b64-rows-for-several-inputs": ({"instances": [HELLO]}, TWO, PLAIN_ROWS),
    "39-list-among-objects": (
        {"instances": [{"a": 1, "b": ""}, [1]]},
        TWO,
        "Expecting object but got list at item 1 of input list",
    ),
    "39-b64-among-objects": (
        {"instances": [{"text": "a"}, HELLO]},
        TEXT,
        "Expecting object but got list at item 1 of input list",
    ),
    "39-object-among-lists": (
        {"instances": [["a"], {"text": ["b"]}]},
        TEXT,
        "Expecting value/list but got object at item 1 of input list",
    ),
    "39-object-among-numbers": (
        {"instances": [1, {"x": 2}]},
        X,
        "Expecting value/list but got object at item 1 of input list",
    ),
    "39-missing-key": (
        {"instances": [{"a": 1, "b": ""}, {"a": 1}]},
        TWO,
        "Failed to process element: 1 of 'instances' list. JSON object: {\n    \"a\": 1\n} keys must be equal to: a,b",
    ),
    "39-no-keys": (
        {"instances": [{}]},
        X,
        "Failed to process element: 0 of 'instances' list. JSON object: {} keys must be equal to: x",
    ),
    "39-unknown-key": (
        {"instances": [{"a": 1, "b": "", "c": 1}]},
        TWO,
        FAILED_KEY.format(0, "c") + "JSON object: does not have named input: c",
    ),
    "44-default-given-in-some-rows": (
        {"instances": [{"x": 1}, {"x": 1, "k": 2}]},
        signature({"k": 5}, x="INT32", k="INT32"),
        'Failed to process element: 1 of \'instances\' list. JSON object: {\n    "x": 1,\n    "k": 2\n} keys must be '
        "equal to: k,x",
    ),
    "40-size": (
        {"instances": [[1, 2], [3, 4], [5, 6, 7]]},
        X,
        FAILED.format(2) + "Expecting tensor size: 2 but got: 3",
    ),
    "40-shape": ({"instances": [[1, 2], [[5, 6]]]}, X, FAILED.format(1) + "Expecting shape [2] but got: [1,2]"),
    "40-scalar-and-list": ({"instances": [1, [1]]}, X, FAILED.format(1) + "Expecting shape [] but got: [1]"),
    "40-nothing-and-nothing": ({"instances": [[], [[]]]}, X, FAILED.format(1) + "Expecting shape [0] but got: [1,0]"),
    "40-size-of-a-key": (
        {"instances": [{"a": [1], "b": ""}, {"a": [1, 2], "b": ""}]},
        TWO,
        FAILED_KEY.format(1, "a") + "Expecting tensor size: 1 but got: 2",
    ),
    "40-shape-of-a-key": (
        {"instances": [{"a": [[1, 2]], "b": ""}, {"a": [1, 2], "b": ""}]},
        TWO,
        FAILED_KEY.format(1, "a") + "Expecting shape [1,2] but got: [2]",
    ),
    "43-plain-columns": ({"inputs": [1]}, TWO, PLAIN_COLUMNS),
    "43-b64-for-several-inputs": ({"inputs": HELLO}, TWO, PLAIN_COLUMNS),
    "43-missing": ({"inputs": {"a": 1}}, TWO, "Missing named input: b in 'inputs' object."),
    "43-names-are-case-sensitive": ({"inputs": {"X": 1}}, X, "Missing named input: x in 'inputs' object."),
    "45-float-for-int": ({"inputs": 1.5}, X, kinds("1.5", "Number", "int32")),
    "45-whole-float-for-int": ({"inputs": [1, 1.0]}, X, kinds("1.0", "Number", "int32")),
    "45-true-for-int": ({"inputs": [1, True]}, X, kinds("true", "True", "int32")),
    "45-true-for-float": ({"inputs": [1.5, False]}, FLOAT, kinds("false", "False", "float")),
    "45-string-for-int": ({"instances": [[1, 2], ["a", "b"]]}, X, FAILED.format(1) + kinds('"a"', "String", "int32")),
    "45-string-of-digits-for-float": ({"inputs": ["1"]}, FLOAT, kinds('"1"', "String", "float")),
    "45-string-for-double": ({"inputs": ["1"]}, signature(x="DOUBLE"), kinds('"1"', "String", "double")),
    "45-object-for-float": ({"inputs": [HELLO]}, FLOAT, kinds('{\n    "b64": "aGVsbG8="\n}', "Object", "float")),
    "45-null-for-float": ({"inputs": [None]}, FLOAT, kinds("null", "Null", "float")),
    "45-null-for-string": ({"inputs": [None]}, TEXT, kinds("null", "Null", "string")),
    "45-null-for-bool": ({"inputs": [None]}, signature(x="BOOL"), kinds("null", "Null", "bool")),
    "45-number-for-string": ({"inputs": ["a", 1]}, TEXT, kinds("1", "Number", "string")),
    "45-number-for-bool": ({"inputs": [True, 1]}, signature(x="BOOL"), kinds("1", "Number", "bool")),
    "45-beyond-uint8": ({"inputs": [300]}, signature(x="UINT8"), kinds("300", "Number", "uint8")),
    "45-negative-for-uint8": ({"inputs": [-1]}, signature(x="UINT8"), kinds("-1", "Number", "uint8")),
    "45-beyond-int8": ({"inputs": [128]}, signature(x="INT8"), kinds("128", "Number", "int8")),
    "45-beyond-int32": ({"inputs": [2**31]}, X, kinds("2147483648", "Number", "int32")),
    "45-beyond-uint32": ({"inputs": [2**32]}, signature(x="UINT32"), kinds("4294967296", "Number", "uint32")),
    "45-beyond-int64": ({"inputs": [2**63]}, signature(x="INT64"), kinds("9223372036854775808", "Number", "int64")),
    "45-negative-for-uint64": ({"inputs": [-1]}, signature(x="UINT64"), kinds("-1", "Number", "uint64")),
    "45-beyond-uint64": (
        {"inputs": [2**64]},
        signature(x="UINT64"),
        kinds("1.8446744073709552e+19", "Number", "uint64"),
    ),
    "47-list-too-deep": ({"inputs": [1, [2]]}, X, "Encountered list at unexpected level: 1 expected < 1"),
    "47-list-of-another-size": (
        {"inputs": [[1, 2], [3]]},
        X,
        "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "47-size-within-a-row": (
        {"instances": [[[1, 2], [3]]]},
        X,
        FAILED.format(0) + "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    "47-value-among-lists": (
        {"inputs": [[1], 2]},
        X,
        "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    "48-not-base64": ({"inputs": {"b64": "###"}}, TEXT, "Unable to base64 decode"),
    "48-one-character": ({"inputs": {"b64": "a"}}, TEXT, "Unable to base64 decode"),
    "48-padding-of-another-length": ({"inputs": {"b64": "aGVsbG8=="}}, TEXT, "Unable to base64 decode"),
    "48-padding-within": ({"inputs": {"b64": "aG=sbG8="}}, TEXT, "Unable to base64 decode"),
    "48-alphabet-of-urls": ({"inputs": {"b64": "-_-_"}}, TEXT, "Unable to base64 decode"),
    "48-letters-beyond-ascii": ({"inputs": {"b64": "äöüß"}}, TEXT, "Unable to base64 decode"),
    "48-two-keys": (
        {"inputs": [{"b64": "aGk=", "x": 1}]},
        TEXT,
        'JSON Value: {\n    "b64": "aGk=",\n    "x": 1\n} not formatted correctly for base64 data',
    ),
    "48-not-a-string": (
        {"inputs": [{"b64": 1}]},
        TEXT,
        'JSON Value: {\n    "b64": 1\n} not formatted correctly for base64 data',
    ),
    "48-bad-row": ({"instances": [HELLO, {"b64": "#"}]}, TEXT, FAILED.format(1) + "Unable to base64 decode"),
    "50-long-values": ({"inputs": ["x", "y" * 1000, 1]}, TEXT, kinds("1", "Number", "string")),
    "50-of-long-values-256-bytes": ({"inputs": ["y" * 1000]}, X, kinds('"' + "y" * 255, "String", "int32")),
}


@pytest.mark.parametrize(("request_", "of", "text"), **table(REFUSED))
def test_refused(request_, of, text):
    before = json.dumps(request_)
    with pytest.raises(ServingError) as error:
        read(request_, of)
    assert (str(error.value), error.value.code, error.value.status) == (text, "INVALID_ARGUMENT", 400)
    assert json.dumps(request_) == before


@pytest.mark.parametrize("dtype", ["HALF", "BFLOAT16", "COMPLEX64"])
def test_line_45_types_that_json_is_not_converted_to(dtype):
    said = f"Conversion of JSON Value: 1.5 to type: {dtype.lower()}"
    with pytest.raises(ServingError) as error:
        read({"inputs": [1.5]}, signature(x=dtype))
    assert (str(error.value), error.value.status) == (said, 501)
    with pytest.raises(ServingError) as error:
        read({"instances": [1.5]}, signature(x=dtype))
    assert (str(error.value), error.value.status) == (
        f"Failed to process element: 0 of 'instances' list. Error: UNIMPLEMENTED: {said}",
        400,
    )
    with pytest.raises(ServingError) as error:
        read({"inputs": []}, signature(x=dtype))
    assert error.value.status == 501


# By line: shape of the signature, request, text of the refusal.
SHAPES = {
    "52-rank": ((-1, 2), {"instances": [1, 2]}, "`x` must have the shape (rows, 2). Received: (2)"),
    "52-any-of-an-axis": (
        (-1, -1, 2),
        {"inputs": [[[1]]]},
        "`x` must have the shape (rows, any, 2). Received: (1, 1, 1)",
    ),
    "12-no-rows-of-a-shape": ((-1, -1, 2), {"inputs": []}, None),
    "12-nothing-is-no-row": ((3, 2), {"inputs": []}, "`x` must have the shape (3, 2). Received: (0)"),
    "51-size": (
        (-1, 2),
        {"instances": [[1, 2, 3]]},
        "`x` must have the shape (rows, 2). Received: (1, 3)",
    ),
    "42-rows-for-a-scalar": ((), {"instances": [1]}, "`x` must be one value. Received: shape (1)"),
    "42-a-scalar": ((), {"inputs": 1}, None),
    "52-any-rank": (None, {"inputs": [[[1]]]}, None),
    "52-any-size": ((-1, -1), {"inputs": [[1, 2, 3]]}, None),
    "52-rows": ((-1, 2), {"instances": [[1, 2]]}, None),
}


@pytest.mark.parametrize(("shape", "request_", "text"), **table(SHAPES))
def test_shapes(shape, request_, text):
    of = Signature({"x": TensorInfo("x:0", "DT_FLOAT", shape)}, {})
    if text is None:
        assert read(request_, of)[0]["x"].dtype == np.float32
        return
    with pytest.raises(ServingError) as error:
        read(request_, of)
    assert (str(error.value), error.value.status) == (text, 400)


def test_line_44_the_default_of_a_scalar_is_a_scalar():
    inputs = {"x": TensorInfo("x:0", "DT_FLOAT", (-1,)), "steps": TensorInfo("steps:0", "DT_INT32", ())}
    found, _ = read({"inputs": {"x": [1, 2]}}, Signature(inputs, {}, defaults={"steps": 8}))
    assert found["steps"].shape == () and found["steps"] == 8


def test_line_36_nan_and_infinities_are_floats():
    of = signature(f="FLOAT", d="DOUBLE", i="INT32")
    found, _ = rest.read_predict(parse(b'{"inputs": {"f": [NaN, -Infinity, 1], "d": Inf, "i": 1}}'), of)
    assert np.isnan(found["f"][0]) and found["f"][1:].tolist() == [-math.inf, 1] and found["d"] == math.inf
    with pytest.raises(ServingError, match="JSON Value: NaN Type: Number is not of expected type: int32"):
        rest.read_predict(parse(b'{"inputs": {"f": 1, "d": 1, "i": NaN}}'), of)


def test_line_33_the_signature_is_looked_at_before_the_inputs():
    request = parse(b'{"signature_name": "explain", "instances": 1}')
    assert rest.signature_name(request) == "explain"
    assert rest.signature_name({"signature_name": ""}) == rest.signature_name({}) == "serving_default"


def test_line_41_a_signature_that_the_model_has_not():
    with pytest.raises(ServingError) as error:
        rest.find_signature({"serving_default": X}, "explain")
    assert (str(error.value), error.value.status) == (
        'Serving signature name: "explain" not found in signature def',
        400,
    )
    assert rest.find_signature({"serving_default": X}, "serving_default") is X


def test_line_33_the_name_of_a_signature_is_a_string():
    with pytest.raises(ServingError) as error:
        rest.signature_name({"signature_name": 5})
    assert str(error.value) == (
        'JSON Value: {\n    "signature_name": 5\n} not formatted correctly. '
        "'signature_name' key must be a string value."
    )


def test_line_47_nesting_beyond_what_arrays_have():
    for depth in (65, 66, 200, 900):
        with pytest.raises(ServingError) as error:
            rest.read_predict(parse(b'{"instances": ' + b"[" * depth + b"1" + b"]" * depth + b"}"), X)
        assert error.value.status == 400 and len(str(error.value)) < 600
        for leaf in (b"true", b'"a"', b"[1], 1"):
            with pytest.raises(ServingError):
                body = b'{"instances": [' + b"[" * depth + leaf + b"]" * depth + b"]}"
                rest.read_predict(parse(body), TEXT if leaf == b'"a"' else X)
    found, _ = rest.read_predict(parse(b'{"inputs": ' + b"[" * 60 + b"1" + b"]" * 60 + b"}"), X)
    assert found["x"].shape == (1,) * 60


LONG = "x" * 100_000


@pytest.mark.parametrize(
    "refuse",
    [
        lambda: rest.find_signature({}, LONG),
        lambda: examples.find_signature({}, LONG),
        lambda: inference.find_signature({}, LONG),
        lambda: read({"instances": [{LONG: 1}]}, X),
        lambda: read({"instances": [1], "signature_name": LONG}, signature()),
        lambda: examples.read_examples({"examples": [{LONG: None}]}),
        lambda: examples.read_examples({"examples": [{LONG: [1, "a"]}]}),
        lambda: inference.read_infer({"inputs": [{"name": LONG}]}, X),
        lambda: inference.read_infer({"inputs": [], "id": [LONG]}, X),
    ],
)
def test_line_50_errors_do_not_repeat_long_names(refuse):
    with pytest.raises(ServingError) as error:
        refuse()
    assert len(str(error.value)) < 1000


LEAVES = [
    1,
    0,
    255,
    300,
    -1,
    2**40,
    2**64 - 1,
    0.5,
    1.0,
    1e300,
    True,
    False,
    None,
    "a",
    "",
    "1",
    HELLO,
    {"b64": "#"},
    {},
]


def random_nested(rng, depth=0):
    if depth < 3 and rng.random() < 0.5:
        if rng.random() < 0.7:  # even, mostly
            return [random_nested(rng, depth + 1)] * rng.randrange(4)
        return [random_nested(rng, depth + 1) for _ in range(rng.randrange(4))]
    return rng.choice(LEAVES[:4] if rng.random() < 0.5 else LEAVES)


@pytest.mark.parametrize("dtype", NUMPY)
def test_fast_and_slow_agree(dtype, monkeypatch):
    rng = random.Random(dtype)
    samples = [random_nested(rng) for _ in range(1500)]

    def outcome(value):
        try:
            found = values.tensor(value, dtype)
        except ServingError as error:
            return str(error)
        return found.dtype, found.shape, found.tolist()

    fast = [outcome(value) for value in samples]
    monkeypatch.setattr(values, "evenly", lambda *_: None)
    monkeypatch.setattr(values, "first_odd", lambda *_: 0)
    assert fast == [outcome(value) for value in samples]
    assert 100 < sum(type(each) is str for each in fast) < 1400


# By line: a long request, the refusal of what is wrong at its end.
LATE = {
    "45-leaf": ({"inputs": [1] * 100_000 + [True]}, X, kinds("true", "True", "int32")),
    "45-leaf-of-a-row": (
        {"instances": [1] * 100_000 + [0.5]},
        X,
        FAILED.format(100_000) + kinds("0.5", "Number", "int32"),
    ),
    "40-row": (
        {"instances": [[1]] * 100_000 + [[1, 2]]},
        X,
        FAILED.format(100_000) + "Expecting tensor size: 1 but got: 2",
    ),
    "47-list": ({"inputs": [[1, 2]] * 100_000 + [1]}, X, REFUSED["47-value-among-lists"][2].replace("2 f", "1 f")),
    "39-row": (
        {"instances": [{"a": 1, "b": ""}] * 100_000 + [1]},
        TWO,
        "Expecting object but got list at item 100000 of input list",
    ),
    "45-second-row": ({"instances": [1, None, *[1] * 100_000]}, X, FAILED.format(1) + kinds("null", "Null", "int32")),
}


@pytest.mark.parametrize(("request_", "of", "text"), **table(LATE))
def test_what_is_wrong_in_a_long_request_is_found_quickly(request_, of, text):
    begin = time.process_time()
    with pytest.raises(ServingError) as error:
        rest.read_predict(request_, of)
    assert str(error.value) == text
    assert time.process_time() - begin < 0.15  # one by one they take up to a second


def random_request(rng):
    rows = [
        rng.choice([random_nested(rng), {"a": random_nested(rng), "b": random_nested(rng)}, {"a": 1, "b": "x"}])
        for _ in range(rng.randrange(4))
    ]
    value = rng.choice([rows, rows[:1] * 3, {"a": random_nested(rng), "b": random_nested(rng)}, random_nested(rng)])
    keys = rng.choice([["instances"], ["inputs"], ["instances"], ["inputs"], ["instances", "inputs"], []])
    return dict.fromkeys(keys, value)


def test_rows_at_once_and_one_by_one_agree(monkeypatch):
    rng = random.Random(7)
    signatures = [X, TWO, TEXT, signature({"b": "x"}, a="FLOAT", b="STRING")]
    samples = [(random_request(rng), rng.choice(signatures)) for _ in range(3000)]
    samples += [({"instances": rows * 40 + tail}, of) for each, of in samples for rows, tail in halves(each)]

    def outcome(request, of):
        try:
            found, row = rest.read_predict(request, of)
        except ServingError as error:
            return str(error)
        return {name: (each.dtype, each.shape, each.tolist()) for name, each in found.items()}, row

    fast = [outcome(*sample) for sample in samples]
    monkeypatch.setattr(rest, "_all_at_once", lambda *_: None)
    monkeypatch.setattr(rest, "first_odd", lambda *_: 0)
    assert fast == [outcome(*sample) for sample in samples]


def halves(request):
    rows = request.get("instances")
    return [(rows[:1], rows[1:])] if type(rows) is list and len(rows) > 1 else []


def test_random_requests_raise_nothing_else():
    rng = random.Random(3)
    signatures = [X, TWO, TEXT, FLOAT, signature(), signature({"b": "x"}, a="FLOAT", b="STRING"), signature(x="HALF")]
    read_ones = 0
    for _ in range(10_000):
        request = random_request(rng)
        try:
            found, row = rest.read_predict(request, rng.choice(signatures))
        except ServingError as error:
            assert error.status in (400, 501) and len(str(error)) < 1000
        else:
            read_ones += 1
            json.loads(rest.write_predict(found, row)) if not row or all(each.ndim for each in found.values()) else None
    assert 500 < read_ones < 9500


def test_base64_as_pythons():
    rng = random.Random(4)
    for _ in range(500):
        data = rng.randbytes(rng.randrange(40))
        text = base64.b64encode(data).decode()
        assert values.from_base64({"b64": text}) == values.from_base64({"b64": text.rstrip("=")}) == data


def test_the_bodies_need_no_tensorflow():
    code = (
        "import sys, kerasmlsp.serving.rest, kerasmlsp.serving.inference, kerasmlsp.serving.examples\n"
        "assert not {'tensorflow', 'keras', 'google.protobuf', 'click'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
