"""JSON values turned into arrays, and arrays into JSON values.

The rules and the texts of the errors are those of TensorFlow Serving's REST interface (`util/json_tensor.cc` of
github.com/tensorflow/serving). A value that is nested evenly, which nearly all are, is converted at NumPy's speed.
Everything else is walked leaf by leaf, to find what is wrong with it.
"""

import base64
import binascii
import itertools
import json
import string
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from kerasmlsp.serving.errors import ServingError, invalid
from kerasmlsp.serving.tensors import NUMPY, Signature, type_name

# NumPy has arrays of at most 64 axes, and rows get one more.
AXES = 63
# How much of a value an error repeats, in bytes.
QUOTED = 256
# What a JSON value is called in errors.
_KINDS = {type(None): "Null", dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
_ENCODER = json.JSONEncoder(indent=4, ensure_ascii=False)
# What the text of a list has if there is more than numbers in it (NaN is null there), or more than integers.
_NO_NUMBER = (b'"', b"u", b"l", b"{")
_NO_INTEGER = (*_NO_NUMBER, b".", b"e")
# By kind of NumPy's type: the types of Python that a leaf may have.
_LEAVES: dict[str, set[type]] = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}, "O": {str, dict}}
# Types of NumPy that JSON can be written from; O holds bytes. Half and complex numbers are not here, as upstream.
_WRITTEN = {"f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", "O8"}
# NumPy's names where upstream has others; a bfloat16 comes as two bytes without a type.
_UPSTREAM_NAMES = {"float16": "half", "void16": "bfloat16"}


def kind(value: Any) -> str:
    """Returns what errors call the type of a JSON value.

    Example:
        >>> kind(True), kind(1), kind({"b64": ""})
        ('True', 'Number', 'Object')
    """
    return str(value) if isinstance(value, bool) else _KINDS[type(value)]


def quoted(value: Any) -> str:
    """Returns a JSON value as errors repeat it: its first `QUOTED` bytes.

    Example:
        >>> quoted([1, "x"])
        '[\\n    1,\\n    "x"\\n]'
    """
    text = ""
    for part in _ENCODER.iterencode(value):
        text += part[:QUOTED]
        if len(text) >= QUOTED:
            break
    return text.encode("utf-8", "replace")[:QUOTED].decode("utf-8", "ignore")


