"""Regularisation: how nets learn noise by heart, and what keeps them from it."""

import numpy as np

from kerasmlsp.figures import _data
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, logarithmic, panels
from kerasmlsp.figures._fitting import bending_nets, descend, numpy

# Units that bend between neighbouring points.
_STEEP = 6.0


@checked
def overfitting(
    *, units: tuple[int, ...] = (1, 3, 10, 30), count: int = 16, steps: int = 4000, rate: float = 0.02, seed: int = 1
) -> Drawing:
    """A noisy sine fitted by 1, 3, 10 and 30 hidden units: too stiff, right, and by heart.

    Reference: Hota, BITS F464 (2024), "Regularization in Neural Networks"; Sri Rama Murty, (Deep) Neural Networks
    (2021), "Overfitting"; Bishop 2006, "Pattern Recognition and Machine Learning", figure 5.9.

    Args:
        units: Hidden units `M` of each net.
        count: Points to learn from.
        steps: Steps of Adam on all points.
        rate: Learning rate.
        seed: Seed of noise and weights.

    Returns:
        The figure; for each `M` the mean squared error on the points that were `learnt`, and the one from the `sine`
        itself.

    Example:
        >>> figure, numbers = overfitting(units=(1, 3), steps=1)
        >>> len(numbers["learnt"]), len(numbers["sine"])
        (2, 2)
    """
    (x, t), (others, answers) = _data.sinusoid(count, seed), _data.sinusoid(200, seed, noise=0.0)
    nets = bending_nets(units, seed, _STEEP)
    descend(nets, x, t, steps=steps, rate=rate)
    learnt = [float(np.mean((numpy(net(x)) - t) ** 2)) for net in nets]
    sine = [float(np.mean((numpy(net(others)) - answers) ** 2)) for net in nets]
    figure, (axes,) = panels(1, len(nets), width=2.9, height=2.9)
    for panel, net, m, error, other in zip(axes, nets, units, learnt, sine, strict=True):
        panel.plot(others, answers, color=COLOURS[2], linestyle="--", label="sine")
        panel.plot(others, numpy(net(others)), color=COLOURS[1], label="net")
        panel.plot(x, t, "o", color=COLOURS[0], markersize=5, label="noisy points")
        panel.set_title(f"M = {m}\nerror on points {error:.2g}, from sine {other:.2g}", fontsize=9)
        panel.set(xlabel="x", ylim=(-1.9, 1.9))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return Drawing(figure, {"learnt": learnt, "sine": sine})


@checked
def early_stopping(
    *, units: int = 30, count: int = 12, steps: int = 2000, looks: int = 100, rate: float = 0.005, seed: int = 1
) -> Drawing:
    """The error on held-out points falls and rises again, while that on the points learnt from falls on.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Early Stopping"; Hota, BITS F464 (2024), "Regularization:
    Early Stopping".

    Args:
        units: Hidden units.
        count: Points to learn from; 200 others, with noise of their own, are held out.
        steps: Steps of Adam on all points.
        looks: How often the errors are measured.
        rate: Learning rate.
        seed: Seed of noise and weights.

    Returns:
        The figure; the `steps` measured after, mean squared errors `learnt` and `held_out` there, and `best`, the step
        of the least error on the held-out points.

    Example:
        >>> figure, numbers = early_stopping(units=3, steps=2, looks=2)
        >>> numbers["steps"], numbers["best"] in numbers["steps"]
        ([1, 2], True)
    """
    (x, t), (others, answers) = _data.sinusoid(count, seed), _data.sinusoid(200, seed + 1)
    (net,) = bending_nets([units], seed, _STEEP)
    done, learnt, held_out, lines = [], [], [], []

    def look(step):
        done.append(step)
        lines.append(numpy(net(others)))
        learnt.append(float(np.mean((numpy(net(x)) - t) ** 2)))
        held_out.append(float(np.mean((lines[-1] - answers) ** 2)))

    descend([net], x, t, steps=steps, rate=rate, looks=looks, look=look)
    best = int(np.argmin(held_out))
    figure, ((left, right),) = panels(1, 2, width=4.4, height=3.4)
    left.plot(done, learnt, color=COLOURS[0], label="points learnt from")
    left.plot(done, held_out, "--", color=COLOURS[1], label="held-out points")
    left.axvline(done[best], color="grey", linestyle=":", label=f"stop here, after {done[best]} steps")
    logarithmic(left, "x")
    left.set(
        xlabel="steps",
        ylabel="mean squared error",
        ylim=(0, 3 * min(held_out)),
        title=f"{units} hidden units, {count} points",
    )
    right.plot(x, t, "o", color=COLOURS[0], label="points learnt from")
    right.plot(others, lines[best], color=COLOURS[2], linewidth=2, label=f"after {done[best]} steps")
    right.plot(others, lines[-1], "--", color=COLOURS[1], label=f"after {done[-1]} steps")
    right.set(xlabel="x", title="the net then and at the end", xticks=(-1, 0, 1), ylim=(-2.1, 2.1))
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return Drawing(figure, {"steps": done, "learnt": learnt, "held_out": held_out, "best": done[best]})


