"""Which features of the input the error depends on, and what is left when the others are pruned."""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network, attributions

ERRORS = ("squared", "crossentropy")


def error_sensitivity(
    model: keras.Model, inputs: ArrayLike, labels: ArrayLike, *, error: str = "squared", layer: str | None = None
) -> np.ndarray:
    """Differentiates the error by every feature of the input, and averages the sizes over the examples.

    The error is `1/2 sum_k (y_k - t_k)^2`, with `y` the probabilities and `t` 1 for the true class and 0 for others, or
    the cross-entropy.

    Reference: Sri Rama Murty, IIT Hyderabad (2021), "Sensitivity of Error to Changes in Input".

    Args:
        model: A classifier of one input.
        inputs: `(examples, ...)` as the model takes them.
        labels: True class numbers, `(examples,)`.
        error: "squared" or "crossentropy".
        layer: As of `saliency`.

    Returns:
        float32 of the shape of one input (or of the layer's output for one): the mean size of `dJ / dx_i`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[3.0, -3.0], [0.0, 0.0]]), np.zeros(2)])
        >>> error_sensitivity(model, np.zeros((4, 2)), [0, 1, 0, 1]).round(2)  # the second feature has no weight
        array([1.5, 0. ], dtype=float32)
    """
    if error not in ERRORS:
        raise ValueError(f"`error` must be one of {', '.join(ERRORS)}. Received: error={error!r}")
    inputs = _network.as_inputs(inputs, "inputs")
    network = _network.network(model)
    labels = _network.class_numbers(labels, _network.scores_of(model, inputs), "labels")
    given = None if layer is None else network.check(layer)

    def make():
        def gradient(values, inputs, labels):
            def wrong(values):
                change = {given: lambda _: values} if given else None
                scores, _ = network.run(inputs if given else values, change=change)
                return ops.sum(_error(scores, labels, error)), None

            return _network.differentiated(wrong, ops.convert_to_tensor(values))[2]

        return gradient

    base = attributions._base(model, inputs, layer)
    found = _network.in_batches(_network.compiled(model, ("error", layer, error), make), base, inputs, labels)
    return np.abs(found).mean(axis=0)


def _error(scores, labels, error):
    targets = ops.one_hot(labels, scores.shape[-1])
    if error == "crossentropy":
        return -ops.sum(targets * ops.log_softmax(scores, axis=-1), axis=-1)
    return 0.5 * ops.sum(ops.square(ops.softmax(scores, axis=-1) - targets), axis=-1)


def pruned(inputs: ArrayLike, sensitivity: ArrayLike, share: float, *, fill: ArrayLike | None = None) -> np.ndarray:
    """Replaces the features that the error depends on least by what they are on average.

    Args:
        inputs: `(examples, ...)`.
        sensitivity: That of each feature, of the shape of one input; negate it to prune the most sensitive.
        share: Share of the features to prune, in `[0, 1]`.
        fill: What takes their place, of the shape of one input; None for the mean over the examples.

    Returns:
        float32 of the shape of the inputs.

    Raises:
        ValueError: `share` is out of range, or the shapes do not fit.

    Example:
        >>> pruned([[1.0, 2.0], [3.0, 6.0]], sensitivity=[0.5, 0.1], share=0.5)
        array([[1., 4.],
               [3., 4.]], dtype=float32)
    """
    inputs, sensitivity = np.asarray(inputs, "float32"), np.asarray(sensitivity)
    if not 0 <= share <= 1 or sensitivity.shape != inputs.shape[1:]:
        raise ValueError(
            f"`share` must be in [0, 1], and `sensitivity` of the shape {inputs.shape[1:]}. "
            f"Received: share={share}, shape {sensitivity.shape}"
        )
    gone = np.zeros(sensitivity.size, bool)
    gone[np.argsort(sensitivity, axis=None, kind="stable")[: round(share * sensitivity.size)]] = True
    mean = inputs.mean(axis=0) if fill is None else np.asarray(fill, "float32")
    return np.where(gone.reshape(sensitivity.shape), mean, inputs).astype("float32")


def pruning_curves(
    model: keras.Model,
    inputs: ArrayLike,
    labels: Sequence[int] | np.ndarray,
    sensitivity: np.ndarray,
    *,
    shares: Iterable[float] = (0.0, 0.25, 0.5, 0.75, 0.9),
    seed: int = 0,
) -> dict[str, dict[float, float]]:
    """Measures the accuracy when the least sensitive features are pruned, beside random and the most sensitive ones.

    Args:
        model, inputs, labels: As of `error_sensitivity`.
        sensitivity: What it returns, best of other examples.
        shares: Shares of the features to prune.
        seed: Seed of the random features.

    Returns:
        The accuracy by share, for "least sensitive", "random" and "most sensitive".

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[3.0, -3.0], [0.0, 0.0]]), np.array([0.1, 0.0])])
        >>> curves = pruning_curves(model, [[1.0, 5.0], [-1.0, 5.0]], [0, 1], np.array([1.5, 0.0]), shares=[0.5])
        >>> curves["least sensitive"], curves["most sensitive"]
        ({0.5: 1.0}, {0.5: 0.5})
    """
    inputs, labels = np.asarray(inputs, "float32"), np.asarray(labels)
    orders = {
        "least sensitive": sensitivity,
        "random": np.random.default_rng(seed).random(sensitivity.shape),
        "most sensitive": -sensitivity,
    }

    def accuracy(order, share):
        return float(np.mean(_network.scores_of(model, pruned(inputs, order, share)).argmax(axis=1) == labels))

    chosen = list(shares)
    return {name: {share: accuracy(order, share) for share in chosen} for name, order in orders.items()}
