"""A network looked into: what its layers give, with some of them changed, and derivatives on both backends."""

import contextlib
import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

BATCH = 32
"""Inputs that are worked on at once."""
_LISTED = 12  # names in a message
_RELUS = ("relu", "relu6")
_ENDS = ("softmax", "sigmoid")


class Network:
    """A model whose layers, also those of models within it, can be looked at and changed while it runs.

    Args:
        model: A model of one input. One that is no graph of layers, such as a subclass with its own `call`, is taken
            as a whole.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model, self.graph = model, graph_of(model)
        self.layers: dict[str, tuple[int | None, ...]] = {}
        self.operations: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        inputs = getattr(model, "inputs", None) or [None]
        if len(inputs) != 1:
            raise ValueError(f"`model` must have one input. Received: {model.name}, which has {len(inputs)}")
        if self.graph is not None:
            self._list(self.graph, "")
            self._last = _last(self.graph)

    def _list(self, graph, path):
        for node in nodes(graph):
            operation = node.operation
            if graph_of(operation) is not None:
                self._list(graph_of(operation), f"{path}{operation.name}/")
            elif isinstance(operation, keras.layers.Layer):
                name = operation.name if operation.name not in self.layers else path + operation.name
                self.layers[name], self.operations[name] = tuple(node.outputs[0].shape), operation
                self._names.setdefault(id(operation), name)

    def check(self, layer: str, rank: int | None = None) -> str:
        """Returns the name of a layer; `rank` is that of its output with the batch."""
        fitting = [name for name, shape in self.layers.items() if rank in (None, len(shape))]
        if layer not in fitting:
            near = difflib.get_close_matches(str(layer), fitting, n=6) or [*fitting[:3], "...", *fitting[-3:]]
            there = ", ".join(fitting if len(fitting) <= _LISTED else near) or "it has none"
            what = "one with maps" if rank == 4 else "one of the model's"
            raise ValueError(f"`layer` must be {what}: {there}. Received: layer={layer!r}")
        return layer

    def run(
        self,
        inputs: Any,
        *,
        change: Mapping[str, Callable] | None = None,
        keep: Collection[str] = (),
        given: Mapping[str, Any] | None = None,
        rule: Callable | None = None,
        scores: bool = True,
        training: bool = False,
    ) -> tuple[Any, dict[str, Any]]:
        """Runs the model.

        Args:
            inputs: What it takes.
            change: By layer, a function of its output whose value takes the place of the output.
            keep: Layers whose outputs, as changed, are returned.
            given: By layer, a tensor that is taken as its output: the layer is not called.
            rule: Makes of an activation that is a rectifier another one.
            scores: Whether to return scores before the last activation, float32 `(batch, classes)`, whose softmax are
                the probabilities, in place of the model's output.
            training: Whether layers that train otherwise, such as dropout, do as in training.
        """
        if self.graph is None:
            return _scores(self.model(inputs, training=training), None) if scores else self.model(inputs), {}
        kept: dict[str, Any] = {}

        def visit(operation, *arguments, **options):
            name = self._names.get(id(operation), "")
            if given and name in given:
                return given[name]
            if "training" in getattr(operation, "_call_context_args", ()):
                options["training"] = training
            if scores and operation is self._last:
                output = _before(operation, arguments, options)
            else:
                output = _called(operation, arguments, options, rule)
            if change and name in change:
                output = _with_mask_of(output, change[name](output))
            if name in keep:
                kept[name] = output
            return output

        outputs = _through(self.graph, inputs, visit)
        output = keras.tree.flatten(outputs)[0]
        return (_scores(output, self._last) if scores else output), kept


def network(model: keras.Model) -> Network:
    """The `Network` of a model, made once for it as it is."""
    return _kept(model, "network", lambda: Network(model))


def compiled(model: keras.Model, key: Any, make: Callable[[], Callable]) -> Callable:
    """A function of arrays, compiled once for a model and a key.

    Args:
        model: The model that the function calls.
        key: What tells the function from others, hashable.
        make: Returns the function.
    """
    return _kept(model, key, lambda: _compiled(model, make()))


def _kept(model, key, make):
    # Past Keras's `__setattr__`, which would track it.
    kept = model.__dict__.setdefault("_interpreted", {})
    if kept.get("graph") is not graph_of(model):
        kept.clear()
        kept["graph"] = graph_of(model)
    if key not in kept:
        kept[key] = make()
    return kept[key]


def _compiled(model, function):
    if keras.backend.backend() == "jax":
        import jax

        def pure(values, *arguments):
            with keras.StatelessScope(state_mapping=list(zip(model.variables, values, strict=True))):
                return function(*arguments)

        jitted = jax.jit(pure)
        return lambda *arguments: jitted([variable.value for variable in model.variables], *arguments)
    import tensorflow as tf

    # XLA makes convolutions slower on CPUs.
    return tf.function(function, reduce_retracing=True, autograph=False, jit_compile=False)


def differentiated(function: Callable, values: Any) -> tuple[Any, Any, Any]:
    """Returns the value of a function, what else it returns, and the gradient of the value by its argument.

    Args:
        function: Of one tensor; returns a scalar and anything.
        values: The tensor.
    """
    if keras.backend.backend() == "jax":
        import jax

        (value, more), gradient = jax.value_and_grad(function, has_aux=True)(values)
        return value, more, gradient
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        value, more = function(values)
    return value, more, tape.gradient(value, values)


def gradients_of_each(function: Callable, values: Any, count: int) -> tuple[Any, Any]:
    """Returns `count` values of each example, and the gradient of each, by one run forward.

    Args:
        function: From values `(batch, ...)` to numbers `(batch, count)`.
        values: The tensor.
        count: How many numbers.

    Returns:
        The numbers, and gradients `(count, batch, ...)`.
    """
    if keras.backend.backend() == "jax":
        import jax

        numbers, back = jax.vjp(function, values)
        one = ops.repeat(ops.expand_dims(ops.eye(count), 1), numbers.shape[0], axis=1)
        return numbers, jax.lax.map(lambda row: back(row)[0], one)
    import tensorflow as tf

    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(values)
        numbers = function(values)
        sums = tf.reduce_sum(numbers, axis=0)
    # A loop, since depthwise convolutions have no vectorised gradient.
    return numbers, tape.jacobian(sums, values, parallel_iterations=1, experimental_use_pfor=False)


def in_batches(function: Callable, *arrays: Any, size: int = BATCH) -> Any:
    """Calls a function on parts of arrays, and joins what it returns, a NumPy array or a tuple of them."""
    found = []
    for begin in range(0, len(arrays[0]), size):
        part = function(*(each[begin : begin + size] for each in arrays))
        found.append(keras.tree.map_structure(ops.convert_to_numpy, part))
    if isinstance(found[0], tuple):
        return tuple(np.concatenate(each) for each in zip(*found, strict=True))
    return np.concatenate(found)


def scores_of(model: keras.Model, inputs: Any) -> np.ndarray:
    """The scores of the classes before the softmax, `(examples, classes)`."""
    run = compiled(model, "scores", lambda: lambda values: network(model).run(values)[0])
    return in_batches(run, inputs)


def probabilities_of(scores: np.ndarray) -> np.ndarray:
    """The softmax of scores."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shares / shares.sum(axis=1, keepdims=True)


