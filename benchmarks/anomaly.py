"""`kerasmlsp anomaly` beside other detectors: heartbeats of ECG5000, and the series of the Numenta anomaly benchmark.

    python -m benchmarks.anomaly --ecg5000 ecg5000/ecg5000.npz --runs runs/anomalies
    python -m benchmarks.anomaly --nab nab --runs runs/anomalies
    python -m benchmarks.anomaly --ecg5000 ecg5000/ecg5000.npz --split beats

ECG5000: the first 500 beats are for training, of which only the 292 normal ones are used; the other 4,500 are the test.
Every threshold is the score that 2 % of normal beats are to reach, by the tail of the scores of normal training beats
that the detector has not seen; no label of anything abnormal is used, and F1 counts single beats.

NAB: the standard profile. Detectors see each series point by point, and learn on its probationary part. Its own rule
takes the threshold that is best for all series together on what is measured, for every detector alike; beside it is the
score at thresholds from the probationary parts, and the score by its rule of the 24 series of servers and known causes.

Every finished cell is a line of `cells.jsonl` in the folder of the runs and is not computed again, so the command can
be broken off and repeated. Isolation forest needs scikit-learn, matrix profile stumpy: the extra `benchmark`.
`--split` only writes `train.tsv` and `test.tsv` of ECG5000, for the command line.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

FALSE_ALARMS, NORMALS = 0.02, 500
"""Share of normal beats for the threshold, and how many beats are for training."""
ARCHITECTURES = ("dense", "lstm", "convlstm")
OTHERS = ("realAWSCloudwatch", "realKnownCause")
"""Kinds of series that are scored by themselves, too."""
SCORES = {"both": "error and nearest", "error": "error alone", "neighbour": "nearest alone"}


def ecg5000(path):
    """Returns normal training beats, test beats, and which of these are abnormal."""
    with np.load(path) as file:
        beats, labels = file["signals"].astype("float64"), file["labels_binary"].astype(bool)
    return beats[:NORMALS][~labels[:NORMALS]], beats[NORMALS:], labels[NORMALS:]


def split(path, folder):
    """Writes `train.tsv` and `test.tsv`: 1 for a normal beat, else 2, and its values."""
    with np.load(path) as file:
        beats, labels = file["signals"], file["labels_binary"] + 1
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", slice(NORMALS)), ("test", slice(NORMALS, None))):
        rows = zip(labels[part], beats[part], strict=True)
        lines = ["\t".join([str(label), *(f"{value:.8g}" for value in beat)]) for label, beat in rows]
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def nearest(references, beats):
    """Distance of each beat to the nearest reference."""
    squares = (beats**2).sum(1)[:, None] + (references**2).sum(1) - 2 * beats @ references.T
    return np.sqrt(np.maximum(squares, 0).min(1))


def forest(references, beats, seed):
    """Score of an isolation forest of 500 trees that is fitted to the references."""
    from sklearn.ensemble import IsolationForest

    return -IsolationForest(n_estimators=500, random_state=seed).fit(references).score_samples(beats)


def profile(references, beats, length):
    """Largest entry of the matrix profile of each beat: the window whose nearest in the references is farthest."""
    import stumpy

    steps = beats.shape[1]
    # A missing value between two beats, so that no window goes over their border.
    joined = [np.pad(each, ((0, 0), (0, 1)), constant_values=np.nan).reshape(-1) for each in (beats, references)]
    distances = stumpy.stump(joined[0], length, joined[1], ignore_trivial=False)[:, 0].astype(float)
    padded = np.full(len(beats) * (steps + 1), -np.inf)
    padded[: len(distances)] = np.where(np.isfinite(distances), distances, -np.inf)
    return padded.reshape(len(beats), -1)[:, : steps - length + 1].max(1)


def baselines(seed, stump):
    """By name, a function of references and beats to scores."""
    found = {"nearest normal beat": nearest, "isolation forest": lambda known, beats: forest(known, beats, seed)}
    if stump:
        found |= {
            f"matrix profile, windows of {length}": lambda known, beats, length=length: profile(known, beats, length)
            for length in (70, 140)
        }
    return found


def row_of(labels, scores, normal):
    """Measures of test scores at the threshold from scores of normal training beats."""
    from kerasmlsp.metrics import anomalies

    limit = anomalies.threshold(normal, FALSE_ALARMS, "extreme")
    found, _ = anomalies.measure(labels, scores, scores >= limit)
    return {name: each["value"] for name, each in found.items()} | {
        "f1 low": found["f1"]["low"],
        "f1 high": found["f1"]["high"],
    }


def measure_baselines(data, seed, stump, done, log):
    """A baseline knows all normal training beats; its threshold is from five folds, each scored by the other four.

    Beside it the nearest of half of the normal beats, drawn by the seed, whose threshold is from the other half.
    """
    normal, beats, labels = data
    order = np.random.default_rng(seed).permutation(len(normal))
    folds = np.array_split(order, 5)
    for name, score in baselines(seed, stump).items():
        if ("ecg5000", name, seed) not in done:
            held = [score(np.delete(normal, fold, axis=0), normal[fold]) for fold in folds]
            row = row_of(labels, score(normal, beats), np.concatenate(held))
            log({"part": "ecg5000", "name": name, "seed": seed, **row})
    known, held = np.split(normal[order], 2)
    name = f"nearest of {len(known)} normal beats"
    if ("ecg5000", name, seed) not in done:
        row = row_of(labels, nearest(known, beats), nearest(known, held))
        log({"part": "ecg5000", "name": name, "seed": seed, **row})


def measure_ours(data, architecture, seed, epochs, folder, done, log):
    """Trains the nets of one architecture once, and measures each way to score by them."""
    import dataclasses

    from kerasmlsp.apps.anomaly import data as app_data
    from kerasmlsp.apps.anomaly import train
    from kerasmlsp.apps.anomaly.config import Config

    normal, beats, labels = data
    for score, words in SCORES.items():
        name = f"kerasmlsp {architecture}, {words}"
        if ("ecg5000", name, seed) in done:
            continue
        config = Config(architecture=architecture, seed=seed, epochs=epochs, score=score)
        places = np.arange(len(normal))
        found = app_data.Normals(normal[..., None], np.stack([places, places], 1), {})
        # The folder has the trained nets from the second way to score on.
        _, held, detector = train.fit(
            found, dataclasses.replace(config), "segments", folder / f"{architecture}-{seed}", resume=True
        )
        scores = detector.predict(beats[..., None].astype("float32"), batch_size=256, verbose=0)["score"].astype(float)
        log({"part": "ecg5000", "name": name, "seed": seed, **row_of(labels, scores, held)})


def corpus(folder):
    """Returns by name the stream and the windows of each series of the benchmark."""
    from kerasmlsp.apps.anomaly import evaluate
    from kerasmlsp.data import series

    streams = series.read_streams(folder / "data")
    spans = evaluate.spans_of(streams, folder / "labels" / "combined_windows.json")
    return {stream.name: pair for stream, pair in zip(streams, zip(streams, spans, strict=True), strict=True)}


def moving_z(values, window):
    """Distance of each value from the mean of those before it, up to `window`, in their standard deviations."""
    values = values - values.mean()
    sums, squares = (np.concatenate([[0], np.cumsum(each)]) for each in (values, values**2))
    end = np.arange(len(values))
    begin = np.maximum(0, end - window)
    count = np.maximum(end - begin, 1)
    mean = (sums[end] - sums[begin]) / count
    deviation = np.sqrt(np.maximum((squares[end] - squares[begin]) / count - mean**2, 0))
    return np.abs(values - mean) / np.maximum(deviation, 1e-6 * max(1.0, float(np.abs(values).max())))


def highest(scores, rest):
    """Scores where they are higher than all of the last `rest`, else 0: the beginning of what is abnormal."""
    padded = np.concatenate([np.full(rest, -np.inf), scores])
    before = np.lib.stride_tricks.sliding_window_view(padded, rest)[: len(scores)].max(1)
    return np.where(scores > before, scores, 0.0)


def watched(stream, seed, epochs, folder):
    """New highs of the scores of a stream by a net that learned on its probationary part, and the threshold."""
    from kerasmlsp.apps.anomaly import data, evaluate, train
    from kerasmlsp.apps.anomaly.config import Config
    from kerasmlsp.metrics import nab

    begin = nab.probation(len(stream.values))
    config = Config(seed=seed, epochs=epochs, normal_share=(begin + 0.5) / len(stream.values))
    settings = config.complete("stream")
    examples = data.Examples("stream", np.zeros((0, 0, 0)), np.zeros(0, str), (stream,))
    _, errors, detector = train.fit(data.normals(examples, settings), config, "stream", folder, resume=True)
    known = train.calibrated(errors, config, "stream")
    found = evaluate.scores(detector, stream, known, settings)
    return np.where(found["first"], found["score"], 0.0), known["threshold"]


def measure_nab(series, seeds, epochs, folder, done, log):
    """Scores every series by every detector, and the benchmark of each detector."""
    from kerasmlsp.metrics import nab

    def total(name, seed, scores, limits=None):
        if ("nab", name, seed) in done:
            return
        made = {key: nab.scored(scores[key], spans) for key, (_, spans) in series.items()}
        limit, best = nab.best_threshold(list(made.values()))
        row = {"part": "nab", "name": name, "seed": seed, "threshold": limit, "score": best}
        row["others"] = nab.best_threshold([made[key] for key in series if key.startswith(OTHERS)])[1]
        if limits:
            own = [nab.scored(scores[key] / max(limits[key], 1e-9), spans) for key, (_, spans) in series.items()]
            row["from normals"] = nab.at_threshold(own, 1.0)
        log(row)

    for window in (100, 400, 1000, 3000):
        scores = {key: moving_z(stream.values[:, 0], window) for key, (stream, _) in series.items()}
        begins = {key: scores[key][: nab.probation(len(scores[key]))] for key in series}
        from kerasmlsp.metrics import anomalies

        limits = {key: anomalies.threshold(each[len(each) // 5 :], 0.001, "extreme") for key, each in begins.items()}
        total(f"moving z-score over {window}", 0, scores, limits)
        first = {key: highest(each, 200) for key, each in scores.items()}
        total(f"moving z-score over {window}, new highs", 0, first, limits)
    for seed in seeds:
        scores, limits = {}, {}
        for key, (stream, _) in series.items():
            file = folder / "nab" / str(seed) / f"{key.replace('/', '-').removesuffix('.csv')}.npz"
            if not file.exists():
                values, limit = watched(stream, seed, epochs, file.with_suffix(""))
                np.savez(file, scores=values, threshold=limit)
                print(f"{key}: threshold {limit:.2f}, highest score {values.max():.2f}", flush=True)
            with np.load(file) as found:
                scores[key], limits[key] = found["scores"], float(found["threshold"])
        total("kerasmlsp dense, new highs", seed, scores, limits)


def summary(rows):
    """Returns Markdown tables: the mean over seeds, with the standard deviation where there are several."""
    lines = []
    for part, columns in (
        ("ecg5000", ("auc", "average precision", "f1", "false alarms")),
        ("nab", ("score", "others", "from normals")),
    ):
        own = [row for row in rows if row["part"] == part]
        if own:
            lines += ["", f"| {part} | seeds | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
        for name in dict.fromkeys(row["name"] for row in own):
            found = [row for row in own if row["name"] == name]
            cells = [_spread([row[column] for row in found if column in row]) for column in columns]
            lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values):
    if not values:
        return "-"
    digits = 1 if max(values) > 2 else 4
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ecg5000", type=Path, metavar="FILE.npz", help="beats, and which are abnormal")
    parser.add_argument("--nab", type=Path, metavar="DIR", help="folder with data and labels")
    parser.add_argument("--runs", type=Path, default=Path("runs/anomalies"), help="folder of the runs")
    parser.add_argument("--architectures", default=",".join(ARCHITECTURES))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="default the architecture's own")
    parser.add_argument("--no-baselines", action="store_true", help="leave out of ECG5000 what is no net")
    parser.add_argument("--no-stumpy", action="store_true", help="leave the matrix profile out")
    parser.add_argument("--split", type=Path, metavar="DIR", help="write train.tsv and test.tsv of ECG5000, and stop")
    options = parser.parse_args()
    if not (options.ecg5000 or options.nab):
        parser.error("give --ecg5000, --nab or both")
    if options.split:
        split(options.ecg5000, options.split)
        return
    options.runs.mkdir(parents=True, exist_ok=True)
    file = options.runs / "cells.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["part"], row["name"], row["seed"]) for row in rows}

    def log(row):
        with open(file, "a") as target:
            target.write(json.dumps(row) + "\n")
        rows.append(row)
        print(row, flush=True)

    seeds = [int(seed) for seed in options.seeds.split(",")]
    if options.ecg5000:
        data = ecg5000(options.ecg5000)
        for seed in [] if options.no_baselines else seeds:
            # The matrix profile has nothing random but the folds for its threshold, and takes minutes.
            measure_baselines(data, seed, seed == seeds[0] and not options.no_stumpy, done, log)
        for architecture in filter(None, options.architectures.split(",")):
            for seed in seeds:
                measure_ours(data, architecture, seed, options.epochs, options.runs, done, log)
    if options.nab:
        measure_nab(corpus(options.nab), seeds, options.epochs, options.runs, done, log)
    print(summary(rows))


if __name__ == "__main__":
    main()
