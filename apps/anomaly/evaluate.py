"""How well a run tells the abnormal from the normal."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import plotting, training
from kerasmlsp.apps.anomaly import data, model
from kerasmlsp.apps.anomaly.config import Config
from kerasmlsp.apps.anomaly.train import THRESHOLD
from kerasmlsp.data import series
from kerasmlsp.files import existing, read_json, write_atomically
from kerasmlsp.metrics import anomalies, nab
from kerasmlsp.training.runs import EVALUATION, METRICS

if TYPE_CHECKING:
    import keras

HISTOGRAM, WHERE = "scores", "where"
"""Names of the figures, without their ending."""


def load(run: training.Run | Path) -> "tuple[keras.Model, Config, dict[str, Any], dict[str, Any]]":
    """Loads a finished run, as `training.Run.load`, and the threshold with what belongs to it."""
    run = training.Run(run)
    return *run.load(Config), run.read(THRESHOLD)


def evaluate(
    run: Path,
    path: str | Path,
    *,
    normal_label: str | None = None,
    label_column: str | None = None,
    windows: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a run on labelled data and draws into its folder `evaluation`.

    The threshold is that of the run, from normal training data. Rows and points count one by one.

    Args:
        run: Folder of a finished run.
        path: Series in rows with labels, or a stream or folder of streams.
        normal_label: Label of the normal; None for that of the run, or "0" for a column of a stream.
        label_column: Column of a stream that tells what is abnormal, by any label but that of the normal; None for
            that of the run.
        windows: JSON as of the Numenta anomaly benchmark: by file, the first and last times of what is abnormal.

    Returns:
        Dict of `metrics` (each with its 95 % interval; of streams over blocks of rows), those `not measured`, the
        number of `examples` and `abnormal`, and the files written. Of streams the first part, which was trained on, is
        left out, and the score of the benchmark at the run's threshold is among the metrics.

    Raises:
        ValueError: There are no labels, or the data are unlike those of the run.
    """
    run = training.Run(run)
    detector, config, stored, known = load(run)
    task = stored["kind"]
    if task == "segments" and (label_column or windows):
        raise ValueError("`--label-column` and `--windows` are for streams: the rows of series begin with their label.")
    label_column = label_column or config.label_column  # which is no channel, whatever tells what is abnormal
    examples = data.read(dataclasses.replace(config, label_column=label_column), path, task)
    check_shape(examples, stored)
    settings, folder = config.complete(task), run / EVALUATION
    if task == "segments":
        labels = _labels(examples, normal_label or config.normal_label)
        folder.mkdir(exist_ok=True)
        result = _segments(detector, examples, labels, known, folder)
    else:
        spans = _spans(examples.streams, normal_label or "0", label_column, windows)
        folder.mkdir(exist_ok=True)
        result = _streams(detector, examples.streams, spans, known, settings, folder)
    result = {"task": task, "threshold": known["threshold"], "fingerprint": examples.fingerprint(), **result}
    files = result.pop("figures")
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    return {**result, "files": [str(file) for file in [target, *files]]}


def check_shape(examples: data.Examples, stored: Mapping[str, Any]) -> None:
    """Raises a ValueError where examples have other steps or channels than those of a run."""
    steps, channels = stored["shape"]
    if examples.channels != channels or (examples.task == "segments" and examples.values.shape[1] != steps):
        found = f"{examples.channels} channels"
        if examples.task == "segments":
            found = f"{examples.values.shape[1]} steps and {found}"
        raise ValueError(f"The data must have {steps} steps and {channels} channels as the run's. Received: {found}")


def _labels(examples, normal_label):
    kinds = sorted(set(examples.labels.tolist()))
    if normal_label is None or kinds == [""]:
        raise ValueError(
            "There must be labels, and `--normal-label` must say which is normal. Received: "
            f"{data.first(list(filter(None, kinds))) or 'none'}"
        )
    return examples.labels != normal_label


def _segments(detector, examples, labels, known, folder):
    answers = detector.predict(examples.values, batch_size=256, verbose=0)
    scores, alarms = answers["score"].astype("float64"), ~(answers["score"] < known["threshold"])
    found, lacking = anomalies.measure(labels, scores, alarms)
    by_label = {
        name: {"rows": int((examples.labels == name).sum()), "abnormal": int(alarms[examples.labels == name].sum())}
        for name in sorted(set(examples.labels.tolist()))
    }
    most = int(np.argmax(np.where(labels, scores, -np.inf) if labels.any() else scores))
    files = [folder / f"{HISTOGRAM}.png", folder / f"{WHERE}.png"]
    _draw_scores(scores, labels, known, files[0])
    title = f"row {most + 1}, label {examples.labels[most]}: score {scores[most]:.3g}"
    one = (examples.values[most], answers["reconstruction"][most], answers["errors"][most])
    write_atomically(files[1], lambda path: plotting.signal_errors(*one, path, title=title))
    counts = {"examples": len(labels), "abnormal": int(labels.sum())}
    return {"metrics": found, "not measured": lacking, **counts, "labels": by_label, "figures": files}


def _spans(streams, normal_label, label_column, windows):
    """First and last rows of what is abnormal, of each stream."""
    if windows is not None:
        return spans_of(streams, windows)
    if label_column is None:
        raise ValueError("Say what is abnormal of a stream, by `--windows FILE` or `--label-column NAME`.")
    return [_runs(np.array(each.labels) != normal_label) for each in streams]


