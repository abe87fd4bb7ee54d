"""Classify and regress, lines 60 to 62 of docs/serving-conformance.md."""

import json
import random

import numpy as np
import pytest

from kerasmlsp.serving import examples
from kerasmlsp.serving.errors import ServingError
from kerasmlsp.serving.parsing import parse
from kerasmlsp.serving.tensors import Signature, TensorInfo

# What tf.train.Example.FromString(...).SerializeToString(deterministic=True) of TensorFlow 2.21 returns.
SERIALIZED = (
    "0a5e0a210a03616765121a1a180a1614ffffffffffffffffff01ffffffffffffffff7fac020a160a056e616d6573120d0a0b0a03666f6f0a04"
    "62c3a4720a080a046e6f6e6512000a170a07726174696e6773120c120a0a0800000041cdcccc3d"
)


def table(cases):
    return {"argvalues": list(cases.values()), "ids": list(cases)}


def test_line_60_an_example_is_tensorflows_protocol_buffer():
    features = {
        "age": [20, -1, 2**63 - 1, 300],
        "names": ["foo", {"b64": "YsOkcg=="}],
        "none": [],
        "ratings": [8.0, 0.1],
    }
    found = examples.read_examples({"examples": [features]})
    assert found.shape == (1,) and found[0].hex() == SERIALIZED


# By line: a request, one that has the same meaning.
SAME = {
    "60-value-and-list": ({"examples": [{"x": 1}]}, {"examples": [{"x": [1]}]}),
    "60-context": (
        {"context": {"q": "pizza", "x": 1}, "examples": [{"x": 2}]},
        {"examples": [{"q": ["pizza"], "x": [2]}]},
    ),
    "62-bool-is-an-integer": ({"examples": [{"x": [1, True, False]}]}, {"examples": [{"x": [1, 1, 0]}]}),
    "62-beyond-float32": ({"examples": [{"x": 1e300}]}, parse(b'{"examples": [{"x": Infinity}]}')),
    "48-b64": ({"examples": [{"x": {"b64": "aGVsbG8="}}]}, {"examples": [{"x": "hello"}]}),
}


@pytest.mark.parametrize(("one", "other"), **table(SAME))
def test_same(one, other):
    assert examples.read_examples(one).tolist() == examples.read_examples(other).tolist()


