"""From a text to a run."""

import dataclasses
import logging
import math
from pathlib import Path
from typing import Any

from kerasmlsp import training
from kerasmlsp.apps.chargen import data, model, refining
from kerasmlsp.apps.chargen.config import NET, Config
from kerasmlsp.data import labelled

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured net on the main part of a text.

    With `start` the net of that run goes on, with its characters; with `preferences` it learns from those.

    The run folder gets `config.json`, which also holds the known characters, and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of characters, and the best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        if config.start is None:
            return _train(config.complete(), run, resume)
        begun = training.Run(config.start)
        before, stored = begun.configuration(Config)
        config = dataclasses.replace(config, **{name: getattr(before, name) for name in NET}).complete()
        start = model.for_inference(begun.model(), config, len(stored["characters"]))
        job = _refine if config.preferences else _train
        return job(config, run, resume, start, stored)


def _refine(config, run, resume, start, stored):
    known = stored["characters"]
    pairs = refining.read(config, known)
    kept = {name: stored[name] for name in ("characters", "fingerprint", "text")}
    counts = {part: len(pairs.of(part)) for part in refining.PARTS}
    run.start(config, {**kept, "pairs": counts, "pairs_fingerprint": pairs.fingerprint}, resume=resume)
    log.info("%d pairs to learn from, %d to select on, %d held out.", *counts.values())
    refining.fit(config, run, start, known, pairs, resume)
    return {"run": str(run), "parameters": start.count_params(), "pairs": counts, "best epoch": run.best_row()}


def _train(config, run, resume, start=None, stored=None):
    place = {"dataset": config.dataset, "manual_dir": config.manual_dir}
    text = data.read(config.data, **place, encoding=config.encoding)
    main = data.split(text, config.held_out_share, config.validation_share)[0]
    known = stored["characters"] if stored else data.characters(main, config.max_characters)
    parts = data.encoded(text, known, config)
    chosen, validation, held_out = parts
    batches = data.training_batches(chosen, config)
    facts = {"characters": known, "fingerprint": labelled.fingerprint([text], [""]), "text": sum(map(len, parts))}
    run.start(config, facts, resume=resume)
    log.info("%d characters of %d kinds: %d to train on.", facts["text"], len(known), len(chosen))
    steps = config.epochs * len(batches.order(0))
    precision = training.precision_for(config.precision, products=config.architecture == "gpt")
    trained = training.fit(
        lambda: model.compiled(config, len(known), steps, start),
        batches,
        run,
        dataclasses.replace(config, precision=precision),
        validation=_validation(validation, config.window),
        resume=resume,
    )
    return {
        "run": str(run),
        "parameters": sum(math.prod(weight.shape) for weight in trained.trainable_variables),
        "characters": {"trained on": len(chosen), "selected on": len(validation), "held out": len(held_out)},
        "best epoch": run.best_row(),
    }


def _validation(ids, window):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(data.independent_windows(ids, window)).batch(64)
