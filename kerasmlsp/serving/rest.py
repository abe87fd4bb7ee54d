"""Bodies of TensorFlow Serving's REST interface, read and written; nothing here opens a file or a socket.

A body goes through `kerasmlsp.serving.parsing.parse`, `signature_name` and `read_predict`; the outputs of the model go
through `write_predict`. Source of rules and texts: `g3doc/api_rest.md` and `util/json_tensor.cc` of
github.com/tensorflow/serving.
"""

import functools
import itertools
import json

import numpy as np
import orjson

from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.tensors import Signature, shape_text
from kerasmlsp.serving.values import (
    QUOTED,
    complete,
    evenly,
    first_odd,
    is_base64,
    json_values,
    quoted,
    tensor,
    with_constants,
)

DEFAULT_SIGNATURE = "serving_default"


def signature_name(request: dict) -> str:
    """Returns the name of the signature that a request asks for, `serving_default` if it names none.

    Raises:
        ServingError: If the name is no string.

    Example:
        >>> signature_name({"signature_name": "explain", "instances": ["Good."]})
        'explain'
    """
    name = request.get("signature_name", "")
    if type(name) is not str:
        raise invalid(
            f"JSON Value: {quoted(request)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name or DEFAULT_SIGNATURE


def find_signature(signatures: dict[str, Signature], name: str) -> Signature:
    """Returns the signature of that name.

    Raises:
        ServingError: If the model has none.

    Example:
        >>> find_signature({}, "explain")
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: Serving signature name: "explain" not found in signature def
    """
    if name not in signatures:
        raise invalid(f'Serving signature name: "{name[:QUOTED]}" not found in signature def')
    return signatures[name]


def read_predict(request: dict, signature: Signature) -> tuple[dict[str, np.ndarray], bool]:
    """Reads the inputs of a predict request.

    An input that the request lacks is filled in from `signature.defaults`.

    Args:
        request: What `parse` returned; exactly one of its keys `instances` (a list of rows) and `inputs` (a value, or
            values by name) counts, others are ignored.
        signature: What the inputs are.

    Returns:
        Arrays by name of the input, and whether the request was in row format (`instances`).

    Raises:
        ServingError: If the values do not fit the signature.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> signature = Signature({"text": TensorInfo("text:0", "DT_STRING", (-1,))}, {})
        >>> read_predict({"instances": ["Good."]}, signature)
        ({'text': array([b'Good.'], dtype=object)}, True)
    """
    infos = signature.inputs
    if not infos:
        raise invalid(
            f"Failed to get input map for signature: {str(request.get('signature_name') or 'DEFAULT')[:QUOTED]}"
        )
    row = "instances" in request
    if row and "inputs" in request:
        raise _unformatted(
            request, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"
        )
    if row:
        rows = request["instances"]
        if type(rows) is not list:
            raise _unformatted(request, "Expecting 'instances' to be an list/array")
        if not rows:
            raise _unformatted(request, "No values in 'instances' array")
        arrays = _read_rows(rows, signature)
    elif "inputs" in request:
        arrays = _read_columns(request["inputs"], signature)
    else:
        raise invalid("Missing 'inputs' or 'instances' key")
    return complete(arrays, signature), row


def _unformatted(request, what):
    return invalid(f"JSON Value: {quoted(request)} {what}")


def _read_rows(rows, signature):
    infos, first = signature.inputs, rows[0]
    if len(infos) > 1 and (type(first) is not dict or is_base64(first)):
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    arrays = _all_at_once(rows, signature)

    def fits(some):
        return _all_at_once([first, *some], signature) is not None

    return _one_by_one(rows, signature, first_odd(rows, fits)) if arrays is None else arrays


def _all_at_once(rows, signature):
    """Reads all rows by their inputs; None if something is wrong with one of them."""
    infos, first = signature.inputs, rows[0]
    if type(first) is not dict or is_base64(first):
        name, info = next(iter(infos.items()))
        array = evenly(rows, info.dtype)
        return None if array is None else {name: array}
    names = first.keys()
    if not _are_names(names, signature) or any(type(row) is not dict or row.keys() != names for row in rows):
        return None
    arrays = {name: evenly([row[name] for row in rows], infos[name].dtype) for name in names}
    return None if any(array is None for array in arrays.values()) else arrays


def _are_names(names, signature):
    """Whether a row has all inputs that it must have, and nothing else."""
    infos = signature.inputs
    return names == infos.keys() or (names <= infos.keys() and infos.keys() - names <= signature.defaults.keys())


def _one_by_one(rows, signature, start):
    """Reads one row after the other, which finds what is wrong with which; those before `start` are like the first."""
    plain = type(rows[0]) is not dict or is_base64(rows[0])
    only = next(iter(signature.inputs))
    read: dict[str, list[np.ndarray]] = {}
    for number in itertools.chain([0] if start else [], range(start, len(rows))):
        row = rows[number]
        is_object = type(row) is dict and not is_base64(row)
        if plain and is_object:
            raise invalid(f"Expecting value/list but got object at item {number} of input list")
        if not plain and not is_object:
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for name, value in [(only, row)] if plain else row.items():
            try:
                _add(value, name, signature, read)
            except ServingError as error:
                key = "" if plain else f" key: {name[:QUOTED]}"
                raise invalid(
                    f"Failed to process element: {number}{key} of 'instances' list. Error: {error.code}: {error}"
                ) from None
        if not plain and not (_are_names(row.keys(), signature) and row.keys() == rows[0].keys()):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {quoted(row)} keys must be "
                f"equal to: {','.join(sorted(signature.inputs))}"
            )
    if start:  # Nothing is wrong with them, they were only too odd to be read as a whole.
        return _one_by_one(rows, signature, 0)
    return {name: np.stack(arrays) for name, arrays in read.items()}


