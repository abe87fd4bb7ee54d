"""Series and streams from files, and what of them is normal and trained on."""

import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.apps.anomaly.config import Config
from kerasmlsp.data import batching, labelled, series, splits, tables
from kerasmlsp.files import existing

log = logging.getLogger("kerasmlsp")

MOST = 20_000
"""Windows of streams that are trained on at most."""
_WIDE = 20
# Labels that a message names at most: values that are taken for such are many.
_TOLD = 10


@dataclasses.dataclass(frozen=True)
class Examples:
    """What was read.

    Args:
        task: "segments" or "stream".
        values: Series in rows, float32 `(rows, steps, channels)`; none for streams.
        labels: Label of each row, text; "" where there is none.
        streams: The streams; none for series in rows.
    """

    task: str
    values: np.ndarray
    labels: np.ndarray
    streams: tuple[series.Stream, ...] = ()

    @property
    def channels(self) -> int:
        return self.streams[0].values.shape[1] if self.streams else self.values.shape[2]

    def fingerprint(self) -> str:
        """What tells the examples from others, 16 hexadecimal digits."""
        if not self.streams:
            return labelled.fingerprint(self.values, self.labels.tolist())
        return labelled.fingerprint(*(each.values for each in self.streams))


def task_of(path: str | Path, config: Config) -> str:
    """Tells whether a file has a series in each row or is a stream, where the configuration leaves it open.

    Raises:
        FileNotFoundError: There is no such file or folder.
    """
    path = existing(path, "data")
    if config.task != "auto":
        return config.task
    if path.is_dir() or path.suffix.lower() == ".hea":
        return "stream"
    if path.suffix.lower() in (".ts", ".txt"):
        return "segments"
    rows = tables.read_rows(path, encoding=config.encoding)[0]
    numbers = all(series.number(cell) is not None for cell in rows[0][1:]) if rows else False
    return "segments" if rows and len(rows[0]) > _WIDE and numbers else "stream"


def read(config: Config, path: str | Path, task: str | None = None) -> Examples:
    """Reads the examples of a task.

    Args:
        config: The run's configuration, which says how to read.
        path: File or folder.
        task: "segments" or "stream"; None for what the file is.

    Raises:
        FileNotFoundError: A file or folder is not there.
        ValueError: The data cannot be used.
    """
    task = task or task_of(path, config)
    if task == "segments":
        found = series.read_segments(path, labels=config.labels == "first", encoding=config.encoding)
        return Examples(task, found.values, found.labels)
    streams = series.read_streams(
        path,
        channels=[name.strip() for name in (config.channels or "").split(",") if name.strip()],
        time_column=config.time_column,
        label_column=config.label_column,
        encoding=config.encoding,
    )
    return Examples(task, np.zeros((0, 0, 0), "float32"), np.zeros(0, str), tuple(streams))


@dataclasses.dataclass(frozen=True)
class Normals:
    """What is normal, as the net sees it.

    Args:
        values: float64 `(windows, steps, channels)`.
        blocks: First and last row of each window within all streams, `(windows, 2)`; windows of one series do not
            share any.
        left_out: Number of rows that were left out, by reason.
    """

    values: np.ndarray
    blocks: np.ndarray
    left_out: dict[str, int]


def normals(examples: Examples, config: Config) -> Normals:
    """Returns the normal rows, or the windows of the normal parts of streams.

    Raises:
        ValueError: It is not said which rows are normal, or there are too few.
    """
    found = _rows(examples, config) if examples.task == "segments" else _windows(examples, config)
    if found.left_out:
        log.warning("Left out: %s.", ", ".join(f"{count} {what}" for what, count in found.left_out.items()))
    if len(found.values) < 10:
        raise ValueError(
            f"There must be at least 10 normal {'rows' if examples.task == 'segments' else 'windows'} to train on. "
            f"Received: {len(found.values)}"
        )
    return found


