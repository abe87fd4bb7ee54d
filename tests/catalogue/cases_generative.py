"""Cases of the networks that make images from noise."""

import keras
import numpy as np
from case import Case

from kerasmlsp import models

SIZES = {"height": 8, "width": 12, "channels": 1, "filters": 3}
CLASSES, LATENT = 3, 5
TOO_SMALL = (
    ({"height": 0}, "`height` must be at least 1. Received: height=0"),
    ({"width": 10}, r"`width` must be a multiple of 2 \*\* num_blocks. Received: width=10"),
    ({"filters": 0}, "`filters` must be at least 1. Received: filters=0"),
    ({"num_blocks": 0}, "`num_blocks` must be at least 1. Received: num_blocks=0"),
)
FEW_CLASSES = (({"num_classes": 1}, "`num_classes` must be at least 2. Received: num_classes=1"),)
NO_NOISE = (({"latent_dim": 0}, "`latent_dim` must be at least 1. Received: latent_dim=0"),)
WRONG_LAYERS = (
    ({"power_iterations": -1}, "`power_iterations` must be at least 0. Received: power_iterations=-1"),
    ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
)

# Noise to 2 x 3 x 6, its normalisation (4 numbers a channel), 6 to 3 maps, theirs, 3 to 1 with a bias.
GENERATOR = LATENT * 36 + 4 * 6 + 16 * 6 * 3 + 4 * 3 + 16 * 3 + 1
# 1 to 3 maps with a bias, 3 to 6, their normalisation, 2 x 3 x 6 features to a logit.
DISCRIMINATOR = (16 + 1) * 3 + 16 * 3 * 6 + 4 * 6 + 36 + 1
CONDITIONAL_GENERATOR = GENERATOR + CLASSES * 4 + 4 * 36
# 2 channels to 3 maps with a bias, 3 to 4 and their normalisation, back to 3 and theirs, 3 + 3 to 1 with a bias.
TRANSLATOR = (16 * 2 + 1) * 3 + 16 * 3 * 4 + 4 * 4 + 16 * 4 * 3 + 4 * 3 + 16 * 6 + 1
# 2 + 1 channels to 3 maps with a bias, 3 to 4, their normalisation, 4 to a logit.
PATCHES = (16 * 3 + 1) * 3 + 16 * 3 * 4 + 4 * 4 + 16 * 4 + 1


def builder(function, sizes):
    return lambda **changes: function(**{**SIZES, **sizes, **changes})


def latent():
    return {"latent": np.random.default_rng(0).normal(size=(8, LATENT)).astype("float32")}


def labels():
    return np.array([0, 1, 2, 0, 1, 2, 0, 1], "int32")


def image():
    """Smooth images in [-1, 1]."""
    random = np.random.default_rng(1)
    row, column = random.uniform(1, 3, (2, 8, 1, 1))
    waves = np.sin(row * np.arange(8)[:, None] / 4) * np.cos(column * np.arange(12) / 4)
    return waves.astype("float32")[..., None]


def images():
    return {"image": image()}


def source():
    """Whether a pixel is light, and whether it is dark."""
    light = image() > 0
    return np.concatenate([light, ~light], -1).astype("float32")


def patches():
    return np.tile(real()[:, :, None, None], (1, 2, 3, 1))


def real():
    return np.array([[0.0], [1.0]] * 4, "float32")


def optimizers(model):
    jit = keras.backend.backend() != "tensorflow"
    model.compile(keras.optimizers.Adam(1e-2), keras.optimizers.Adam(1e-2), jit_compile=jit)


def adversarial(function, parameters, inputs=images, sizes=None, **options):
    # A loss against an opponent who learns too says nothing; tests/models/test_generative.py has what does.
    sizes = {"latent_dim": LATENT, **(sizes or {})}
    wrong = TOO_SMALL + NO_NOISE + (FEW_CLASSES if "num_classes" in sizes else ())
    shape = {"logits": (None, 1)}
    return Case(
        builder(function, sizes), inputs, shape, parameters, compile=optimizers, reaches=None, wrong=wrong, **options
    )


