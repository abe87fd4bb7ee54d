"""Networks that make images from noise, and those that tell them from real ones."""

import keras
from keras import layers

from kerasmlsp.layers import BatchNormalization
from kerasmlsp.models._checks import check_rates, check_sizes


def dcgan_generator(
    height: int,
    width: int,
    channels: int,
    *,
    latent_dim: int = 64,
    num_blocks: int = 2,
    filters: int = 32,
    name: str = "dcgan_generator",
) -> keras.Model:
    """Builds the generator of a DCGAN: a projection, then transposed convolutions that double the size.

    Every layer but the last has batch normalisation and ReLU; the first map has `filters * 2 ** (num_blocks - 1)`
    channels, and each doubling halves them.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Radford, Metz and Chintala 2016,
    "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        latent_dim: Size of the noise vector.
        num_blocks: Doublings.
        filters: Channels before the last doubling.
        name: Name of the model.

    Returns:
        A model from standard normal noise `(batch, latent_dim)` to images `(batch, height, width, channels)`, float32
        in `[-1, 1]`.

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = dcgan_generator(28, 28, 1, filters=4)
        >>> [model.get_layer(name).output.shape for name in ("maps", "double_1", "double_2")]
        [(None, 7, 7, 8), (None, 14, 14, 4), (None, 28, 28, 1)]
    """
    latent = keras.Input((latent_dim,), name="latent")
    _check_image(height, width, channels, num_blocks, latent_dim=latent_dim, filters=filters)
    return keras.Model(latent, _image(latent, height, width, channels, num_blocks, filters), name=name)


def conditional_dcgan_generator(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    latent_dim: int = 64,
    embedding_dim: int = 32,
    num_blocks: int = 2,
    filters: int = 32,
    name: str = "conditional_dcgan_generator",
) -> keras.Model:
    """Builds the generator of a DCGAN that draws an image of a given class: its embedding stands beside the noise.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Mirza and Osindero 2014, "Conditional
    Generative Adversarial Nets"; Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        num_classes: Number of classes, at least 2.
        latent_dim: Size of the noise vector.
        embedding_dim: Size of a class's vector.
        num_blocks: Doublings.
        filters: Channels before the last doubling.
        name: Name of the model.

    Returns:
        A model from a dict of "label", int `(batch,)`, and "latent", `(batch, latent_dim)`, to images
        `(batch, height, width, channels)`, float32 in `[-1, 1]`.

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = conditional_dcgan_generator(8, 8, 1, 10, latent_dim=5, embedding_dim=3, filters=4)
        >>> model.get_layer("noise_and_label").output.shape
        (None, 8)
    """
    check_sizes(2, num_classes=num_classes)
    _check_image(
        height, width, channels, num_blocks, latent_dim=latent_dim, embedding_dim=embedding_dim, filters=filters
    )
    inputs = {
        "label": keras.Input((), dtype="int32", name="label"),
        "latent": keras.Input((latent_dim,), name="latent"),
    }
    label = layers.Embedding(num_classes, embedding_dim, name="embedding")(inputs["label"])
    features = layers.Concatenate(name="noise_and_label")([inputs["latent"], label])
    return keras.Model(inputs, _image(features, height, width, channels, num_blocks, filters), name=name)


def dcgan_discriminator(
    height: int,
    width: int,
    channels: int,
    *,
    num_blocks: int = 2,
    filters: int = 32,
    batch_norm: bool = True,
    power_iterations: int = 0,
    dropout: float = 0.0,
    name: str = "dcgan_discriminator",
) -> keras.Model:
    """Builds the discriminator of a DCGAN: convolutions that halve the size, leaky ReLUs, and one logit.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Radford, Metz and Chintala 2016,
    "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks"; Miyato et al. 2018,
    "Spectral Normalization for Generative Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        num_blocks: Halvings.
        filters: Channels after the first halving; each further one doubles them.
        batch_norm: Whether all convolutions but the first are normalised over the batch. Gradient penalties are defined
            for each image by itself, so they want False.
        power_iterations: Steps of the power method in the spectral normalisation of every layer; 0 for none.
        dropout: Drop probability after each halving, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from images `(batch, height, width, channels)`, usually in `[-1, 1]`, to the logit `(batch, 1)` of being
        real, float32.

    Raises:
        ValueError: A size is too small, an image cannot be halved often enough, or `dropout` is out of range.

    Example:
        >>> model = dcgan_discriminator(28, 28, 1, filters=4)
        >>> [model.get_layer(name).output.shape for name in ("halve_1", "halve_2", "logits")]
        [(None, 14, 14, 4), (None, 7, 7, 8), (None, 1)]
    """
    _check_image(height, width, channels, num_blocks, filters=filters)
    _check_discriminator(power_iterations, dropout)
    image = keras.Input((height, width, channels), name="image")
    features = _features(image, num_blocks, filters, batch_norm, power_iterations, dropout)
    return keras.Model(image, _logit(features, power_iterations, name="logits"), name=name)


