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


def write_graph(concrete: Any, freeze: Callable, name: str, file: pathlib.Path) -> None:
    """Writes the graph of a function that takes and returns a dict of tensors as an ONNX file with their names.

    Args:
        concrete: The concrete function of TensorFlow.
        freeze: Returns the graph without variables, given the function and the names of its inputs and outputs.
        name: Name of the graph.
        file: File to write.

    Raises:
        Exception: What tf2onnx fails with.

    Example:
        >>> # Not tested here, since it needs the extra `onnx`.
        >>> write_graph(concrete, tf2onnx.tf_loader.from_function, "net", "net.onnx")  # doctest: +SKIP
    """
    import tensorflow as tf
    from tf2onnx import convert, optimizer, tfonnx, utils

    inputs = [tensor.name for tensor in concrete.inputs if tensor.dtype != tf.resource]
    outputs = [tensor.name for tensor in concrete.outputs]
    frozen = freeze(concrete, inputs, outputs)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        converted = tfonnx.process_tf_graph(
            graph,
            opset=_OPSET,
            custom_op_handlers={name: (handler, []) for name, handler in _OPERATIONS.items()},
            input_names=inputs,
            output_names=outputs,
            tensors_to_rename=convert.tensor_names_from_structed(concrete, inputs, outputs),
        )
    # `reshape_optimizer` writes 0 for a size "as in the input"; `remove_back_to_back` then gives it another input.
    rewritings = {name: each for name, each in optimizer._get_optimizers().items() if name != "remove_back_to_back"}
    converted = optimizer.optimize_graph(converted, optimizers=rewritings)
    utils.save_protobuf(str(file), converted.make_model(name))


def _write_litert(model, file):
    import tensorflow as tf

    builtins = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    signature = [_specs(model, 1)]
    model.export(str(file), format="litert", verbose=False, input_signature=signature, target_spec=builtins)


def _specs(model, batch):
    import tensorflow as tf

    return {each.name: tf.TensorSpec((batch, *each.shape[1:]), each.dtype, name=each.name) for each in model.inputs}


def _replaced(ctx, node, operation, inputs):
    shapes, dtypes, name, outputs = node.output_shapes, node.output_dtypes, node.name, node.output
    ctx.remove_node(name)
    ctx.make_node(operation, inputs, name=name, outputs=outputs, shapes=shapes, dtypes=dtypes)


def _constant(ctx, array):
    from tf2onnx import utils

    return ctx.make_const(utils.make_name("constant"), array).output[0]


def _numpy_type(ctx, tensor):
    from tf2onnx import utils

    return utils.map_onnx_to_numpy_type(ctx.get_dtype(tensor))


def _erfc(ctx, node, name, args):
    """`1 - erf(x)`, of which Keras makes GELU."""
    one = _constant(ctx, np.array(1, _numpy_type(ctx, node.input[0])))
    _replaced(ctx, node, "Sub", [one, ctx.make_node("Erf", node.input).output[0]])


def _floor_mod(ctx, node, name, args):
    """The remainder with the sign of the divisor; tf2onnx's own has that of the dividend for whole numbers."""
    _replaced(ctx, node, "Sub", [node.input[0], _multiple(ctx, node)])


def _multiple(ctx, node):
    """The largest multiple of y up to x."""
    x, y = node.input
    if np.issubdtype(_numpy_type(ctx, x), np.integer):
        return ctx.make_node("Sub", [x, ctx.make_node("Mod", [x, y]).output[0]]).output[0]
    quotient = ctx.make_node("Floor", [ctx.make_node("Div", [x, y]).output[0]]).output[0]
    return ctx.make_node("Mul", [quotient, y]).output[0]


def _floor_div(ctx, node, name, args):
    """The quotient rounded down; tf2onnx's own is rounded towards 0 for whole numbers."""
    if np.issubdtype(_numpy_type(ctx, node.input[0]), np.integer):
        _replaced(ctx, node, "Div", [_multiple(ctx, node), node.input[1]])
    else:
        _replaced(ctx, node, "Floor", [ctx.make_node("Div", node.input).output[0]])


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


def _top_k(ctx, node, name, args):
    """The largest values and their places; tf2onnx's own compares whole numbers by their first 24 bits."""
    from onnx import TensorProto

    def cast(tensor, kind, **options):
        return ctx.make_node("Cast", [tensor], attr={"to": kind}, **options).output[0]

    (values, k), (top, places), shapes = node.input, node.output, node.output_shapes
    kind, kind_of_places = node.output_dtypes
    ctx.remove_node(name)
    exact = kind if kind in (TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64) else TensorProto.DOUBLE
    k = ctx.make_node("Reshape", [cast(k, TensorProto.INT64), _constant(ctx, np.array([1], "int64"))]).output[0]
    types = [exact, TensorProto.INT64]
    found = ctx.make_node("TopK", [cast(values, exact), k], output_count=2, dtypes=types, shapes=shapes)
    cast(found.output[0], kind, outputs=[top], dtypes=[kind], shapes=shapes[:1])
    cast(found.output[1], kind_of_places, outputs=[places], dtypes=[kind_of_places], shapes=shapes[1:])


def _dynamic_update_slice(ctx, node, name, args):
    """`x` with `update` in its place from `start` on."""
    from onnx import TensorProto, helper

    def make(operation, *inputs, **attributes):
        return ctx.make_node(operation, list(inputs), attr=attributes).output[0]

    x, update, start = node.input
    size, start = make("Shape", update), make("Cast", start, to=TensorProto.INT64)
    around = make("Concat", start, make("Sub", make("Sub", make("Shape", x), start), size), axis=0)
    ones = make("ConstantOfShape", size, value=helper.make_tensor("value", TensorProto.INT32, [1], [1]))
    covered = make("Cast", make("Pad", ones, around), to=TensorProto.BOOL)
    _replaced(ctx, node, "Where", [covered, make("Pad", update, around), x])


# Of 2022; the first with operations on bits.
_OPSET = 18
# What tf2onnx lacks or has wrong.
_OPERATIONS = {
    "Erfc": _erfc,
    "FloorMod": _floor_mod,
    "FloorDiv": _floor_div,
    "TopKV2": _top_k,
    "XlaDynamicUpdateSlice": _dynamic_update_slice,
}
_CONVERTERS = {
    "onnx": (*FORMATS["onnx"], _write_onnx, _open_onnx),
    "litert": (*FORMATS["litert"], _write_litert, _open_litert),
}
