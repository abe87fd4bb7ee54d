"""How good a run is on people whom it has not seen."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, metrics, plotting, training
from kerasmlsp.apps.motion import data
from kerasmlsp.apps.motion import train as app
from kerasmlsp.apps.motion.config import Config
from kerasmlsp.data import labelled, splits
from kerasmlsp.files import write_atomically
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

FOLDS, TIMELINE = "folds", "timeline"


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`, its configuration complete."""
    net, config, stored = training.Run(run).load(Config)
    return net, config.complete(), stored


def evaluate(
    run: Path,
    path: str | Path | None = None,
    *,
    folds: int = 0,
    by_window: bool = False,
    worst: int = 50,
    **reading: str | None,
) -> dict[str, Any]:
    """Measures a run and writes figures and the worst mistakes to its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Labelled recordings of other people.
        folds: Without `path`: 0 measures on the windows that the run held out, which also selected its epoch; a number
            measures the recipe by cross-validation on the data of the run, each fold by a net trained on the others to
            its last epoch. Persons, or recordings, stay together.
        by_window: Whether folds deal out windows one by one, so that the neighbours of each are trained on: what that
            measures is no answer, only how much it flatters.
        worst: Number of mistakes to write, the surest first.
        **reading: How the recordings of `path` are read where that differs from those trained on, such as
            `name_pattern`; None for as those.

    Returns:
        Dict of `on`, what it was measured on, `metrics` with their 95 % intervals, over persons where these are known,
        F1 and counts of each class, the accuracy of each person and fold, and the files written.

    Raises:
        ValueError: A label is not among those the run was trained on, or there is nothing to measure on.
    """
    run = training.Run(run)
    model, config, stored = load(run)
    classes = stored["classes"]
    if path is not None:
        given = {name: value for name, value in reading.items() if value is not None}
        config = dataclasses.replace(config, **given)  # type: ignore[arg-type]
        examples = _others(config, path, stored)
        result: dict[str, Any] = {"on": "recordings given"}
        probabilities = app.predict(model, examples, config)
    else:
        examples = _own(run, config)
        if folds:
            fold_of = splits.folds(range(len(examples.labels)) if by_window else examples.groups, folds, config.seed)
            place = f"{'windows-' * by_window}{folds}"
            probabilities, shares = _cross_validated(run, examples, classes, config, fold_of, place)
            held = "single windows" if by_window else "persons" if examples.persons else "recordings"
            result = {"on": f"{folds} folds, {held} held out", "folds": shares}
        else:
            examples = _held_out(examples, config)
            probabilities = app.predict(model, examples, config)
            result = {"on": "held-out windows, which selected the epoch"}
    unsure = None if folds else classification.threshold_of(run)
    result |= {"reject_below": unsure["threshold"] if unsure else None}
    return _report(run, result, examples, probabilities, classes, config, worst)


def _others(config, path, stored):
    examples = data.examples(config, data.read(config, path, stored["channel_names"]))
    channels = examples.windows.values.shape[2]
    if channels != stored["channel_count"]:
        raise ValueError(
            f"`--data` must hold the {stored['channel_count']} channels of the run: name them by `--channels`. "
            f"Received: {channels}"
        )
    known = labelled.of_known(examples.labels.tolist(), stored["classes"], stored.get("rare", ()))
    return examples.taken(np.asarray(known))


def _own(run, config):
    examples, _ = data.read_own(config)
    run.check_data(examples.fingerprint())
    return examples


def _held_out(examples, config):
    held_out = data.split(examples, config)[1]
    if not len(held_out):
        raise ValueError("The run held out nothing: give recordings with `--data`, or cross-validate with `--folds 5`.")
    return examples.taken(held_out)


def _cross_validated(run, examples, classes, config, fold_of, place):
    """Probabilities of every window by the net that was not trained on its fold, and the macro F1 of each fold."""
    probabilities, shares = np.empty((len(fold_of), len(classes)), "float32"), []
    numbers = data.numbered(examples.labels, classes)
    for fold, inside, outside in classification.each_fold(examples.labels, fold_of, classes):
        # What is there is gone on with, so that a long measurement may be broken off.
        net = app.fit(examples.taken(outside), None, classes, config, run / FOLDS / f"{place}-{fold}", resume=True)
        probabilities[inside] = app.predict(net, examples.taken(inside), config)
        shares.append(metrics.macro_f1(numbers[inside], probabilities[inside]))
    return probabilities, shares


def class_measures(numbers: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns `windows`, how many are of a class, and `precision`, `recall` and `f1`, by class."""
    matrix = metrics.confusion(numbers, probabilities)
    right, of, told = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    columns = (of, right / np.maximum(told, 1), right / np.maximum(of, 1), 2 * right / np.maximum(of + told, 1))
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return dict(
        zip(
            classes,
            (dict(zip(("windows", "precision", "recall", "f1"), row, strict=True)) for row in rows),
            strict=True,
        )
    )


def _report(run, result, examples, probabilities, classes, config, worst):
    numbers, folder = data.numbered(examples.labels, classes), run / EVALUATION
    groups = examples.groups if examples.persons else None
    found, lacking = classification.measure(numbers, probabilities, groups)
    right = probabilities.argmax(axis=1) == numbers
    persons = {}
    if examples.persons:
        persons = {str(each): float(right[examples.groups == each].mean()) for each in np.unique(examples.groups)}
    result |= {
        "windows": len(numbers),
        "intervals": f"over {len(persons)} persons" if persons else "over windows",
        "fingerprint": examples.fingerprint(),
        "metrics": found,
        "not measured": lacking,
        "classes": class_measures(numbers, probabilities, classes),
        "persons": persons,
    }
    names = _names(examples, config)
    mistakes = {i: names[i] for i in classification.mistakes(numbers, probabilities, worst)}
    files = classification.report(folder, numbers, probabilities, classes, mistakes, "window", groups=groups)
    files.append(folder / f"{TIMELINE}.png")
    draw_timeline(examples, probabilities, classes, config, files[-1])
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def _names(examples, config):
    """Where each window lies, as `s01/1.csv at 3.50 s`."""
    found = zip(examples.windows.sources, examples.windows.starts, strict=True)
    recordings = ((examples.recordings[source], start / config.rate) for source, start in found)
    return [f"{recording.name} at {recording.start + seconds:.2f} s" for recording, seconds in recordings]


def draw_timeline(
    examples: data.Examples, probabilities: np.ndarray, classes: Sequence[str], config: Config, path: Path
) -> None:
    """Draws the recording with the most windows: its signals, what it is of, and what was told of it.

    Args:
        examples: Labelled windows.
        probabilities: What was told of them, `(windows, classes)`.
        classes: Names of the classes.
        config: The configuration.
        path: File to write, PNG.
    """
    source = np.bincount(examples.windows.sources).argmax()
    recording, mine = examples.recordings[source], examples.windows.sources == source
    total = np.zeros((len(recording.values), len(classes)))
    for start, row in zip(examples.windows.starts[mine], probabilities[mine], strict=True):
        total[start : start + config.length] += row
    told = np.where(total.any(axis=1), np.asarray(classes)[total.argmax(axis=1)], "")
    bands = {"true": recording.labels.tolist(), "predicted": told.tolist()}
    facts: dict[str, Any] = {"rate": config.rate, "channels": recording.channels, "title": recording.name}
    write_atomically(path, lambda place: plotting.timeline(recording.values, bands, place, **facts))
