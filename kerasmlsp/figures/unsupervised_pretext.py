"""Unsupervised: what pretext tasks learn from data without labels, and what few labels then give."""

from typing import Any

import keras
import numpy as np

from kerasmlsp import models
from kerasmlsp.figures import _data, _made
from kerasmlsp.figures._drawing import COLOURS, MARKS, Drawing, checked, panels, pixels
from kerasmlsp.figures._fitting import numpy
from kerasmlsp.figures._sequences import learn
from kerasmlsp.targets import pretext


@checked
def label_fraction(
    *,
    labelled: tuple[int, ...] = (20, 50, 200, 1000),
    images: int = 1000,
    filters: tuple[int, ...] = (16, 32),
    epochs: int = 8,
    updates: int = 150,
    tested: int = 1000,
    noise: float = 0.1,
    seed: int = 0,
) -> Drawing:
    """Accuracy on digits with few and many labels: from random weights, and from a net that told how images are turned.

    Reference: Ganapathy, MLSP 2025, "Self supervision - principle" and "Self supervision - pre-text task"; Gidaris et
    al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations".

    Args:
        labelled: Numbers of labels.
        images: Images that are turned, at least as many as labels.
        filters: Filters of each stage of the encoder.
        epochs: Passes of the pretext task over all images in four turns.
        updates: Steps of Adam with labels, on 32 images each.
        tested: New images that the accuracy is measured on.
        noise: Deviation of the noise on all images.
        seed: Seed of images and weights.

    Returns:
        The figure; for "from scratch" and "pre-trained" the `accuracy` for each number of labels; and the accuracy at
        telling the `turns` of new images.

    Example:
        >>> figure, numbers = label_fraction(labelled=(20,), images=20, filters=(2,), epochs=1, updates=1, tested=20)
        >>> list(numbers["accuracy"])
        ['from scratch', 'pre-trained']
    """
    random = np.random.default_rng(seed)
    (train, digits), (test, answers) = (
        _noisy_digits(count, seed + 1000 * place, noise, random) for place, count in enumerate((images, tested))
    )
    order = np.random.default_rng(seed + 1).permutation(4 * images)
    turned, turns = (each[order] for each in pretext.rotations(train))
    keras.utils.set_random_seed(seed)
    net = models.rotation_predictor((*train.shape[1:3], 1), filters=filters)
    starts = {"from scratch": net.get_layer("encoder").get_weights()}
    learn([net], np.tile(turned, (epochs, 1, 1, 1)), np.tile(turns, epochs), batch=64, rate=3e-3, loss=_LOSS)
    others, asked = pretext.rotations(test)
    told = float(np.mean(numpy(net(others)).argmax(1) == asked))
    starts["pre-trained"] = net.get_layer("encoder").get_weights()
    accuracy: dict = {name: [] for name in starts}
    for count in labelled:
        rows = np.random.default_rng(seed + 2).integers(count, size=32 * updates)
        for name, weights in starts.items():
            keras.utils.set_random_seed(seed)
            net.get_layer("encoder").set_weights(weights)
            classifier = models.classifier_from(net, 10)
            learn([classifier], train[rows], digits[rows], batch=32, rate=3e-3, loss=_LOSS)
            accuracy[name].append(float(np.mean(numpy(classifier(test)).argmax(1) == answers)))
    figure, ((axes,),) = panels(1, 1, width=5.4, height=3.8)
    for (name, values), colour, mark in zip(accuracy.items(), COLOURS, MARKS, strict=False):
        axes.plot(labelled, values, color=colour, marker=mark, label=name)
    axes.set(xscale="log", xlabel=f"labels, of {images:,} images", ylabel="accuracy on new images", ylim=(0, 1))
    axes.set_xticks(labelled, [f"{each:,}\n{each / images:.0%}" for each in labelled])
    axes.minorticks_off()
    axes.set(title=f"turns of new images told: {told:.1%}")
    axes.legend(fontsize=8)
    return Drawing(figure, {"accuracy": accuracy, "turns": told})


_LOSS = "sparse_categorical_crossentropy"


def _noisy_digits(count, seed, noise, random):
    images, digits = _data.printed_digits(count, seed)
    return random.normal(images, noise)[..., None].astype("float32"), digits