def as_inputs(inputs: Any, argument: str = "images") -> np.ndarray:
    """Inputs as an array of float32, or of whole numbers where they are token ids; at least one."""
    found = np.asarray(ops.convert_to_numpy(inputs))
    found = found if np.issubdtype(found.dtype, np.integer) and found.ndim == 2 else found.astype("float32")
    if not len(found):
        raise ValueError(f"`{argument}` must hold at least one. Received: shape {found.shape}")
    return found


def class_numbers(classes: Any, scores: np.ndarray, argument: str = "classes") -> np.ndarray:
    """Class numbers as int32; the most probable where they are None."""
    count, examples = scores.shape[1], len(scores)
    if classes is None:
        return scores.argmax(axis=1).astype("int32")
    found = np.asarray(ops.convert_to_numpy(classes)).reshape(-1)
    found = np.repeat(found, examples) if len(found) == 1 else found
    if len(found) != examples or found.min() < 0 or found.max() >= count:
        raise ValueError(
            f"`{argument}` must be {examples} numbers from 0 to {count - 1}. Received: {np.asarray(classes).tolist()}"
        )
    return found.astype("int32")


def graph_of(model: Any) -> Any:
    """The graph of layers of a model; None where it has none."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_run_through_graph") else None


def nodes(graph: Any) -> Iterator:
    """The calls of a graph in the order of their calculation, without inputs."""
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        yield from (node for node in graph._nodes_by_depth[depth] if node.operation and not node.is_input)


def _last(graph):
    """The operation that gives a graph's first output."""
    operation = keras.tree.flatten(graph.outputs)[0]._keras_history.operation
    while isinstance(operation, keras.layers.Identity):
        operation = operation._inbound_nodes[-1].input_tensors[0]._keras_history.operation
    return operation if graph_of(operation) is None else _last(graph_of(operation))


