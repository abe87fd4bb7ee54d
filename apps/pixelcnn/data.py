"""Images from folders, Fashion-MNIST's files or TensorFlow Datasets, as batches of levels."""

from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.apps.pixelcnn.config import LEVELS, Config
from kerasmlsp.data import batching, image_sets, splits
from kerasmlsp.data.image_sets import Images, ImageSet

if TYPE_CHECKING:
    import tensorflow as tf


def read(config: Config) -> ImageSet:
    """Reads the images that a configuration names, as `image_sets.read_set`; without classes where none are wanted.

    Raises:
        ValueError: There are more classes than levels of a pixel.
    """
    found = image_sets.read_set(
        config.data,
        dataset=config.dataset,
        manual_dir=config.manual_dir,
        size=config.size,
        colour=config.colour,
        held_out_share=config.held_out_share,
        seed=config.seed,
    )
    if config.conditional and len(found.classes) > LEVELS:
        raise ValueError(
            f"`data` must have at most {LEVELS} classes: leave them out by `--no-conditional`. "
            f"Received: {len(found.classes)}"
        )
    return found


def split(part: Images, config: Config) -> tuple[Images, Images | None]:
    """Returns the images to train on, and those that select the epoch; None where the share is 0."""
    if not config.validation_share:
        return part, None
    chosen, others = splits.split_indices(np.zeros(len(part)), config.validation_share, config.seed)
    return part[chosen], part[others]


def inputs(part: Images, conditional: bool) -> dict[str, np.ndarray] | np.ndarray:
    """Returns what the net takes, but levels as uint8: levels, with the class numbers in a dict where it is told."""
    return {"label": part.labels, "levels": part.pixels} if conditional else part.pixels


def training_batches(part: Images, config: Config, conditional: bool) -> batching.Batches:
    """Returns `Batches` of what the net takes and of the levels that it foretells, which are the same."""
    import tensorflow as tf

    pixels, labels = tf.constant(part.pixels), tf.constant(part.labels)

    def load(indices, key=None):
        levels = tf.cast(tf.gather(pixels, indices), tf.int32)
        return ({"label": tf.gather(labels, indices), "levels": levels} if conditional else levels), levels

    return batching.Batches(batching.shuffled(len(part), config.batch_size, seed=config.seed), load)


def dataset(part: Images, conditional: bool, batch_size: int = 100) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all images in their order, as of `training_batches`."""
    import tensorflow as tf

    def load(given):
        levels = tf.cast(given["levels"] if conditional else given, tf.int32)
        return ({**given, "levels": levels} if conditional else levels), levels

    return tf.data.Dataset.from_tensor_slices(inputs(part, conditional)).batch(batch_size).map(load).prefetch(2)
