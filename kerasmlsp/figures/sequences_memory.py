"""Sequences: what a recurrent network holds from step to step, and what it learns to hold."""

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, panels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import learn
from kerasmlsp.layers import LSTM, Stateful


@checked
def truncation(
    *,
    lag: int = 6,
    chunks: tuple[int, ...] = (2, 4, 6, 8, 12, 24),
    units: int = 24,
    steps: int = 400,
    batch: int = 32,
    rate: float = 0.01,
    seed: int = 0,
) -> Drawing:
    """An LSTM that is to say the bit of some steps ago, trained on pieces of a stream with the state carried on.

    The state crosses from piece to piece, the gradient does not: nothing is learnt from pieces as short as the lag.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Temporal Backpropagation"; Williams and Peng 1990, "An
    Efficient Gradient-Based Algorithm for On-Line Training of Recurrent Network Trajectories".

    Args:
        lag: Steps between a bit and when it is to be said.
        chunks: Lengths of the pieces, one net for each.
        units: Size of the state.
        steps: Steps of Adam, each on a piece of all streams.
        batch: Streams.
        rate: Learning rate.
        seed: Seed of bits and weights.

    Returns:
        The figure; by the length of the pieces the `accuracy` on new streams of 100 bits.

    Example:
        >>> figure, numbers = truncation(lag=1, chunks=(2,), units=2, steps=1, batch=2)
        >>> list(numbers["accuracy"])
        [2]
    """
    accuracy = {}
    bits, answers = _delayed(200, 100, lag, seed + 1)
    for chunk in chunks:
        keras.utils.set_random_seed(seed)
        layer = LSTM(units, return_sequences=True, return_state=True, name="recurrent")
        read = [Stateful(layer, batch, name="carried"), keras.layers.Dense(1, activation="sigmoid", name="bit")]
        net = keras.Sequential([keras.Input((None, 1)), *read])
        # Step by step the same streams, cut into pieces.
        streams = [each.reshape(batch, steps, chunk, 1) for each in _delayed(batch, steps * chunk, lag, seed)]
        pieces, wanted = (each.swapaxes(0, 1).reshape(-1, chunk, 1) for each in streams)
        learn([net], pieces, wanted, batch=batch, rate=rate, loss="binary_crossentropy")
        accuracy[chunk] = float(np.mean((numpy(net(bits)) > 0.5)[:, lag:] == (answers > 0.5)[:, lag:]))
    figure, ((axes,),) = panels(1, 1, width=5.4, height=3.7)
    axes.plot(list(accuracy), list(accuracy.values()), "o-", color=COLOURS[0], label="accuracy on new streams")
    axes.axvline(lag + 0.5, color=COLOURS[1], linestyle="--", label=f"longer than the lag of {lag}")
    axes.axhline(0.5, color="grey", linestyle=":", label="guessing")
    axes.set(xlabel="steps of a piece", ylabel="accuracy", ylim=(0.4, 1.02))
    axes.set(title=f"the bit of {lag} steps ago, after {steps} updates")
    axes.legend(fontsize=8)
    return Drawing(figure, {"accuracy": accuracy})


def _delayed(count, length, lag, seed):
    """Bits -1 and 1, `(count, length, 1)`, and as 0 and 1 those of `lag` steps before; 0 where there are none."""
    bits = np.random.default_rng(seed).choice([-1.0, 1.0], (count, length, 1)).astype("float32")
    before = np.concatenate([np.full((count, lag, 1), -1.0, "float32"), bits], axis=1)[:, :length]
    return bits, (before > 0).astype("float32")


