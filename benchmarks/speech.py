"""`kerasmlsp speech` on Speech Commands by speakers that it has not heard, beside MFCC and a support vector machine.

    python -m benchmarks.speech --data speech_commands --runs runs/speech-table
    python -m benchmarks.speech --data speech_commands --methods resnet,svm --seeds 1 --folds 0,1
    python -m benchmarks.speech --data speech_commands --split words

Five folds in which every speaker is in one, the same for all methods and seeds; recordings of noise are dealt singly.
Each fold is predicted by a net trained on the other four to its last epoch, with the recipe of its architecture, so
that nothing is selected on the fold. Every trained fold is a line in `cells.jsonl` in the folder of the runs, and is
not trained again, so that the command can be broken off and repeated. `svm` needs scikit-learn.

`--split` trains nothing: it copies the first fold to `DIR/test` and the rest to `DIR/train`, as for the shipped model.
"""

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path

FOLDS, METHODS = 5, ("resnet", "attention-lstm", "cnn", "svm")
PATTERN = "([0-9a-f]{8})_nohash_"


def mfcc(waveforms):
    """Features of words: mel-frequency cepstral coefficients of the loudest half second, and statistics of the whole.

    The 50 loudest frames in a row, normalised, as means of 13 coefficients over 16 stretches and of slopes over 8;
    mean, deviation, least and most of 20 coefficients, of their slopes, and of the slopes of these. Selected, with the
    machine's C, among twelve sets of features on speakers of four folds.

    Args:
        waveforms: float32 `(recordings, samples)`.

    Returns:
        `(recordings, 16 * 13 + 8 * 13 + 3 * 4 * 20)`.

    Reference: Davis and Mermelstein 1980, "Comparison of Parametric Representations for Monosyllabic Word Recognition
    in Continuously Spoken Sentences".
    """
    import numpy as np

    from kerasmlsp.layers import LogMelSpectrogram

    layer, parts = LogMelSpectrogram(40), np.array_split(waveforms, -(-len(waveforms) // 256))
    mel = np.concatenate([np.asarray(layer(part)) for part in parts])
    cepstra = mel @ np.cos(np.pi * (np.arange(40)[:, None] + 0.5) * np.arange(20) / 40)
    loud = np.lib.stride_tricks.sliding_window_view((10**mel).sum(2), 50, axis=1).sum(2).argmax(1)
    word = np.take_along_axis(cepstra, (loud[:, None] + np.arange(50))[..., None], axis=1)
    word = ((word - word.mean(1, keepdims=True)) / (word.std(1, keepdims=True) + 1e-3))[..., :13]
    found = [_stretches(word, 16), _stretches(_slopes(word), 8)]
    for values in (cepstra, _slopes(cepstra), _slopes(_slopes(cepstra))):
        found += [values.mean(1), values.std(1), values.min(1), values.max(1)]
    return np.concatenate(found, axis=1)


def _stretches(values, count):
    import numpy as np

    return np.stack([part.mean(1) for part in np.array_split(values, count, axis=1)], 1).reshape(len(values), -1)


def _slopes(values):
    """Of the line through five frames."""
    import numpy as np

    padded = np.pad(values, ((0, 0), (2, 2), (0, 0)), "edge")
    return (2 * (padded[:, 4:] - padded[:, :-4]) + padded[:, 3:-1] - padded[:, 1:-3]) / 10


def svm(rest, own, classes, seed):
    """Probabilities, here 0 and 1, of the classes of `own` by a support vector machine that learned from `rest`."""
    import numpy as np
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    from kerasmlsp.data import clips

    machine = make_pipeline(StandardScaler(), SVC(C=10.0, random_state=seed))
    machine.fit(mfcc(clips.floats(rest.samples)), np.searchsorted(classes, rest.labels))
    return np.eye(len(classes))[machine.predict(mfcc(clips.floats(own.samples)))]


def measure(method, examples, classes, seed, fold, fold_of, folder, epochs=None):
    """Trains one cell of the table and returns its row."""
    import numpy as np

    from kerasmlsp.apps.speech import evaluate, train
    from kerasmlsp.apps.speech.config import Config

    inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
    rest, own = examples.taken(outside), examples.taken(inside)
    row = {"method": method, "seed": seed, "fold": fold, "examples": len(inside)}
    began = time.perf_counter()
    if method == "svm":
        probabilities = svm(rest, own, classes, seed)
    else:
        config = Config(architecture=method, seed=seed, epochs=epochs)
        net = train.fit(rest, None, classes, config, folder / f"{method}-{seed}-{fold}", resume=True)
        row["parameters"] = net.count_params()
    row["minutes"] = round((time.perf_counter() - began) / 60, 2)
    if method != "svm":
        probabilities = train.predict(net, own)
        noise = [evaluate.silence(own, config)]
        alarms = evaluate.heard_in(net, config, classes, noise, evaluate.THRESHOLD)
        row |= {"alarms": alarms["alarms"], "hours": alarms["hours"]}
    right, words = probabilities.argmax(1) == np.searchsorted(classes, own.labels), np.array(own.labels) != "_silence_"
    return {
        **row,
        "right": int(right.sum()),
        "words": int(words.sum()),
        "right words": int(right[words].sum()),
    }


def split(source, names, fold_of, folder):
    """Copies the first fold to `folder/test` and the others to `folder/train`."""
    for name, fold in zip(names, fold_of, strict=True):
        target = folder / ("train" if fold else "test") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target)


def summary(rows):
    """Returns a Markdown table: accuracy over all folds of a seed, mean and standard deviation over the whole seeds."""
    lines = [
        "| method | parameters | seeds | accuracy, % | standard deviation | without silence, % | folds, least to most "
        "| false alarms an hour | minutes a fold |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        lines.append(f"| {' | '.join([method, *_cells(own)])} |")
    return "\n".join(lines)


def _cells(rows):
    seeds = {}
    for row in rows:
        seeds.setdefault(row["seed"], []).append(row)
    whole = [part for part in seeds.values() if len(part) == FOLDS] or [rows]
    means = [100 * _share(part, "right", "examples") for part in whole]
    words = [100 * _share(part, "right words", "words") for part in whole]
    shares = [100 * row["right"] / row["examples"] for row in rows]
    hours = sum(row.get("hours", 0) for row in rows)
    count = str(len(whole)) if len(whole[0]) == FOLDS else f"0 ({len(rows)} folds only)"
    return [
        f"{rows[0]['parameters']:,}" if "parameters" in rows[0] else "-",
        count,
        f"{statistics.mean(means):.2f}",
        f"{statistics.stdev(means):.2f}" if len(means) > 1 else "-",
        f"{statistics.mean(words):.2f}",
        f"{min(shares):.2f} to {max(shares):.2f}",
        f"{sum(row['alarms'] for row in rows) / hours:.1f}" if hours else "-",
        f"{statistics.mean(row['minutes'] for row in rows):.1f}",
    ]


def _share(rows, right, examples):
    return sum(row[right] for row in rows) / sum(row[examples] for row in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder speech_commands: one subfolder of recordings per class")
    parser.add_argument("--runs", type=Path, default=Path("runs/speech-table"), help="folder of the runs")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--folds", default=",".join(map(str, range(FOLDS))))
    parser.add_argument("--epochs", type=int, help="default the architecture's own")
    parser.add_argument("--split", type=Path, metavar="DIR", help="write train and test there, and stop")
    options = parser.parse_args()
    if unknown := set(options.methods.split(",")) - set(METHODS):
        parser.error(f"--methods are some of {', '.join(METHODS)}, not {', '.join(sorted(unknown))}")

    from kerasmlsp.apps.speech import data
    from kerasmlsp.apps.speech.config import Config

    options.runs.mkdir(parents=True, exist_ok=True)
    table = options.runs / "cells.jsonl"
    rows = [json.loads(line) for line in table.read_text().splitlines()] if table.exists() else []
    known = {(row["method"], row["seed"], row["fold"]) for row in rows}
    examples = data.read(Config(group_pattern=PATTERN), options.data)
    classes, fold_of = sorted(set(examples.labels)), data.folds(examples, FOLDS, 0)
    if options.split:
        split(Path(options.data), examples.names, fold_of, options.split)
        return
    for seed in map(int, options.seeds.split(",")):
        for method in options.methods.split(","):
            for fold in map(int, options.folds.split(",")):
                # Nothing in a support vector machine is drawn.
                drawn = 0 if method == "svm" else seed
                if (method, drawn, fold) in known:
                    continue
                row = measure(method, examples, classes, drawn, fold, fold_of, options.runs, options.epochs)
                with open(table, "a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                rows.append(row)
                known.add((method, drawn, fold))
                print(json.dumps(row), flush=True)
    print("\n" + summary(rows))


if __name__ == "__main__":
    main()
