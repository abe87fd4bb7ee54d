"""Classes: enough of them, with enough examples, and known to a model."""

import collections
import contextlib
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.files import listed

_log = logging.getLogger("kerasmlsp")
IMBALANCE = 100
"""Examples of the largest class for each of the smallest, from which on `tell_imbalance` speaks."""
MOST_FRACTIONS = 20
"""Different labels that may be numbers with a fraction, such as stars from 0.5 to 5."""


def check_read(rows: Iterable[tuple[str, str]], labels: Iterable[str], what: str, reasons: Mapping[str, int]) -> None:
    """Refuses labelled files where none of a class could be read.

    Args:
        rows: Path and class of each file, as of `list_files`.
        labels: Class of each that could be read.
        what: What the message calls a file, as "picture".
        reasons: How many could not be read, by reason.

    Raises:
        ValueError: A class is left without a file.

    Example:
        >>> check_read([("a.jpg", "rock"), ("b.jpg", "paper")], ["rock"], "picture", {"damaged": 1})
        Traceback (most recent call last):
        ValueError: `path` must hold a picture that can be read for every class. Received: none for 'paper' (1 damaged)
    """
    if bare := sorted({label for _, label in rows} - set(labels)):
        told = f" ({listed(reasons)})" if reasons else ""
        raise ValueError(
            f"`path` must hold a {what} that can be read for every class. Received: none for {bare[0]!r}{told}"
        )


def check_classes(source: str | Path, labels: Iterable[str], least: int = 2) -> None:
    """Refuses labels that are no classes.

    Args:
        source: What the message calls the data.
        labels: Label of each example, or the different ones.
        least: Classes that there must be, 1 or 2.

    Raises:
        ValueError: There are fewer classes, or the labels are more than `MOST_FRACTIONS` different ones of
            which nearly all are numbers, not all of them whole: a quantity to estimate, not a class.

    Example:
        >>> check_classes("reviews.csv", ["pos", "pos"])
        Traceback (most recent call last):
        ValueError: `path` must hold at least two classes. Received: reviews.csv, where every label is 'pos'
    """
    classes = sorted(set(labels))
    if len(classes) < least:
        there = f"where every label is {classes[0]!r}" if classes else "which has none"
        raise ValueError(f"`path` must hold at least two classes. Received: {source}, {there}")
    numbers = [number for number in map(_number, classes) if number is not None]
    if (
        len(classes) <= MOST_FRACTIONS
        or len(numbers) < 0.9 * len(classes)
        or all(number.is_integer() for number in numbers)
    ):
        return
    raise ValueError(
        f"`label_column` must hold classes. Received: {source}, whose labels are {len(classes)} "
        f"different numbers from {min(numbers):g} to {max(numbers):g}, which looks like a quantity to estimate "
        "(regression): name another column, or put the numbers into a few ranges first"
    )


def frequent(labels: Sequence[str], least: int) -> tuple[np.ndarray, list[str]]:
    """Tells which examples are of classes that have enough of them, and logs which classes have not.

    Args:
        labels: Class of each example.
        least: Examples that a class must have.

    Returns:
        The places of the examples, and the classes that are left out.

    Raises:
        ValueError: Fewer than two classes are left.

    Example:
        >>> frequent(["pos", "neg", "neg", "pos", "odd"], least=2)
        (array([0, 1, 2, 3]), ['odd'])
    """
    counts = collections.Counter(labels)
    rare = {name: count for name, count in sorted(counts.items()) if count < least}
    if len(counts) - len(rare) < 2:
        raise ValueError(
            f"`min_count` (--min-count) must leave two classes at least. Received: {least}, while the two largest "
            f"classes have {', '.join(str(count) for _, count in counts.most_common(2))} examples"
        )
    if rare:
        told = ", ".join(f"{name} ({count})" for name, count in list(rare.items())[:10])
        told += f" and {len(rare) - 10} more" if len(rare) > 10 else ""
        _log.warning("Left out the classes of fewer than %d examples: %s.", least, told)
    return np.array([place for place, label in enumerate(labels) if label not in rare], np.int64), list(rare)


def of_known(labels: Sequence[str], classes: Sequence[str], rare: Sequence[str] = ()) -> np.ndarray:
    """Tells which examples are of classes that a run knows, and logs how many are not.

    Args:
        labels: Class of each example.
        classes: Those that the run knows.
        rare: Those that its training left out, as of `frequent`.

    Returns:
        The places of the examples.

    Raises:
        ValueError: A label is of none of these.

    Example:
        >>> of_known(["pos", "odd", "neg"], classes=["neg", "pos"], rare=["odd"])
        array([0, 2])
    """
    if unknown := sorted(set(labels) - set(classes) - set(rare)):
        raise ValueError(f"The run knows the labels {', '.join(classes)}. Received: {', '.join(unknown[:5])}")
    known = [place for place, label in enumerate(labels) if label in set(classes)]
    if len(known) < len(labels):
        _log.warning(
            "Left out %d of %d examples: training left their classes out.", len(labels) - len(known), len(labels)
        )
    return np.array(known, np.int64)


def tell_imbalance(labels: Iterable[str]) -> None:
    """Logs how to let all classes count the same where one has `IMBALANCE` times as many examples as another.

    Example:
        >>> tell_imbalance(["ham"] * 99 + ["spam"])
    """
    counts = collections.Counter(labels).most_common()
    (most, many), (least, few) = counts[0], counts[-1]
    if many >= IMBALANCE * few:
        advice = "`--class-weights` lets all classes count the same"
        _log.warning("%s has %d examples, and %s has %d: %s.", most, many, least, few, advice)


def _number(label: str) -> float | None:
    with contextlib.suppress(ValueError):
        number = float(label.replace(",", "."))  # as half of the world writes it
        return number if math.isfinite(number) else None
    return None
