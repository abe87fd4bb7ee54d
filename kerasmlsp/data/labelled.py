"""Labelled texts and files from tables and folders, and what tells data apart.

Everything here returns plain Python or NumPy values; pandas is imported where it is used, so that importing this module
costs nothing.
"""

import collections
import contextlib
import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import on_disk, tables
from kerasmlsp.files import existing, listed, visible_files, visible_folders

_log = logging.getLogger("kerasmlsp")

IMBALANCE = 100
"""Examples of the largest class for each of the smallest, from which on `tell_imbalance` speaks."""
_ROWS = 10_000
"""Rows of a table that are read at a time."""
MOST_FRACTIONS = 20
"""Different labels that may be numbers with a fraction, such as stars from 0.5 to 5."""


def read_labelled_texts(
    path: str | Path,
    *,
    text_column: str = "text",
    label_column: str = "label",
    split: str | None = None,
    encoding: str = "utf-8",
    least_classes: int = 2,
    stored: bool = False,
) -> tuple[Any, list[str]]:
    """Reads texts and their class labels from a table, or from a folder that has one subfolder per class.

    Rows or files whose text or label is missing or blank are left out, and their number is logged.

    Args:
        path: A table (see `kerasmlsp.data.tables.read_table`), or a folder such as `neg/*.txt pos/*.txt`. The folder
            aclImdb of the Large Movie Review Dataset may be given as it is, with `split`; its unlabelled `unsup` is
            left out.
        text_column: Column of a table that holds the text.
        label_column: Column of a table that holds the label.
        split: "train" or "test" where `path` is a folder that holds both; otherwise None.
        encoding: That of the files, as Python names it.
        least_classes: Classes that there must be: two to train on, while a test set may be of one.
        stored: Whether to keep the texts on disk, as `kerasmlsp.data.on_disk.Texts`, and not in a list.

    Returns:
        Texts, and labels as text in the form they are written in: "001", "1" and "1.0" are three classes.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column, text or class is missing, or there are fewer than two classes.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("text,label\\ngood film,pos\\nbad film,neg\\nno label,\\n")
        >>> read_labelled_texts(path)
        (['good film', 'bad film'], ['pos', 'neg'])
    """
    path = existing(path)
    if path.is_dir():
        rows = _folder_rows(_split_folder(path, split), encoding)
    elif split is not None:
        raise ValueError(f"`split` must be None where `path` is a file. Received: {split!r} for {path}")
    else:
        rows = _table_rows(path, text_column, label_column, encoding)
    texts: Any = on_disk.Texts() if stored else []
    labels, left_out = [], 0
    for text, label in rows:
        if text.strip() and label.strip():
            texts.append(text)
            labels.append(label.strip())
        else:
            left_out += 1
    if left_out:
        _log.warning("Left out %d of %d rows of %s: no text or no label.", left_out, left_out + len(texts), path)
    if not labels:
        raise ValueError(f"`path` must hold rows with both text and label. Received: {path}, where every row lacks one")
    check_classes(path, labels, least_classes)
    return texts, labels


def list_files(
    path: str | Path,
    folders_in: Callable[[Path], Mapping[str, Path]],
    files_in: Callable[[Path], Sequence[Path]],
    *,
    path_column: str = "path",
    label_column: str = "label",
    encoding: str = "utf-8",
) -> tuple[list[tuple[str, str]], int, Path]:
    """Lists labelled files: those of a folder that has one subfolder per class, or of a table of paths.

    Args:
        path: A folder such as `rock/*.jpg paper/*.png`, or a table (see `kerasmlsp.data.tables.read_table`) whose paths
            are relative to its own folder, or absolute.
        folders_in: Gives the subfolders of the classes, as `class_folders`.
        files_in: Lists the files of a subfolder.
        path_column: Column of a table that holds the paths.
        label_column: Column of a table that holds the classes.
        encoding: That of a table of text.

    Returns:
        Path and class of each file, the number of rows of a table without one of these, and the folder that the paths
        are relative to.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is missing, or a folder has no subfolders or two that are parts of a data set.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("rock", "paper"):
        ...     (folder / name).mkdir()
        ...     (folder / name / "1.jpg").touch()
        >>> list_files(folder, class_folders, visible_files)[0]
        [('paper/1.jpg', 'paper'), ('rock/1.jpg', 'rock')]
    """
    path = existing(path)
    if not path.is_dir():
        rows, gaps = _path_rows(path, path_column, label_column, encoding)
        return rows, gaps, path.parent
    found = [(file, name) for name, folder in folders_in(path).items() for file in files_in(folder)]
    return [(file.relative_to(path).as_posix(), name) for file, name in found], 0, path


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


