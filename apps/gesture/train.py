"""From labelled examples to a run."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, distribution, training
from kerasmlsp.apps.gesture import data, model, robustness
from kerasmlsp.apps.gesture.config import Config
from kerasmlsp.data import labelled

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

NET = "net"
_PART = 100
"""Pictures that are changed at a time."""


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
    if config.background and distribution.place()[1] > 1:
        raise ValueError(
            "`--background` adds pictures to every batch, which several processes cannot share: leave it out."
        )
    background = data.read_background(config.background, config.size)
    examples, rare = data.read_own(config, stored=True)
    architecture = config.architecture_for(examples.kind)
    config.refuse_for(examples.kind)
    classes = sorted(set(examples.labels))
    chosen, held_out = data.split(examples, config)
    groups = None if examples.groups is None else len(np.unique(examples.groups))
    if background is not None and examples.kind != "images":
        raise ValueError(f"`--background` is for pictures, and the data are {examples.kind}: leave it out.")
    facts = {
        "kind": examples.kind,
        "trained": architecture,
        "classes": classes,
        "rare": rare,
        "examples": len(examples.labels),
        "left_out": examples.left_out,
        "groups": groups,
        "held_out": len(held_out),
        "fingerprint": examples.fingerprint(),
        "backgrounds": 0 if background is None else len(background),
        "background_fingerprint": None if background is None else labelled.fingerprint(background),
    }
    run.start(config, facts, resume=resume)
    persons = "" if groups is None else f" by {groups} persons"
    log.info("%d examples of %d classes%s, %d held out.", len(examples.labels), len(classes), persons, len(held_out))
    if not config.class_weights:
        labelled.tell_imbalance(examples.labels)
    validation = examples.taken(held_out) if len(held_out) else None
    net = fit(examples.taken(chosen), validation, classes, config, run / NET, background, resume=resume)
    if validation:
        run.write(classification.THRESHOLD, calibrated(net, validation, classes, config))
    run.save(net)
    run.draw_curves(NET)
    return {
        "run": str(run),
        "architecture": architecture,
        "parameters": net.count_params(),
        "examples": len(examples.labels),
        "held out": len(held_out),
        "left out": examples.left_out,
        "best epoch": run.best_row(NET),
    }


def calibrated(net: "keras.Model", examples: data.Examples, classes: Sequence[str], config: Config) -> dict[str, Any]:
    """Returns when the saved model is to be unsure, see `classification.calibrated`.

    Pictures count as they are and as `robustness` changes them, since a hand in other light or before another
    background is to be answered, too.

    Args:
        net: The trained model.
        examples: Examples that it was not trained on.
        classes: Names of the classes.
        config: The configuration.
    """
    numbers, labels, probabilities = np.searchsorted(classes, examples.labels), [], []
    for begin in range(0, len(numbers), _PART):
        part = slice(begin, begin + _PART)
        shown = [examples.inputs[part]]
        if examples.kind == "images":
            shown += robustness.changed(shown[0]).values()
        probabilities.append(net.predict(np.concatenate(shown), batch_size=256, verbose=0))
        labels.append(np.tile(numbers[part], len(shown)))
    return classification.calibrated(np.concatenate(labels), np.concatenate(probabilities), config.answered)


def fit(
    examples: data.Examples,
    validation: data.Examples | None,
    classes: Sequence[str],
    config: Config,
    folder: training.Run | Path,
    background: np.ndarray | None,
    *,
    resume: bool,
) -> "keras.Model":
    """Trains one net into a folder; without validation the last epoch is kept.

    `background` are the pictures of `config.background`, as `data.read_background` returns them.
    """
    settings, architecture = config.complete(examples.kind), config.architecture_for(examples.kind)
    targets = classification.one_hot(examples.labels, classes)
    weights = classification.example_weights(targets, config.class_weights)
    remainder = config.jit == "on"
    batches = data.training_batches(examples, targets, weights, config, background, drop_remainder=remainder)
    steps = settings.epochs * len(batches.order(0))  # type: ignore[operator]
    return training.fit(
        lambda: model.compiled(architecture, settings, examples.inputs.shape[1:], len(classes), steps),
        batches,
        folder,
        settings,
        validation=data.dataset(validation, classification.one_hot(validation.labels, classes)) if validation else None,
        resume=resume,
    )
