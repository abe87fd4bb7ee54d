"""Data from files, folders and TensorFlow Datasets, and the splits made of it.

Everything here returns plain Python or NumPy values or a `tf.data.Dataset`; pandas, TensorFlow and TFDS are imported
where they are used, so that importing this module costs nothing.
"""

import bz2
import contextlib
import difflib
import gzip
import hashlib
import io
import itertools
import json
import logging
import lzma
import queue
import re
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

_log = logging.getLogger("kerasmlsp")

_ENDINGS = ".csv, .tsv, .jsonl (or .json, .ndjson), each also with .gz, .bz2, .xz, .zip or .zst after it, or .parquet"
_COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")
_NETWORK_SECONDS = 1.8


def read_table(path, *, chunk_size: int | None = None):
    """Reads a table: CSV, TSV, JSON Lines or Parquet, the text formats also compressed.

    CSV and TSV carry no types, so every column is text: "NA", "null" and "001" stay as written, and only an empty cell
    is missing. JSON and Parquet values keep their own types. Text must be UTF-8, with or without a byte-order mark.

    Args:
        path: File, its format told by its ending: .csv, .tsv, .jsonl (.json, .ndjson), .parquet.
        chunk_size: Rows per chunk, at least 1; None for the whole table at once.

    Returns:
        A `pandas.DataFrame`; with `chunk_size` an iterator of them, which holds one chunk in memory at a time.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: `path` is a folder, has an unknown ending, is damaged, empty or not UTF-8, or its rows do not fit
            its header; while iterating where `chunk_size` is given.
    """
    if chunk_size is not None and (not isinstance(chunk_size, int) or chunk_size < 1):
        raise ValueError(f"`chunk_size` must be a positive integer or None. Received: {chunk_size!r}")
    path = _existing(path)
    if path.is_dir():
        raise ValueError(f"`path` must be a file ending in {_ENDINGS}, not a folder. Received: {path}")
    chunks = _checked(path, _chunks(path, chunk_size))
    if chunk_size is not None:
        return chunks
    [table] = chunks
    return table


def _existing(path, argument: str = "path") -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"`{argument}` must be there already: check its spelling. Received: {path}")
    return path


def _chunks(path: Path, chunk_size: int | None):
    ending = _endings(path)[0]
    if ending in (".csv", ".tsv"):
        return _delimited_chunks(path, chunk_size, "," if ending == ".csv" else "\t")
    if ending in (".json", ".jsonl", ".ndjson"):
        return _json_chunks(path, chunk_size)
    if ending == ".parquet" and path.suffix.lower() == ".parquet":
        return _parquet_chunks(path, chunk_size)
    raise ValueError(f"`path` must end in {_ENDINGS}. Received: {path}")


def _endings(path: Path) -> tuple[str, str]:
    """Returns the endings of the format and of the compression, either may be empty."""
    compression = path.suffix.lower() if path.suffix.lower() in _COMPRESSED else ""
    stem = path.with_suffix("") if compression else path
    return stem.suffix.lower(), compression


def _checked(path: Path, chunks):
    """Passes chunks on, says in one sentence what is wrong with the file, and refuses one without rows."""
    rows = 0
    with _explained(path):
        for chunk in chunks:
            rows += len(chunk)
            if rows:
                yield chunk
    if not rows:
        raise ValueError(f"`path` must hold at least one row below its header. Received: {path}, which holds none")


@contextlib.contextmanager
def _explained(path: Path):
    import pandas as pd

    damaged = f"`path` must be a whole file of the kind its ending says: fetch or pack it again. Received: {path}"
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(path)) from error
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"`path` must hold a header and rows. Received: {path}, which is empty") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise ValueError(f"{_ragged(error)}: quote cells that hold the separator. Received: {path}") from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise ValueError(f"{damaged} ({error})") from error
    except OSError as error:  # damaged gzip and bzip2 have no error number, full disks and permissions have
        if error.errno is not None:
            raise
        raise ValueError(f"{damaged} ({error})") from error


def _ragged(error: Exception) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if found:
        expected, row, saw = found.groups()
        return f"`path` must have {expected} cells in every row, but row {row} (the header is row 1) has {saw}"
    if "inside string" in str(error):
        row = re.search(r"row (\d+)", str(error))
        return f"`path` must close every quote, but one opened in row {int(row[1]) + 1 if row else '?'} stays open"
    return "`path` must have as many cells in every row as in its header"


