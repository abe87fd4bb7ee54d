"""Bodies of the Open Inference Protocol, version 2, which KServe, Triton and others speak; read and written here.

Source: github.com/kserve/open-inference-protocol. What it leaves open: `parameters: {"signature_name": "..."}` chooses
the signature; bytes that are no text are `{"b64": "..."}`, as in TensorFlow Serving's interface, or base64 in an input
with `parameters: {"content_type": "base64"}`, as MLServer has it, which an output whose name ends in `_bytes` also has;
NaN and infinities are null. The extension for binary data is not offered.
"""

import base64
import math
from typing import Any

import numpy as np
import orjson

from kerasmlsp import __version__
from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.tensors import Signature, type_name
from kerasmlsp.serving.values import AXES, QUOTED, complete, from_base64, json_values, quoted, tensor

DATATYPES = {
    "DT_BOOL": "BOOL",
    "DT_UINT8": "UINT8",
    "DT_UINT16": "UINT16",
    "DT_UINT32": "UINT32",
    "DT_UINT64": "UINT64",
    "DT_INT8": "INT8",
    "DT_INT16": "INT16",
    "DT_INT32": "INT32",
    "DT_INT64": "INT64",
    "DT_HALF": "FP16",
    "DT_FLOAT": "FP32",
    "DT_DOUBLE": "FP64",
    "DT_STRING": "BYTES",
}
_BY_NUMPY = {
    "bool": "BOOL",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
PLATFORM = "tensorflow_savedmodel"
# What a request with `Inference-Header-Content-Length`, or with sizes of binary data, is told.
BINARY = "The binary tensor data extension is not offered: send the data as JSON."
# An array without elements may have long axes, which no data pay for.
_MOST_OF_NOTHING = 65_536


def signature_name(request: dict) -> str:
    """Returns the name of the signature that the parameters of a request choose, by default `serving_default`.

    Raises:
        ServingError: If the parameters are no object or the name is no string.

    Example:
        >>> signature_name({"parameters": {"signature_name": "explain"}, "inputs": []})
        'explain'
    """
    name = _parameters(request).get("signature_name", "serving_default")
    if type(name) is not str:
        raise invalid(f"The parameter signature_name must be a string. Received: {quoted(name)}")
    return name


def request_id(request: dict) -> str | None:
    """Returns the `id` that the answer repeats, None if there is none.

    Raises:
        ServingError: If it is no string.

    Example:
        >>> request_id({"id": "42", "inputs": []})
        '42'
    """
    found = request.get("id")
    if found is not None and type(found) is not str:
        raise invalid(f"The id of a request must be a string. Received: {quoted(found)}")
    return found


def find_signature(signatures: dict[str, Signature], name: str) -> Signature:
    """Returns the signature of that name.

    Raises:
        ServingError: If the model has none, with the names of those that it has.

    Example:
        >>> find_signature({"serving_default": Signature({}, {})}, "explain")
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: The model has no signature "explain", it has: serving_default
    """
    if name not in signatures:
        known = ", ".join(each for each in signatures if not each.startswith("__"))
        raise invalid(f'The model has no signature "{name[:QUOTED]}", it has: {known}')
    return signatures[name]


def read_infer(request: dict, signature: Signature) -> tuple[dict[str, np.ndarray], list[str] | None]:
    """Reads the inputs of an inference request.

    An input that the request lacks is filled in from `signature.defaults`.

    Args:
        request: What `parse` returned.
        signature: What the inputs and outputs are.

    Returns:
        Arrays by name of the input, and the names of the outputs that are asked for, None for all.

    Raises:
        ServingError: If the request has not the form of the protocol or does not fit the signature.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> signature = Signature({"x": TensorInfo("x:0", "DT_FLOAT", (-1, 2))}, {})
        >>> given = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [0.5, 1]}
        >>> read_infer({"inputs": [given]}, signature)
        ({'x': array([[0.5, 1. ]], dtype=float32)}, None)
    """
    request_id(request)
    given = request.get("inputs")
    if type(given) is not list:
        raise invalid("The request must have inputs, a list")
    arrays: dict[str, np.ndarray] = {}
    for each in given:
        name = _name(each, "input")
        if name not in signature.inputs:
            raise invalid(f"Unexpected input {quoted(name)}, expected are: {', '.join(signature.inputs)}")
        if name in arrays:
            raise invalid(f"Input {quoted(name)} is given twice")
        arrays[name] = _read_input(name, each, signature.inputs[name].dtype)
    missing = [name for name in signature.inputs if name not in arrays and name not in signature.defaults]
    if missing:
        raise invalid(f"Missing inputs: {', '.join(missing)}")
    return complete(arrays, signature), _asked(request, signature)


def _parameters(value):
    found = value.get("parameters", {})
    if type(found) is not dict:
        raise invalid(f"Parameters must be an object. Received: {quoted(found)}")
    if "binary_data_size" in found or found.get("binary_data") or found.get("binary_data_output"):
        raise invalid(BINARY)
    return found


def _name(value, what):
    name = value.get("name") if type(value) is dict else None
    if type(name) is not str:
        raise invalid(f"Each {what} must be an object with a name. Received: {quoted(value)}")
    return name


def _asked(request, signature):
    asked = request.get("outputs")
    if asked is not None and type(asked) is not list:
        raise invalid(f"The outputs of a request must be a list. Received: {quoted(asked)}")
    names = []
    for each in asked or []:
        names.append(_name(each, "output"))
        _parameters(each)
        if names[-1] not in signature.outputs:
            raise invalid(f"Unexpected output {quoted(names[-1])}, there are: {', '.join(signature.outputs)}")
    return names or None


def _read_input(name, given, dtype):
    parameters, shape, data = _parameters(given), _shape(name, given), given.get("data")
    expected = DATATYPES.get(dtype)
    if expected is None:
        raise invalid(f"Input {name} is of type {type_name(dtype)}, which the protocol does not have")
    if given.get("datatype") != expected:
        raise invalid(f"Input {name} must have the datatype {expected}. Received: {quoted(given.get('datatype'))}")
    if type(data) is not list:
        raise invalid(f"Input {name} must have data, a list")
    values = _values(name, data, dtype, parameters.get("content_type") == "base64")
    if values.shape != (values.size,) and values.shape != shape:
        raise invalid(f"The data of input {name} are nested as {list(values.shape)}, its shape is {list(shape)}")
    if values.size != math.prod(shape):
        raise invalid(f"Input {name} has {values.size} elements, its shape {list(shape)} has {math.prod(shape)}")
    if not values.size and math.prod(size or 1 for size in shape) > _MOST_OF_NOTHING:
        raise invalid(f"The shape of input {name} is too large for an array without elements: {list(shape)}")
    return values.reshape(shape)


def _shape(name, given):
    shape = given.get("shape")
    if type(shape) is not list or any(type(size) is not int or not 0 <= size < 2**31 for size in shape):
        raise invalid(f"Input {name} must have a shape, a list of sizes. Received: {quoted(shape)}")
    if len(shape) > AXES:
        raise invalid(f"Input {name} must have at most {AXES} axes. Received: {len(shape)}")
    return tuple(shape)


def _values(name, data, dtype, decode):
    """The data, nested as they are."""
    try:
        values = tensor(data, "DT_DOUBLE" if dtype == "DT_HALF" else dtype)
        if decode and dtype == "DT_STRING":
            flat = [from_base64({"b64": each.decode("utf-8", "replace")}) for each in values.ravel()]
            values = np.array(flat, dtype=object).reshape(values.shape)
    except ServingError as error:
        raise invalid(f"Input {name}: {error}") from None
    with np.errstate(over="ignore"):
        return values.astype(np.float16) if dtype == "DT_HALF" else values


def write_infer(
    outputs: dict[str, np.ndarray], asked: list[str] | None, name: str, version: int, identifier: str | None = None
) -> bytes:
    """Returns the body of the answer to an inference request.

    Args:
        outputs: Arrays by name of the output; strings as bytes in arrays of objects.
        asked: Names of those to answer with, None for all.
        name: The model.
        version: Its version.
        identifier: What `request_id` returned.

    Raises:
        ServingError: If an output has a type that the protocol does not have.

    Example:
        >>> write_infer({"score": np.array([[0.1]], "float32")}, None, "sentiment", 1, "42")[:66]
        b'{"model_name":"sentiment","model_version":"1","id":"42","outputs":'
    """
    answer: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if identifier is not None:
        answer["id"] = identifier
    answer["outputs"] = [_written(each, outputs[each]) for each in asked or outputs]
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _written(name, values):
    described: dict[str, Any] = {"name": name, "shape": list(values.shape)}
    flat = values.reshape(-1)
    if flat.dtype == np.float16:
        described["datatype"], flat = "FP16", flat.astype(np.float32)
    else:
        described["datatype"] = _BY_NUMPY.get(flat.dtype.name, "")
    if flat.dtype == object and name.endswith("_bytes"):
        described["parameters"] = {"content_type": "base64"}
        described["data"] = [base64.b64encode(each).decode() for each in flat.tolist()]
    else:
        described["data"] = json_values("", flat)
    return described


def server() -> bytes:
    """Returns the body of the server's metadata.

    Example:
        >>> orjson.loads(server())["extensions"]
        []
    """
    return orjson.dumps({"name": "kerasmlsp", "version": __version__, "extensions": []})


def live() -> bytes:
    """Returns the body that says that the server runs.

    Example:
        >>> live()
        b'{"live":true}'
    """
    return b'{"live":true}'


def ready(flag: bool) -> bytes:
    """Returns the body that says whether all models answer; the protocol's text calls it `live`, its users `ready`.

    Example:
        >>> ready(False)
        b'{"live":false,"ready":false}'
    """
    return orjson.dumps({"live": flag, "ready": flag})


def model_ready(name: str, flag: bool) -> bytes:
    """Returns the body that says whether a model answers.

    Example:
        >>> model_ready("music", True)
        b'{"name":"music","ready":true}'
    """
    return orjson.dumps({"name": name, "ready": flag})


def metadata(name: str, versions: list[int], signature: Signature) -> bytes:
    """Returns the body of a model's metadata.

    Args:
        name: The model.
        versions: Those that answer.
        signature: The one that requests without a choice are for.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> signature = Signature({"x": TensorInfo("x:0", "DT_FLOAT", (-1, 2))}, {})
        >>> orjson.loads(metadata("net", [1], signature))["inputs"]
        [{'name': 'x', 'datatype': 'FP32', 'shape': [-1, 2]}]
    """
    inputs, outputs = (
        [
            {
                "name": each,
                "datatype": DATATYPES.get(info.dtype, type_name(info.dtype).upper()),
                "shape": [-1] if info.shape is None else list(info.shape),
            }
            for each, info in infos.items()
        ]
        for infos in (signature.inputs, signature.outputs)
    )
    described = {"name": name, "versions": [str(version) for version in versions], "platform": PLATFORM}
    return orjson.dumps({**described, "inputs": inputs, "outputs": outputs})
