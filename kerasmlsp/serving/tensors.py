"""What a signature takes and returns, by TensorFlow's names of types."""

import dataclasses
from typing import Any

import numpy as np

# Arrays of strings hold bytes. Types that JSON cannot be converted to are not here.
NUMPY: dict[str, np.dtype] = {
    "DT_FLOAT": np.dtype(np.float32),
    "DT_DOUBLE": np.dtype(np.float64),
    "DT_INT8": np.dtype(np.int8),
    "DT_INT16": np.dtype(np.int16),
    "DT_INT32": np.dtype(np.int32),
    "DT_INT64": np.dtype(np.int64),
    "DT_UINT8": np.dtype(np.uint8),
    "DT_UINT16": np.dtype(np.uint16),
    "DT_UINT32": np.dtype(np.uint32),
    "DT_UINT64": np.dtype(np.uint64),
    "DT_BOOL": np.dtype(np.bool_),
    "DT_STRING": np.dtype(object),
}


@dataclasses.dataclass(frozen=True)
class TensorInfo:
    """One input or output of a signature.

    Args:
        name: Name of the tensor in the graph, such as `"serving_default_text:0"`.
        dtype: TensorFlow's name of the type, such as `"DT_FLOAT"`.
        shape: Sizes of the axes, -1 where any is allowed; None where even the rank is unknown.

    Example:
        >>> info = TensorInfo("serving_default_image:0", "DT_UINT8", (-1, 64, 64, 3))
        >>> TensorInfo.from_json(info.to_json()) == info
        True
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    @classmethod
    def from_json(cls, value: dict) -> "TensorInfo":
        """Returns what `to_json` turned into JSON.

        Example:
            >>> TensorInfo.from_json({"name": "x:0", "dtype": "DT_INT64", "shape": None}).dtype
            'DT_INT64'
        """
        return cls(value["name"], value["dtype"], None if value["shape"] is None else tuple(value["shape"]))

    def to_json(self) -> dict:
        """Returns the values as JSON has them.

        Example:
            >>> TensorInfo("x:0", "DT_FLOAT", (-1, 2)).to_json()
            {'name': 'x:0', 'dtype': 'DT_FLOAT', 'shape': [-1, 2]}
        """
        return {"name": self.name, "dtype": self.dtype, "shape": None if self.shape is None else list(self.shape)}

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Whether an array of this shape may be fed.

        Example:
            >>> TensorInfo("x:0", "DT_FLOAT", (-1, 2)).accepts((5, 2))
            True
        """
        if self.shape is None or self.shape == shape:
            return True
        return len(self.shape) == len(shape) and all(
            wanted in (-1, size) for wanted, size in zip(self.shape, shape, strict=True)
        )


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a model is called with and what it answers.

    Args:
        inputs: What each input takes, by name.
        outputs: What each output is, by name.
        method_name: As the file has it, such as `"tensorflow/serving/predict"`.
        defaults: By name of an input: the value of one row, or of the scalar, where a request does not give the input.

    Example:
        >>> text, label = TensorInfo("text:0", "DT_STRING", (-1,)), TensorInfo("label:0", "DT_STRING", (-1,))
        >>> signature = Signature({"text": text}, {"label": label}, "tensorflow/serving/predict")
        >>> Signature.from_json(signature.to_json()) == signature
        True
    """

    inputs: dict[str, TensorInfo]
    outputs: dict[str, TensorInfo]
    method_name: str = ""
    defaults: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, value: dict) -> "Signature":
        """Returns what `to_json` turned into JSON.

        Example:
            >>> Signature.from_json({"inputs": {}, "outputs": {}, "method_name": "", "defaults": {}}).inputs
            {}
        """
        inputs, outputs = (
            {name: TensorInfo.from_json(each) for name, each in value[key].items()} for key in ("inputs", "outputs")
        )
        return cls(inputs, outputs, value["method_name"], dict(value["defaults"]))

    def to_json(self) -> dict:
        """Returns the values as JSON has them.

        Example:
            >>> Signature({}, {}, "tensorflow/serving/predict").to_json()["method_name"]
            'tensorflow/serving/predict'
        """
        return {
            "inputs": {name: info.to_json() for name, info in self.inputs.items()},
            "outputs": {name: info.to_json() for name, info in self.outputs.items()},
            "method_name": self.method_name,
            "defaults": self.defaults,
        }


def type_name(dtype: str) -> str:
    """Returns what errors call a type.

    Example:
        >>> type_name("DT_FLOAT"), type_name("DT_BFLOAT16")
        ('float', 'bfloat16')
    """
    return dtype.removeprefix("DT_").lower()


def shape_text(shape: tuple[int, ...]) -> str:
    """Returns a shape as errors have it, "?" for an axis of any size.

    Example:
        >>> shape_text((-1, 2))
        '[?,2]'
    """
    return f"[{','.join('?' if size < 0 else str(size) for size in shape)}]"