def _table_rows(path: Path, text_column: str, label_column: str, encoding: str):
    for chunk in tables.read_table(path, chunk_size=_ROWS, encoding=encoding):
        tables.check_columns(path, chunk.columns, text_column=text_column, label_column=label_column)
        yield from zip(_as_texts(chunk[text_column]), _as_texts(chunk[label_column]), strict=True)


def _path_rows(path, path_column, label_column, encoding):
    table = tables.read_table(path, encoding=encoding)
    tables.check_columns(path, table.columns, path_column=path_column, label_column=label_column)
    if (gaps := table[[path_column, label_column]].isna().any(axis=1)).any():
        _log.warning("Left out %d of %d rows of %s: no path or no label.", gaps.sum(), len(table), path)
    rows = table[~gaps]
    found = list(zip(rows[path_column].astype(str), rows[label_column].astype(str).str.strip(), strict=True))
    return found, int(gaps.sum())


def _as_texts(column) -> list[str]:
    values = column.astype(object).where(column.notna(), "").tolist()
    nested = next((value for value in values if isinstance(value, (list, dict, set, tuple, np.ndarray))), None)
    if nested is not None:
        raise ValueError(f"`path` must hold text or numbers in the column {column.name!r}. Received: {nested!r:.60}")
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _split_folder(folder: Path, split: str | None) -> Path:
    inside = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    if split is not None and split not in inside:
        there = ", ".join(sorted(inside)) or "it has none"
        raise ValueError(f"`split` must be a folder in {folder}: {there}. Received: {split!r}")
    return folder / split if split else folder


def class_folders(
    folder: str | Path, content: str = ".txt files", names: str = "neg/ and pos/", *, underscored: bool = False
) -> dict[str, Path]:
    """Returns the folders of the classes in a folder by name.

    Args:
        folder: The folder.
        content: What they must hold, for the message.
        names: What they may be called, for the message.
        underscored: Whether folders whose names begin with `_` are classes, too.

    Raises:
        ValueError: There are none, or the folder holds the parts to train and to test on.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("pos", "neg", "_unused"):
        ...     (folder / name).mkdir()
        >>> list(class_folders(folder))
        ['neg', 'pos']
    """
    folder = Path(folder)
    found = visible_folders(folder)
    classes = {entry.name: entry for entry in found if underscored or not entry.name.startswith("_")}
    if {"train", "test"} <= classes.keys():
        raise ValueError(f"`path` must be {folder / 'train'} or {folder / 'test'}. Received: {folder}")
    if not classes:
        raise ValueError(f"`path` must hold one folder of {content} per class, as {names}. Received: {folder}")
    return classes


def _folder_rows(folder: Path, encoding: str):
    classes = class_folders(folder)
    if {"neg", "pos", "unsup"} <= classes.keys():
        _log.info("Left out %s: its texts have no label.", classes.pop("unsup"))
    for name, subfolder in sorted(classes.items()):
        files = [file for file in visible_files(subfolder, (".txt",)) if file.parent == subfolder]
        if not files:
            raise ValueError(f"`path` must hold .txt files for every class. Received: {subfolder}, which has none")
        for file in files:
            yield tables.read_text(file, encoding=encoding), name


def fingerprint(*sources: str | Path | np.ndarray | on_disk.Arrays | Iterable[str | float]) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of data, to tell in a run whether it is still the same.

    Args:
        *sources: Paths of files or folders, NumPy arrays, the same on disk, or iterables of strings or numbers. A
            folder counts with the names and contents of all its files that are not hidden.

    Raises:
        FileNotFoundError: There is no such file or folder.

    Example:
        >>> fingerprint(["ab", "c"]) == fingerprint(["ab", "c"]), fingerprint(["ab", "c"]) == fingerprint(["a", "bc"])
        (True, False)
    """
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, np.ndarray) and source.dtype != object:
            _add(digest, f"{source.dtype.str}{source.shape}".encode(), np.ascontiguousarray(source).tobytes())
        elif isinstance(source, on_disk.Arrays):
            _add(digest, f"{source.dtype.str}{source.shape}".encode())
            digest.update((int(source.lengths.sum()) * source.dtype.itemsize).to_bytes(8, "big"))
            for values in source:
                digest.update(values.tobytes())
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
    files = visible_files(path) if path.is_dir() else [path]
    for file in files:
        _add(digest, file.relative_to(path).as_posix().encode())
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
