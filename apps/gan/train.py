"""From images to a run."""

import logging
import math
from pathlib import Path
from typing import Any

from kerasmlsp import training
from kerasmlsp.apps.gan import anomalies, data, features, model, pix2pix, watching
from kerasmlsp.apps.gan.config import ONE_CLASS, Config

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured nets on images.

    The run folder gets `config.json`, what `kerasmlsp.training.fit` writes, `film/` and `film.gif` with the same noise
    drawn after every epoch, `warnings.txt` where there was something to warn of, and `features/` where distances are
    measured on the run's own classes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of parameters and images, the best epoch's values, the warnings and the film.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config.complete(), run, resume)


def _train(config, run, resume):
    if config.translates:
        return pix2pix.train(config, run, resume)
    found, _ = anomalies.without(data.read(config), config.hold_out)
    _check(config, found)
    batches = data.training_batches(found.train, config)
    size, channels = found.train.pixels.shape[2:]
    facts = {
        "classes": found.classes,
        "image": [size, size, channels],
        "images": {"train": len(found.train), "test": len(found.test)},
        "split": found.split,
        "features_used": features.chosen(config, found.train, found.classes),
        "fingerprint": found.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    classes = f" in {len(found.classes)} classes" if found.classes else ""
    log.info("%d images of %dx%d%s to train on.", len(found.train), size, size, classes)
    measured = features.prepared(config, found.train, found.classes, run, resume=resume)
    log.info("Distances are measured on %s.", measured.name)
    if not measured.classes:
        log.info("Not measured: %s", features.NO_CLASSES)
    alarms = watching.Alarms(run)
    steps = config.epochs * len(batches.order(0))
    trained = training.fit(
        lambda: model.compiled(config, size, channels, len(found.classes), steps),
        batches,
        run,
        config,
        resume=resume,
        callbacks=[
            watching.Watch(alarms, found.train, config),
            watching.Measure(run, alarms, found.train, measured, config),
        ],
    )
    return {
        "run": str(run),
        "parameters": {
            name: sum(math.prod(weight.shape) for weight in getattr(trained, name).trainable_variables)
            for name in ("generator", "discriminator")
        },
        "images": facts["images"],
        "left out": found.left_out,
        "best epoch": run.best_row(),
        "warnings": alarms.lines(),
        "film": str(watching.film(run, config.epochs)),
    }


def _check(config, found):
    if config.architecture == "conditional" and not found.classes:
        raise ValueError(ONE_CLASS)
