"""Answers of TensorFlow Serving's REST interface, by the lines of docs/serving-conformance.md."""

import json

import numpy as np
import pytest

from kerasmlsp.serving import rest
from kerasmlsp.serving.errors import STATUS, ServingError
from kerasmlsp.serving.tensors import Signature, TensorInfo

HELLO = {"b64": "aGVsbG8="}


def table(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


F32 = np.float32
# By line: outputs, row format or not, the answer as JSON.
WRITTEN = {
    "53-rows": ({"x": np.array([[1, 2], [3, 4]], np.int32)}, True, {"predictions": [[1, 2], [3, 4]]}),
    "53-rows-of-scalars": ({"x": np.array([1, 2], np.int64)}, True, {"predictions": [1, 2]}),
    "53-rows-of-several": (
        {"x": np.array([[1.5], [2.5]], F32), "label": np.array([b"a", b"b"], object)},
        True,
        {"predictions": [{"x": [1.5], "label": "a"}, {"x": [2.5], "label": "b"}]},
    ),
    "53-columns": ({"x": np.array([[1, 2]], np.int32)}, False, {"outputs": [[1, 2]]}),
    "53-columns-of-several": (
        {"x": np.array([0.5], F32), "label": np.array([[b"a", b"b"]], object)},
        False,
        {"outputs": {"x": [0.5], "label": [["a", "b"]]}},
    ),
    "53-scalars": (
        {
            "x": np.array(0.5, F32),
            "n": np.array(3, np.int64),
            "s": np.array(b"a", object),
            "b_bytes": np.array(b"a", object),
        },
        False,
        {"outputs": {"x": 0.5, "n": 3, "s": "a", "b_bytes": {"b64": "YQ=="}}},
    ),
    "53-a-scalar-alone": ({"x": np.array(True)}, False, {"outputs": True}),
    "55-bytes": ({"x_bytes": np.array([b"hello"], object)}, True, {"predictions": [HELLO]}),
    "55-bytes-in-lists": (
        {"x_bytes": np.array([[b"hello", b"\xff"], [b"", b"tf"]], object)},
        True,
        {"predictions": [[HELLO, {"b64": "/w=="}], [{"b64": ""}, {"b64": "dGY="}]]},
    ),
    "55-numbers-named-bytes": ({"n_bytes": np.array([1], np.int32)}, True, {"predictions": [1]}),
    "55-no-utf-8": ({"x": np.array([b"a\xff"], object)}, True, {"predictions": ["a\ufffd"]}),
    "55-quotes-and-letters": (
        {"x": np.array([b'"\\\n', "ä\0".encode()], object)},
        True,
        {"predictions": ['"\\\n', "ä\0"]},
    ),
    "57-integers": (
        {d: np.array([np.iinfo(d).min, np.iinfo(d).max], d) for d in ("int8", "int16", "int32", "int64", "uint64")},
        False,
        {
            "outputs": {
                d: [int(np.iinfo(d).min), int(np.iinfo(d).max)] for d in ("int8", "int16", "int32", "int64", "uint64")
            }
        },
    ),
    "57-unsigned": (
        {d: np.array([np.iinfo(d).max], d) for d in ("uint8", "uint16", "uint32")},
        True,
        {"predictions": [{"uint8": 255, "uint16": 65535, "uint32": 4294967295}]},
    ),
    "57-bool": ({"x": np.array([True, False])}, True, {"predictions": [True, False]}),
    "12-no-rows": ({"x": np.zeros((0, 2), F32)}, True, {"predictions": []}),
    "12-no-rows-of-several": (
        {"x": np.zeros((0, 3), F32), "s": np.zeros((0, 1, 2), object)},
        True,
        {"predictions": []},
    ),
    "12-no-rows-in-columns": (
        {"x": np.zeros((0, 3), F32), "s": np.zeros((0,), object)},
        False,
        {"outputs": {"x": [], "s": []}},
    ),
    "53-rows-without-elements": ({"x": np.zeros((2, 0), F32)}, True, {"predictions": [[], []]}),
    "53-not-contiguous": ({"x": np.array([[1, 2], [3, 4]], np.int32).T}, True, {"predictions": [[1, 3], [2, 4]]}),
    "53-other-byte-order": ({"x": np.array([1.5], ">f4")}, True, {"predictions": [1.5]}),
}


@pytest.mark.parametrize(("outputs", "row", "expected"), **table(WRITTEN))
def test_written(outputs, row, expected):
    found = json.loads(rest.write_predict(outputs, row))
    assert found == expected and json.dumps(found, sort_keys=True) == json.dumps(expected, sort_keys=True)


# By line: outputs, row format or not, text of the refusal.
UNWRITTEN = {
    "53-nothing": ({}, True, "Cannot convert empty tensor map to JSON"),
    "54-scalar-in-a-row": ({"x": np.array(1.0, F32)}, True, "Tensor name: x has no shape information"),
    "54-different-rows": (
        {"x": np.zeros(2, F32), "y": np.zeros((3, 1), F32)},
        True,
        "Tensor name: y has inconsistent batch size: 3 expecting: 2",
    ),
    "54-rows-and-none": (
        {"x": np.zeros((0, 2), F32), "s": np.zeros((1, 2), F32)},
        True,
        "Tensor name: s has inconsistent batch size: 1 expecting: 0",
    ),
    "57-half": ({"x": np.zeros(1, np.float16)}, True, "Failed to write JSON value for tensor type: half"),
    "57-complex": ({"x": np.zeros(1, np.complex64)}, False, "Failed to write JSON value for tensor type: complex64"),
    "57-bfloat16": ({"x": np.zeros(1, "V2")}, False, "Failed to write JSON value for tensor type: bfloat16"),
}


@pytest.mark.parametrize(("outputs", "row", "text"), **table(UNWRITTEN))
def test_unwritten(outputs, row, text):
    with pytest.raises(ServingError) as error:
        rest.write_predict(outputs, row)
    assert (str(error.value), error.value.status) == (text, 400)


def tokens(body):
    """The numbers of an answer, as they are written."""
    found = []
    json.loads(body, parse_float=found.append, parse_int=found.append, parse_constant=found.append)
    return found


def random_floats(dtype, count=20_000):
    bits = np.random.default_rng(1).integers(0, 2 ** (8 * np.dtype(dtype).itemsize), count, np.uint64)
    numbers = bits.astype(f"u{np.dtype(dtype).itemsize}").view(dtype)
    special = np.array([0, -0.0, 1, -1, 9e6, 999999, 0.5, 0.0003, 3e-5, 1e10, 16777216, np.finfo(dtype).max], dtype)
    return np.concatenate([numbers, special, [np.finfo(dtype).smallest_subnormal]]).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", [True, False], ids=["row", "column"])
@pytest.mark.parametrize("finite", [True, False], ids=["finite", "with NaN"])
def test_line_56_floats_are_read_back_bit_for_bit(dtype, row, finite):
    numbers = random_floats(dtype)
    numbers = numbers[np.isfinite(numbers)] if finite else numbers
    for outputs in ({"x": numbers}, {"x": numbers[:, None], "null": np.array([b"null"] * len(numbers), object)}):
        written = tokens(rest.write_predict(outputs, row))
        # The text, as C's strtof and strtod read it.
        back = (
            np.array(written).astype(dtype) if dtype == "float64" else np.array([np.float32(each) for each in written])
        )
        unlike = np.isnan(numbers)
        assert np.array_equal(back[~unlike].view(f"u{numbers.itemsize}"), numbers[~unlike].view(f"u{numbers.itemsize}"))
        assert np.isnan(back[unlike]).all() and unlike.any() != finite
        assert all("." in each or "e" in each or each.lstrip("-") in ("NaN", "Infinity") for each in written)
        assert max(map(len, written)) <= (17 if dtype == "float32" else 25)


def test_line_56_constants_are_bare():
    outputs = {"x": np.array([[np.nan, np.inf], [3, -np.inf]], F32), "s": np.array([b"null", b"NaN"], object)}
    assert rest.write_predict(outputs, True) == (
        b'{"predictions":[{"x":[NaN,Infinity],"s":"null"},{"x":[3.0,-Infinity],"s":"NaN"}]}'
    )
    assert rest.write_predict(outputs, False) == (
        b'{"outputs":{"x":[[NaN,Infinity],[3.0,-Infinity]],"s":["null","NaN"]}}'
    )
    assert rest.write_predict({"x": np.array(np.nan)}, False) == b'{"outputs":NaN}'
    assert rest.write_predict({"s": np.array([b"null"], object)}, True) == b'{"predictions":["null"]}'


def test_line_58_outputs_keep_their_order():
    names = ["z", "a", "label", "b"]
    outputs = {name: np.array([1.5], F32) for name in names}
    assert list(json.loads(rest.write_predict(outputs, True))["predictions"][0]) == names
    assert list(json.loads(rest.write_predict(outputs, False))["outputs"]) == names


def test_line_59_answers_are_one_line():
    outputs = {"x": np.zeros((3, 3), F32), "label": np.array([b"a\nb"] * 3, object)}
    for row in (True, False):
        assert not set(b" \n\t") & set(rest.write_predict(outputs, row))


def test_line_12_an_error_is_an_object_with_one_string():
    assert json.loads(rest.error('Bad key: "key"')) == {"error": 'Bad key: "key"'}
    assert json.loads(rest.error("half of a pair: \ud800")) == {"error": "half of a pair: ?"}


@pytest.mark.parametrize(("code", "status"), STATUS.items())
def test_line_13_status_of_codes(code, status):
    assert ServingError(code, "").status == status
    assert ServingError(code, "", status=413).status == 413


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match=r"`code` must be one of OK, .* Received: 'BROKEN'"):
        ServingError("BROKEN", "")


