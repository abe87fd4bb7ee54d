"""The versions of one model: which are wanted, in which state each is, and what to load and to unload next.

The rules are TensorFlow Serving's: a new version is available before the old one goes, a load that failed is tried
again while the old version stays, and a label moves once its version is available.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kerasmlsp.serving.configuring import ModelConfig
from kerasmlsp.serving.errors import ServingError

ACTIVE = ("START", "LOADING", "AVAILABLE", "UNLOADING")
# Attributes in the bytes of a graph: `_XlaMustCompile: true`, and `T: DT_...`, which most operations have one of.
_COMPILED, _OPERATION = b"\x0a\x0f_XlaMustCompile\x12\x02\x28\x01", b"\x0a\x01T\x12\x02\x30"


@dataclasses.dataclass(eq=False)
class Version:
    """One version of a model.

    Args:
        model: Name of the model.
        number: Number of the version.
        path: Its folder.
        state: `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`.
        error_code: Name of the gRPC code of what went wrong last, or `"OK"`.
        error_message: What went wrong last.
        failures: Loads that have failed one after another.
        retry_at: Time of the loop at which to load again; None for no time.
        stamp: What `stamp` said of the folder last.
        cost: What `cost` said of it first.
        has_changed: Whether that has changed since the last load failed.
        servable: What answers requests, while `AVAILABLE`.

    Example:
        >>> Version("sentiment", 1, Path("saved_models/sentiment/1")).status()["state"]
        'START'
    """

    model: str
    number: int
    path: Path
    state: str = "START"
    error_code: str = "OK"
    error_message: str = ""
    failures: int = 0
    retry_at: float | None = None
    stamp: tuple[int, int] = (0, 0)
    cost: tuple[bool, int] = (False, 0)
    has_changed: bool = False
    servable: Any = None

    def status(self) -> dict[str, Any]:
        """Returns `version`, `state`, `error_code` and `error_message`."""
        return {
            "version": self.number,
            "state": self.state,
            "error_code": self.error_code,
            "error_message": self.error_message,
        }

    def move(self, state: str, code: str = "OK", message: str = "") -> None:
        """Enters a state."""
        self.state, self.error_code, self.error_message = state, code, message

    def failed(self, code: str, message: str, retry_at: float | None) -> None:
        """Ends, since a load has failed; at `retry_at` it is to be tried again."""
        self.move("END", code, message)
        self.servable, self.retry_at, self.has_changed = None, retry_at, False
        self.failures += 1

    def seen(self, now: tuple[int, int]) -> None:
        """Takes up what `stamp` says now: files that change after a failure, and rest then, are tried again."""
        if self.has_failed() and self.stamp != now:
            self.has_changed = True
        elif self.has_changed:
            self.retry_at, self.has_changed = 0.0, False
        self.stamp = now

    def has_failed(self) -> bool:
        """Whether it has ended since it could not be loaded."""
        return self.state == "END" and self.error_code != "OK"


def stamp(path: Path) -> tuple[int, int]:
    """Returns the time of the newest file in a folder, in nanoseconds, and the bytes of all; zeros if it is gone.

    Example:
        >>> stamp(Path("no/such/folder"))
        (0, 0)
    """
    try:
        files = [each.stat() for each in path.rglob("*") if each.is_file()]
    except OSError:
        return 0, 0
    return max((each.st_mtime_ns for each in files), default=0), sum(each.st_size for each in files)


def cost(path: Path) -> tuple[bool, int]:
    """Returns what sorts versions by how long they take to load and warm up: the quick ones come first.

    Returns:
        Whether XLA compiles a part of it, which takes longest by far, and about how many operations it has: TensorFlow
        imports and optimises each, while weights are only read.

    Example:
        >>> from kerasmlsp.exporting import loading
        >>> names = "chargen", "gesture", "gan"
        >>> sorted(names, key=lambda name: cost(loading.find(name, models=loading.shipped())))
        ['gan', 'gesture', 'chargen']
    """
    try:
        graph = (path / "saved_model.pb").read_bytes()
    except OSError:  # its load will tell
        return False, 0
    return _COMPILED in graph, graph.count(_OPERATION)


class Model:
    """The versions of one model.

    Args:
        config: What to serve.
        kept: How many versions that have ended are listed on.
        early_labels: Whether a label may name a version that is not available.

    Example:
        >>> model = Model(ModelConfig("sentiment", Path("saved_models/sentiment")))
        >>> model.found({1: Path("saved_models/sentiment/1")})
        >>> [version.number for version in model.to_load(now=0.0)]
        [1]
    """

    def __init__(self, config: ModelConfig, kept: int = 10, early_labels: bool = False):
        self.config = config
        self.versions: dict[int, Version] = {}
        self.labels: dict[str, int] = {}
        self._wanted: set[int] = set()
        self._kept, self._early_labels = kept, early_labels

    def found(self, folders: Mapping[int, Path]) -> None:
        """Takes up which versions there are."""
        before, self._wanted = self._wanted, self.config.wanted(folders)
        for number in self._wanted:
            there = self.versions.get(number)
            # One that has failed stays as it is until its folder has gone and come again.
            if there is None or (there.state == "END" and (there.error_code == "OK" or number not in before)):
                self.versions[number] = Version(self.config.name, number, folders[number])

    def to_load(self, now: float) -> list[Version]:
        """Returns the versions to load now, the highest first."""
        return [
            each
            for each in self._by_number()
            if each.number in self._wanted
            and (each.state == "START" or (each.has_failed() and each.retry_at is not None and now >= each.retry_at))
        ]

    def failures(self) -> list[Version]:
        """Returns the versions that are wanted and could not be loaded."""
        return [each for each in self.versions.values() if each.number in self._wanted and each.has_failed()]

    def to_unload(self) -> list[Version]:
        """Returns the versions that are available, not wanted, and no longer needed until others are available."""
        waiting = self._wanted and not any(self._is_available(number) for number in self._wanted)
        surplus = [each for each in self.versions.values() if each.number not in self._wanted]
        # Those that are still to be loaded need not be.
        for each in surplus:
            if each.state == "START":
                each.move("END")
        return [] if waiting else [each for each in surplus if each.state == "AVAILABLE"]

    def settle(self) -> list[Version]:
        """Moves labels to versions that have become available; drops and returns the oldest that have ended."""
        self._move_labels()
        ended = [each for each in self._by_number() if each.state == "END" and each.number not in self._wanted]
        dropped = ended[self._kept :]
        for each in dropped:
            del self.versions[each.number]
        return dropped

    def status(self, number: int | None = None) -> list[dict[str, Any]]:
        """Returns the status of all versions, or of one, the highest first.

        Raises:
            ServingError: If there is none (`NOT_FOUND`).
        """
        if number is None and not self.versions:
            raise ServingError("NOT_FOUND", f"Could not find any versions of model {self.config.name}")
        if number is not None and number not in self.versions:
            raise ServingError("NOT_FOUND", f"Could not find version {number} of model {self.config.name}")
        return [each.status() for each in self._by_number() if number in (None, each.number)]

    def servable(self, number: int | None = None, label: str | None = None) -> Any:
        """Returns what answers requests to a version, by default to the highest that is available.

        Raises:
            ServingError: If there is none (`NOT_FOUND`), it is being loaded (`UNAVAILABLE`), or there is no such label
                (`INVALID_ARGUMENT`).
        """
        if label is not None:
            self._move_labels()
            number = self.labels.get(label, self.config.labels.get(label))
            if label not in self.labels and not self._is_coming(number):
                raise ServingError("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
        there = [each for each in self._by_number() if number in (None, each.number)]
        for each in there:
            if each.state == "AVAILABLE":
                return each.servable
        if any(each.state in ("START", "LOADING") for each in there):
            which = "" if number is None else f" of version {number}"
            message = f"Model {self.config.name} is being loaded{which}, ask again later"
            raise ServingError("UNAVAILABLE", message, retry_after=1)
        raise not_found(self.config.name, number)

    def is_ready(self) -> bool:
        """Whether a version is available."""
        return any(map(self._is_available, self.versions))

    def is_over(self) -> bool:
        """Whether no version is or will be loaded."""
        return not any(each.state in ACTIVE for each in self.versions.values())

    def _is_coming(self, number):
        return number in self.versions and self.versions[number].state in ("START", "LOADING")

    def _move_labels(self):
        for label, number in self.config.labels.items():
            if self._early_labels or self._is_available(number):
                self.labels[label] = number
        self.labels = {label: number for label, number in self.labels.items() if label in self.config.labels}

    def _is_available(self, number):
        version = self.versions.get(number)
        return version is not None and version.state == "AVAILABLE"

    def _by_number(self):
        return [self.versions[number] for number in sorted(self.versions, reverse=True)]


def not_found(name: str, number: int | None = None) -> ServingError:
    """Returns the error of a model or version that is not served, in TensorFlow Serving's words.

    Example:
        >>> str(not_found("sentiment", 7))
        'Servable not found for request: Specific(sentiment, 7)'
    """
    which = f"Latest({name})" if number is None else f"Specific({name}, {number})"
    return ServingError("NOT_FOUND", f"Servable not found for request: {which}")
