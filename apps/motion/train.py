"""From recordings to a run."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, training
from kerasmlsp.apps.motion import data, model
from kerasmlsp.apps.motion.config import Config
from kerasmlsp.data import labelled

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    The run folder gets `config.json` and all that `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of recordings and windows, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(given, run, resume):
    config = given.complete()
    examples, rare = data.read_own(config)
    classes = sorted(set(examples.labels.tolist()))
    chosen, held_out = data.split(examples, config)
    persons = len(np.unique(examples.groups)) if examples.persons else None
    facts = {
        "classes": classes,
        "rare": rare,
        "recordings": len(examples.recordings),
        "windows": len(examples.labels),
        "channel_names": examples.recordings[0].channels,
        "channel_count": examples.windows.values.shape[2],
        "persons": persons,
        "held_out": len(held_out),
        "fingerprint": examples.fingerprint(),
    }
    run.start(given, facts, resume=resume)
    by = "" if persons is None else f" by {persons} persons"
    log.info("%d windows of %d classes%s, %d held out.", len(examples.labels), len(classes), by, len(held_out))
    if not config.class_weights:
        labelled.tell_imbalance(examples.labels.tolist())
    validation = examples.taken(held_out) if len(held_out) else None
    net = fit(examples.taken(chosen), validation, classes, config, run, resume=resume)
    if validation:
        probabilities = predict(net, validation, config)
        numbers = data.numbered(validation.labels, classes)
        run.write(classification.THRESHOLD, classification.calibrated(numbers, probabilities, config.answered))
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": net.count_params(),
        "recordings": len(examples.recordings),
        "windows": len(examples.labels),
        "held out": len(held_out),
        "best epoch": run.best_row(),
    }


def fit(
    examples: data.Examples,
    validation: data.Examples | None,
    classes: Sequence[str],
    config: Config,
    folder: training.Run | Path,
    *,
    resume: bool,
) -> "keras.Model":
    """Trains one net of a complete configuration into a folder; without validation the last epoch is kept."""
    weights = np.ones(len(classes))
    if config.class_weights:
        weights = classification.class_weights(data.numbered(examples.labels, classes), len(classes))
    batches = data.training_batches(examples, classes, config, weights, drop_remainder=config.jit == "on")
    steps = config.epochs * len(batches.order(0))  # type: ignore[operator]
    return training.fit(
        lambda: model.compiled(config, examples.windows.values, len(classes), steps),
        batches,
        folder,
        config,
        validation=data.dataset(validation, classes, config) if validation else None,
        resume=resume,
    )


def predict(net: "keras.Model", examples: data.Examples, config: Config) -> np.ndarray:
    """Returns class probabilities of windows, `(windows, classes)`."""
    return np.asarray(model.of_windows(net.predict(examples.windows.values, batch_size=256, verbose=0), config))
