"""Which examples are trained on and which are held out, and which are copies of others.

Everything here takes and returns plain Python or NumPy values.
"""

import dataclasses
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_log = logging.getLogger("kerasmlsp")


def text_keys(texts: Iterable[str]) -> list[bytes]:
    """Returns what tells the kind of each text: texts that differ in case or white space only are one kind.

    Example:
        >>> first, second, third = text_keys(["A good film", "a  good film", "a bad film"])
        >>> first == second, first == third
        (True, False)
    """
    # Digests instead of texts: the reviews need not be held a second time.
    return [_digest(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass")) for text in texts]


def array_keys(arrays: Iterable[np.ndarray]) -> list[bytes]:
    """Returns what tells the kind of each array, such as a picture: those of equal values and shape are one kind.

    Example:
        >>> first, second, third = array_keys([np.zeros((2, 2)), np.zeros((2, 2)), np.zeros(4)])
        >>> first == second, first == third
        (True, False)
    """
    arrays = map(np.ascontiguousarray, arrays)
    return [_digest(f"{each.dtype.str}{each.shape}".encode() + each.tobytes()) for each in arrays]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def without(keys: Iterable, other_keys: Iterable = ()) -> np.ndarray:
    """Returns the indices of examples that are first of their kind and of no kind of the others.

    So duplicates within a part and across parts go.

    Args:
        keys: Kind of each example to choose from, as of `text_keys` or `array_keys`.
        other_keys: Kinds that must not be among the chosen, such as those of the test set.

    Example:
        >>> without(["a", "b", "a", "c"], other_keys=["c"])
        array([0, 1])
    """
    seen, kept = set(other_keys), []
    for index, key in enumerate(keys):
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def unlike(keys: Sequence, what: str, source: object) -> np.ndarray:
    """Returns the indices of examples that are copies of none before them; the log counts the others.

    Args:
        keys: Kind of each example, as of `array_keys`.
        what: What the log calls the examples, such as "pictures".
        source: Where they are from.

    Example:
        >>> unlike(array_keys(np.array([[1, 2], [3, 4], [1, 2]])), "pictures", "photos")
        array([0, 1])
    """
    kept, count = without(keys), len(keys)
    if len(kept) < count:
        _log.warning("Left out %d of %d %s of %s: copies of others.", count - len(kept), count, what, source)
    return kept


def first_of_kind(examples: Any, keys: Sequence, what: str, source: object) -> Any:
    """Returns examples without copies of those before them, which their `left_out` counts; the log, too.

    Args:
        examples: A dataclass with the field `left_out`, counts by reason, and the method `taken` from indices.
        keys: As of `unlike`.
        what: As of `unlike`.
        source: As of `unlike`.

    Example:
        >>> import dataclasses
        >>> @dataclasses.dataclass
        ... class Numbers:
        ...     values: np.ndarray
        ...     left_out: dict
        ...     def taken(self, indices):
        ...         return Numbers(self.values[indices], self.left_out)
        >>> first_of_kind(Numbers(np.array([5, 6, 5]), {}), [5, 6, 5], "numbers", "a list").left_out
        {'copies of others': 1}
    """
    kept = unlike(keys, what, source)
    if len(kept) == len(keys):
        return examples
    left_out = examples.left_out | {"copies of others": len(keys) - len(kept)}
    return dataclasses.replace(examples.taken(kept), left_out=left_out)


def apart(keys: Sequence, parts: Sequence, order: Sequence) -> np.ndarray:
    """Returns the indices of examples of which there is no copy in another part that comes first.

    Args:
        keys: Kind of each example.
        parts: Name of the part of each, such as "train".
        order: Names of the parts, those first whose examples stay, such as "test".

    Example:
        >>> apart(["a", "b", "a"], ["train", "train", "test"], ["test", "train"])  # the first is a copy of the last
        array([1, 2])
    """
    first = {}
    for part in order:
        first |= {key: part for key, own in zip(keys, parts, strict=True) if own == part and key not in first}
    return np.array([i for i, key in enumerate(keys) if first[key] == parts[i]], dtype=np.int64)


def split_indices(labels: ArrayLike, fraction: float, seed: int, *, blocks: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Holds out a part of every class.

    Where neighbours belong together, such as reviews of one film or windows of one recording, examples drawn one by one
    have their siblings in training and flatter what was learned by heart. Blocks keep them together.

    Args:
        labels: Label of each example, `(examples,)`.
        fraction: Part of every class that is held out, between 0 and 1, rounded to at least one example on either side.
        seed: Decides which examples; the same seed and labels give the same split on every machine.
        blocks: Runs of neighbours of which the held-out part of a class is made; 0 to draw examples one by one.

    Returns:
        Indices to train on and indices to validate on, each sorted.

    Raises:
        ValueError: `fraction` is out of range, or a class has fewer than two examples.

    Example:
        >>> labels = np.array(["no"] * 6 + ["yes"] * 4)
        >>> training, validation = split_indices(labels, 0.5, seed=0)
        >>> labels[validation].tolist()
        ['no', 'no', 'no', 'yes', 'yes']
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1, both excluded. Received: {fraction!r}")
    classes, codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if len(classes) == 0 or counts.min() < 2:
        rare = [str(name) for name in classes[counts < 2]]
        rare = ", ".join(rare[:5]) + f" and {len(rare) - 5} more" * (len(rare) > 5) or "no labels at all"
        raise ValueError(
            f"Every class must have at least two examples: add some, or leave such classes out (--min-count 2). "
            f"Received: too few of {rare}"
        )
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(codes), bool)
    for code, count in enumerate(counts):
        size = min(max(round(fraction * count), 1), count - 1)
        held_out[np.flatnonzero(codes == code)[_chosen(count, size, blocks, generator)]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _chosen(count: int, size: int, blocks: int, generator) -> np.ndarray:
    """Draws `size` of `count` places: one by one, or as `blocks` runs of neighbours that do not overlap."""
    if not blocks:
        return generator.permutation(count)[:size]
    lengths = np.diff(np.linspace(0, size, min(blocks, size) + 1).round().astype(int))
    # Starts are drawn among the places that stay, and moved on by the blocks before them.
    starts = np.sort(generator.integers(0, count - size + 1, len(lengths))) + np.cumsum(lengths) - lengths
    return np.concatenate([np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)])


def rounds(names: Iterable[str], labels: ArrayLike) -> np.ndarray:
    """Tells apart persons of whom each showed the classes in turn, by the numbers in the names of the files.

    In the order of the numbers a new round begins where the class goes back in the order of class names, or where more
    numbers are missing than there are classes. Somebody who showed everything twice is then two.

    Args:
        names: Name of each file, with a number in it; the last counts.
        labels: Class of each.

    Returns:
        Number of the round of each example, from 0.

    Raises:
        ValueError: A name has no number, or two files have the same.

    Example:
        >>> names = ["hand-1.jpg", "hand-2.jpg", "hand-3.jpg", "hand-4.jpg"]
        >>> rounds(names, ["paper", "rock", "paper", "rock"])
        array([0, 0, 1, 1])
    """
    numbers = [re.findall(r"\d+", Path(name).stem)[-1:] for name in names]
    if bare := next((name for name, found in zip(names, numbers, strict=True) if not found), None):
        raise ValueError(f"`names` must have a number each to tell rounds. Received: {bare!r}")
    numbers = np.array([int(found[0]) for found in numbers])
    if len(np.unique(numbers)) < len(numbers):
        raise ValueError("`names` must have a number of its own each to tell rounds. Received: the same number twice")
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    order = np.argsort(numbers)
    begins = (np.diff(codes[order]) <= 0) | (np.diff(numbers[order]) > len(classes))
    found = np.empty(len(order), np.int64)
    found[order] = np.cumsum(np.concatenate([[0], begins]))
    return found


def matched(names: Iterable[str], pattern: str, *, alone: bool = False) -> np.ndarray:
    """Tells apart whom examples belong to, such as persons, by a regular expression on the paths of their files.

    Args:
        names: Path of each file.
        pattern: Regular expression, whose first group names whom a file belongs to.
        alone: Whether a file whose path does not match belongs to nobody else; otherwise it is refused.

    Returns:
        Number of the group of each example, from 0.

    Raises:
        ValueError: A path does not match, or the group has no part in the match.

    Example:
        >>> matched(["yes/ann_1.wav", "no/bo_1.wav", "no/ann_2.wav"], "([a-z]+)_")
        array([0, 1, 0])
    """
    names = list(names)
    found = [re.search(pattern, name) for name in names]
    # A group may have no part in a match, as that of `(a)|b`.
    groups = [match[1] if match and match.groups() else None for match in found]
    without = [name for name, group in zip(names, groups, strict=True) if group is None]
    if without and not (alone and len(without) < len(names)):
        raise ValueError(
            f"`--group-pattern` must match every path and have a group (...). Received: {pattern!r} for {without[0]}"
        )
    # No group is named like a path behind a NUL, which no file name holds.
    keys = [f"\0{name}" if group is None else group for name, group in zip(names, groups, strict=True)]
    return np.unique(np.array(keys), return_inverse=True)[1]


def folds(groups: ArrayLike, count: int, seed: int) -> np.ndarray:
    """Deals groups of examples that belong together, such as those of one person, into folds of about one size.

    Args:
        groups: Group of each example; `range(examples)` to deal them one by one.
        count: Folds, at least 2.
        seed: Decides which; the same seed and groups give the same folds on every machine.

    Returns:
        Number of the fold of each example, from 0.

    Raises:
        ValueError: There are fewer groups than folds.

    Example:
        >>> persons = ["ann", "ann", "bo", "bo", "cy", "cy"]
        >>> number = folds(persons, 3, seed=0)
        >>> number[::2] == number[1::2]  # nobody is in two folds
        array([ True,  True,  True])
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if count < 2 or len(sizes) < count:
        raise ValueError(f"`count` (--folds) must be from 2 to the {len(sizes)} groups of the data. Received: {count}")
    place, filled = np.empty(len(sizes), np.int64), np.zeros(count, np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        place[group] = np.argmin(filled)
        filled[place[group]] += sizes[group]
    return place[codes]


def split_groups(labels: ArrayLike, groups: ArrayLike, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Holds out whole groups of examples that belong together, about `fraction` of the examples.

    Args:
        labels: Label of each example.
        groups: Group of each example.
        fraction: Part that is held out, between 0 and 1.
        seed: Decides which groups.

    Returns:
        Indices to train on and indices to validate on, each sorted.

    Raises:
        ValueError: `fraction` is out of range, or too few groups are left to train on every class.

    Example:
        >>> persons = np.array(["ann", "ann", "bo", "bo", "cy", "cy"])
        >>> training, validation = split_groups([0, 1] * 3, persons, 0.3, seed=0)
        >>> len(validation), set(persons[training]) & set(persons[validation])
        (2, set())
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1, both excluded. Received: {fraction!r}")
    labels, codes = np.asarray(labels), np.unique(np.asarray(groups), return_inverse=True)[1]
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # At least one group, and then as long as the next brings the share nearer.
    taken = max(1, int(np.sum(np.cumsum(sizes[order]) - sizes[order] / 2 < fraction * len(codes))))
    held_out = np.isin(codes, order[:taken])
    if gone := sorted(set(labels.tolist()) - set(labels[~held_out].tolist())):
        raise ValueError(f"`groups` must leave every class to train on: hold out less. Received: none of {gone[0]!r}")
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def split_files(
    names: Sequence[str],
    fraction: float,
    seed: int,
    *,
    groups: str | None = None,
    holdout: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Holds out files without classes: those that are named, whole groups, or single ones.

    Args:
        names: Path of each file.
        fraction: Part that is held out, in `[0, 1)`; 0 for none.
        seed: Decides which.
        groups: Regular expression whose first group in a path names what the file belongs to, such as a drive, which
            is held out as a whole; None where each stands for itself.
        holdout: Regular expression of the paths that are held out, instead of a fraction; None for none.

    Returns:
        Indices to train on and indices to validate on, each sorted.

    Raises:
        ValueError: `holdout` matches no path or every path, a path does not match `groups`, or too few are left.

    Example:
        >>> training, validation = split_files(["a_1.png", "a_2.png", "b_1.png"], 0.3, 0, holdout="^b_")
        >>> training.tolist(), validation.tolist()
        ([0, 1], [2])
    """
    if holdout is not None:
        held_out = np.array([bool(re.search(holdout, name)) for name in names], bool)
        if held_out.all() or not held_out.any():
            count = "every path" if len(held_out) and held_out.all() else "no path"
            raise ValueError(f"`--holdout-pattern` must match some paths. Received: {holdout!r}, which matches {count}")
        return np.flatnonzero(~held_out), np.flatnonzero(held_out)
    if not fraction:
        return np.arange(len(names)), np.arange(0)
    alike = np.zeros(len(names), np.int64)
    if groups is not None:
        return split_groups(alike, matched(names, groups), fraction, seed)
    return split_indices(alike, fraction, seed)


def split_in_words(
    held_out: int, whole: int, seed: int, *, groups: str | None = None, holdout: str | None = None
) -> str:
    """Says for a model card what `split_files` held out.

    Args:
        held_out: Pictures that were held out; 0 for none.
        whole: Pictures in all.
        seed: As in `split_files`, like those that follow.
        groups: Regular expression of the groups.
        holdout: Regular expression of what was held out.

    Example:
        >>> split_in_words(3, 20, 0, holdout="^b_")
        "3 of 20 pictures were held out to select the epoch: those whose path matches '^b_'."
    """
    if not held_out:
        return f"Trained on all {whole} pictures, with seed {seed}; the last epoch was kept."
    how = f"{'whole groups' if groups else 'drawn one by one'}, with seed {seed}"
    if holdout is not None:
        how = f"those whose path matches {holdout!r}"
    return f"{held_out} of {whole} pictures were held out to select the epoch: {how}."
