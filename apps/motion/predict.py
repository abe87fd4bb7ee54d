"""Activities in recordings, with nothing but the saved model."""

import csv
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, plotting
from kerasmlsp.data import motion
from kerasmlsp.files import as_file, write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Windows answered in one call, and samples of a recording.
BATCH, PIECE = 256, 20_000


def read(model: "SavedModel", source: str | Path, **reading: Any) -> list[motion.Recording]:
    """Reads recordings as a saved model takes them: its rate, its channels, and its column of times unless others.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        source: File or folder; "-" for a CSV on stdin.
        **reading: Arguments of `kerasmlsp.data.motion.read_recordings` that differ; None for the model's own.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, nothing can be read, or there are other channels than those of the model.
    """
    facts, given = facts_of(model), {name: value for name, value in reading.items() if value is not None}
    wanted = {"channels": facts["channels"], "time_column": facts["time_column"], "label_column": None, **given}
    with as_file(source, ".csv") as path:
        found = motion.read_recordings(path, facts["rate"], **wanted)
    if str(source) == "-":
        found = [dataclasses.replace(each, name="-") for each in found]
    channels = model.endpoints["serving_default"]["inputs"]["windows"].shape[-1]
    if other := next((each for each in found if each.values.shape[1] != channels), None):
        raise ValueError(
            f"`channels` must be the {channels} of the saved model. Received: {other.values.shape[1]} in {other.name}"
        )
    return found


def facts_of(model: "SavedModel") -> dict[str, Any]:
    """Returns what the card of a saved model says of recordings: rate, channels, window, hop, context, in seconds.

    Raises:
        ValueError: The card does not.
    """
    facts = model.card.get("recording")
    if not isinstance(facts, dict) or not {"rate", "channels", "window", "hop", "context"} <= facts.keys():
        raise ValueError(f"The model card {model.path / 'card.json'} must describe recordings: export it again.")
    return facts


def predict_windows(
    model: "SavedModel", recording: motion.Recording, *, reject_below: float | None = None
) -> list[dict[str, Any]]:
    """Tells the activity of each window of a recording.

    Args:
        model: A loaded saved model.
        recording: A recording at the model's rate, at least as long as a window.
        reject_below: Confidence below which an answer is unsure; None for the one that the saved model has.

    Returns:
        List of dicts of `file`, `start` and `end` in seconds, and what `classification.rows` gives.

    Raises:
        ValueError: The recording is shorter than a window.
    """
    classes, facts = classification.classes_of(model), facts_of(model)
    rate, length = facts["rate"], round(facts["window"] * facts["rate"])
    sizes = (length, max(1, round(facts["hop"] * rate)), round(facts["context"] * rate))
    found = motion.windows([recording], *sizes)
    least, rows = classification.reject_below(model) if reject_below is None else reject_below, []
    for begin in range(0, len(found.values), BATCH):
        answers = model(windows=found.values[begin : begin + BATCH])
        starts = recording.start + found.starts[begin : begin + BATCH] / rate
        for start, row in zip(starts.tolist(), classification.rows(answers, classes, least), strict=True):
            rows.append({"file": recording.name, "start": start, "end": start + length / rate, **row})
    return rows


def predict_samples(model: "SavedModel", recording: motion.Recording) -> np.ndarray:
    """Returns class probabilities of each sample of a recording, `(samples, classes)`; zeros where nothing changes.

    Long recordings are answered in pieces that overlap.

    Raises:
        ValueError: The recording is shorter than a window.
    """
    facts, samples = facts_of(model), len(recording.values)
    length = round(facts["window"] * facts["rate"])
    if samples < length:
        raise ValueError(f"It is shorter than a window of {facts['window']:g} s.")
    margin = length + round(facts["context"] * facts["rate"])
    found = []
    for begin in range(0, samples, PIECE):
        low, high = max(0, min(begin, samples - length) - margin), min(samples, begin + PIECE + margin)
        answers = model.call("recordings", signals=recording.values[None, low:high])
        shares = answers["probabilities"][0] * (answers["confidence"][0] > 0)[:, None]
        found.append(shares[begin - low : begin - low + PIECE])
    return np.concatenate(found)


