"""Classify and regress of TensorFlow Serving's REST interface, for models that take `tf.train.Example`.

`read_examples` turns each example into the protocol buffer that such models parse; it is written here by hand, as its
class comes with TensorFlow, which the front does not import. Source: `servables/tensorflow/classifier.cc`,
`regressor.cc` and `util/json_tensor.cc` of github.com/tensorflow/serving.
"""

import numpy as np
import orjson

from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.tensors import Signature, shape_text
from kerasmlsp.serving.values import QUOTED, from_base64, is_base64, kind, quoted, with_constants

# Numbers of the fields in a Feature.
_BYTES, _FLOAT, _INT64 = 1, 2, 3
# Values in the features of a request: each takes a microsecond.
VALUES = 1_000_000
# Bytes of all examples; the context is in each of them.
BYTES = 64 << 20
_LISTS = {_BYTES: "bytes", _FLOAT: "float", _INT64: "int64"}


def find_signature(signatures: dict[str, Signature], name: str) -> Signature:
    """Returns the signature of that name.

    Raises:
        ServingError: If the model has none.

    Example:
        >>> find_signature({}, "scores")
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: No signature was found with the name: scores
    """
    if name not in signatures:
        raise invalid(f"No signature was found with the name: {name[:QUOTED]}")
    return signatures[name]


def read_examples(request: dict) -> np.ndarray:
    """Reads the examples of a classify or regress request.

    Args:
        request: What `parse` returned, with `examples`: a list of objects that hold a value or a list of values by
            name of the feature; and perhaps `context`: features that all of them share.

    Returns:
        Each as the bytes of a `tf.train.Example`, shape `(examples,)`.

    Raises:
        ServingError: If they have another form.

    Example:
        >>> read_examples({"examples": [{"age": 20}]})
        array([b'\\n\\x0e\\n\\x0c\\n\\x03age\\x12\\x05\\x1a\\x03\\n\\x01\\x14'], dtype=object)
    """
    examples, context = request.get("examples"), request.get("context", {})
    if _values([context, *(examples if type(examples) is list else [])]) > VALUES:
        raise ServingError("INVALID_ARGUMENT", f"There are more than {VALUES} values of features.", status=413)
    shared = _features(context)
    if "examples" not in request:
        raise invalid(
            f"JSON Value: {quoted(request)} When method is classify, key 'examples' is expected and was not found"
        )
    if type(examples) is not list:
        raise invalid(f"JSON Value: {quoted(request)} Expecting 'examples' value to be an list/array")
    if not examples:
        raise invalid(f"JSON Value: {quoted(request)} 'examples' value is an empty array")
    texts, size = np.empty(len(examples), object), 0
    for index, each in enumerate(examples):
        texts[index] = _example({**shared, **_features(each)})
        size += len(texts[index])
        if size > BYTES:
            raise ServingError("INVALID_ARGUMENT", f"The examples have more than {BYTES >> 20} MiB.", status=413)
    return texts


def _values(features):
    """How many values there are, those of a wrong form left out."""
    listed = (value for each in features if type(each) is dict for value in each.values())
    return sum(len(value) if type(value) is list else 1 for value in listed)


def _features(value):
    """The features of an example, by name the bytes of a Feature."""
    if type(value) is not dict:
        raise invalid(f"Example must be JSON object but got JSON {kind(value)}")
    return {name: _feature(name, each if type(each) is list else [each]) for name, each in value.items()}


def _feature(name, values):
    if not values:
        return b""
    field, read = None, []
    for value in values:
        found, converted = _element(name, value)
        if field not in (None, found):
            raise invalid(f"Unexpected element type in feature: {name[:QUOTED]} expecting type: {_LISTS[field]}")
        field = found
        read.append(converted)
    if field == _BYTES:
        packed = b"".join(_part(1, each) for each in read)
    elif field == _FLOAT:
        with np.errstate(over="ignore"):  # A number beyond float32 is infinite there.
            packed = _part(1, np.array(read, "<f4").tobytes())
    else:
        packed = _part(1, b"".join(_varint(each) for each in read))
    return _part(field, packed)


def _element(name, value):
    """The list of a Feature that a JSON value belongs to, and the value for it."""
    if type(value) is str:
        return _BYTES, value.encode()
    if is_base64(value):
        return _BYTES, from_base64(value)
    if type(value) is float:
        return _FLOAT, value
    if type(value) is int or type(value) is bool:
        if value >= 2**63:
            raise invalid(f"Feature: {name[:QUOTED]} has uint64 element. Only int64 is supported.")
        return _INT64, int(value)
    raise invalid(f"Feature: {name[:QUOTED]} has element with unexpected JSON type: {kind(value)}")


