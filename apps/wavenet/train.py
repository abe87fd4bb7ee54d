"""From recordings to a run."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from kerasmlsp import training
from kerasmlsp.apps.wavenet import data, model
from kerasmlsp.apps.wavenet.config import Config

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured net on recordings.

    The run folder gets `config.json` and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of parameters, of samples that the net hears, and of seconds, and the best epoch's
        values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    found = data.read(config)
    classes = found.classes if config.conditional else []
    chosen, validation, test = data.split(found, config)
    parts = {"train": chosen, "validation": validation, "test": test}
    seconds = {name: float(part.sizes.sum()) / config.rate if part else 0.0 for name, part in parts.items()}
    facts = {
        "classes": classes,
        "seconds_of": seconds,
        "left_out": found.left_out,
        "fingerprint": found.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    told = f" in {len(classes)} classes" if classes else ""
    log.info("%.0f s%s to train on, %.0f s to select on, %.0f s held out.", seconds["train"], told, *_others(seconds))
    batches = data.training_batches(chosen, config, bool(classes))
    steps = config.epochs * len(batches.order(0))
    net = training.fit(
        lambda: model.compiled(config, len(classes), steps),
        batches,
        run,
        dataclasses.replace(config, precision=training.precision_for(config.precision, products=True)),
        validation=data.dataset(validation, bool(classes)) if validation else None,
        resume=resume,
    )
    return {
        "run": str(run),
        "parameters": net.count_params(),
        "milliseconds heard": 1000 * model.reach(net) / config.rate,
        "seconds": seconds,
        "left out": found.left_out,
        "best epoch": run.best_row(),
    }


def _others(seconds):
    return seconds["validation"], seconds["test"]
