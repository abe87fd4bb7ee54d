"""The Open Inference Protocol, section 10 of docs/serving-conformance.md."""

import json
import random

import numpy as np
import pytest

import kerasmlsp
from kerasmlsp.serving import inference
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.tensors import Signature, TensorInfo

TYPES = {
    "BOOL": ("DT_BOOL", [True, False]),
    "UINT8": ("DT_UINT8", [0, 255]),
    "UINT16": ("DT_UINT16", [0, 2**16 - 1]),
    "UINT32": ("DT_UINT32", [0, 2**32 - 1]),
    "UINT64": ("DT_UINT64", [0, 2**64 - 1]),
    "INT8": ("DT_INT8", [-128, 127]),
    "INT16": ("DT_INT16", [-(2**15), 2**15 - 1]),
    "INT32": ("DT_INT32", [-(2**31), 2**31 - 1]),
    "INT64": ("DT_INT64", [-(2**63), 2**63 - 1]),
    "FP16": ("DT_HALF", [0.5, 65504.0]),
    "FP32": ("DT_FLOAT", [0.1, 1.0]),
    "FP64": ("DT_DOUBLE", [0.1, 1e300]),
    "BYTES": ("DT_STRING", ["ä", ""]),
}


def table(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


def signature(dtype="DT_FLOAT", shape=(-1, 2), **more):
    outputs = {name: TensorInfo(f"{name}:0", "DT_FLOAT", (-1,)) for name in ("y", "z")}
    return Signature({"x": TensorInfo("x:0", dtype, shape)}, outputs, **more)


def given(data=(1, 2), shape=(1, 2), datatype="FP32", **more):
    return {"name": "x", "shape": list(shape), "datatype": datatype, "data": list(data), **more}


@pytest.mark.parametrize("datatype", TYPES)
def test_every_datatype_goes_in_and_out(datatype):
    dtype, data = TYPES[datatype]
    request = {"inputs": [given(data, [2], datatype)]}
    arrays, asked = inference.read_infer(request, signature(dtype, (-1,)))
    assert asked is None and arrays["x"].shape == (2,)
    answer = json.loads(inference.write_infer(arrays, None, "net", 3))
    assert answer["outputs"] == [{"name": "x", "shape": [2], "datatype": datatype, "data": pytest.approx(data)}]
    assert list(map(type, answer["outputs"][0]["data"])) == list(map(type, data))
    described = json.loads(inference.metadata("net", [1], signature(dtype, (-1,))))
    assert described["inputs"] == [{"name": "x", "datatype": datatype, "shape": [-1]}]


READ = {
    "flat": (given([1, 2, 3, 4], [2, 2]), signature(), [[1, 2], [3, 4]]),
    "nested": (given([[1, 2], [3, 4]], [2, 2]), signature(), [[1, 2], [3, 4]]),
    "scalar": (given([7], [], "INT32"), signature("DT_INT32", ()), 7),
    "no rows": (given([], [0, 2]), signature(), []),
    "any rank": (given([1], [1, 1, 1]), signature(shape=None), [[[1]]]),
    "b64": (given([{"b64": "aGk="}], [1], "BYTES"), signature("DT_STRING", (-1,)), [b"hi"]),
    "content type": (
        given(["aGk=", "/w"], [2], "BYTES", parameters={"content_type": "base64"}),
        signature("DT_STRING", (-1,)),
        [b"hi", b"\xff"],
    ),
    "other parameters": (given(parameters={"binary_data": False, "more": 1}), signature(), [[1, 2]]),
}


@pytest.mark.parametrize(("given_", "of", "expected"), **table(READ))
def test_read(given_, of, expected):
    arrays, _ = inference.read_infer({"inputs": [given_]}, of)
    assert arrays["x"].tolist() == expected


UNEVEN = "Input x: Encountered list at unexpected size: 1 at level: 1 expected size: 2"
REFUSED = {
    "no inputs": ({}, "The request must have inputs, a list"),
    "inputs an object": ({"inputs": {"x": 1}}, "The request must have inputs, a list"),
    "none given": ({"inputs": []}, "Missing inputs: x"),
    "no name": ({"inputs": [{}]}, "Each input must be an object with a name. Received: {}"),
    "name a number": (
        {"inputs": [{"name": 1}]},
        'Each input must be an object with a name. Received: {\n    "name": 1\n}',
    ),
    "an input that is a number": ({"inputs": [1]}, "Each input must be an object with a name. Received: 1"),
    "unknown": ({"inputs": [{**given(), "name": "w"}]}, 'Unexpected input "w", expected are: x'),
    "twice": ({"inputs": [given(), given()]}, 'Input "x" is given twice'),
    "no shape": (
        {"inputs": [{"name": "x", "datatype": "FP32", "data": [1]}]},
        "Input x must have a shape, a list of sizes. Received: null",
    ),
    "negative size": (
        {"inputs": [given(shape=[-1])]},
        "Input x must have a shape, a list of sizes. Received: [\n    -1\n]",
    ),
    "size a bool": (
        {"inputs": [given(shape=[True])]},
        "Input x must have a shape, a list of sizes. Received: [\n    true\n]",
    ),
    "too many axes": ({"inputs": [given([1], [1] * 64)]}, "Input x must have at most 63 axes. Received: 64"),
    "count": ({"inputs": [given([1, 2, 3])]}, "Input x has 3 elements, its shape [1, 2] has 2"),
    "nested otherwise": (
        {"inputs": [given([[1], [2]])]},
        "The data of input x are nested as [2, 1], its shape is [1, 2]",
    ),
    "uneven": ({"inputs": [given([[1, 2], [3]])]}, UNEVEN),
    "rank": (
        {"inputs": [given(shape=[2])]},
        "`x` must have the shape (rows, 2). Received: (2)",
    ),
    "many rows of nothing": (
        {"inputs": [given([], [100_000, 0])]},
        "The shape of input x is too large for an array without elements: [100000, 0]",
    ),
    "no data": ({"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32"}]}, "Input x must have data, a list"),
    "datatype": ({"inputs": [given(datatype="FP64")]}, 'Input x must have the datatype FP32. Received: "FP64"'),
    "datatype a list": ({"inputs": [given(datatype=[])]}, "Input x must have the datatype FP32. Received: []"),
    "type": (
        {"inputs": [given(["1", 2])]},
        'Input x: JSON Value: "1" Type: String is not of expected type: float',
    ),
    "id": ({"id": 5, "inputs": [given()]}, "The id of a request must be a string. Received: 5"),
    "outputs": ({"inputs": [given()], "outputs": {}}, "The outputs of a request must be a list. Received: {}"),
    "unknown output": (
        {"inputs": [given()], "outputs": [{"name": "w"}]},
        'Unexpected output "w", there are: y, z',
    ),
    "parameters": ({"inputs": [given(parameters=1)]}, "Parameters must be an object. Received: 1"),
    "binary input": ({"inputs": [given(parameters={"binary_data_size": 8})]}, inference.BINARY),
    "binary output": (
        {"inputs": [given()], "outputs": [{"name": "y", "parameters": {"binary_data": True}}]},
        inference.BINARY,
    ),
}


