"""Rows to batches to answers: a row that the model refuses is found by halves, and the others are answered.

pyarrow is imported where it is used, so that importing this module costs nothing.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.serving.scoring.reading import MIXED, Part

if TYPE_CHECKING:
    import pyarrow as pa

Call = Callable[..., Mapping[str, np.ndarray]]
"""An endpoint: rows by the name of the input, to arrays by the name of the output."""
Values = np.ndarray | list
"""What an input is fed from, one value a row. A `Path` is read when its row's turn comes, an error is raised then."""


def values(part: Part, columns: Mapping[str, str], inputs: Mapping[str, dict], encoding: str) -> dict[str, Values]:
    """Returns what each input is fed from.

    Args:
        part: The rows.
        columns: Name of each input that is fed to the column that holds it; of files, to "".
        inputs: Name of each input to its `dtype` and `shape`, as in a model card.
        encoding: That of text files.

    Example:
        >>> import pyarrow as pa
        >>> part = Part(0, pa.table({"review": ["A fine film.", None]}))
        >>> values(part, {"text": "review"}, {"text": {"dtype": "string", "shape": [None]}}, "utf-8")
        {'text': ['A fine film.', None]}
    """
    if part.rows is None:
        return {name: [_File(each, encoding) for each in part.files] for name in columns}
    return {name: _from_column(part.rows, column, inputs[name]) for name, column in columns.items()}


class _File:
    """A file that is read when its row's turn comes, so that memory holds those of few batches."""

    def __init__(self, path: str, encoding: str):
        self.path, self.encoding = path, encoding

    def read(self) -> str | bytes:
        if Path(self.path).suffix.lower() != ".txt":
            return Path(self.path).read_bytes()
        from kerasmlsp.data import tables

        return tables.read_text(self.path, encoding=self.encoding)


def _from_column(table, column, known) -> Values:
    import pyarrow as pa

    if column not in table.column_names:  # a JSON object may lack a key that others have
        return [None] * table.num_rows
    array = table[column].combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    if known["dtype"] == "string":
        mixed = MIXED in (table.schema.field(column).metadata or ())
        # As they were written, so that the model takes what is text, and refuses the others.
        return [each and json.loads(each) for each in array.to_pylist()] if mixed else array.to_pylist()
    shape = tuple(known["shape"][1:])
    if pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return [_parsed(column, cell, shape) for cell in array.to_pylist()]
    whole = _even(array)
    if whole is not None:
        fitting = _fitting(whole[:1], shape)
        return whole if fitting is None else whole.reshape(len(whole), *fitting.shape[1:])
    return [_row(column, value, shape) for value in array.to_pylist()]