def test_lines_21_to_26_status_of_versions():
    body = rest.status(
        [
            {"version": 9, "state": "END", "error_code": "NOT_FOUND", "error_message": "gone"},
            {"version": 10, "state": "AVAILABLE"},
        ]
    )
    assert json.loads(body) == {
        "model_version_status": [
            {"version": "10", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}},
            {"version": "9", "state": "END", "status": {"error_code": "NOT_FOUND", "error_message": "gone"}},
        ]
    }
    assert body.startswith(b'{\n "model_version_status": [\n  {\n   "version": "10",\n')


def test_lines_27_to_29_metadata():
    unknown = TensorInfo("NoOp", "DT_INVALID", None)
    signatures = {
        "serving_default": Signature(
            {"text": TensorInfo("serving_default_text:0", "DT_STRING", (-1,))},
            {"scores": TensorInfo("StatefulPartitionedCall:0", "DT_FLOAT", (-1, 2))},
            "tensorflow/serving/predict",
            {"text": "Good."},
        ),
        "__saved_model_init_op": Signature({}, {"__saved_model_init_op": unknown}),
    }
    dims = [{"size": "-1", "name": ""}, {"size": "2", "name": ""}]
    assert json.loads(rest.metadata("sentiment", 3, signatures)) == {
        "model_spec": {"name": "sentiment", "signature_name": "", "version": "3"},
        "metadata": {
            "signature_def": {
                "signature_def": {
                    "serving_default": {
                        "inputs": {
                            "text": {
                                "dtype": "DT_STRING",
                                "tensor_shape": {"dim": dims[:1], "unknown_rank": False},
                                "name": "serving_default_text:0",
                            }
                        },
                        "outputs": {
                            "scores": {
                                "dtype": "DT_FLOAT",
                                "tensor_shape": {"dim": dims, "unknown_rank": False},
                                "name": "StatefulPartitionedCall:0",
                            }
                        },
                        "method_name": "tensorflow/serving/predict",
                        "defaults": {},
                    },
                    "__saved_model_init_op": {
                        "inputs": {},
                        "outputs": {
                            "__saved_model_init_op": {
                                "dtype": "DT_INVALID",
                                "tensor_shape": {"dim": [], "unknown_rank": True},
                                "name": "NoOp",
                            }
                        },
                        "method_name": "",
                        "defaults": {},
                    },
                }
            }
        },
    }


def test_signatures_survive_json():
    inputs = {"x": TensorInfo("x:0", "DT_FLOAT", (-1, 2)), "any": TensorInfo("any:0", "DT_STRING", None)}
    of = Signature(inputs, {"y": TensorInfo("y:0", "DT_INT64", ())}, "tensorflow/serving/predict", {"any": "x"})
    assert Signature.from_json(json.loads(json.dumps(of.to_json()))) == of


def test_line_5_models():
    assert json.loads(rest.models(["b", "a"])) == {"models": ["b", "a"]}