@checked
def l1_l2(*, count: int = 40, features: int = 12, used: int = 3, penalty: float = 0.4, seed: int = 0) -> Drawing:
    """Weights of linear regression as a penalty grows: absolute values make them 0 one by one, squares only small.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "L1 vs L2" and "Weight Regularization"; Hota, BITS F464
    (2024), "Regularization: Weight Decay (L1/L2)".

    Args:
        count: Examples.
        features: Features, standard normal.
        used: How many of the features the targets depend on, at least 2.
        penalty: Factor of the penalty in the bars; the paths go from 0 to 30 times that.
        seed: Seed of the examples.

    Returns:
        The figure; `weights` "without" penalty, with "L1" and with "L2", how many of them are `zero`, and the `paths`
        of the first two weights alone, `(penalties, 2)`, under "L1" and "L2".

    Example:
        >>> figure, numbers = l1_l2(count=20, features=6)
        >>> numbers["zero"]["L1"] > numbers["zero"]["L2"] == 0
        True
    """
    random = np.random.default_rng(seed)
    x, truth = random.normal(size=(count, features)), np.zeros(features)
    truth[:used] = np.resize([0.5, 1.6, -1.0], used)
    t = x @ truth + random.normal(0, 0.5, count)
    weights = {"without": lasso(x, t, 0.0), "L1": lasso(x, t, penalty), "L2": ridge(x, t, penalty)}
    zero = {name: int(np.sum(values == 0)) for name, values in weights.items()}
    pair, factors = x[:, :2], np.concatenate([[0], penalty * np.geomspace(0.01, 30, 60)])
    rest = t - x[:, 2:] @ truth[2:]
    paths = {"L1": np.array([lasso(pair, rest, each) for each in factors])}
    paths["L2"] = np.array([ridge(pair, rest, each) for each in factors])
    figure, ((left, right),) = panels(1, 2, width=4.5, height=3.8)
    _draw_paths(left, pair, rest, paths)
    for (name, values), colour, hatch, shift in zip(
        weights.items(), COLOURS, ("", "//", ".."), (-1, 0, 1), strict=False
    ):
        label = name if name == "without" else f"{name}: {zero[name]} of {features} are 0"
        right.bar(
            np.arange(1, features + 1) + 0.27 * shift,
            values,
            0.27,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=label,
        )
    right.plot(np.arange(1, features + 1), truth, "_", color="black", markersize=18, label="truth")
    right.set(xlabel="feature", ylabel="weight", title=f"penalty {penalty:g}", xticks=range(1, features + 1))
    right.legend(fontsize=8)
    return Drawing(figure, {"weights": weights, "zero": zero, "paths": paths})


def _draw_paths(axes, x, t, paths):
    first, second = np.meshgrid(np.linspace(-0.4, 1.2, 60), np.linspace(-0.4, 2.2, 60))
    heights = np.mean((np.stack([first, second], axis=-1) @ x.T - t) ** 2, axis=-1)
    axes.contour(first, second, heights, levels=12, colors="grey", linewidths=0.6)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.axvline(0, color="black", linewidth=0.8)
    for (name, path), colour, mark in zip(paths.items(), COLOURS[1:], "o^", strict=False):
        axes.plot(*path.T, color=colour, marker=mark, markersize=4, label=f"{name}, as the penalty grows")
    axes.plot(*paths["L1"][0], "*", color=COLOURS[0], markersize=14, label="without penalty")
    axes.set(xlabel="weight 1", ylabel="weight 2", title="contours: squared error of the data")
    axes.legend(fontsize=8)


def lasso(x: np.ndarray, t: np.ndarray, l1: float, steps: int = 3000) -> np.ndarray:
    """Weights of the least `mean (x w - t)^2 + l1 sum |w|`, by gradient steps that shrink each weight towards 0.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "L1 vs L2"; Daubechies, Defrise and De Mol 2004, "An
    Iterative Thresholding Algorithm for Linear Inverse Problems with a Sparsity Constraint".

    Args:
        x: Examples `(examples, features)`.
        t: Targets `(examples,)`.
        l1: Factor of the penalty, as of `kerasmlsp.models.linear_regression` with the mean squared error.
        steps: Steps.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> lasso(x, np.array([2.0, 0.3]), l1=1.0).tolist()  # each weight loses l1, and stops at 0
        [1.0, 0.0]
    """
    gram, wanted, weights = 2 * x.T @ x / len(x), 2 * x.T @ t / len(x), np.zeros(x.shape[1])
    rate = 1 / np.linalg.eigvalsh(gram)[-1]
    for _ in range(steps):
        moved = weights - rate * (gram @ weights - wanted)
        weights = np.sign(moved) * np.maximum(np.abs(moved) - rate * l1, 0)
    return weights


def ridge(x: np.ndarray, t: np.ndarray, l2: float) -> np.ndarray:
    """Weights of the least `mean (x w - t)^2 + l2 sum w^2`.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "L1 vs L2".

    Args:
        x: Examples `(examples, features)`.
        t: Targets `(examples,)`.
        l2: Factor of the penalty, as of `kerasmlsp.models.linear_regression` with the mean squared error.

    Example:
        >>> ridge(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([2.0, 0.4]), l2=0.5).tolist()  # half of each
        [1.0, 0.2]
    """
    return np.linalg.solve(x.T @ x / len(x) + l2 * np.eye(x.shape[1]), x.T @ t / len(x))
