"""Images from folders, Fashion-MNIST's files or TensorFlow Datasets, of one size, as batches."""

import numpy as np

from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import batching, image_sets
from kerasmlsp.data.image_sets import Images, coloured
from kerasmlsp.data.image_sets import ImageSet as Data

__all__ = ["LEAST_STEPS", "Data", "Images", "coloured", "labels_like", "read", "training_batches"]

LEAST_STEPS = 100
"""Training steps of an epoch: fewer images than fill them are gone through several times in one epoch."""


def read(config: Config) -> Data:
    """Reads the images that a configuration names, as `image_sets.read_set`."""
    return image_sets.read_set(
        config.data,
        dataset=config.dataset,
        manual_dir=config.manual_dir,
        size=config.size,
        colour=config.colour,
        held_out_share=config.held_out_share,
        seed=config.seed,
    )


def labels_like(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns so many labels in the shares of others and in random order, int32 `(count,)`."""
    ordered = np.sort(labels)[np.arange(count) * len(labels) // count]
    return np.random.default_rng([seed, 2]).permutation(ordered).astype(np.int32)


def training_batches(part: Images, config: Config) -> batching.Batches:
    """Returns `Batches` of images in `[-1, 1]`, with the classes where the architecture is conditional.

    An epoch has at least `LEAST_STEPS`.

    Raises:
        ValueError: There are fewer images than in a batch.
    """
    import tensorflow as tf

    size: int = config.batch_size  # type: ignore[assignment]  # complete
    if len(part) < size:
        raise ValueError(f"`batch_size` must be at most the {len(part)} images to train on. Received: {size}")
    pixels, labels = tf.constant(part.pixels), tf.constant(part.labels)

    def load(indices, key=None):
        image = tf.cast(tf.gather(pixels, indices), tf.float32) / 127.5 - 1.0
        # A tuple: Keras takes the first of it for the inputs.
        if config.architecture != "conditional":
            return (image,)
        return ({"image": image, "label": tf.gather(labels, indices)},)

    once = batching.shuffled(len(part), size, seed=config.seed, drop_remainder=True)
    times = -(-LEAST_STEPS // (len(part) // size))

    def order(epoch):
        return [batch for turn in range(times) for batch in once(epoch * times + turn)]

    return batching.Batches(order, load)