def _even(array) -> np.ndarray | None:
    """A column as one array, where no value is missing and all rows have one shape; else None."""
    import pyarrow as pa

    sizes = [len(array)]
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        flat = array.flatten()
        if array.null_count or not len(array) or len(flat) % len(array):
            return None
        lengths = array.value_lengths() if not pa.types.is_fixed_size_list(array.type) else None
        sizes.append(len(flat) // len(array))
        if lengths is not None and not (lengths.to_numpy(zero_copy_only=False) == sizes[-1]).all():
            return None
        array = flat
    if array.null_count or not (pa.types.is_primitive(array.type) and not pa.types.is_temporal(array.type)):
        return None
    return array.to_numpy(zero_copy_only=False).reshape(sizes)


def _parsed(column, cell, shape):
    """The number, or the JSON list of numbers, in a cell of text; an error to be raised when its row's turn comes."""
    if cell is None:
        return None
    try:
        value = json.loads(cell) if cell.lstrip().startswith("[") else _number(cell)
    except ValueError:
        return ValueError(f"`{column}` must be a number or a JSON list of numbers. Received: {cell!r:.80}")
    return _row(column, value, shape)


def _number(cell):
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _row(column, value, shape):
    if not isinstance(value, list):
        return value
    try:
        array = np.asarray(value)
    except ValueError as error:
        return ValueError(f"`{column}` must be an even list of numbers in every row. Received: {error}")
    fitting = _fitting(array[None], shape)
    return array if fitting is None else fitting[0]


def _fitting(rows, shape):
    """Rows that are a flat list in the shape of the input, where that is told by at most one open axis; else None."""
    if rows.ndim != 2 or len(shape) == 1 or sum(size is None for size in shape) > 1:
        return None
    try:
        return rows.reshape(len(rows), *(-1 if size is None else size for size in shape))
    except ValueError:
        return None


def batches(fed: Mapping[str, Values], rows: int, batch_size: int) -> Iterator[list[int]]:
    """Yields the numbers of the rows of each batch: texts of about the same length, arrays of one shape.

    Neighbours in length share a batch, so that hardly any time goes into padding.

    Example:
        >>> list(batches({"text": ["the longest", "a", "long", "an"]}, rows=4, batch_size=2))
        [[1, 3], [2, 0]]
    """
    lists = [each for each in fed.values() if isinstance(each, list)]

    def length(row):
        return [len(each[row]) if isinstance(each[row], str | bytes) else 0 for each in lists]

    def shape(row):
        return [np.shape(each[row]) if isinstance(each[row], np.ndarray) else () for each in lists]

    order = sorted(range(rows), key=lambda row: (shape(row), length(row)))
    for _, alike in itertools.groupby(order, key=shape):
        while batch := list(itertools.islice(alike, batch_size)):
            yield batch


def answer(
    fed: Mapping[str, Values], rows: int, call: Call, *, batch_size: int, pool: Executor, done: Callable[[int], Any]
) -> tuple[list[tuple[list[int], Mapping[str, np.ndarray]]], dict[int, str]]:
    """Answers rows, several batches at a time.

    Args:
        fed: What `values` returned.
        rows: How many.
        call: The endpoint. A `ValueError` says that it refuses a row of the batch, which is then halved.
        batch_size: Rows of a batch.
        pool: Where batches are answered.
        done: Told the rows of every batch that is over.

    Returns:
        The numbers of rows with their outputs, and the number of each refused row with the reason.

    Example:
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> def half(number):
        ...     if "x" in number:
        ...         raise ValueError("`number` must be a number. Received: x")
        ...     return {"half": np.array(number) / 2}
        >>> with ThreadPoolExecutor(1) as pool:
        ...     found = answer({"number": [8, "x", 6]}, 3, half, batch_size=3, pool=pool, done=print)
        3
        >>> found
        ([([0], {'half': array([4.])}), ([2], {'half': array([3.])})], {1: '`number` must be a number. Received: x'})
    """
    answers: list[tuple[list[int], Mapping[str, np.ndarray]]] = []
    refused: dict[int, str] = {}
    cut = list(batches(fed, rows, batch_size))
    for batch, (told, wrong) in zip(cut, pool.map(lambda batch: _by_halves(fed, batch, call), cut), strict=True):
        answers += told
        refused |= wrong
        done(len(batch))
    return answers, refused


def _by_halves(fed, rows: Sequence[int], call):
    try:
        given = {name: _taken(each, rows) for name, each in fed.items()}
        return [(list(rows), call(**given))], {}
    except (ValueError, OSError) as error:
        if len(rows) == 1:
            return [], {rows[0]: _reason(error)}
    middle = len(rows) // 2
    (first, wrong), (second, others) = (_by_halves(fed, part, call) for part in (rows[:middle], rows[middle:]))
    return first + second, wrong | others


def _taken(each: Values, rows):
    if isinstance(each, np.ndarray):
        return each[rows]
    found = [each[row] for row in rows]
    if wrong := next((value for value in found if isinstance(value, Exception)), None):
        raise wrong
    return [value.read() if isinstance(value, _File) else value for value in found]


def _reason(error):
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} cannot be read ({error.strerror})."
    return " ".join(str(error).replace("; row 0 is missing", "; it is missing").split())[:1000]


def arrow_type(name: str, known: dict) -> "pa.DataType":
    """Returns the type of a column for an output: lists where it has axes beside that of the rows.

    Args:
        name: Name of the output; texts are bytes where it ends in `_bytes`, as in TensorFlow Serving.
        known: Its `dtype` and `shape`, as in a model card.

    Example:
        >>> arrow_type("probabilities", {"dtype": "float32", "shape": [None, 2]})
        ListType(list<item: float>)
    """
    import pyarrow as pa

    if known["dtype"] == "string":
        found = pa.binary() if name.endswith("_bytes") else pa.string()
    else:
        found = pa.from_numpy_dtype(
            np.dtype({"bool": "?", "bfloat16": "f4", "float16": "f4"}.get(known["dtype"], known["dtype"]))
        )
    for _ in known["shape"][1:]:
        found = pa.list_(found)
    return found


def arrow_column(name: str, known: dict, answers: Sequence[tuple[list[int], Mapping[str, np.ndarray]]]) -> "pa.Array":
    """Returns an output as a column, in the order of the rows.

    Args:
        name: Name of the output.
        known: As of `arrow_type`.
        answers: As `answer` returns them.

    Example:
        >>> known = {"dtype": "string", "shape": [None]}
        >>> answers = [([2, 0], {"label": np.array([b"neg", b"pos"], object)})]
        >>> arrow_column("label", known, answers).to_pylist()
        ['pos', 'neg']
    """
    import pyarrow as pa

    kind = arrow_type(name, known)
    pieces = [_lists(np.asarray(outputs[name]), kind) for _, outputs in answers]
    if not pieces:
        return pa.array([], kind)
    rows = np.concatenate([numbers for numbers, _ in answers])
    return pa.concat_arrays(pieces).take(pa.array(np.argsort(rows)))


def _lists(array, kind):
    import pyarrow as pa

    if not pa.types.is_list(kind):
        if pa.types.is_string(kind):
            array = [value.decode("utf-8", "replace") for value in array.tolist()]
        elif array.dtype.kind not in "biufO":
            array = array.astype("float32")  # bfloat16, which Arrow lacks
        return pa.array(array, kind)
    ends = np.arange(len(array) + 1, dtype="int32") * array.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), _lists(array.reshape(-1, *array.shape[2:]), kind.value_type))