def translation(function, inputs, outputs, parameters, filters, targets=None, **options):
    sizes = {"height": 8, "width": 12, "source_channels": 2, "channels": 1}
    refused = [({size: 0}, f"`{size}` must be at least 1. Received: {size}=0") for size in sizes]
    refused.append(({"width": 10}, "`width` must be a multiple of 4. Received: width=10"))

    def make(**changes):
        return function(**{**sizes, **filters, **changes})

    return Case(make, inputs, outputs, parameters, targets or (lambda: None), wrong=tuple(refused), **options)


def generator(function, parameters, inputs, sizes):
    wrong = TOO_SMALL + NO_NOISE + (FEW_CLASSES if "num_classes" in sizes else ())
    return Case(
        builder(function, {"latent_dim": LATENT, **sizes}),
        inputs,
        {"image": (None, 8, 12, 1)},
        parameters,
        image,
        "mse",
        reaches=0.02,
        wrong=wrong,
    )


def discriminator(function, parameters, inputs, sizes, **options):
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    wrong = TOO_SMALL + WRONG_LAYERS + (FEW_CLASSES if "num_classes" in sizes else ())
    shape = {"logits": (None, 1)}
    return Case(builder(function, sizes), inputs, shape, parameters, real, loss, wrong=wrong, **options)


CASES = {
    "dcgan_generator": generator(models.dcgan_generator, GENERATOR, latent, {}),
    "conditional_dcgan_generator": generator(
        models.conditional_dcgan_generator,
        CONDITIONAL_GENERATOR,
        lambda: {"label": labels(), **latent()},
        {"num_classes": CLASSES, "embedding_dim": 4},
    ),
    "dcgan_discriminator": discriminator(models.dcgan_discriminator, DISCRIMINATOR, images, {}),
    "conditional_dcgan_discriminator": discriminator(
        models.conditional_dcgan_discriminator,
        DISCRIMINATOR + CLASSES * 36,
        lambda: {"image": image(), "label": labels()},
        {"num_classes": CLASSES},
    ),
    # The generator twice: as it is, and its average.
    "dcgan": adversarial(models.dcgan, 2 * GENERATOR + DISCRIMINATOR),
    "conditional_dcgan": adversarial(
        models.conditional_dcgan,
        2 * (GENERATOR + CLASSES * 32 + 32 * 36) + DISCRIMINATOR + CLASSES * 36,
        lambda: {"image": image(), "label": labels()},
        {"num_classes": CLASSES},
    ),
    # The critic has no normalisation but a bias in its place. The bias of its answer falls out of the difference.
    "wasserstein_gan": adversarial(
        models.wasserstein_gan,
        2 * GENERATOR + DISCRIMINATOR - 4 * 6 + 6,
        sizes={"discriminator_steps": 1},
        unmoved=("logits/bias",),
    ),
    "pix2pix_generator": translation(
        models.pix2pix_generator,
        lambda: {"source": source()},
        {"image": (None, 8, 12, 1)},
        TRANSLATOR,
        {"filters": (3, 4), "dropout": 0.0},
        image,
        loss="mse",
        # A constant reaches 0.2.
        reaches=0.1,
    ),
    "pix2pix_discriminator": translation(
        models.pix2pix_discriminator,
        lambda: {"image": image(), "source": source()},
        {"logits": (None, 2, 3, 1)},
        PATCHES,
        {"filters": (3, 4)},
        patches,
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
        reaches=0.3,
    ),
    # The generator twice: as it is, and its average. Filters are doubled at each halving.
    "pix2pix": translation(
        models.pix2pix,
        lambda: {"image": image(), "source": source()},
        {"logits": (None, 2, 3, 1)},
        2 * ((16 * 2 + 1) * 3 + 16 * 3 * 6 + 4 * 6 + 16 * 6 * 3 + 4 * 3 + 16 * 6 + 1)
        + ((16 * 3 + 1) * 3 + 16 * 3 * 6 + 4 * 6 + 16 * 6 + 1),
        {"filters": 3, "num_halvings": 2},
        compile=optimizers,
        # As of `adversarial`.
        reaches=None,
    ),
}
