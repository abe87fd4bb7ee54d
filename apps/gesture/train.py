"""From labelled examples to a run."""

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np

from kerasmlsp import datasets, training
from kerasmlsp.apps.gesture import data, model
from kerasmlsp.apps.gesture.config import Config

log = logging.getLogger("kerasmlsp")

NET, THRESHOLD = "net", "threshold.json"


def train(config: Config, run: Path, *, resume: bool = False):
    """Trains the configured architecture.

    The run folder gets `config.json`, the folder `net` (see `kerasmlsp.training.fit`) and `model.keras`.

    Args:
        config: The configuration.
        run: The run folder.
        resume: Whether to go on with what is in the folder.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of examples, and the kept epoch's values.

    Raises:
        ValueError: The data cannot be used, the folder holds another run, or another process trains it.
    """
    run = Path(run)
    with training.claimed(run, resume=resume):
        return _train(config, run, resume)


def _train(config, run, resume):
    background = data.read_background(config.background, config.size)
    examples = data.read(config, config.data, dataset=config.dataset, manual_dir=config.manual_dir)
    architecture = config.architecture_for(examples.kind)
    classes = sorted(set(examples.labels))
    chosen, held_out = data.split(examples, config)
    groups = None if examples.groups is None else len(np.unique(examples.groups))
    if background is not None and examples.kind != "images":
        raise ValueError(f"`--background` is for pictures, and the data are {examples.kind}: leave it out.")
    facts = {
        "kind": examples.kind,
        "trained": architecture,
        "classes": classes,
        "examples": len(examples.labels),
        "unreadable": examples.unreadable,
        "groups": groups,
        "held_out": len(held_out),
        "fingerprint": examples.fingerprint(),
        "backgrounds": 0 if background is None else len(background),
        "background_fingerprint": None if background is None else datasets.fingerprint(background),
    }
    training.write_config(run, {**dataclasses.asdict(config), **facts}, resume=resume)
    persons = "" if groups is None else f" by {groups} persons"
    log.info("%d examples of %d classes%s, %d held out.", len(examples.labels), len(classes), persons, len(held_out))
    validation = examples.taken(held_out) if len(held_out) else None
    net = fit(examples.taken(chosen), validation, classes, config, run / NET, resume=resume)
    if validation:
        calibrate(net, validation, config, run / THRESHOLD)
    training.write_atomically(run / training.MODEL, lambda path: net.save(path))
    return {
        "run": str(run),
        "architecture": architecture,
        "parameters": net.count_params(),
        "examples": len(examples.labels),
        "held out": len(held_out),
        "best epoch": training.best_row(run / NET),
    }


def calibrate(net, examples, config, path):
    """Writes the probability that the answer to a share of the examples has at least, which `config.answered` gives.

    The saved model takes what has less for unknown.

    Args:
        net: The trained model.
        examples: Examples that it was not trained on.
        config: The configuration.
        path: The file, JSON of `threshold` and the number of `examples`.
    """
    sure = net.predict(examples.inputs, batch_size=256, verbose=0).max(axis=1)
    threshold = np.quantile(sure, 1 - config.answered, method="lower")
    text = json.dumps({"threshold": float(threshold), "examples": len(sure)}, indent=2) + "\n"
    training.write_atomically(path, lambda place: place.write_text(text))


def fit(examples, validation, classes, config, folder, *, resume):
    """Trains one net into a folder; without validation the last epoch is kept."""
    architecture = config.architecture_for(examples.kind)
    jit = training.JIT[config.jit]
    epochs = config.epochs or model.RECIPES[architecture].epochs
    targets = data.one_hot(examples.labels, classes)
    weights = np.ones(len(targets), "float32")
    if config.class_weights:
        weights = (len(targets) / len(classes) / np.maximum(targets.sum(0), 1))[targets.argmax(1)].astype("float32")
    background = data.read_background(config.background, config.size)
    batches = data.training_batches(examples, targets, weights, config, background, drop_remainder=jit is True)
    steps = epochs * len(batches.order(0))
    return training.fit(
        lambda: model.compiled(architecture, config, examples.inputs.shape[1:], len(classes), steps),
        batches,
        run=folder,
        epochs=epochs,
        validation=data.dataset(validation, data.one_hot(validation.labels, classes)) if validation else None,
        patience=config.patience if validation else None,
        seed=config.seed,
        deterministic=config.deterministic,
        precision=config.precision,
        jit=jit,
        steps_per_execution=config.steps_per_execution,
        resume=resume,
    )