def spans_of(streams: Sequence[series.Stream], path: str | Path) -> list[list[tuple[int, int]]]:
    """Returns first and last rows of what is abnormal in each stream, from times as of the Numenta anomaly benchmark.

    Raises:
        ValueError: The file does not name a stream.
    """
    listed, found = read_json(existing(path, "windows")), []
    if not _are_spans(listed):
        raise ValueError(f"`windows` must hold by file a list of pairs of times. Received: {path}")
    for stream in streams:
        key = next((name for name in listed if name == stream.name or name.endswith(f"/{stream.name}")), None)
        if key is None:
            raise ValueError(f"`windows` must name every stream. Received: {path}, which lacks {stream.name}")
        times = np.array([series.seconds(time) for time in stream.times], float)
        rows = [
            np.flatnonzero((times >= series.seconds(str(a))) & (times <= series.seconds(str(b))))
            for a, b in listed[key]
        ]
        found.append([(int(each[0]), int(each[-1])) for each in rows if len(each)])
    return found


def _are_spans(listed):
    lists = listed.values() if isinstance(listed, dict) else [None]
    pairs = [pair for each in lists for pair in (each if isinstance(each, list) else [None])]
    return all(
        isinstance(pair, list) and len(pair) == 2 and all(series.seconds(str(time)) is not None for time in pair)
        for pair in pairs
    )


def _runs(flags):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
    return [(int(first), int(end) - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)]


def scores(
    detector: "keras.Model", stream: series.Stream, known: Mapping[str, Any], settings: Config
) -> dict[str, np.ndarray]:
    """Scores a stream as the saved model's `step` does, row by row; rows without a number are left out and score 0.

    Returns:
        By name, for each row: `score`, `first`, whether that is the highest in a while, and `expected`
        `(rows, channels)`, what the net makes of the row.
    """
    whole = np.flatnonzero(np.isfinite(stream.values).all(1))
    steps = detector.input_shape[1]
    rows, channels = stream.values.shape
    found = {"score": np.zeros(rows), "first": np.zeros(rows, bool), "expected": np.full((rows, channels), np.nan)}
    if len(whole) < steps:
        return found
    windows = np.lib.stride_tricks.sliding_window_view(stream.values[whole].astype("float32"), steps, axis=0)
    answers = [
        detector.predict_on_batch(windows[begin : begin + 1024].swapaxes(1, 2))
        for begin in range(0, len(windows), 1024)
    ]
    errors = np.concatenate([each["errors"][:, -1] for each in answers]).astype("float64")
    ends = whole[steps - 1 :]
    found["score"][ends], found["first"][ends] = model.followed(errors, known["start"], settings)
    found["expected"][ends] = np.concatenate([each["reconstruction"][:, -1] for each in answers])
    return found


def _streams(detector, streams, spans, known, settings, folder):
    parts, corpus, most, shown = [], [], -np.inf, {}
    for stream, abnormal in zip(streams, spans, strict=True):
        found = scores(detector, stream, known, settings)
        labels = np.zeros(len(stream.values), bool)
        for first, last in abnormal:
            labels[first : last + 1] = True
        begin = int(len(labels) * settings.normal_share) if settings.normal_share < 1 else 0
        parts.append((labels[begin:], found["score"][begin:]))
        corpus.append(nab.scored(np.where(found["first"], found["score"], -np.inf), abnormal))
        if (highest := found["score"][begin:].max(initial=-np.inf)) >= most:
            most, shown = highest, {"stream": stream, "found": found, "abnormal": abnormal}
    labels, values = (np.concatenate(each) for each in zip(*parts, strict=True))
    block = max(detector.input_shape[1], len(labels) // 100)
    measured, lacking = anomalies.measure(labels, values, values >= known["threshold"], block=block)
    # What is abnormal in the first rows of a stream only is not scored by the benchmark.
    if any((each.windows >= 0).any() for each in corpus):
        points = nab.at_threshold(corpus, known["threshold"])
        measured["NAB, standard profile"] = {"value": points, "low": None, "high": None}
    files = [folder / f"{HISTOGRAM}.png", folder / f"{WHERE}.png"]
    _draw_scores(values, labels, known, files[0])
    _draw(**shown, known=known, file=files[1])
    counts = {"streams": len(streams), "examples": len(labels), "abnormal": int(labels.sum())}
    return {"metrics": measured, "not measured": lacking, **counts, "figures": files}


def _draw(stream, found, abnormal, known, file):
    alarms = np.flatnonzero(found["first"] & (found["score"] >= known["threshold"])).tolist()
    write_atomically(
        file,
        lambda path: plotting.stream_scores(
            stream.values,
            found["expected"],
            found["score"],
            path,
            threshold=known["threshold"],
            alarms=alarms,
            spans=abnormal,
            times=stream.times,
            channels=stream.channels,
        ),
    )


def _draw_scores(scores, labels, known, file):
    groups = {"normal": scores[~labels], "abnormal": scores[labels]}
    threshold = known["threshold"]
    write_atomically(file, lambda path: plotting.score_histogram(groups, path, threshold=threshold))
