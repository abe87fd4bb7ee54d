"""Examples with and without labels, from folders, files and tables, and which of them are trained on."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import files
from kerasmlsp.apps.pretrain.config import Config, Tuning
from kerasmlsp.data import audio, clips, image_sets, images, labelled, splits, tables, text
from kerasmlsp.files import existing

log = logging.getLogger("kerasmlsp")


@dataclasses.dataclass(frozen=True)
class Examples:
    """Examples in memory.

    Args:
        kind: "pictures", "texts" or "recordings".
        inputs: uint8 `(examples, size, size, 1 or 3)`, texts `(examples,)`, or int16 `(examples, length)`.
        labels: Class of each, as text; None where they have none.
        groups: Whom each belongs to, `(examples,)`; None where that is not known.
        left_out: How many were left out, by reason.
    """

    kind: str
    inputs: np.ndarray
    labels: list[str] | None = None
    groups: np.ndarray | None = None
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.inputs)

    def digests(self) -> list[bytes]:
        """What tells copies of each, see `splits.text_keys` and `splits.array_keys`."""
        return splits.text_keys(self.inputs) if self.kind == "texts" else splits.array_keys(self.inputs)

    def fingerprint(self) -> str:
        return labelled.fingerprint(self.inputs, self.labels or [])

    def taken(self, rows: np.ndarray) -> "Examples":
        """Returns some of the examples."""
        labels = None if self.labels is None else [self.labels[row] for row in rows]
        groups = None if self.groups is None else self.groups[rows]
        return dataclasses.replace(self, inputs=self.inputs[rows], labels=labels, groups=groups)


def read(
    config: Config, path: str | Path, tuning: Tuning | None = None, *, channels: int | None = None
) -> list[Examples]:
    """Reads examples, and their part to test on where the data have one.

    Args:
        config: The run's configuration, which says how to read.
        path: Pictures, texts or recordings.
        tuning: How labelled examples are read; None for examples whose labels do not matter.
        channels: Channels of pictures; None for what the configuration says.

    Returns:
        One or two `Examples`, those to train on first.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: The data cannot be used.
    """
    found = _READERS[config.kind](config, existing(path, "data"), tuning, channels)
    if tuning is not None:
        # A test may be of one class.
        labelled.check_classes(path, found[0].labels or [], least=1)
    return found


def _pictures(config, path, tuning, channels):
    if not path.is_dir():
        raise ValueError(f"`data` must be a folder of pictures. Received: {path}, which is a file")
    problems: list[str] = []
    parts, classes = image_sets.read_parts(path, config.size, problems)
    channels = channels or image_sets.channels_of(parts[0].pixels, config.colour)
    pattern = tuning.group_pattern if tuning else config.group_pattern
    if pattern and not problems:
        groups = splits.matched([str(file) for file in images.list_images(path)], pattern)
    else:
        groups = None
    if pattern and (groups is None or len(parts) > 1 or len(groups) != len(parts[0])):
        raise ValueError("`--group-pattern` needs one folder of pictures that can all be read.")
    found = []
    for part in parts:
        labels = [classes[number] for number in part.labels] if len(classes) > (1 if tuning is None else 0) else None
        found.append(Examples("pictures", image_sets.coloured(part.pixels, channels), labels, groups))
    return [dataclasses.replace(found[0], left_out=images.reasons(problems)), *found[1:]]


def _texts(config, path, tuning, channels):
    if tuning is not None:
        columns = {"text_column": tuning.text_column, "label_column": tuning.label_column}
        texts, labels = labelled.read_labelled_texts(path, **columns, encoding=tuning.encoding, least_classes=1)
        return [Examples("texts", np.array(texts, object), labels)]
    if path.is_dir():
        texts = list(tables.read_texts(path, encoding=config.encoding))
    elif path.suffix.lower() in (".txt", ".text"):
        texts = tables.read_text(path, encoding=config.encoding).splitlines()
    else:
        tables.check_columns(path, encoding=config.encoding, text_column=config.text_column)
        column = tables.read_table(path, encoding=config.encoding)[config.text_column]
        texts = column.dropna().astype(str).tolist()
    kept = [each for each in texts if each.strip()]
    if not kept:
        raise ValueError(f"`data` must hold texts. Received: {path}, which holds none")
    blank = {"blank": len(texts) - len(kept)} if len(kept) < len(texts) else {}
    return [Examples("texts", np.array(kept, object), left_out=blank)]


def _recordings(config, path, tuning, channels):
    if tuning is not None:
        columns = {"path_column": tuning.path_column, "label_column": tuning.label_column, "encoding": tuning.encoding}
        found = clips.read_clips(path, config.rate, config.length, **columns, least_classes=1)
        groups = _groups(found.names, tuning.group_pattern)
        return [Examples("recordings", found.samples, found.labels, groups, found.left_out)]
    if not path.is_dir():
        raise ValueError(f"`data` must be a folder of recordings. Received: {path}, which is a file")
    paths, samples, names, problems = audio.list_audio(path), [], [], []
    heard = files.side_by_side(paths, lambda each: audio.read_waveform(each, config.rate))
    for file, waveform in zip(paths, heard, strict=True):
        if isinstance(waveform, Exception):
            problems.append(str(waveform))
        else:
            samples.append(clips.as_int16(clips.loudest(waveform, config.length, config.rate)))
            names.append(file.relative_to(path).as_posix())
    if not samples:
        raise ValueError(f"`data` must hold recordings that can be read. Received: {path}, where {problems[0]}")
    if problems:
        told = files.listed(audio.reasons(problems))
        log.warning("Left out %d of %d recordings of %s: %s.", len(problems), len(paths), path, told)
    groups, folders = _groups(names, config.group_pattern), [name.split("/")[0] for name in names]
    # Folders are words where every recording is in one; only figures show them.
    labels = folders if all("/" in name for name in names) and len(set(folders)) > 1 else None
    return [Examples("recordings", np.stack(samples), labels, groups, audio.reasons(problems))]


_READERS: dict[str, Any] = {"pictures": _pictures, "texts": _texts, "recordings": _recordings}


def _groups(names, pattern):
    return None if pattern is None else splits.matched(names, pattern, alone=True)


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a run is trained on.

    Args:
        train: Examples to train on.
        held_out: Examples that select the epoch and that the task is measured on.
        test: How many examples were kept for tests, and `left_out`, how many were left out, by reason.
    """

    train: Examples
    held_out: Examples
    test: int
    left_out: dict[str, int]

    def fingerprint(self) -> str:
        return labelled.fingerprint([self.train.fingerprint(), self.held_out.fingerprint()])

    def seen(self) -> np.ndarray:
        """The keys of all examples that training or the choice of its epoch see, uint8 `(examples, 16)`."""
        return np.frombuffer(b"".join(self.train.digests() + self.held_out.digests()), np.uint8).reshape(-1, 16)


