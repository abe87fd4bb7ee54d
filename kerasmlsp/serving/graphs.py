"""A saved model as a worker holds it: its signatures as the file has them, warm-up, and calls with little between.

TensorFlow is imported inside the functions; the front never calls them.
"""

import contextlib
import functools
import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from kerasmlsp.exporting import loading
from kerasmlsp.serving.protos import message_classes
from kerasmlsp.serving.tensors import Signature, TensorInfo
from kerasmlsp.serving.values import complete

# tensorflow_serving/apis/prediction_log.proto, predict.proto and model.proto. A message and its bytes look the same in
# a file, so the tensors are left to TensorFlow.
_MESSAGES = {
    "Spec": {"name": (1, "string"), "signature_name": (3, "string")},
    "Input": {"key": (1, "string"), "value": (2, "bytes")},
    "Request": {"model_spec": (1, "Spec"), "inputs": (2, "repeated Input")},
    "PredictLog": {"request": (1, "Request")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
}
# As TensorFlow Serving has it.
_MOST_RECORDS = 1000
logger = logging.getLogger(__name__)


def import_tensorflow() -> None:
    """Imports TensorFlow, which takes seconds, without what its libraries write then.

    Example:
        >>> import_tensorflow()
    """
    with _quiet():
        import tensorflow  # noqa: F401


@functools.cache
def configure() -> None:
    """Sets up TensorFlow for a worker: one core for each operation, and no more of a GPU's memory than is needed.

    TensorFlow starts its threads then.

    Example:
        >>> configure()
    """
    with _quiet():
        import tensorflow as tf

        loading.prefer_whole_calls()
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        tf.constant(0)


@contextlib.contextmanager
def _quiet():
    """Keeps what TensorFlow's libraries write before they read TF_CPP_MIN_LOG_LEVEL out of the log."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        yield
        return
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Graph:
    """A saved model that has been loaded.

    Args:
        path: Its folder.

    Attributes:
        signatures: Every signature in the file, `__saved_model_init_op` too, with the defaults that file and card tell.
        card: The model card; empty if there is none.
        sizes: Numbers of rows to run with, rising; empty for any. What XLA compiles it compiles for each number, which
            takes seconds: on a CPU, where further rows save little, one by one, on a GPU in powers of two.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder is no saved model or a file in it is damaged.

    Example:
        >>> graph = Graph(loading.find("sentiment"))
        >>> graph.run("serving_default", {"text": np.array([b"Two hours I will not get back."], object)})["label"]
        array([b'neg'], dtype=object)
    """

    def __init__(self, path: pathlib.Path):
        configure()
        loaded = loading.restore(path)
        self.path = path
        self.card = _card(path)
        self.signatures, compiled = _read_signatures(path, self.card)
        self.sizes = _sizes() if compiled else []
        self._calls = {name: _call(signature) for name, signature in loaded.signatures.items()}
        # Its variables live as long as it does.
        self._loaded = loaded

    def run(self, name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Calls a signature with all of its inputs.

        Raises:
            KeyError: If there is no such signature that can be called, or an input is missing.
            tensorflow.errors.OpError: If the model refuses the values.
        """
        import tensorflow as tf

        tensors = {
            name: tf.constant(array, tf.string if array.dtype.kind == "O" else array.dtype)
            for name, array in arrays.items()
        }
        return {name: value.numpy() for name, value in self._calls[name](tensors).items()}

    def warm_up(self) -> int:
        """Runs the requests in `assets.extra/tf_serving_warmup_requests`, if there is such a file.

        Returns:
            How many there were.

        Raises:
            ValueError: If there are more than 1000, or one is no request to predict or has no such signature.
            Exception: What a request itself fails with.
        """
        count = 0
        for name, arrays in warm_up_requests(self.path):
            if name not in self._calls:
                raise ValueError(f"A warm-up request must name one of {sorted(self._calls)}. Received: {name!r}")
            self.run(name, complete(arrays, self.signatures[name]))
            count += 1
        return count


def _call(signature) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """How to call a signature: past the binding of its arguments where this TensorFlow lets us, a fifth quicker."""
    try:
        function, captured = signature.inference_fn, list(signature.captured_inputs)
        # The order in which the graph takes them; a name that it has changed is not found below.
        names = [each.name for each in function.cached_definition.signature.input_arg]
        names = names[: len(names) - len(captured)]
        fits = sorted(names) == sorted(signature.structured_input_signature[1])
    except AttributeError:
        fits = False
    if not fits:
        return lambda tensors: signature(**tensors)
    return lambda tensors: function.call_preflattened([*(tensors[name] for name in names), *captured])


def _sizes():
    import tensorflow as tf

    return [1, 2, 4, 8, 16, 32] if tf.config.list_physical_devices("GPU") else [1]


def _card(path):
    try:
        return loading.read_card(path)
    except ValueError as error:  # it only describes the model
        logger.warning("%s", error)
        return {}


def _read_signatures(path, card):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graph = next((each for each in saved.meta_graphs if "serve" in each.meta_info_def.tags), saved.meta_graphs[0])
    signatures = {}
    for name, definition in graph.signature_def.items():
        inputs = {key: _info(info) for key, info in definition.inputs.items()}
        known = card.get("endpoints", {}).get(name, {}).get("inputs", {})
        defaults = {key: known[key].get("default") for key in inputs.keys() & known.keys()}
        for key, proto in definition.defaults.items():
            value = tf.make_ndarray(proto)
            defaults[key] = (value[0] if value.ndim and value.ndim == len(inputs[key].shape or ()) else value).tolist()
        defaults = {key: each.decode() if isinstance(each, bytes) else each for key, each in defaults.items()}
        signatures[name] = Signature(
            inputs,
            {key: _info(info) for key, info in definition.outputs.items()},
            definition.method_name,
            {key: each for key, each in defaults.items() if each is not None},
        )
    functions = graph.graph_def.library.function
    return signatures, any(each.attr["_XlaMustCompile"].b for each in functions if "_XlaMustCompile" in each.attr)


def _info(proto):
    from tensorflow.core.framework import types_pb2

    shape = None if proto.tensor_shape.unknown_rank else tuple(each.size for each in proto.tensor_shape.dim)
    return TensorInfo(proto.name, types_pb2.DataType.Name(proto.dtype), shape)


def warm_up_requests(path: pathlib.Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields the endpoint and the inputs of each request in a saved model's `assets.extra/tf_serving_warmup_requests`.

    Raises:
        ValueError: If there are more than 1000, or one is no request to predict.

    Example:
        >>> [(name, list(inputs)) for name, inputs in warm_up_requests(loading.find("lenet_features"))]
        [('serving_default', ['image'])]
    """
    import tensorflow as tf
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework import tensor_pb2

    file = path / "assets.extra" / "tf_serving_warmup_requests"
    if not file.is_file():
        return
    log = message_classes(_MESSAGES)["PredictionLog"]
    for place, record in enumerate(tf.data.TFRecordDataset(str(file))):
        if place == _MOST_RECORDS:
            raise ValueError(f"{file} must hold at most {_MOST_RECORDS} requests. Received: more")
        try:
            request = log.FromString(record.numpy()).predict_log.request
            arrays = {
                each.key: tf.make_ndarray(tensor_pb2.TensorProto.FromString(each.value)) for each in request.inputs
            }
        except (DecodeError, TypeError) as error:
            raise ValueError(f"{file} is damaged: {loading.reason(error)}") from error
        if not arrays:
            raise ValueError(f"{file} must hold requests to predict. Received: one of another kind")
        yield request.model_spec.signature_name or "serving_default", arrays
