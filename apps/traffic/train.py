"""From speeds and their network to a run."""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.traffic import data, model
from kerasmlsp.apps.traffic.config import Config
from kerasmlsp.data import traffic

log = logging.getLogger("kerasmlsp")


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    A net is trained on the first part of the time and keeps the epoch that was best on the validation part. With
    `refit`, that is done with the first member only, and all members are trained on both parts, for as many epochs. The
    run folder gets `config.json`, a folder for each training (see `kerasmlsp.training.fit`), `curves.png` and
    `model.keras`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the sizes of the data, and for each member its best epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    speeds = data.read(config)
    network = data.read_network(config, speeds.roads)
    parts = data.parts(len(speeds.values), config)
    facts = {
        "roads": list(speeds.roads),
        "steps": len(speeds.values),
        "start": speeds.start,
        "missing": int(speeds.missing.sum()),
        "edges": int((network.adjacency > 0).sum()),
        "reachable": None if (mask := data.reachability(config, network)) is None else int(mask.sum()),
        "parts": {name: [part.start, part.stop] for name, part in parts.items()},
        "fingerprint": data.fingerprint(speeds, network),
    }
    run.start(config, facts, resume=resume)
    told = ", ".join(f"{len(part)} for {name}" for name, part in parts.items())
    log.info("%d roads, %d steps: %s.", len(speeds.roads), len(speeds.values), told)
    nets, results = [], {}
    for member in range(1, config.members + 1):
        name = f"net-{member}"
        if member == 1 or not config.refit:
            log.info("Training %s.", name)
            whole = _fit(name, config, run, speeds, network, parts["train"], parts["validation"], member, resume)
            results[name] = run.best_row(name)
        if config.refit:
            log.info("Training %s on the validation part too.", name)
            settings = dataclasses.replace(config, epochs=int(results["net-1"]["epoch"]), patience=None)
            both = range(parts["validation"].stop)
            whole = _fit(f"{name}-refit", settings, run, speeds, network, both, None, member, resume)
        nets.append(whole)
    known = _first(speeds, parts["validation" if config.refit else "train"].stop)
    joined = _joined(config, known, network, nets)
    run.save(joined)
    run.draw_curves(*results)
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": sum(int(np.prod(each.shape)) for each in joined.trainable_weights),
        "roads": len(speeds.roads),
        "steps": len(speeds.values),
        "nets": results,
    }


def _first(speeds: traffic.Speeds, count: int) -> traffic.Speeds:
    return dataclasses.replace(speeds, values=speeds.values[:count], missing=speeds.missing[:count])


def _fit(name, config, run, speeds, network, part, validation, member, resume):
    """Trains one member on a part of the time; without validation the last epoch is kept."""
    settings, known = config.complete(), _first(speeds, part.stop)
    settings = dataclasses.replace(settings, seed=(config.seed + 1000 * (member - 1)) % 2**31)
    if validation is None:
        settings = dataclasses.replace(settings, monitor="val_loss")
    windows = data.Windows(speeds, config.length, config.ahead()[-1], model.remembered(config, known))
    batches = data.training_batches(windows, data.positions(part, config), config, settings.seed)
    steps = settings.epochs * len(batches.order(0))
    mask = data.reachability(config, network)
    held_out = None if validation is None else data.dataset(windows, data.positions(validation, config))
    return training.fit(
        lambda: model.compiled(settings, known, network, mask, steps),
        batches,
        run / name,
        settings,
        validation=held_out,
        resume=resume,
    )


def _joined(config, known, network, nets):
    """The whole model around the trained nets, without optimizers."""
    inner = []
    for number, each in enumerate(nets, 1):
        trained = each.get_layer("net")
        copy = type(trained).from_config({**trained.get_config(), "name": f"net_{number}"})
        copy.set_weights(trained.get_weights())
        inner.append(copy)
    return model.build(config, known, network, inner)
