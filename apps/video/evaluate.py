"""How good a run is on clips that it has not seen, beside what needs no net and what needs no order of frames."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, metrics, plotting, training
from kerasmlsp.apps.video import data
from kerasmlsp.apps.video import train as app
from kerasmlsp.apps.video.config import Config
from kerasmlsp.data import image_sets, labelled
from kerasmlsp.files import write_atomically
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

CLIPS, FORECASTS = "clips", "forecasts"
# Clips in a figure, and frames of each at most.
_SHOWN, _FRAMES = 5, 10


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`."""
    return training.Run(run).load(Config)


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    dataset: str | None = None,
    manual_dir: str | Path | None = None,
    encoding: str | None = None,
    worst: int = 50,
) -> dict[str, Any]:
    """Measures a run and writes figures to its folder `evaluation`.

    Where classes are told, the same net is measured once more on clips of one frame, repeated, and of frames that are
    shuffled: what it knows without movement, and without the order. Forecasts stand beside a copy of the last frame,
    and the last change made once more.

    Args:
        run: Folder of a finished run.
        path: Folder or table of clips, or folder with the files of Fashion-MNIST or MNIST, whose test images are taken.
        dataset: Name in TensorFlow Datasets, whose split "test" is read.
        manual_dir: Folder with the original files of `dataset`.
        encoding: Encoding of a table; None for that of the one that was trained on.
        worst: Number of mistakes to write, the surest first.

    Returns:
        Dict of `on`, what it was measured on, `metrics`, each with its 95 % interval, and the files written; with
        classes the right ones of each, of forecasts the squared errors `by step`.

    Raises:
        ValueError: A label is not among those the run was trained on, or there is nothing to measure on.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    own = path is None and dataset is None
    # Nobody has to be told apart where nothing is trained.
    config = dataclasses.replace(config, size=stored["seen"][1])
    if own:
        clips, _ = data.read_own(config, run.folder)
        run.check_data(clips.fingerprint())
        clips = clips.taken(_held_out(clips, config))
    else:
        given = dataclasses.replace(config, group_pattern=None, encoding=encoding or config.encoding)
        source: dict[str, Any] = {"dataset": dataset, "manual_dir": manual_dir, "split": "test"}
        clips = data.read(given, path, place=run.folder, **source)
        if not config.forecasts:
            clips = clips.taken(labelled.of_known(clips.labels, stored["classes"], stored.get("rare", ())))
    result = {
        "on": "held-out clips, which selected the epoch" if own else "data given",
        "examples": len(clips),
        "left out": clips.left_out,
        "fingerprint": clips.fingerprint(),
    }
    if config.forecasts:
        return _forecasts(run, net, result, clips, stored["seen"][2])
    return _classes(run, net, config, result, clips, stored, worst)


def _held_out(clips, config):
    held_out = data.split(clips, config)[1]
    if not len(held_out):
        raise ValueError("The run held out nothing: give clips with `--data`.")
    return held_out


def one_frame(frames: np.ndarray) -> np.ndarray:
    """Returns clips in which the frame in the middle is shown all the time."""
    middle = frames.shape[1] // 2
    return np.repeat(frames[:, middle : middle + 1], frames.shape[1], axis=1)


def _classes(run, net, config, result, clips, stored, worst):
    classes, channels = stored["classes"], stored["seen"][2]
    numbers = np.searchsorted(classes, clips.labels)
    changes = {
        "as trained": app.control_of(config),
        "frames shuffled": app.shuffled(config.seed),
        "one frame": one_frame,
    }
    told = {name: app.predict(net, clips, channels, change) for name, change in changes.items()}
    probabilities = told.pop("as trained")
    found, lacking = classification.measure(numbers, probabilities, clips.groups)
    for name, each in told.items():
        found[f"accuracy, {name}"] = metrics.with_interval(metrics.accuracy, numbers, each, groups=clips.groups)
    found["accuracy, most frequent class"] = metrics.measured_share(numbers == np.bincount(numbers).argmax())
    chosen = probabilities.argmax(1)
    result |= {
        "reject_below": (classification.threshold_of(run) or {}).get("threshold"),
        "metrics": found,
        "not measured": lacking,
        "classes": {
            name: {"examples": int(np.sum(numbers == k)), "right": int(np.sum((chosen == k) & (numbers == k)))}
            for k, name in enumerate(classes)
        },
    }
    wrong = classification.mistakes(numbers, probabilities, worst)
    named = {i: clips.names[i] if clips.names else i for i in wrong}
    files = classification.report(run / EVALUATION, numbers, probabilities, classes, named, "clip")
    files.append(run / EVALUATION / f"{CLIPS}.png")
    shown = [*wrong[: _SHOWN - 1], *np.flatnonzero(chosen == numbers)][:_SHOWN]
    rows = {
        f"{place}: {clips.labels[i]}, told {classes[chosen[i]]} ({probabilities[i].max():.2f})": _few(clips.pixels(i))
        for place, i in enumerate(shown, 1)
    }
    write_atomically(files[-1], lambda place: plotting.image_rows(rows, place))
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def _few(frames):
    """At most so many frames as fit into a figure, spread over the clip."""
    return frames[np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))]


def ahead(net: "keras.Model", frames: np.ndarray, steps: int) -> np.ndarray:
    """Forecasts frames, each of which is seen for the one after it.

    Args:
        net: The model.
        frames: Those that are seen, `(clips, frames, size, size, channels)`, 0 to 255.
        steps: Frames to forecast.

    Returns:
        float32 `(clips, steps, size, size, channels)`, 0 to 1.
    """
    window, found = frames.astype("float32"), []
    for _ in range(steps):
        found.append(np.clip(net.predict_on_batch(window)[:, -1], 0, 1))
        window = np.concatenate([window[:, 1:], 255 * found[-1][:, None]], axis=1)
    return np.stack(found, axis=1)


def _forecasts(run, net, result, clips, channels):
    seen = max(2, clips.frames.shape[1] // 2)
    steps = clips.frames.shape[1] - seen
    errors: dict[str, list] = {"forecast": [], "copy of the last frame": [], "last change once more": []}
    following: dict[str, list] = {name: [] for name in errors}
    shown: Any = None
    for begin in range(0, len(clips), app.BATCH):
        frames = image_sets.recoloured(clips.pixels(slice(begin, begin + app.BATCH)), channels)
        truth = frames.astype("float32") / 255
        for name, each in _following(net, frames, frames.shape[1] - 1, 1).items():
            following[name].append(np.square(each - truth[:, -1:]).mean(axis=(1, 2, 3, 4)))
        told = _following(net, frames, seen, steps)
        for name, each in told.items():
            errors[name].append(np.square(each - truth[:, seen:]).mean(axis=(2, 3, 4)))
        shown = shown or (frames[:_SHOWN], {name: each[:_SHOWN] for name, each in told.items()})
    by_step = {name: np.concatenate(each) for name, each in errors.items()}
    result |= {
        "metrics": {f"squared error, {name}": _mean(np.concatenate(each)) for name, each in following.items()},
        "by step": [
            {"step": step + 1, **{name: float(each[:, step].mean()) for name, each in by_step.items()}}
            for step in range(steps)
        ],
        "seen": seen,
    }
    path = run / EVALUATION / f"{FORECASTS}.png"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda place: plotting.image_rows(_rows(shown[0], shown[1], seen), place))
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(target), str(path)]}


def _following(net, frames, seen, steps):
    """By method, what it takes for the frames after the first `seen` ones, 0 to 1."""
    before = frames[:, seen - 2 : seen].astype("float32") / 255
    change, last = before[:, 1:] - before[:, :1], before[:, 1:]
    return {
        "forecast": ahead(net, frames[:, :seen], steps),
        "copy of the last frame": np.repeat(last, steps, axis=1),
        "last change once more": np.clip(last + change * np.arange(1, steps + 1)[:, None, None, None], 0, 1),
    }


def _mean(errors):
    low, high = metrics.bootstrap(lambda rows: float(errors[rows].mean()), len(errors))
    return {"value": float(errors.mean()), "low": low, "high": high}


def _rows(frames: np.ndarray, told: dict[str, np.ndarray], seen: int) -> dict[str, np.ndarray]:
    """The first two clips: the truth, and below it what each of two methods took for it, after what was seen."""
    rows = {}
    for number, clip in enumerate(frames[:2], 1):
        rows[f"clip {number}: {seen} frames that are seen, and what followed"] = clip
        for name in ("forecast", "copy of the last frame"):
            drawn = np.round(255 * told[name][number - 1]).astype(np.uint8)
            rows[f"clip {number}: {name}"] = np.concatenate([clip[:seen], drawn])
    return rows
