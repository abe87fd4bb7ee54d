"""Pictures of hands, landmarks and paths from files or TensorFlow Datasets, as arrays and batches."""

import dataclasses
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.apps.gesture.config import Config
from kerasmlsp.data import backgrounds, batching, images, labelled, on_disk, splits, tables, tfds
from kerasmlsp.files import existing

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

SHAPES = {"landmarks": (21, 2), "history": (16, 2)}
"""Of one example of a CSV of numbers: points, and x and y of each."""


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples.

    Args:
        kind: "images", "landmarks" or "history".
        inputs: uint8 `(examples, size, size, 3)`, in memory or on disk, or float32 `(examples, points, 2)`.
        labels: Class of each, as text.
        groups: Person of each, `(examples,)`; None where that is not known.
        left_out: How many pictures were left out, by reason.
    """

    kind: str
    inputs: Any
    labels: list[str]
    groups: np.ndarray | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.inputs, self.labels)

    def taken(self, indices: np.ndarray) -> "Examples":
        """Returns some of the examples."""
        groups = None if self.groups is None else self.groups[indices]
        labels = [self.labels[i] for i in indices]
        return Examples(self.kind, _taken(self.inputs, indices), labels, groups, self.left_out)


def read(
    config: Config,
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    split: str = "train",
    kind: str | None = None,
    stored: bool = False,
) -> Examples:
    """Reads labelled examples. Of equal pictures the first is kept, so that none is both trained on and held out.

    Args:
        config: The run's configuration, which says how to read.
        path: Folder, table or CSV of numbers.
        dataset: Name in TensorFlow Datasets.
        manual_dir: Folder with the original files of `dataset`.
        split: Which part of `dataset`.
        kind: What the examples must be; None for what the configuration says.
        stored: Whether to keep pictures on disk, as `kerasmlsp.data.on_disk.Arrays`.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: Neither or both of `path` and `dataset` are given, or the data cannot be used.
    """
    kind = kind or (None if config.input == "auto" else config.input)
    if path is not None and dataset is None:
        path = existing(path)
        numbers = _holds_numbers(path, kind, config.encoding)
        found = _numbers(path, config, kind) if numbers else _pictures(path, config, stored)
    elif path is None and dataset is not None:
        found = _from_tfds(dataset, split, manual_dir, config, stored)
    else:
        raise ValueError("Give the data with either `--data FILE_OR_FOLDER` or `--dataset NAME`.")
    if kind not in (None, found.kind):
        raise ValueError(f"`input` must be what the data are. Received: {kind}, while the data are {found.kind}")
    return found


def read_own(config: Config, *, stored: bool = False) -> tuple[Examples, list[str]]:
    """Reads the examples that a run is trained on, without classes of too few; `stored` is as of `read`.

    Returns:
        `Examples`, and the classes that are left out.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    examples = read(config, config.data, dataset=config.dataset, manual_dir=config.manual_dir, stored=stored)
    labelled.check_classes(str(config.data or config.dataset), examples.labels)
    kept, rare = labelled.frequent(examples.labels, config.min_count)
    return examples.taken(kept) if rare else examples, rare


def _pictures(path, config, stored):
    found = images.read_labelled_images(
        path,
        config.size,
        path_column=config.path_column,
        label_column=config.label_column,
        encoding=config.encoding,
        least_classes=1,
        stored=stored,
    )
    left_out = images.reasons(reason for _, reason in found.unreadable)
    kept = splits.unlike(splits.array_keys(found.pixels), "pictures", path)
    names, labels, groups = [found.names[i] for i in kept], [found.labels[i] for i in kept], None
    if config.rounds:
        groups = splits.rounds(names, labels)
    elif config.group_pattern:
        groups = splits.matched(names, config.group_pattern)
    return Examples("images", _taken(found.pixels, kept), labels, groups, left_out | _copies(found.pixels, kept))


def _taken(values, indices):
    return values.taken(indices) if isinstance(values, on_disk.Arrays) else values[indices]


def _copies(pixels, kept):
    """How many pictures were left out as copies, as in `Examples.left_out`."""
    return {"copies of others": len(pixels) - len(kept)} if len(kept) < len(pixels) else {}


def _from_tfds(dataset, split, manual_dir, config, stored):
    features = ("image", config.label_column)
    examples, info = tfds.load_tfds(dataset, split, features=features, manual_dir=manual_dir)
    label = info.features[config.label_column]
    name = label.int2str if hasattr(label, "int2str") else str
    pixels: Any = on_disk.Arrays("uint8", (config.size, config.size, 3)) if stored else []
    labels = []
    for row in examples.as_numpy_iterator():
        pixels.append(images.resize(row["image"], config.size))
        labels.append(name(row[config.label_column]))
    pixels = pixels if stored else np.stack(pixels)
    kept = splits.unlike(splits.array_keys(pixels), "pictures", dataset)
    return Examples("images", _taken(pixels, kept), [labels[i] for i in kept], left_out=_copies(pixels, kept))


