"""The nets behind `--architecture`, from raw speeds to raw speeds, and the saved model's functions."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from kerasmlsp import layers, losses, models, optimizers
from kerasmlsp.apps.traffic.config import DAY, Config
from kerasmlsp.data import traffic
from kerasmlsp.exporting import Input


def inputs(roads: int) -> dict[str, Input]:
    """What the inputs of the saved model are, for so many roads."""
    return {
        "speeds": Input("The last speeds of all roads, the oldest step first, in the unit of the training data."),
        "minute": Input("Minute of the day of the last step.", least=0, most=DAY - 1),
        "road": Input("Number of the road that is forecast, from 0.", least=0, most=roads - 1),
    }


def build_net(config: Config, network: traffic.Network, reachability: np.ndarray | None) -> keras.Model:
    """Builds the untrained net of an architecture, without the days that it looks up and without units."""
    horizon, roads = config.ahead()[-1], len(network.adjacency)
    if config.architecture == "graph-lstm":
        return models.graph_lstm_forecaster(
            network.adjacency, horizon, reachability=reachability, order=config.order, name="net"
        )
    if config.architecture == "convlstm":
        filters, size = (config.filters,) * 2, config.kernel_size
        return models.convlstm_encoder_forecaster(1, roads, 1, horizon, filters=filters, kernel_size=size, name="net")
    return models.graph_mlp_forecaster(
        network.adjacency,
        config.length,
        horizon,
        usual_steps=2 * (config.length + horizon),
        features=config.features,
        num_blocks=config.num_blocks,
        rank=config.rank,
        dropout=config.dropout,
        name="net",
    )


def build(config: Config, known: traffic.Speeds, network: traffic.Network, nets: Sequence[keras.Model]) -> keras.Model:
    """Builds the whole model around nets, whose mean it takes.

    Args:
        config: The configuration.
        known: Speeds that were trained on: what is standardised by, and the days that are looked up.
        network: The network.
        nets: Nets of `build_net`.

    Returns:
        A model from `speeds` `(batch, length, roads)` and `minute` and `position` `(batch,)` to `forecasts`
        `(batch, horizon, roads)`, all speeds in the unit of `known`; `position` is the step's number among those that
        are remembered, -1 where it is none of them.
    """
    roads = len(known.roads)
    speeds = keras.Input((config.length, roads), name="speeds")
    minute = keras.Input((), dtype="int32", name="minute")
    position = keras.Input((), dtype="int32", name="position")
    usual = _days(config, known)(speeds, minute // config.step_minutes, position)
    forecast = {"graph-mlp": _by_standard, "graph-lstm": _by_deviation, "convlstm": _by_row}[config.architecture]
    found = [forecast(net, speeds, usual, known, network) for net in nets]
    mean = found[0] if len(found) == 1 else keras.layers.Average(name="mean")(found)
    outputs = keras.layers.Identity(dtype="float32", name="forecasts")(mean)
    return keras.Model({"speeds": speeds, "minute": minute, "position": position}, outputs, name="traffic")


def remembered(config: Config, known: traffic.Speeds) -> int:
    """Returns the number of the first step of `known` that is remembered."""
    return max(0, len(known.values) - config.memory_days * DAY // config.step_minutes)


def _days(config, known):
    start = remembered(config, known)
    values, shift = known.values[start:], config.shift_minutes // config.step_minutes
    layer = layers.SimilarDays(
        len(values),
        len(known.roads),
        DAY // config.step_minutes,
        config.ahead()[-1],
        first=int(known.minutes()[start]) // config.step_minutes,
        sharpness=[1 / (config.similarity * max(float(known.values.var()), 1e-6)), 0.0],
        shifts=sorted({-shift, 0, shift}),
        own_share=0.1,
        dropout=config.day_dropout,
        name="days",
        dtype="float32",  # half precision would be off by a quarter
    )
    layer.remember(patterned(values, config.patterns))
    return layer


def patterned(values: np.ndarray, count: int) -> np.ndarray:
    """Returns speeds `(steps, roads)` as sums of so many patterns of the network, the strongest, around their means.

    What is looked up is thus what roads did together, without what one of them did by chance.
    """
    means = values.mean(0)
    steps, sizes, roads = np.linalg.svd(values - means, full_matrices=False)
    return means + (steps[:, :count] * sizes[:count]) @ roads[:count]


def _by_standard(net, speeds, usual, known, network):
    mean, scale = float(known.values.mean()), max(float(known.values.std()), 1e-6)
    courses = ops.reshape(usual, (-1, 2 * usual.shape[2], usual.shape[3]))
    found = net({"signal": (speeds - mean) / scale, "usual": (courses - mean) / scale})
    return found * scale + mean


def _by_deviation(net, speeds, usual, known, network):
    """What the net sees and says is how far from usual the speeds are, within (-1, 1)."""
    length, reach, usual = speeds.shape[1], max(float(known.values.max()), 1e-6), usual[:, 0]
    return usual[:, length:] + reach * net((speeds - usual[:, :length]) / reach)


def _by_row(net, speeds, usual, known, network):
    """As `_by_deviation`, with the roads in a row in which neighbours are near."""
    length, scale, usual = speeds.shape[1], max(float(known.values.std()), 1e-6), usual[:, 0]
    order = traffic.spectral_order(network.adjacency)
    row = ops.take((speeds - usual[:, :length]) / scale, order, axis=2)
    found = net(row[:, :, None, :, None])[:, :, 0, :, 0]
    return usual[:, length:] + scale * ops.take(found, np.argsort(order), axis=2)


def compiled(
    config: Config, known: traffic.Speeds, network: traffic.Network, reachability: np.ndarray | None, steps: int
) -> keras.Model:
    """Builds a model of one net and compiles it for `steps` training steps."""
    model = build(config, known, network, [build_net(config, network, reachability)])
    loss = losses.KnownSquaredError(max(float(known.values.std()), 1e-6))
    model.compile(optimizers.build(config, steps), loss)
    return model


def endpoints(model: keras.Model, zeros_missing: bool) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` gives `forecasts` `(batch, horizon, roads)`. `influence` takes besides the number of a road and
    gives for each road by how much the forecasts of that road would change if it had been faster by 1 at all steps
    seen, `(batch, roads)`: the mean over the horizon. A speed of 0 is one that was not measured where
    `zeros_missing`, and gets the last one before, or the first one after.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    _, length, roads = model.input["speeds"].shape

    def answer(speeds, minute):
        position = tf.fill(tf.shape(minute), -1)
        return model({"speeds": speeds, "minute": minute, "position": position}, training=False)

    def whole(speeds):
        return _filled(speeds) if zeros_missing else speeds

    def influence(speeds, minute, road):
        with tf.GradientTape() as tape:
            seen = whole(speeds)
            tape.watch(seen)
            chosen = tf.gather(tf.reduce_mean(answer(seen, minute), axis=1), road, axis=1, batch_dims=1)
        return {"influence": tf.reduce_sum(tape.gradient(chosen, seen), axis=1)}

    signature = {
        "speeds": tf.TensorSpec([None, length, roads], tf.float32, name="speeds"),
        "minute": tf.TensorSpec([None], tf.int32, name="minute"),
    }
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (lambda speeds, minute: {"forecasts": answer(whole(speeds), minute)}, signature),
        "influence": (influence, {**signature, "road": tf.TensorSpec([None], tf.int32, name="road")}),
    }
    return functions, [model]


def _filled(speeds):
    """Zeros get the last speed before, and those at the beginning the first one after."""
    steps = ops.unstack(speeds, axis=1)
    for order in (range(1, len(steps)), range(len(steps) - 2, -1, -1)):
        for at in order:
            other = steps[at - 1] if order.step > 0 else steps[at + 1]
            steps[at] = ops.where(steps[at] > 0, steps[at], other)
    return ops.stack(steps, axis=1)
