"""How good a run is on examples that it has not seen."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, interpret, metrics, plotting, training
from kerasmlsp.apps.gesture import data, robustness
from kerasmlsp.apps.gesture import train as app
from kerasmlsp.apps.gesture.config import Config
from kerasmlsp.data import labelled
from kerasmlsp.files import write_atomically
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

FOLDS = "folds"


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
    background: str | Path | None = None,
    folds: int = 0,
    worst: int = 50,
) -> dict[str, Any]:
    """Measures a run and writes figures and the worst mistakes to its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Folder, table or CSV of labelled examples.
        dataset: Name in TensorFlow Datasets, whose split "test" is read.
        manual_dir: Folder with the original files of `dataset`.
        encoding: Encoding of a table; None for that of the one that was trained on.
        background: Folder of pictures that show none of the classes, to count those that are taken for one.
        folds: With neither `path` nor `dataset`: 0 measures on the examples that the run held out, which also selected
            its epoch; a number measures the recipe by cross-validation on the data of the run, each fold by a net
            trained on the others to its last epoch. Persons stay together.
        worst: Number of mistakes to write, the surest first.

    Returns:
        Dict of `on`, what it was measured on, `metrics` (each with its 95 % interval), the accuracy of each class and
        fold, and the files written. Without folds `metrics` have besides the accuracy on changed pictures, see
        `kerasmlsp.apps.gesture.robustness`, and the shares that are as sure as `reject_below`, the run's threshold.

    Raises:
        ValueError: A label is not among those the run was trained on, or there is nothing to measure on.
    """
    run = training.Run(run)
    model, config, stored = load(run)
    classes = stored["classes"]
    if background is not None and (folds or stored["kind"] != "images"):
        raise ValueError("`--background` is for one net for pictures: leave it out, or leave out `--folds`.")
    elsewhere = data.read_background(background, config.size)
    if path is not None or dataset is not None:
        if folds:
            raise ValueError("`--folds` takes the data of the run: leave out `--data` and `--dataset`.")
        source: dict[str, Any] = {"dataset": dataset, "manual_dir": manual_dir, "split": "test"}
        # Nobody has to be told apart where nothing is trained.
        config = dataclasses.replace(config, rounds=False, group_pattern=None, encoding=encoding or config.encoding)
        examples = data.read(config, path, **source, kind=stored["kind"])
        examples = examples.taken(labelled.of_known(examples.labels, classes, stored.get("rare", ())))
        result, probabilities = {"on": "data given"}, predict(model, examples)
    else:
        examples = _own(run, config)
        if folds:
            probabilities, shares = _cross_validated(run, examples, classes, config, folds)
            held = "persons" if examples.groups is not None else _drawn(config)
            result = {"on": f"{folds} folds, {held} held out", "folds": shares}
        else:
            examples = examples.taken(_held_out(examples, config))
            result, probabilities = {"on": "held-out examples, which selected the epoch"}, predict(model, examples)
    result |= {
        "reject_below": None if folds else (classification.threshold_of(run) or {}).get("threshold"),
        "backgrounds": 0 if elsewhere is None else len(elsewhere),
    }
    further = {}
    if not folds:
        further = _robustness(model, examples, classes, elsewhere, config) if examples.kind == "images" else {}
        further |= _refusal(model, probabilities, elsewhere, result["reject_below"])
    return _report(run, result, examples, probabilities, further, classes, worst)


def _robustness(model, examples, classes, background, config):
    """Accuracy on changed pictures, by name."""
    numbers, found = np.searchsorted(classes, examples.labels), {}
    changed = robustness.changed(examples.inputs, background)
    if config.adversarial:
        attacked = interpret.fgsm(model, examples.inputs, numbers, epsilon=config.adversarial)
        changed[f"under FGSM of {config.adversarial:g}"] = attacked
    for name, pictures in changed.items():
        probabilities = model.predict(pictures, batch_size=256, verbose=0)
        found[f"accuracy {name}"] = metrics.with_interval(metrics.accuracy, numbers, probabilities)
    return found


def _refusal(model, probabilities, background, least):
    """What share is surer than the threshold: of the examples, and of pictures that show none of the classes."""
    shares = {} if least is None else {"sure": _reach(probabilities, least)}
    if background is not None:
        found = model.predict(background, batch_size=256, verbose=0)
        shares |= {"sure of background": _reach(found, least)} if least is not None else {}
        shares["above 0.9 of background"] = _reach(found, 0.9)
    return shares


def _reach(probabilities, least):
    return metrics.measured_share(probabilities.max(axis=1) >= least)


def _own(run, config):
    examples, _ = data.read_own(config)
    run.check_data(examples.fingerprint())
    return examples


def _held_out(examples, config):
    held_out = data.split(examples, config)[1]
    if not len(held_out):
        raise ValueError("The run held out nothing: give examples with `--data`, or cross-validate with `--folds 5`.")
    return held_out


def _drawn(config):
    return "runs of neighbours" if config.holdout_blocks else "single examples"


def _cross_validated(run, examples, classes, config, count):
    """Probabilities of every example by the net that was not trained on its fold, and the accuracy of each fold."""
    fold_of = data.folds(examples, count, config)
    probabilities, shares = np.empty((len(fold_of), len(classes)), "float32"), []
    numbers = np.searchsorted(classes, examples.labels)
    background = data.read_background(config.background, config.size)
    for fold, inside, outside in classification.each_fold(examples.labels, fold_of, classes):
        folder = run / FOLDS / f"{count}-{fold}"
        # What is there is gone on with, so that a long measurement may be broken off.
        net = app.fit(examples.taken(outside), None, classes, config, folder, background, resume=True)
        probabilities[inside] = predict(net, examples.taken(inside))
        shares.append(metrics.accuracy(numbers[inside], probabilities[inside]))
    return probabilities, shares


def predict(model: "keras.Model", examples: data.Examples, batch_size: int = 256) -> np.ndarray:
    """Returns class probabilities `(examples, classes)`."""
    return model.predict(examples.inputs, batch_size=batch_size, verbose=0)


def _report(run, result, examples, probabilities, further, classes, worst):
    numbers, folder = np.searchsorted(classes, examples.labels), run / EVALUATION
    right = np.argmax(probabilities, axis=1) == numbers
    found, lacking = classification.measure(numbers, probabilities)
    result |= {
        "kind": examples.kind,
        "examples": len(numbers),
        "left out": examples.left_out,
        "fingerprint": examples.fingerprint(),
        "metrics": {**found, **further},
        "not measured": lacking,
        "classes": {
            name: {"examples": int(np.sum(numbers == k)), "right": int(np.sum(right[numbers == k]))}
            for k, name in enumerate(classes)
        },
    }
    wrong = classification.mistakes(numbers, probabilities, worst)
    files = classification.report(folder, numbers, probabilities, classes, {i: i for i in wrong}, "example")
    if examples.kind == "images" and len(wrong):
        titles = [f"{examples.labels[i]}, not {classes[probabilities[i].argmax()]}" for i in wrong[:25]]
        files.append(folder / "mistakes.png")
        sheet = examples.inputs[wrong[:25]]
        write_atomically(files[-1], lambda path: plotting.contact_sheet(sheet, path, titles=titles))
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}
