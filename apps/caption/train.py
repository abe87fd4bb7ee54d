"""From captioned pictures to a run."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.caption import data, features, model, reinforce
from kerasmlsp.apps.caption.config import Config
from kerasmlsp.data import images

log = logging.getLogger("kerasmlsp")

VOCABULARY, ENCODER = "vocabulary.json", "encoder.keras"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured net on captioned pictures.

    The run folder gets `config.json`, `vocabulary.json`, `encoder.keras` where the encoder is kept as it is, and what
    `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of pictures, captions and words, what was left out, and the best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config.complete(), run, resume)


def _train(config, run, resume):
    table = data.read(config)
    encoder = _encoder(config, run, resume)
    mirrored = _mirrored(table, encoder, config)
    table, values, rows = seen(table, encoder, config)
    captions = [line for i in table.rows("train") for line in table.captions[i]]
    words, rare = data.vocabulary(captions, config.vocabulary_size, config.min_count)
    start = _start(config, table, encoder, words)
    if config.beams > len(words) // 2:
        raise ValueError(f"`beams` must be at most half of the {len(words)} words known. Received: {config.beams}")
    encoded = {split: data.encode(table, split, words, config.max_words, rows) for split in ("train", "validation")}
    facts = counted(table, captions, words, rare, encoded["train"].cut)
    run.start(config, facts, resume=resume)
    _log(facts)
    run.write(VOCABULARY, words)
    if encoder is not None and not (resume and (run / ENCODER).exists()):
        run.save(encoder, ENCODER)
    precision = training.precision_for(config.precision, products=config.architecture == "transformer")
    settings = dataclasses.replace(config, precision=precision)
    if start is None:
        trained = _fit(settings, run, encoded, values, mirrored, len(words) + 2, resume)
    else:
        trained = reinforce.fit(settings, run, encoded, values, mirrored, start, resume)
    return {
        "run": str(run),
        "parameters": sum(int(np.prod(weight.shape)) for weight in trained.trainable_variables),
        "pictures": facts["pictures"],
        "captions": len(captions),
        "words": facts["words"],
        "left out": facts["problems"],
        "best epoch": run.best_row(),
    }


def _encoder(config, run, resume):
    """The encoder that is kept as it is: that of the run where it was begun, since weights may be random."""
    if not model.frozen(config):
        if config.start:
            raise ValueError(f"`start` must be a run whose encoder is kept as it is. Received: {config.start}")
        return None
    before = training.Run(config.start or run)
    if config.start or (resume and (before / ENCODER).exists()):
        return before.model(ENCODER)
    keras.utils.set_random_seed(config.seed)
    return model.build_encoder(config)


def _start(config, table, encoder, words):
    """The captioner of the run to go on from, float32; None to train from the beginning."""
    if config.start is None:
        return None
    before = training.Run(config.start)
    _, stored = before.configuration(Config)
    if stored["fingerprint"] != table.fingerprint():
        raise ValueError(f"The data have changed since the run {config.start} was trained on them.")
    trained = before.model()
    return model.for_inference(trained, config, encoder, len(words) + 2)[1]


def _mirrored(table, encoder, config):
    """Features of all pictures as in a mirror; None where they are not wanted."""
    if not config.mirror:
        return None
    size = model.image_size(config)
    if encoder is None:
        return features.cached(table, None, size, config.cache).values[:, :, ::-1]
    return features.cached(table, model.regions(encoder), size, config.cache, mirrored=True).values


def seen(
    table: data.Captioned, encoder: keras.Model | None, config: Config, only: str | None = None
) -> tuple[data.Captioned, np.ndarray, np.ndarray]:
    """Features of the pictures of a table, from disk where they are there.

    Args:
        table: `data.Captioned`.
        encoder: The encoder that is kept as it is; None for one that is trained, which needs the pictures themselves.
        config: The configuration.
        only: As of `data.read`.

    Returns:
        The table without pictures that cannot be read, the features, and their row for each picture.

    Raises:
        ValueError: A split has no picture that can be read.
    """
    whole = encoder if encoder is None else model.regions(encoder)
    found = features.cached(table, whole, model.image_size(config), config.cache)
    rows = np.setdiff1d(np.arange(len(table.names)), list(found.unreadable))
    if found.unreadable:
        counts = images.reasons(found.unreadable.values())
        problems = {**table.problems, **{f"image files left out, {why}": count for why, count in counts.items()}}
        log.warning("For example: %s", next(iter(found.unreadable.values())))
        table = data.without(dataclasses.replace(table, problems=problems), list(found.unreadable))
        data.checked(table, config, only)
    return table, found.values, rows


def counted(
    table: data.Captioned, captions: Sequence[str], words: Sequence[str], rare: int, cut: int
) -> dict[str, Any]:
    """What `config.json` tells of the data beside the configuration."""
    return {
        "fingerprint": table.fingerprint(),
        "pictures": {split: len(table.rows(split)) for split in ("train", "validation", "test")},
        "captions": len(captions),
        "words": {"known": len(words) - len(data.MARKS), "too rare": rare},
        "problems": {**table.problems, **({"captions that were cut": cut} if cut else {})},
    }


def _log(facts):
    for what, count in facts["problems"].items():
        log.warning("%d %s.", count, what)
    log.info(
        "%s pictures; %d words known, %d too rare.",
        ", ".join(f"{count} {split}" for split, count in facts["pictures"].items()),
        *facts["words"].values(),
    )


def _fit(config, run, encoded, values, mirrored, vocabulary_size, resume):
    name = "features" if model.frozen(config) else "images"
    take = data.taker(values, mirrored, config.seed)
    batches = data.training_batches(encoded["train"], name, take, config, drop_remainder=config.jit == "on")
    steps = config.epochs * len(batches.order(0))
    return training.fit(
        lambda: model.compiled(config, values.shape[1:], vocabulary_size, steps),
        batches,
        run,
        config,
        validation=data.dataset(encoded["validation"], name, data.taker(values)),
        resume=resume,
    )