@checked
def mae(
    *,
    images: int = 2000,
    patch: int = 4,
    hidden: float = 0.5,
    features: int = 48,
    layers: int = 2,
    steps: int = 1500,
    batch: int = 64,
    seed: int = 0,
) -> Drawing:
    """Images of which most patches are hidden, and what a Vision Transformer makes of those that are left.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in images - Vision Transformer" (predict masked regions); Xie et
    al. 2022, "SimMIM: A Simple Framework for Masked Image Modeling"; He et al. 2022, "Masked Autoencoders Are Scalable
    Vision Learners".

    Args:
        images: Images to learn from, printed digits of 16 by 16 pixels.
        patch: Side of a patch in pixels, which divides 16.
        hidden: Share of the patches that is hidden.
        features: Size of a patch's vector, divisible by 4.
        layers: Blocks.
        steps: Steps of Adam.
        batch: Images of a step.
        seed: Seed of images, patches and weights.

    Returns:
        The figure; the mean squared `error` on the hidden patches of 200 new images, by the "net" and by the "mean" of
        all images at that place; and the `filled` images of those drawn, `(6, 16, 16)`.

    Example:
        >>> figure, numbers = mae(images=8, features=4, layers=1, steps=1, batch=4)
        >>> numbers["filled"].shape
        (6, 16, 16)
    """
    keras.utils.set_random_seed(seed)
    (train, _), (test, _) = _data.printed_digits(images, seed), _data.printed_digits(200, seed + 1000)
    train, test = train[..., None], test[..., None]
    sizes: dict[str, Any] = {
        "features": features,
        "num_layers": layers,
        "num_heads": 4,
        "feed_forward_dim": 2 * features,
    }
    net = models.masked_patch_predictor((16, 16, 1), patch_size=patch, **sizes)
    number = (16 // patch) ** 2
    rows = np.random.default_rng(seed).integers(images, size=steps * batch)
    masked = pretext.mask_patches(steps * batch, number, rate=hidden, seed=seed)
    # Beside the pixels of a patch stands whether it counts.
    wanted = np.concatenate([pretext.patches(train, patch)[rows], masked[..., None]], axis=-1)
    given = {"images": train[rows], "masked": masked}
    learn([net], given, wanted.astype("float32"), batch=batch, rate=2e-3, loss=_hidden_error)
    hides = pretext.mask_patches(200, number, rate=hidden, seed=seed + 1)
    pixels_of, told = pretext.patches(test, patch), numpy(net({"images": test, "masked": hides}))
    mean = np.broadcast_to(pretext.patches(train, patch).mean(0), told.shape)
    error = {name: float(np.mean((each - pixels_of)[hides] ** 2)) for name, each in (("net", told), ("mean", mean))}
    filled = _images(np.where(hides[..., None], told, pixels_of)[:6], patch)
    left = _images(np.where(hides[..., None], np.nan, pixels_of)[:6], patch)
    figure, grid = panels(3, 6, width=1.3, height=1.35)
    for row, (name, each) in zip(
        grid, {"left": left, "filled in": filled, "image": test[:6, ..., 0]}.items(), strict=True
    ):
        for axes, image in zip(row, each, strict=True):
            axes.set_facecolor("#d9c9a3")
            pixels(axes, np.clip(image, 0, 1), vmin=0, vmax=1)
        row[0].set_ylabel(name)
    figure.suptitle(
        f"squared error of hidden pixels: {error['net']:.3f}, by the mean image {error['mean']:.3f}", fontsize=9
    )
    return Drawing(figure, {"error": error, "filled": filled})


def _hidden_error(wanted, told):
    """Mean squared error of the patches whose last number is 1."""
    counts = wanted[..., -1]
    each = keras.ops.mean(keras.ops.square(wanted[..., :-1] - told), axis=-1)
    return keras.ops.sum(each * counts, axis=-1) / keras.ops.sum(counts, axis=-1)


def _images(patches, size):
    """Images `(number, side, side)` of one channel from their patches."""
    number, count, _ = patches.shape
    side = round(count**0.5)
    grid = patches.reshape(number, side, side, size, size)
    return grid.transpose(0, 1, 3, 2, 4).reshape(number, side * size, side * size)


@checked
def codebook(
    *,
    waves: int = 128,
    entries: int = 8,
    filters: int = 24,
    features: int = 32,
    steps: int = 250,
    batch: int = 8,
    seed: int = 0,
) -> Drawing:
    """Which entries of its codebooks wav2vec uses for which vowels, though nobody told it of vowels.

    Reference: Ganapathy, MLSP 2025, "Self-supervision in audio - wav2vec"; Baevski et al. 2020, "wav2vec 2.0: A
    Framework for Self-Supervised Learning of Speech Representations" (figure 3).

    Args:
        waves: Made waveforms of five vowels in a row to learn from.
        entries: Entries of each of two codebooks.
        filters: Filters of the convolutions.
        features: Size of a frame's vector in the Transformer, divisible by 4.
        steps: Steps of Adam.
        batch: Waveforms of a step.
        seed: Seed of waveforms, masks and weights.

    Returns:
        The figure; for "before" and "after" training how often each vowel uses each pair of entries that is used at
        all, `shares` `(vowels, pairs)`; what a pair tells of the vowel, `bits`, of log2 5 = 2.32; and how many pairs
        are `used`.

    Example:
        >>> figure, numbers = codebook(waves=2, entries=2, filters=2, features=4, steps=1, batch=2)
        >>> sorted(numbers["bits"]), numbers["used"]["after"] <= 4
        (['after', 'before'], True)
    """
    keras.utils.set_random_seed(seed)
    (train, _), (test, sounds) = _made.vowels(waves, seed), _made.vowels(40, seed + 1)
    sizes: dict[str, Any] = {
        "filters": filters,
        "features": features,
        "feed_forward_dim": 2 * features,
        "num_entries": entries,
    }
    net = models.wav2vec(**_CONVOLUTIONS, **_FIXED, **sizes)
    length = pretext.num_frames(train.shape[1], **_CONVOLUTIONS)
    # The vowel in the middle of the 85 samples that a frame sees, one every 80.
    heard = sounds[:, 80 * np.arange(length) + 42]
    shares = {"before": _use(net, test, heard, entries)}
    rows = np.random.default_rng(seed).integers(waves, size=steps * batch)
    masked = pretext.mask_spans(steps * batch, length, probability=0.05, span=5, seed=seed)
    given = {"waveform": train[rows], "masked": masked}
    learn([net], given, np.zeros(len(rows)), batch=batch, rate=2e-3, loss=None)
    shares["after"] = _use(net, test, heard, entries)
    bits = {name: _bits(each) for name, each in shares.items()}
    used = {name: int((each.sum(0) > 0).sum()) for name, each in shares.items()}
    figure, grid = panels(2, 1, width=7.5, height=2)
    for axes, (name, each) in zip(grid[:, 0], shares.items(), strict=True):
        order = np.lexsort([-each.max(0), each.argmax(0), each.max(0) == 0])[: used[name]]
        shown = pixels(axes, each[:, order], cmap="viridis", vmin=0, aspect="auto")
        axes.set_yticks(range(len(_made.VOWELS)), list(_made.VOWELS))
        axes.set_title(
            f"{name} training: {used[name]} pairs used, which tell {bits[name]:.2f} bits of the vowel", fontsize=9
        )
        figure.colorbar(shown, ax=axes, label="share")
    grid[1, 0].set_xlabel("pairs of entries")
    return Drawing(figure, {"shares": shares, "bits": bits, "used": used})


_CONVOLUTIONS: dict = {"kernel_sizes": (10, 4, 4), "strides": (5, 4, 4)}
_FIXED: dict = {"num_layers": 1, "num_heads": 2, "position_kernel": 15, "code_dim": 16, "num_distractors": 20}
_FIXED |= {"dropout": 0.0}


def _use(net, waves, heard, entries):
    """How often each vowel uses each pair of entries, a row for each vowel, which adds up to 1."""
    quantizer = net.get_layer("quantizer")
    frames = numpy(net.get_layer("frames")(waves))
    logits = (frames @ quantizer.kernel.numpy() + quantizer.bias.numpy()).reshape(*frames.shape[:2], 2, entries)
    first, second = np.moveaxis(logits.argmax(-1), -1, 0)
    counts = np.zeros((len(_made.VOWELS), entries**2))
    np.add.at(counts, (heard.ravel(), (first * entries + second).ravel()), 1)
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _bits(shares):
    """Mutual information of vowel and pair in bits, all vowels alike frequent."""
    joint = shares / len(shares)
    apart = np.outer(joint.sum(1), joint.sum(0))
    kept = joint > 0
    return float(np.sum(joint[kept] * np.log2(joint[kept] / apart[kept])))
