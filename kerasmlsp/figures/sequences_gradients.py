"""Sequences: how far gradients reach back in recurrent networks, and what they do at a cliff."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, logarithmic, panels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import KINDS, learn
from kerasmlsp.layers import LSTM, ResidualRecurrence


@checked
def bptt(*, lags: int = 50, units: int = 32, count: int = 16, seed: int = 0) -> Drawing:
    """How much of a gradient is left after it went back k steps through an RNN, an LSTM and a GRU.

    In a plain RNN the recurrent weights decide: it vanishes or explodes. In the others it is about the product of what
    their gates keep, which the bias of the forget gate, or the update gate, decides at the start.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Issues with RNNs"; Hota, BITS F464 (2024), "RNN Training:
    Backpropagation Through Time"; Pascanu, Mikolov and Bengio 2013, "On the Difficulty of Training Recurrent Neural
    Networks"; Gers, Schmidhuber and Cummins 2000, "Learning to Forget" (the bias of the forget gate).

    Args:
        lags: Most steps back.
        units: Size of each state.
        count: Random sequences to average over.
        seed: Seed of weights and sequences.

    Returns:
        The figure; by the name of the layer and what was changed at its start the mean norm of the slope of the last
        state by the input `k` steps before, as a share of that by the last input: `gradient`, `(lags + 1,)`.

    Example:
        >>> figure, numbers = bptt(lags=5, units=4, count=2)
        >>> len(numbers["gradient"]), numbers["gradient"]["RNN, weights x 0.5"].shape
        (10, (6,))
    """
    keras.utils.set_random_seed(seed)
    signal = np.random.default_rng(seed).normal(0, 0.1, (count, lags + 1, 2)).astype("float32")
    gradient, (figure, (axes,)) = {}, panels(1, 3, width=3.8, height=3.6)
    for panel, (name, kind, what, values) in zip(axes, _STARTS, strict=True):
        rows = {f"{name}, {what} {value:g}": _slope_by_lag(kind, units, signal, name, value) for value in values}
        if name == "RNN":
            rows["residual recurrence"] = _slope_by_lag(ResidualRecurrence, units, signal)
        for (label, row), colour, style in zip(rows.items(), COLOURS, ("-", "--", "-.", ":"), strict=False):
            panel.plot(row, style, color=colour, label=label, linewidth=2)
        panel.set(xlabel="lag k", ylabel="slope by the input k steps before", title=name, yscale="log")
        panel.set(ylim=(1e-12, 1e8))
        panel.legend(fontsize=7)
        gradient |= rows
    return Drawing(figure, {"gradient": gradient})


_STARTS = (
    ("RNN", keras.layers.SimpleRNN, "weights x", (0.5, 1.0, 2.0)),
    ("LSTM", LSTM, "forget bias", (-1.0, 1.0, 4.0)),
    ("GRU", keras.layers.GRU, "update bias", (0.0, 2.0, 4.0)),
)


def _slope_by_lag(kind, units, signal, name="", value=0.0):
    """Norms of the slopes of the last state, in a random direction, by the inputs from the last one back."""
    import tensorflow as tf

    options = {} if kind is ResidualRecurrence else {"return_sequences": True}
    layer: Any = kind(units, **options)
    layer.build(signal.shape)
    weights = layer.get_weights()
    if name == "RNN":
        weights[1] *= value
    elif name == "LSTM":
        weights[2][units : 2 * units] = value
    elif name == "GRU":
        weights[2][0, :units] = value
    layer.set_weights(weights)
    with tf.GradientTape() as tape:
        inputs = tf.constant(signal)
        tape.watch(inputs)
        total = tf.reduce_sum(layer(inputs)[:, -1] * np.random.default_rng(0).normal(size=units).astype("float32"))
    norms = np.linalg.norm(tape.gradient(total, inputs).numpy(), axis=-1).mean(0)[::-1]
    return norms / norms[0]


@checked
def adding_problem(
    *,
    length: int = 20,
    units: int = 24,
    steps: int = 600,
    batch: int = 64,
    looks: int = 15,
    rate: float = 0.01,
    seed: int = 0,
) -> Drawing:
    """An RNN, an LSTM and a GRU that learn to add the two numbers of a sequence that are marked.

    Who says 1 each time, without having read anything, errs by 1/6.

    Reference: Ganapathy, MLSP 2025, "Long-term dependency issues"; Hochreiter and Schmidhuber 1997, "Long Short-Term
    Memory".

    Args:
        length: Numbers of a sequence, evenly from 0 to 1; one of the first half is marked, and one of the second.
        units: Size of each state.
        steps: Steps of Adam, each on new sequences.
        batch: Sequences of a step.
        looks: Points of the curves.
        rate: Learning rate.
        seed: Seed of sequences and weights.

    Returns:
        The figure; `steps`, and by the name of the layer the mean squared `error` on 300 new sequences after them; the
        error of the constant `guess` on these.

    Example:
        >>> figure, numbers = adding_problem(length=4, units=2, steps=1, batch=4, looks=1)
        >>> numbers["steps"], list(numbers["error"])
        ([0, 1], ['RNN', 'LSTM', 'GRU'])
    """
    keras.utils.set_random_seed(seed)
    (inputs, sums), (others, wanted) = (_marked(n, length, seed + s) for s, n in enumerate((steps * batch, 300)))
    nets = [_reader(kind, name, length, units) for name, kind in KINDS.items()]
    done, error = [], {name: [] for name in KINDS}

    def look(step):
        done.append(step)
        for name, net in zip(KINDS, nets, strict=True):
            error[name].append(float(np.mean((numpy(net(others)) - wanted) ** 2)))

    look(0)
    learn(nets, inputs, sums, batch=batch, rate=rate, loss="mean_squared_error", looks=looks, look=look)
    guess = float(np.mean((wanted - 1) ** 2))
    figure, ((axes,),) = panels(1, 1, width=5.6, height=3.8)
    for (name, values), colour, mark in zip(error.items(), COLOURS, MARKS, strict=False):
        axes.plot(done, values, color=colour, marker=mark, markersize=4, label=f"{name}: {values[-1]:.2g} at the end")
    axes.axhline(guess, color="grey", linestyle="--", label="always 1")
    logarithmic(axes, "y")
    axes.set(xlabel="steps", ylabel="mean squared error on new sequences", title=f"two of {length} numbers to add")
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    return Drawing(figure, {"steps": done, "error": error, "guess": guess})


def _marked(count, length, seed):
    """Numbers and marks, `(count, length, 2)`, and the sums `(count, 1)` of those that are marked."""
    random = np.random.default_rng(seed)
    numbers, marks, rows = random.random((count, length)), np.zeros((count, length)), np.arange(count)
    for low, high in ((0, length // 2), (length // 2, length)):
        marks[rows, random.integers(low, high, count)] = 1
    return np.stack([numbers, marks], axis=-1).astype("float32"), (numbers * marks).sum(1, keepdims=True)


def _reader(kind: Callable, name: str, length: int, units: int) -> keras.Model:
    layers = [kind(units, name="recurrent"), keras.layers.Dense(1, name="sum")]
    return keras.Sequential([keras.Input((length, 2)), *layers], name=name.lower())


@checked
def clipping(
    *,
    steps: int = 50,
    updates: int = 150,
    rate: float = 0.3,
    norm: float = 0.5,
    start: tuple[float, float] = (5.0, -1.8),
) -> Drawing:
    """Descent on the error of one recurrent unit, which has a cliff: without clipping, one step throws it far away.

    The unit `h[n] = sigmoid(w h[n-1] + b)` starts from 0 and is to end at 0.7.

    Reference: Hota, BITS F464 (2024), "Problems with RNNs: Vanishing and Exploding gradients"; Pascanu, Mikolov and
    Bengio 2013, "On the Difficulty of Training Recurrent Neural Networks" (figure 6).

    Args:
        steps: Steps of the unit.
        updates: Steps of gradient descent.
        rate: Learning rate.
        norm: Longest gradient that clipping leaves.
        start: Weight and bias at the start.

    Returns:
        The figure; for "without" and "with clipping" the `paths` `(updates + 1, 2)` of weight and bias, the `errors`
        and the `norms` of the gradients along them; and the largest norm on the surface, `cliff`.

    Example:
        >>> figure, numbers = clipping(updates=3)
        >>> numbers["paths"]["with clipping"].shape
        (4, 2)
    """
    optimizers = {"without clipping": {}, "with clipping": {"global_clipnorm": norm}}
    paths = {name: _descended(options, steps, updates, rate, start) for name, options in optimizers.items()}
    found = {name: _cliff(path, steps) for name, path in paths.items()}
    errors, norms = ({name: each[place] for name, each in found.items()} for place in (0, 1))
    weight, bias = np.meshgrid(np.linspace(3.5, 6, 126), np.linspace(-3.2, -0.6, 131))
    heights, lengths = _cliff(np.stack([weight, bias], axis=-1), steps)
    norms = {name: np.linalg.norm(each, axis=-1) for name, each in norms.items()}
    figure, ((left, middle, right),) = panels(1, 3, width=4, height=3.7)
    shown = left.contourf(weight, bias, heights, levels=25, cmap="Greys")
    figure.colorbar(shown, ax=left, label="error")
    for (name, path), colour, mark in zip(paths.items(), (COLOURS[1], COLOURS[0]), "so", strict=True):
        left.plot(*path.T, color=colour, marker=mark, markersize=3, linewidth=1, label=name)
        middle.plot(errors[name], color=colour, label=name)
        right.plot(norms[name], color=colour, label=name)
    right.axhline(norm, color="grey", linestyle="--", label="longest that clipping leaves")
    logarithmic(right, "y")
    left.set(xlabel="weight w", ylabel="bias b", title="paths", xlim=(3.5, 6), ylim=(-3.2, -0.6))
    middle.set(xlabel="update", ylabel="error", title="error along the path")
    right.set(xlabel="update", ylabel="norm of the gradient", title="gradient along the path")
    for axes in (left, middle, right):
        axes.legend(fontsize=8)
    cliff = float(np.linalg.norm(lengths, axis=-1).max())
    return Drawing(figure, {"paths": paths, "errors": errors, "norms": norms, "cliff": cliff})


def _cliff(places, steps):
    """Errors and slopes by weight and bias of the unit of `clipping`, for weights and biases `(..., 2)`."""
    weight, bias = places[..., 0], places[..., 1]
    state = by_weight = by_bias = np.zeros(weight.shape)
    for _ in range(steps):
        after = 1 / (1 + np.exp(-(weight * state + bias)))
        slope = after * (1 - after)
        by_weight, by_bias = slope * (state + weight * by_weight), slope * (1 + weight * by_bias)
        state = after
    return (state - 0.7) ** 2, 2 * (state - 0.7)[..., None] * np.stack([by_weight, by_bias], axis=-1)


def _descended(options, steps, updates, rate, start):
    where, optimizer = keras.Variable(np.array(start)), keras.optimizers.SGD(rate, **options)
    path = [np.array(start)]
    for _ in range(updates):
        slopes = _cliff(path[-1], steps)[1]
        optimizer.apply([keras.ops.convert_to_tensor(slopes, where.dtype)], [where])
        path.append(where.numpy().astype(float))
    return np.array(path)