def smoothed(shares: np.ndarray, samples: int) -> np.ndarray:
    """Returns the mean over so many samples around each, lest an activity of a moment be told."""
    kernel = np.ones(min(max(1, samples), len(shares)))
    counts = np.convolve(np.ones(len(shares)), kernel, "same")
    return np.stack([np.convolve(column, kernel, "same") / counts for column in shares.T], 1)


def predict_segments(
    model: "SavedModel", recording: motion.Recording, *, reject_below: float | None = None
) -> list[dict[str, Any]]:
    """Tells what happens in a recording, one after the other.

    Args:
        model: A loaded saved model.
        recording: A recording at the model's rate, at least as long as a window.
        reject_below: As of `predict_windows`.

    Returns:
        List of dicts of `file`, `start` and `end` in seconds, `label`, `confidence`, the mean over its samples, and
        `unsure`.

    Raises:
        ValueError: The recording is shorter than a window.
    """
    classes, rate = classification.classes_of(model), facts_of(model)["rate"]
    shares = smoothed(predict_samples(model, recording), round(facts_of(model)["hop"] * rate))
    least = classification.reject_below(model) if reject_below is None else reject_below
    rows = []
    for begin, end, label in plotting.segments(np.asarray(classes)[shares.argmax(axis=1)].tolist()):
        sure = float(shares[begin:end, classes.index(label)].mean())
        times = {"start": recording.start + begin / rate, "end": recording.start + end / rate}
        rows.append(
            {"file": recording.name, **times, "label": label, "confidence": sure, "unsure": sure <= 0 or sure < least}
        )
    return rows


def predict_all(
    model: "SavedModel", sources: Sequence[str | Path], per: str, *, reject_below: float | None = None, **reading: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[motion.Recording]]:
    """Tells the activities of all recordings of some files and folders.

    Args:
        model: A loaded saved model.
        sources: Files and folders; "-" for stdin.
        per: "window" or "segment".
        reject_below: As of `predict_windows`.
        **reading: As of `read`.

    Returns:
        The rows of `predict_windows` or `predict_segments`, a list of dicts of `file` and `problem` for what could not
        be answered, and the recordings that were.
    """
    answer = predict_windows if per == "window" else predict_segments
    rows, problems, answered = [], [], []
    for source in sources:
        for recording, problem in _readable(model, source, reading):
            try:
                if recording is None:
                    raise ValueError(problem)
                rows += answer(model, recording, reject_below=reject_below)
                answered.append(recording)
            except ValueError as error:
                file = str(Path(source)) if recording is None else recording.name
                problems.append({"file": str(Path(source)), "problem": f"{file}: {error}"})
    return rows, problems, answered


def _readable(model, source, reading) -> Iterator[tuple[motion.Recording | None, str]]:
    try:
        for recording in read(model, source, **reading):
            length = round(facts_of(model)["window"] * facts_of(model)["rate"])
            if len(recording.values) < length:
                raise ValueError(f"it is shorter than a window of {facts_of(model)['window']:g} s.")
            yield recording, ""
    except (OSError, ValueError) as error:
        yield None, str(error)


def write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes answers as CSV: file, start, end, label, confidence, unsure (yes or no), and `p_<class>` of windows."""
    classes = list(rows[0].get("probabilities", ())) if rows else []

    def write(place):
        with open(place, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["file", "start", "end", "label", "confidence", "unsure", *(f"p_{name}" for name in classes)]
            )
            for row in rows:
                told = [row["label"], f"{row['confidence']:.6f}", "yes" if row["unsure"] else "no"]
                shares = (f"{share:.6f}" for share in row.get("probabilities", {}).values())
                writer.writerow([row["file"], f"{row['start']:.3f}", f"{row['end']:.3f}", *told, *shares])

    write_atomically(path, write)


def draw(model: "SavedModel", recording: motion.Recording, path: Path) -> None:
    """Draws a recording and what is told of its samples."""
    classes, facts = classification.classes_of(model), facts_of(model)
    shares = predict_samples(model, recording)
    told = np.asarray(classes)[shares.argmax(axis=1)].tolist()
    shown: dict[str, Any] = {"rate": facts["rate"], "channels": recording.channels, "title": recording.name}
    write_atomically(path, lambda place: plotting.timeline(recording.values, {"predicted": told}, place, **shown))