def _through(graph, inputs, visit):
    """The outputs of a graph, with the graphs of models within it in their places."""

    def call(operation, *arguments, **options):
        inner = graph_of(operation)
        if inner is None:
            return visit(operation, *arguments, **options)
        return _through(inner, arguments[0], visit)

    inputs = [
        ops.cast(each, like.dtype) for each, like in zip(keras.tree.flatten(inputs), graph.inputs, strict=True)
    ]  # fmt: skip
    outputs = graph._run_through_graph(inputs, call_fn=call)
    return outputs[0] if isinstance(outputs, list | tuple) and len(outputs) == 1 else outputs


def _called(operation, arguments, options, rule):
    if rule is None:
        return operation(*arguments, **options)
    activation = getattr(operation, "activation", None)
    if getattr(activation, "__name__", None) in _RELUS:
        with _activation(operation, rule(activation)):
            return operation(*arguments, **options)
    if type(operation).__name__.lower() in _RELUS:  # the layer, and the operation of `keras.ops`
        return rule(lambda values: operation(values))(arguments[0])
    return operation(*arguments, **options)


def _before(operation, arguments, options):
    """What the last operation of a classifier gives before its activation."""
    if isinstance(operation, keras.layers.Softmax):
        return arguments[0]
    if getattr(getattr(operation, "activation", None), "__name__", None) not in _ENDS:
        return operation(*arguments, **options)
    with _activation(operation, keras.activations.linear):
        return operation(*arguments, **options)


@contextlib.contextmanager
def _activation(layer, activation):
    kept, layer.activation = layer.activation, activation
    try:
        yield
    finally:
        layer.activation = kept


def _scores(output, last):
    """Scores whose softmax are the probabilities: of two classes where there is one number for both."""
    if len(output.shape) != 2:
        raise ValueError(
            f"`model` must end in classes `(batch, classes)`. Received: outputs of shape {tuple(output.shape)}"
        )
    output = ops.cast(output, "float32")
    known = isinstance(last, keras.layers.Softmax) or hasattr(last, "activation")
    if output.shape[-1] == 1:
        score = output if known else ops.log(ops.maximum(output, 1e-12)) - ops.log(ops.maximum(1 - output, 1e-12))
        return ops.concatenate([ops.zeros_like(score), score], axis=-1)
    # What ends otherwise gives probabilities.
    return output if known else ops.log(ops.maximum(output, 1e-12))


def _with_mask_of(before, after):
    """Gives a tensor the mask that another has, by which texts are padded."""
    from keras.src.backend.common import masking

    mask = masking.get_keras_mask(before)
    if mask is not None:
        masking.set_keras_mask(after, mask)
    return after
