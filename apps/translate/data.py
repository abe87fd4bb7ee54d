"""Sentences with their translations from files or TensorFlow Datasets, and their units as batches."""

import collections
import dataclasses
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp import distribution
from kerasmlsp.apps.translate import sources
from kerasmlsp.apps.translate.config import Config
from kerasmlsp.data import batching, labelled, normalization, splits, subwords, text, tfds

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

START, STOP = subwords.START, subwords.STOP
SPLITS = ("train", "validation", "test")
_CHUNK = 2000  # sentences that are turned into units at a time


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Sentences with their translations.

    Args:
        sources: The sentences, a list of strings.
        targets: The translation of each.
        splits: "train", "validation" or "test" for each.
        problems: What was left out or looked odd while reading, counted.
    """

    sources: list[str]
    targets: list[str]
    splits: list[str]
    problems: dict[str, int]

    def of(self, split: str) -> tuple[list[str], list[str]]:
        """The sentences of a split, and their translations."""
        rows = [i for i, own in enumerate(self.splits) if own == split]
        return [self.sources[i] for i in rows], [self.targets[i] for i in rows]

    def counts(self) -> dict[str, int]:
        """Pairs of each split."""
        return {split: self.splits.count(split) for split in SPLITS}

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.sources, self.targets, self.splits)


def read(config: Config, only: str | None = None) -> Pairs:
    """Reads the pairs that a configuration names.

    Left out and counted are pairs of which a side is empty, pairs that repeat, pairs of other splits, and, so that
    nothing of the test is trained on, pairs whose source or target is in the test, and then in the validation split, in
    any case and spacing. Where the data name no splits, they are drawn by lot, all translations of a sentence together.

    Args:
        config: The configuration.
        only: The one split that is wanted; all pairs are of it where the data name no splits.

    Returns:
        `Pairs`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: Neither or both of `data` and `dataset` are given, the data cannot be used, or a split is empty.
    """
    if (config.data is None) == (config.dataset is None):
        raise ValueError("Give the sentences with either `--data PATH` or `--dataset NAME`.")
    rows = sources.rows(config) if config.data is not None else _from_tfds(config, only)
    pairs = _told_apart(rows, config, only)
    wanted = [only] if only else SPLITS
    if lacking := [split for split in wanted if not pairs.counts()[split]]:
        told = ", ".join(f"{count} {what}" for what, count in pairs.problems.items())
        raise ValueError(
            f"`data` must hold sentences with translations of every split: train, val and test. Received: "
            f"{config.data or config.dataset}, which has none of {', '.join(lacking)}{f' ({told})' if told else ''}"
        )
    return pairs


def _from_tfds(config, only):
    """Reads a data set whose features are languages."""
    place = {"features": (config.source, config.target), "manual_dir": config.manual_dir}
    _, info = tfds.load_tfds(config.dataset, "train", **place)
    for name in info.splits:
        split = sources.split_of(name)
        if split is None or only not in (None, split):
            continue
        examples, _ = tfds.load_tfds(config.dataset, name, **place)
        for example in examples.as_numpy_iterator():
            yield example[config.source].decode(), example[config.target].decode(), split


def _told_apart(rows: Iterable[sources.Row], config, only):
    """One split for each pair, so that no sentence of one is in another, on either side."""
    problems: collections.Counter = collections.Counter()
    found = []
    for source, target, split in rows:
        source, target = " ".join(source.split()), " ".join(target.split())
        if not (source and target):
            problems["pairs of which a side is empty"] += 1
        elif split == "":
            problems["pairs of other splits"] += 1
        else:
            found.append((source, target, split))
    keys = [splits.text_keys(side) for side in ([row[0] for row in found], [row[1] for row in found])]
    unnamed = all(split is None for *_, split in found)
    parts: list[str] = [only] * len(found) if only and unnamed else [split or "train" for *_, split in found]
    if not only:
        parts = _drawn(keys[0], parts, config)
    # Those of the test come first, so that of pairs that repeat its own stay.
    rank = ("test", "validation", "train")
    order = sorted(range(len(found)), key=lambda i: rank.index(parts[i]))
    pairs = [(keys[0][i], keys[1][i]) for i in order]
    first = {order[i] for i in splits.without(pairs)}
    problems["pairs that repeat others"] = len(found) - len(first)
    apart = set(splits.apart(keys[0], parts, rank)) & set(splits.apart(keys[1], parts, rank))
    problems["pairs with a sentence of another split"] = len(first - apart)
    kept = [i for i in sorted(first & apart) if only in (None, parts[i])]
    return Pairs(
        [found[i][0] for i in kept],
        [found[i][1] for i in kept],
        [parts[i] for i in kept],
        {what: count for what, count in problems.items() if count},
    )


def _drawn(keys: Sequence[bytes], parts: Sequence[str], config):
    """Draws the splits that are lacking from the sentences to train on; all translations of one stay together."""
    kinds = list(dict.fromkeys(key for key, part in zip(keys, parts, strict=True) if part == "train"))
    order, begin, chosen = np.random.default_rng(config.seed).permutation(len(kinds)), 0, {}
    for split, share in (("test", config.test_share), ("validation", config.validation_share)):
        if split not in parts:
            count = max(1, round(share * len(kinds)))
            chosen |= {kinds[i]: split for i in order[begin : begin + count]}
            begin += count
    return [chosen.get(key, part) if part == "train" else part for key, part in zip(keys, parts, strict=True)]


def form(texts: "tf.Tensor") -> "tf.Tensor":
    """Sentences to translate in the one form in which they are read, see `kerasmlsp.data.normalization`."""
    return subwords.spaced(normalization.normalize(texts))


def _chunks(texts: Sequence[str]) -> Iterator["tf.Tensor"]:
    import tensorflow as tf

    for begin in range(0, len(texts), _CHUNK):
        yield tf.constant(list(texts[begin : begin + _CHUNK]), tf.string)


def learn(pairs: Pairs, config: Config) -> list[str]:
    """Learns the units of both languages from the sentences that are trained on.

    Raises:
        ValueError: `vocabulary_size` is too small for the characters.
    """
    train_sources, train_targets = pairs.of("train")
    read = [line.decode() for chunk in _chunks(train_sources) for line in form(chunk).numpy()]
    return subwords.learn([*read, *train_targets], config.vocabulary_size)


def units_of(texts: "tf.Tensor", units: subwords.Subwords, most: int) -> "tuple[tf.RaggedTensor, tf.Tensor]":
    """Units of sentences to translate, `STOP` behind each, and whether a sentence was cut to `most` of them in all."""
    import tensorflow as tf

    ids = units.encode(form(texts))
    stop = tf.fill([tf.shape(texts)[0], 1], STOP)
    return tf.concat([ids[:, : most - 1], stop], axis=1), ids.row_lengths() > most - 1


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Sentences and translations as units.

    Args:
        sources: Units of all sentences one after the other, each with `STOP` behind, int32 `(tokens,)`.
        source_starts: Where each begins, int64 `(pairs + 1,)`; the last is the number of tokens.
        targets, target_starts: The same of the translations, each from `START` to `STOP`.
        left_out: Pairs that were longer than allowed.
    """

    sources: np.ndarray
    source_starts: np.ndarray
    targets: np.ndarray
    target_starts: np.ndarray
    left_out: int

    @property
    def lengths(self) -> np.ndarray:
        """Steps of source and target of each pair, int64 `(pairs, 2)`."""
        # What is seen of a target, and what is to be written, are one less than from START to STOP.
        return np.stack([np.diff(self.source_starts), np.diff(self.target_starts) - 1], axis=1)


