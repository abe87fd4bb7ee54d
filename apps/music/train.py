"""From chorales to a run."""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasmlsp import music, training
from kerasmlsp.apps.music import data, model, windows
from kerasmlsp.apps.music.config import Config
from kerasmlsp.data import labelled

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains a net to predict the next token of chorales.

    The run folder gets `config.json` and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of pieces, and the best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config.complete(), run, resume)


def _train(config, run, resume):
    pieces, left_out = data.read(config.data, json_steps_per_quarter=config.json_steps_per_quarter)
    parts = data.split(pieces, config)
    counts = {f"{name}_pieces": len(part) for name, part in parts.items()}
    facts = {**counts, "fingerprint": fingerprint(pieces)}
    run.start(config, facts, resume=resume)
    log.info("%d pieces: %s.", len(pieces), ", ".join(f"{len(part)} {name}" for name, part in parts.items()))
    batches = windows.training_batches(parts["train"], config, drop_remainder=config.jit == "on")
    steps = config.epochs * len(batches.order(0))
    precision = training.precision_for(config.precision, products=config.architecture != "tonicnet")
    trained = training.fit(
        lambda: model.compiled(config, steps),
        batches,
        run,
        dataclasses.replace(config, precision=precision),
        validation=_validation(parts["valid"], config),
        resume=resume,
    )
    return {
        "run": str(run),
        "parameters": trained.count_params(),
        "pieces": {name: len(part) for name, part in parts.items()},
        "left out": left_out,
        "best epoch": run.best_row(),
    }


def fingerprint(pieces: Sequence[music.Chorale]) -> str:
    """Tells whether two lists of pieces are the same."""
    return labelled.fingerprint([piece.name for piece in pieces], [piece.pitches.tobytes().hex() for piece in pieces])


def _validation(pieces, config):
    import tensorflow as tf

    rows = windows.measured(pieces, config.window)[:3]
    return tf.data.Dataset.from_tensor_slices(rows).batch(config.batch_size).prefetch(2)
