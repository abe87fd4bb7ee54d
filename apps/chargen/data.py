"""Text from files or TensorFlow Datasets, and its characters as batches."""

import collections
import logging
from pathlib import Path

import numpy as np

from kerasmlsp.apps.chargen.config import Config
from kerasmlsp.data import batching, normalization, tables, tfds
from kerasmlsp.files import existing

log = logging.getLogger("kerasmlsp")


def read(
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    encoding: str = "utf-8",
) -> str:
    """Reads a text file, all `.txt` files below a folder, or the texts of TensorFlow Datasets.

    Files and texts follow each other in the order of their paths or of the data set, an empty line between them.

    Returns:
        The text, with `\\n` at the end of lines.

    Raises:
        ValueError: Neither or both of `path` and `dataset` are given, or there is no text.
    """
    if (path is None) == (dataset is None):
        raise ValueError("Give the text with either `--data FILE_OR_FOLDER` or `--dataset NAME`.")
    texts = list(_downloaded(dataset, manual_dir) if path is None else _files(existing(path, "data"), encoding))
    text = "\n\n".join(texts).replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"There is no text in {path or dataset}.")
    return text


def _files(path: Path, encoding: str):
    texts = tables.read_texts(path, encoding=encoding)
    return (text.strip("\n") for text in texts) if path.is_dir() else texts


def _downloaded(name, manual_dir):
    parts = []
    _, info = tfds.load_tfds(name, "train", features=("text",), manual_dir=manual_dir)
    for split in sorted(info.splits, key=("train", "validation", "test").index):
        examples, _ = tfds.load_tfds(name, split, manual_dir=manual_dir)
        parts += [each["text"].decode() for each in examples.as_numpy_iterator()]
    # Data sets of one text a split are one text cut in three.
    return ["".join(parts)] if len(parts) == len(info.splits) else parts


def characters(text: str, limit: int) -> str:
    """Returns the characters of a text, at most the `limit` most frequent, in the order of their code points."""
    counts = collections.Counter(text)
    kept = sorted(counts, key=lambda character: (-counts[character], character))[:limit]
    if lost := sum(counts.values()) - sum(counts[character] for character in kept):
        log.info("Left out %d of %d characters: of kinds beyond the %d most frequent.", lost, len(text), limit)
    return "".join(sorted(kept))


def encode(text: str, known: str) -> np.ndarray:
    """Returns the places of a text's characters among the known ones, int32; others are left out."""
    points = np.frombuffer(text.encode("utf-32-le"), "<u4")
    codes = np.frombuffer(known.encode("utf-32-le"), "<u4")
    places = np.minimum(np.searchsorted(codes, points), len(codes) - 1)
    return places[codes[places] == points].astype(np.int32)


def split(text: str, held_out_share: float, validation_share: float) -> tuple[str, str, str]:
    """Cuts a text into its beginning, to select on, the main part, to train on, and its end, which is held out.

    What is held out follows what is trained on, as elsewhere with tiny Shakespeare: the names of the play in between
    are much of what can be known of its end.

    Returns:
        The parts to train on, to select on, and held out.
    """
    last, first = int(len(text) * (1 - held_out_share)), int(len(text) * validation_share)
    return text[first:last], text[:first], text[last:]


def encoded(text: str, known: str, config: Config) -> list[np.ndarray]:
    """Returns the parts of `split` as the places of their characters among the known ones.

    Of others, those that have a known form, as typographic quotes have, are read so, and the rest is left out.

    Raises:
        ValueError: A part has less than two known characters.
    """
    whole = [normalization.respell(part, known) for part in split(text, config.held_out_share, config.validation_share)]
    parts = [encode(part, known) for part in whole]
    if min(map(len, parts)) < 2:
        raise ValueError(
            f"`data` must be a longer text: none of its parts may be empty. Received: {len(text)} characters"
        )
    for ids, part, name in zip(parts[1:], whole[1:], ("to select on", "held out"), strict=True):
        if lost := len(part) - len(ids):
            told = "Left out %d of %d characters of the part %s: unknown from the part to train on."
            log.info(told, lost, len(part), name)
    return parts


def training_batches(ids: np.ndarray, config: Config) -> batching.Batches:
    """Returns `Batches` of characters and those that follow, `(batch, window)` each.

    Rows are streams that go on in the next batch for recurrent nets, and windows from anywhere for GPT.
    """
    import tensorflow as tf

    order = batching.windows if config.architecture == "gpt" else batching.streams
    text, places = tf.constant(ids), tf.range(config.window + 1, dtype=tf.int64)

    def load(indices, key=None):
        rows = tf.gather(text, indices[:, None] + places)
        return rows[:, :-1], rows[:, 1:]

    try:
        return batching.Batches(order(len(ids) - 1, config.batch_size, config.window, seed=config.seed), load)  # type: ignore[arg-type]
    except ValueError as error:
        raise ValueError(
            f"The text is too short for batches of {config.batch_size} rows of {config.window} characters: give a "
            f"longer text or a smaller `--batch-size` or `--window`. Received: {len(ids)} characters to train on"
        ) from error


def independent_windows(ids: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a text into windows that begin without any context: inputs and targets `(windows, window)`, int32."""
    window = min(window, len(ids) - 1)
    count = (len(ids) - 1) // window
    return ids[: count * window].reshape(count, window), ids[1 : count * window + 1].reshape(count, window)
