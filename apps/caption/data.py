"""Captioned pictures from files or TensorFlow Datasets, and their captions as batches."""

import collections
import concurrent.futures
import dataclasses
import hashlib
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.apps.caption import sources
from kerasmlsp.apps.caption.config import Config
from kerasmlsp.data import batching, images, labelled, splits, text, tfds

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

START, STOP = 2, 3
# Batches are padded to a multiple of this, so that a compiled step meets few shapes.
LENGTH_STEP = 4
# What the tokeniser takes for mark-up, so that no caption holds them.
MARKS = ("<start>", "<stop>")
SPLITS = {"train": "train", "training": "train", "restval": "train"}
SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "validation") | {"test": "test"}


@dataclasses.dataclass(frozen=True)
class Captioned:
    """Pictures with their captions.

    Args:
        names: Name of each picture.
        captions: Captions of each, a list of strings.
        splits: "train", "validation" or "test" for each.
        digests: What tells the contents of each picture from those of others.
        read: Maps a size and numbers of pictures, rising, to an iterator over these: uint8 `(size, size, 3)`, or the
            error of one that cannot be read.
        problems: What was left out or looked odd while reading, counted.
    """

    names: list[str]
    captions: list[list[str]]
    splits: list[str]
    digests: list[str]
    read: Callable[[int, Iterable[int]], Iterator[np.ndarray | Exception]]
    problems: dict[str, int]

    def rows(self, split: str) -> np.ndarray:
        """Numbers of the pictures of a split."""
        return np.flatnonzero(np.array(self.splits) == split)

    def fingerprint(self) -> str:
        lines = (line for several in self.captions for line in [*several, ""])
        return labelled.fingerprint(self.names, self.splits, self.digests, lines)


def read(config: Config, only: str | None = None) -> Captioned:
    """Reads the captions that a configuration names; pictures are read later.

    Left out and counted are captions without words or of other splits, pictures that are missing and, of pictures that
    occur in several splits under one name or several, all but those of the test and then of the validation split. Rows
    that repeat are counted and kept, since two people may say the same.

    Args:
        config: The configuration.
        only: The one split that is wanted; all pictures are of it where the table names no splits.

    Returns:
        `Captioned`.

    Raises:
        FileNotFoundError: The table or the folder is not there.
        ValueError: Neither or both of `data` and `dataset` are given, a column is missing, or a split is empty.
    """
    if (config.data is None) == (config.dataset is None):
        raise ValueError("Give the captions with either `--data FILE` or `--dataset NAME`.")
    table = _from_tfds(config, only) if config.data is None else _from_files(config, only)
    if only:
        table = without(table, [i for i, split in enumerate(table.splits) if split != only])
    return checked(table, config, only)


def _from_files(config, only):
    path = sources.table_of(config.data)
    if path != Path(config.data):
        log.info("Took the captions of %s.", path)
    problems, rows = collections.Counter(), []
    for name, caption, split in sources.rows(path, config):
        if not _worded(caption):
            problems["captions without words"] += 1
        elif not name:
            problems["rows without picture"] += 1
        else:
            rows.append((name, caption.strip(), split))
    names = dict.fromkeys(name for name, *_ in rows)
    folder = sources.image_folder(names, path, config.data, config.images)
    digests = _digests(folder, names)
    if missing := [name for name, digest in digests.items() if digest is None]:
        problems["missing image files"] = len(missing)
        if len(missing) == len(digests):
            raise ValueError(
                f"`images` (--images) must be the folder of the pictures that {path} names. "
                f"Received: {folder}, which holds none of them, such as {missing[0]}"
            )
        log.warning(
            "Left out %d of %d pictures: they are not in %s, as %s.", len(missing), len(names), folder, missing[0]
        )
    rows = [row for row in rows if digests[row[0]] is not None]

    def read(size, wanted):
        return images.read_each([folder / name for name in wanted], size)

    return _grouped(rows, digests, read, config, problems, only)


def _worded(caption):
    return any(character.isalnum() for character in caption)