def conditional_dcgan_discriminator(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    num_blocks: int = 2,
    filters: int = 32,
    batch_norm: bool = True,
    power_iterations: int = 0,
    dropout: float = 0.0,
    name: str = "conditional_dcgan_discriminator",
) -> keras.Model:
    """Builds the discriminator of a DCGAN that knows the class: the logit gains the features' product with its vector.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Miyato and Koyama 2018, "cGANs with
    Projection Discriminator"; Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep
    Convolutional Generative Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        num_classes: Number of classes, at least 2.
        num_blocks: Halvings.
        filters: Channels after the first halving; each further one doubles them.
        batch_norm: Whether all convolutions but the first are normalised over the batch.
        power_iterations: Steps of the power method in the spectral normalisation of every layer; 0 for none.
        dropout: Drop probability after each halving, in `[0, 1)`.
        name: Name of the model.

    Returns:
        A model from a dict of "image", `(batch, height, width, channels)`, and "label", int `(batch,)`, to the logit
        `(batch, 1)` of being real and of that class, float32.

    Raises:
        ValueError: A size is too small, an image cannot be halved often enough, or `dropout` is out of range.

    Example:
        >>> model = conditional_dcgan_discriminator(8, 8, 1, 10, filters=4)
        >>> model.get_layer("embedding").count_params()  # of each of ten classes a vector like the 2 * 2 * 8 features
        320
    """
    check_sizes(2, num_classes=num_classes)
    _check_image(height, width, channels, num_blocks, filters=filters)
    _check_discriminator(power_iterations, dropout)
    image = keras.Input((height, width, channels), name="image")
    label = keras.Input((), dtype="int32", name="label")
    features = _features(image, num_blocks, filters, batch_norm, power_iterations, dropout)
    embedding = layers.Embedding(num_classes, features.shape[-1], embeddings_initializer="zeros", name="embedding")
    projection = layers.Dot(1, dtype="float32", name="projection")([features, embedding(label)])
    logits = layers.Add(dtype="float32", name="logits")(
        [_logit(features, power_iterations, name="realness"), projection]
    )
    return keras.Model({"image": image, "label": label}, logits, name=name)


def _check_image(height, width, channels, num_blocks, **sizes):
    check_sizes(height=height, width=width, channels=channels, num_blocks=num_blocks, **sizes)
    for size, value in (("height", height), ("width", width)):
        if value % 2**num_blocks:
            raise ValueError(f"`{size}` must be a multiple of 2 ** num_blocks. Received: {size}={value}")


def _check_discriminator(power_iterations, dropout):
    if power_iterations < 0:
        raise ValueError(f"`power_iterations` must be at least 0. Received: power_iterations={power_iterations}")
    check_rates(dropout=dropout)


# What the paper starts all weights from.
_START = {"mean": 0.0, "stddev": 0.02}


def _image(features, height, width, channels, num_blocks, filters):
    """Noise to an image: each block doubles the size."""
    rows, columns, most = height // 2**num_blocks, width // 2**num_blocks, filters * 2 ** (num_blocks - 1)
    start = keras.initializers.RandomNormal
    features = layers.Dense(
        rows * columns * most, use_bias=False, kernel_initializer=start(**_START), name="projection"
    )(features)
    features = layers.Reshape((rows, columns, most), name="maps")(features)
    for block in range(1, num_blocks + 1):
        features = BatchNormalization(momentum=0.9, name=f"norm_{block}")(features)
        features = layers.ReLU(name=f"relu_{block}")(features)
        last = block == num_blocks
        features = layers.Conv2DTranspose(
            channels if last else most // 2**block,
            4,
            strides=2,
            padding="same",
            use_bias=last,
            kernel_initializer=start(**_START),
            name=f"double_{block}",
        )(features)
    return layers.Activation("tanh", dtype="float32", name="image")(features)


def _features(image, num_blocks, filters, batch_norm, power_iterations, dropout):
    """An image to one vector: each block halves the size."""
    features = image
    for block in range(1, num_blocks + 1):
        normed = batch_norm and block > 1
        halve = layers.Conv2D(
            filters * 2 ** (block - 1),
            4,
            strides=2,
            padding="same",
            use_bias=not normed,
            kernel_initializer=keras.initializers.RandomNormal(**_START),
            name=f"halve_{block}",
        )
        features = _spectral(halve, power_iterations)(features)
        if normed:
            features = BatchNormalization(momentum=0.9, name=f"norm_{block}")(features)
        features = layers.LeakyReLU(0.2, name=f"relu_{block}")(features)
        features = layers.Dropout(dropout, name=f"dropout_{block}")(features)
    return layers.Flatten(name="features")(features)


def _logit(features, power_iterations, name):
    start = keras.initializers.RandomNormal(**_START)
    dense = layers.Dense(1, kernel_initializer=start, dtype="float32", name=name)
    return _spectral(dense, power_iterations, dtype="float32")(features)


def _spectral(layer, power_iterations, **options):
    if not power_iterations:
        return layer
    return layers.SpectralNormalization(layer, power_iterations, name=layer.name, **options)
