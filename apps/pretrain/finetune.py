"""From a run and few labels to a classifier, beside the same net from scratch, a linear probe and classical methods.

Whatever is chosen is chosen on the labelled examples that were drawn; the test examples only measure.
"""

import dataclasses
import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, metrics, models, plotting, training
from kerasmlsp.apps.pretrain import baselines, batches, data, evaluate, model
from kerasmlsp.apps.pretrain.config import Config, Tuning
from kerasmlsp.apps.pretrain.train import SEEN
from kerasmlsp.data import splits
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import keras

log = logging.getLogger("kerasmlsp")

FINETUNED, TABLE, ANSWERS, CURVE = "finetuned", "table.json", "answers.json", "labels.png"
LEAST_STEPS = 100
"""Training steps of an epoch, if `--epochs` does not count passes over the examples."""
TUNED, SCRATCH, PROBE, TAUGHT = "fine-tuned", "from scratch", "linear probe", "self-trained"


def methods_of(kind: str) -> tuple[str, ...]:
    """Returns the names of the methods for a kind of example; `self-trained`, which takes long, has to be named."""
    return (TUNED, SCRATCH, PROBE, *baselines.METHODS[kind])


@dataclasses.dataclass(frozen=True)
class _Task:
    """What all methods share."""

    config: Config
    tuning: Tuning
    net: Any
    classes: list[str]
    train: data.Examples
    test: data.Examples
    words: list[str]
    inputs: np.ndarray
    test_inputs: np.ndarray
    numbers: np.ndarray
    test_numbers: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.inputs.shape[1:]

    @property
    def vocabulary_size(self) -> int:
        return len(self.words) + 3


