"""Running text of any size as numbers: read in pieces, cut into words once, and kept as one array of ids."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from kerasmlsp.data import tables, text
from kerasmlsp.data.text import UNKNOWN
from kerasmlsp.files import existing

_PIECE, _ROWS = 2**16, 1000
FIRST_WORD = UNKNOWN + 1
"""Id of the most frequent word; those before are for padding and unknown words."""


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Texts as ids of their words, without those that are unknown.

    Args:
        words: The vocabulary, most frequent first; the first has the id `FIRST_WORD`.
        counts: How often each word occurs, int64 `(words,)`.
        ids: Ids of all texts one after the other, int32 `(tokens,)`.
        starts: Where each text begins, int64 `(texts + 1,)`; the last is the number of tokens.
        seen: Tokens of the texts, with those that are unknown.

    Example:
        >>> corpus = of_texts(["good film", "bad film"], min_count=1)
        >>> corpus.words, corpus.ids, corpus.counts_by_id
        (['film', 'bad', 'good'], array([4, 2, 3, 2], dtype=int32), array([0, 0, 2, 1, 1]))
    """

    words: list[str]
    counts: np.ndarray
    ids: np.ndarray
    starts: np.ndarray
    seen: int

    @property
    def counts_by_id(self) -> np.ndarray:
        """`counts` behind zeros for the ids that are no words."""
        return np.concatenate([np.zeros(FIRST_WORD, np.int64), self.counts])


def of_texts(texts: Iterable[str], *, min_count: int = 5, vocabulary_size: int = 1_000_000) -> Corpus:
    """Cuts texts into words as `kerasmlsp.data.text.tokenize` does, and numbers them.

    Texts are gone through once; memory holds the ids of all tokens, 4 bytes each, and every word once.

    Args:
        texts: Strings; an iterator will do.
        min_count: Words that occur less often are left out, at least 1.
        vocabulary_size: Most words to keep, the most frequent, at least 1.

    Raises:
        ValueError: An argument is less than 1.

    Example:
        >>> of_texts(["a rose is a rose"], min_count=2).words
        ['a', 'rose']
    """
    for name, value in (("min_count", min_count), ("vocabulary_size", vocabulary_size)):
        if value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
    index: collections.defaultdict[bytes, int] = collections.defaultdict()
    index.default_factory = index.__len__
    parts, lengths = [], [np.zeros(1, np.int64)]
    for batch in _batches(texts):
        tokens = text.tokenize(batch)
        flat = tokens.flat_values.numpy().tolist()
        parts.append(np.fromiter(map(index.__getitem__, flat), np.int32, len(flat)))
        lengths.append(tokens.row_lengths().numpy())
    return _numbered(
        [word.decode() for word in index], parts, np.cumsum(np.concatenate(lengths)), min_count, vocabulary_size
    )


def _batches(texts):
    """Lists of texts of about a million letters together."""
    batch, size = [], 0
    for each in texts:
        batch.append(each)
        size += len(each)
        if size >= 16 * _PIECE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _numbered(names, parts, starts, min_count, vocabulary_size):
    """A corpus of ids in the order in which words were met."""
    counts = np.zeros(len(names), np.int64)
    for part in parts:
        counts += np.bincount(part, minlength=len(names))
    known = sorted(np.flatnonzero(counts >= min_count), key=lambda i: (-counts[i], names[i]))[:vocabulary_size]
    place = np.full(len(names), -1, np.int32)
    place[known] = np.arange(FIRST_WORD, FIRST_WORD + len(known))
    sums = [np.zeros(1, np.int64)]
    for i, part in enumerate(parts):
        renamed = place[part]
        sums.append(sums[-1][-1] + np.cumsum(renamed >= 0))
        parts[i] = renamed[renamed >= 0]
    # Tokens before each text that are known.
    starts = np.concatenate(sums)[starts]
    ids = np.concatenate(parts) if parts else np.empty(0, np.int32)
    return Corpus([names[i] for i in known], counts[known], ids, starts, int(counts.sum()))


def read_texts(path: str | Path, *, text_column: str = "text", encoding: str = "utf-8") -> Iterator[str]:
    """Yields the texts of a table, or pieces of a text file or of all `.txt` files in a folder and below it.

    Nothing is held but the piece that is read. Pieces have about 65,000 letters, and end where a paragraph does, else a
    line, else a word.

    Args:
        path: Table (CSV, TSV, JSON Lines, Parquet, Excel), text file, or folder.
        text_column: Column of the texts of a table; empty cells are left out.
        encoding: Of texts and tables, as Python names it.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: The column is not there, a text is in another encoding, or the folder holds no text.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "novel.txt")
        >>> _ = path.write_text("It was a dark night.")
        >>> list(read_texts(path))
        ['It was a dark night.']
    """
    path = existing(path, "data")
    if tables.is_table(path) and not path.is_dir():
        for table in tables.read_table(path, chunk_size=_ROWS, encoding=encoding):
            tables.check_columns(path, table.columns, text_column=text_column)
            column = table[text_column]
            yield from map(str, column[column.notna()])
    else:
        for each in tables.text_files(path, "data"):
            yield from _pieces(each, encoding)


def check(path: str | Path, *, text_column: str = "text", encoding: str = "utf-8") -> None:
    """Refuses what `read_texts` cannot begin to read, from the beginning of each file.

    Raises:
        FileNotFoundError: It is not there.
        ValueError: As of `read_texts`.

    Example:
        >>> check("no.txt")
        Traceback (most recent call last):
        FileNotFoundError: `data` must be there already: check its spelling. Received: no.txt
    """
    path = existing(path, "data")
    if tables.is_table(path) and path.is_file():
        tables.check_columns(path, encoding=encoding, text_column=text_column)
        return
    for each in tables.text_files(path, "data"):
        with tables.open_text(each, encoding) as file:
            file.read(_PIECE)


def _pieces(path, encoding):
    with tables.open_text(path, encoding) as file:
        rest = ""
        while part := file.read(_PIECE):
            rest += part
            if len(rest) >= _PIECE and (cut := _end(rest)):
                yield rest[:cut]
                rest = rest[cut:]
        if rest.strip():
            yield rest


def _end(letters):
    """Where a piece of a text ends best; 0 for not yet."""
    for mark in ("\n\n", "\n", " "):
        if place := 1 + letters.rfind(mark):
            return place + len(mark) - 1
    return len(letters) if len(letters) > 4 * _PIECE else 0
