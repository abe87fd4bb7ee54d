"""Nets as ONNX and LiteRT files: converted, run, and compared with the net before the file gets its name."""

import contextlib
import importlib
import logging
import math
import os
import pathlib
import re
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.exporting import verifying
from kerasmlsp.exporting._onnx import write_graph
from kerasmlsp.exporting.loading import reason
from kerasmlsp.extras import install
from kerasmlsp.files import write_json

if TYPE_CHECKING:
    import keras

__all__ = ["convert"]
FORMATS = {"onnx": (".onnx", ("tf2onnx", "onnxruntime")), "litert": (".tflite", ("ai_edge_litert",))}
"""By format: the ending of its files, and the packages that write and run them."""
# How TensorFlow's converter and ONNX Runtime name what they lack.
_LACKING = re.compile(r"'tf\.(\w+)' op is neither a custom op|No Op registered for (\w+)")


def convert(
    model: "keras.Model",
    path: str | os.PathLike,
    format: str,
    *,
    examples: Any,
    tolerance: float = 1e-4,
    facts: dict | None = None,
) -> pathlib.Path:
    """Converts a model with numeric inputs to an ONNX or LiteRT file, once the file is shown to answer as the model.

    Inputs and outputs keep their names. An ONNX file keeps dynamic axes. A LiteRT file takes one example at a time,
    of any length, and has only built-in operations: with a dynamic batch, recurrent layers would need TensorFlow's own
    operations, which the LiteRT runtime lacks. The file is run on `examples` and on the first example alone, cut to
    about three quarters along its dynamic axes. An ONNX file is of opset 18: ONNX Runtime 1.14 or newer.

    Args:
        model: A functional or sequential `keras.Model`. Its `kerasmlsp.layers.LSTM` are no longer fused afterwards.
        path: File to write; an existing one is replaced.
        format: "onnx" or "litert".
        examples: Array of several rows, or for a model with several inputs a dict of arrays by input name.
        tolerance: Largest difference allowed between floats, absolute below 1, relative above.
        facts: What one has to know to use the file, such as the names of its classes; written beside it, as
            `<path>.json`. None for no such file.

    Returns:
        `path`.

    Raises:
        ValueError: If a package is missing, the model cannot be converted, or the file answers differently.
        OSError: If the file cannot be written.

    Example:
        >>> import keras
        >>> net = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        >>> # Not tested here, since it needs the extra `onnx`.
        >>> convert(net, "net.onnx", "onnx", examples=np.eye(3))  # doctest: +SKIP
        PosixPath('net.onnx')
    """
    if format not in _CONVERTERS:
        raise ValueError(f'`format` must be "onnx" or "litert". Received: {format!r}')
    import keras

    if keras.config.backend() != "tensorflow":
        raise ValueError(
            f"`convert` needs the environment KERAS_BACKEND=tensorflow. Received: {keras.config.backend()}"
        )
    _, packages, write, _ = _CONVERTERS[format]
    check_packages(format, packages)
    named = _with_names(model)
    feeds = _feeds(named, examples, one_by_one=format == "litert")
    expected = _answers(named, feeds)
    from kerasmlsp.layers.recurrent import unfuse

    unfuse(named)
    return write_checked(
        path, format, lambda file: write(named, file), list(zip(feeds, expected, strict=True)), tolerance, facts
    )


def write_checked(
    path: str | os.PathLike,
    format: str,
    write: Callable[[pathlib.Path], None],
    pairs: list[tuple[dict, dict]],
    tolerance: float,
    facts: dict | None = None,
) -> pathlib.Path:
    """Writes a file of a net, runs it, and gives it its name once it answers as it should.

    Args:
        path: File to write; an existing one is replaced.
        format: "onnx" or "litert".
        write: Writes it at a path.
        pairs: Arrays by name of the input, with the arrays by name of the output that are to come of them.
        tolerance: Largest difference allowed between floats, absolute below 1, relative above.
        facts: As of `convert`.

    Raises:
        ValueError: If it cannot be written, or answers differently.
        OSError: If there is no room for it.

    Example:
        >>> # Not tested here, since it needs the extra `onnx`.
        >>> write_checked("net.onnx", "onnx", write, pairs, 1e-4)  # doctest: +SKIP
        PosixPath('net.onnx')
    """
    suffix, _, _, open_file = _CONVERTERS[format]
    path = pathlib.Path(path)
    file = path.with_name(f".{uuid.uuid4().hex}{suffix}")
    try:
        _written(write, file, format)
        answers = _run(open_file, file, format, [feed for feed, _ in pairs])
        for answer, (_, expected) in zip(answers, pairs, strict=True):
            for name, value in expected.items():
                verifying.check_equal(f"Output `{name}` of the {format} file", value, answer[name], tolerance)
        if facts is not None:
            write_json(path.with_name(f"{path.name}.json"), facts)
        os.replace(file, path)
    finally:
        file.unlink(missing_ok=True)
    return path