def _example(features):
    entries = (_part(1, _part(1, name.encode()) + _part(2, each)) for name, each in features.items())
    return _part(1, b"".join(entries))


def _part(field, content):
    """A field of the wire format that has a length."""
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    value &= 2**64 - 1
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def inputs(examples: np.ndarray, signature: Signature, method: str) -> dict[str, np.ndarray]:
    """Returns what the signature is called with.

    Args:
        examples: What `read_examples` returned.
        signature: As upstream wants it: one input `inputs`; outputs `classes` and `scores`, or one of them, to
            classify, and `outputs` to regress.
        method: `"classify"` or `"regress"`.

    Raises:
        ServingError: If the signature has another form, as those that `kerasmlsp` exports have.

    Example:
        >>> inputs(np.array([b""], object), Signature({}, {}), "classify")
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: Expected one input Tensor.
    """
    classify = method == "classify"
    named, wanted = ("classification", ("classes", "scores")) if classify else ("regression", ("outputs",))
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if classify and len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    if not classify and len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise ServingError("FAILED_PRECONDITION", f"No {named} inputs found in SignatureDef: {_shown(signature)}")
    if not any(name in signature.outputs for name in wanted):
        found = (
            'Expected classification signature outputs to contain at least one of "classes" or "scores". '
            "Signature was: "
            if classify
            else "No regression outputs found in SignatureDef: "
        )
        raise ServingError("FAILED_PRECONDITION", found + _shown(signature))
    return {"inputs": examples}


def _shown(signature):
    return orjson.dumps({"inputs": list(signature.inputs), "outputs": list(signature.outputs)}).decode()


def write_results(outputs: dict[str, np.ndarray], count: int, method: str) -> bytes:
    """Returns the body of the answer to a classify or regress request.

    Args:
        outputs: Of a signature that `inputs` took.
        count: How many examples there were.
        method: `"classify"` or `"regress"`.

    Raises:
        ServingError: If the outputs have other shapes or types than upstream wants.

    Example:
        >>> scores = np.array([[0.2, 0.8]], "float32")
        >>> write_results({"classes": np.array([[b"no", b"yes"]], object), "scores": scores}, 1, "classify")
        b'{"results":[[["no",0.2],["yes",0.8]]]}'
        >>> write_results({"outputs": np.array([[0.5], [1.0]], "float32")}, 2, "regress")
        b'{"results":[0.5,1.0]}'
    """
    if method == "classify":
        return _write_classes(outputs.get("classes"), outputs.get("scores"), count)
    values = outputs["outputs"]
    if values.ndim not in (1, 2) or (values.ndim == 2 and values.shape[1] != 1):
        raise invalid(
            f"Expected Tensor shape: either [batch_size] or [batch_size, 1] but got {shape_text(values.shape)}"
        )
    _check("output", values, "float32", count)
    return _results(_cells(values.reshape(-1)))


def _write_classes(classes, scores, count):
    for name, array, dtype in (("classes", classes, "object"), ("scores", scores, "float32")):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {shape_text(array.shape)}")
        _check(name, array, dtype, count)
    if classes is None:
        labels = [[""] * scores.shape[1]] * count
    else:
        labels = [[each.decode("utf-8", "replace") for each in row] for row in classes.tolist()]
    numbers = [[0.0] * len(row) for row in labels] if scores is None else [_cells(row) for row in scores]
    if any(len(names) != len(row) for names, row in zip(labels, numbers, strict=True)):
        raise invalid("Tensors class and score should match in shape.")
    return _results([list(zip(names, row, strict=True)) for names, row in zip(labels, numbers, strict=True)])


def _check(name, array, dtype, count):
    if array.dtype != dtype:
        wanted = "DT_STRING" if dtype == "object" else "DT_FLOAT"
        raise invalid(f"Expected {name} Tensor of {wanted}. Got: {array.dtype}")
    if len(array) != count:
        raise invalid(f"Expected {name} of {count} examples. Got: {len(array)}")


def _cells(numbers):
    return [each if np.isfinite(each) else with_constants(each) for each in numbers]


def _results(results):
    return orjson.dumps({"results": results}, option=orjson.OPT_SERIALIZE_NUMPY)
