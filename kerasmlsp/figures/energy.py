"""Energy: networks that recall what they have stored from a part of it, and how much they hold."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.models.energy import hopfield_overlaps


@checked
def hopfield_recall(*, letters: str = "JXO", size: int = 16, flipped: float = 0.2, seed: int = 0) -> Drawing:
    """Letters that a Hopfield network finds again from noisy ones, and from ones whose lower half is noise.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network".

    Args:
        letters: Letters to store, each a pattern; of more or of others, that are more alike, some are not found again.
        size: Height and width of a pattern.
        flipped: Share of the pixels of a noisy pattern that are flipped.
        seed: Seed of the noise.

    Returns:
        The figure; `overlap` with the stored pattern, 1 where all pixels are right, of the "noisy" and "half" patterns
        and of what is recalled from them, for each letter, and their `energy`.

    Example:
        >>> figure, numbers = hopfield_recall(letters="JX", size=8)
        >>> numbers["overlap"]["recalled from noisy"]
        [1.0, 1.0]
    """
    random = np.random.default_rng(seed)
    patterns = np.where(_data.glyphs(letters, size).reshape(len(letters), -1) > 0.5, 1.0, -1.0).astype("float32")
    network = models.hopfield_network(size**2)
    memory = network.get_layer("recalled")
    memory.store(patterns)
    below = np.arange(size**2) >= size * (size // 2)
    noisy = np.where(random.random(patterns.shape) < flipped, -patterns, patterns)
    half = np.where(below, random.choice([-1.0, 1.0], patterns.shape), patterns)
    found = np.split(numpy(network(np.concatenate([noisy, half]))), 2)
    states = {"stored": patterns, "noisy": noisy, "recalled from noisy": found[0]}
    states |= {"half": half, "recalled from half": found[1]}
    overlap = {name: np.mean(each * patterns, axis=1).tolist() for name, each in states.items()}
    energy = {name: numpy(memory.energy(each)).tolist() for name, each in states.items()}
    figure, grid = panels(len(letters), len(states), width=1.6, height=1.85)
    for row, axes in enumerate(grid):
        for panel, (name, each) in zip(axes, states.items(), strict=True):
            title = f"{name}\n" if row == 0 else ""
            pixels(panel, each[row].reshape(size, size), f"{title}overlap {overlap[name][row]:.2f}", vmin=-1, vmax=1)
            panel.set_xlabel(f"energy {energy[name][row]:,.0f}", fontsize=8)
    return Drawing(figure, {"overlap": overlap, "energy": energy})


@checked
def energy_landscape(*, units: int = 12, patterns: int = 3, starts: int = 8, seed: int = 0) -> Drawing:
    """The energy of every state of a small Hopfield network, and updates that roll down into its valleys.

    Some valleys are no stored pattern: there a hard ball gets stuck.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network".

    Args:
        units: Units; all `2^units` states are computed.
        patterns: Random patterns to store, at least 2.
        starts: Random states that recall starts from.
        seed: Seed of patterns and starts.

    Returns:
        The figure; `energies` of all states; how many `minima` there are, those that are `stored` patterns or their
        negatives, and the `spurious` others; and the energies along the `paths` `(updates + 1, starts)`.

    Example:
        >>> figure, numbers = energy_landscape(units=6, patterns=2, starts=2)
        >>> numbers["minima"] == numbers["stored"] + numbers["spurious"]
        True
        >>> bool((np.diff(numbers["paths"], axis=0) <= 0).all())  # no update raises the energy
        True
    """
    random = np.random.default_rng(seed)
    stored = random.choice([-1.0, 1.0], (patterns, units)).astype("float32")
    memory = models.hopfield_network(units).get_layer("recalled")
    memory.store(stored)
    states = np.array(list(itertools.product((-1.0, 1.0), repeat=units)), "float32")
    energies, lowest = numpy(memory.energy(states)), _minima(memory, states)
    known = (np.abs(states @ stored.T) == units).any(1)
    path = _recalled(memory, random.choice([-1.0, 1.0], (starts, units)).astype("float32"))
    falls = np.stack([numpy(memory.energy(each)) for each in path])
    figure, ((left, right),) = panels(1, 2, width=4.5, height=4)
    _draw_landscape(figure, left, states @ stored[:2].T / units, energies, lowest & known, lowest & ~known)
    ends = (np.abs(path[-1] @ stored.T) == units).any(1)
    for place, (fall, found) in enumerate(zip(falls.T, ends, strict=True)):
        first = list(ends).index(found) == place
        label = ("ends in a stored pattern" if found else "stuck elsewhere") if first else None
        right.plot(fall, "-" if found else "--", color=COLOURS[0 if found else 1], label=label, alpha=0.8)
    right.set(xlabel="updates of single units", ylabel="energy", title=f"recall from {starts} random states")
    right.legend(fontsize=8)
    counts = {
        "minima": int(lowest.sum()),
        "stored": int((lowest & known).sum()),
        "spurious": int((lowest & ~known).sum()),
    }
    return Drawing(figure, {"energies": energies, **counts, "paths": falls})


def _minima(memory, states):
    """Which states no update of a unit changes."""
    stays = np.ones(len(states), bool)
    for unit in range(states.shape[1]):
        stays &= (numpy(memory.update(states, unit)) == states).all(1)
    return stays


def _recalled(memory, states):
    """States after each update of one unit, until a sweep over all changes nothing."""
    path = [states]
    while True:
        for unit in range(states.shape[1]):
            path.append(numpy(memory.update(path[-1], unit)))
        if (path[-1] == path[-1 - states.shape[1]]).all():
            return path


def _draw_landscape(figure, axes, overlaps, energies, known, spurious):
    """The least energy of the states at each pair of overlaps with two stored patterns."""
    places = np.unique(overlaps.round(6), axis=0)
    least = [energies[np.isclose(overlaps, place, atol=1e-4).all(1)].min() for place in places]
    shown = axes.scatter(*places.T, c=least, cmap="viridis", marker="s", s=170)
    figure.colorbar(shown, ax=axes, label="least energy of the states there")
    axes.plot(
        *overlaps[known].T, "*", color="white", markeredgecolor="black", markersize=14, label="stored, or negative"
    )
    if spurious.any():
        axes.plot(
            *overlaps[spurious].T, "X", color=COLOURS[1], markeredgecolor="black", markersize=9, label="other minima"
        )
    axes.set(xlabel="overlap with pattern 1", ylabel="overlap with pattern 2", title="all states", aspect="equal")
    axes.set(xlim=(-1.15, 1.15), ylim=(-1.15, 1.5))
    axes.legend(fontsize=8, loc="upper center", ncols=2)


@checked
def capacity(
    *,
    units: Sequence[int] = (100, 300),
    loads: Sequence[float] = (0.05, 0.08, 0.1, 0.12, 0.138, 0.15, 0.18, 0.22),
    trials: int = 3,
    seed: int = 0,
) -> Drawing:
    """How much of random patterns a Hopfield network holds as they become more, with three measures of its capacity.

    The slide's `log2 D` is safe, and far from what can be stored.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Hopfield Network"; Amit, Gutfreund and Sompolinsky 1985,
    "Storing Infinite Numbers of Patterns in a Spin-Glass Model of Neural Networks"; McEliece et al. 1987, "The Capacity
    of the Hopfield Associative Memory".

    Args:
        units: Units `D` of each network.
        loads: Patterns for each unit.
        trials: Networks for each point.
        seed: Seed of the patterns.

    Returns:
        The figure; by `D` the mean `overlap` of a stored pattern with what recall from it ends in, at each load, and
        the `measures`: `log2 D`, `D / (2 ln D)` and `0.138 D`, in patterns.

    Example:
        >>> figure, numbers = capacity(units=(20,), loads=(0.05,), trials=1)
        >>> numbers["overlap"][20], [round(each, 1) for each in numbers["measures"][20].values()]
        ([1.0], [4.3, 3.3, 2.8])
    """
    overlap = {count: hopfield_overlaps(count, loads, trials=trials, seed=seed) for count in units}
    measures = {
        count: {"log₂ D": math.log2(count), "D / (2 ln D)": count / (2 * math.log(count)), "0.138 D": 0.138 * count}
        for count in units
    }
    figure, ((axes,),) = panels(1, 1, width=6, height=4)
    for (count, values), colour, mark in zip(overlap.items(), COLOURS, MARKS, strict=False):
        axes.plot(loads, values, color=colour, marker=mark, label=f"D = {count}")
    largest = units[-1]
    for (name, patterns), style in zip(measures[largest].items(), (":", "--", "-."), strict=True):
        axes.axvline(
            patterns / largest, color="black", linestyle=style, label=f"{name} = {patterns:.0f} for D = {largest}"
        )
    axes.set(xlabel="patterns for each unit", ylabel="overlap of a pattern with what is recalled", ylim=(0, 1.05))
    axes.set(title=f"recall from the stored pattern, mean of {trials} networks")
    axes.legend(fontsize=8, loc="lower left")
    return Drawing(figure, {"overlap": overlap, "measures": measures})