def _not_utf8(path: Path) -> str:
    with _open_binary(path) as stream:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                place = f"line {number} has the byte 0x{line[error.start]:02x} at position {error.start + 1}"
                return (
                    f"`path` must be UTF-8 text: convert it, for example with "
                    f"`iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}`. Received: {path}, where {place}"
                )
    return f"`path` must be UTF-8 text. Received: {path}"


def _open_binary(path: Path):
    compression = _endings(path)[1]
    if compression == ".zip":
        return _open_zip(path)
    if compression == ".zst":
        return _open_zst(path)
    return {"": open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[compression](path, "rb")


def _open_zip(path: Path):
    archive = zipfile.ZipFile(path)
    members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if len(members) != 1:
        raise ValueError(f"`path` must hold one file where it is a .zip: unpack it. Received: {path}")
    return archive.open(members[0])


def _open_zst(path: Path):
    import pyarrow as pa

    # pyarrow and not zstandard: the latter takes a truncated file for a whole one, and would be one more package.
    return io.BufferedReader(pa.input_stream(path, compression="zstd"))


@contextlib.contextmanager
def _open_text(path: Path):
    with _open_binary(path) as stream:
        start = stream.read(4096)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        advice = f"convert it with `iconv -f utf-16 -t utf-8 {path.name} > utf8-{path.name}`"
        raise ValueError(f"`path` must be UTF-8 text, not UTF-16: {advice}. Received: {path}")
    if b"\0" in start:
        raise ValueError(f"`path` must be a table of text. Received: {path}, which holds binary data")
    with _open_binary(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
        yield text


def _delimited_chunks(path: Path, chunk_size: int | None, separator: str):
    import pandas as pd

    with _open_text(path) as text:
        # index_col=False: otherwise rows one cell longer than the header would silently become an index.
        options = {"dtype": str, "keep_default_na": False, "na_values": [""], "index_col": False}
        reader = pd.read_csv(text, sep=separator, iterator=True, **options)
        while True:
            with warnings.catch_warnings():  # a first row longer than the header is a warning in pandas, and loses data
                warnings.simplefilter("error", pd.errors.ParserWarning)
                try:
                    chunk = reader.read(chunk_size)
                except StopIteration:
                    return
            yield chunk
            if chunk_size is None:
                return


def _json_chunks(path: Path, chunk_size: int | None):
    import pandas as pd

    with _open_text(path) as text:
        rows = _json_rows(path, text)
        while part := list(itertools.islice(rows, chunk_size)):
            yield pd.DataFrame(part, dtype=object)  # object: otherwise one missing value turns the label 1 into 1.0


def _json_rows(path: Path, lines):
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            row = error
        if not isinstance(row, dict):
            advice = "one array is turned into lines by `jq -c '.[]'`"
            raise ValueError(
                f"`path` must hold one JSON object per line ({advice}). Received: {path}, "
                f"where line {number} is {line.strip()[:40]!r}"
            )
        yield row


def _parquet_chunks(path: Path, chunk_size: int | None):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without pre_buffer=False and a buffer size, pyarrow reads ahead until it holds the whole file.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20) as file:
            whole = [file.read()] if chunk_size is None else file.iter_batches(chunk_size)
            for part in whole:
                # Integers beside missing values would become floats, and the label 1 become 1.0.
                yield part.to_pandas(integer_object_nulls=True)
    except pa.ArrowInvalid as error:
        raise ValueError(f"`path` must be a whole Parquet file: fetch it again. Received: {path} ({error})") from error


def read_labelled_texts(
    path, *, text_column: str = "text", label_column: str = "label", split: str | None = None
) -> tuple[list[str], list[str]]:
    """Reads texts and their class labels from a table, or from a folder that has one subfolder per class.

    Rows or files whose text or label is missing or blank are left out, and their number is logged.

    Args:
        path: A table (see `read_table`), or a folder such as `neg/*.txt pos/*.txt`. The folder aclImdb of the Large
            Movie Review Dataset may be given as it is, with `split`; its unlabelled `unsup` is left out.
        text_column: Column of a table that holds the text.
        label_column: Column of a table that holds the label.
        split: "train" or "test" where `path` is a folder that holds both; otherwise None.

    Returns:
        Texts, and labels as text in the form they are written in: "001", "1" and "1.0" are three classes.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: A column, text or class is missing, or there are fewer than two classes.
    """
    path = _existing(path)
    if path.is_dir():
        rows = _folder_rows(_split_folder(path, split))
    elif split is not None:
        raise ValueError(f"`split` must be None where `path` is a file. Received: {split!r} for {path}")
    else:
        rows = _table_rows(path, text_column, label_column)
    texts, labels, left_out = [], [], 0
    for text, label in rows:
        if text.strip() and label.strip():
            texts.append(text)
            labels.append(label.strip())
        else:
            left_out += 1
    if left_out:
        _log.warning("Left out %d of %d rows of %s: no text or no label.", left_out, left_out + len(texts), path)
    _check_classes(path, labels)
    return texts, labels


def _check_classes(path: Path, labels: list[str]):
    if not labels:
        raise ValueError(f"`path` must hold rows with both text and label. Received: {path}, where every row lacks one")
    if len(classes := sorted(set(labels))) < 2:
        raise ValueError(
            f"`path` must hold at least two classes. Received: {path}, where every label is {classes[0]!r}"
        )


def _table_rows(path: Path, text_column: str, label_column: str):
    for chunk in read_table(path, chunk_size=50_000):
        for argument, column in (("text_column", text_column), ("label_column", label_column)):
            if column not in chunk.columns:
                option = "--" + argument.replace("_", "-")
                there = ", ".join(map(str, chunk.columns))
                raise ValueError(f"`{argument}` ({option}) must be a column of {path}: {there}. Received: {column!r}")
        yield from zip(_as_texts(chunk[text_column]), _as_texts(chunk[label_column]), strict=True)


def _as_texts(column) -> list[str]:
    values = column.astype(object).where(column.notna(), "").tolist()
    nested = next((value for value in values if isinstance(value, (list, dict, set, tuple, np.ndarray))), None)
    if nested is not None:
        raise ValueError(f"`path` must hold text or numbers in the column {column.name!r}. Received: {nested!r:.60}")
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def _split_folder(folder: Path, split: str | None) -> Path:
    inside = {entry.name for entry in folder.iterdir() if entry.is_dir()}
    if {"train", "test"} <= inside and split is None:
        raise ValueError(f"`path` must be {folder / 'train'} or {folder / 'test'}. Received: {folder}")
    if split is not None and split not in inside:
        there = ", ".join(sorted(inside)) or "it has none"
        raise ValueError(f"`split` must be a folder in {folder}: {there}. Received: {split!r}")
    return folder / split if split else folder


def _folder_rows(folder: Path):
    subfolders = (entry for entry in folder.iterdir() if entry.is_dir())
    classes = {entry.name: entry for entry in subfolders if not entry.name.startswith((".", "_"))}
    if {"neg", "pos", "unsup"} <= classes.keys():
        _log.info("Left out %s: its texts have no label.", classes.pop("unsup"))
    if not classes:
        raise ValueError(f"`path` must hold one folder of .txt files per class, as neg/ and pos/. Received: {folder}")
    for name, subfolder in sorted(classes.items()):
        files = sorted(subfolder.glob("*.txt"))
        if not files:
            raise ValueError(f"`path` must hold .txt files for every class. Received: {subfolder}, which has none")
        for file in files:
            yield _read_text(file), name


def _read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(_not_utf8(file)) from error


def load_tfds(name: str, split: str, *, manual_dir=None, data_dir=None):
    """Loads a data set of TensorFlow Datasets, prepared first where it is not yet.

    A prepared data set needs no network. Without a network it is prepared from the original files in `manual_dir`,
    whose published checksums are verified; with neither, this says so within two seconds, where TFDS itself tries again
    for minutes.

    Args:
        name: As in `tfds.load`, such as "imdb_reviews" or "fashion_mnist:3.0.1".
        split: As in `tfds.load`, such as "train" or "train[:10%]".
        manual_dir: Folder with the original files under their original names.
        data_dir: Folder of prepared data sets; default `~/tensorflow_datasets`.

    Returns:
        The `tf.data.Dataset` in its stored order, and its `tfds.core.DatasetInfo`.

    Raises:
        ConnectionError: The files have to be downloaded, and their hosts cannot be reached.
        FileNotFoundError: `manual_dir` lacks a file.
        ValueError: There is no such data set, version or split, or a file fails its checksum.
    """
    manual_dir = None if manual_dir is None else _existing(manual_dir, "manual_dir")
    builder = _tfds_builder(name, data_dir)
    if not builder.is_prepared():
        _prepare(builder, manual_dir)
    try:
        return builder.as_dataset(split=split), builder.info
    except (ValueError, KeyError, AssertionError) as error:
        splits = ", ".join(builder.info.splits)
        raise ValueError(
            f"`split` must be {splits} or a part of one ({_reason(error)}). Received: {split!r}"
        ) from error


def _tfds_builder(name: str, data_dir):
    import tensorflow_datasets as tfds

    try:
        if tfds.core.naming.parse_builder_name_kwargs(name)[0].namespace:  # NAMESPACE:NAME is looked up in the network
            _require_network(name, [_host("https://storage.googleapis.com")])
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(_unknown_name(name)) from error
    except (ValueError, AssertionError) as error:
        forms = "NAME, NAME/CONFIG or NAME:VERSION"
        raise ValueError(f"`name` must be {forms} ({_reason(error)}). Received: {name!r}") from error


def _reason(error: Exception) -> str:
    """Returns the first sentence of what TFDS says, without the call that it puts before it."""
    lines = str(error).strip().splitlines() or ["no reason given"]
    reason = re.sub(r"^Failed to construct dataset .*\}\": ", "", lines[0])
    return re.split(r"\. |[.:]$", reason)[0].rstrip()


def _unknown_name(name: str) -> str:
    import tensorflow_datasets as tfds

    names = tfds.list_builders(with_community_datasets=False)
    close = [known for known in names if name and name in known]
    close = list(dict.fromkeys(difflib.get_close_matches(name, names) + close))[:5] or ["imdb_reviews", "fashion_mnist"]
    return f"`name` must be a data set of TensorFlow Datasets, such as {', '.join(close)}. Received: {name!r}"


def _prepare(builder, manual_dir: Path | None):
    import tensorflow as tf
    import tensorflow_datasets as tfds

    hosts = _hosts(builder)
    if manual_dir is None:
        _require_network(builder.name, hosts)
    elif not _any_reachable(hosts):
        _refuse_downloads(builder, manual_dir)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(manual_dir=manual_dir, try_download_gcs=False)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # TFDS prints; stdout is for results
            builder.download_and_prepare(download_config=config)
    except tfds.core.download.download_manager.NonMatchingChecksumError as error:
        path = re.search(r"downloaded to (.*), has wrong checksum", str(error))
        raise ValueError(
            f"`manual_dir` must hold the original files, as their checksums tell: fetch them again. "
            f"Received: {path[1] if path else manual_dir}, which is another file than the published one"
        ) from error
    except tfds.download.DownloadError as error:
        raise ConnectionError(f"{error} {_no_network(builder.name, hosts)}") from error
    except (AssertionError, tf.errors.NotFoundError) as error:
        if not builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            raise
        raise FileNotFoundError(_by_hand(builder, manual_dir)) from error


def _by_hand(builder, manual_dir: Path | None) -> str:
    instructions = " ".join(builder.MANUAL_DOWNLOAD_INSTRUCTIONS.split())
    return f"`manual_dir` (--manual-dir) must hold the files of {builder.name}: {instructions} Received: {manual_dir}"


def _no_network(name: str, hosts) -> str:
    return (
        f"{name} is not prepared here and {hosts[0][0]} cannot be reached: give your own file or folder (--data), the "
        f"folder of its original files (--manual-dir DIR), or try again with a network."
    )


def _require_network(name: str, hosts):
    if not _any_reachable(hosts):
        raise ConnectionError(_no_network(name, hosts))


def _refuse_downloads(builder, manual_dir: Path):
    """Makes a builder stop at the first file that is not in `manual_dir`, instead of trying to download it for minutes.

    Which files a configuration needs is known only to its code, so downloads are refused where they would start. The
    two names are private in TFDS: were they to change, it would merely try the network again.
    """
    make_manager = builder._make_download_manager

    def refuse(resource):
        known = builder.url_infos.get(resource.url)
        file = (known and known.filename) or resource.url.rpartition("/")[2]
        advice = f"fetch it from {resource.url}"
        raise FileNotFoundError(f"`manual_dir` must hold {file}: {advice}. Received: {manual_dir}")

    def make_offline_manager(**arguments):
        manager = make_manager(**arguments)
        manager._download = refuse
        return manager

    builder._make_download_manager = make_offline_manager


def _hosts(builder) -> list[tuple[str, int]]:
    """Returns up to four hosts that hold the files of a builder, or the proxies that stand before them."""
    urls = list(builder.url_infos or ()) or ["https://storage.googleapis.com"]
    return list(dict.fromkeys(map(_host, urls)))[:4]


def _host(url: str) -> tuple[str, int]:
    parts = urllib.parse.urlsplit(url)
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    default_port = {"https": 443, "ftp": 21}.get(parts.scheme, 80)
    return parts.hostname or "localhost", parts.port or default_port


def _any_reachable(hosts) -> bool:
    """Whether one of the hosts answers in time; in threads, as looking a name up has no time limit of its own."""
    answers = queue.SimpleQueue()

    def connect(address):
        try:
            socket.create_connection(address, timeout=_NETWORK_SECONDS).close()
            answers.put(True)
        except OSError:
            answers.put(False)

    for address in hosts:
        threading.Thread(target=connect, args=(address,), daemon=True).start()
    end = time.monotonic() + _NETWORK_SECONDS
    with contextlib.suppress(queue.Empty):
        return any(answers.get(timeout=max(0.0, end - time.monotonic())) for _ in hosts)
    return False


def fingerprint(*sources) -> str:
    """Returns 16 hexadecimal digits of the SHA-256 of data, to tell in a run whether it is still the same.

    Args:
        *sources: Paths of files or folders, NumPy arrays, or iterables of strings or numbers. A folder counts with the
            names and contents of all its files.

    Raises:
        FileNotFoundError: There is no such file or folder.
    """
    digest = hashlib.sha256()
    for source in sources:
        if isinstance(source, np.ndarray) and source.dtype != object:
            _add(digest, f"{source.dtype.str}{source.shape}".encode(), np.ascontiguousarray(source).tobytes())
        elif isinstance(source, (str, Path)):
            _add_path(digest, _existing(source))
        else:
            _add(digest, *(str(value).encode("utf-8", "surrogatepass") for value in source))
        digest.update(b"/")
    return digest.hexdigest()[:16]


def _add(digest, *parts: bytes):
    for part in parts:  # with lengths, so that ["ab", "c"] differs from ["a", "bc"]
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)


