"""Captions and pictures as people have them: tables, Kaggle's `captions.txt`, and the files of Flickr8k themselves."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from kerasmlsp import files
from kerasmlsp.apps.caption.config import LISTS, Config
from kerasmlsp.data import tables

_TOKEN = re.compile(r"[^\t]+#\d+\t")
_LISTS = {"train": "*trainImages.txt", "val": "*devImages.txt", "test": "*testImages.txt"}
# Names that are looked for to tell which folder holds the pictures.
_SAMPLE = 20


def table_of(data: str | Path) -> Path:
    """Returns the file of captions: `data` itself, or the one in that folder or in a folder of it.

    Raises:
        FileNotFoundError: `data` is not there.
        ValueError: The folder holds no file of captions.
    """
    data = files.existing(data, "data")
    if data.is_file():
        return data
    places = [data, *files.visible_folders(data)]
    found = [path for place in places for path in _files(place) if _rank(path) is not None]
    if not found:
        raise ValueError(
            "`data` must be a file of captions, or a folder that holds captions.csv, captions.txt (as of Kaggle) or "
            f"Flickr8k.token.txt. Received: {data}, which holds none"
        )
    return min(found, key=_rank)


def _files(folder):
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _rank(path):
    name = path.name.lower()
    if name.split(".")[0] == "captions" and not name.endswith((".txt", ".md")):
        return 0
    if name == "captions.txt":
        return 1
    return 2 if name.endswith((".token.txt", ".token")) and "lemma" not in name else None


def rows(path: Path, config: Config) -> Iterator[tuple[str, str, str | None]]:
    """Yields name, caption and split of each row; the split is None where the file names none.

    Files ending in `.txt` or `.token` hold a caption in a line: `name.jpg#0`, a tab and the caption, as Flickr8k, whose
    lists of pictures beside it tell the splits; or what a header of two names or more says, as Kaggle's, where the
    caption may hold separators and quotes.

    Raises:
        ValueError: A column is missing, or a line has too few cells.
    """
    if path.suffix.lower() not in LISTS:
        return _of_table(path, config)
    lines = [line for line in tables.read_text(path, encoding=config.encoding).split("\n") if line.strip()]
    if not lines:
        raise ValueError(f"`data` must hold captions. Received: {path}, which is empty")
    return _of_tokens(path, lines, config) if _TOKEN.match(lines[0]) else _of_lines(path, lines, config)


def _of_table(path, config):
    columns = config.columns
    for chunk in tables.read_table(path, chunk_size=50_000, encoding=config.encoding):
        tables.check_columns(path, chunk.columns, **columns)
        wanted = [*columns.values(), *([config.split_column] if config.split_column in chunk.columns else [])]
        cells = chunk[wanted].astype(object).where(chunk[wanted].notna(), "")
        for name, caption, *split in cells.itertuples(index=False, name=None):
            yield str(name).strip(), str(caption), str(split[0]).strip().lower() if split else None


def _of_tokens(path, lines, config):
    lists = {split: [each for each in _files(path.parent) if each.match(pattern)] for split, pattern in _LISTS.items()}
    split_of = {
        name.strip(): split
        for split, found in lists.items()
        for file in found
        for name in tables.read_text(file, encoding=config.encoding).split("\n")
    }
    for number, line in enumerate(lines, 1):
        if not _TOKEN.match(line):
            raise ValueError(
                f"`data` must hold name.jpg#0, a tab and a caption in a line. Received: {path}, not {number}"
            )
        place, caption = line.split("\t", 1)
        name = place.rsplit("#", 1)[0]
        yield name, caption, split_of.get(name, "in no list") if split_of else None


def _of_lines(path, lines, config):
    columns = config.columns
    heads = {separator: [head.strip(' "') for head in lines[0].split(separator)] for separator in ",\t;|"}
    separator = max(heads, key=lambda each: (set(columns.values()) <= set(heads[each]), len(heads[each])))
    head = heads[separator]
    tables.check_columns(path, head, **columns)
    image, caption = (head.index(column) for column in columns.values())
    split = head.index(config.split_column) if config.split_column in head else None
    for number, line in enumerate(lines[1:], 2):
        # The caption is the rest of its line, where it stands last: it may hold separators and quotes.
        last = caption == len(head) - 1
        cells = line.split(separator, len(head) - 1) if last else next(csv.reader([line], delimiter=separator))
        if len(cells) != len(head):
            raise ValueError(
                f"`data` must have {len(head)} cells in every line as in its header. Received: {path}, where line "
                f"{number} (blank ones not counted) has {len(cells)}"
            )
        part = None if split is None else cells[split].strip().lower()
        yield cells[image].strip(' "'), _unquoted(cells[caption].strip()), part


def _unquoted(text):
    return text[1:-1].replace('""', '"') if len(text) > 1 and text[0] == text[-1] == '"' else text


def image_folder(names: Iterable[str], table: Path, data: str | Path, given: str | Path | None) -> Path:
    """Returns the folder of the pictures.

    Args:
        names: Names of pictures.
        table: File of the captions.
        data: What was given: the file, or a folder that holds it.
        given: Folder that was given, or None to look for the first of `names` in the folders of `data`, `images` first.

    Raises:
        FileNotFoundError: `given` is not there.
        ValueError: `given` is no folder.
    """
    if given is not None:
        folder = files.existing(given, "images")
        if not folder.is_dir():
            raise ValueError(f"`images` must be a folder of pictures. Received: {folder}")
        return folder
    root, sample = Path(data) if Path(data).is_dir() else table.parent, list(itertools.islice(names, _SAMPLE))
    first = root / "images" if (root / "images").is_dir() else table.parent
    holds = (folder for folder in _folders(first, table, root) if any((folder / name).is_file() for name in sample))
    return next(holds, first)


def _folders(first, table, root):
    yield from (first, table.parent)
    for folder in files.visible_folders(root):
        yield from (folder, *files.visible_folders(folder))
    # Flickr8k has its texts and its pictures in two folders.
    for folder in files.visible_folders(table.resolve().parent.parent):
        if "dataset" in folder.name.lower() or "images" in folder.name.lower():
            yield from (folder, *files.visible_folders(folder))