def _holds_numbers(path, kind, encoding):
    """Whether a file is a CSV of numbers: its first row, or its second after a header, has numbers after the class."""
    if path.is_dir() or path.suffix.lower() not in (".csv", ".txt"):
        return False
    if kind is not None:
        return kind in SHAPES
    return any(len(row) > 20 and all(map(_is_number, row[1:])) for row in _rows(path, encoding)[:2])


def _rows(path, encoding):
    """Cells of each row; where semicolons stand between them, a comma is a decimal point, as in half of the world."""
    rows, separator = tables.read_rows(path, encoding=encoding)
    return [[cell.replace(",", ".") for cell in row] for row in rows] if separator == ";" else rows


def _is_number(cell):
    try:
        return bool(np.isfinite(float(cell)))
    except ValueError:
        return False


def _numbers(path, config, kind):
    given, values = read_numbers(path, kind, encoding=config.encoding)
    names = labels = given or []
    if config.class_names:
        text = tables.read_text(existing(config.class_names, "class_names"), encoding=config.encoding)
        listed = [line.strip() for line in text.splitlines()]
        named = {str(number): name for number, name in enumerate(listed) if name}
        if unknown := sorted(set(labels) - set(named)):
            raise ValueError(f"`--class-names` must name every class. Received: no name for {unknown[0]!r}")
        names = [named[label] for label in labels]
    kind = next(kind for kind, shape in SHAPES.items() if shape == values.shape[1:])
    return Examples(kind, values, names)


def read_numbers(
    path: str | Path, kind: str | None = None, *, labelled: bool = True, encoding: str = "utf-8"
) -> tuple[list[str] | None, np.ndarray]:
    """Reads a CSV with one example a row: the class, then x and y of each point. A header is left out.

    Args:
        path: The file.
        kind: "landmarks", "history", or None to tell by the number of columns.
        labelled: Whether every row must have a class; otherwise the file may be without.
        encoding: That of the file.

    Returns:
        The classes as text (None where there are none), and float32 `(rows, points, 2)`.

    Raises:
        ValueError: A row has another number of cells, or one that is no number.
    """
    rows = _rows(path, encoding)
    if rows and not all(map(_is_number, rows[0][1:])):
        rows = rows[1:]
    if not rows:
        raise ValueError(f"`path` must hold rows of numbers. Received: {path}, which holds none")
    wanted = {2 * points: name for name, (points, _) in SHAPES.items() if kind in (None, name)}
    cells = len(rows[0])
    numbers = cells - 1 if cells - 1 in wanted else cells
    if numbers not in wanted or (labelled and numbers == cells):
        counts = " or ".join(f"{count} numbers ({name})" for count, name in wanted.items())
        raise ValueError(f"`path` must have the class and {counts} in a row. Received: {path}, which has {cells} cells")
    for place, row in enumerate(rows, 1):
        if len(row) != cells or not all(map(_is_number, row[cells - numbers :])):
            raise ValueError(f"Row {place} of {path} must have {numbers} numbers{' after the class' * labelled}.")
    values = np.array([row[cells - numbers :] for row in rows], "float32")
    labels = [row[0].strip() for row in rows] if numbers < cells else None
    return labels, values.reshape(len(rows), *SHAPES[wanted[numbers]])


