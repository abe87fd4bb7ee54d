"""How the small nets of the figures are trained and asked."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np

from kerasmlsp import models

# A graph takes a second to make, which is not worth it for few steps.
EAGER = 20


def bending_nets(sizes: Sequence[int], seed: int, steepness: float = 3.0) -> list[keras.Model]:
    """Universal approximators of so many units, which start steep enough to bend anywhere in [-1, 1]."""
    random, nets = np.random.default_rng(seed), []
    for place, units in enumerate(sizes):
        net = models.universal_approximator(units=units, name=f"net_{place}")
        spread = {(1, units): steepness, (units,): steepness / 1.5, (units, 1): units**-0.5}
        net.set_weights([random.normal(0, spread.get(each.shape, 0.0), each.shape) for each in net.get_weights()])
        nets.append(net)
    return nets


def numpy(value) -> np.ndarray:
    """A tensor as an array."""
    return keras.ops.convert_to_numpy(value)


def descend(
    nets: Sequence[keras.Model],
    inputs: np.ndarray,
    targets: np.ndarray | list[np.ndarray],
    *,
    steps: int,
    rate: float,
    loss: str = "mean_squared_error",
    looks: int = 1,
    look: Callable | None = None,
) -> None:
    """Trains nets side by side with Adam, each step on all examples: one graph for all.

    Args:
        nets: Nets of other names that take the same input.
        inputs: `(examples, ...)`.
        targets: Targets of every net, or a list with those of each.
        steps: Steps.
        rate: Learning rate.
        loss: Loss of every net.
        looks: How often to look on, in even distances.
        look: Called with the steps done so far.
    """
    source, each = keras.Input(inputs.shape[1:]), max(1, steps // looks)
    joint, eager = keras.Model(source, [net(source) for net in nets]), steps <= EAGER
    together = 1 if eager else each
    joint.compile(
        keras.optimizers.Adam(rate),
        [loss] * len(nets),
        run_eagerly=eager,
        jit_compile=False,
        steps_per_execution=together,
    )
    watcher = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: look((epoch + 1) * each) if look else None
    )
    rows, own = np.concatenate([inputs] * each), targets if isinstance(targets, list) else [targets] * len(nets)
    wanted = [np.concatenate([one] * each) for one in own]
    joint.fit(rows, wanted, batch_size=len(inputs), epochs=looks, shuffle=False, callbacks=[watcher], verbose=0)


def learn(
    net: keras.Model,
    inputs: np.ndarray,
    labels: np.ndarray,
    *,
    steps: int,
    rate: float = 1e-3,
    batch: int = 64,
    looks: int = 1,
    seed: int = 0,
) -> list[float]:
    """Trains a classifier with Adam on small batches, in which all examples come before one comes again.

    Args:
        net: The classifier, from inputs to probabilities.
        inputs: `(examples, ...)`.
        labels: Class numbers `(examples,)`.
        steps: Steps.
        rate: Learning rate.
        batch: Examples of a step.
        looks: Parts of even length into which the steps are divided.
        seed: Seed of the order.

    Returns:
        Mean loss of each part.
    """
    random, each, eager = np.random.default_rng(seed), max(1, steps // looks), steps <= EAGER
    size = min(batch, len(inputs))
    order = np.concatenate([random.permutation(len(inputs)) for _ in range(-(-looks * each * size // len(inputs)))])
    net.compile(
        keras.optimizers.Adam(rate),
        "sparse_categorical_crossentropy",
        run_eagerly=eager,
        jit_compile=False,
        steps_per_execution=1 if eager else min(each, 10),
    )
    losses = []
    for part in order[: looks * each * size].reshape(looks, -1):
        found = net.fit(inputs[part], labels[part], batch_size=size, shuffle=False, verbose=0)
        losses.extend(found.history["loss"])
    return losses


def slopes(function: Callable, x: np.ndarray) -> np.ndarray:
    """Derivative of each output of an elementwise function by its own input."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        point = tf.constant(x, tf.float32)
        tape.watch(point)
        total = tf.reduce_sum(function(point))
    return tape.gradient(total, point, unconnected_gradients="zero").numpy()


def gradients(model: keras.Model, inputs: np.ndarray, targets: np.ndarray) -> list[np.ndarray]:
    """Gradients of half the mean squared error by each weight."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(model(inputs) - targets)) / 2
    return [numpy(each) for each in tape.gradient(error, model.trainable_variables)]


def solve(features: np.ndarray, targets: np.ndarray, l2: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of the linear model with the least squares, plus `l2` times the weights' squares a row."""
    x, t = np.asarray(features, float), np.asarray(targets, float).reshape(len(features), -1)
    centre, level = x.mean(0), t.mean(0)
    gram = (x - centre).T @ (x - centre) + l2 * len(x) * np.eye(x.shape[1])
    weights = np.linalg.lstsq(gram, (x - centre).T @ (t - level), rcond=None)[0]
    return weights, level - centre @ weights


@contextlib.contextmanager
def without_graphs(steps: int) -> Iterator[None]:
    """Within it, what takes few steps runs operation by operation: a graph would take longer to make."""
    import tensorflow as tf

    if steps > EAGER:
        yield
        return
    with warnings.catch_warnings():
        # Pipelines of data stay graphs, which TensorFlow tells.
        warnings.filterwarnings("ignore", "Even though the `tf.config", UserWarning)
        tf.config.run_functions_eagerly(True)
        try:
            yield
        finally:
            tf.config.run_functions_eagerly(False)
