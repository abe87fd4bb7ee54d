"""Pictures with masks from files, as arrays and batches."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.apps.segment.config import Config
from kerasmlsp.data import batching, labelled, masks, splits, tables
from kerasmlsp.files import existing

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


VOID = -1
"""Target of a pixel of no class."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples in memory.

    Args:
        images: The pictures and their masks.
        places: Class of each pixel from 1 on, 0 for none: uint8 `(images, size, size)`.
        numbers: Number of each class in the masks.
        classes: Name of each class.
    """

    images: masks.MaskedImages
    places: np.ndarray
    numbers: list[int]
    classes: list[str]

    def __len__(self) -> int:
        return len(self.places)

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.images.pixels, self.places)

    def taken(self, indices: np.ndarray) -> "Examples":
        """Returns some of the examples."""
        return dataclasses.replace(self, images=self.images.taken(indices), places=self.places[indices])


def read(config: Config) -> Examples:
    """Reads the examples that a run is trained on. Of equal pictures the first is kept, so that none is held out, too.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    found = masks.read_masked_images(
        config.data or "", config.masks or "", config.image_size, suffix=config.mask_suffix
    )
    found = splits.first_of_kind(found, splits.array_keys(found.pixels), "pictures", config.data or "")
    if len(found.names) < 2:
        raise ValueError(f"`data` must hold two pictures with masks at least. Received: {config.data}, with one")
    names = []
    if config.class_names:
        text = tables.read_text(existing(config.class_names, "class_names"), encoding=config.encoding)
        names = [line.strip() for line in text.splitlines()]
    numbers, classes = masks.classes(found.masks, config.void_numbers, names)
    return Examples(found, _places(found, numbers, config), numbers, classes)


def read_others(
    config: Config, folder: str | Path, mask_folder: str | Path, numbers: list[int], classes: list[str]
) -> Examples:
    """Reads other examples of the classes that a run knows.

    Raises:
        FileNotFoundError: A folder is not there.
        ValueError: The data cannot be used, or a mask holds a number that the run does not know.
    """
    found = masks.read_masked_images(folder, mask_folder, config.image_size, suffix=config.mask_suffix)
    return Examples(found, _places(found, numbers, config), numbers, classes)


def _places(found, numbers, config):
    each = zip(found.masks, found.files, strict=True)
    return np.stack([masks.numbered(mask, numbers, config.void_numbers, name) for mask, name in each])


def split(examples: Examples, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those that are held out, none of them where the share is 0."""
    return splits.split_files(
        examples.images.names,
        config.validation_share,
        config.seed,
        groups=config.group_pattern,
        holdout=config.holdout_pattern,
    )


def class_weights(places: np.ndarray, num_classes: int, weighted: bool) -> np.ndarray:
    """What a pixel of each place counts, float32 `(1 + num_classes,)`: nothing for no class.

    Weighted, a class counts by one over the root of its share, so that the mean over all pixels is 1.
    """
    counts = np.bincount(places.ravel(), minlength=num_classes + 1)[1:].astype(float)
    weights = np.ones(num_classes)
    if weighted:
        weights = 1 / np.sqrt(np.maximum(counts, 1) / max(counts.sum(), 1))
        weights *= counts.sum() / max((weights * counts).sum(), 1e-9)
    return np.concatenate([[0.0], weights]).astype("float32")


def training_batches(
    examples: Examples, config: Config, layer: "keras.Layer", *, drop_remainder: bool = False
) -> batching.Batches:
    """Returns `Batches` of pictures, masks and weights of pixels, changed at random as seed, epoch and step say.

    Args:
        examples: The examples.
        config: The configuration.
        layer: Changes pictures and masks alike.
        drop_remainder: As of `batching.shuffled`.
    """
    import tensorflow as tf

    from kerasmlsp.augment.seeding import seeded

    pixels, places = tf.constant(examples.images.pixels), tf.constant(examples.places)
    weights = class_weights(examples.places, len(examples.classes), config.class_weights)
    layer.build((None, *examples.images.pixels.shape[1:]))

    def load(indices, key):
        given = {
            "images": tf.cast(tf.gather(pixels, indices), tf.float32),
            "segmentation_masks": tf.cast(tf.gather(places, indices), tf.int32)[..., None],
        }
        changed = seeded(layer, given, tf.stack([key[0] + config.seed * 2**20, key[1]]))
        images = tf.ensure_shape(changed["images"], (None, *pixels.shape[1:]))
        masks = tf.ensure_shape(changed["segmentation_masks"], (None, *places.shape[1:], 1))
        return _targets(images, masks[..., 0], weights)

    order = batching.shuffled(len(examples), config.batch_size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, load)


def _targets(images, places, weights):
    import tensorflow as tf

    return images, places + VOID, tf.gather(tf.constant(weights), places)


def dataset(examples: Examples, batch_size: int = 16) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all examples in their order, every pixel of a class counting the same."""
    import tensorflow as tf

    weights = class_weights(examples.places, len(examples.classes), False)
    rows = tf.data.Dataset.from_tensor_slices((examples.images.pixels, examples.places)).batch(batch_size)
    return rows.map(lambda images, places: _targets(images, tf.cast(places, tf.int32), weights)).prefetch(2)
