"""`kerasmlsp motion` on people that it has not seen, beside other methods, over folds and seeds.

    python -m benchmarks.motion --data geotec
    python -m benchmarks.motion --data geotec --devices watch --methods tcn,forest --seeds 0
    python -m benchmarks.motion --basic-motions basic_motions

GeoTec: windows of 1 s, every 0.5 s, of signals at 25 samples per second; five folds by person, the same for all methods
and seeds. Each fold is told by a model trained on the other four to its last epoch, with the same recipe for all, so
that nothing is selected on the fold. A method is also measured on recordings whose activities come in another order,
since that order is nearly the same in all of them: so much does it know by the order. Methods `... by window` deal out
single windows, so that the neighbours of each are trained on: that flatters. Intervals are of a bootstrap over persons.

Every trained fold is one line of `cells.jsonl` in the folder of the runs, with its answers; folds that are there are
not trained again, so the command can be broken off and repeated. `--methods minirocket` needs the package aeon.
"""

import argparse
import dataclasses
import json
import shutil
import statistics
import time
from pathlib import Path

import numpy as np

FOLDS = 5
DEVICES = {"phone": "_sp", "watch": "_sw"}
PLAIN = {"shift": False, "half_turns": False, **dict.fromkeys(("speed", "reorder", "rotation", "scaling"), 0.0)}
# Adam at a constant rate, batches of 400, as in the tutorial that the lecture quotes.
LECTURE = {"optimizer": "adam", "schedule": "constant", "warmup": 0.0, "batch_size": 400, "ema": 0.0, "clip_norm": 0.0}
LECTURE |= {"label_smoothing": 0.0, "gravity": False, **PLAIN}
NETS = {
    "tcn": {"architecture": "tcn"},
    "tcn-in-order": {"architecture": "tcn", "reorder": 0.0},
    "tcn-no-context": {"architecture": "tcn", "context": 0.0, "epochs": 24},
    "tcn-no-augmentation": {"architecture": "tcn", **PLAIN},
    "deepconvlstm": {"architecture": "deepconvlstm"},
    "cnn": {"architecture": "cnn"},
    "lecture-cnn": {"architecture": "cnn", "epochs": 30, **LECTURE},
    "lecture-dense": {"architecture": "dense", "epochs": 50, **LECTURE},
}
OTHERS = ("forest", "aligned-forest", "minirocket", "position")
BY_WINDOW = ("tcn-by-window", "forest-by-window")
METHODS = ("tcn", "tcn-in-order", "tcn-no-context", *OTHERS, "lecture-dense", "lecture-cnn", "deepconvlstm", *BY_WINDOW)
METHODS = (*METHODS, "cnn", "tcn-no-augmentation")