def encode(
    source_texts: Sequence[str], target_texts: Sequence[str], units: subwords.Subwords, most: int, *, cut: bool
) -> Encoded:
    """Turns pairs into units.

    Args:
        source_texts: The sentences.
        target_texts: Their translations.
        units: `subwords.Subwords`.
        most: Longest sentence in units, `STOP` included.
        cut: Whether longer ones are cut; otherwise their pairs are left out.
    """
    import tensorflow as tf

    sources_, targets, left_out = [], [], 0
    for first, second in zip(_chunks(source_texts), _chunks(target_texts), strict=True):
        rows, long = units_of(first, units, most)
        ids = units.encode(second)
        begin, end = (tf.fill([tf.shape(second)[0], 1], each) for each in (START, STOP))
        whole = tf.concat([begin, ids[:, : most - 1], end], axis=1)
        long = long | (ids.row_lengths() > most - 1)
        if not cut:
            rows, whole = tf.ragged.boolean_mask(rows, ~long), tf.ragged.boolean_mask(whole, ~long)
            left_out += int(tf.reduce_sum(tf.cast(long, tf.int32)))
        sources_.append(rows)
        targets.append(whole)

    def flat(parts):
        lengths = np.concatenate([part.row_lengths().numpy() for part in parts])
        return np.concatenate([part.flat_values.numpy() for part in parts]), np.concatenate([[0], np.cumsum(lengths)])

    (read, read_starts), (written, written_starts) = flat(sources_), flat(targets)
    return Encoded(read, read_starts, written, written_starts, left_out)


def loader(encoded: Encoded) -> Callable:
    """Returns the function from pair numbers and the key of a batch to inputs, targets and their weights.

    Inputs are `source_ids` and `target_ids` `(batch, length)`, targets the units that follow. Padding and what is
    unknown weigh nothing.
    """
    import tensorflow as tf

    source_rows = tf.RaggedTensor.from_row_splits(encoded.sources, encoded.source_starts)
    target_rows = tf.RaggedTensor.from_row_splits(encoded.targets, encoded.target_starts)

    def load(indices, key=None, longest=(0, 0)):
        tokens = text.dense(tf.gather(target_rows, indices), least=longest[1] + 1)
        targets = tokens[:, 1:]
        sources_ = text.dense(tf.gather(source_rows, indices), least=longest[0])
        inputs = {"source_ids": sources_, "target_ids": tokens[:, :-1]}
        return inputs, targets, tf.cast(targets > subwords.UNKNOWN, tf.float32)

    return load


def training_batches(encoded: Encoded, config: Config) -> batching.Batches:
    """Returns `Batches` of about as many units each, whose order follows from seed and epoch.

    With `jit="on"` each has a multiple of eight pairs, or of as many as there are devices, which share it.
    """
    rows = math.lcm(8, distribution.parts()) if config.jit == "on" else 1
    order = batching.by_tokens(encoded.lengths, config.batch_tokens, seed=config.seed, rows=rows)
    return batching.Batches(order, loader(encoded), encoded.lengths)


def dataset(encoded: Encoded, tokens: int) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all pairs in batches of so many units."""
    import tensorflow as tf

    batches = batching.by_tokens(encoded.lengths, tokens)(0)
    rows = tf.ragged.constant([batch.tolist() for batch in batches], dtype=tf.int64)
    return tf.data.Dataset.from_tensor_slices(rows).map(loader(encoded)).prefetch(2)
