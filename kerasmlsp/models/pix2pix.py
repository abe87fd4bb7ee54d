"""Networks that translate images into images of another kind, and those that judge them patch by patch."""

from typing import Any

import keras
from keras import layers, ops

from kerasmlsp.layers import BatchNormalization
from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models.gan import GAN

# What the papers start all weights from.
_START = {"mean": 0.0, "stddev": 0.02}


@keras.saving.register_keras_serializable("kerasmlsp")
class Pix2Pix(GAN):
    """A generator that translates a source into an image, and is trained against a discriminator of patches.

    With `D` the logits of the patches, `s` a source, `x` its image and `y` the generated one, the discriminator
    minimises what that of `GAN` does, the generator the mean of `softplus(-D(y, s))` over the patches, and `weight`
    times the mean of `|y - x|`. There is no noise: the generator drops units while training.

    `fit` takes dicts of "image" and "source". It logs what `GAN` does, and as `l1` the mean of `|y - x|`.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Isola et al. 2017, "Image-to-Image
    Translation with Conditional Adversarial Networks".

    Args:
        generator: Model from sources `(batch, height, width, channels)` to images.
        discriminator: Model from a dict of "image" and "source" to logits `(batch, rows, columns, 1)`.
        weight: Weight of the mean absolute difference, at least 0.
        name: Name of the model.
        **kwargs: `r1`, `discriminator_steps`, `ema_momentum` and `seed` of `GAN`.

    Raises:
        ValueError: A number is out of range, or the nets do not take a source.

    Example:
        >>> from kerasmlsp.models import pix2pix_discriminator, pix2pix_generator
        >>> generator = pix2pix_generator(8, 8, 2, 1, filters=(4, 4))
        >>> model = Pix2Pix(generator, pix2pix_discriminator(8, 8, 2, 1, filters=(4,)))
        >>> [mean.name for mean in model.means][-1], model.output_shape
        ('l1', (None, 4, 4, 1))
    """

    CONDITION = "source"

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        weight: float = 100.0,
        name: str = "pix2pix",
        **kwargs: Any,
    ):
        if weight < 0:
            raise ValueError(f"`weight` must be at least 0. Received: weight={weight}")
        super().__init__(generator, discriminator, name=name, **kwargs)
        self.weight = weight

    @staticmethod
    def _latent_dim(generator, discriminator):
        given = discriminator.input
        if isinstance(generator.input, dict) or not isinstance(given, dict) or set(given) != {"image", "source"}:
            raise ValueError(
                "`generator` must take a source, and `discriminator` a dict of image and source. "
                f"Received: inputs {generator.input} and {given}"
            )
        return 0

    def _logged(self):
        return (*super()._logged(), "l1")

    def _generator_loss(self, image, label):
        drawn = self._generated(image, label)
        losses = ops.softplus(-self._judged(drawn, label))
        errors = ops.mean(ops.absolute(drawn - image), axis=(1, 2, 3))
        return ops.mean(losses) + self.weight * ops.mean(errors), {"generator_loss": losses, "l1": errors}

    def _generated(self, image, label):
        return self.generator(label, training=True)

    def _judged(self, image, label):
        logits = self.discriminator({"image": image, "source": label}, training=True)
        return ops.reshape(logits, (ops.shape(logits)[0], -1))

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


def pix2pix_generator(
    height: int,
    width: int,
    source_channels: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (32, 64, 128, 256, 256),
    dropout: float = 0.5,
    name: str = "pix2pix_generator",
) -> keras.Model:
    """Builds the U-Net of pix2pix: convolutions that halve the size, transposed ones that double it, and skips.

    All but the first and the last are normalised over the batch. Unlike the paper's, it drops units while training only
    and so gives one image for a source.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Isola et al. 2017, "Image-to-Image
    Translation with Conditional Adversarial Networks"; Ronneberger, Fischer and Brox 2015, "U-Net: Convolutional
    Networks for Biomedical Image Segmentation".

    Args:
        height: Rows of an image, a multiple of `2 ** len(filters)`.
        width: Columns of an image, a multiple of `2 ** len(filters)`.
        source_channels: Channels of the source, such as classes of a mask.
        channels: Channels of the image.
        filters: Filters after each halving, two at least.
        dropout: Drop probability after the first half of the doublings, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a `source` `(batch, height, width, source_channels)` to images `(batch, height, width, channels)`,
        float32 in `[-1, 1]`.

    Raises:
        ValueError: A size is too small, an image cannot be halved often enough, or `dropout` is out of range.

    Example:
        >>> model = pix2pix_generator(16, 24, 5, 3, filters=(4, 8, 8))
        >>> model.get_layer("halve_3").output.shape, model.get_layer("skip_1").output.shape  # 4 and 4 maps
        ((None, 2, 3, 8), (None, 8, 12, 8))
        >>> model.output_shape
        (None, 16, 24, 3)
    """
    _check(height, width, filters, least=2, source_channels=source_channels, channels=channels)
    check_rates(dropout=dropout)
    source = keras.Input((height, width, source_channels), name="source")
    maps, skipped = source, []
    for level, count in enumerate(filters, 1):
        maps = _halved(maps, count, level, normed=level > 1)
        skipped.append(maps)
    for level in range(len(filters) - 1, 0, -1):
        start = keras.initializers.RandomNormal(**_START)
        options = {"padding": "same", "use_bias": False, "kernel_initializer": start, "name": f"double_{level}"}
        maps = layers.Conv2DTranspose(filters[level - 1], 4, 2, **options)(maps)
        maps = BatchNormalization(momentum=0.9, name=f"double_norm_{level}")(maps)
        if level > len(filters) // 2:
            maps = layers.Dropout(dropout, name=f"dropout_{level}")(maps)
        maps = layers.ReLU(name=f"double_relu_{level}")(maps)
        maps = layers.Concatenate(name=f"skip_{level}")([maps, skipped[level - 1]])
    start = keras.initializers.RandomNormal(**_START)
    maps = layers.Conv2DTranspose(channels, 4, 2, padding="same", kernel_initializer=start, name="double_0")(maps)
    return keras.Model(source, layers.Activation("tanh", dtype="float32", name="image")(maps), name=name)


