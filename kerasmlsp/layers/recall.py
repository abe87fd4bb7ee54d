"""Looking up what followed when the past looked like now, and taking it past a recurrent layer."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.layers.recurrent import cell_state, cell_step


@keras.saving.register_keras_serializable("kerasmlsp")
class Recall(keras.layers.Layer):
    """Puts beside each frame what followed earlier places of the sequence that looked like this one.

    An earlier place `s` resembles `t` by `r(t, s) = sum_j w_j (cos(x[t-j], x[s-j]) - 1)`, `j` from 0 to `span - 1`, at
    most 0; frames before the start are zeros. The softmax over `r(t, s)` for `s` in `t - window, ..., t - 1`, and over
    one more score `b` for "nothing like this", weighs the frames `x[s+1]`. Each head has its own `w` and `b`. Music
    repeats itself, and a recurrent state is too small to say how it went the last time.

    Reference: Grave, Joulin and Usunier 2017, "Improving Neural Language Models with a Continuous Cache"; Olsson et al.
    2022, "In-context Learning and Induction Heads".

    Args:
        num_heads: At least 1. At the start head `h` compares about `h / num_heads` of the `span`.
        span: Frames that are compared, at least 1.
        window: How far back to look, in frames, at least 1.

    Call arguments:
        inputs: `(batch, length, features)`, at least 0.

    Returns:
        `(batch, length, features + num_heads * (features + 1))`: the input, and for each head the weighted frame and
        the weight of "nothing like this".

    Raises:
        ValueError: An argument is less than 1.

    Example:
        >>> outputs = Recall(num_heads=2)(keras.ops.eye(3)[None])
        >>> tuple(outputs.shape)  # 3 + 2 * (3 + 1)
        (1, 3, 11)
        >>> float(outputs[0, 0, -1])  # at the start there is nothing to recall
        1.0
    """

    def __init__(self, num_heads: int = 1, span: int = 4, window: int = 512, **kwargs: Any):
        super().__init__(**kwargs)
        for name, value in (("num_heads", num_heads), ("span", span), ("window", window)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        self.num_heads, self.span, self.window = num_heads, span, window

    def build(self, input_shape):
        self.features = input_shape[-1]
        # In float32 throughout: a score may be a sum of many frames' differences.
        options = {"autocast": False, "dtype": "float32"}
        shape = (self.num_heads, self.span)
        self.sharpness = self.add_weight(name="sharpness", shape=shape, initializer=self._start, **options)
        rare = keras.initializers.Constant(-3.0)
        self.nothing = self.add_weight(name="nothing", shape=shape[:1], initializer=rare, **options)

    def _start(self, shape, dtype=None):
        heads, lags = ops.arange(1, self.num_heads + 1)[:, None], ops.arange(self.span)[None]
        return ops.cast(ops.where(lags * self.num_heads < heads * self.span, 1.5, 0.1), dtype)

    def call(self, inputs):
        frames = ops.cast(inputs, "float32")
        length = ops.shape(frames)[1]
        directions = _directions(frames)
        cosines = ops.matmul(directions, ops.transpose(directions, (0, 2, 1)))
        shifted = [ops.pad(cosines, ((0, 0), (j, 0), (j, 0)))[:, :length, :length] for j in range(self.span)]
        places = ops.arange(length)
        back = places[:, None] - places[None, :]
        seen = ops.logical_and(back >= 1, back <= self.window)
        following = ops.pad(frames[:, 1:], ((0, 0), (0, 1), (0, 0)))
        return self._found(inputs, shifted, seen, following)

    def initial_state(self, batch_size: int) -> list:
        """Zeros for the frames before the start, `(batch, window + span, features)`."""
        return [ops.zeros((batch_size, self.window + self.span, self.features), "float32")]

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one frame of every row.

        Args:
            inputs: `(batch, features)`.
            state: Frames before, as of `initial_state`.
            position: Scalar int: frames before.

        Returns:
            `(batch, features + num_heads * (features + 1))` and the new state.
        """
        frames = ops.concatenate([state[0][:, 1:], ops.cast(inputs, "float32")[:, None]], axis=1)
        directions = _directions(frames)
        last = self.window + self.span - 1
        # What is j frames old is compared with what is j frames older than each place.
        shifted = [
            ops.sum(directions[:, last - j, None] * directions[:, last - j - self.window : last - j], axis=-1)[:, None]
            for j in range(self.span)
        ]
        seen = ops.arange(self.window, 0, -1)[None] <= position
        found = self._found(inputs[:, None], shifted, seen, frames[:, -self.window :])
        return found[:, 0], [frames]

    def _found(self, inputs, shifted, seen, following):
        """Weighs the frames of `following (batch, places, features)` by the cosines `(batch, queries, places)`."""
        found = [inputs]
        for head in range(self.num_heads):
            scores = sum(self.sharpness[head, j] * (cosines - 1) for j, cosines in enumerate(shifted))
            nothing = ops.zeros_like(scores[:, :, :1]) + self.nothing[head]
            shares = ops.softmax(ops.concatenate([ops.where(seen, scores, -1e30), nothing], axis=-1))
            recalled = ops.concatenate([ops.matmul(shares[:, :, :-1], following), shares[:, :, -1:]], axis=-1)
            found.append(ops.cast(recalled, inputs.dtype))
        return ops.concatenate(found, axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.num_heads * (input_shape[-1] + 1))

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "span": self.span,
            "window": self.window,
        }


