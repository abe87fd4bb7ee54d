"""A job before it starts: which model and endpoint, which files, which column feeds which input."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kerasmlsp.exporting.loading import read_card
from kerasmlsp.serving.scoring import reading
from kerasmlsp.serving.scoring.writing import FORMATS


@dataclasses.dataclass(frozen=True)
class Options:
    """What may be chosen of a job.

    Args:
        endpoint: Endpoint of the model; None for `serving_default`, and for `serving_bytes` where files are rows.
        columns: Name of an input to the column that feeds it, where their names differ.
        keep: Columns of the input to write beside the answers; None for all.
        format: `"parquet"`, `"csv"` or `"jsonl"`; None for that of the input, Parquet for files.
        encoding: That of text other than Parquet.
        batch_size: Rows that the model answers at a time.
        part_rows: Rows of a file of the output at most, which is what an interruption loses at most for each worker.

    Example:
        >>> Options(keep=("id",)).batch_size
        32
    """

    endpoint: str | None = None
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    keep: tuple[str, ...] | None = ()
    format: str | None = None
    encoding: str = "utf-8"
    batch_size: int = 32
    part_rows: int = 4096


@dataclasses.dataclass(frozen=True)
class Job:
    """What is to be done, as `plan` found it.

    Args:
        model: Folder of the saved model.
        output: Folder to write to.
        files: What to read, in its order.
        endpoint: Endpoint of the model.
        fed: Name of each input that is fed to its column; to "" for files.
        inputs, outputs: Name to `dtype` and `shape`, as in the model's card.
        options: The rest, with a format.

    Example:
        >>> job = Job(Path("models/mine/1"), Path("scored"), ("a.csv",), "serving_default", {"text": "text"}, {}, {})
        >>> job.columns
        ['text']
    """

    model: Path
    output: Path
    files: tuple[str, ...]
    endpoint: str
    fed: Mapping[str, str]
    inputs: Mapping[str, dict]
    outputs: Mapping[str, dict]
    options: Options = Options()

    @property
    def columns(self) -> list[str] | None:
        """The columns to read of tables; None for all."""
        keep = self.options.keep
        return None if keep is None else list(dict.fromkeys([*self.fed.values(), *keep]))


def plan(model: Path, inputs: Iterable[str], output: Path, options: Options) -> Job:
    """Returns a job whose files, columns and endpoint are there; the model is not loaded for it.

    Args:
        model: Folder of a saved model with a card.
        inputs: Paths, folders and patterns, as `kerasmlsp.serving.scoring.reading.find` takes them.
        output: Folder to write to.
        options: The rest.

    Raises:
        FileNotFoundError: A pattern names no file.
        ValueError: The endpoint or a column is not there, the endpoint does not answer row by row, or a table is
            damaged.

    Example:
        >>> import tempfile
        >>> from kerasmlsp import exporting
        >>> path = Path(tempfile.mkdtemp(), "reviews.csv")
        >>> _ = path.write_text("review,stars\\nA fine film.,5\\n")
        >>> options = Options(columns={"text": "review"}, keep=("stars",))
        >>> plan(exporting.find("sentiment"), [str(path)], path.parent / "scored", options).columns
        ['review', 'stars']
    """
    # Those that the job itself writes, where the output is in a folder that is read.
    files = [each for each in reading.find(inputs) if Path(output).resolve() not in Path(each).resolve().parents]
    if not files:
        raise ValueError(f"`output` must be another folder than that of `inputs` (--input). Received: {output}")
    tables = reading.ending(files[0]) in reading.TABLES
    endpoint, tensors = _endpoint(model, options.endpoint, tables)
    if tables:
        fed = _fed_columns(endpoint, tensors["inputs"], options.columns, _columns(files[0], options))
        _check_tables(files, list(fed.items()), options)
    else:
        fed = {_fed_by_files(endpoint, tensors["inputs"], options): ""}
    used = {name: tensors["inputs"][name] for name in fed}
    format = options.format or (_own_format(files[0]) if tables else "parquet")
    chosen = dataclasses.replace(options, format=format)
    return Job(Path(model), Path(output), tuple(files), endpoint, fed, used, tensors["outputs"], chosen)


def _own_format(file):
    return {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".xlsx": "csv"}.get(reading.ending(file), FORMATS[-1])


def _endpoint(model, wanted, tables):
    known = read_card(model).get("endpoints", {})
    if not known:
        raise ValueError(f"{model} must have a card that tells its endpoints: export the model with kerasmlsp.")
    name = wanted or ("serving_bytes" if not tables and "serving_bytes" in known else "serving_default")
    if name not in known:
        raise ValueError(f"`endpoint` must be one of {', '.join(known)}. Received: {name}")
    for each, tensor in known[name]["outputs"].items():
        if not tensor["shape"] or tensor["shape"][0] is not None:
            raise ValueError(
                f"`endpoint` must answer row by row, and the output {each} of {name} has the shape {tensor['shape']}."
            )
    return name, known[name]


def _fed_columns(endpoint, inputs, mapping, there):
    """The column of each input; inputs with a default may have none."""
    if unknown := mapping.keys() - inputs.keys():
        raise ValueError(
            f"`columns` (--column) must name inputs of {endpoint}: {', '.join(inputs)}. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    fed = {}
    for name, known in inputs.items():
        column = mapping.get(name, name)
        if not known["shape"]:
            if name in mapping or known.get("default") is None:
                raise ValueError(
                    f"`columns` (--column) must not name {name}, of which the model takes one value for all rows: "
                    "its default is taken."
                )
        elif column in there or name in mapping or known.get("default") is None:
            fed[name] = column
    return fed


def _columns(file, options):
    try:
        return reading.columns(file, options.encoding)
    except OSError as error:
        error.filename = error.filename or file
        raise


def _check_tables(files, fed, options):
    """Refuses tables without a column that is needed, before hours of work."""
    keep = options.keep or ()
    for file in files:
        there = _columns(file, options)
        told = f"a column of {file}: {', '.join(there) or 'none'}"
        if lacking := next((pair for pair in fed if pair[1] not in there), None):
            name, column = lacking
            raise ValueError(f"`columns` (--column) must name for the input {name} {told}. Received: {column!r}")
        if lost := next((each for each in keep if each not in there), None):
            raise ValueError(f"`keep` must name {told}. Received: {lost!r}")


def _fed_by_files(endpoint, inputs, options):
    """The one input that has to be given and takes the bytes or the text of a file."""
    if options.columns or options.keep:
        raise ValueError("`columns` (--column) and `keep` (--keep) are of tables: each of these files is one row.")
    asked = {name: known for name, known in inputs.items() if known.get("default") is None}
    fitting = [name for name, known in asked.items() if known["dtype"] == "string" and len(known["shape"]) == 1]
    if len(asked) != 1 or not fitting:
        told = (
            ", ".join(f"{name} ({known['dtype']})" for name, known in asked.items()) or "nothing that has to be given"
        )
        raise ValueError(
            f"`inputs` (--input) must be tables ({', '.join(reading.TABLES)}) for the endpoint {endpoint}, which takes "
            f"{told}; files are for an endpoint that takes their bytes."
        )
    return fitting[0]


def fingerprints(files: Iterable[str], known: Mapping[str, dict]) -> list[dict]:
    """Returns the size, the time and the SHA-256 of files.

    Args:
        files: The files.
        known: By file what was returned before; one of the same size and time is not read again.

    Raises:
        OSError: A file cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "empty.csv")
        >>> path.touch()
        >>> fingerprints([str(path)], {})[0]["sha256"][:8]
        'e3b0c442'
    """

    def one(file):
        status = Path(file).stat()
        told = {"file": file, "bytes": status.st_size, "modified": status.st_mtime_ns}
        before = known.get(file, {})
        same = all(before.get(key) == told[key] for key in told)
        return {**told, "sha256": before["sha256"] if same else _digest(file)}

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, files))


def _digest(file):
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def model_digest(model: Path) -> str:
    """Returns the SHA-256 of what a saved model computes with: its graph, variables and assets, not its card.

    Example:
        >>> from kerasmlsp import exporting
        >>> len(model_digest(exporting.find("lenet_features")))
        64
    """
    places = [
        model / "saved_model.pb",
        *sorted((model / "variables").rglob("*")),
        *sorted((model / "assets").rglob("*")),
    ]
    told = [f"{path.relative_to(model).as_posix()} {_digest(path)}" for path in places if path.is_file()]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