def _add_path(digest, path: Path):
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        _add(digest, file.relative_to(path).as_posix().encode())
        with open(file, "rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())


def split_indices(labels, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Holds out a part of every class.

    Args:
        labels: Label of each example, `(examples,)`.
        fraction: Part of every class that is held out, between 0 and 1, rounded to at least one example on either side.
        seed: Decides which examples; the same seed and labels give the same split on every machine.

    Returns:
        Indices to train on and indices to validate on, each sorted.

    Raises:
        ValueError: `fraction` is out of range, or a class has fewer than two examples.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"`fraction` must be between 0 and 1, both excluded. Received: {fraction!r}")
    classes, codes, counts = np.unique(np.asarray(labels), return_inverse=True, return_counts=True)
    if len(classes) == 0 or counts.min() < 2:
        rare = ", ".join(str(name) for name in classes[counts < 2]) or "no labels at all"
        raise ValueError(f"`labels` must hold at least two examples of every class. Received: too few of {rare}")
    generator = np.random.default_rng(seed)
    held_out = np.zeros(len(codes), bool)
    for code, count in enumerate(counts):
        size = min(max(round(fraction * count), 1), count - 1)
        held_out[generator.permutation(np.flatnonzero(codes == code))[:size]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def without(texts, other_texts=()) -> np.ndarray:
    """Returns the indices of texts that are first of their kind and do not occur in `other_texts`.

    Texts that differ in case or white space only count as the same: so duplicates within a split and across splits go.

    Args:
        texts: Strings to choose from.
        other_texts: Strings that must not be among the chosen, such as those of the test set.
    """
    seen = {_normalised(text) for text in other_texts}
    kept = []
    for index, text in enumerate(texts):
        key = _normalised(text)
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return np.array(kept, dtype=np.int64)


def _normalised(text: str) -> bytes:
    # Digests instead of texts: the reviews need not be held a second time.
    return hashlib.blake2b(" ".join(text.split()).casefold().encode("utf-8", "surrogatepass"), digest_size=16).digest()
