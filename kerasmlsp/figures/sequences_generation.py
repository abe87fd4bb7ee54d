"""Sequences: variants of the LSTM on music, reach and speed of WaveNet, and words in a plane."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from kerasmlsp import exporting, generation, losses, models
from kerasmlsp.figures import _made
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, logarithmic, panels, pixels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import learn
from kerasmlsp.layers import GatedConvolutions, LSTMVariantCell
from kerasmlsp.metrics.distances import principal_components
from kerasmlsp.music import reading

# Each but the last changes the one with peepholes in one way.
_VARIANTS: dict[str, dict] = {
    "vanilla": {},
    "no input gate": {"input_gate": False},
    "no forget gate": {"forget_gate": False},
    "no output gate": {"output_gate": False},
    "no input activation": {"input_activation": False},
    "no output activation": {"output_activation": False},
    "no peepholes": {"peepholes": False},
    "coupled gates": {"coupled_gates": True},
    "full gate recurrence": {"gate_recurrence": True},
}


@checked
def lstm_variants(
    *,
    data: str | Path | None = None,
    pieces: int = 40,
    length: int = 16,
    units: int = 24,
    epochs: int = 20,
    seeds: int = 3,
    rate: float = 0.01,
) -> Drawing:
    """The LSTM and eight variants of it on next-frame prediction of music, from several starts each.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Variants of LSTMs"; Greff et al. 2017, "LSTM: A Search
    Space Odyssey" (JSB Chorales).

    Args:
        data: A file or folder of music, such as the JSB chorales as JSON, of whose pieces those of the split "train"
            are learnt, and the others measured on; by default chords in four voices, made from a seed.
        pieces: Most pieces to learn from, and as many to measure on.
        length: Frames of a piece; longer ones are cut, shorter ones left out.
        units: Size of the states.
        epochs: Passes over the pieces, ten of them in a step.
        seeds: Starts of each variant.
        rate: Learning rate.

    Returns:
        The figure; by the name of the variant the `nats` of a frame of new pieces for each start, and its number of
        `parameters`; the nats of the frame `before`, which says that the keys stay as they are with the share of keys
        that do.

    Example:
        >>> figure, numbers = lstm_variants(pieces=2, length=2, units=2, epochs=1, seeds=1)
        >>> len(numbers["nats"]), numbers["parameters"]["vanilla"]  # 4 (2 (88 + 2 + 1)), 3 * 2 peepholes, 3 * 88
        (9, 998)
    """
    train, test = _music(data, pieces, length + 1)
    count = len(train) // 10 or 1
    rows = np.concatenate([np.random.default_rng(epoch).permutation(len(train)) for epoch in range(epochs)])
    nats, parameters = {}, {}
    for name, change in _VARIANTS.items():
        nets = []
        for seed in range(seeds):
            keras.utils.set_random_seed(seed)
            cell = LSTMVariantCell(units, **{"peepholes": True, **change}, name="cell")
            nets.append(_frames_net(cell, length, f"start_{seed}"))
        each = train[rows]
        batch = len(train) // count
        learn(nets, each[:, :-1], each[:, 1:], batch=batch, rate=rate, loss=losses.FrameNats())
        nats[name] = [float(numpy(losses.frame_nats(test[:, 1:], net(test[:, :-1]))).mean()) for net in nets]
        parameters[name] = nets[0].count_params()
    before = _staying(train, test)
    figure, ((axes,),) = panels(1, 1, width=7, height=4)
    for place, values in enumerate(nats.values()):
        axes.plot(values, [place] * len(values), "o", color=COLOURS[0], alpha=0.7, markersize=6)
        axes.plot(np.mean(values), place, "|", color=COLOURS[1], markersize=16, markeredgewidth=2)
    axes.axvline(np.mean(nats["vanilla"]), color="grey", linestyle=":")
    axes.set_yticks(range(len(nats)), [f"{name} ({parameters[name]:,})" for name in nats], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="nats of a frame of new pieces (less is better)")
    axes.set(title=f"starts of each (dots) and their mean; if keys stay as they are {before:.2f}")
    axes.title.set_fontsize(9)
    return Drawing(figure, {"nats": nats, "parameters": parameters, "before": before})


def _music(data, pieces, length):
    """Frames to learn from and to measure on, `(pieces, length, 88)` each."""
    if data is None:
        return _made.progressions(pieces, length, 0), _made.progressions(pieces, length, 1)
    long = [tune for tune in reading.read_rolls(data) if len(tune.roll) >= length]
    rolls = [[tune.roll[:length] for tune in long if (tune.split == "train") == learnt] for learnt in (True, False)]
    if not all(rolls):
        raise ValueError(
            f"`data` must hold pieces of {length} frames, some of the split train and some of another. Received: "
            f"{len(rolls[0])} and {len(rolls[1])} such pieces"
        )
    train, test = (np.stack(each[:pieces]).astype("float32") for each in rolls)
    return train, test


def _frames_net(cell, length, name):
    rare = keras.initializers.Constant(-3.0)
    layers = [keras.layers.RNN(cell, return_sequences=True, name="recurrent")]
    layers.append(keras.layers.Dense(88, bias_initializer=rare, name="logits"))
    return keras.Sequential([keras.Input((length, 88)), *layers], name=name)


def _staying(train, test):
    """Nats of a frame by the share of keys that sound, of those that did before and of those that did not."""
    told = np.zeros(test[:, 1:].shape)
    for value in (0, 1):
        share = np.clip(train[:, 1:][train[:, :-1] == value].mean(), 1e-4, 1 - 1e-4)
        told[test[:, :-1] == value] = share
    return float(-np.log(np.where(test[:, 1:] > 0, told, 1 - told)).sum(-1).mean())


@checked
def wavenet_dilations(*, blocks: int = 4, features: int = 8, seed: int = 0) -> Drawing:
    """What samples an answer of WaveNet sees through its dilated convolutions, and through as many that are not.

    What depends on what is found by changing each sample.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio" (figures 2 and 3).

    Args:
        blocks: Blocks, with dilations 1, 2, 4, ...
        features: Features of the nets.
        seed: Seed of the weights.

    Returns:
        The figure; for "dilated" and "plain" blocks the number of samples that the last answer sees, by the number of
        blocks: `reach`; and the number of `parameters` of the nets of all blocks.

    Example:
        >>> figure, numbers = wavenet_dilations(blocks=2, features=4)
        >>> numbers["reach"]
        {'dilated': [2, 4], 'plain': [2, 3]}
    """
    keras.utils.set_random_seed(seed)
    kinds = {"dilated": [2**place for place in range(blocks)], "plain": [1] * blocks}
    length = 2**blocks
    reach: dict = {name: [] for name in kinds}
    figure, (axes,) = panels(1, 3, width=4, height=3.4)
    parameters = {}
    for panel, (name, dilations) in zip(axes, kinds.items(), strict=False):
        for count in range(1, blocks + 1):
            seen = _seen(GatedConvolutions(features, dilations[:count]), length, features)
            reach[name].append(int(seen[-1].sum()))
        layer = GatedConvolutions(features, dilations)
        layer.build((None, length, features))
        parameters[name] = layer.count_params()
        links = [_seen(GatedConvolutions(features, (each,)), length, features) for each in dilations]
        _draw_links(panel, links, f"{name}: {', '.join(map(str, dilations))}")
    for (name, values), colour, mark in zip(reach.items(), COLOURS, MARKS, strict=False):
        axes[2].plot(range(1, blocks + 1), values, color=colour, marker=mark, label=name)
    axes[2].set(xlabel="blocks", ylabel="samples that an answer sees", xticks=range(1, blocks + 1))
    axes[2].set(title="reach, with as many weights")
    axes[2].legend(fontsize=8)
    return Drawing(figure, {"reach": reach, "parameters": parameters})


def _seen(layer, length, features):
    """Whether an output of a layer, a row, changes with an input, a column."""
    random = np.random.default_rng(0)
    inputs = np.repeat(random.normal(size=(1, length, features)), length + 1, axis=0).astype("float32")
    inputs[np.arange(length), np.arange(length)] += 1.0
    outputs = numpy(layer(inputs))
    return (np.abs(outputs[:-1] - outputs[-1]) > 1e-6).any(-1).T


def _draw_links(axes, links, title):
    """The links of each block, from the inputs below; those that the last answer depends on in colour."""
    length = len(links[0])
    wanted = np.arange(length) == length - 1
    for level in range(len(links), 0, -1):
        below = np.zeros(length, bool)
        for after, before in zip(*np.nonzero(links[level - 1]), strict=True):
            on = wanted[after]
            below[before] |= on
            colour, width = (COLOURS[0], 1.4) if on else ("lightgrey", 0.5)
            axes.plot([before, after], [level - 1, level], color=colour, linewidth=width, zorder=1 + on)
        axes.scatter(np.arange(length), [level] * length, s=14, zorder=3, c=np.where(wanted, COLOURS[0], "lightgrey"))
        wanted = below
    axes.scatter(np.arange(length), [0] * length, s=14, zorder=3, c=np.where(wanted, COLOURS[1], "lightgrey"))
    axes.set(title=title, xlabel="sample", xticks=range(0, length, -(-length // 8)), yticks=range(len(links) + 1))
    axes.set_yticklabels(["samples", *[f"block {place + 1}" for place in range(len(links))]], fontsize=8)


@checked
def ar_speed(
    *,
    lengths: tuple[int, ...] = (32, 64, 128, 256),
    features: int = 16,
    blocks: int = 6,
    levels: int = 32,
    seed: int = 0,
) -> Drawing:
    """Seconds in which WaveNet judges all samples of a signal, and in which it makes them, one after the other.

    To make a sample, the whole net can be run over all samples so far, or each block keeps what it needs of its past.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; Hota, BITS F464
    (2024), "Autoregressive Models"; Le Paine et al. 2016, "Fast Wavenet Generation Algorithm".

    Args:
        lengths: Samples of each signal.
        features: Features of the net.
        blocks: Blocks, with dilations 1, 2, 4, ...
        levels: Levels of a sample.
        seed: Seed of the weights.

    Returns:
        The figure; by the way the `seconds` for each length, and the `share` of samples that are the same by both ways
        of making them.

    Example:
        >>> figure, numbers = ar_speed(lengths=(2,), features=2, blocks=1, levels=4)
        >>> list(numbers["seconds"]), numbers["share"]
        (['judging all at once', 'making, whole net each time', 'making, past kept'], 1.0)
    """
    keras.utils.set_random_seed(seed)
    net = models.wavenet(levels, features=features, skip_features=2 * features, num_stacks=1, blocks_per_stack=blocks)
    seconds: dict = {"judging all at once": [], "making, whole net each time": [], "making, past kept": []}
    same = []
    for length in lengths:
        judge, keep = _ways(net, length)
        whole = _timed(lambda judge=judge, length=length: _made_anew(judge, length))
        kept = _timed(keep)
        judged = _timed(lambda judge=judge, length=length: judge(np.zeros((1, length), "int32")))
        for values, (_, spent) in zip(seconds.values(), (judged, whole, kept), strict=True):
            values.append(spent)
        same.append(float(np.mean(whole[0] == numpy(kept[0]))))
    figure, ((axes,),) = panels(1, 1, width=5.4, height=3.8)
    for (name, values), colour, mark in zip(seconds.items(), COLOURS, MARKS, strict=False):
        axes.plot(lengths, values, color=colour, marker=mark, label=name)
    logarithmic(axes, "x", "y")
    axes.set(xlabel="samples", ylabel="seconds", title=f"WaveNet of {blocks} blocks, {net.count_params():,} parameters")
    axes.legend(fontsize=8)
    return Drawing(figure, {"seconds": seconds, "share": float(np.mean(same))})


def _ways(net, length):
    """Graphs of a pass of the net over all samples, and of making as many with the past kept."""
    import tensorflow as tf

    decoder = generation.stepwise(net)
    free = np.full((1, length), generation.FREE, "int32")
    judge = tf.function(lambda levels: net(levels))
    keep = tf.function(
        lambda: generation.fill(decoder, tf.constant(free), seeds=tf.zeros(1, tf.int32), temperature=0.0)[0]
    )
    return judge, keep


def _made_anew(judge, length):
    """The likeliest levels from level 0 on, by a pass of the net over all samples for each."""
    levels = np.zeros((1, length + 1), "int32")
    for place in range(length):
        levels[0, place + 1] = numpy(judge(levels[:, :length]))[0, place].argmax()
    return levels[:, 1:]


def _timed(function: Callable) -> tuple:
    """What a function returns, and its seconds when it is called again."""
    function()
    start = time.perf_counter()
    found = function()
    return found, time.perf_counter() - start


_GROUPS: dict[str, tuple[str, ...]] = {
    "good": ("great", "wonderful", "superb", "excellent", "brilliant"),
    "bad": ("awful", "terrible", "horrible", "poor", "dreadful"),
    "family": ("mother", "father", "brother", "sister", "daughter"),
    "places": ("city", "town", "village", "street", "country"),
    "numbers": ("two", "three", "four", "five", "ten"),
}


@checked
def word_map(*, groups: Mapping[str, Sequence[str]] = _GROUPS) -> Drawing:
    """Words in the plane of the two largest principal components of their vectors, of groups that mean alike.

    The vectors are those of the word2vec model that comes with the library.

    Reference: Ganapathy, MLSP 2025, "word2vec visualization"; Mikolov et al. 2013, "Distributed Representations of
    Words and Phrases and their Compositionality" (figure 2).

    Args:
        groups: Words by the name of their group, at least two of each; words that the model does not know are left out.

    Returns:
        The figure; the `places` `(words, 2)`, the `words`, the mean `cosine` of two words "within" a group and
        "between" groups, and the share of the `variance` that the plane shows.

    Example:
        >>> figure, numbers = word_map(groups={"good": ("great", "superb"), "family": ("mother", "father")})
        >>> numbers["words"], numbers["cosine"]["within"] > numbers["cosine"]["between"]
        (['great', 'superb', 'mother', 'father'], True)
    """
    model = exporting.load(exporting.find("embed"))
    pairs = [(group, word) for group, words in groups.items() for word in words]
    found = model(text=[word for _, word in pairs])
    kept = np.flatnonzero(found["known"] > 0)
    names, vectors = np.array([pairs[place][0] for place in kept]), found["vector"][kept]
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    mean, directions = principal_components(vectors, 2)
    places = (vectors - mean) @ directions
    cosines, alike = vectors @ vectors.T, names[:, None] == names
    other = ~np.eye(len(names), dtype=bool)
    cosine = {"within": float(cosines[alike & other].mean()), "between": float(cosines[~alike].mean())}
    figure, (axes,) = panels(1, 2, width=5, height=4.4)
    words = [pairs[place][1] for place in kept]
    for side, (group, colour, mark) in enumerate(zip(groups, COLOURS, MARKS, strict=False)):
        own = np.flatnonzero(names == group)
        axes[0].scatter(*places[own].T, color=colour, marker=mark, s=18, label=group)
        _name_points(axes[0], places, own[np.argsort(places[own, 1])], words, colour, left=side % 2)
    axes[0].set(xticks=[], yticks=[], title="first two principal components")
    axes[0].margins(0.25)
    axes[0].legend(fontsize=8)
    shown = pixels(axes[1], cosines, "cosines", cmap="viridis", vmin=0, vmax=1)
    axes[1].set_xticks(range(len(words)), words, rotation=90, fontsize=7)
    axes[1].set_yticks(range(len(words)), words, fontsize=7)
    figure.colorbar(shown, ax=axes[1], fraction=0.05)
    variance = float((places**2).sum() / ((vectors - mean) ** 2).sum())
    return Drawing(figure, {"places": places, "words": words, "cosine": cosine, "variance": variance})


def _name_points(axes, places, own, words, colour, left):
    """Writes the words of a group in a column beside it, since its points lie on each other, with lines to them."""
    wide, high = np.ptp(places, 0)
    column = places[own, 0].min() - 0.06 * wide if left else places[own, 0].max() + 0.06 * wide
    rows = places[own, 1].mean() + 0.045 * high * (np.arange(len(own)) - (len(own) - 1) / 2)
    for point, row in zip(own, rows, strict=True):
        axes.annotate(
            words[point],
            places[point],
            (column, row),
            fontsize=6.5,
            ha="right" if left else "left",
            va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.4},
        )
