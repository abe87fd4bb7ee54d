"""Labelled texts from files or TensorFlow Datasets, and their token ids as batches."""

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.apps.sentiment.config import Config
from kerasmlsp.data import batching, labelled, on_disk, text, tfds

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

# Batches are padded to a multiple of this, so that a compiled step meets few shapes.
LENGTH_STEP = 64


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Texts as token ids.

    Args:
        tokens: Ids of each text, int32, on disk.
        labels: Class numbers, int32 `(texts,)`.
    """

    tokens: on_disk.Arrays
    labels: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        return self.tokens.lengths


def read(
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    split: str = "train",
    text_column: str = "text",
    label_column: str = "label",
    encoding: str = "utf-8",
) -> tuple[on_disk.Texts, list[str]]:
    """Reads labelled texts from a file or folder, or from TensorFlow Datasets.

    Returns:
        Texts, which are in a temporary file, and their labels.

    Raises:
        ValueError: Neither or both of `path` and `dataset` are given, or the data cannot be used.
    """
    if path is not None and dataset is None:
        columns = {"text_column": text_column, "label_column": label_column}
        return labelled.read_labelled_texts(path, **columns, encoding=encoding, least_classes=1, stored=True)
    if path is not None or dataset is None:
        raise ValueError("Give the data with either `--data FILE_OR_FOLDER` or `--dataset NAME`.")
    columns = (text_column, label_column)
    examples, info = tfds.load_tfds(dataset, split, features=columns, manual_dir=manual_dir)
    label = info.features[label_column]
    name = label.int2str if hasattr(label, "int2str") else _as_text
    texts, labels = on_disk.Texts(), []
    for row in examples.as_numpy_iterator():
        texts.append(_as_text(row[text_column]))
        labels.append(name(row[label_column]))
    return texts, labels


def _as_text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def shortened(texts: Iterable[str], words: int) -> list[str]:
    """Cuts every text to its first `words` words."""
    return [" ".join(each.split()[:words]) for each in texts]


def encode(texts: Sequence[str], labels: ArrayLike, words: Sequence[str], max_tokens: int) -> Encoded:
    """Turns texts into token ids.

    Args:
        texts: List of strings.
        labels: Class numbers.
        words: The vocabulary: ids from 2 on.
        max_tokens: Longest text.

    Returns:
        `Encoded`.
    """
    import tensorflow as tf

    lookup, tokens = text.lookup(words), on_disk.Arrays("int32")
    for start in range(0, len(texts), 1000):
        ids = lookup(text.truncate(text.tokenize(tf.constant(texts[start : start + 1000])), max_tokens))
        for row in np.split(ids.flat_values.numpy(), np.cumsum(ids.row_lengths().numpy())[:-1]):
            tokens.append(row)
    return Encoded(tokens, np.asarray(labels, np.int32))


def joined(first: Encoded, second: Encoded) -> Encoded:
    """Returns the texts of two `Encoded` as one."""
    tokens = on_disk.Arrays("int32")
    for row in itertools.chain(first.tokens, second.tokens):
        tokens.append(row)
    return Encoded(tokens, np.concatenate([first.labels, second.labels]))


def loader(encoded: Encoded) -> Callable:
    """Returns the function from example indices to token ids `(batch, length)` and class numbers `(batch,)`."""
    import tensorflow as tf

    labels = tf.constant(encoded.labels)

    def load(indices, key=None, longest=0):
        values, counts = tf.numpy_function(encoded.tokens.joined, [indices], (tf.int32, tf.int64), stateful=False)
        rows = tf.RaggedTensor.from_row_lengths(tf.ensure_shape(values, [None]), tf.ensure_shape(counts, [None]))
        return text.dense(rows, LENGTH_STEP, least=longest), tf.gather(labels, indices)

    return load


def training_batches(encoded: Encoded, config: Config, *, drop_remainder: bool = False) -> batching.Batches:
    """Returns length-bucketed `Batches` whose order follows from seed and epoch."""
    order = batching.bucketed(encoded.lengths, config.batch_size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, loader(encoded), encoded.lengths)


def dataset(encoded: Encoded, batch_size: int) -> "tuple[tf.data.Dataset, np.ndarray]":
    """Returns a `tf.data.Dataset` of all texts sorted by length, and the order of the texts in it."""
    import tensorflow as tf

    batches = batching.sorted_by_length(encoded.lengths, batch_size)
    load = loader(encoded)
    rows = tf.ragged.constant([batch.tolist() for batch in batches], dtype=tf.int64)
    return tf.data.Dataset.from_tensor_slices(rows).map(load).prefetch(2), np.concatenate(batches)
