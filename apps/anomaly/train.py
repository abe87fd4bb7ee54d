"""From signals to a run."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.anomaly import data, model
from kerasmlsp.apps.anomaly.config import Config
from kerasmlsp.metrics import anomalies

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

THRESHOLD = "threshold.json"


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the autoencoders on what is normal, and sets the threshold by the normal that each has not seen.

    The run folder gets `config.json`, `curves.png`, a folder for each net (see `kerasmlsp.training.fit`),
    `threshold.json` and `model.keras`, the detector. No label but that of the normal rows is used.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the number of `normals`, what was left out, and the threshold.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        assert config.data is not None
        examples = data.read(config, config.data)
        config.refuse_for(examples.task)
        found = data.normals(examples, config.complete(examples.task))
        facts = {
            "kind": examples.task,
            "channels_read": list(examples.streams[0].channels) if examples.streams else None,
            "shape": list(found.values.shape[1:]),
            "normals": len(found.values),
            "left_out": found.left_out,
            "fingerprint": examples.fingerprint(),
        }
        run.start(config, facts, resume=resume)
        log.info("%d normal %s of %d steps and %d channels.", len(found.values), examples.task, *found.values.shape[1:])
        nets, scores, detector = fit(found, config, examples.task, run, resume=resume)
        known = calibrated(scores, config, examples.task)
        run.write(THRESHOLD, known)
        run.save(detector)
        run.draw_curves(*nets)
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": sum(w.shape.num_elements() for w in detector.trainable_weights),
        "normals": len(found.values),
        "left out": found.left_out,
        "threshold": known["threshold"],
        "held-out normals that reach it": known["reached"],
    }


def fit(
    found: data.Normals, config: Config, task: str, run: training.Run | Path, *, resume: bool
) -> "tuple[list[str], np.ndarray, keras.Model]":
    """Trains the nets into folders of a run.

    Args:
        found: What is normal.
        config: The configuration.
        task: "segments" or "stream".
        run: The run folder.
        resume: Whether to go on with what is in the folder.

    Returns:
        Names of the nets, the scores of the normal by those that have not seen them, in their order, and the detector
        made of all nets.
    """
    run, settings = training.Run(run), config.complete(task)
    mean, deviation = data.scale(found.values)
    signals = ((found.values - mean) / deviation).astype("float32")
    nets, names, scores = [], [], []
    for number, (chosen, held) in enumerate(data.parts(found, settings, task), 1):
        names.append(f"net_{number}")
        log.info("Training %s on %d of %d.", names[-1], len(chosen), len(signals))
        nets.append(_net(signals[chosen], signals[held], settings, run / names[-1], names[-1], resume))
        alone = model.detector(nets[-1:], mean, deviation, settings, found.values[chosen])
        answers = alone.predict(found.values[held].astype("float32"), batch_size=256, verbose=0)
        scores.append(answers["score"] if task == "segments" else answers["errors"][:, -1])
    return names, np.concatenate(scores), model.detector(nets, mean, deviation, settings, found.values)


def _net(signals, held_out, settings, folder, name, resume):
    import tensorflow as tf

    batches, (steps, channels) = data.training_batches(signals, settings), signals.shape[1:]
    updates = settings.epochs * len(batches.order(0))
    return training.fit(
        lambda: model.compiled(settings, steps, channels, updates, name),
        batches,
        folder,
        settings,
        validation=tf.data.Dataset.from_tensor_slices((held_out, held_out)).batch(256),
        resume=resume,
    )


def calibrated(scores: np.ndarray, config: Config, task: str) -> dict[str, Any]:
    """Returns the threshold from scores of normal signals, or of streams from errors of normal rows.

    Args:
        scores: Scores, or errors, of what was held out.
        config: The configuration.
        task: "segments" or "stream".

    Returns:
        Dict of `threshold`, the `method` and the share of `false_alarms` that it is for, the number of `scores`, the
        share of them that `reached` it, and for streams `start`: `mean`, `variance` and `count` of the errors.
    """
    settings, start = config.complete(task), {}
    if task == "stream":
        start = {"mean": float(scores.mean()), "variance": float(scores.var()), "count": len(scores)}
        scores = (scores - start["mean"]) / max(start["variance"], model.LEAST) ** 0.5
    assert settings.false_alarms is not None
    limit = anomalies.threshold(scores, settings.false_alarms, settings.method)
    if task == "stream":
        limit = max(limit, 1.0)  # the errors of a signal that never changes have no spread
    return {
        "threshold": limit,
        "method": settings.method,
        "false_alarms": settings.false_alarms,
        "scores": len(scores),
        "reached": float(np.mean(scores >= limit)),
        **({"start": start} if start else {}),
    }