def _digests(folder, names):
    """The digest of each file's contents, None where there is no such file."""

    def digest(name):
        try:
            with open(folder / name, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except (OSError, ValueError):  # a name with a NUL is a ValueError
            return None

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return dict(zip(names, pool.map(digest, names), strict=True))


def _from_tfds(config, only):
    """Reads a data set with the features `image` and `captions`, which are texts or have `text`."""
    place = {"features": ("image", "captions"), "manual_dir": config.manual_dir}
    _, info = tfds.load_tfds(config.dataset, "train", **place)
    names = [name for name in info.splits if name in SPLITS and only in (None, SPLITS[name])]
    rows, problems, digests = [], collections.Counter(), {}
    for split in names:
        examples, _ = tfds.load_tfds(config.dataset, split, manual_dir=config.manual_dir)
        for number, example in enumerate(examples.as_numpy_iterator()):
            name = f"{split}/{number:07d}"
            # The version stands for the contents, which TFDS has verified.
            digests[name] = f"{info.full_name}/{name}"
            lines = example["captions"]
            for line in lines["text"] if isinstance(lines, dict) else lines:
                if _worded(line.decode()):
                    rows.append((name, line.decode().strip(), split))
                else:
                    problems["captions without words"] += 1

    def read(size, wanted):
        wanted = set(wanted)
        for split in names:
            if not any(name.startswith(f"{split}/") for name in wanted):
                continue
            examples, _ = tfds.load_tfds(config.dataset, split, manual_dir=config.manual_dir)
            for number, example in enumerate(examples.as_numpy_iterator()):
                if f"{split}/{number:07d}" in wanted:
                    yield images.resize(example["image"], size)

    return _grouped(rows, digests, read, config, problems, only)


def _grouped(rows, digests, read, config, problems, only):
    """Gathers rows by picture, each picture in one split; `read` is as of `Captioned`, with names of pictures."""
    captions, found = collections.defaultdict(list), collections.defaultdict(set)
    for name, caption, split in rows:
        if split is not None and split not in SPLITS:
            problems["captions of other splits"] += 1
            continue
        problems["repeated rows, which were kept"] += caption in captions[name]
        captions[name].append(caption)
        found[name].add(SPLITS[split] if split else None)
    if any(None in kinds for kinds in found.values()):
        chosen = dict.fromkeys(captions, only) if only else _drawn(list(captions), digests, config)
    else:
        chosen = _told_apart(found, digests, problems)
    names = [name for name in captions if name in chosen]
    copies = collections.Counter(digests[name] for name in names)
    problems["pictures that occur under several names"] = sum(count - 1 for count in copies.values())
    return Captioned(
        names,
        [captions[name] for name in names],
        [chosen[name] for name in names],
        [digests[name] for name in names],
        lambda size, rows: read(size, [names[i] for i in rows]),
        {what: count for what, count in problems.items() if count},
    )


def checked(table: Captioned, config: Config, only: str | None = None) -> Captioned:
    """Returns the table.

    Raises:
        ValueError: A split that is wanted has no picture.
    """
    counts = {split: len(table.rows(split)) for split in ([only] if only else ("train", "validation", "test"))}
    if lacking := [split for split, count in counts.items() if not count]:
        told = f" ({', '.join(f'{count} {what}' for what, count in table.problems.items())})" if table.problems else ""
        raise ValueError(
            f"`data` must hold pictures with captions of every split: train, val and test. "
            f"Received: {config.data or config.dataset}, which has none of {', '.join(lacking)}{told}"
        )
    return table


def _drawn(names, digests, config):
    """Draws the splits of pictures where the table names none; copies of a picture stay together."""
    contents = list(dict.fromkeys(digests[name] for name in names))
    order = np.random.default_rng(config.seed).permutation(len(contents))
    test = max(1, round(config.test_share * len(contents)))
    validation = test + max(1, round(config.validation_share * len(contents)))
    parts = {"test": order[:test], "validation": order[test:validation], "train": order[validation:]}
    chosen = {contents[i]: split for split, part in parts.items() for i in part}
    return {name: chosen[digests[name]] for name in names}


def _told_apart(found, digests, problems):
    """One split for each picture, by name and by contents, so that nothing of the test is trained on."""
    rank = ("test", "validation", "train")
    chosen = {name: min(kinds, key=rank.index) for name, kinds in found.items()}
    problems["pictures named in several splits"] = sum(len(kinds) > 1 for kinds in found.values())
    names = list(chosen)
    kept = splits.apart([digests[name] for name in names], list(chosen.values()), rank)
    problems["copies of pictures of another split"] = len(names) - len(kept)
    return {names[i]: chosen[names[i]] for i in kept}


def without(table: Captioned, rows: Sequence[int]) -> Captioned:
    """Leaves out pictures by their numbers."""
    kept = np.setdiff1d(np.arange(len(table.names)), rows)
    parts: dict[str, Any] = {
        name: [getattr(table, name)[i] for i in kept] for name in ("names", "captions", "splits", "digests")
    }
    return dataclasses.replace(table, **parts, read=lambda size, rows: table.read(size, [kept[i] for i in rows]))


def words_of(captions: "tf.Tensor") -> "tf.RaggedTensor":
    """Splits captions into words in lower case, without punctuation.

    Args:
        captions: String tensor `(batch,)`.

    Returns:
        Ragged strings `(batch, None)`.
    """
    import tensorflow as tf

    tokens = text.tokenize(captions)
    worded = tf.strings.regex_full_match(tokens.flat_values, r".*[\p{L}\p{N}].*")
    return tf.ragged.boolean_mask(tokens, tokens.with_flat_values(worded))


def normalised(captions: Iterable[str]) -> list[str]:
    """Captions as they are measured: the words of `words_of` with a space between them, a list of strings."""
    import tensorflow as tf

    lines = tf.strings.reduce_join(words_of(tf.constant(list(captions), tf.string)), axis=-1, separator=" ")
    return [line.decode() for line in lines.numpy()]


def each_normalised(groups: Iterable[list[str]]) -> list[list[str]]:
    """The captions of each picture as `normalised` has them, in one call for all, as each call takes long."""
    groups = list(groups)
    lines = iter(normalised(itertools.chain.from_iterable(groups)))
    return [list(itertools.islice(lines, len(group))) for group in groups]


def vocabulary(captions: Iterable[str], size: int, min_count: int) -> tuple[list[str], int]:
    """Counts the words of captions.

    Returns:
        The words known, `MARKS` first, for `kerasmlsp.data.text.lookup`, and the number of those that are too rare.

    Raises:
        ValueError: No word is frequent enough.
    """
    counts = collections.Counter(word for line in normalised(captions) for word in line.split())
    words = text.vocabulary(counts, size - len(MARKS), min_count=min_count)
    if not words:
        raise ValueError(f"`min_count` must be the count of some word at most. Received: min_count={min_count}")
    return [*MARKS, *words], len(counts) - len(words)


@dataclasses.dataclass(frozen=True)
class Encoded:
    """Captions as token ids.

    Args:
        pictures: Row of the picture's features for each caption, int64 `(captions,)`.
        tokens: Ids of all captions one after the other, each from `START` to `STOP`, int32 `(tokens,)`.
        starts: Where each caption begins, int64 `(captions + 1,)`; the last is the number of tokens.
        cut: Captions that were longer than allowed; they have no `STOP`.
    """

    pictures: np.ndarray
    tokens: np.ndarray
    starts: np.ndarray
    cut: int

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.starts)