def pix2pix_discriminator(
    height: int,
    width: int,
    source_channels: int,
    channels: int,
    *,
    filters: tuple[int, ...] = (32, 64, 128),
    batch_norm: bool = True,
    name: str = "pix2pix_discriminator",
) -> keras.Model:
    """Builds the patch discriminator of pix2pix: a convolutional net with a logit for every patch of an image.

    With three halvings a logit sees 46 by 46 pixels.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Isola et al. 2017, "Image-to-Image
    Translation with Conditional Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** len(filters)`.
        width: Columns of an image, a multiple of `2 ** len(filters)`.
        source_channels: Channels of the source.
        channels: Channels of the image.
        filters: Filters after each halving, one at least.
        batch_norm: Whether all convolutions but the first are normalised over the batch, which gradient penalties do
            not want.
        name: Name of the model.

    Returns:
        A model from a dict of "image", `(batch, height, width, channels)`, and "source", `(batch, height, width,
        source_channels)`, to the logits of being a real image of that source, one for each patch: float32 `(batch,
        height / 2 ** len(filters), width / 2 ** len(filters), 1)`.

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> pix2pix_discriminator(16, 24, 5, 3, filters=(4, 8)).output_shape
        (None, 4, 6, 1)
    """
    _check(height, width, filters, least=1, source_channels=source_channels, channels=channels)
    inputs = {
        "image": keras.Input((height, width, channels), name="image"),
        "source": keras.Input((height, width, source_channels), name="source"),
    }
    maps = layers.Concatenate(name="image_and_source")(list(inputs.values()))
    for level, count in enumerate(filters, 1):
        maps = _halved(maps, count, level, normed=batch_norm and level > 1)
    start = keras.initializers.RandomNormal(**_START)
    logits = layers.Conv2D(1, 4, padding="same", kernel_initializer=start, dtype="float32", name="logits")(maps)
    return keras.Model(inputs, logits, name=name)


def pix2pix(
    height: int,
    width: int,
    source_channels: int,
    channels: int,
    *,
    filters: int = 32,
    num_halvings: int = 5,
    weight: float = 100.0,
    name: str = "pix2pix",
) -> keras.Model:
    """Builds `pix2pix_generator` against `pix2pix_discriminator`, with a training step.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Isola et al. 2017, "Image-to-Image
    Translation with Conditional Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_halvings`.
        width: Columns of an image, a multiple of `2 ** num_halvings`.
        source_channels: Channels of the source.
        channels: Channels of the image.
        filters: Filters after the first halving; each further one doubles them, up to eight times as many.
        num_halvings: Halvings of the generator, two at least; the discriminator has at most three.
        weight: Weight of the mean absolute difference, at least 0.
        name: Name of the model.

    Returns:
        A `Pix2Pix` of dicts of "image" and "source".

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = pix2pix(16, 16, 5, 3, filters=4, num_halvings=3)
        >>> model.generator.output_shape, model.output_shape
        ((None, 16, 16, 3), (None, 2, 2, 1))
    """
    counts = tuple(min(8, 2**level) * filters for level in range(num_halvings))
    sizes = (height, width, source_channels, channels)
    generator = pix2pix_generator(*sizes, filters=counts)
    return Pix2Pix(generator, pix2pix_discriminator(*sizes, filters=counts[:3]), weight=weight, name=name)


def _check(height, width, filters, *, least, **sizes):
    if len(filters) < least or min(filters) < 1:
        words = "two numbers or more" if least > 1 else "one number or more"
        raise ValueError(f"`filters` must be {words} of at least 1. Received: filters={tuple(filters)}")
    check_sizes(height=height, width=width, **sizes)
    for size, pixels in (("height", height), ("width", width)):
        if pixels % 2 ** len(filters):
            raise ValueError(f"`{size}` must be a multiple of {2 ** len(filters)}. Received: {size}={pixels}")


def _halved(maps, filters, level, normed):
    start = keras.initializers.RandomNormal(**_START)
    options = {"padding": "same", "use_bias": not normed, "kernel_initializer": start, "name": f"halve_{level}"}
    maps = layers.Conv2D(filters, 4, 2, **options)(maps)
    if normed:
        maps = BatchNormalization(momentum=0.9, name=f"norm_{level}")(maps)
    return layers.LeakyReLU(0.2, name=f"relu_{level}")(maps)
