"""Graphs of TensorFlow written as ONNX, with the operations that tf2onnx lacks."""

import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np


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