def _add(value, name, signature, read):
    """Adds one row's value of an input to those read."""
    if name not in signature.inputs:
        raise invalid(f"JSON object: does not have named input: {name[:QUOTED]}")
    array = tensor(value, signature.inputs[name].dtype)
    first = read.setdefault(name, [array])[0]
    if first is array:
        return
    if first.size != array.size:
        raise invalid(f"Expecting tensor size: {first.size} but got: {array.size}")
    if first.shape != array.shape:
        raise invalid(f"Expecting shape {shape_text(first.shape)} but got: {shape_text(array.shape)}")
    read[name].append(array)


def _read_columns(value, signature):
    infos = signature.inputs
    if type(value) is not dict or is_base64(value):
        if len(infos) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        name, info = next(iter(infos.items()))
        return {name: tensor(value, info.dtype)}
    for name in infos:
        if name not in value and name not in signature.defaults:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return {name: tensor(value[name], info.dtype) for name, info in infos.items() if name in value}


def write_predict(outputs: dict[str, np.ndarray], row: bool) -> bytes:
    """Returns the body of the answer to a predict request.

    Floats are written with the fewest digits that read back as the same number of their type, and look like floats:
    `1.0`, not `1`. NaN and infinities are written as `NaN`, `Infinity` and `-Infinity`.

    Args:
        outputs: Arrays by name of the output; strings as bytes in arrays of objects. Those whose names end in `_bytes`
            are written as `{"b64": "..."}`, others as text, with U+FFFD in place of what is no UTF-8.
        row: Whether the request was in row format.

    Raises:
        ServingError: If there is no output, one has a type that JSON is not written from, or, in row format, the
            outputs do not have the same first axis.

    Example:
        >>> write_predict({"label": np.array([b"good"], object), "score": np.array([0.1], "float32")}, row=True)
        b'{"predictions":[{"label":"good","score":0.1}]}'
        >>> write_predict({"score": np.array([0.1], "float32")}, row=False)
        b'{"outputs":[0.1]}'
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    if row:
        _check_rows(outputs)
    text = _written({name: json_values(name, array) for name, array in outputs.items()}, row)
    # orjson writes NaN and infinities as null, and nothing else but a text.
    if b"null" in text and any(array.dtype.kind == "f" and not np.isfinite(array).all() for array in outputs.values()):
        return _written({name: _with_constants(name, array, row) for name, array in outputs.items()}, row)
    return text


def _written(values, row):
    single = len(values) == 1
    if not row:
        answer = {"outputs": next(iter(values.values())) if single else values}
    elif single:
        answer = {"predictions": next(iter(values.values()))}
    else:
        names = list(values)
        answer = {"predictions": [dict(zip(names, each, strict=True)) for each in zip(*values.values(), strict=True)]}
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _check_rows(outputs):
    rows = None
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information")
        if rows not in (None, len(array)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)


def _with_constants(name, array, row):
    """An output as `json_values` has it, but its numbers ready as text, as orjson has no NaN."""
    values = json_values(name, array)
    if array.dtype.kind != "f":
        return values
    return [with_constants(each) for each in values] if row else with_constants(values)


def error(message: str) -> bytes:
    """Returns the body of an answer that refuses.

    Example:
        >>> error("The queue is full.")
        b'{"error":"The queue is full."}'
    """
    return orjson.dumps({"error": message.encode("utf-8", "replace").decode()})


def models(names: list[str]) -> bytes:
    """Returns the body of the list of models, which is KServe's; upstream has none.

    Example:
        >>> models(["music", "sentiment"])
        b'{"models":["music","sentiment"]}'
    """
    return orjson.dumps({"models": names})


def status(versions: list[dict]) -> bytes:
    """Returns the body of a model's status, the highest version first.

    Args:
        versions: Of each version `version`, `state` (`"AVAILABLE"`, ...), and, where it failed, `error_code` and
            `error_message`.

    Example:
        >>> json.loads(status([{"version": 1, "state": "AVAILABLE"}]))["model_version_status"][0]["status"]
        {'error_code': 'OK', 'error_message': ''}
    """
    return _status(
        tuple(
            (each["version"], each["state"], each.get("error_code") or "OK", each.get("error_message") or "")
            for each in versions
        )
    )


# Programs that watch a server ask again and again; to write it takes as long as all the rest.
@functools.lru_cache(256)
def _status(versions):
    listed = [
        {"version": str(version), "state": state, "status": {"error_code": code, "error_message": message}}
        for version, state, code, message in sorted(versions, key=lambda each: -int(each[0]))
    ]
    return _protobuf({"model_version_status": listed})


def metadata(name: str, version: int, signatures: dict[str, Signature]) -> bytes:
    """Returns the body of a model's metadata: what its signatures take and return.

    Args:
        name: The model.
        version: Its version.
        signatures: All of the file, `__saved_model_init_op` among them.

    Example:
        >>> body = json.loads(metadata("sentiment", 1, {"serving_default": Signature({}, {})}))
        >>> body["model_spec"]
        {'name': 'sentiment', 'signature_name': '', 'version': '1'}
    """
    described = {key: _described(signature) for key, signature in signatures.items()}
    spec = {"name": name, "signature_name": "", "version": str(version)}
    return _protobuf({"model_spec": spec, "metadata": {"signature_def": {"signature_def": described}}})


def _described(signature):
    """A `SignatureDef` as protobuf writes it as JSON. Defaults are of the model card, the file has none."""
    inputs, outputs = (
        {name: _tensor_info(info) for name, info in infos.items()} for infos in (signature.inputs, signature.outputs)
    )
    return {"inputs": inputs, "outputs": outputs, "method_name": signature.method_name, "defaults": {}}


def _tensor_info(info):
    dim = [{"size": str(size), "name": ""} for size in info.shape or ()]
    return {
        "dtype": info.dtype,
        "tensor_shape": {"dim": dim, "unknown_rank": info.shape is None},
        "name": info.name,
    }


def _protobuf(value):
    return json.dumps(value, indent=1, ensure_ascii=False).encode("utf-8", "replace")
