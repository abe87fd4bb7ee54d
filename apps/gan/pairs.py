"""Images and what they are to be made of, masks with class numbers or pictures in colours, as the nets take them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import batching, splits
from kerasmlsp.data.masks import MaskedImages

if TYPE_CHECKING:
    import tensorflow as tf

SIZE = 128
"""Height and width that images are stretched to where nothing is said."""
LEAST_STEPS = 100
"""Training steps of an epoch: fewer pairs than fill them are gone through several times in one epoch."""


def split(pairs: MaskedImages, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rows to train on and those held out: neighbours in the order of their names, as frames of a film."""
    if len(pairs) < 4:
        raise ValueError(f"`data` must hold four images with masks at least. Received: {len(pairs)}")
    return splits.split_indices(np.zeros(len(pairs), int), config.held_out_share, config.seed, blocks=1)


def training_batches(pairs: MaskedImages, numbers: Sequence[int], config: Config) -> batching.Batches:
    """Returns `Batches` of images and sources as the nets take them, whose order follows from seed and epoch."""
    import tensorflow as tf

    if len(pairs) < config.batch_size:  # type: ignore[operator]  # complete
        raise ValueError(f"`batch_size` must be at most the {len(pairs)} images. Received: {config.batch_size}")
    pixels, sources = tf.constant(pairs.pixels), tf.constant(pairs.masks)

    def load(indices, key):
        image = tf.cast(tf.gather(pixels, indices), tf.float32) / 127.5 - 1.0
        source = encoded(tf.gather(sources, indices), numbers)
        if config.augment:
            seed = tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32])
            mirrored = batching.uniform([tf.size(indices), 1, 1, 1], seed) < 0.5
            image, source = (tf.where(mirrored, each[:, :, ::-1], each) for each in (image, source))
        # A tuple: Keras takes the first of it for the inputs.
        return ({"image": image, "source": source},)

    size: int = config.batch_size  # type: ignore[assignment]  # complete
    once = batching.shuffled(len(pairs), size, seed=config.seed, drop_remainder=True)
    times = -(-LEAST_STEPS // (len(pairs) // size))
    return batching.Batches(lambda epoch: [b for turn in range(times) for b in once(epoch * times + turn)], load)


def encoded(sources: Any, numbers: Sequence[int]) -> "tf.Tensor":
    """Returns sources as the nets take them: a channel of 0 and 1 for each number, or colours from -1 to 1."""
    import tensorflow as tf

    if not numbers:
        return tf.cast(sources, tf.float32) / 127.5 - 1.0
    return tf.cast(sources[..., None] == tf.constant(list(numbers), tf.uint8), tf.float32)
