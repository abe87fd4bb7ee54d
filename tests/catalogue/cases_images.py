"""Cases of the classifiers of images."""

import dataclasses

import numpy as np
from case import Case

from kerasmlsp import models

CLASSES = 3


def images(rows, columns, channels, scale=1.0):
    """Four quarters of each image differ, and there is some noise."""
    random = np.random.default_rng(0)
    quarters = random.random((8, 2, 2, channels))[:, np.arange(rows) * 2 // rows]
    values = 0.8 * quarters[:, :, np.arange(columns) * 2 // columns] + 0.2 * random.random((8, rows, columns, channels))
    return {"images": (values * scale).astype("float32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1])


def classifier(builder, parameters, shape, *, scale=1.0, wrong=(), **options):
    """A case of a classifier; `wrong` is added to what every one refuses, its least size included."""
    sizes = options.pop("sizes", {})

    def make(**changes):
        return builder(**{"num_classes": CLASSES, "input_shape": shape, **sizes, **changes})

    wrong = (({"num_classes": 1}, "`num_classes` must be at least 2. Received: num_classes=1"), *wrong)
    outputs = {"probabilities": (None, CLASSES)}
    return Case(make, lambda: images(*shape, scale=scale), outputs, parameters, labels, wrong=wrong, **options)


def small(*shape):
    """What refuses an image of this shape."""
    return {"input_shape": shape}, r"`input_shape` must be \(height, width, channels\) of at least .* Received: input_"


def inverted(inputs, size, expansion, filters):
    """Kernels and normalisations of one block of EfficientNet-Lite; four numbers a channel for each normalisation."""
    wide = expansion * inputs
    widen = inputs * wide + 4 * wide if expansion > 1 else 0
    return widen + size**2 * wide + 4 * wide + wide * filters + 4 * filters


# At a tenth of the width 16, 24, 40, 80, 112, 192 and 320 filters become 8, 8, 8, 8, 16, 24 and 32.
LITE0 = (3 * 3 * 3 + 4) * 32 + inverted(32, 3, 1, 8) + inverted(8, 3, 6, 8) + inverted(8, 5, 6, 8)
LITE0 += inverted(8, 3, 6, 8) + inverted(8, 5, 6, 16) + inverted(16, 5, 6, 24) + inverted(24, 3, 6, 32)
LITE0 += (32 + 4) * 1280
TENTH = {"width": 0.1, "depth": 0.1}


def lite0_features(**changes):
    return models.efficientnet_lite0_features(**{"input_shape": (33, 32, 3), **TENTH, **changes})


def residual(builder, parameters, shape, repeats, **options):
    """A case of width 4."""
    wrong = (
        small(shape[0] - 1, *shape[1:]),
        ({"width": 0}, "`width` must be at least 1. Received: width=0"),
        ({"repeats": (1, 0)}, r"`repeats` must be numbers of at least 1. Received: repeats=\(1, 0\)"),
    )
    return classifier(
        builder, parameters, shape, sizes={"width": 4, "repeats": repeats}, wrong=wrong, steps=30, **options
    )


def normalised(size, inputs, filters):
    """A convolution without bias, and its normalisation."""
    return (size**2 * inputs + 4) * filters


def basic(inputs, filters, skip=False):
    """A block of two 3x3 convolutions, and the projection of its skip."""
    return normalised(3, inputs, filters) + normalised(3, filters, filters) + skip * normalised(1, inputs, filters)


def bottleneck(inputs, filters, skip=False):
    wide = 4 * filters
    block = normalised(1, inputs, filters) + normalised(3, filters, filters) + normalised(1, filters, wide)
    return block + skip * normalised(1, inputs, wide)


def deep(*, skip):
    """A 7x7 stem, a stage of two basic blocks and one of one; `skip` for a projection where the size changes."""
    return normalised(7, 3, 4) + 2 * basic(4, 4) + basic(4, 8, skip) + (8 + 1) * CLASSES


RESNET50 = normalised(7, 3, 4) + bottleneck(4, 4, True) + bottleneck(16, 4) + bottleneck(16, 8, True) + 33 * CLASSES
# A 3x3 stem, a stage of two basic blocks and one of one.
PLAIN20 = normalised(3, 3, 4) + 2 * basic(4, 4) + basic(4, 8) + (8 + 1) * CLASSES
SKIPS20 = 2 * normalised(1, 4, 4) + normalised(1, 4, 8)

FILTERS = (4, 6, 8, 6, 4)
FIVE = ({"filters": (2, 3)}, r"`filters` must be five numbers of at least 1. Received: filters=\(2, 3\)")
UNITS = ({"units": 0}, "`units` must be at least 1. Received: units=0")
RATE = ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0")
ALEXNET = {"filters": (8,) * 5, "units": 16, "dropout": 0.0}
# Convolutions after the first, three dense layers.
ALEXNET_REST = 8 * (5**2 * 8 + 1) + 3 * 8 * (9 * 8 + 1) + (8 + 1) * 16 + (16 + 1) * 16 + (16 + 1) * CLASSES


def filter_bank(**changes):
    return models.filter_bank(**{"input_shape": (4, 5, 2), **changes})


def pixels(shape):
    """Labels of the pixels of eight images, all of an image alike."""
    return lambda: np.broadcast_to(labels()[:, None, None], (8, *shape))


def bright(shape):
    """Labels of the pixels: whether they are brighter than the middle."""
    return lambda: (images(*shape)["images"][..., 0] > 0.5).astype("int32")


def segmenter(builder, parameters, shape, targets, **options):
    """A case whose outputs have the size of the image."""
    model = classifier(builder, parameters, shape, **options)
    return dataclasses.replace(model, outputs={"probabilities": (None, *shape[:2], CLASSES)}, targets=targets)


def twice(inputs, filters):
    return normalised(3, inputs, filters) + normalised(3, filters, filters)


FCN = {"filters": FILTERS, "units": 8, "dropout": 0.0}
# Five stages, 7x7 and 1x1 convolutions, scores of cells; then transposed convolutions and scores of finer stages.
FCN_32S = sum(twice(*pair) for pair in ((3, 4), (4, 6), (6, 8), (8, 6), (6, 4)))
FCN_32S += normalised(7, 4, 8) + normalised(1, 8, 8) + (8 + 1) * CLASSES
FCN_16S = FCN_32S + 4**2 * CLASSES**2 + (6 + 1) * CLASSES
FCN_8S = FCN_16S + 4**2 * CLASSES**2 + (8 + 1) * CLASSES
FCN_OPTIONS = {"sizes": FCN, "steps": 60, "wrong": (small(31, 32, 3), FIVE, UNITS, RATE)}
# Encoder, decoder that sees the skips beside, scores.
UNET = twice(1, 4) + twice(4, 6) + twice(6, 8) + twice(8 + 6, 6) + twice(6 + 4, 4) + (4 + 1) * CLASSES


CASES = {
    "efficientnet_lite0": classifier(
        models.efficientnet_lite0,
        LITE0 + 1281 * CLASSES,
        (32, 32, 3),
        scale=255,
        sizes={**TENTH, "dropout": 0.0},
        steps=15,
        wrong=(
            small(31, 32, 3),
            ({"width": 0}, "`width` must be above 0. Received: width=0"),
            ({"depth": -1}, "`depth` must be above 0. Received: depth=-1"),
            ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ),
    ),
    "efficientnet_lite0_features": Case(
        lite0_features,
        lambda: images(33, 32, 3, scale=255),
        {"features": (None, 2, 1, 1280)},
        LITE0,
        # Zeros for four images and ones for the others, of which a constant is off by 0.25.
        lambda: np.ones((8, 2, 1, 1280), "float32") * (np.arange(8) % 2)[:, None, None, None],
        loss="mse",
        steps=50,
        wrong=(small(32, 31, 3), small(32, 32), ({"width": 0}, "`width` must be above 0. Received: width=0")),
    ),
    "lenet5": classifier(
        models.lenet5,
        # One channel; the second pooling leaves 1x1 of 16 maps.
        6 * (25 + 1) + 16 * (25 * 6 + 1) + 120 * (16 + 1) + 84 * (120 + 1) + (84 + 1) * CLASSES,
        (16, 17, 1),
        rate=0.005,
        wrong=(small(15, 32, 1), small(32, 32, 0), small(None, None, 1)),
    ),
    "alexnet": classifier(
        models.alexnet,
        8 * (11**2 * 3 + 1) + ALEXNET_REST,
        (67, 67, 3),
        sizes=ALEXNET,
        rate=0.005,
        wrong=(small(66, 67, 3), FIVE, UNITS, RATE),
    ),
    "small_alexnet": classifier(
        models.small_alexnet,
        8 * (5**2 * 3 + 1) + ALEXNET_REST,
        (15, 15, 3),
        sizes=ALEXNET,
        rate=0.005,
        wrong=(small(15, 14, 3), FIVE, UNITS, RATE),
    ),
    "filter_bank": Case(
        filter_bank,
        lambda: images(4, 5, 2),
        {"responses": (None, 4, 5, 18)},
        3 * 3 * 2 * 9,
        # Has nothing to train.
        reaches=None,
        wrong=(small(2, 3, 1),),
    ),
    "resnet18": residual(models.resnet18, deep(skip=True), (32, 32, 3), (2, 1)),
    "resnet34": residual(models.resnet34, deep(skip=True), (32, 32, 3), (2, 1)),
    "resnet50": residual(models.resnet50, RESNET50, (32, 32, 3), (2, 1)),
    "plain18": residual(models.plain18, deep(skip=False), (32, 32, 3), (2, 1)),
    "plain34": residual(models.plain34, deep(skip=False), (32, 32, 3), (2, 1)),
    "resnet20": residual(models.resnet20, PLAIN20, (8, 8, 3), (2, 1)),
    "resnet20_weighted": residual(models.resnet20_weighted, PLAIN20 + SKIPS20, (8, 8, 3), (2, 1)),
    "plain20": residual(models.plain20, PLAIN20, (8, 8, 3), (2, 1)),
    "fcn_32s": segmenter(models.fcn_32s, FCN_32S, (32, 32, 3), pixels((32, 32)), **FCN_OPTIONS),
    "fcn_16s": segmenter(models.fcn_16s, FCN_16S, (32, 45, 3), pixels((32, 45)), **FCN_OPTIONS),
    "fcn_8s": segmenter(models.fcn_8s, FCN_8S, (35, 32, 3), pixels((35, 32)), **FCN_OPTIONS),
    "segmentation_net": segmenter(
        models.segmentation_net,
        UNET,
        (9, 10, 1),
        bright((9, 10, 1)),
        sizes={"filters": (4, 6, 8)},
        wrong=(
            small(3, 4, 1),
            ({"filters": (2,)}, r"`filters` must be two numbers or more of at least 1. Received: filters=\(2,\)"),
        ),
    ),
}