@keras.saving.register_keras_serializable("kerasmlsp")
class SimilarDays(keras.layers.Layer):
    """What usually comes at this time of the day: means of known days, which weigh more the more they were like now.

    A known day weighs `exp(-sharpness * d)`. Here `d` is the mean squared difference between its steps and those of the
    signal at the same time of the day, over all nodes, or to a share over the node itself; steps weigh the square of
    their number, so that the last count most. So Mondays are told from Sundays without a calendar. With `shifts` a day
    counts several times, so many steps later, since jams do not keep to the clock. The days are no trained weights:
    they may be others, or more, after training.

    Reference: Nadaraya 1964, "On Estimating Regression"; Lorenz 1969, "Atmospheric Predictability as Revealed by
    Naturally Occurring Analogues".

    Args:
        steps: Known steps, at least 1.
        nodes: Nodes of the signal, at least 1.
        day_steps: Steps of a day, at least 1.
        horizon: Steps to look ahead, at least 1.
        first: Step of the day of the first known step, from 0.
        sharpness: How much a difference counts, at least 0, for each mean; 0 for that of all days alike.
        shifts: Steps by which the time of the day may differ.
        own_share: Share of `d` that is the node's own, from 0 to 1.
        dropout: Probability that a day is left out in training, in `[0, 1)`: a new day may be like none of the known.

    Call arguments:
        signal: The last steps, `(batch, length, nodes)`.
        step: Step of the day of the last of them, int `(batch,)`.
        position: Number of the last of them among the known steps, which must not be its own example, int `(batch,)`;
            -1 where it is none of them.

    Returns:
        `(batch, means, length + horizon, nodes)`: for the steps of the signal and those after it; the mean of
        all known steps where no known day is whole around them.

    Raises:
        ValueError: An argument is too small.

    Example:
        >>> layer = SimilarDays(steps=8, nodes=1, day_steps=4, horizon=1, sharpness=[1.0])
        >>> layer.remember([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0], [7.0], [8.0]])  # two days of four steps
        >>> signal, step = keras.ops.array([[[5.0], [6.0]]]), keras.ops.array([1])
        >>> known, others = (layer(signal, step, keras.ops.array([place]))[0, 0, :, 0] for place in (-1, 5))
        >>> [round(float(each), 2) for each in known], [float(each) for each in others]  # others: not the day itself
        ([5.0, 6.0, 7.0], [1.0, 2.0, 3.0])
    """

    def __init__(
        self,
        steps: int,
        nodes: int,
        day_steps: int,
        horizon: int,
        first: int = 0,
        sharpness: Sequence[float] = (1.0, 0.0),
        shifts: Sequence[int] = (0,),
        own_share: float = 0.0,
        dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        sizes = {"steps": steps, "nodes": nodes, "day_steps": day_steps, "horizon": horizon}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        if not sharpness or min(sharpness) < 0:
            raise ValueError(f"`sharpness` must name numbers of at least 0. Received: sharpness={sharpness}")
        self.steps, self.nodes, self.day_steps, self.horizon = steps, nodes, day_steps, horizon
        if not 0 <= own_share <= 1:
            raise ValueError(f"`own_share` must be from 0 to 1. Received: own_share={own_share}")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` must be in [0, 1). Received: dropout={dropout}")
        self.first, self.sharpness, self.shifts, self.own_share = first, list(sharpness), list(shifts), own_share
        self.dropout, self.seed_generator = dropout, keras.random.SeedGenerator()
        # In float32 throughout: what sums differences of many nodes would be off by much.
        options = {"autocast": False, "dtype": "float32", "trainable": False}
        self.series = self.add_weight(name="series", shape=(steps, nodes), initializer="zeros", **options)

    def build(self, signal_shape, step_shape=None, position_shape=None):
        if signal_shape[-1] != self.nodes:
            raise ValueError(f"`signal` must be of {self.nodes} nodes. Received: shape {signal_shape}")

    def remember(self, series: ArrayLike) -> None:
        """Takes the known steps, `(steps, nodes)`."""
        self.series.assign(ops.convert_to_tensor(series, "float32"))

    def call(self, signal, step, position, training=False):
        length, signal = signal.shape[1], ops.cast(signal, "float32")
        step, position = (ops.cast(each, "int32")[:, None] for each in (step, position))
        places = ops.mod(step - self.first, self.day_steps) + self._candidates()
        whole = ops.logical_and(places >= length - 1, places + self.horizon < self.steps)
        another = ops.logical_or(ops.abs(places - position) * 2 >= self.day_steps, position < 0)
        whole = self._left(ops.logical_and(whole, another), training)
        rows = places[..., None] + ops.arange(1 - length, self.horizon + 1, dtype="int32")
        known = ops.take(self.series, ops.clip(rows, 0, self.steps - 1), axis=0)
        apart = self._apart(known[:, :, :length], signal)
        scores = [ops.where(whole[..., None], -each * apart, -1e30) for each in self.sharpness]
        scores = ops.stack(scores, axis=1)
        # Not by Keras's softmax, which warns of a single day.
        weights = ops.exp(scores - ops.max(scores, axis=2, keepdims=True))
        weights = weights / ops.sum(weights, axis=2, keepdims=True)
        found = ops.einsum("bmdn,bdtn->bmtn", weights, known)
        any_whole = ops.any(whole, axis=1)[:, None, None, None]
        found = ops.where(any_whole, found, ops.mean(self.series, axis=0))
        return ops.cast(found, self.compute_dtype)

    def _left(self, whole, training):
        """What dropout leaves of the candidates `(batch, days * shifts)`; all where it would leave none."""
        if not (training and self.dropout):
            return whole
        drawn = keras.random.uniform((ops.shape(whole)[0], self._days()), seed=self.seed_generator)
        left = ops.logical_and(whole, ops.repeat(drawn >= self.dropout, len(self.shifts), axis=1))
        return ops.where(ops.any(left, axis=1, keepdims=True), left, whole)

    def _days(self):
        return -(-self.steps // self.day_steps)

    def _candidates(self):
        """Steps from the time of the day on the first known day, `(1, days * shifts)`."""
        days = range(0, self.steps, self.day_steps)
        return ops.array([[day + shift for day in days for shift in self.shifts]], "int32")

    def _apart(self, known, signal):
        """Weighted mean squared differences, `(batch, candidates, nodes)`."""
        length = signal.shape[1]
        weights = np.arange(1, length + 1, dtype="float32") ** 2
        squares = ops.square(known - signal[:, None]) * (weights / weights.sum())[:, None]
        own = ops.sum(squares, axis=2)
        return self.own_share * own + (1 - self.own_share) * ops.mean(own, axis=2, keepdims=True)

    def compute_output_shape(self, signal_shape, step_shape=None, position_shape=None):
        return (signal_shape[0], len(self.sharpness), signal_shape[1] + self.horizon, self.nodes)

    def get_config(self):
        names = ("steps", "nodes", "day_steps", "horizon", "first", "sharpness", "shifts", "own_share", "dropout")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _directions(frames):
    """Frames at length 1; an empty one stays empty."""
    return frames / ops.sqrt(ops.sum(ops.square(frames), axis=-1, keepdims=True) + 1e-3)


@keras.saving.register_keras_serializable("kerasmlsp")
class Beside(keras.layers.Layer):
    """Puts the output of a recurrent layer beside its input, so that what comes later sees both.

    Dropout is for the recurrent layer only: what goes past it arrives whole.

    Reference: Graves 2013, "Generating Sequences With Recurrent Neural Networks" (connections past the hidden layers).

    Args:
        layer: A `keras.layers.RNN`, such as `kerasmlsp.layers.LSTM`, with `return_sequences`, without `return_state`.
        input_dropout: Drop probability of what the layer sees, in `[0, 1)`.
        dropout: Drop probability of its output, in `[0, 1)`.

    Call arguments:
        inputs: `(batch, length, features)`.
        training: Whether to drop.

    Returns:
        `(batch, length, features + units)`.

    Raises:
        ValueError: `layer` does not return sequences, or returns states.

    Example:
        >>> layer = Beside(keras.layers.LSTM(8, return_sequences=True))
        >>> outputs = layer(keras.ops.ones((1, 5, 3)))
        >>> tuple(outputs.shape), keras.ops.convert_to_numpy(outputs)[0, 0, :3].tolist()
        ((1, 5, 11), [1.0, 1.0, 1.0])
    """

    def __init__(self, layer: keras.layers.RNN, input_dropout: float = 0.0, dropout: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        if not (isinstance(layer, keras.layers.RNN) and layer.return_sequences and not layer.return_state):
            raise ValueError(f"`layer` must be an RNN layer that returns sequences only. Received: layer={layer}")
        self.layer, self.input_dropout, self.dropout = layer, input_dropout, dropout

    def build(self, input_shape):
        self.layer.build(input_shape)
        self.input_drop = keras.layers.Dropout(self.input_dropout, name="input_drop", dtype=self.dtype_policy)
        self.drop = keras.layers.Dropout(self.dropout, name="drop", dtype=self.dtype_policy)

    def call(self, inputs, training=False):
        states = self.layer(self.input_drop(inputs, training=training), training=training)
        return ops.concatenate([inputs, self.drop(states, training=training)], axis=-1)

    def initial_state(self, batch_size: int) -> list:
        """Zeros, `(batch, units)` each."""
        return cell_state(self.layer, batch_size)

    def step(
        self, inputs: keras.KerasTensor, state: list, position: int | keras.KerasTensor
    ) -> tuple[keras.KerasTensor, list]:
        """Works off one step of every row: `(batch, features)` to `(batch, features + units)` and the new state."""
        output, state = cell_step(self.layer, inputs, state)
        return ops.concatenate([inputs, ops.cast(output, inputs.dtype)], axis=-1), state

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.layer.units)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.layer)
        own = {"layer": layer, "input_dropout": self.input_dropout, "dropout": self.dropout}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("layer")), **config)
