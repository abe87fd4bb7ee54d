"""Answers to files, a few at a time."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.classification import answers
from kerasmlsp.files import named, side_by_side

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel


def label_files(
    model: "SavedModel",
    sources: Sequence[Path | bytes],
    read: Callable[[Any], np.ndarray],
    argument: str,
    *,
    batch: int,
    reject_below: float | None = None,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Classifies files with a saved model.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`) that tells classes.
        sources: Paths of files, or bytes of such.
        read: Makes an array of each, all of one shape.
        argument: Input of the model that takes them.
        batch: Files of one call.
        reject_below: Confidence below which an answer is unsure; None for the one that the saved model has.

    Returns:
        List of dicts of `file` and what `rows` gives, and a list of dicts of `file` and `problem` for those that could
        not be read.

    Raises:
        ValueError: The card of the model does not name the classes.

    Example:
        >>> from kerasmlsp import exporting
        >>> model = exporting.load(exporting.find("gesture"))
        >>> rows, problems = label_files(
        ...     model, [Path("black.png")], lambda path: np.zeros((64, 64, 3), "uint8"), "images", batch=8
        ... )
        >>> rows[0]["file"], rows[0]["unsure"], problems  # a picture of one colour shows nothing
        ('black.png', True, [])
    """
    classes = answers.classes_of(model)
    least = answers.reject_below(model) if reject_below is None else reject_below
    rows, problems = [], []
    for begin in range(0, len(sources), batch):
        part, names, arrays = sources[begin : begin + batch], [], []
        for source, found in zip(part, side_by_side(part, read), strict=True):
            if isinstance(found, Exception):
                problems.append({"file": named(source), "problem": str(found)})
            else:
                names.append(named(source))
                arrays.append(found)
        if arrays:
            told = answers.rows(model(**{argument: np.stack(arrays)}), classes, least)
            rows += [{"file": name, **row} for name, row in zip(names, told, strict=True)]
    return rows, problems
