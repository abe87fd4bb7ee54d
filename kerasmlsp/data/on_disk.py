"""Arrays and texts in a temporary file, read by number: data of any size in little memory.

The file has no name, so that the system deletes it with the object or the process. It is in the folder of
`tempfile.gettempdir()`, which the variable `TMPDIR` sets and which should be on a disk.
"""

import array
import copy
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import tensorflow as tf


class _File:
    """A temporary file that is closed with the last of its users."""

    def __init__(self):
        self.stream, self.lock = tempfile.TemporaryFile(), threading.Lock()  # noqa: SIM115

    def __del__(self):
        self.stream.close()

    def append(self, content):
        with self.lock:
            self.stream.write(content)

    def read(self, offset, size):
        with self.lock:
            if not hasattr(os, "pread"):
                self.stream.seek(offset)
                content = self.stream.read(size)
                self.stream.seek(0, os.SEEK_END)
                return content
            self.stream.flush()
        return os.pread(self.stream.fileno(), size, offset)


class Arrays:
    """Arrays of one type, one after the other in a temporary file. In memory is only where each begins.

    Args:
        dtype: Type of the numbers.
        row: Shape of each array; None for vectors of any length.

    Example:
        >>> pictures = Arrays("uint8", row=(2, 2))
        >>> for number in range(3):
        ...     pictures.append(np.full((2, 2), number))
        >>> pictures.shape, pictures[np.array([2, 0])][:, 0, 0].tolist()
        ((3, 2, 2), [2, 0])
    """

    def __init__(self, dtype: Any, row: Sequence[int] | None = None):
        self.dtype, self.row = np.dtype(dtype), None if row is None else tuple(row)
        self._file = _File()
        # Where each begins, in numbers, and which of them are here; None for all.
        self._starts = array.array("q", [0])
        self._chosen: np.ndarray | None = None

    def append(self, values: ArrayLike) -> None:
        """Writes one array behind the others.

        Raises:
            ValueError: It has not the shape of the others, or some of the others were left out (`taken`).
        """
        values = np.ascontiguousarray(values, self.dtype)
        if self._chosen is not None or (values.ndim != 1 if self.row is None else values.shape != self.row):
            wanted = "a vector" if self.row is None else f"of shape {self.row}"
            raise ValueError(f"`values` must be {wanted}, behind all others. Received: shape {values.shape}")
        self._file.append(values.tobytes())
        self._starts.append(self._starts[-1] + values.size)

    def taken(self, indices: ArrayLike) -> "Arrays":
        """Returns some of the arrays, which stay where they are."""
        found = copy.copy(self)
        indices = np.asarray(indices, np.int64)
        found._chosen = indices if self._chosen is None else self._chosen[indices]
        return found

    def __len__(self) -> int:
        return len(self._starts) - 1 if self._chosen is None else len(self._chosen)

    @property
    def lengths(self) -> np.ndarray:
        """Numbers in each array, int64."""
        lengths = np.diff(np.array(self._starts, np.int64))
        return lengths if self._chosen is None else lengths[self._chosen]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all in one array, where each has the same."""
        return (len(self), *(self.row or ()))

    def __getitem__(self, which: Any) -> np.ndarray:
        """Reads one array by its number; several of one shape, by a slice or numbers, in one array."""
        if isinstance(which, int | np.integer):
            return self._read(range(len(self))[which])
        if self.row is None:
            raise ValueError("`which` must be one number where arrays differ in length: see `joined`.")
        numbers = np.arange(len(self))[which]
        found = np.empty((len(numbers), *self.row), self.dtype)
        for place, number in enumerate(numbers):
            found[place] = self._read(number)
        return found

    def joined(self, indices: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Reads vectors: all numbers one after the other, and how many are of each, int64.

        Example:
            >>> rows = Arrays("int32")
            >>> for values in ([5, 6], [], [7]):
            ...     rows.append(values)
            >>> [each.tolist() for each in rows.joined([2, 0])]
            [[7, 5, 6], [1, 2]]
        """
        rows = [self._read(number) for number in np.asarray(indices)]
        return np.concatenate([np.empty(0, self.dtype), *rows]), np.array([len(row) for row in rows], np.int64)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._read, range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, number):
        place = number if self._chosen is None else self._chosen[number]
        begin, end = self._starts[place], self._starts[place + 1]
        content = self._file.read(begin * self.dtype.itemsize, (end - begin) * self.dtype.itemsize)
        values = np.frombuffer(content, self.dtype)
        return values if self.row is None else values.reshape(self.row)


class Texts(Sequence[str]):
    """Texts in a temporary file, like a list of them.

    Args:
        texts: Those to begin with.

    Example:
        >>> texts = Texts(["good", "bad"])
        >>> texts.append("so so")
        >>> len(texts), texts[-1], texts[:2], list(texts.taken([2, 0]))
        (3, 'so so', ['good', 'bad'], ['so so', 'good'])
    """

    def __init__(self, texts: Iterable[str] = ()):
        self._rows = Arrays("uint8")
        for text in texts:
            self.append(text)

    def append(self, text: str) -> None:
        """Writes one text behind the others."""
        self._rows.append(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8))

    def taken(self, indices: ArrayLike) -> "Texts":
        """Returns some of the texts, which stay where they are."""
        found = copy.copy(self)
        found._rows = self._rows.taken(indices)
        return found

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return [self[number] for number in range(len(self))[which]]
        return self._rows[which].tobytes().decode("utf-8", "surrogatepass")


def taker(values: "np.ndarray | Arrays") -> "Callable[[tf.Tensor], tf.Tensor]":
    """Returns the function from indices to rows that a `tf.data` pipeline calls.

    Args:
        values: An array, which is copied into a constant; or `Arrays` of one shape, which stay on disk.

    Example:
        >>> taker(np.array([5, 6, 7]))([2, 0]).numpy().tolist()
        [7, 5]
    """
    import tensorflow as tf

    if not isinstance(values, Arrays):
        held = tf.constant(values)
        return lambda indices: tf.gather(held, indices)

    def take(indices):
        found = tf.numpy_function(values.__getitem__, [indices], values.dtype, stateful=False)
        return tf.ensure_shape(found, (None, *values.shape[1:]))

    return take
