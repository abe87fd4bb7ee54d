"""From images to a run."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from kerasmlsp import training
from kerasmlsp.apps.pixelcnn import data, model
from kerasmlsp.apps.pixelcnn.config import Config

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured net on images.

    The run folder gets `config.json` and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of parameters and images, and the best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    found = data.read(config)
    classes = found.classes if config.conditional else []
    chosen, validation = data.split(found.train, config)
    counts = {"train": len(chosen), "validation": len(validation or ()), "test": len(found.test)}
    shape = found.train.pixels.shape[1:]
    facts = {
        "classes": classes,
        "image": list(shape),
        "images": counts,
        "left_out": found.left_out,
        "split": found.split,
        "fingerprint": found.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    told = f" in {len(classes)} classes" if classes else ""
    log.info("%d images of %dx%d%s to train on, %d to select on.", len(chosen), *shape[:2], told, counts["validation"])
    batches = data.training_batches(chosen, config, bool(classes))
    steps = config.epochs * len(batches.order(0))
    net = training.fit(
        lambda: model.compiled(config, shape, len(classes), steps),
        batches,
        run,
        dataclasses.replace(config, precision=training.precision_for(config.precision, products=True)),
        validation=data.dataset(validation, bool(classes)) if validation else None,
        resume=resume,
    )
    return {
        "run": str(run),
        "parameters": net.count_params(),
        "images": counts,
        "left out": found.left_out,
        "best epoch": run.best_row(),
    }
