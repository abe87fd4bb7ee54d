"""The endpoint of a saved model as an ONNX file, with all that is in it but the checks of its inputs."""

import copy
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kerasmlsp.exporting import converting
from kerasmlsp.exporting._onnx import write_graph
from kerasmlsp.exporting.loading import SavedModel

__all__ = ["convert_endpoint"]


def convert_endpoint(
    model: SavedModel,
    path: str | os.PathLike,
    *,
    endpoint: str = "serving_default",
    examples: Sequence[Mapping[str, Any]],
    tolerance: float = 1e-4,
) -> pathlib.Path:
    """Converts an endpoint to an ONNX file, once the file is shown to answer as the saved model.

    Inputs and outputs keep their names and their open axes. Outputs of text, such as the label, are left out: the
    classes are in the card. What the endpoint checks of its inputs is left out, too, and so is its answer to no rows.

    Args:
        model: A loaded saved model.
        path: File to write; an existing one is replaced.
        endpoint: Name of the endpoint.
        examples: Inputs by name, several times.
        tolerance: Largest difference allowed between floats, absolute below 1, relative above.

    Returns:
        `path`.

    Raises:
        ValueError: If a package is missing, the endpoint takes text, it cannot be converted, or the file answers
            differently.
        OSError: If the file cannot be written.

    Example:
        >>> from kerasmlsp.exporting import find, load
        >>> convert_endpoint(load(find("sentiment")), "sentiment.onnx", examples=[])
        Traceback (most recent call last):
        ValueError: `endpoint` must take numbers: the input text of serving_default is text, which ONNX nets cannot ...
    """
    import tensorflow as tf

    specs = model.endpoints[endpoint]["inputs"]
    if texts := sorted(name for name, spec in specs.items() if spec.dtype == tf.string):
        raise ValueError(
            f"`endpoint` must take numbers: the input {texts[0]} of {endpoint} is text, which ONNX nets cannot read."
        )
    converting.check_packages("onnx", converting.FORMATS["onnx"][1])
    kept = [name for name, spec in model.endpoints[endpoint]["outputs"].items() if spec.dtype != tf.string]
    if not kept:
        raise ValueError(f"`endpoint` must answer numbers, and {endpoint} answers text alone.")

    def call(inputs):
        answer = model._signatures[endpoint](**inputs)
        return {name: answer[name] for name in kept}

    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()}
    concrete = tf.function(call, input_signature=[named], autograph=False).get_concrete_function()
    pairs = []
    for each in examples:
        answer = model.call(endpoint, **each)
        feed = {name: np.asarray(each[name], spec.dtype.as_numpy_dtype) for name, spec in specs.items()}
        pairs.append((feed, {name: answer[name] for name in kept}))
    return converting.write_checked(
        path,
        "onnx",
        lambda file: write_graph(concrete, _frozen, model.path.parent.name, file),
        pairs,
        tolerance,
    )


def _frozen(concrete, inputs, outputs):
    """The graph of an endpoint without variables and without its guard, see `kerasmlsp.exporting.inputs.guarded`."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
    from tf2onnx import tf_loader

    frozen = convert_variables_to_constants_v2(concrete, lower_control_flow=False, aggressive_inlining=True)
    graph = frozen.graph.as_graph_def(add_shapes=True)
    for node in graph.node:
        if node.op == "PlaceholderWithDefault":
            kind = node.attr["dtype"].type
            node.attr.clear()
            node.op, node.attr["T"].type = "Identity", kind
        elif node.op in ("If", "StatelessIf"):
            _take_branch(node)
    for node in (*graph.node, *(each for function in graph.library.function for each in function.node_def)):
        # Checks of the inputs are waited for, and nothing else.
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)
    with tf.Graph().as_default():
        return tf_loader.tf_optimize(inputs, outputs, graph)


def _take_branch(node):
    """Makes of the choice between rows and no rows a call of what is done with rows."""
    kept = {name: copy.deepcopy(node.attr[name]) for name in ("Tin", "Tout", "then_branch")}
    arguments = list(node.input)[1:]
    del node.input[:]
    node.input.extend(arguments)
    node.attr.clear()
    node.op = "PartitionedCall"
    for name, value in kept.items():
        node.attr["f" if name == "then_branch" else name].CopyFrom(value)
