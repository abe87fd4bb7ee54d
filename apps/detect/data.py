"""Pictures with boxes from files, as arrays and batches."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.apps.detect.config import Config
from kerasmlsp.data import batching, boxes, labelled, splits
from kerasmlsp.targets import boxes as targets

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

LEAST_SIDE = 2.0
"""Pixels of the net's picture that what is left of a box must be high and wide to be a target."""


def read(config: Config, path: str | Path | None = None, **changes: Any) -> boxes.BoxedImages:
    """Reads pictures and boxes. Of equal pictures of the run the first is kept, so that none is held out, too.

    Args:
        config: The run's configuration, which says how to read.
        path: Folder, JSON file or table; None for those of the run.
        **changes: `split` and `pictures` of other data.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    place = {"split": config.split, "pictures": config.pictures} if path is None else changes
    columns = {"path_column": config.path_column, "label_column": config.label_column, "box_columns": config.sides}
    source = config.data if path is None else path
    found = boxes.read_boxed_images(source or "", config.image_size, encoding=config.encoding, **columns, **place)
    if path is not None:
        return found
    return splits.first_of_kind(found, splits.array_keys(found.pixels), "pictures", source or "")


def fingerprint(examples: boxes.BoxedImages) -> str:
    """Tells in a run whether the data are still the same."""
    labels = [label for own in examples.labels for label in own]
    return labelled.fingerprint(examples.pixels, np.concatenate(examples.boxes), labels)


def classes_of(examples: boxes.BoxedImages) -> list[str]:
    """Names of the classes in the order of their numbers."""
    return sorted({label for own in examples.labels for label in own})


def check_known(examples: boxes.BoxedImages, classes: list[str]) -> None:
    """Raises a ValueError where a box is of a class that a run does not know."""
    labelled.of_known([label for own in examples.labels for label in own], classes)


def numbers(examples: boxes.BoxedImages, classes: list[str]) -> list[np.ndarray]:
    """Class number of each box of each picture."""
    place = {name: number for number, name in enumerate(classes)}
    return [np.array([place[label] for label in own], np.int64) for own in examples.labels]


def truth(examples: boxes.BoxedImages, classes: list[str]) -> list[dict[str, np.ndarray]]:
    """The true boxes of each picture in pixels of its file, as `kerasmlsp.metrics.detection` takes them."""
    pairs = zip(examples.in_pixels(), numbers(examples, classes), strict=True)
    return [{"boxes": own, "classes": kinds} for own, kinds in pairs]


def split(examples: boxes.BoxedImages, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those that are held out, none of them where the share is 0."""
    return splits.split_files(
        examples.names,
        config.validation_share,
        config.seed,
        groups=config.group_pattern,
        holdout=config.holdout_pattern,
    )


def starts(config: Config, chosen: dict[str, Any]) -> np.ndarray:
    """The boxes that the net starts from, `(anchors, 4)`.

    Args:
        config: The configuration.
        chosen: `num_stages`, `scales` and `aspect_ratios`, as the run stores them.
    """
    return targets.anchors((config.image_size, config.image_size, 3), **chosen)


def chosen_starts(examples: boxes.BoxedImages, classes: list[str], config: Config) -> dict[str, Any]:
    """Returns what `starts` takes, by the boxes to train on."""
    own, kinds = np.concatenate(examples.boxes), np.concatenate(numbers(examples, classes))
    sizes = targets.anchor_sizes(own, kinds, num_scales=config.num_scales, image_size=config.image_size)
    return dict(zip(("num_stages", "scales", "aspect_ratios"), sizes, strict=True))


def padded(examples: boxes.BoxedImages, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes `(pictures, most, 4)` in parts and their classes `(pictures, most)`, -1 where there are no more."""
    most = max(map(len, examples.boxes))
    found = np.zeros((len(examples.boxes), most, 4), "float32")
    kinds = np.full((len(examples.boxes), most), -1, np.int32)
    for row, (own, each) in enumerate(zip(examples.boxes, numbers(examples, classes), strict=True)):
        found[row, : len(own)], kinds[row, : len(own)] = own, each
    return found, kinds


def matched(found: np.ndarray, kinds: np.ndarray, anchors: np.ndarray, config: Config) -> np.ndarray:
    """What each starting box of a batch has to find.

    Args:
        found: Boxes `(batch, most, 4)` in parts of the picture.
        kinds: Their classes `(batch, most)`, -1 for none.
        anchors: `(anchors, 4)`.
        config: The configuration.

    Returns:
        As of `kerasmlsp.targets.boxes.match`, `(batch, anchors, 5)`.
    """
    least = LEAST_SIDE / config.image_size
    large = (found[..., 2:] - found[..., :2]).min(-1) >= least
    rows = [
        targets.match(own[kept], kind[kept], anchors, threshold=config.match_overlap)
        for own, kind, kept in zip(found, kinds, large & (kinds >= 0), strict=True)
    ]
    return np.stack(rows)


def training_batches(
    examples: boxes.BoxedImages,
    classes: list[str],
    anchors: np.ndarray,
    config: Config,
    layer: "keras.Layer",
    *,
    drop_remainder: bool = False,
) -> batching.Batches:
    """Returns `Batches` of pictures and what the starting boxes have to find, changed as seed, epoch and step say.

    Args:
        examples: The examples.
        classes: Names of the classes.
        anchors: `(anchors, 4)`.
        config: The configuration.
        layer: Changes pictures and boxes alike.
        drop_remainder: As of `batching.shuffled`.
    """
    import tensorflow as tf

    from kerasmlsp.augment.seeding import seeded

    found, kinds = padded(examples, classes)
    pixels, found, kinds = (tf.constant(each) for each in (examples.pixels, found * config.image_size, kinds))
    layer.build((None, *examples.pixels.shape[1:]))

    def match(moved, labels):
        return matched(moved / config.image_size, labels, anchors, config)

    def load(indices, key):
        own = {"boxes": tf.gather(found, indices), "labels": tf.gather(kinds, indices)}
        given = {"images": tf.cast(tf.gather(pixels, indices), tf.float32), "bounding_boxes": own}
        changed = seeded(layer, given, tf.stack([key[0] + config.seed * 2**20, key[1]]))
        moved = changed["bounding_boxes"]
        wanted = tf.numpy_function(match, (moved["boxes"], moved["labels"]), tf.float32, stateful=False)
        images = tf.ensure_shape(changed["images"], (None, *pixels.shape[1:]))
        return images, tf.ensure_shape(wanted, (None, len(anchors), 5))

    count = len(examples.boxes)
    order = batching.shuffled(count, config.batch_size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, load)


def dataset(
    examples: boxes.BoxedImages, classes: list[str], anchors: np.ndarray, config: Config, batch_size: int = 16
) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all examples in their order."""
    import tensorflow as tf

    wanted = matched(*padded(examples, classes), anchors, config)
    rows = tf.data.Dataset.from_tensor_slices((examples.pixels, wanted)).batch(batch_size)
    return rows.map(lambda images, targets: (tf.cast(images, tf.float32), targets)).prefetch(2)
