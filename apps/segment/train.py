"""From pictures with masks to a run."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.segment import baselines, data, model
from kerasmlsp.apps.segment.config import Config

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

NET = "net"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    The run folder gets `config.json`, `curves.png`, the folder `net` (see `kerasmlsp.training.fit`), `model.keras`, and
    `prior.png`, the most frequent class of each place in the pictures that were trained on.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of pictures, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    examples = data.read(config)
    chosen, held_out = data.split(examples, config)
    for part, what in ((chosen, "to train on"), (held_out, "that are held out")):
        if len(part) and not examples.places[part].any():
            raise ValueError(f"`masks` of the pictures {what} must hold a class. Received: only pixels of no class")
    counts = np.bincount(examples.places.ravel(), minlength=len(examples.classes) + 1)[1:]
    facts = {
        "trained": config.architecture,
        "classes": examples.classes,
        "numbers": examples.numbers,
        "shares": [round(float(each), 6) for each in counts / max(counts.sum(), 1)],
        "examples": len(examples),
        "held_out": len(held_out),
        "left_out": examples.images.left_out,
        "fingerprint": examples.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    log.info("%d pictures of %d classes, %d held out.", len(examples), len(examples.classes), len(held_out))
    own = examples.taken(chosen)
    net = fit(own, examples.taken(held_out) if len(held_out) else None, config, run / NET, resume=resume)
    baselines.save_prior(own, run)
    run.save(net)
    run.draw_curves(NET)
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": net.count_params(),
        "pictures": len(examples),
        "held out": len(held_out),
        "left out": examples.images.left_out,
        "best epoch": run.best_row(NET),
    }


def fit(
    examples: data.Examples, validation: data.Examples | None, config: Config, folder: Path, *, resume: bool
) -> "keras.Model":
    """Trains one net into a folder; without validation the last epoch is kept."""
    settings = config.complete()
    batches = data.training_batches(
        examples, settings, model.augmentation(settings), drop_remainder=settings.jit == "on"
    )
    steps = settings.epochs * len(batches.order(0))  # type: ignore[operator]
    return training.fit(
        lambda: model.compiled(settings, len(examples.classes), steps),
        batches,
        folder,
        settings,
        validation=data.dataset(validation) if validation else None,
        resume=resume,
    )