def read_own(config: Config) -> Parts:
    """Reads what a run is pre-trained on: no copy of another example, and none of a test.

    The test part of the data, and `config.exclude`, are left out. Where there is neither, a share of the data is.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    if config.data is None:
        raise ValueError("Give the data with `--data PATH`.")
    first, *others = read(config, config.data)
    if config.exclude:
        channels = first.inputs.shape[-1] if config.kind == "pictures" else None
        others += read(config, config.exclude, channels=channels)
    forbidden = [key for each in others for key in each.digests()]
    kept = splits.without(first.digests(), forbidden)
    left_out = dict(first.left_out)
    if len(kept) < len(first):
        left_out["copies of others or of the test"] = len(first) - len(kept)
        log.warning(
            "Left out %d of %d %s: copies of others or of the test.", len(first) - len(kept), len(first), config.kind
        )
    found = first.taken(kept)
    test = sum(map(len, others))
    if not others and config.test_share:
        inside, outside = _split(found, config.test_share, config.seed)
        found, test = found.taken(inside), len(outside)
    inside, outside = np.arange(len(found)), np.arange(0)
    if config.validation_share:
        inside, outside = _split(found, config.validation_share, config.seed + 1)
    if len(inside) < 2:
        raise ValueError(f"`data` must hold two {config.kind} at least to train on. Received: {len(inside)}")
    return Parts(found.taken(inside), found.taken(outside), test, left_out)


def _split(examples, fraction, seed):
    alike = np.zeros(len(examples), int)
    if examples.groups is not None:
        return splits.split_groups(alike, examples.groups, fraction, seed)
    return splits.split_indices(alike, fraction, seed)


def read_labelled(config: Config, tuning: Tuning, seen: np.ndarray, channels: int | None) -> tuple[Examples, Examples]:
    """Reads the examples to fine-tune on and those to test on, none of which the run was pre-trained on.

    The test examples are `tuning.test`; else the data's own part; else those that the run has not seen.

    Args:
        config: The run's configuration.
        tuning: The fine-tuning's.
        seen: As of `Parts.seen`.
        channels: Channels of pictures.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used, or no example is left to test on.
    """
    first, *others = read(config, str(tuning.data), tuning, channels=channels)
    known = {bytes(key) for key in seen}
    if tuning.test:
        others = read(config, tuning.test, tuning, channels=channels)[-1:]
    if others:
        test = _kept(others[0], known, "test examples: copies, or seen in pre-training")
        train = _kept(first, set(test.digests()), "labelled examples: copies of others or of the test")
    else:
        both = _kept(first, (), "labelled examples: copies of others")
        fresh = np.array([key not in known for key in both.digests()])
        if fresh.all():
            inside, outside = _split(both, config.test_share or 0.2, config.seed)
        else:
            inside, outside = np.flatnonzero(~fresh), np.flatnonzero(fresh)
        train, test = both.taken(inside), both.taken(outside)
    if not len(test):
        raise ValueError("Every example was seen in pre-training: give others to test on with `--test`.")
    if missing := sorted(set(test.labels or []) - set(train.labels or [])):
        raise ValueError(f"`data` must have labels for every class of the test. Received: none of {missing[0]!r}")
    if len(set(train.labels or [])) < 2:
        raise ValueError("`data` must hold two classes at least to train on.")
    return train, test


def _kept(examples, keys, why):
    rows = splits.without(examples.digests(), keys)
    if len(rows) < len(examples):
        log.warning("Left out %d of %d %s.", len(examples) - len(rows), len(examples), why)
    return examples.taken(rows)


def few(labels: Sequence[str], share: float | None, count: int | None, seed: int) -> np.ndarray:
    """Draws labelled examples, as many of every class or a share of each, but one at least.

    Args:
        labels: Class of each example.
        share: Share of every class, in `(0, 1]`; None where `count` is given.
        count: Examples of every class.
        seed: Seed of the drawing. Of one seed, a larger draw holds a smaller one.

    Returns:
        The places drawn, sorted.

    Raises:
        ValueError: A class has fewer than `count` examples.
    """
    given, random, found = np.asarray(labels), np.random.default_rng([seed, 7]), []
    for name in sorted(set(labels)):
        places = random.permutation(np.flatnonzero(given == name))
        wanted = max(1, round(share * len(places))) if share is not None else int(count or 1)
        if wanted > len(places):
            raise ValueError(f"`per_class` must be at most the {len(places)} examples of {name!r}. Received: {wanted}")
        found.append(places[:wanted])
    return np.sort(np.concatenate(found))


def encoded(examples: Examples, words: Sequence[str], max_tokens: int) -> np.ndarray:
    """Returns what a net takes of examples: pictures and recordings as they are, texts as ids padded with 0.

    Args:
        examples: The examples.
        words: The vocabulary of texts: ids from 2 on.
        max_tokens: Longest text.

    Returns:
        `Examples.inputs`, or int32 `(examples, max_tokens)`.
    """
    if examples.kind != "texts":
        return examples.inputs
    import tensorflow as tf

    lookup, found = text.lookup(words), np.zeros((len(examples), max_tokens), np.int32)
    for start in range(0, len(examples), 1000):
        tokens = text.truncate(text.tokenize(tf.constant(examples.inputs[start : start + 1000].tolist())), max_tokens)
        ids = lookup(tokens).to_tensor().numpy()
        found[start : start + len(ids), : ids.shape[1]] = ids
    return found
