"""From pictures with boxes to a run."""

import collections
import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasmlsp import training
from kerasmlsp.apps.detect import baselines, data, model
from kerasmlsp.apps.detect.config import Config
from kerasmlsp.metrics import detection

if TYPE_CHECKING:
    from kerasmlsp.data.boxes import BoxedImages

log = logging.getLogger("kerasmlsp")

NET, THRESHOLD, BLOBS = "net", "threshold.json", "blobs.json"


class HeldOutPrecision(keras.callbacks.Callback):
    """Logs the mean average precision at an overlap of 0.5 on held-out pictures as `val_map50`.

    Args:
        examples: The pictures.
        classes: Names of the classes.
        anchors: `(anchors, 4)`.
        max_overlap: As of `model.found`.
    """

    def __init__(self, examples: "BoxedImages", classes: list[str], anchors: np.ndarray, max_overlap: float) -> None:
        super().__init__()
        self.examples, self.classes, self.anchors, self.max_overlap = examples, classes, anchors, max_overlap

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        found = model.found(self.model, self.examples.pixels, self.anchors, self.examples.sizes, self.max_overlap)
        truth = data.truth(self.examples, self.classes)
        measured = detection.mean_average_precision(truth, found, self.classes)["value"]
        if logs is not None:
            logs["val_map50"] = float(np.nan_to_num(measured))  # NaN where no thing is held out


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    The run folder gets `config.json`, `curves.png`, the folder `net` (see `kerasmlsp.training.fit`), `model.keras`,
    `threshold.json`, from which score on boxes are shown, and `blobs.json`, a `baselines.BlobDetector`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of pictures and boxes, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    examples = data.read(config)
    chosen, held_out = data.split(examples, config)
    classes, own = data.classes_of(examples), examples.taken(chosen)
    if not any(map(len, own.boxes)):
        raise ValueError("What is left to train on must hold boxes: hold out less.")
    counts = collections.Counter(label for each in examples.labels for label in each)
    facts = {
        "trained": config.architecture,
        "classes": classes,
        "boxes": dict(sorted(counts.items())),
        "starts": data.chosen_starts(own, classes, config),
        "examples": len(examples.boxes),
        "held_out": len(held_out),
        "left_out": examples.left_out,
        "dropped": examples.dropped,
        "fingerprint": data.fingerprint(examples),
    }
    run.start(config, facts, resume=resume)
    log.info("%d pictures with %d boxes, %d held out.", len(examples.boxes), counts.total(), len(held_out))
    validation = examples.taken(held_out) if len(held_out) else None
    net = fit(own, validation, classes, facts["starts"], config, run / NET, resume=resume)
    if validation:
        anchors = data.starts(config, facts["starts"])
        found = model.found(net, validation.pixels, anchors, validation.sizes, config.max_overlap)
        run.write(THRESHOLD, detection.best_threshold(data.truth(validation, classes), found, len(classes)))
    run.write(BLOBS, dataclasses.asdict(baselines.BlobDetector.learned(own, classes)))
    run.save(net)
    run.draw_curves(NET)
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": net.count_params(),
        "pictures": len(examples.boxes),
        "boxes": facts["boxes"],
        "held out": len(held_out),
        "left out": {**examples.left_out, **{f"boxes {why}": count for why, count in examples.dropped.items()}},
        "best epoch": run.best_row(NET),
    }


def fit(
    examples: "BoxedImages",
    validation: "BoxedImages | None",
    classes: list[str],
    chosen: dict[str, Any],
    config: Config,
    folder: Path,
    *,
    resume: bool,
) -> keras.Model:
    """Trains one net into a folder; without validation the last epoch is kept.

    `chosen` is what `data.chosen_starts` returns.
    """
    settings, anchors = config.complete(), data.starts(config, chosen)
    remainder = settings.jit == "on"
    layer = model.augmentation(settings)
    batches = data.training_batches(examples, classes, anchors, settings, layer, drop_remainder=remainder)
    steps = settings.epochs * len(batches.order(0))  # type: ignore[operator]
    held = [HeldOutPrecision(validation, classes, anchors, config.max_overlap)] if validation else []
    return training.fit(
        lambda: model.compiled(settings, len(classes), chosen, steps),
        batches,
        folder,
        settings,
        validation=data.dataset(validation, classes, anchors, settings) if validation else None,
        resume=resume,
        callbacks=held,
    )
