"""From labelled recordings to a run."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, training
from kerasmlsp.apps.speech import data, model
from kerasmlsp.apps.speech.config import Config
from kerasmlsp.data import clips, labelled

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

NET = "net"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    The run folder gets `config.json`, `curves.png`, the folder `net` (see `kerasmlsp.training.fit`) and `model.keras`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of examples, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    examples, rare = data.read_own(config)
    classes = sorted(set(examples.labels))
    chosen, held_out = data.split(examples, config)
    speakers = None
    if examples.groups is not None:
        # Of noise every recording has a number of its own.
        speakers = len(np.unique(examples.groups[np.array(examples.labels) != config.silence]))
    facts = {
        "classes": classes,
        "rare": rare,
        "examples": len(examples.labels),
        "left_out": examples.left_out,
        "groups": speakers,
        "held_out": len(held_out),
        "fingerprint": examples.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    by = "" if speakers is None else f" by {speakers} speakers"
    log.info("%d recordings of %d classes%s, %d held out.", len(examples.labels), len(classes), by, len(held_out))
    if not config.complete().class_weights:
        labelled.tell_imbalance(examples.labels)
    validation = examples.taken(held_out) if len(held_out) else None
    net = fit(examples.taken(chosen), validation, classes, config, run / NET, resume=resume)
    if validation:
        numbers = np.searchsorted(classes, validation.labels)
        probabilities = predict(net, validation)
        run.write(classification.THRESHOLD, classification.calibrated(numbers, probabilities, config.answered))
    run.save(net)
    run.draw_curves(NET)
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": net.count_params(),
        "examples": len(examples.labels),
        "held out": len(held_out),
        "left out": examples.left_out,
        "best epoch": run.best_row(NET),
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
    """Trains one net into a folder; without validation the last epoch is kept."""
    settings = config.complete()
    targets = classification.one_hot(examples.labels, classes)
    weights = classification.example_weights(targets, bool(settings.class_weights))
    batches = data.training_batches(examples, targets, weights, settings, drop_remainder=config.jit == "on")
    steps = settings.epochs * len(batches.order(0))  # type: ignore[operator]
    held_out = None
    if validation:
        held_out = data.dataset(validation, classification.one_hot(validation.labels, classes))
    return training.fit(
        lambda: model.compiled(settings, len(classes), steps),
        batches,
        folder,
        settings,
        validation=held_out,
        resume=resume,
    )


def predict(net: "keras.Model", examples: data.Examples) -> np.ndarray:
    """Returns class probabilities `(examples, classes)`."""
    parts = np.array_split(examples.samples, -(-len(examples.samples) // 256))
    return np.concatenate([net.predict_on_batch(clips.floats(part)) for part in parts])