NO_JSON_TYPE = "Feature: x has element with unexpected JSON type: "
REFUSED = {
    "61-missing": (
        {"example": []},
        "JSON Value: {\n    \"example\": []\n} When method is classify, key 'examples' is expected and was not found",
    ),
    "61-empty": ({"examples": []}, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty array"),
    "61-no-list": (
        {"examples": {}},
        "JSON Value: {\n    \"examples\": {}\n} Expecting 'examples' value to be an list/array",
    ),
    "60-no-object": ({"examples": [[{"x": 1}]]}, "Example must be JSON object but got JSON Array"),
    "60-context-is-no-object": ({"context": [], "examples": [{}]}, "Example must be JSON object but got JSON Array"),
    "62-integers-and-floats": (
        {"examples": [{"x": [10, 10.0]}]},
        "Unexpected element type in feature: x expecting type: int64",
    ),
    "62-floats-and-strings": (
        {"examples": [{"x": [1.5, "a"]}]},
        "Unexpected element type in feature: x expecting type: float",
    ),
    "62-strings-and-bools": (
        {"examples": [{"x": ["a", True]}]},
        "Unexpected element type in feature: x expecting type: bytes",
    ),
    "62-null": ({"examples": [{"x": [10, None]}]}, NO_JSON_TYPE + "Null"),
    "62-list-in-a-list": ({"examples": [{"x": [[10], 20]}]}, NO_JSON_TYPE + "Array"),
    "62-object": ({"examples": [{"x": [10, {"test": 10}]}]}, NO_JSON_TYPE + "Object"),
    "62-beyond-int64": (
        {"examples": [{"x": [20, 18446744073709551603]}]},
        "Feature: x has uint64 element. Only int64 is supported.",
    ),
    "48-not-base64": ({"examples": [{"x": {"b64": "#"}}]}, "Unable to base64 decode"),
}


@pytest.mark.parametrize(("request_", "text"), **table(REFUSED))
def test_refused(request_, text):
    with pytest.raises(ServingError) as error:
        examples.read_examples(request_)
    assert (str(error.value), error.value.code) == (text, "INVALID_ARGUMENT")


def signature(inputs, outputs):
    inputs, outputs = (
        {name: TensorInfo(f"{name}:0", "DT_STRING", (-1,)) for name in names.split()} for names in (inputs, outputs)
    )
    return Signature(inputs, outputs, "tensorflow/serving/predict")


# By line: method, inputs and outputs of the signature, the refusal.
SIGNATURES = {
    "62-two-inputs": ("classify", "a b", "scores", "Expected one input Tensor."),
    "62-three-outputs": ("classify", "inputs", "a b c", "Expected one or two output Tensors, found 3"),
    "62-other-input": (
        "classify",
        "text",
        "scores",
        'No classification inputs found in SignatureDef: {"inputs":["text"],"outputs":["scores"]}',
    ),
    "62-other-outputs": (
        "classify",
        "inputs",
        "label",
        'Expected classification signature outputs to contain at least one of "classes" or "scores". '
        'Signature was: {"inputs":["inputs"],"outputs":["label"]}',
    ),
    "62-regress-two-inputs": ("regress", "a b", "outputs", "Expected one input Tensor."),
    "62-regress-two-outputs": ("regress", "inputs", "a b", "Expected one output Tensor."),
    "62-regress-other-input": (
        "regress",
        "x",
        "outputs",
        'No regression inputs found in SignatureDef: {"inputs":["x"],"outputs":["outputs"]}',
    ),
    "62-regress-other-output": (
        "regress",
        "inputs",
        "y",
        'No regression outputs found in SignatureDef: {"inputs":["inputs"],"outputs":["y"]}',
    ),
    "62-classify": ("classify", "inputs", "classes scores", None),
    "62-classify-scores-alone": ("classify", "inputs", "scores", None),
    "62-regress": ("regress", "inputs", "outputs", None),
}


@pytest.mark.parametrize(("method", "inputs", "outputs", "text"), **table(SIGNATURES))
def test_signatures(method, inputs, outputs, text):
    given = np.array([b""], object)
    if text is None:
        assert examples.inputs(given, signature(inputs, outputs), method) == {"inputs": given}
        return
    with pytest.raises(ServingError) as error:
        examples.inputs(given, signature(inputs, outputs), method)
    assert (str(error.value), error.value.status) == (text, 400)


def test_line_62_unknown_signature():
    known = signature("inputs", "scores")
    assert examples.find_signature({"a": known}, "a") is known
    with pytest.raises(ServingError, match=r"^No signature was found with the name: b$"):
        examples.find_signature({"a": known}, "b")


CLASSES = np.array([[b"car", b"bike"], [b"bus", b"b\xff"]], object)
SCORES = np.array([[0.2, 0.7], [1.0, 0.1]], np.float32)
RESULTS = {
    "60-classify": (
        "classify",
        {"classes": CLASSES, "scores": SCORES},
        '{"results":[[["car",0.2],["bike",0.7]],[["bus",1.0],["b\ufffd",0.1]]]}',
    ),
    "60-classes-alone": (
        "classify",
        {"classes": CLASSES[:, :1]},
        '{"results":[[["car",0.0]],[["bus",0.0]]]}',
    ),
    "60-scores-alone": ("classify", {"scores": SCORES[:, 1:]}, '{"results":[[["",0.7]],[["",0.1]]]}'),
    "56-classify-nan": (
        "classify",
        {"scores": np.array([[np.nan], [np.inf]], np.float32)},
        '{"results":[[["",NaN]],[["",Infinity]]]}',
    ),
    "60-regress": ("regress", {"outputs": np.array([0.2, 1.0], np.float32)}, '{"results":[0.2,1.0]}'),
    "60-regress-two-axes": ("regress", {"outputs": SCORES[:, :1]}, '{"results":[0.2,1.0]}'),
    "56-regress-constants": (
        "regress",
        {"outputs": np.array([np.nan, -np.inf], np.float32)},
        '{"results":[NaN,-Infinity]}',
    ),
}


@pytest.mark.parametrize(("method", "outputs", "text"), **table(RESULTS))
def test_results(method, outputs, text):
    assert examples.write_results(outputs, 2, method).decode() == text


UNWRITTEN = {
    "60-one-axis": ("classify", {"scores": SCORES[0]}, "Expected Tensor shape: [batch_size num_classes] but got [2]"),
    "60-double": ("classify", {"scores": SCORES.astype("f8")}, "Expected scores Tensor of DT_FLOAT. Got: float64"),
    "60-numbers": ("classify", {"classes": SCORES}, "Expected classes Tensor of DT_STRING. Got: float32"),
    "60-rows": ("classify", {"scores": SCORES[:1]}, "Expected scores of 2 examples. Got: 1"),
    "60-unlike": (
        "classify",
        {"classes": CLASSES, "scores": SCORES[:, :1]},
        "Tensors class and score should match in shape.",
    ),
    "60-regress-axes": (
        "regress",
        {"outputs": SCORES},
        "Expected Tensor shape: either [batch_size] or [batch_size, 1] but got [2,2]",
    ),
    "60-regress-integers": (
        "regress",
        {"outputs": np.zeros(2, np.int32)},
        "Expected output Tensor of DT_FLOAT. Got: int32",
    ),
    "60-regress-rows": (
        "regress",
        {"outputs": np.zeros(3, np.float32)},
        "Expected output of 2 examples. Got: 3",
    ),
}


@pytest.mark.parametrize(("method", "outputs", "text"), **table(UNWRITTEN))
def test_unwritten(method, outputs, text):
    with pytest.raises(ServingError) as error:
        examples.write_results(outputs, 2, method)
    assert (str(error.value), error.value.status) == (text, 400)


def test_random_examples_raise_nothing_else():
    rng = random.Random(5)
    leaves = [1, 2.5, "a", True, None, {"b64": "aGk="}, {"b64": "#"}, {}, [], [1], 2**63, -(2**63), "ä"]
    read = 0
    for _ in range(3000):
        features = {rng.choice("ab"): rng.choice([rng.choice(leaves), rng.choices(leaves, k=2)]) for _ in range(2)}
        request = rng.choice([{"examples": [features]}, {"context": features, "examples": [features, {}]}, features])
        try:
            read += len(examples.read_examples(json.loads(json.dumps(request)))) > 0
        except ServingError as error:
            assert error.status == 400
    assert 100 < read < 2900


def test_requests_that_would_take_much_memory_are_refused(monkeypatch):
    monkeypatch.setattr(examples, "VALUES", 100)
    monkeypatch.setattr(examples, "BYTES", 1000)
    for request in (
        {"examples": [{"x": [1] * 50}, {"y": [1] * 51}]},
        {"context": {"x": [1] * 100}, "examples": [{"y": 1}]},
        {"context": {"x": "x" * 200}, "examples": [{}] * 5},
    ):
        with pytest.raises(ServingError) as error:
            examples.read_examples(request)
        assert error.value.status == 413
    assert len(examples.read_examples({"context": {"x": "x" * 100}, "examples": [{"y": [1] * 20}] * 4})) == 4
