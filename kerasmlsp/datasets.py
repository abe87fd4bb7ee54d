"""Labelled texts from tables and folders, and what tells data apart and splits it.

Everything here returns plain Python or NumPy values; pandas is imported where it is used, so that importing this module
costs nothing.
"""

import hashlib
import logging
import re
from pathlib import Path

import numpy as np

from kerasmlsp import tables
from kerasmlsp.files import existing

_log = logging.getLogger("kerasmlsp")


def read_labelled_texts(
    path, *, text_column: str = "text", label_column: str = "label", split: str | None = None
) -> tuple[list[str], list[str]]:
    """Reads texts and their class labels from a table, or from a folder that has one subfolder per class.

    Rows or files whose text or label is missing or blank are left out, and their number is logged.

    Args:
        path: A table (see `kerasmlsp.tables.read_table`), or a folder such as `neg/*.txt pos/*.txt`. The folder aclImdb
            of the Large Movie Review Dataset may be given as it is, with `split`; its unlabelled `unsup` is left out.
        text_column: Column of a table that holds the text.
        label_column: Column of a table that holds the label.
        split: "train" or "test" where `path` is a folder that holds both; otherwise None.

    Returns:
        Texts, and labels as text in the form they are written in: "001", "1" and "1.0" are three classes.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column, text or class is missing, or there are fewer than two classes.
    """
    path = existing(path)
    if path.is_dir():
        rows = _folder_rows(_split_folder(path, split))
    elif split is not None:
        raise ValueError(f"`split` must be None where `path` is a file. Received: {split!r} for {path}")
    else:
        rows = _table_rows(path, text_column, label_column)
    texts, labels, left_out = [], [], 0
    for text, label in rows:
        if text.strip() and label.strip():
            texts.append(text)
            labels.append(label.strip())
        else:
            left_out += 1
    if left_out:
        _log.warning("Left out %d of %d rows of %s: no text or no label.", left_out, left_out + len(texts), path)
    _check_classes(path, labels)
    return texts, labels


def _check_classes(path: Path, labels: list[str]):
    if not labels:
        raise ValueError(f"`path` must hold rows with both text and label. Received: {path}, where every row lacks one")
    if len(classes := sorted(set(labels))) < 2:
        raise ValueError(
            f"`path` must hold at least two classes. Received: {path}, where every label is {classes[0]!r}"
        )


def _table_rows(path: Path, text_column: str, label_column: str):
    for chunk in tables.read_table(path, chunk_size=50_000):
        for argument, column in (("text_column", text_column), ("label_column", label_column)):
            if column not in chunk.columns:
                option = "--" + argument.replace("_", "-")
                there = ", ".join(map(str, chunk.columns))
                raise ValueError(f"`{argument}` ({option}) must be a column of {path}: {there}. Received: {column!r}")
        yield from zip(_as_texts(chunk[text_column]), _as_texts(chunk[label_column]), strict=True)


def _as_texts(column) -> list[str]:
    values = column.astype(object).where(column.notna(), "").tolist()
    nested = next((value for value in values if isinstance(value, (list, dict, set, tuple, np.ndarray))), None)
    if nested is not None:
        raise ValueError(f"`path` must hold text or numbers in the column {column.name!r}. Received: {nested!r:.60}")
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _split_folder(folder: Path, split: str | None) -> Path:
    inside = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    if {"train", "test"} <= inside and split is None:
        raise ValueError(f"`path` must be {folder / 'train'} or {folder / 'test'}. Received: {folder}")
    if split is not None and split not in inside:
        there = ", ".join(sorted(inside)) or "it has none"
        raise ValueError(f"`split` must be a folder in {folder}: {there}. Received: {split!r}")
    return folder / split if split else folder


def _folder_rows(folder: Path):
    subfolders = (entry for entry in folder.iterdir() if entry.is_dir())
    classes = {entry.name: entry for entry in subfolders if not entry.name.startswith((".", "_"))}
    if {"neg", "pos", "unsup"} <= classes.keys():
        _log.info("Left out %s: its texts have no label.", classes.pop("unsup"))
    if not classes:
        raise ValueError(f"`path` must hold one folder of .txt files per class, as neg/ and pos/. Received: {folder}")
    for name, subfolder in sorted(classes.items()):
        files = sorted(subfolder.glob("*.txt"))
        if not files:
            raise ValueError(f"`path` must hold .txt files for every class. Received: {subfolder}, which has none")
        for file in files:
            yield tables.read_text(file), name


def fingerprint(*sources) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of data, to tell in a run whether it is still the same.

    Args:
        *sources: Paths of files or folders, NumPy arrays, or iterables of strings or numbers. A folder counts with the
            names and contents of all its files.

    Raises:
        FileNotFoundError: There is no such file or folder.
    """
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, np.ndarray) and source.dtype != object:
            _add(digest, f"{source.dtype.str}{source.shape}".encode(), np.ascontiguousarray(source).tobytes())
        elif isinstance(source, (str, Path)):
            _add_path(digest, existing(source))
        else:
            _add(digest, *(str(value).encode("utf-8", "surrogatepass") for value in source))
        digest.update(b"/")
    return digest.hexdigest()[:16]


def _add(digest, *parts: bytes):
    for part in parts:  # with lengths, so that ["ab", "c"] differs from ["a", "bc"]
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)


def _add_path(digest, path: Path):
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        _add(digest, file.relative_to(path).as_posix().encode())
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())


def split_indices(labels, fraction: float, seed: int, *, blocks: int = 0) -> tuple[np.ndarray, np.ndarray]:
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
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1, both excluded. Received: {fraction!r}")
    classes, codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if len(classes) == 0 or counts.min() < 2:
        rare = ", ".join(str(name) for name in classes[counts < 2]) or "no labels at all"
        raise ValueError(
            f"`labels` must hold at least two examples of every class: add some, or leave the class out. "
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


def without(texts, other_texts=()) -> np.ndarray:
    """Returns the indices of texts that are first of their kind and do not occur in `other_texts`.

    Texts that differ in case or white space only count as the same: so duplicates within a split and across splits go.

    Args:
        texts: Strings to choose from.
        other_texts: Strings that must not be among the chosen, such as those of the test set.
    """
    seen = {_normalised(text) for text in other_texts}
    kept = []
    for index, text in enumerate(texts):
        key = _normalised(text)
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def _normalised(text: str) -> bytes:
    # Digests instead of texts: the reviews need not be held a second time.
    return hashlib.blake2b(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rounds(names, labels) -> np.ndarray:
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


def folds(groups, count: int, seed: int) -> np.ndarray:
    """Deals groups of examples that belong together, such as those of one person, into folds of about one size.

    Args:
        groups: Group of each example; `range(examples)` to deal them one by one.
        count: Folds, at least 2.
        seed: Decides which; the same seed and groups give the same folds on every machine.

    Returns:
        Number of the fold of each example, from 0.

    Raises:
        ValueError: There are fewer groups than folds.
    """
    _, codes, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if count < 2 or len(sizes) < count:
        raise ValueError(f"`count` (--folds) must be from 2 to the {len(sizes)} groups of the data. Received: {count}")
    place, filled = np.empty(len(sizes), np.int64), np.zeros(count, np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        place[group] = np.argmin(filled)
        filled[place[group]] += sizes[group]
    return place[codes]


def split_groups(labels, groups, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
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