def finetune(
    run: Path,
    tuning: Tuning,
    *,
    shares: list[float],
    per_class: list[int],
    methods: list[str] | None = None,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Trains classifiers on some of the labels, and measures them on test examples that no training has seen.

    What is there already in the folder `finetuned` of the run is gone on with. It gets `table.json`, the figure
    `labels.png`, and `model.keras`, the fine-tuned net of the most labels (or the self-trained one, where it is among
    `methods`), which `export` takes.

    Args:
        run: Folder of a finished run.
        tuning: How to train and what on.
        shares: Shares of the labels, each in `(0, 1]`.
        per_class: Labels of every class.
        methods: Some of `methods_of`, or `self-trained`; None for all but that.
        overwrite: Whether to start anew.

    Returns:
        Dict of `run`, the numbers of `test` and labelled examples, `table`, a row for each method and number of labels,
        and the `files`.

    Raises:
        FileNotFoundError: There is no such run, or it is not finished.
        ValueError: The data cannot be used, or `finetuned` was begun with other options.
    """
    run = training.Run(run)
    net, config, stored, words = evaluate.load(run)
    folder = training.Run(run / FINETUNED)
    channels = stored["shape"][-1] if config.kind == "pictures" else None
    train, test = data.read_labelled(config, tuning, np.load(run / SEEN), channels)
    classes = sorted(set(train.labels or []))
    task = _Task(
        config,
        tuning,
        net,
        classes,
        train,
        test,
        words,
        data.encoded(train, words, config.max_tokens),
        data.encoded(test, words, config.max_tokens),
        np.searchsorted(classes, train.labels or []).astype(np.int64),
        np.searchsorted(classes, test.labels or []).astype(np.int64),
    )
    facts = {
        "classes": classes,
        "labelled": len(train),
        "tested": len(test),
        "fingerprint": train.fingerprint(),
        "test_fingerprint": test.fingerprint(),
        "pretrained": stored["fingerprint"],
    }
    with folder.claimed(resume=not overwrite, overwrite=overwrite):
        folder.start(tuning, facts, resume=not overwrite)
        log.info("%d labelled %s of %d classes, %d to test on.", len(train), config.kind, len(classes), len(test))
        return _measured(run, folder, task, shares, per_class, methods or list(methods_of(config.kind)))


def _measured(run, folder, task, shares, per_class, methods):
    draws = [(f"{share:g}", share, None) for share in shares]
    draws += [(f"{count} a class", None, count) for count in per_class]
    rows = {name: data.few(task.train.labels or [], share, count, task.tuning.seed) for name, share, count in draws}
    table = folder.read(TABLE) if (folder / TABLE).exists() else []
    for name, chosen in sorted(rows.items(), key=lambda pair: len(pair[1])):
        for method in methods:
            if any((row["draw"], row["method"]) == (name, method) for row in table):
                continue
            log.info("%s with %d labels.", method.capitalize(), len(chosen))
            began = time.monotonic()
            told, facts = _told(method, task, chosen, folder / name.replace(" ", "-"))
            row = {"draw": name, "labels": len(chosen), "method": method, **_scores(task, told), "chosen": facts}
            row |= {"seconds": round(time.monotonic() - began, 1), "answers": told.tolist()}
            table.append(row)
            folder.write(TABLE, table)
    most = max(rows, key=lambda name: len(rows[name]))
    if kept := next((name for name in (TAUGHT, TUNED) if name in methods), None):
        _keep(folder, task, most, kept, table)
    files = [folder / TABLE, folder / CURVE]
    curves = curves_of(table)
    write_atomically(files[1], lambda path: plotting.label_curves(curves, path))
    return {
        "run": str(run),
        "test": len(task.test),
        "labelled": len(task.train),
        "table": with_differences([row for row in table if row["draw"] in rows], task),
        "files": [str(file) for file in files],
    }


def _told(method, task, rows, folder):
    """Class numbers of the test examples, and what was chosen on the labelled ones."""
    if method in (TUNED, SCRATCH, TAUGHT):
        net, facts = (_taught if method == TAUGHT else _trained)(method, task, rows, folder)
        whole = model.with_entrance(net, task.config, task.shape)
        return batches.predicted(whole, task.test_inputs).argmax(1), facts
    numbers, seed = task.numbers[rows], task.tuning.seed
    if method == PROBE:
        features = model.with_entrance(
            model.features_of(models.classifier_from(_copy(task), 2)), task.config, task.shape
        )
        found = [batches.predicted(features, each) for each in (task.inputs[rows], task.test_inputs)]
        return baselines.linear(found[0], numbers, found[1], seed)
    kind, given, others = task.config.kind, task.train.inputs, task.test.inputs
    return baselines.predict(method, kind, given[rows], numbers, others, given, task.config.rate, seed)


def _copy(task):
    """The pre-trained net once more, since what is made of it shares its weights."""
    net = model.pretext(task.config, task.shape, task.vocabulary_size)
    net.set_weights(task.net.get_weights())
    return net


def _trained(method, task, rows, folder) -> "tuple[keras.Model, dict]":
    """Chooses the learning rate on a part of the labelled examples, and trains on all of them."""
    tuning, name = task.tuning, method.replace(" ", "-")
    facts, target = {}, folder / f"{name}.json"
    if target.exists():
        facts = training.Run(folder).read(target.name)
    else:
        counts = np.bincount(task.numbers[rows], minlength=len(task.classes))
        if len(tuning.learning_rates) > 1 and counts.min() > 1:
            inside, outside = splits.split_indices(task.numbers[rows], tuning.holdout, tuning.seed)
            scores = {}
            for rate in tuning.learning_rates:
                place = folder / f"{name}-{rate:g}"
                net = _fit(method, task, rows[inside], rate, place)
                whole = model.with_entrance(net, task.config, task.shape)
                shares = batches.predicted(whole, task.inputs[rows[outside]])
                held = task.numbers[rows[outside]]
                told = classification.calibrated(held, shares, tuning.answered)
                scores[rate] = (metrics.accuracy(held, shares), told)
            best = max(scores, key=lambda rate: scores[rate][0])
            facts = {"learning rate": best, "held-out accuracy": scores[best][0], "reject_below": scores[best][1]}
        else:
            facts = {"learning rate": tuning.learning_rates[len(tuning.learning_rates) // 2]}
        training.Run(folder).write(target.name, facts)
    for rate in tuning.learning_rates:
        shutil.rmtree(folder / f"{name}-{rate:g}", ignore_errors=True)
    return _fit(method, task, rows, facts["learning rate"], folder / name), facts


def _taught(method, task, rows, folder) -> "tuple[keras.Model, dict]":
    """Trains the pre-trained net on what the fine-tuned one says of all examples, and on the labels that were drawn.

    Reference: Chen et al. 2020, "Big Self-Supervised Models are Strong Semi-Supervised Learners" (self-distillation).
    """
    teacher, facts = _trained(TUNED, task, rows, folder)
    targets = batches.predicted(model.with_entrance(teacher, task.config, task.shape), task.inputs)
    targets[rows] = np.eye(len(task.classes), dtype="float32")[task.numbers[rows]]
    everything = np.arange(len(targets))
    tuning = dataclasses.replace(task.tuning, epochs=task.tuning.taught_epochs, label_smoothing=0.0)
    learner, place = dataclasses.replace(task, tuning=tuning), folder / TAUGHT
    net = _fit(TUNED, learner, everything, facts["learning rate"], place, targets)
    return net, {"learning rate": facts["learning rate"]}


def _fit(method, task, rows, rate, place, targets=None):
    tuning = task.tuning
    if targets is None:
        targets = np.eye(len(task.classes), dtype="float32")[task.numbers[rows]]
    least = 1 if tuning.epochs else min(LEAST_STEPS, tuning.steps)
    found = batches.labelled(task.inputs[rows], targets, tuning.batch_size, tuning.seed, least_steps=least)
    epoch = len(found.order(0))
    epochs = tuning.epochs or -(-tuning.steps // epoch)
    settings = dataclasses.replace(tuning, learning_rate=rate, epochs=epochs)

    def build():
        start = _copy(task) if method == TUNED else model.pretext(task.config, task.shape, task.vocabulary_size)
        net = models.classifier_from(start, len(task.classes))
        return model.tuned(net, task.config, settings, task.shape, epochs * epoch)

    return training.fit(build, found, place, settings, resume=True).layers[-1]


def _scores(task, told):
    """Accuracy and macro F1 on the test examples, with intervals; over whole groups where they are known."""
    shares, groups = np.eye(len(task.classes))[told], task.test.groups
    measures: dict[str, Callable] = {"accuracy": metrics.accuracy, "macro_f1": metrics.macro_f1}
    return {k: metrics.with_interval(each, task.test_numbers, shares, groups=groups) for k, each in measures.items()}


def with_differences(table: list[dict[str, Any]], task: _Task) -> list[dict[str, Any]]:
    """Returns the rows without single answers, each with how much better it is than the net from scratch.

    The difference is paired, example by example, with the interval of a bootstrap.
    """
    from_scratch = {row["draw"]: np.array(row["answers"]) for row in table if row["method"] == SCRATCH}
    found = []
    for row in table:
        other = from_scratch.get(row["draw"])
        shown = {name: value for name, value in row.items() if name != "answers"}
        if other is not None and row["method"] != SCRATCH:
            gains = (np.array(row["answers"]) == task.test_numbers).astype(float) - (other == task.test_numbers)
            shown["gain"] = _interval(gains, task.test.groups)
        found.append(shown)
    return found


def _interval(gains, groups):
    def mean(rows):
        return float(gains[rows].mean())

    if groups is None:
        low, high = metrics.bootstrap(mean, len(gains))
    else:
        low, high = metrics.group_bootstrap(mean, groups)
    return {"value": float(gains.mean()), "low": low, "high": high}


def curves_of(table: list[dict[str, Any]]) -> dict[str, list[tuple[int, dict]]]:
    """Returns, by method, the labels and the accuracy of each draw, fewest labels first."""
    curves: dict[str, list[tuple[int, dict]]] = {}
    for row in sorted(table, key=lambda row: row["labels"]):
        curves.setdefault(row["method"], []).append((row["labels"], row["accuracy"]))
    return curves


def _keep(folder, task, draw, method, table):
    """Writes the classifier of a draw, and what is told of it."""
    row = next(row for row in table if (row["draw"], row["method"]) == (draw, method))
    place = folder / draw.replace(" ", "-") / method
    whole = training.Run(place).model()
    folder.save(whole.layers[-1])
    facts = {"classes": task.classes, "labels": row["labels"], "method": method, "test": len(task.test)}
    facts |= {name: row[name] for name in ("accuracy", "macro_f1", "chosen")}
    folder.write(ANSWERS, facts)
