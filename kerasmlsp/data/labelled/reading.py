"""Labelled texts and files from tables, and from folders that have one subfolder per class."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp.data import on_disk, tables
from kerasmlsp.data.labelled.classes import check_classes
from kerasmlsp.files import existing, visible_files, visible_folders

_log = logging.getLogger("kerasmlsp")

_ROWS = 10_000
"""Rows of a table that are read at a time."""


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