def encode(table: Captioned, split: str, words: Sequence[str], max_words: int, rows: np.ndarray) -> Encoded:
    """Turns the captions of a split into token ids.

    Args:
        table: `Captioned`.
        split: Its name.
        words: The vocabulary.
        max_words: Longest caption.
        rows: Row of the features of each picture of the table.
    """
    import tensorflow as tf

    numbers = table.rows(split)
    captions = [line for i in numbers for line in table.captions[i]]
    pictures = np.concatenate([[rows[i]] * len(table.captions[i]) for i in numbers])
    found = words_of(tf.constant(captions))
    ids = tf.cast(text.lookup(words)(found), tf.int32)
    lengths = ids.row_lengths().numpy()
    begin, end = tf.fill([len(captions), 1], START), tf.ragged.constant([[STOP]] * len(captions), dtype=tf.int32)
    whole = tf.concat([begin, ids, end], axis=1)[:, : max_words + 1]
    starts = np.concatenate([[0], np.cumsum(whole.row_lengths().numpy())])
    return Encoded(pictures.astype(np.int64), whole.flat_values.numpy(), starts, int(np.sum(lengths >= max_words)))


def taker(features: np.ndarray, mirrored: np.ndarray | None = None, seed: int = 0) -> Callable:
    """Returns the function from rows and the key of a batch to features, float32.

    With `mirrored`, features of the same pictures in a mirror, half of the rows come from there.
    """
    import tensorflow as tf

    def take(rows, flipped):
        found = np.array(features[rows])
        if mirrored is not None:
            found[flipped] = mirrored[rows[flipped]]
        return found

    def taken(rows, key=(0, 0)):
        key = tf.random.experimental.stateless_fold_in(key, seed)
        flipped = batching.uniform([tf.size(rows)], key) < 0.5
        found = tf.numpy_function(take, [rows, flipped], features.dtype)
        return tf.cast(tf.ensure_shape(found, (None, *features.shape[1:])), tf.float32)

    return taken


def loader(encoded: Encoded, name: str, take: Callable) -> Callable:
    """Returns the function from caption numbers and the key of a batch to inputs, targets and their weights.

    Inputs are the features, as of `taker`, under `name` and `token_ids` `(batch, length)`, targets the tokens that
    follow. Padding and unknown words weigh nothing.
    """
    import tensorflow as tf

    ids = tf.RaggedTensor.from_row_splits(encoded.tokens, encoded.starts)
    pictures = tf.constant(encoded.pictures)

    def load(indices, key=(0, 0), longest=0):
        tokens = text.dense(tf.gather(ids, indices), LENGTH_STEP, least=longest)
        targets = tokens[:, 1:]
        weights = tf.cast(targets > text.UNKNOWN, tf.float32)
        inputs = {name: take(tf.gather(pictures, indices), key), "token_ids": tokens[:, :-1]}
        return inputs, targets, weights

    return load


def training_batches(
    encoded: Encoded, name: str, take: Callable, config: Config, *, drop_remainder: bool = False
) -> batching.Batches:
    """Returns length-bucketed `Batches` whose order follows from seed and epoch."""
    order = batching.bucketed(encoded.lengths, config.batch_size, seed=config.seed, drop_remainder=drop_remainder)
    return batching.Batches(order, loader(encoded, name, take), encoded.lengths)


def dataset(encoded: Encoded, name: str, take: Callable, batch_size: int = 128) -> "tf.data.Dataset":
    """Returns a `tf.data.Dataset` of all captions sorted by length."""
    import tensorflow as tf

    batches = batching.sorted_by_length(encoded.lengths, batch_size)
    rows = tf.ragged.constant([batch.tolist() for batch in batches], dtype=tf.int64)
    return tf.data.Dataset.from_tensor_slices(rows).map(loader(encoded, name, take)).prefetch(2)