@pytest.mark.parametrize(("request_", "text"), **table(REFUSED))
def test_refused(request_, text):
    with pytest.raises(ServingError) as error:
        inference.read_infer(request_, signature())
    assert (str(error.value), error.value.status) == (text, 400)


def test_base64_that_is_none():
    wrong = given(["#"], [1], "BYTES", parameters={"content_type": "base64"})
    with pytest.raises(ServingError, match=r"^Input x: Unable to base64 decode$"):
        inference.read_infer({"inputs": [wrong]}, signature("DT_STRING", (-1,)))


def test_a_type_that_the_protocol_does_not_have():
    with pytest.raises(ServingError, match=r"^Input x is of type complex64, which the protocol does not have$"):
        inference.read_infer({"inputs": [given()]}, signature("DT_COMPLEX64"))


def test_a_missing_input_is_at_its_default():
    inputs = {"x": TensorInfo("x:0", "DT_FLOAT", (-1, 2)), "k": TensorInfo("k:0", "DT_INT32", (-1,))}
    arrays, _ = inference.read_infer(
        {"inputs": [given([1, 2, 3, 4], [2, 2])]}, Signature(inputs, {}, defaults={"k": 5})
    )
    assert arrays["k"].tolist() == [5, 5]


def test_the_signature_is_chosen_by_a_parameter():
    assert inference.signature_name({"inputs": []}) == "serving_default"
    assert inference.signature_name({"parameters": {"signature_name": "explain"}}) == "explain"
    known = {"serving_default": signature(), "__saved_model_init_op": Signature({}, {})}
    assert inference.find_signature(known, "serving_default") is known["serving_default"]
    with pytest.raises(ServingError, match=r'^The model has no signature "explain", it has: serving_default$'):
        inference.find_signature(known, "explain")
    for parameters, text in (({"signature_name": 1}, "must be a string"), ([], "must be an object")):
        with pytest.raises(ServingError, match=text):
            inference.signature_name({"parameters": parameters})
    with pytest.raises(ServingError, match="binary"):
        inference.signature_name({"parameters": {"binary_data_output": True}})


