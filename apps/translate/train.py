"""From sentences with their translations to a run."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.translate import data, model
from kerasmlsp.apps.translate.config import Config
from kerasmlsp.data.subwords import Subwords

log = logging.getLogger("kerasmlsp")

SUBWORDS = "subwords.json"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured net on sentences with their translations.

    The run folder gets `config.json`, `subwords.json` and what `kerasmlsp.training.fit` writes.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, the numbers of parameters, pairs and units, what was left out, and the best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config.complete(), run, resume)


def _train(config, run, resume):
    pairs = data.read(config)
    log.info("Learning the units, and reading the sentences as units.")
    known = resume and (run / SUBWORDS).exists()
    units = Subwords(run.read(SUBWORDS) if known else data.learn(pairs, config))
    if config.beams > len(units) // 2:
        raise ValueError(f"`beams` must be at most half of the {len(units)} units. Received: {config.beams}")
    encoded = data.encode(*pairs.of("train"), units, config.max_tokens, cut=False)
    validation = data.encode(*pairs.of("validation"), units, config.max_tokens, cut=True)
    if len(encoded.source_starts) < 2:
        raise ValueError(f"`max_tokens` must leave pairs to train on. Received: {config.max_tokens}, and none is left")
    facts = counted(pairs, encoded, units)
    run.start(config, facts, resume=resume)
    for what, count in facts["problems"].items():
        log.warning("Left out: %d %s.", count, what)
    log.info("%s pairs; %d units.", ", ".join(f"{count} {name}" for name, count in facts["pairs"].items()), len(units))
    run.write(SUBWORDS, units.pieces)
    precision = training.precision_for(config.precision, products=config.architecture == "transformer")
    settings = dataclasses.replace(config, precision=precision)
    batches = data.training_batches(encoded, settings)
    steps = settings.epochs * len(batches.order(0))
    trained = training.fit(
        lambda: model.compiled(settings, len(units), steps),
        batches,
        run,
        settings,
        validation=data.dataset(validation, settings.batch_tokens),
        resume=resume,
    )
    return {
        "run": str(run),
        "parameters": sum(int(np.prod(weight.shape)) for weight in trained.trainable_variables),
        "pairs": facts["pairs"],
        "units": len(units),
        "left out": facts["problems"],
        "best epoch": run.best_row(),
    }


def counted(pairs: data.Pairs, encoded: data.Encoded, units: Subwords) -> dict[str, Any]:
    """What `config.json` tells of the data beside the configuration."""
    long = {"pairs longer than `max_tokens`": encoded.left_out} if encoded.left_out else {}
    return {
        "fingerprint": pairs.fingerprint(),
        "pairs": pairs.counts(),
        "subwords": len(units),
        "tokens": {"source": len(encoded.sources), "target": len(encoded.targets)},
        "problems": {**pairs.problems, **long},
    }