def check_packages(format: str, packages: Iterable[str]) -> None:
    """Raises a `ValueError` where a package is missing that writes or runs files of a format.

    Example:
        >>> check_packages("onnx", ["not_there"])
        Traceback (most recent call last):
        ValueError: `format` "onnx" needs the package not_there: `pip install not_there`. Received: ...
    """
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ValueError(
                f'`format` "{format}" needs the package {package}: {install(package)}. Received: {error}'
            ) from error


def _with_names(model):
    # Keras keeps the names of a dict in the file and makes up the names of single outputs.
    import keras

    if not isinstance(model, keras.Model) or not getattr(model, "outputs", None):
        raise ValueError(f"`model` must be a functional or a built sequential `keras.Model`. Received: {model}")
    inputs = {tensor.name: tensor for tensor in model.inputs}
    if not hasattr(model, "output_names"):  # a sequential model
        outputs = {model.layers[-1].name: model.outputs[0]}
    elif isinstance(model.output, dict):
        outputs = model.output
    else:
        outputs = dict(zip(model.output_names, model.outputs, strict=True))
    return keras.Model(inputs, outputs, name=model.name)


def _feeds(model, examples, one_by_one):
    examples = examples if isinstance(examples, dict) else {model.inputs[0].name: examples}
    if examples.keys() != {tensor.name for tensor in model.inputs}:
        names = sorted(tensor.name for tensor in model.inputs)
        raise ValueError(f"`examples` must have the inputs {names}. Received: {sorted(examples)}")
    batch = {tensor.name: np.asarray(examples[tensor.name], tensor.dtype) for tensor in model.inputs}
    short = _shortened({name: array[:1] for name, array in batch.items()}, model)
    if not one_by_one:
        return [batch, short]
    rows = range(len(next(iter(batch.values()))))
    return [*({name: array[row : row + 1] for name, array in batch.items()} for row in rows), short]


def _shortened(example, model):
    """An example cut to about three quarters of its open axes, all by the same share where their lengths allow it."""
    axes = [
        (tensor.name, axis) for tensor in model.inputs for axis, size in enumerate(tensor.shape) if axis and not size
    ]
    parts = math.gcd(*(example[name].shape[axis] for name, axis in axes))
    for name, axis in axes:
        length = example[name].shape[axis]
        # A frame may stand for several samples.
        kept = -(-3 * length // 4) if parts == 1 else length // parts * (3 * parts // 4)
        example = {**example, name: np.take(example[name], range(kept), axis)}
    return example


def _answers(model, feeds):
    try:
        return [{name: value.numpy() for name, value in model(feed).items()} for feed in feeds]
    except Exception as error:
        raise ValueError(
            f"`model` must answer `examples`, also cut to three quarters. Received: {reason(error)}"
        ) from error


def _written(write, file, format):
    try:
        with _quiet():
            write(file)
    except OSError:
        raise
    except Exception as error:  # the converters have no common error
        raise _refusal(format, error, "the converter fails") from error


@contextlib.contextmanager
def _quiet():
    """Keeps back what converters and runtimes write to stderr, beside the error that they raise."""
    logger, kept = logging.getLogger("tf2onnx"), os.dup(2)
    level = logger.level
    try:
        logger.setLevel(logging.CRITICAL)
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        logger.setLevel(level)


def _refusal(format, error, failure):
    lacking = {name for pair in _LACKING.findall(str(error)) for name in pair if name}
    lacks = f"it has no operation for {', '.join(sorted(lacking))} of these types."
    said = lacks if lacking else f"{failure}. Received: {reason(error)}"
    return ValueError(f"`model` cannot be converted to {format}: {said}")


def _write_onnx(model, file):
    # Not by `keras.Model.export`, which hands tf2onnx neither operations nor the choice of its rewritings.
    import tensorflow as tf
    from tf2onnx import tf_loader

    traced = tf.function(lambda inputs: model(inputs, training=False), input_signature=[_specs(model, None)])
    write_graph(traced.get_concrete_function(), tf_loader.from_function, model.name, file)


def _write_litert(model, file):
    import tensorflow as tf

    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    signature = [_specs(model, 1)]
    model.export(str(file), format="litert", verbose=False, input_signature=signature, target_spec=builtins)


def _specs(model, batch):
    import tensorflow as tf

    return {each.name: tf.TensorSpec((batch, *each.shape[1:]), each.dtype, name=each.name) for each in model.inputs}


def _run(open_file, file, format, feeds):
    try:
        with _quiet():
            run = open_file(file)
            return [run(feed) for feed in feeds]
    except Exception as error:  # neither have the runtimes
        raise _refusal(format, error, "its file does not run") from error


def _open_onnx(file):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda feed: dict(zip(names, session.run(names, feed), strict=True))


def _open_litert(file):
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(str(file)).get_signature_runner("serving_default")
    return lambda feed: runner(**feed)


_CONVERTERS = {
    "onnx": (*FORMATS["onnx"], _write_onnx, _open_onnx),
    "litert": (*FORMATS["litert"], _write_litert, _open_litert),
}