def test_only_outputs_that_are_asked_for():
    request = {"id": "42", "inputs": [given()], "outputs": [{"name": "z"}]}
    _, asked = inference.read_infer(request, signature())
    outputs = {"y": np.zeros(2, np.float32), "z": np.array([[1.5], [0.1]], np.float32)}
    answer = inference.write_infer(outputs, asked, "net", 7, inference.request_id(request))
    assert json.loads(answer) == {
        "model_name": "net",
        "model_version": "7",
        "id": "42",
        "outputs": [{"name": "z", "shape": [2, 1], "datatype": "FP32", "data": [1.5, 0.1]}],
    }
    both = json.loads(inference.write_infer(outputs, None, "net", 7))
    assert [each["name"] for each in both["outputs"]] == ["y", "z"] and "id" not in both


def test_what_json_has_no_words_for():
    outputs = {
        "nan": np.array([np.nan, np.inf, 1], np.float32),
        "half": np.array([np.nan, 1], np.float16),
        "text": np.array([[b"a\xff"]], object),
        "cover_bytes": np.array([b"a\xff"], object),
        "scalar": np.array(3, np.int64),
        "none": np.zeros((0, 2), np.float32),
    }
    answer = json.loads(inference.write_infer(outputs, None, "net", 1))["outputs"]
    assert answer == [
        {"name": "nan", "shape": [3], "datatype": "FP32", "data": [None, None, 1.0]},
        {"name": "half", "shape": [2], "datatype": "FP16", "data": [None, 1.0]},
        {"name": "text", "shape": [1, 1], "datatype": "BYTES", "data": ["a\ufffd"]},
        {
            "name": "cover_bytes",
            "shape": [1],
            "datatype": "BYTES",
            "data": ["Yf8="],
            "parameters": {"content_type": "base64"},
        },
        {"name": "scalar", "shape": [], "datatype": "INT64", "data": [3]},
        {"name": "none", "shape": [0, 2], "datatype": "FP32", "data": []},
    ]


@pytest.mark.parametrize("dtype", ["V2", "complex64"])
def test_an_output_that_the_protocol_does_not_have(dtype):
    with pytest.raises(ServingError, match=r"Failed to write JSON value for tensor type: (bfloat16|complex64)"):
        inference.write_infer({"y": np.zeros(1, dtype)}, None, "net", 1)


def test_of_server_and_models():
    assert json.loads(inference.server()) == {
        "name": "kerasmlsp",
        "version": kerasmlsp.__version__,
        "extensions": [],
    }
    assert json.loads(inference.live()) == {"live": True}
    assert json.loads(inference.ready(True)) == {"live": True, "ready": True}
    assert json.loads(inference.model_ready("net", False)) == {"name": "net", "ready": False}
    inputs = {"x": TensorInfo("x:0", "DT_FLOAT", None)}
    outputs = {"y": TensorInfo("y:0", "DT_BFLOAT16", (-1, 2))}
    assert json.loads(inference.metadata("net", [2, 1], Signature(inputs, outputs))) == {
        "name": "net",
        "versions": ["2", "1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "y", "datatype": "BFLOAT16", "shape": [-1, 2]}],
    }


KEYS = ["inputs", "outputs", "id", "parameters", "name", "shape", "datatype", "data"]
VALUES = [None, True, 0, -1, 2**31, 0.5, "x", "FP32", "BYTES", [], [1], [1, 2], [[1, 2]], [0, 2], {}, {"name": "x"}]


def test_random_requests_raise_nothing_else():
    rng = random.Random(6)
    read = 0
    for _ in range(10_000):
        request = {"inputs": [given()], "outputs": [{"name": "y"}], "id": "1", "parameters": {}}
        for _ in range(rng.randrange(3)):
            inputs = request.get("inputs")
            inside = type(inputs) is list and inputs and type(inputs[0]) is dict and rng.random() < 0.7
            (inputs[0] if inside else request)[rng.choice(KEYS)] = rng.choice(VALUES)
        try:
            inference.signature_name(request)
            arrays, asked = inference.read_infer(request, signature(rng.choice(["DT_FLOAT", "DT_STRING", "DT_HALF"])))
            read += 1
            inference.write_infer({"y": arrays["x"], "z": arrays["x"]}, asked, "net", 1)
        except ServingError as error:
            assert error.status == 400
    assert 500 < read < 9500