def features(values):
    """Hand-made features of windows: moments, quantiles, slopes, spectra of each channel, correlations of pairs.

    Args:
        values: `(windows, steps, channels)`, three axes of each sensor after the other.
    """
    axes = [values[..., i : i + 3] for i in range(0, 6, 3)]
    signals = np.concatenate([values, *(np.linalg.norm(each, axis=2, keepdims=True) for each in axes)], axis=2)
    steps = signals.shape[1]
    spectrum = np.abs(np.fft.rfft(signals - signals.mean(1, keepdims=True), axis=1))[:, 1 : min(9, steps // 2)]
    parts = [signals.mean(1), signals.std(1), np.abs(np.diff(signals, axis=1)).mean(1)]
    parts += list(np.percentile(signals, [0, 25, 50, 75, 100], axis=1))
    parts += [signals[:, -steps // 5 :].mean(1) - signals[:, : steps // 5].mean(1), spectrum.reshape(len(values), -1)]
    centred = (values - values.mean(1, keepdims=True)) / (values.std(1, keepdims=True) + 1e-6)
    pairs = np.einsum("bti,btj->bij", centred, centred) / steps
    rows, columns = np.triu_indices(values.shape[2], 1)
    return np.concatenate([*parts, pairs[:, rows, columns]], axis=1)


def prepared(method, examples):
    """What a method that is no net sees of windows, without context."""
    if method.startswith("position"):
        lengths = np.array([len(each.values) for each in examples.recordings])[examples.windows.sources]
        return np.stack([examples.windows.starts, examples.windows.starts / lengths], 1)
    if method.startswith("minirocket"):
        return examples.windows.values.transpose(0, 2, 1)
    values = examples.windows.values
    if method.startswith("aligned"):
        from kerasmlsp import layers

        # The layer gives the channels first, which the pairs are made of, too.
        values = np.asarray(layers.GravityAlignment(25)(values))
    return features(values)


def answers_of_others(method, training, others, classes, seed):
    """Probabilities of each of `others` by a method that is no net."""
    from sklearn.ensemble import RandomForestClassifier

    inputs, labels = prepared(method, training), training.labels
    if method.startswith("minirocket"):
        from aeon.classification.convolution_based import MiniRocketClassifier

        model = MiniRocketClassifier(random_state=seed, n_jobs=1)
        model.fit(inputs.astype("float32"), labels)
        told = [model.predict(prepared(method, each).astype("float32")) for each in others]
        return [(each[:, None] == np.asarray(classes)).astype(float) for each in told]
    model = RandomForestClassifier(300, random_state=seed, n_jobs=1).fit(inputs, labels)
    assert list(model.classes_) == list(classes)
    return [model.predict_proba(prepared(method, each)) for each in others]


def answers_of_net(config, training, others, classes, folder):
    """Probabilities of each of `others` by a net."""
    from kerasmlsp.apps.motion import train

    net = train.fit(training, None, classes, config, folder, resume=True)
    found = [train.predict(net, each, config) for each in others]
    shutil.rmtree(folder)
    return found


def reordered(recordings, seed=0):
    """The recordings with their activities in another order."""
    from kerasmlsp.data import motion

    found = []
    for number, recording in enumerate(recordings):
        order = motion.shuffled_order(recording.labels, seed + number)
        changed = {"values": recording.values[order], "labels": recording.labels[order]}
        found.append(dataclasses.replace(recording, **changed))
    return found


def cell(method, recordings, seed, fold, config, runs):
    """Trains a fold and returns what it tells of its windows, and of those of reordered recordings."""
    from kerasmlsp.apps.motion import data
    from kerasmlsp.data import splits

    began = time.process_time()
    found, other = data.examples(config, recordings), data.examples(config, reordered(recordings))
    classes = sorted(set(found.labels.tolist()))
    by_window = method.endswith("by-window")
    fold_of = splits.folds(range(len(found.labels)) if by_window else found.groups, FOLDS, 0)
    held = np.unique(found.groups[fold_of == fold])
    parts = [found.taken(np.flatnonzero(fold_of == fold)), other.taken(np.flatnonzero(np.isin(other.groups, held)))]
    training = found.taken(np.flatnonzero(fold_of != fold))
    if method.removesuffix("-by-window") in NETS:
        told = answers_of_net(config, training, parts, classes, runs / f"{method}-{seed}-{fold}")
    else:
        told = answers_of_others(method, training, parts, classes, seed)
    rows = {}
    for name, part, probabilities in zip(("in order", "reordered"), parts, told, strict=True):
        rows[name] = {
            "labels": data.numbered(part.labels, classes).tolist(),
            "persons": part.groups.tolist(),
            "probabilities": np.round(probabilities, 3).tolist(),
        }
    return {"classes": classes, "seconds": round(time.process_time() - began, 1), **rows}


def measure(device, method, data, seeds, runs, log):
    """Trains the folds of a method that are not there yet.

    Args:
        device: "phone" or "watch".
        method: A name of `METHODS`.
        data: Folder of GeoTec.
        seeds: Seeds.
        runs: Folder of the runs.
        log: Function that takes the key and the answers of each fold, and one that tells whether it is there.
    """
    from kerasmlsp.apps.motion import data as app
    from kerasmlsp.apps.motion.config import Config

    add, known = log
    values = NETS.get(method.removesuffix("-by-window"), {"context": 0.0})
    for seed in seeds:
        config = Config(**values, seed=seed, name_pattern=DEVICES[device], subject_pattern=r"^(s\d\d)").complete()
        recordings = None
        for fold in range(FOLDS):
            key = {"device": device, "method": method, "seed": seed, "fold": fold}
            if not known(key):
                recordings = recordings or app.read(config, data)
                add(key, cell(method, recordings, seed, fold, config, runs))


def read_cells(path):
    """The lines of a table, without one that was broken off, which is taken out of the file."""
    from kerasmlsp.files import write_atomically

    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("}\n")]
    if len(whole) < len(lines):
        write_atomically(path, lambda place: place.write_text("".join(whole)))
    return [json.loads(line) for line in whole]


def summary(cells):
    """Returns a Markdown table: macro F1 over the folds of a seed, mean and standard deviation over the seeds."""
    head = ("device", "method", "seeds", "macro F1", "95 % over persons", "deviation of seeds", "accuracy")
    head = (*head, "macro F1 reordered", "seconds a fold")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for device in DEVICES:
        for method in METHODS:
            own = [row for row in cells if (row["device"], row["method"]) == (device, method)]
            seeds = {seed: [row for row in own if row["seed"] == seed] for seed in sorted({row["seed"] for row in own})}
            whole = {seed: part for seed, part in seeds.items() if len(part) == FOLDS}
            if whole:
                lines.append(f"| {device} | {method} | {' | '.join(_row(whole, own))} |")
    return "\n".join(lines)


def pooled(part, name):
    """Labels, probabilities and persons of the windows of all folds."""
    part = sorted(part, key=lambda row: row["fold"])
    return tuple(np.concatenate([row[name][key] for row in part]) for key in ("labels", "probabilities", "persons"))


def _row(whole, own):
    from kerasmlsp import metrics

    scores, accuracies, others, low, high = [], [], [], [], []
    for part in whole.values():
        labels, probabilities, persons = pooled(part, "in order")
        found = metrics.with_interval(metrics.macro_f1, labels, probabilities, groups=persons)
        scores.append(found["value"])
        low.append(found["low"])
        high.append(found["high"])
        accuracies.append(metrics.accuracy(labels, probabilities))
        others.append(metrics.macro_f1(*pooled(part, "reordered")[:2]))
    spread = f"{statistics.stdev(scores):.4f}" if len(scores) > 1 else "-"
    mean = statistics.mean
    seconds = f"{mean(row['seconds'] for row in own):.0f}"
    interval = f"{mean(low):.3f} to {mean(high):.3f}"
    shares = (f"{mean(each):.4f}" for each in (accuracies, others))
    return [str(len(whole)), f"{mean(scores):.4f}", interval, spread, *shares, seconds]


def basic_motions(folder, seeds):
    """Prints the accuracy on the official test part of BasicMotions of a net trained on its training part."""
    import tempfile

    from kerasmlsp import metrics
    from kerasmlsp.apps.motion import data, train
    from kerasmlsp.apps.motion.config import Config

    for seed in seeds:
        config = Config(rate=10, window=10, hop=10, context=0, epochs=40, batch_size=8, seed=seed).complete()
        training, test = (
            data.examples(config, data.read(dataclasses.replace(config, name_pattern=part), folder))
            for part in ("TRAIN", "TEST")
        )
        classes = sorted(set(training.labels.tolist()))
        with tempfile.TemporaryDirectory() as place:
            net = train.fit(training, None, classes, config, Path(place, "net"), resume=False)
        told = train.predict(net, test, config)
        right = metrics.accuracy(data.numbered(test.labels, classes), told)
        print(f"BasicMotions, seed {seed}: {right:.4f} of {len(test.labels)}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder geotec, with a folder per person")
    parser.add_argument("--basic-motions", help="folder with BasicMotions_TRAIN.ts and BasicMotions_TEST.ts")
    parser.add_argument("--runs", type=Path, default=Path("runs/motion_benchmark"), help="folder of the runs")
    parser.add_argument("--devices", default="phone,watch")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="0,1,2")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    if options.basic_motions:
        basic_motions(options.basic_motions, seeds)
    if not (options.data or options.basic_motions):
        parser.error("give --data, --basic-motions or both")
    options.runs.mkdir(parents=True, exist_ok=True)
    table = options.runs / "cells.jsonl"
    cells = read_cells(table)

    def known(key):
        return any(key.items() <= row.items() for row in cells)

    def add(key, answers):
        cells.append(key | answers)
        with open(table, "a") as file:
            file.write(json.dumps(cells[-1]) + "\n")
        print(key, answers["seconds"], "s", flush=True)

    for seed in seeds if options.data else ():
        for method in options.methods.split(","):
            for device in options.devices.split(","):
                measure(device, method, options.data, [seed], options.runs, (add, known))
    if cells:
        print("\n" + summary(cells))


if __name__ == "__main__":
    main()