def split(examples: Examples, config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Returns the indices to train on and those that are held out, none of them where the share is 0."""
    if not config.validation_share:
        return np.arange(len(examples.labels)), np.arange(0)
    if examples.groups is not None:
        return splits.split_groups(examples.labels, examples.groups, config.validation_share, config.seed)
    return splits.split_indices(examples.labels, config.validation_share, config.seed, blocks=config.holdout_blocks)


def folds(examples: Examples, count: int, config: Config) -> np.ndarray:
    """Deals the examples into folds: by person where that is known, else by class in runs of neighbours or singly.

    Returns:
        Number of the fold of each example.
    """
    if examples.groups is not None:
        return splits.folds(examples.groups, count, config.seed)
    groups = np.arange(len(examples.labels))
    if config.holdout_blocks:
        codes = np.unique(examples.labels, return_inverse=True)[1]
        for code in range(codes.max() + 1):
            here = np.flatnonzero(codes == code)
            parts = np.array_split(here, config.holdout_blocks * count)
            for part in parts:
                groups[part] = part[0] if len(part) else 0
    return splits.folds(groups, count, config.seed)


def read_background(folder: str | Path | None, size: int) -> np.ndarray | None:
    """Reads pictures that show none of the classes, uint8 `(pictures, size, size, 3)`; None where `folder` is None.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no picture that can be read.
    """
    if folder is None:
        return None
    found: list[Any] = list(images.read_each(images.list_images(folder), size))
    kept, problems = images.kept(found, folder)
    if not kept:
        raise ValueError(f"`background` must hold pictures that can be read. Received: {folder}, where {problems[0]}")
    return np.stack([found[i] for i in kept])


def training_batches(
    examples: Examples,
    targets: np.ndarray,
    weights: np.ndarray,
    config: Config,
    background: np.ndarray | None = None,
    *,
    drop_remainder: bool = False,
) -> batching.Batches:
    """Returns `Batches` of inputs, targets and weights whose order follows from seed and epoch.

    Args:
        examples: The examples.
        targets: `(examples, classes)`.
        weights: What each example counts, `(examples,)`.
        config: The configuration.
        background: Pictures that show none of the classes, uint8 `(pictures, size, size, 3)`, or None.
        drop_remainder: As of `batching.shuffled`.
    """
    order = batching.shuffled(len(targets), config.batch_size, seed=config.seed, drop_remainder=drop_remainder)
    load = loader(examples.inputs, targets, weights)
    if examples.kind == "images":
        load = with_backgrounds(load, examples.inputs, config, background)
    return batching.Batches(order, load)


def loader(inputs: np.ndarray | on_disk.Arrays, targets: np.ndarray, weights: np.ndarray) -> Callable:
    """Returns the function from example indices to inputs, targets and weights."""
    takers = [on_disk.taker(each) for each in (inputs, targets, weights)]
    return lambda indices, key=None: tuple(take(indices) for take in takers)


def with_backgrounds(
    take: Callable, pictures: np.ndarray | on_disk.Arrays, config: Config, background: np.ndarray | None
) -> Callable:
    """Returns `take`, a function as of `loader` for pictures, with other backgrounds in every batch.

    What stands behind the things becomes another, where it is plain. A batch is followed by pictures that show none of
    the classes, if there are some, and by an eighth of its own cut in four that change places, so that skin alone is no
    sign; the target of all these is the same for every class.
    """
    import tensorflow as tf

    things = on_disk.Arrays("uint8", (*pictures.shape[1:3], 1))
    for picture in pictures:
        things.append(backgrounds.foreground(picture))
    thing_of = on_disk.taker(things)
    others, pool = (None, 0) if background is None else (tf.constant(background), len(background))

    def drawn(count, seed):
        places = batching.uniform([count], seed, maxval=pool, dtype=tf.int32)
        return tf.cast(tf.gather(others, places), tf.float32)

    def moved(found, indices, seeds):
        count = tf.shape(indices)[0]
        behind = batching.uniform([count, 1, 1, 3], seeds[0], maxval=256.0)
        chance = batching.uniform([count, 1, 1, 1], seeds[1])
        if others is not None:
            behind = tf.where(chance < config.backdrop / 2, drawn(count, seeds[2]), behind)
        thing = tf.cast(thing_of(indices), tf.float32)
        return tf.where(chance < config.backdrop, backgrounds.replaced(found, thing, behind), found)

    def cut(found, seed):
        size = pictures.shape[1]
        places = tf.random.stateless_uniform([2], seed, size * 3 // 8, size * 5 // 8, dtype=tf.int32)
        return tf.roll(found[: tf.shape(found)[0] // 8], places, axis=[1, 2])

    def load(indices, key):
        found, targets, weights = take(indices)
        seeds = tf.random.split(tf.stack([key[0], key[1] + config.seed % 2**31 * 2**32]), 5)
        found = moved(tf.cast(found, tf.float32), indices, seeds)
        if others is None:
            return found, targets, weights
        count = tf.cast(tf.math.ceil(tf.cast(tf.size(indices), tf.float32) * config.background_share), tf.int32)
        found = tf.concat([found, drawn(count, seeds[3]), cut(found, seeds[4])], 0)
        more = tf.shape(found)[0] - tf.size(indices)
        alike, one = tf.fill([more, targets.shape[1]], 1 / targets.shape[1]), tf.ones([more])
        return found, tf.concat([targets, alike], 0), tf.concat([weights, one], 0)

    return load


def dataset(examples: Examples, targets: np.ndarray, batch_size: int = 256) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all examples in their order."""
    import tensorflow as tf

    inputs, wanted = on_disk.taker(examples.inputs), on_disk.taker(targets)
    rows = tf.data.Dataset.range(len(targets)).batch(batch_size)
    return rows.map(lambda indices: (inputs(indices), wanted(indices))).prefetch(2)
