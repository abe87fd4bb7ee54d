"""What a job writes: parts as Parquet, CSV or JSON Lines, and the rows that were refused with their reason."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from kerasmlsp.files import write_atomically
from kerasmlsp.serving.scoring.answering import arrow_column
from kerasmlsp.serving.scoring.reading import Part, Unit

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("parquet", "csv", "jsonl")


def scored(
    unit: Unit,
    part: Part,
    keep: Sequence[str] | None,
    answers: Sequence,
    outputs: Mapping[str, dict],
) -> "pa.Table":
    """Returns the answered rows of a part in their order: where each came from, what is kept of it, its outputs.

    Columns are `input_file` and `input_row`, counted from 0 (files have none), those that are kept, and the outputs. A
    column that is called like one of these or like an output becomes `input_<name>`.

    Args:
        unit: What the part was read from.
        part: The rows.
        keep: Columns to keep; None for all.
        answers: As `kerasmlsp.serving.scoring.answering.answer` returns them.
        outputs: Name of each output to its `dtype` and `shape`, as in a model card.

    Example:
        >>> import numpy as np
        >>> import pyarrow as pa
        >>> part, answers = Part(4, pa.table({"label": ["pos"]})), [([0], {"label": np.array([b"neg"], object)})]
        >>> outputs = {"label": {"dtype": "string", "shape": [None]}}
        >>> scored(Unit("000000", ("reviews.csv",)), part, None, answers, outputs).to_pylist()
        [{'input_file': 'reviews.csv', 'input_row': 4, 'input_label': 'pos', 'label': 'neg'}]
    """
    import pyarrow as pa

    rows = sorted(row for numbers, _ in answers for row in numbers)
    files = [source(unit, part, row) for row in rows]
    found = {name: pa.array([each[name] for each in files], kind) for name, kind in _identity(part).items()}
    if part.rows is not None:
        kept = part.rows.column_names if keep is None else [name for name in keep if name in part.rows.column_names]
        taken = part.rows.select(kept).take(pa.array(rows, pa.int64()))
        for name in kept:
            column = taken[name]
            while name in found or name in outputs:
                name = f"input_{name}"
            found[name] = column
    for name, known in sorted(outputs.items()):
        found[name] = arrow_column(name, known, answers)
    return pa.table(found)


def _identity(part):
    import pyarrow as pa

    kinds: dict = {"input_file": pa.string(), "input_row": pa.int64()}
    return kinds if part.rows is not None else {"input_file": kinds["input_file"]}


def source(unit: Unit, part: Part, row: int) -> dict:
    """Returns where a row of a part came from: `input_file`, and `input_row` in a table.

    Example:
        >>> source(Unit("000000", ("reviews.csv",)), Part(4, None, ("a.jpg", "b.jpg")), 1)
        {'input_file': 'b.jpg'}
    """
    if part.rows is None:
        return {"input_file": part.files[row]}
    return {"input_file": unit.paths[0], "input_row": part.first + row}


def write(table: "pa.Table", path: Path, format: str) -> None:
    """Writes a table, which gets its name when it is whole.

    CSV has lists as JSON and bytes as base64. JSON Lines has bytes as base64, and null for NaN and infinity.

    Args:
        table: The table.
        path: File to write.
        format: One of `FORMATS`.

    Raises:
        OSError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> import pyarrow as pa
        >>> path = Path(tempfile.mkdtemp(), "part.csv")
        >>> write(pa.table({"label": ["pos"], "probabilities": [[0.25, 0.75]]}), path, "csv")
        >>> print(path.read_text())
        "label","probabilities"
        "pos","[0.25,0.75]"
        <BLANKLINE>
    """
    from pyarrow import csv, parquet

    if format == "parquet":
        write_atomically(path, lambda place: parquet.write_table(table, place))
    elif format == "csv":
        write_atomically(path, lambda place: csv.write_csv(_flat(table), place))
    else:
        write_atomically(path, lambda place: place.write_bytes(_lines(table.to_pylist())))


def write_rows(rows: Iterable[dict], path: Path) -> None:
    """Writes rows as JSON Lines, which get their name when they are whole.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "_rejected.jsonl")
        >>> write_rows([{"input_row": 3, "reason": "`text` is missing."}], path)
        >>> path.read_text()
        '{"input_row":3,"reason":"`text` is missing."}\\n'
    """
    content = _lines(rows)
    write_atomically(path, lambda place: place.write_bytes(content))


def _lines(rows):
    return b"".join(orjson.dumps(row, default=_plain) + b"\n" for row in rows)


def _plain(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)


def _flat(table):
    """A table of what CSV can hold."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        column = table[field.name]
        if pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type):
            flat = [None if value is None else _plain(value) for value in column.to_pylist()]
        elif pa.types.is_nested(field.type):
            flat = [None if value is None else _json(value) for value in column.to_pylist()]
        else:
            continue
        table = table.set_column(place, field.name, pa.array(flat, pa.string()))
    return table


def _json(value):
    try:
        return orjson.dumps(value, default=_plain).decode()
    except TypeError:  # keys that are no texts
        return json.dumps(value, default=_plain)