def is_base64(value: Any) -> bool:
    """Whether a JSON value is `{"b64": "..."}`, which stands for bytes.

    Example:
        >>> is_base64({"b64": "aGVsbG8="}), is_base64({"b64": 1})
        (True, False)
    """
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def from_base64(value: dict) -> bytes:
    """Returns the bytes that `{"b64": "..."}` stands for.

    Padding may be left out and there may be white space. The alphabet of URLs is refused.

    Raises:
        ServingError: If the value has another form, or its text is no base64.

    Example:
        >>> from_base64({"b64": "aGVsbG8"})
        b'hello'
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {quoted(value)} not formatted correctly for base64 data")
    text = value["b64"]
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        pass
    body = "".join(text.split()) if any(space in text for space in string.whitespace) else text
    bare = body.rstrip("=")
    padding = -len(bare) % 4
    try:
        if padding == 3 or len(body) - len(bare) not in (0, padding):
            raise ValueError
        return binascii.a2b_base64(bare + "=" * padding, strict_mode=True)
    except ValueError:
        raise invalid("Unable to base64 decode") from None


def even(value: list) -> tuple[tuple[int, ...], list] | None:
    """Returns the shape of an evenly nested list and its leaves in row-major order; None if it is not even.

    Example:
        >>> even([[1, 2], [3, 4], [5, 6]])
        ((3, 2), [1, 2, 3, 4, 5, 6])
        >>> even([[1, 2], [3]])
    """
    shape, leaves, types = [len(value)], value, set(map(type, value))
    while types == {list}:
        sizes = set(map(len, leaves))
        if len(sizes) > 1:
            return None
        shape += sizes
        leaves = list(itertools.chain.from_iterable(leaves))
        types = set(map(type, leaves))
    return None if list in types or len(shape) > AXES else (tuple(shape), leaves)


def array(leaves: list, dtype: str) -> np.ndarray | None:
    """Returns leaves as an array of one axis; None if the type does not take one of them.

    Example:
        >>> array([1, 2.5], "DT_FLOAT")
        array([1. , 2.5], dtype=float32)
        >>> array([1, True], "DT_INT32")
    """
    wanted = NUMPY.get(dtype)
    types = set(map(type, leaves))
    if wanted is None or not types <= _LEAVES[wanted.kind]:
        return None
    try:
        if wanted.kind == "O":
            texts = [each.encode() if type(each) is str else from_base64(each) for each in leaves]
            return np.array(texts, dtype=object)
        with np.errstate(over="ignore"):  # A number beyond float32 is infinite there.
            return np.array(leaves, dtype=wanted)
    except (ServingError, OverflowError, UnicodeEncodeError):
        return None


def evenly(value: list, dtype: str) -> np.ndarray | None:
    """Returns an evenly nested list as an array; None if it is not even or the type does not take a leaf.

    Example:
        >>> evenly([[1, 2], [3, 4]], "DT_UINT8")
        array([[1, 2],
               [3, 4]], dtype=uint8)
        >>> evenly([[1, 2], [3]], "DT_UINT8")
    """
    numbers = _numbers(value, dtype)
    if numbers is not None:
        return numbers
    found = even(value)
    flat = None if found is None else array(found[1], dtype)
    return None if found is None or flat is None else flat.reshape(found[0])


def _numbers(value, dtype):
    """A list of numbers alone as an array, or None, in a third of the time that looking at each leaf takes.

    NumPy would take `true`, `"1"` and null for numbers, too, and 1.5 for 1, so the text tells whether there are any.
    """
    wanted = NUMPY.get(dtype)
    if wanted is None or wanted.kind not in "fiu":
        return None
    try:
        text = orjson.dumps(value)
        if any(part in text for part in (_NO_NUMBER if wanted.kind == "f" else _NO_INTEGER)):
            return None
        with np.errstate(over="ignore"):  # A number beyond float32 is infinite there.
            numbers = np.array(value, dtype=wanted)
        return numbers if numbers.ndim <= AXES else None
    except (TypeError, ValueError, OverflowError):  # Too deep, uneven, or beyond the type.
        return None


def tensor(value: Any, dtype: str) -> np.ndarray:
    """Returns a JSON value, nested lists or one leaf, as an array.

    Float types take any number, integer types take integers within their range, `DT_BOOL` takes true and false,
    `DT_STRING` takes strings and `{"b64": "..."}`. The shape is that of the first elements.

    Args:
        value: What JSON was parsed to: dict, list, str, int, float, bool or None.
        dtype: TensorFlow's name of the type, such as `"DT_FLOAT"`.

    Raises:
        ServingError: If the nesting is uneven or a leaf does not fit (`INVALID_ARGUMENT`), or if JSON cannot be
            converted to the type at all (`UNIMPLEMENTED`).

    Example:
        >>> tensor([[1, 2], [3, 4]], "DT_UINT8").shape
        (2, 2)
        >>> tensor("one", "DT_STRING").item()
        b'one'
    """
    fast = evenly(value, dtype) if type(value) is list else None
    if fast is not None:
        return fast
    shape: list[int] = []
    first = value
    while type(first) is list:
        shape.append(len(first))
        first = first[0] if first else None
    if len(shape) > AXES:
        raise invalid(f"Encountered list at unexpected level: {AXES} expected < {AXES}")
    _walk(value, 0, shape, dtype, [], True)
    leaves: list = []  # Nothing is wrong with it, it was only too odd to be converted as a whole.
    _walk(value, 0, shape, dtype, leaves, False)
    if dtype not in NUMPY:
        raise _unimplemented(value, dtype)
    return np.array(leaves, dtype=NUMPY[dtype]).reshape(shape)


def _walk(value, level, shape, dtype, leaves, hasty):
    """Appends the leaves of a value, or raises what is wrong with the first that does not fit, `hasty` only that."""
    if type(value) is not list:
        if level != len(shape):
            raise invalid(
                f"JSON Value: {quoted(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        leaves.append(leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )

    def fits(items):
        found = evenly(items, dtype)
        return found is not None and found.shape[1:] == tuple(shape[level + 1 :])

    for each in value[first_odd(value, fits) :] if hasty else value:
        _walk(each, level + 1, shape, dtype, leaves, hasty)


def first_odd(items: list, fits: Callable[[list], bool]) -> int:
    """Returns where to begin to look for the first item that does not fit: there, or at one of the 32 before it.

    Args:
        items: A list.
        fits: Whether some of the items fit, which is quick for many of them.

    Example:
        >>> first_odd([1] * 1000 + ["x"] * 1000, lambda items: "x" not in items)
        1000
    """
    low, high = 0, len(items)
    while high - low > 32:
        middle = (low + high) // 2
        if fits(items[low:middle]):
            low = middle
        else:
            high = middle
    return low


def leaf(value: Any, dtype: str) -> Any:
    """Returns one JSON value that is no list as a type takes it, strings as bytes.

    Raises:
        ServingError: If the type does not take it (`INVALID_ARGUMENT`), or takes nothing of JSON (`UNIMPLEMENTED`).

    Example:
        >>> leaf("one", "DT_STRING"), leaf(1, "DT_FLOAT")
        (b'one', np.float32(1.0))
    """
    wanted = NUMPY.get(dtype)
    if type(value) is dict and dtype == "DT_STRING":
        return from_base64(value)
    if wanted is None and type(value) is not dict:
        raise _unimplemented(value, dtype)
    converted = array([value], dtype)
    if converted is None:
        raise invalid(f"JSON Value: {quoted(value)} Type: {kind(value)} is not of expected type: {type_name(dtype)}")
    return converted[0]


def _unimplemented(value, dtype):
    return ServingError("UNIMPLEMENTED", f"Conversion of JSON Value: {quoted(value)} to type: {type_name(dtype)}")


def complete(arrays: dict[str, np.ndarray], signature: Signature) -> dict[str, np.ndarray]:
    """Returns the inputs with those that are missing at their defaults, in as many rows as the others have.

    An empty list is no rows, whatever shape a row has, of which JSON can tell nothing then.

    Raises:
        ServingError: If an array has a shape that the input does not take. TensorFlow would say so, too, but of the
            whole batch that the array shares.

    Example:
        >>> from kerasmlsp.serving.tensors import TensorInfo
        >>> infos = {"x": TensorInfo("x:0", "DT_FLOAT", (-1,)), "k": TensorInfo("k:0", "DT_INT32", (-1,))}
        >>> complete({"x": np.zeros(2, "float32")}, Signature(infos, {}, defaults={"k": 5}))["k"]
        array([5, 5], dtype=int32)
        >>> complete({"x": np.zeros((1, 3), "float32")}, Signature(infos, {}))
        Traceback (most recent call last):
        kerasmlsp.serving.errors.ServingError: `x` must have the shape (rows). Received: (1, 3)
    """
    infos = signature.inputs
    for name, given in arrays.items():
        if not infos[name].accepts(given.shape):
            arrays = {**arrays, name: _no_rows(name, given, infos[name].shape or ())}
    if len(arrays) == len(infos):
        return arrays
    rows = next((len(given) for name, given in arrays.items() if given.ndim and infos[name].shape != ()), 1)
    filled = dict(arrays)
    for name, info in infos.items():
        if name not in arrays:
            value = tensor(signature.defaults[name], info.dtype)
            filled[name] = value if info.shape == () else np.broadcast_to(value, (rows, *value.shape)).copy()
    return filled


def _no_rows(name, given, wanted):
    """An empty list as no rows of the shape that is wanted; anything else is refused."""
    if given.shape == (0,) and len(wanted) > 1 and wanted[0] in (-1, 0):
        return given.reshape(0, *(1 if size < 0 else size for size in wanted[1:]))
    received = f"({', '.join(map(str, given.shape))})"
    if not wanted:
        raise invalid(f"`{name}` must be one value. Received: shape {received}")
    sizes = ", ".join("any" if size < 0 else str(size) for size in wanted[1:])
    rows = "rows" if wanted[0] < 0 else str(wanted[0])
    raise invalid(f"`{name}` must have the shape ({rows}{', ' if sizes else ''}{sizes}). Received: {received}")


def json_values(name: str, array: np.ndarray) -> Any:
    """Returns an output as orjson takes it: texts in lists, numbers in an array, or the one value that it is.

    Args:
        name: The output; strings become `{"b64": "..."}` if it ends in `_bytes`.
        array: Its values; strings as bytes in an array of objects.

    Raises:
        ServingError: If JSON is not written from its type.

    Example:
        >>> json_values("label", np.array([b"good", b"\\xff"], object))
        ['good', '�']
        >>> json_values("cover_bytes", np.array([b"good"], object))
        [{'b64': 'Z29vZA=='}]
    """
    kind = array.dtype.kind + str(array.dtype.itemsize)
    if kind not in _WRITTEN:
        named = _UPSTREAM_NAMES.get(array.dtype.name, array.dtype.name)
        raise invalid(f"Failed to write JSON value for tensor type: {named}")
    if kind != "O8":
        if not (array.flags.c_contiguous and array.dtype.isnative):
            array = array.astype(array.dtype.newbyteorder("="), order="C")
        return array if array.ndim else array[()]
    flat: list = array.ravel().tolist()
    if name.endswith("_bytes"):
        flat = [{"b64": base64.b64encode(each).decode()} for each in flat]
    else:
        flat = [each.decode("utf-8", "replace") for each in flat]
    if array.ndim == 1:
        return flat
    values = np.empty(len(flat), object)
    values[:] = flat
    return values.reshape(array.shape).tolist()


def with_constants(values: np.ndarray | np.floating) -> orjson.Fragment:
    """Returns floats as text in which NaN and infinities are what TensorFlow Serving writes, for `orjson.dumps`.

    Example:
        >>> orjson.dumps({"x": with_constants(np.array([[0.1, -np.inf]], "float32"))})
        b'{"x":[[0.1,-Infinity]]}'
    """
    numbers = np.asarray(values)
    odd = numbers[~np.isfinite(numbers)].tolist()
    words = [b"NaN" if each != each else b"Infinity" if each > 0 else b"-Infinity" for each in odd]
    # orjson writes null for each of them, and for no other number.
    parts = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY).split(b"null")
    return orjson.Fragment(b"".join(part + word for part, word in zip(parts, [*words, b""], strict=True)))
