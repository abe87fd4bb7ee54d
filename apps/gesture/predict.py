"""Labels for pictures of hands, landmarks or paths, with nothing but the saved model."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification
from kerasmlsp.data import images
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Pictures answered in one call.
BATCH = 64


def kind(model: "SavedModel") -> str:
    """Returns what a loaded saved model takes: "images", "landmarks" or "path"."""
    return next(iter(model.endpoints["serving_default"]["inputs"]))


def predict_pictures(
    model: "SavedModel", sources: Sequence[Path | bytes], *, explain: bool = False, reject_below: float | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Classifies pictures.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        sources: Paths of files, or bytes of such.
        explain: Whether to give `heat` besides, the Grad-CAM map `(rows, columns)` of the label.
        reject_below: Confidence below which an answer is unsure; None for the one that the saved model has.

    Returns:
        List of dicts of `file` and what `classification.rows` gives, and a list of dicts of `file` and `problem` for
        those that could not be read.

    Raises:
        ValueError: The model is of another kind, or its card does not name the classes and the size.
    """
    classes, size = classification.classes_of(model), _size(model)
    endpoint = "explain" if explain else "serving_default"
    if reject_below is None:
        reject_below = classification.reject_below(model)
    rows, unreadable = [], []
    for names, pixels, sides, problems in images.read_batches(sources, size, BATCH):
        unreadable += problems
        if names:
            answers = model.call(endpoint, images=pixels)
            if "confidence" in answers:
                answers["confidence"] *= np.array(sides) >= images.LEAST_SIDE
            heat = [{"heat": each} for each in answers["heat"]] if explain else [{}] * len(names)
            found = zip(names, classification.rows(answers, classes, reject_below), heat, strict=True)
            rows += [{"file": name, **row, **more} for name, row, more in found]
    return rows, unreadable


def predict_numbers(
    model: "SavedModel",
    values: Sequence[np.ndarray] | np.ndarray,
    names: Sequence[str] | None = None,
    *,
    reject_below: float | None = None,
) -> list[dict[str, Any]]:
    """Classifies landmarks or paths.

    Args:
        model: A loaded saved model of landmarks or paths.
        values: `(rows, points, 2)`.
        names: What to call each row; its number by default.
        reject_below: As of `predict_pictures`.

    Returns:
        As of `predict_pictures`, without problems.
    """
    classes, names = classification.classes_of(model), names or [str(row + 1) for row in range(len(values))]
    if reject_below is None:
        reject_below = classification.reject_below(model)
    found = classification.rows(model(**{kind(model): values}), classes, reject_below)
    return [{"file": name, **row} for name, row in zip(names, found, strict=True)]


def draw(rows: Iterable[dict[str, Any]], sources: Iterable[Path | bytes], path: Path) -> None:
    """Draws the pictures of `rows`, each beside itself under its Grad-CAM map."""
    from kerasmlsp import plotting

    by_name = {"-" if isinstance(source, bytes) else str(source): source for source in sources}
    pictures = [images.read_image(by_name[row["file"]], longest=images.SHOWN) for row in rows]
    titles = [classification.title(row) for row in rows]
    maps = [row["heat"] for row in rows]
    write_atomically(path, lambda place: plotting.heat_maps(pictures, maps, place, titles=titles))


def _size(model):
    size = model.card.get("image_size")
    if kind(model) != "images" or not size:
        raise ValueError(f"The saved model {model.path} takes {kind(model)}, not pictures: give a CSV of numbers.")
    return size


def rows_of(model: "SavedModel", path: str | Path, encoding: str = "utf-8") -> np.ndarray:
    """Reads a CSV of numbers as a saved model takes them; a class in front of the numbers is left out.

    Raises:
        ValueError: The model takes pictures, or the file has other numbers.
    """
    from kerasmlsp.apps.gesture import data

    if kind(model) == "images":
        raise ValueError(f"The saved model {model.path} takes pictures. Received: {Path(path)}")
    wanted = {"landmarks": "landmarks", "path": "history"}[kind(model)]
    return data.read_numbers(path, wanted, labelled=False, encoding=encoding)[1]
