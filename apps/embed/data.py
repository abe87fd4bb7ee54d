"""Running text from files or TensorFlow Datasets, and its blocks as batches."""

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

from kerasmlsp.apps.embed.config import Config
from kerasmlsp.data import corpus, tfds
from kerasmlsp.targets.word_blocks import WordBlocks, steady_rows

log = logging.getLogger("kerasmlsp")


def texts(config: Config) -> Iterator[str]:
    """Yields the texts of a configuration one after the other; of files and tables no more is held.

    Raises:
        ValueError: Neither or both of `data` and `dataset` are given, or the data cannot be used.
    """
    if (config.data is None) == (config.dataset is None):
        raise ValueError("Give the text with either `--data PATH` or `--dataset NAME`.")
    if config.data is not None:
        return corpus.read_texts(config.data, text_column=config.text_column, encoding=config.encoding)
    return _downloaded(config)


def _downloaded(config):
    examples, _ = tfds.load_tfds(config.dataset, "train", features=(config.text_column,), manual_dir=config.manual_dir)
    for each in examples.as_numpy_iterator():
        yield each[config.text_column].decode()


def read(config: Config) -> corpus.Corpus:
    """Reads and numbers the words of a configuration's text.

    Raises:
        ValueError: As of `texts`, or there are fewer than two words that are frequent enough.
    """
    found = corpus.of_texts(texts(config), min_count=config.min_count, vocabulary_size=config.vocabulary_size)
    if len(found.words) < 2:
        raise ValueError(
            f"`min_count` must leave two words at least: give more text, or a smaller one. Received: "
            f"{config.min_count}, which leaves {len(found.words)} of the words of {config.data or config.dataset}"
        )
    log.info("%d words of text, %d of them of the %d known words.", found.seen, len(found.ids), len(found.words))
    return found


def training_blocks(found: corpus.Corpus, config: Config) -> WordBlocks:
    """Returns the batches of a complete configuration; of fewer rows where its own would overshoot."""
    known: Any = dataclasses.asdict(config)
    sizes = {name: known[name] for name in ("window", "block", "threshold")}
    kind: Any = {"cbow": config.architecture == "cbow", "negatives": config.negatives}
    rows = min(known["batch_size"], steady_rows(found.counts_by_id, known["learning_rate"], **kind, **sizes))
    if rows < known["batch_size"]:
        log.info("Took %d rows in place of %d: more would overshoot, with so few words.", rows, known["batch_size"])
    return WordBlocks(
        found.ids,
        found.starts,
        found.counts_by_id,
        **sizes,
        shared=known["shared"],
        rows=rows,
        groups=config.groups,
        seed=config.seed,
    )
