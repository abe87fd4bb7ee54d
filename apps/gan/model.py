"""The nets of the gan application, and what its saved model does."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from kerasmlsp import models, optimizers
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.exporting import Input
from kerasmlsp.models.gan import GAN, WassersteinGAN

BETAS = {"conditional": (0.0, 0.99), "dcgan": (0.5, 0.999), "wgan-gp": (0.0, 0.9)}
"""Of the moving averages of Adam."""
DISCRIMINATOR_STEPS = {"conditional": 1, "dcgan": 1, "wgan-gp": 4}


def compiled(config: Config, size: int, channels: int, num_classes: int, steps: int) -> GAN | WassersteinGAN:
    """Builds the nets to train, with their optimizers.

    Args:
        config: The configuration.
        size: Height and width of the images.
        channels: Channels of the images.
        num_classes: Number of classes; used by the conditional architecture.
        steps: Steps of the generator in all.
    """
    sizes: dict[str, Any] = {"num_blocks": num_blocks(size), "filters": config.filters}
    wasserstein = config.architecture == "wgan-gp"
    # Penalties on the gradient are defined for each image by itself, which a normalisation over the batch mixes.
    judge: dict[str, Any] = {**sizes, "batch_norm": not (config.r1 or config.spectral_norm or wasserstein)}
    judge["power_iterations"] = int(config.spectral_norm)
    shape, sizes["latent_dim"] = (size, size, channels), config.latent_dim
    if config.architecture == "conditional":
        generator = models.conditional_dcgan_generator(*shape, num_classes, **sizes)
        discriminator = models.conditional_dcgan_discriminator(*shape, num_classes, **judge)
    else:
        generator = models.dcgan_generator(*shape, **sizes)
        discriminator = models.dcgan_discriminator(*shape, **judge)
    repeats = DISCRIMINATOR_STEPS[config.architecture]
    common: dict[str, Any] = {"ema_momentum": config.ema, "augmentation": _augmentation() if config.augment else None}
    if wasserstein:
        gan = WassersteinGAN(generator, discriminator, discriminator_steps=repeats, **common)
    else:
        gan = GAN(generator, discriminator, r1=config.r1 or 0.0, discriminator_steps=repeats, **common)
    gan.compile(_optimizer(config, steps), _optimizer(config, steps * repeats))
    return gan


def num_blocks(size: int) -> int:
    """Doublings from a map of 4 to 7 pixels, or an odd number of them, to an image."""
    blocks = 0
    while size % 2 == 0 and size > 7:
        size, blocks = size // 2, blocks + 1
    return blocks


def _augmentation():
    # Shifts alone: they do not leak into the images, and their gradient is a shift too.
    return keras.layers.RandomTranslation(0.125, 0.125, fill_mode="nearest", name="shifts")


def _optimizer(config, steps):
    betas = dict(zip(("beta_1", "beta_2"), BETAS[config.architecture], strict=True))
    # The generator is averaged by the model itself.
    settings = dataclasses.replace(config, ema=0.0)
    return optimizers.build(settings, steps, **(betas if config.optimizer in ("adam", "adamw") else {}))


def is_conditional(generator: keras.Model) -> bool:
    """Whether a generator takes classes."""
    return isinstance(generator.input, dict)


def latents(size: int, latent_dim: int, seed: int) -> np.ndarray:
    """Draws noise, float32 `(size, latent_dim)`."""
    return np.random.default_rng([seed, 1]).standard_normal((size, latent_dim), np.float32)


def draw(generator: keras.Model, noise: np.ndarray, labels: np.ndarray, *, chunk: int = 250) -> np.ndarray:
    """Draws images.

    Args:
        generator: The generator.
        noise: float32 `(images, latent_dim)`.
        labels: Class numbers, int32 `(images,)`; a generator without classes makes nothing of them.
        chunk: Images that are drawn at a time.

    Returns:
        uint8 `(images, size, size, channels)`.
    """
    drawn = []
    for begin in range(0, len(noise), chunk):
        part = slice(begin, begin + chunk)
        inputs = {"label": labels[part], "latent": noise[part]} if is_conditional(generator) else noise[part]
        drawn.append(_pixels(keras.ops.convert_to_numpy(generator(inputs, training=False))))
    return np.concatenate(drawn)


def _pixels(values):
    return np.clip(np.round((values + 1.0) * 127.5), 0, 255).astype(np.uint8)


def inputs(classes: Sequence[str]) -> dict[str, Input]:
    """Describes the inputs of all endpoints."""
    return {
        "seed": Input("Decides the noise; the same gives the same image.", least=0, most=2**31 - 1, default=0),
        "label": Input("Class to draw.", choices=classes, default=classes[0] if classes else None),
        "other_seed": Input("Seed of the image at the other end of the way.", least=0, most=2**31 - 1, default=1),
        "share": Input(
            "How far on the way from `seed` to `other_seed`: 0 for the one, 1 for the other.",
            least=0,
            most=1,
            default=0.5,
        ),
    }


def endpoints(generator: keras.Model, classes: Sequence[str]) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` draws the image of a `seed`: noise that follows from the seed alone, and with classes a `label`
    by its name. `interpolate` draws one between those of `seed` and `other_seed`, at `share` of the way along the great
    circle. Every image is drawn by itself, so that it is the same in any batch.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    conditional = is_conditional(generator)
    latent_dim = (generator.input["latent"] if conditional else generator.input).shape[-1]
    names, image = tf.constant(classes or [""]), generator.output_shape[1:]

    def noise(seed):
        return tf.random.stateless_normal([latent_dim], [seed, 0])

    def numbers(label):
        return tf.argmax(label[:, None] == names, axis=1, output_type=tf.int32)

    def drawn(rows, latent_of):
        label = rows.pop("label", None)
        rows = (*rows.values(), tf.zeros_like(rows["seed"]) if label is None else numbers(label))

        def one(row):
            latent = latent_of(*row[:-1])[None]
            values = generator({"label": row[-1][None], "latent": latent} if conditional else latent, training=False)
            return tf.cast(tf.clip_by_value(tf.round((values[0] + 1.0) * 127.5), 0.0, 255.0), tf.uint8)

        return {"image": tf.map_fn(one, rows, fn_output_signature=tf.TensorSpec(image, tf.uint8))}

    def between(seed, other_seed, share):
        first, second = noise(seed), noise(other_seed)
        cosine = tf.reduce_sum(first * second) / (tf.norm(first) * tf.norm(second))
        angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
        # At an angle of 0 both are the same, and any shares do.
        sine = tf.maximum(tf.sin(angle), 1e-6)
        straight = (1.0 - share) * first + share * second
        round_about = (tf.sin((1.0 - share) * angle) * first + tf.sin(share * angle) * second) / sine
        return tf.where(angle < 1e-3, straight, round_about)

    label = {"label": tf.TensorSpec([None], tf.string)} if conditional else {}
    seed, share = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32)
    functions = {
        "serving_default": (lambda **rows: drawn(rows, noise), {"seed": seed, **label}),
        "interpolate": (
            lambda **rows: drawn(rows, between),
            {"seed": seed, "other_seed": seed, "share": share, **label},
        ),
    }
    return functions, [generator]
