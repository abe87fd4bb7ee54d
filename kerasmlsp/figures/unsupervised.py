"""Unsupervised: the density of points, clusters of images, and words that fill gaps."""

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _data, _made
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import filler, learn
from kerasmlsp.metrics.distances import principal_components
from kerasmlsp.targets import pretext


@checked
def density(
    *,
    levels: int = 24,
    features: int = 32,
    steps: int = 600,
    batch: int = 100,
    rate: float = 5e-3,
    samples: int = 500,
    seed: int = 0,
) -> Drawing:
    """The distribution of points on a ring and a disc, learnt as `p(x1) p(x2 | x1)`, and new points drawn from it.

    Reference: Ganapathy, MLSP 2025, "Learning the distribution of the data"; Sri Rama Murty, (Deep) Neural Networks
    (2021), "Autoregressive Feedforward Models"; van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio".

    Args:
        levels: Levels that each coordinate is cut into.
        features: Features of the net, a WaveNet of one block that reads the first coordinate.
        steps: Steps of Adam, each on new points.
        batch: Points of a step.
        rate: Learning rate.
        samples: Points to draw.
        seed: Seed of points, weights and draws.

    Returns:
        The figure; the probability of each cell, `density` `(levels, levels)`, x1 first; the `drawn` cells `(samples,
        2)`; the `nats` of a new point by the net, by both coordinates as if they were "independent", and if all cells
        were "even".

    Example:
        >>> figure, numbers = density(levels=4, features=2, steps=1, batch=8, samples=5)
        >>> round(float(numbers["density"].sum()), 3), numbers["drawn"].shape
        (1.0, (5, 2))
    """
    keras.utils.set_random_seed(seed)
    cells, new = (_cells(count, levels, seed + place) for place, count in enumerate((steps * batch, 2000)))
    # The level behind the last stands before each point.
    base = models.wavenet(levels + 1, features=features, skip_features=2 * features, num_stacks=1, blocks_per_stack=1)
    net = keras.Model(base.input, base.output[..., :levels])
    before = np.stack([np.full(len(cells), levels), cells[:, 0]], axis=1).astype("int32")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    learn([net], before, cells, batch=batch, rate=rate, loss=loss)
    every = np.stack([np.full(levels, levels), np.arange(levels)], axis=1).astype("int32")
    shares = numpy(keras.ops.softmax(net(every)))
    found = shares[0, 0][:, None] * shares[:, 1]
    sides = [np.bincount(cells[:, side], minlength=levels) + 1.0 for side in (0, 1)]
    apart = np.outer(*(side / side.sum() for side in sides))
    nats = {"net": _nats(found, new), "independent": _nats(apart, new), "even": float(2 * np.log(levels))}
    random = np.random.default_rng(seed)
    chosen = random.choice(levels**2, samples, p=found.ravel() / found.sum())
    drawn = np.stack(np.unravel_index(chosen, found.shape), axis=1)
    figure, (axes,) = panels(1, 4, width=3, height=3.2)
    for panel, points, title in ((axes[0], new[:samples], "data"), (axes[3], drawn, "drawn from the net")):
        panel.scatter(*(points + random.uniform(-0.5, 0.5, points.shape)).T, s=4, color=COLOURS[0])
        panel.set(xlim=(-0.5, levels - 0.5), ylim=(-0.5, levels - 0.5), xticks=[], yticks=[], aspect="equal")
        panel.set_title(title, fontsize=9)
    for panel, name, each in ((axes[1], "net", found), (axes[2], "independent", apart)):
        what = "p(x₁) p(x₂ | x₁)" if name == "net" else "p(x₁) p(x₂)"
        pixels(panel, each.T, f"{what}: {nats[name]:.2f} nats", origin="lower", vmin=0, vmax=found.max())
    return Drawing(figure, {"density": found, "drawn": drawn, "nats": nats})


def _cells(count, levels, seed):
    """Points of a disc and a ring as numbers of cells of [-2.2, 2.2], int `(count, 2)`."""
    points, _ = _data.rings(count, seed)
    return np.clip(((points + 2.2) / 4.4 * levels).astype(int), 0, levels - 1)


def _nats(shares, cells):
    return float(-np.log(shares[cells[:, 0], cells[:, 1]]).mean())


