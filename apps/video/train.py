"""From clips to a run."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, training
from kerasmlsp.apps.video import data, model
from kerasmlsp.apps.video.config import Config
from kerasmlsp.data import image_sets, labelled

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

# Clips of a batch where nothing is trained.
BATCH = 64


def train(config: Config, run: Path, *, resume: bool = False, overwrite: bool = False) -> dict[str, Any]:
    """Trains the configured architecture.

    The run folder gets `config.json`, what `kerasmlsp.training.fit` writes and, where classes are told and clips held
    out, `threshold.json`. The decoded clips are kept on the disk of the folder as long as the training goes on.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.start`.

    Returns:
        Dict of `run`, `architecture`, `parameters`, the numbers of clips, and the kept epoch's values.
    """
    run = training.Run(run)
    with run.claimed(resume=resume, overwrite=overwrite):
        return _train(config, run, resume)


def _train(config, run, resume):
    clips, rare = data.read_own(config, run.folder.parent)
    classes = [] if config.forecasts else sorted(set(clips.labels))
    chosen, held_out = data.split(clips, config)
    channels = channels_of(clips, config)
    seen = [config.frames, clips.frames.shape[2], channels]
    facts = {
        "classes": classes,
        "rare": rare,
        "examples": len(clips),
        "left_out": clips.left_out,
        "groups": None if clips.groups is None else len(np.unique(clips.groups)),
        "held_out": len(held_out),
        "seen": seen,
        "fingerprint": clips.fingerprint(),
    }
    run.start(config, facts, resume=resume)
    told = f" of {len(classes)} classes" if classes else ""
    log.info("%d clips%s of %d frames of %d pixels, %d held out.", len(clips), told, *seen[:2], len(held_out))
    if classes and not config.class_weights:
        labelled.tell_imbalance(clips.labels)
    validation = clips.taken(held_out) if len(held_out) else None
    net = fit(clips.taken(chosen), validation, classes, channels, config, run, resume=resume)
    if validation and classes:
        numbers = np.searchsorted(classes, validation.labels)
        probabilities = predict(net, validation, channels, control_of(config))
        run.write(classification.THRESHOLD, classification.calibrated(numbers, probabilities, config.answered))
    return {
        "run": str(run),
        "architecture": config.architecture,
        "parameters": net.count_params(),
        "clips": len(clips),
        "held out": len(held_out),
        "left out": clips.left_out,
        "best epoch": run.best_row(),
    }


def channels_of(clips: data.Clips, config: Config) -> int:
    """Returns the channels that the net sees."""
    return clips.channels if config.colour == "auto" else {"grey": 1, "rgb": 3}[config.colour]


def fit(
    clips: data.Clips,
    validation: data.Clips | None,
    classes: Sequence[str],
    channels: int,
    config: Config,
    folder: training.Run | Path,
    *,
    resume: bool,
) -> "keras.Model":
    """Trains one net into a folder; without validation the last epoch is kept."""
    settings = config.complete()
    targets = data.one_hot(clips.labels, classes)
    weights = classification.example_weights(targets, config.class_weights and bool(classes))
    remainder = config.jit == "on"
    batches = data.training_batches(clips, targets, weights, settings, channels, drop_remainder=remainder)
    steps = settings.epochs * len(batches.order(0))  # type: ignore[operator]
    held_out = None
    if validation:
        held_out = data.dataset(validation, data.one_hot(validation.labels, classes), settings, channels)
    return training.fit(
        lambda: model.compiled(settings, clips.frames.shape[2], channels, len(classes), steps),
        batches,
        folder,
        settings,
        validation=held_out,
        resume=resume,
    )


def predict(
    net: "keras.Model", clips: data.Clips, channels: int, change: Callable[[np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Returns what a net makes of clips, read batch by batch; each batch is changed first by a function."""
    found = []
    for begin in range(0, len(clips), BATCH):
        frames = image_sets.recoloured(clips.pixels(slice(begin, begin + BATCH)), channels)
        found.append(net.predict_on_batch((change(frames) if change else frames).astype("float32")))
    return np.concatenate(found)


def shuffled(seed: int) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function that puts the frames of each clip of a batch into an order of its own."""
    random = np.random.default_rng(seed)

    def change(frames):
        orders = np.argsort(random.random(frames.shape[:2]), axis=1)
        return frames[np.arange(len(frames))[:, None], orders]

    return change


def control_of(config: Config) -> Callable[[np.ndarray], np.ndarray] | None:
    """Returns the change that a run is trained with as a control, if it is one."""
    return shuffled(config.seed) if config.shuffle_frames else None
