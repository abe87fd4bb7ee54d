"""Which models are served: folders of them, or TensorFlow Serving's own configuration files (text protos)."""

import dataclasses
import functools
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kerasmlsp.serving.protos import message_classes

# tensorflow_serving/config/model_server_config.proto, sources/storage_path/file_system_storage_path_source.proto and
# servables/tensorflow/session_bundle_config.proto.
_MESSAGES = {
    "Sampling": {"sampling_rate": (1, "string")},
    "Latest": {"num_versions": (1, "uint32")},
    "All": {},
    "Specific": {"versions": (1, "repeated int64")},
    "Policy": {"latest": (100, "Latest"), "all": (101, "All"), "specific": (102, "Specific")},
    "Label": {"key": (1, "string"), "value": (2, "int64")},
    "Model": {
        "name": (1, "string"),
        "base_path": (2, "string"),
        "model_platform": (4, "string"),
        "model_version_policy": (7, "Policy"),
        "version_labels": (8, "repeated Label"),
    },
    "Models": {"config": (1, "repeated Model")},
    "Server": {"model_config_list": (1, "Models")},
    "Number": {"value": (1, "int64")},
    "Name": {"value": (1, "string")},
    "Batching": {
        "max_batch_size": (1, "Number"),
        "batch_timeout_micros": (2, "Number"),
        "max_enqueued_batches": (3, "Number"),
        "num_batch_threads": (4, "Number"),
        "thread_pool_name": (5, "Name"),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
    },
}
_LARGEST = 2**63 - 1
# What runs a worker; the descriptor of its socket and the number of its threads are added.
COMMAND = (sys.executable, "-m", "kerasmlsp.serving.starting")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model to serve.

    Args:
        name: Name in URLs.
        base_path: Folder that holds a folder for each version.
        latest: How many of the highest versions are served; 0 for all.
        specific: The versions that are served, whatever there is besides; empty to go by `latest`.
        labels: Version by label.

    Example:
        >>> ModelConfig("sentiment", Path("saved_models/sentiment"), latest=2).wanted([1, 2, 3])
        {2, 3}
    """

    name: str
    base_path: Path
    latest: int = 1
    specific: frozenset[int] = frozenset()
    labels: dict[str, int] = dataclasses.field(default_factory=dict)

    def wanted(self, found: Iterable[int]) -> set[int]:
        """Returns the versions to serve of those that were found."""
        numbers = sorted(found)
        if self.specific:
            return set(self.specific.intersection(numbers))
        return set(numbers[-self.latest :] if self.latest else numbers)


@dataclasses.dataclass(frozen=True)
class Limits:
    """How the requests to a model are put together.

    Args:
        batch: Rows that are taken out of the queue at once.
        piece: Rows that run together at most.
        queue: Requests that may wait.
        threads: Pieces that may run at once, None for as many as the worker has threads.
        sizes: Rows that a piece may have, rising: one in between is filled up with its last row. Empty for any.

    Example:
        >>> Limits(piece=4, sizes=(1, 2, 4)).padded(3)
        4
    """

    batch: int = 64
    piece: int = 32
    queue: int = 4096
    threads: int | None = None
    sizes: tuple[int, ...] = ()

    def padded(self, rows: int) -> int:
        """Returns how many rows a piece of `rows` rows runs with."""
        return next((size for size in self.sizes if size >= rows), rows)


@dataclasses.dataclass(frozen=True)
class EngineSettings:
    """What to serve and how.

    Args:
        models: Folders of models, as `saved_models`: each folder in them that holds a version. The first with a name
            counts. They are looked through again and again, so that models may come and go.
        config_file: Model configuration file of TensorFlow Serving, instead of `models`.
        isolate: Whether each model has a worker of its own. Otherwise the versions that are there at the start share
            one. A version that comes later always has its own.
        threads: Batches that a worker runs at a time, each on one core; and as many besides of those that take long.
        poll_seconds: How often the folders are looked through.
        config_poll_seconds: How often the configuration file is read again; 0 for never.
        load_retries: How often a load that failed is tried again.
        retry_seconds: Seconds between two tries. Where the files have changed it is tried again at once.
        early_labels: Whether a label may name a version that is not available.
        limits: How requests are put together, for all models.
        limits_by_version: Whether `batching_params.pbtxt` in the folder of a version changes `limits` for it.
        kept_versions: How many versions that have ended are listed on, for each model.
        linger_seconds: How long a version that is to go waits for further requests of those who have a handle.
        command: What runs a worker.

    Raises:
        ValueError: If neither or both of `models` and `config_file` are given, or `threads` is not positive.

    Example:
        >>> EngineSettings(models=(Path("saved_models"),), threads=2).poll_seconds
        1.0
    """

    models: tuple[Path, ...] = ()
    config_file: Path | None = None
    isolate: bool = False
    threads: int = min(2, os.cpu_count() or 1)
    poll_seconds: float = 1.0
    config_poll_seconds: float = 0.0
    load_retries: int = 5
    retry_seconds: float = 60.0
    early_labels: bool = False
    limits: Limits = dataclasses.field(default_factory=Limits)
    limits_by_version: bool = False
    kept_versions: int = 10
    linger_seconds: float = 1.0
    command: tuple[str, ...] = COMMAND

    def __post_init__(self) -> None:
        if bool(self.models) == bool(self.config_file):
            given = self.models and self.config_file
            raise ValueError(
                f"One of `models` and `config_file` must be given. Received: {'both' if given else 'neither'}"
            )
        if self.threads < 1:
            raise ValueError(f"`threads` must be 1 or more. Received: {self.threads}")


def find_versions(base_path: Path) -> dict[int, Path]:
    """Returns the folders of a model's versions: those whose names are decimal numbers of at most 63 bits.

    Returns:
        Path by number.

    Raises:
        OSError: If the folder is not there or cannot be read, which does not mean that its versions are gone.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("1", "02", "-3", "4.old", "9" * 19):
        ...     (folder / name).mkdir()
        >>> sorted(find_versions(folder))
        [1, 2]
    """
    with os.scandir(base_path) as entries:
        names = [each.name for each in entries if re.fullmatch("[0-9]+", each.name) and each.is_dir()]
    # Of 1 and 01, the plain one.
    ordered = sorted(names, key=len, reverse=True)
    return {int(name): Path(base_path, name) for name in ordered if int(name) <= _LARGEST}


def find_models(folders: Iterable[Path]) -> dict[str, ModelConfig]:
    """Returns the models in folders: each folder in them that holds a version. The first folder with a name counts.

    Raises:
        OSError: If a folder is not there or cannot be read.

    Example:
        >>> from kerasmlsp.exporting import loading
        >>> find_models([loading.shipped()])["sentiment"].latest
        1
    """
    found: dict[str, ModelConfig] = {}
    for folder in folders:
        for base in sorted(each for each in folder.iterdir() if each.is_dir()):
            if base.name not in found and find_versions(base):
                found[base.name] = ModelConfig(base.name, base)
    return found


def read_models(path: Path) -> dict[str, ModelConfig]:
    """Returns the models that a model configuration file of TensorFlow Serving names.

    A `base_path` that is not absolute is taken from the file's folder. A file that holds nothing is refused: it may be
    about to be written.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no `ModelServerConfig` in text form, or a value in it is not allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "models.config")
        >>> _ = path.write_text('model_config_list { config { name: "a" base_path: "/models/a" } }')
        >>> read_models(path)["a"].base_path
        PosixPath('/models/a')
    """
    found: dict[str, ModelConfig] = {}
    message = _parse(path, "Server")
    if not message.ListFields():
        raise ValueError(f"{path}: there must be a `model_config_list`, with no `config` in it to serve none.")
    for each in message.model_config_list.config:
        if not each.name or not each.base_path:
            raise ValueError(f"{path}: each `config` must have a `name` and a `base_path`. Received: {str(each)!r}")
        if each.name in found:
            raise ValueError(f"{path}: `name` must be another in each `config`. Received: {each.name!r} twice")
        if each.model_platform not in ("", "tensorflow"):
            raise ValueError(f'{path}: `model_platform` must be "tensorflow". Received: {each.model_platform!r}')
        found[each.name] = ModelConfig(
            each.name, path.parent / each.base_path, labels=_labels(path, each), **_policy(path, each)
        )
    return found


def _policy(path, config) -> dict[str, Any]:
    policy = config.model_version_policy
    given = [field.name for field, _ in policy.ListFields()]
    if len(given) > 1:
        raise ValueError(f"{path}: `model_version_policy` must be one of latest, all, specific. Received: {given}")
    if given == ["all"]:
        return {"latest": 0}
    if given == ["specific"]:
        if not policy.specific.versions:
            raise ValueError(f"{path}: `specific` must name one or more `versions`. Received: none")
        return {"specific": frozenset(policy.specific.versions)}
    return {"latest": policy.latest.num_versions or 1}


def _labels(path, config):
    for each in config.version_labels:
        if not re.fullmatch("[a-zA-Z0-9_]+", each.key):
            raise ValueError(f"{path}: a label must be of letters, digits and _. Received: {each.key!r}")
    return {each.key: each.value for each in config.version_labels}


def read_limits(path: Path, limits: Limits | None = None) -> Limits:
    """Returns the limits in a batching file of TensorFlow Serving.

    `batch_timeout_micros` says nothing here, since no batch waits for a time, nor does `thread_pool_name`.

    Args:
        path: The file, text form of `BatchingParameters`.
        limits: What holds where the file is silent, by default `Limits()`.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no `BatchingParameters` in text form, or a value in it is not allowed.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "batching_params.pbtxt")
        >>> _ = path.write_text("max_batch_size { value: 8 } max_enqueued_batches { value: 10 }")
        >>> read_limits(path)
        Limits(batch=16, piece=8, queue=80, threads=None, sizes=())
    """
    parsed, limits = _parse(path, "Batching"), limits or Limits()
    changed: dict[str, Any] = {}
    for name in ("max_batch_size", "max_enqueued_batches", "num_batch_threads"):
        if parsed.HasField(name) and getattr(parsed, name).value < 1:
            raise ValueError(f"{path}: `{name}` must be 1 or more. Received: {getattr(parsed, name).value}")
    if parsed.pad_variable_length_inputs:
        raise ValueError(f"{path}: `pad_variable_length_inputs` must be false, such inputs run alone. Received: true")
    if parsed.HasField("max_batch_size"):
        changed = {"piece": parsed.max_batch_size.value, "batch": 2 * parsed.max_batch_size.value}
    if parsed.HasField("max_enqueued_batches"):
        changed["queue"] = parsed.max_enqueued_batches.value * changed.get("piece", limits.piece)
    if parsed.HasField("num_batch_threads"):
        changed["threads"] = parsed.num_batch_threads.value
    if sizes := tuple(parsed.allowed_batch_sizes):
        if list(sizes) != sorted(set(sizes)) or sizes[0] < 1 or sizes[-1] != changed.get("piece", limits.piece):
            raise ValueError(
                f"{path}: `allowed_batch_sizes` must rise from 1 or more to max_batch_size. Received: {list(sizes)}"
            )
        changed["sizes"] = sizes
    return dataclasses.replace(limits, **changed)


@functools.cache
def _classes():
    return message_classes(_MESSAGES)


def _parse(path, message):
    from google.protobuf import text_format

    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), _classes()[message]())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as TensorFlow Serving's configuration: {error}") from error