@checked
def gates_over_time(
    *,
    length: int = 30,
    units: int = 4,
    steps: int = 500,
    batch: int = 64,
    often: float = 0.15,
    rate: float = 0.02,
    seed: int = 0,
) -> Drawing:
    """The gates of an LSTM that learnt to hold the latest value that was marked, while it reads a sequence.

    Where a mark stands the forget gate closes, and between marks it lets the cell keep what it has. The input gate
    tells less: what it lets in may be small.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "LSTM Cell"; Ganapathy, MLSP 2025, "Long Short Term Memory
    (LSTM) Idea".

    Args:
        length: Steps of a sequence.
        units: Size of the state.
        steps: Steps of Adam, each on new sequences.
        batch: Sequences of a step.
        often: Share of the steps that are marked; the first always is.
        rate: Learning rate.
        seed: Seed of sequences and weights.

    Returns:
        The figure; the `accuracy` on 200 new sequences; the mean of the `input` and `forget` gates "at marks" and
        "between" of the unit whose cell follows the value best, and this `correlation`; `off`, by how much the states
        of the formulas differ from those of the layer.

    Example:
        >>> figure, numbers = gates_over_time(length=5, units=2, steps=1, batch=4)
        >>> sorted(numbers["forget"]), numbers["off"] < 1e-5
        (['at marks', 'between'], True)
    """
    keras.utils.set_random_seed(seed)
    net = models.recurrent_tagger(2, 2, units=units)
    (signal, held), (others, wanted) = (
        _latched(count, length, often, seed + place) for place, count in enumerate((steps * batch, 200))
    )
    learn([net], signal, held, batch=batch, rate=rate, loss="sparse_categorical_crossentropy")
    layer = net.get_layer("recurrent_1")
    gates = _gates(layer, others)
    fits = [np.corrcoef(gates["cell"][..., unit].ravel(), wanted.ravel())[0, 1] for unit in range(units)]
    unit, marks = int(np.argmax(np.abs(fits))), others[..., 1] > 0
    means = {
        name: {"at marks": float(gates[name][marks, unit].mean()), "between": float(gates[name][~marks, unit].mean())}
        for name in ("input", "forget")
    }
    numbers = {"accuracy": float(np.mean(numpy(net(others)).argmax(-1) == wanted)), **means}
    numbers |= {"correlation": float(fits[unit])}
    off = float(np.abs(gates["state"] - numpy(layer(others))).max())
    figure = _draw_gates(others[0], wanted[0], {name: each[0, :, unit] for name, each in gates.items()})
    return Drawing(figure, {**numbers, "off": off})


def _latched(count, length, often, seed):
    """Values and marks `(count, length, 2)`, and whether the value of the latest mark is 1, `(count, length)`."""
    random, steps = np.random.default_rng(seed), np.arange(length)
    values, marks = random.choice([-1.0, 1.0], (count, length)), random.random((count, length)) < often
    marks[:, 0] = True
    latest = np.maximum.accumulate(np.where(marks, steps, 0), axis=1)
    held = np.take_along_axis(values, latest, axis=1) > 0
    return np.stack([values, marks], axis=-1).astype("float32"), held.astype("int32")


def _gates(layer, signal):
    """Gates, cell and state of a Keras LSTM at every step, `(batch, length, units)` each, by its formulas."""
    kernel, recurrent, bias = layer.get_weights()
    cell = state = np.zeros((len(signal), layer.units))
    found: dict = {name: [] for name in ("input", "forget", "output", "cell", "state")}
    for step in range(signal.shape[1]):
        sums = np.split(signal[:, step] @ kernel + state @ recurrent + bias, 4, axis=1)
        entry, forget, output = (1 / (1 + np.exp(-sums[place])) for place in (0, 1, 3))
        cell = forget * cell + entry * np.tanh(sums[2])
        state = output * np.tanh(cell)
        for each, value in zip(found.values(), (entry, forget, output, cell, state), strict=True):
            each.append(value)
    return {name: np.stack(each, axis=1) for name, each in found.items()}


def _draw_gates(signal, held, gates):
    figure, rows = panels(3, 1, width=8, height=1.7)
    (top, middle, bottom), steps = rows[:, 0], np.arange(len(signal))
    marked = signal[:, 1] > 0
    top.plot(steps, signal[:, 0], ".", color="grey", label="value")
    top.plot(steps[marked], signal[marked, 0], "o", color=COLOURS[1], label="marked")
    top.step(steps, 2.0 * held - 1, where="mid", color=COLOURS[2], label="to be held")
    for name, colour, style in zip(("input", "forget", "output"), COLOURS, ("-", "--", ":"), strict=False):
        middle.plot(steps, gates[name], style, color=colour, label=f"{name} gate", marker=".")
    bottom.plot(steps, gates["cell"], color=COLOURS[0], label="cell", marker=".")
    bottom.plot(steps, gates["state"], "--", color=COLOURS[1], label="output of the unit", marker=".")
    middle.set(ylim=(-0.05, 1.05))
    bottom.set(xlabel="step")
    for axes in (top, middle, bottom):
        for step in steps[marked]:
            axes.axvline(step, color="lightgrey", linewidth=1, zorder=0)
        axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
