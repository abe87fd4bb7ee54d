"""Generative adversarial networks of images: a generator and a discriminator, trained together."""

from typing import Any

import keras

from kerasmlsp.models.gan import GAN, WassersteinGAN
from kerasmlsp.models.generative import (
    conditional_dcgan_discriminator,
    conditional_dcgan_generator,
    dcgan_discriminator,
    dcgan_generator,
)


def dcgan(
    height: int,
    width: int,
    channels: int,
    *,
    latent_dim: int = 64,
    num_blocks: int = 2,
    filters: int = 32,
    name: str = "dcgan",
) -> keras.Model:
    """Builds a DCGAN: `dcgan_generator` against `dcgan_discriminator`, with a training step.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Goodfellow et al. 2014, "Generative
    Adversarial Nets"; Radford, Metz and Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional
    Generative Adversarial Networks".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        latent_dim: Size of the noise vector.
        num_blocks: Doublings and halvings.
        filters: Channels of the largest maps.
        name: Name of the model.

    Returns:
        A `kerasmlsp.models.gan.GAN`.

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = dcgan(8, 8, 1, latent_dim=5, filters=4)
        >>> model.generator.output_shape, model.discriminator.output_shape
        ((None, 8, 8, 1), (None, 1))
    """
    sizes: dict[str, Any] = {"num_blocks": num_blocks, "filters": filters}
    generator = dcgan_generator(height, width, channels, latent_dim=latent_dim, **sizes)
    return GAN(generator, dcgan_discriminator(height, width, channels, **sizes), name=name)


def conditional_dcgan(
    height: int,
    width: int,
    channels: int,
    num_classes: int,
    *,
    latent_dim: int = 64,
    num_blocks: int = 2,
    filters: int = 32,
    name: str = "conditional_dcgan",
) -> keras.Model:
    """Builds a DCGAN of images by class, with a training step.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Miyato and Koyama 2018, "cGANs with
    Projection Discriminator".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        num_classes: Number of classes, at least 2.
        latent_dim: Size of the noise vector.
        num_blocks: Doublings and halvings.
        filters: Channels of the largest maps.
        name: Name of the model.

    Returns:
        A `kerasmlsp.models.gan.GAN` of dicts of "image" and "label".

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = conditional_dcgan(8, 8, 1, 10, latent_dim=5, filters=4)
        >>> sorted(model.input), sorted(model.generator.input)
        (['image', 'label'], ['label', 'latent'])
    """
    sizes: dict[str, Any] = {"num_blocks": num_blocks, "filters": filters}
    generator = conditional_dcgan_generator(height, width, channels, num_classes, latent_dim=latent_dim, **sizes)
    return GAN(generator, conditional_dcgan_discriminator(height, width, channels, num_classes, **sizes), name=name)


def wasserstein_gan(
    height: int,
    width: int,
    channels: int,
    *,
    latent_dim: int = 64,
    num_blocks: int = 2,
    filters: int = 32,
    discriminator_steps: int = 5,
    name: str = "wasserstein_gan",
) -> keras.Model:
    """Builds a Wasserstein GAN with gradient penalty of the DCGAN's nets, the critic without batch normalisation.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Gulrajani et al. 2017, "Improved Training
    of Wasserstein GANs".

    Args:
        height: Rows of an image, a multiple of `2 ** num_blocks`.
        width: Columns of an image, a multiple of `2 ** num_blocks`.
        channels: Channels of an image.
        latent_dim: Size of the noise vector.
        num_blocks: Doublings and halvings.
        filters: Channels of the largest maps.
        discriminator_steps: Steps of the critic to one of the generator.
        name: Name of the model.

    Returns:
        A `kerasmlsp.models.gan.WassersteinGAN`.

    Raises:
        ValueError: A size is too small, or an image cannot be halved often enough.

    Example:
        >>> model = wasserstein_gan(8, 8, 1, latent_dim=5, filters=4)
        >>> [layer.name for layer in model.discriminator.layers if "norm" in layer.name]
        []
        >>> model.discriminator_steps
        5
    """
    sizes: dict[str, Any] = {"num_blocks": num_blocks, "filters": filters}
    generator = dcgan_generator(height, width, channels, latent_dim=latent_dim, **sizes)
    critic = dcgan_discriminator(height, width, channels, batch_norm=False, **sizes)
    return WassersteinGAN(generator, critic, discriminator_steps=discriminator_steps, name=name)
