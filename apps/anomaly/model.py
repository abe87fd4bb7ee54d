"""The autoencoders behind `--architecture`, the detector that is made of them, and the saved model's functions."""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasmlsp import losses, models, optimizers
from kerasmlsp.apps.anomaly.config import Config
from kerasmlsp.exporting import Input

STATE = ("mean", "variance", "rows", "peak", "age")
"""What a stream carries besides its window."""
LEAST = 1e-6
"""Least variance of an error, where the variance of the signal is 1."""
INPUTS = {
    "signals": Input(
        "Signals of the length that the net sees, in the units of the training data.", range="finite; NaN is abnormal"
    ),
    "window": Input(
        "The last rows of a stream, as the last call returned them; zeros at its beginning.", range="finite"
    ),
    "state": Input(
        "Mean and variance of the error, rows so far, highest score and rows since, as the last call returned them; "
        "zeros at the beginning of a stream.",
        range="finite",
    ),
    "values": Input("The next row of a stream, one value a channel.", range="finite"),
}


def build(config: Config, steps: int, channels: int, name: str = "autoencoder") -> keras.Model:
    """Builds an untrained autoencoder of normalised signals `(batch, steps, channels)`."""
    if config.architecture == "dense":
        net = models.denoising_autoencoder(
            steps * channels, config.code, hidden_units=(config.units,), noise=config.noise
        )
        signals = keras.Input((steps, channels), name="signals")
        rows = net(layers.Flatten(name="flat")(signals))
        outputs = layers.Reshape((steps, channels), dtype="float32", name="reconstruction")(rows)
        return keras.Model(signals, outputs, name=name)
    options: dict[str, Any] = {"frame": frame(steps), "code_dim": config.code, "noise": config.noise, "name": name}
    if config.architecture == "lstm":
        return models.lstm_autoencoder(steps, channels, units=max(config.units // 2, 1), **options)
    wide = max(config.units // 4, 1)
    return models.convlstm_signal_autoencoder(steps, channels, filters=(wide, max(wide // 2, 1)), **options)


def frame(steps: int) -> int:
    """Returns how many samples a step of a recurrent net takes: a divisor of all, near their root's half.

    Example:
        >>> [frame(steps) for steps in (140, 32, 31)]
        [5, 2, 1]
    """
    wanted = steps**0.5 / 2
    return min((each for each in range(1, steps + 1) if steps % each == 0), key=lambda each: abs(each - wanted))


def compiled(config: Config, steps: int, channels: int, updates: int, name: str) -> keras.Model:
    """Builds an autoencoder and compiles it for so many training steps."""
    model = build(config, steps, channels, name)
    assert config.width is not None
    model.compile(optimizers.build(config, updates), losses.SlopeError(config.width))
    return model


def detector(
    nets: Sequence[keras.Model],
    mean: np.ndarray,
    deviation: np.ndarray,
    config: Config,
    references: np.ndarray | None = None,
) -> keras.Model:
    """Joins trained autoencoders to what tells how unlike the normal a signal is.

    Args:
        nets: The autoencoders, of normalised signals.
        mean: Mean of each channel, `(channels,)`.
        deviation: Standard deviation of each channel, `(channels,)`.
        config: The configuration.
        references: Normal signals, `(rows, steps, channels)`, where the score goes by the nearest of them.

    Returns:
        A model from `signals` `(batch, steps, channels)` to `reconstruction`, the mean of the nets' in the units of
        the signals; `errors` `(batch, steps)`, root mean squares over channels and nets; and `score` `(batch,)`: the
        root mean square of the errors, the distance to the nearest reference, or the geometric mean of both.
    """
    steps, channels = nets[0].input_shape[1:]
    assert config.width is not None
    matrix = losses.slope_matrix(steps, config.width)
    signals = keras.Input((steps, channels), name="signals")
    seen = layers.Rescaling((1 / deviation).tolist(), (-mean / deviation).tolist(), name="normalised")(signals)
    copies = [net(seen) for net in nets]
    rows = ops.concatenate([*(seen - copy for copy in copies), seen], axis=-1)
    product = _fixed(layers.Dense(steps, use_bias=False, name="slopes"), (None, rows.shape[-1], steps), matrix.T)
    slopes = ops.transpose(product(ops.transpose(rows, (0, 2, 1))), (0, 2, 1))
    errors = ops.sqrt(ops.mean(slopes[..., : len(nets) * channels] ** 2, axis=-1))
    parts = []
    if config.score != "neighbour":
        parts.append(ops.sqrt(ops.mean(errors**2, axis=-1)))
    if config.score != "error":
        assert references is not None
        known = np.einsum("bsc,ts->btc", (references - mean) / deviation, matrix)
        flat = layers.Flatten(name="flat")(slopes[..., len(nets) * channels :])
        parts.append(_nearest(flat, known.reshape(len(known), -1)))
    score = parts[0] if len(parts) == 1 else ops.sqrt(parts[0] * parts[1])
    # LiteRT's converter cannot add two outputs of nets.
    middle = ops.mean(ops.stack(copies, axis=-1), axis=-1)
    middle = layers.Rescaling(deviation.tolist(), mean.tolist(), name="reconstruction")(middle)
    outputs = {"reconstruction": middle, "errors": errors, "score": score}
    return keras.Model(signals, outputs, name="detector")


def _nearest(flat, rows):
    """Root mean square distance to the nearest of some rows: all squares of differences by one product."""
    product = _fixed(layers.Dense(len(rows), name="references"), (None, rows.shape[1]), -2 * rows.T, (rows**2).sum(1))
    squares = ops.sum(flat**2, axis=-1) + ops.min(product(flat), axis=-1)
    return ops.sqrt(ops.maximum(squares, 0) / rows.shape[1])


def _fixed(layer, shape, *weights):
    """A layer with weights that are given and not trained."""
    layer.build(shape)
    values = [weights[0], *(weights[1:] or [np.zeros(weight.shape) for weight in layer.weights[1:]])]
    layer.set_weights([np.asarray(each, "float32") for each in values])
    layer.trainable = False
    return layer


def advanced(xp: ModuleType, error: Any, state: Any, start: Mapping[str, float], config: Config, steps: int) -> tuple:
    """Follows the error of a stream by one row: its usual size, and whether it is higher than lately.

    The score is the distance of the error from its mean so far, in standard deviations. Both are followed over the last
    `config.memory` rows, older ones being forgotten bit by bit, so that a stream of any length needs the same memory.

    Reference: Lavin and Ahmad 2015, "Evaluating Real-time Anomaly Detection Algorithms" (the likelihood of an error
    rather than the error is what alarms); Welford 1962 (moments row by row).

    Args:
        xp: `numpy` or `tensorflow`.
        error: Error of the newest row, `(streams,)`.
        state: `(streams, 5)`, see `STATE`; zeros at the beginning of a stream.
        start: `mean`, `variance` and `count` of the errors of normal rows.
        config: The configuration.
        steps: Rows of a window, before which there is no score.

    Returns:
        Score `(streams,)`, whether it is higher than in the last `config.rest` rows, and the new state.
    """
    mean, variance, rows, peak, age = (state[..., place] for place in range(len(STATE)))
    rows = rows + 1
    full, fresh = rows >= steps, rows <= steps
    mean, variance = xp.where(fresh, start["mean"], mean), xp.where(fresh, start["variance"], variance)
    score = xp.where(full, (error - mean) / xp.sqrt(xp.maximum(variance, LEAST)), 0.0 * error)
    first = full & (fresh | (score > peak) | (age >= config.rest))
    peak, age = xp.where(first | ~full, score, peak), xp.where(first | ~full, 0.0 * age, age + 1)
    rate = 1 / xp.minimum(start["count"] + xp.maximum(rows - steps, 0.0 * rows) + 1, float(config.memory))
    change = xp.where(full, error - mean, 0.0 * error)
    mean, variance = mean + rate * change, (1 - rate) * (variance + rate * change**2)
    return score, first, xp.stack([mean, variance, rows, peak, age], -1)


def followed(errors: np.ndarray, start: Mapping[str, float], config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the scores of the rows of a stream, from the first whole window on, and whether each is a new high."""
    state, scores, first = np.zeros(len(STATE)), np.zeros(len(errors)), np.zeros(len(errors), bool)
    for row, error in enumerate(errors):
        scores[row], first[row], state = advanced(np, error, state, start, config, steps=1)  # type: ignore[arg-type]
    return scores, first


def endpoints(
    model: keras.Model, task: str, known: Mapping[str, Any], config: Config
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` gives `score`, `abnormal`, whether that reaches the threshold, `errors` by step, and
    `reconstruction`. `step` of a stream takes one row after the other and gives besides `expected`, what the net makes
    of the row, and `alarm`, whether it is abnormal and the highest in a while.

    Args:
        model: As of `detector`.
        task: "segments" or "stream".
        known: Threshold, and for streams the start of their errors.
        config: The configuration.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    steps, channels = model.input_shape[1:]

    def reached(score):
        # What is no number is not normal. `~(score < threshold)` is turned into `score >= threshold` by TensorFlow.
        return (score >= known["threshold"]) | ~tf.math.is_finite(score)

    def whole(signals):
        found = dict(model(signals, training=False))
        if task == "stream":
            start = known["start"]
            found["score"] = (found["errors"][:, -1] - start["mean"]) / max(start["variance"], LEAST) ** 0.5
        return {**found, "abnormal": reached(found["score"])}

    def step(window, state, values):
        window = tf.concat([window[:, 1:], values[:, None]], 1)
        found = model(window, training=False)
        score, first, state = advanced(tf, found["errors"][:, -1], state, known["start"], config, steps)
        abnormal = reached(score)
        told = {"score": score, "abnormal": abnormal, "alarm": abnormal & first}
        return {**told, "expected": found["reconstruction"][:, -1], "window": window, "state": state}

    shapes = {"window": [None, steps, channels], "state": [None, len(STATE)], "values": [None, channels]}
    signature = {"signals": tf.TensorSpec([None, steps, channels], tf.float32, name="signals")}
    functions: dict[str, tuple[Callable, dict]] = {"serving_default": (whole, signature)}
    if task == "stream":
        specs = {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()}
        functions["step"] = (step, specs)
    return functions, [model]
