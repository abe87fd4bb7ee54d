"""Sentences with their translations as people have them: files that go line by line, tables, lists."""

import collections
import itertools
from collections.abc import Iterator
from pathlib import Path

from kerasmlsp import files
from kerasmlsp.apps.translate.config import LISTS, Config
from kerasmlsp.data import tables

_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_SPLITS = {"train": "train", "training": "train", "test": "test"}
_SPLITS |= dict.fromkeys(("val", "valid", "validation", "dev"), "validation")

Row = tuple[str, str, str | None]
"""Source, target, and the split: None where the data name none, "" for one that is not known."""


def rows(config: Config) -> Iterator[Row]:
    """Yields the pairs of the configuration's `data`.

    Raises:
        FileNotFoundError: A file is not there.
        ValueError: A folder has no files of these languages, files have not as many lines, a column is missing, or a
            line has no tab.
    """
    path = files.existing(config.data or "", "data")
    if path.is_dir():
        for name, source, target in parallel_files(path, config):
            split = split_of(name)
            yield from ((*pair, split) for pair in _line_by_line(source, target, config))
    elif config.parallel:
        other = files.existing(config.parallel, "parallel")
        yield from ((*pair, None) for pair in _line_by_line(path, other, config))
    elif path.suffix.lower() in LISTS:
        yield from ((*pair, None) for pair in _of_list(path, config))
    else:
        yield from _of_table(path, config)


def split_of(name: str) -> str | None:
    """The split that a name tells, as of `test_2016_flickr`; None for another name.

    Example:
        >>> split_of("test_2016_flickr"), split_of("dev"), split_of("news")
        ('test', 'validation', None)
    """
    word = "".join(itertools.takewhile(str.isalpha, name.lower()))
    return _SPLITS.get(word)


def parallel_files(folder: Path, config: Config) -> list[tuple[str, Path, Path]]:
    """Finds the files of a folder that are there in both languages, as `train.en.gz` and `train.de.gz`.

    Returns:
        Name, and the files of source and target.

    Raises:
        ValueError: There are none.
    """
    found: dict[str, dict[str, Path]] = collections.defaultdict(dict)
    for path in files.visible_files(folder):
        plain = path.with_suffix("") if path.suffix.lower() in _COMPRESSED else path
        # Moses writes both languages before the one of the file: train.de-en.en.
        if plain.suffix and path.parent == Path(folder):
            found[plain.suffix[1:]][plain.stem] = path
    names = [name for name in found.get(config.source, {}) if name in found.get(config.target, {})]
    if not names:
        there = ", ".join(sorted(found)) or "none"
        raise ValueError(
            f"`data` must be a folder of files whose endings are the languages, as train.{config.source} and "
            f"train.{config.target}: name two endings by `--source` and `--target`. Received: {folder}, whose files "
            f"end in {there}"
        )
    return [(name, found[config.source][name], found[config.target][name]) for name in sorted(names)]


def _line_by_line(source, target, config):
    lines = [tables.read_lines(path, encoding=config.encoding) for path in (source, target)]
    for number, (first, second) in enumerate(itertools.zip_longest(*lines), 1):
        if first is None or second is None:
            raise ValueError(
                f"Files that go line by line must have as many lines each. Received: {source} and {target}, of which "
                f"one ends before line {number}"
            )
        yield first, second


def _of_list(path, config):
    """A pair in a line, as of Tatoeba; what stands behind a second tab is not read."""
    for number, line in enumerate(tables.read_lines(path, encoding=config.encoding), 1):
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) < 2:
            raise ValueError(
                f"`data` must have a sentence, a tab and its translation in every line of a .txt file. Received: "
                f"{path}, not in line {number}"
            )
        yield cells[0], cells[1]


def _of_table(path, config):
    columns = config.columns
    for chunk in tables.read_table(path, chunk_size=50_000, encoding=config.encoding):
        tables.check_columns(path, chunk.columns, **columns)
        wanted = [*columns.values(), *([config.split_column] if config.split_column in chunk.columns else [])]
        cells = chunk[wanted].astype(object).where(chunk[wanted].notna(), "")
        for source, target, *split in cells.itertuples(index=False, name=None):
            told = str(split[0]).strip().lower() if split else None
            yield str(source), str(target), told if told is None else _SPLITS.get(told, "")
