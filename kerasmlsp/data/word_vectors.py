"""Word vectors as files of word2vec, text and binary, which gensim and others read."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.files import existing, write_atomically

_BLANK = "_"


def write(path: str | Path, words: Sequence[str], vectors: ArrayLike, *, binary: bool = False) -> None:
    """Writes word vectors as a file of word2vec.

    The first line has the number of words and the size of a vector. Then come a word, a blank and its numbers: as text,
    in a line each, or with `binary` as float32 in little-endian order. Blanks within a word become `_`.

    Reference: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their Compositionality" (the
    released program).

    Args:
        path: File to write.
        words: The word of each row of `vectors`.
        vectors: `(words, features)`.
        binary: Whether numbers are binary, which takes less than half the room and loses no digit.

    Raises:
        ValueError: There are not as many words as vectors, or a word is empty.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "vectors.txt")
        >>> write(path, ["up", "new york"], [[0.5, 1.0], [-2.0, 0.25]])
        >>> print(path.read_text().strip())
        2 2
        up 0.5 1
        new_york -2 0.25
    """
    table = np.ascontiguousarray(vectors, "<f4")
    if table.ndim != 2 or len(table) != len(words):
        raise ValueError(f"`vectors` must have a row for each of the {len(words)} words. Received: shape={table.shape}")
    names = [_BLANK.join(word.split()) for word in words]
    if "" in names:
        raise ValueError(f"`words` must not be empty. Received: words[{names.index('')}]={words[names.index('')]!r}")

    def put(place):
        with open(place, "wb") as file:
            file.write(f"{len(names)} {table.shape[1]}\n".encode())
            for name, row in zip(names, table, strict=True):
                # Nine digits tell any two float32 apart.
                numbers = row.tobytes() if binary else " ".join(f"{each:.9g}" for each in row.tolist()).encode()
                file.write(name.encode() + b" " + numbers + b"\n")

    write_atomically(path, put)


def read(path: str | Path, *, binary: bool = False) -> tuple[list[str], np.ndarray]:
    """Reads a file of word2vec.

    Args:
        path: The file.
        binary: Whether it is a binary one.

    Returns:
        The words, and their vectors, float32 `(words, features)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "vectors.bin")
        >>> write(path, ["up", "high"], [[0.5, 1.0], [-2.0, 0.25]], binary=True)
        >>> read(path, binary=True)
        (['up', 'high'], array([[ 0.5 ,  1.  ],
               [-2.  ,  0.25]], dtype=float32))
    """
    path = existing(path)
    with open(path, "rb") as file:
        try:
            count, features = map(int, file.readline().split())
            rows = [_binary_row(file, features) if binary else _text_row(file, features) for _ in range(count)]
        except ValueError as error:
            kind = "a binary" if binary else "a text"
            raise ValueError(
                f"`path` must be {kind} file of word2vec, and whole. Received: {path} ({error})"
            ) from error
    vectors = np.stack([row for _, row in rows]) if rows else np.empty((0, features), np.float32)
    return [word for word, _ in rows], vectors


def _text_row(file, features):
    word, *numbers = file.readline().decode().split()
    if len(numbers) != features:
        raise ValueError(f"a line of {len(numbers)} numbers")
    return word, np.array(numbers, np.float32)


def _binary_row(file, features):
    word = bytearray()
    while (letter := file.read(1)) != b" ":
        if not letter:
            raise ValueError("it ends too early")
        # The released program ends a row with a line end, others do not.
        if letter != b"\n":
            word += letter
    numbers = file.read(4 * features)
    if len(numbers) != 4 * features:
        raise ValueError("it ends too early")
    return word.decode(), np.frombuffer(numbers, "<f4").astype(np.float32)