@checked
def clusters(
    *,
    count: int = 600,
    numbers_of: tuple[int, ...] = (5, 10, 20, 40),
    components: int = 20,
    shown: int = 10,
    seed: int = 0,
) -> Drawing:
    """Groups that k-means finds in images of digits without labels, and how well they go with what the digits are.

    Needs scikit-learn, as `kerasmlsp.targets.pretext.cluster_labels` does.

    Reference: Ganapathy, MLSP 2025, "Detecting clusters in the data"; Lloyd 1982, "Least Squares Quantization in PCM".

    Args:
        count: Images.
        numbers_of: Numbers of clusters.
        components: Principal components of the images that are grouped.
        shown: Which number of clusters is drawn, one of `numbers_of`.
        seed: Seed of images and first centres.

    Returns:
        The figure; by the number of clusters the share of images whose digit is the most frequent of their cluster,
        `purity`, and what clusters of the same sizes at `random` reach; the mean images of the clusters shown, `means`.

    Example:
        >>> # Needs the extra `clustering`.
        >>> figure, numbers = clusters(count=40, numbers_of=(2,), shown=2)  # doctest: +SKIP
    """
    images, digits = _data.printed_digits(count, seed)
    flat = images.reshape(count, -1)
    labels = {number: pretext.cluster_labels(flat, number, components=components, seed=seed) for number in numbers_of}
    mixed = np.random.default_rng(seed).permutation(digits)
    purity = {number: _purity(each, digits) for number, each in labels.items()}
    random = {number: _purity(each, mixed) for number, each in labels.items()}
    means = np.stack([images[labels[shown] == place].mean(0) for place in range(shown)])
    mean, directions = principal_components(flat, 2)
    places = (flat - mean) @ directions
    figure, (axes,) = panels(1, 3, width=4.2, height=3.8)
    for place in range(shown):
        own = labels[shown] == place
        axes[0].scatter(*places[own].T, s=9, color=COLOURS[place % 7], marker=MARKS[place // 7 % 7], alpha=0.7)
    axes[0].set(title=f"{shown} clusters, first two components", xticks=[], yticks=[])
    columns = -(-shown // 2)
    sheet = np.zeros((2 * columns, *images.shape[1:]))
    sheet[:shown] = means
    rows = [np.concatenate(list(sheet[start : start + columns]), axis=1) for start in (0, columns)]
    pixels(axes[1], np.concatenate(rows), "mean images of the clusters", vmin=0, vmax=1)
    for values, name, colour, style in ((purity, "found", COLOURS[0], "o-"), (random, "random", "grey", "s--")):
        axes[2].plot(list(values), list(values.values()), style, color=colour, label=name)
    axes[2].set(xlabel="clusters", ylabel="purity", ylim=(0, 1), title="most frequent digit of the cluster")
    axes[2].legend(fontsize=8)
    return Drawing(figure, {"purity": purity, "random": random, "means": means})


def _purity(labels, digits):
    return float(sum(np.bincount(digits[labels == place]).max() for place in np.unique(labels)) / len(digits))


@checked
def fill_in(
    *,
    gaps: tuple[str, ...] = (
        "I [MASK] a student",
        "they [MASK] singers",
        "[MASK] is a doctor",
        "we are [MASK]",
        "she is a [MASK]",
        "you are [MASK] teacher",
    ),
    features: int = 32,
    steps: int = 500,
    batch: int = 64,
    most: int = 6,
    seed: int = 0,
) -> Drawing:
    """The words that a masked language model holds likely in gaps, by what stands on both sides of them.

    It learns made sentences, such as "I am a student" and "they are not singers today".

    Reference: Ganapathy, MLSP 2025, "Self-supervision as a task"; Devlin et al. 2019, "BERT: Pre-training of Deep
    Bidirectional Transformers for Language Understanding".

    Args:
        gaps: Sentences of the words of the made ones, each with one `[MASK]`.
        features: Size of the vectors.
        steps: Steps of Adam, each on new sentences.
        batch: Sentences of a step.
        most: Words that are drawn for a gap.
        seed: Seed of sentences and weights.

    Returns:
        The figure; by the sentence the `shares` of its `most` likeliest words, the largest first.

    Raises:
        ValueError: A sentence does not have one gap.

    Example:
        >>> figure, numbers = fill_in(gaps=("I [MASK] a student",), features=4, steps=1, batch=2, most=3)
        >>> len(numbers["shares"]["I [MASK] a student"])
        3
    """
    places = [sentence.split().index(_made.HIDDEN) if sentence.count(_made.HIDDEN) == 1 else -1 for sentence in gaps]
    if min(places) < 0:
        raise ValueError(f"`gaps` must be sentences with one word {_made.HIDDEN} each. Received: gaps={gaps}")
    net, known = filler(features=features, heads=2, steps=steps, seed=seed, batch=batch), _made.AGREEING
    ids = _made.numbered([each.split() for each in gaps], (*known, _made.HIDDEN), 6)
    shares = numpy(keras.ops.softmax(net(ids)))[np.arange(len(gaps)), places]
    # Neither padding nor unknown words, nor the id that hides a word.
    shares = shares[:, 2 : len(known)]
    order = np.argsort(-shares, axis=1)[:, :most]
    found = {
        sentence: {known[2 + place]: float(row[place]) for place in best}
        for sentence, row, best in zip(gaps, shares, order, strict=True)
    }
    columns = min(3, len(gaps))
    figure, grid = panels(-(-len(gaps) // columns), columns, width=3.2, height=1.9)
    for axes in grid.ravel()[len(gaps) :]:
        axes.set_axis_off()
    for axes, (sentence, words) in zip(grid.ravel(), found.items(), strict=False):
        axes.barh(list(words), list(words.values()), color=COLOURS[0])
        axes.invert_yaxis()
        axes.tick_params(labelsize=8)
        axes.set(xlim=(0, 1))
        axes.set_title(sentence, fontsize=9)
    return Drawing(figure, {"shares": found})
