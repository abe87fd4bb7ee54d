"""How good a run is on recordings that it has not heard."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, metrics, plotting, training
from kerasmlsp.apps.speech import data, listening, model
from kerasmlsp.apps.speech import train as app
from kerasmlsp.apps.speech.config import Config
from kerasmlsp.data import audio, clips, labelled
from kerasmlsp.files import write_atomically
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

FOLDS, SCORES, COUNTS, ATTENTION = "folds", "score_histogram", "label_counts", "attention"
THRESHOLD = 0.5
"""Probability of a command that is reported, where a run was not calibrated."""


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
    background: Path | None = None,
    folds: int = 0,
    worst: int = 50,
) -> dict[str, Any]:
    """Measures a run and writes figures and the worst mistakes to its folder `evaluation`.

    Args:
        run: Folder of a finished run.
        path: Folder or table of labelled recordings.
        dataset: Name in TensorFlow Datasets, whose split "test" is read.
        manual_dir: Folder with the original files of `dataset`.
        encoding: Encoding of a table; None for that of the one that was trained on.
        background: Recording, or folder of such, of any length without a command, to count false alarms in an hour.
            None counts them in the recordings of the run's class of silence that are measured on, one after the other.
        folds: With neither `path` nor `dataset`: 0 measures on the recordings that the run held out, which also
            selected its epoch; a number measures the recipe by cross-validation on the data of the run, each fold by a
            net trained on the others to its last epoch. Speakers stay together.
        worst: Number of mistakes to write, the surest first.

    Returns:
        Dict of `on`, what it was measured on, `metrics` (each with its 95 % interval), what is right of each class and
        fold, `false alarms`, and the files written.

    Raises:
        ValueError: A label is not among those the run was trained on, or there is nothing to measure on.
    """
    run = training.Run(run)
    net, config, stored = load(run)
    classes = stored["classes"]
    if path is not None or dataset is not None:
        if folds:
            raise ValueError("`--folds` takes the data of the run: leave out `--data` and `--dataset`.")
        # Nobody has to be told apart where nothing is trained.
        given = dataclasses.replace(config, group_pattern=None, encoding=encoding or config.encoding)
        examples = data.read(given, path, dataset=dataset, manual_dir=manual_dir, split="test")
        examples = examples.taken(labelled.of_known(examples.labels, classes, stored.get("rare", ())))
        result, probabilities = {"on": "data given"}, app.predict(net, examples)
    else:
        examples = _own(run, config)
        if folds:
            if background is not None:
                raise ValueError("`--background` is for one net: leave out it or `--folds`.")
            probabilities, shares, _ = cross_validated(run / FOLDS, examples, classes, config, folds)
            held = "single recordings" if examples.groups is None else "speakers"
            result = {"on": f"{folds} folds, {held} held out", "folds": shares}
        else:
            examples = examples.taken(_held_out(examples, config))
            result = {"on": "held-out recordings, which selected the epoch"}
            probabilities = app.predict(net, examples)
    if not folds:
        result |= _alarms(run, net, config, classes, examples, background)
    return _report(run, None if folds else net, config, result, examples, probabilities, classes, worst)


def _own(run, config):
    examples, _ = data.read_own(config)
    run.check_data(examples.fingerprint())
    return examples


def _held_out(examples, config):
    held_out = data.split(examples, config)[1]
    if not len(held_out):
        raise ValueError("The run held out nothing: give recordings with `--data`, or cross-validate with `--folds 5`.")
    return held_out


def cross_validated(
    folder: Path, examples: data.Examples, classes: list[str], config: Config, count: int
) -> tuple[np.ndarray, list[float], list[dict[str, Any]]]:
    """Trains a net for each fold on the others; what is in the folder already is gone on with.

    Returns:
        Probabilities of every example by the net that was not trained on its fold, the accuracy of each fold, and the
        false alarms of each fold, see `listening.false_alarms`.
    """
    fold_of = data.folds(examples, count, config.seed)
    probabilities, shares, alarms = np.empty((len(fold_of), len(classes)), "float32"), [], []
    for fold, inside, outside in classification.each_fold(examples.labels, fold_of, classes):
        net = app.fit(examples.taken(outside), None, classes, config, folder / f"{count}-{fold}", resume=True)
        own = examples.taken(inside)
        probabilities[inside] = app.predict(net, own)
        shares.append(metrics.accuracy(np.searchsorted(classes, own.labels), probabilities[inside]))
        alarms.append(heard_in(net, config, classes, [silence(own, config)], THRESHOLD))
    return probabilities, shares, alarms


def silence(examples: data.Examples, config: Config) -> np.ndarray:
    """Returns the recordings of the class of silence one after the other, float32 `(samples,)`."""
    chosen = np.flatnonzero(np.array(examples.labels) == config.silence)
    return clips.floats(examples.samples[chosen].reshape(-1))


def heard_in(
    net: "keras.Model", config: Config, classes: list[str], recordings: Iterable, threshold: float
) -> dict[str, Any]:
    """Returns the false alarms of a net, see `listening.false_alarms`."""
    hearing = {"rate": config.rate, "length": config.length}
    return listening.false_alarms(recordings, net.predict_on_batch, classes, threshold, **hearing)


def _alarms(run, net, config, classes, examples, background):
    known = classification.threshold_of(run) or {}
    threshold = max(THRESHOLD, known.get("threshold", 0.0))
    recordings: Any = [silence(examples, config)]
    if background is not None:
        recordings = audio.list_audio(background) if background.is_dir() else [background]
    found = heard_in(net, config, classes, recordings, threshold)
    return {"reject_below": known.get("threshold"), "false alarms": found}


def _report(run, net, config, result, examples, probabilities, classes, worst):
    numbers, folder = np.searchsorted(classes, examples.labels), run / EVALUATION
    chosen = np.argmax(probabilities, axis=1)
    found, lacking = classification.measure(numbers, probabilities)
    result |= {
        "examples": len(numbers),
        "left out": examples.left_out,
        "fingerprint": examples.fingerprint(),
        "metrics": {**found, **_words_only(config, classes, numbers, probabilities)},
        "not measured": lacking,
        "classes": {
            name: {"examples": int(np.sum(numbers == k)), "right": int(np.sum((chosen == k) & (numbers == k)))}
            for k, name in enumerate(classes)
        },
    }
    wrong = classification.mistakes(numbers, probabilities, worst)
    named = {i: examples.names[i] if examples.names else i for i in wrong}
    files = classification.report(folder, numbers, probabilities, classes, named, "recording", summaries=True)
    files += _figures(folder, config, net, examples, numbers, probabilities, classes)
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def _words_only(config, classes, numbers, probabilities):
    """The accuracy without silence, whose recordings may overlap each other."""
    if config.silence not in classes:
        return {}
    chosen = numbers != classes.index(config.silence)
    if not chosen.any() or chosen.all():
        return {}
    share = metrics.with_interval(metrics.accuracy, numbers[chosen], probabilities[chosen])
    return {f"accuracy without {config.silence}": share}


def _figures(folder, config, net, examples, numbers, probabilities, classes):
    chosen, files = probabilities.argmax(1), [folder / f"{SCORES}.png", folder / f"{COUNTS}.png"]
    highest, right = probabilities.max(axis=1), chosen == numbers
    groups, label = {"right": highest[right], "wrong": highest[~right]}, "probability of the label"
    write_atomically(files[0], lambda path: plotting.score_histogram(groups, path, label=label, limits=(0, 1)))
    counts = {
        kind: dict(zip(classes, np.bincount(each, minlength=len(classes)).tolist(), strict=True))
        for kind, each in (("true", numbers), ("predicted", chosen))
    }
    write_atomically(files[1], lambda path: plotting.label_counts(counts, path))
    looking = model.attention(net) if net is not None else None
    if looking is not None:
        files.append(folder / f"{ATTENTION}.png")
        # The surest of each of the first classes that are commands.
        spoken = [classes.index(name) for name in listening.commands(classes)][:4]
        rows = [int(np.argmax(np.where(numbers == k, probabilities[:, k], -1))) for k in spoken]
        waves = clips.floats(examples.samples[rows])
        titles = [f"{classes[numbers[i]]}: told {classes[chosen[i]]} ({probabilities[i].max():.2f})" for i in rows]
        weights = looking.predict_on_batch(waves)
        write_atomically(files[-1], lambda path: plotting.waveform_attention(waves, weights, config.rate, titles, path))
    return files