def _rows(examples, config):
    labels = examples.labels
    kinds, counts = np.unique(labels, return_counts=True)
    told = first([f"{kind!r} ({count} rows)" for kind, count in zip(kinds.tolist(), counts, strict=True)])
    if config.normal_label is not None and config.normal_label not in kinds:
        raise ValueError(f"`normal_label` must be a label of the data: {told}. Received: {config.normal_label!r}")
    if config.normal_label is None and len(kinds) > 1:
        raise ValueError(
            f"`normal_label` must say which rows are normal, since the data have the labels {told}: give it, or "
            "`--labels none` where the rows begin with a value."
        )
    chosen = np.arange(len(labels)) if config.normal_label is None else np.flatnonzero(labels == config.normal_label)
    values = examples.values[chosen].astype("float64")
    unlike = splits.without(splits.array_keys(values))
    left_out = {"rows of other labels": len(labels) - len(chosen), "copies of others": len(chosen) - len(unlike)}
    values = values[unlike]
    places = np.arange(len(values))
    return Normals(values, np.stack([places, places], 1), {what: count for what, count in left_out.items() if count})


def first(kinds: Sequence[str]) -> str:
    """The first of some labels, and how many more there are."""
    return ", ".join(kinds[:_TOLD]) + (f" and {len(kinds) - _TOLD} more" if len(kinds) > _TOLD else "")


def _windows(examples, config):
    values, blocks, begin, missing, short = [], [], 0, 0, 0
    for stream in examples.streams:
        part = stream.values[: max(int(len(stream.values) * config.normal_share), 1)]
        whole = part[np.isfinite(part).all(1)]
        missing += len(part) - len(whole)
        short += len(whole) < config.window
        if len(whole) >= config.window:
            found = np.lib.stride_tricks.sliding_window_view(whole, config.window, axis=0).swapaxes(1, 2)
            values.append(found)
            starts = begin + np.arange(len(found))
            blocks.append(np.stack([starts, starts + config.window - 1], 1))
        begin += len(whole)
    if not values:
        raise ValueError(
            f"`window` must be at most as long as the normal part of a stream. Received: {config.window} for a share "
            f"of {config.normal_share:g} of {len(examples.streams[0].values)} rows; raise `--normal-share` or lower "
            "`--window`."
        )
    every = -(-sum(map(len, values)) // MOST)
    left_out = {"rows without a number": missing, "streams shorter than a window": short}
    return Normals(
        np.concatenate([each[::every] for each in values]).astype("float64"),
        np.concatenate([each[::every] for each in blocks]),
        {what: count for what, count in left_out.items() if count},
    )


def parts(found: Normals, config: Config, task: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields for each net the windows that it is trained on, and those held out, which share no row with them.

    Rows are drawn at random, of streams a part is neighbours: the end of all where there is one net.
    """
    count = len(found.values)
    folds = config.folds or 1
    if folds > 1 and count < 2 * folds:
        raise ValueError(f"`folds` must be at most half of the normal, {count}. Received: {folds}")
    order = np.random.default_rng(config.seed).permutation(count) if task == "segments" else np.arange(count)
    held = max(int(count * config.validation_share), 1)
    pieces = np.array_split(order, folds) if folds > 1 else [order[count - held :]]
    for piece in pieces:
        piece = np.sort(piece)
        if task == "segments":
            yield np.setdiff1d(order, piece), piece
            continue
        first, last = found.blocks[piece[0], 0], found.blocks[piece[-1], 1]
        apart = (found.blocks[:, 1] < first) | (found.blocks[:, 0] > last)
        if not apart.any():
            raise ValueError(
                "`validation_share` must leave windows that share no row with those held out: give more rows or a "
                f"shorter `--window`. Received: {count} windows of {config.window} rows"
            )
        yield np.flatnonzero(apart), piece


def scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of each channel; of one that never changes, a tenth of what it is."""
    mean, deviation = values.mean(axis=(0, 1)), values.std(axis=(0, 1))
    still = deviation <= 1e-6 * np.maximum(np.abs(mean), 1e-6)
    return mean, np.where(still, np.maximum(np.abs(mean) / 10, 1e-3), deviation)


def training_batches(values: np.ndarray, config: Config) -> batching.Batches:
    """Returns `Batches` of signals, which are their own targets."""
    import tensorflow as tf

    signals = tf.constant(values, tf.float32)

    def load(indices, key):
        batch = tf.gather(signals, indices)
        return batch, batch

    assert config.batch_size is not None
    order = batching.shuffled(len(values), config.batch_size, seed=config.seed, drop_remainder=config.jit == "on")
    return batching.Batches(order, load)
