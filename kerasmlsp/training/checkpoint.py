"""What a checkpoint holds, and the callback that writes it and takes it up again."""

import contextlib
import csv
import json
import logging
import math
import os
import time
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import distribution
from kerasmlsp.files import write_atomically
from kerasmlsp.training import selection
from kerasmlsp.training._states import (
    _assign,
    _attributes,
    _averages,
    _forget,
    _groups,
    _synchronise,
    _unpacked,
    _value,
    to_numbers,
)
from kerasmlsp.training.runs import CHECKPOINT
from kerasmlsp.training.settings import Settings

log = logging.getLogger("kerasmlsp")
HISTORY, CURVES = "history.csv", "curves.png"
# What zip, NumPy and JSON raise for a file that was cut off or changed.
_DAMAGES = (OSError, ValueError, KeyError, TypeError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def best_row(run: str | os.PathLike) -> dict[str, Any]:
    """Returns the row of `history.csv` of the epoch whose weights were kept.

    Raises:
        FileNotFoundError: There is no run in the folder.
        ValueError: The run has no whole epoch yet, or its checkpoint is damaged.

    Example:
        >>> import tempfile
        >>> rows = [{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.9}]
        >>> state = {**dict.fromkeys(Keeper.STATE), "rows": rows, "best_epoch": 1}
        >>> run = tempfile.mkdtemp()
        >>> np.savez(f"{run}/checkpoint.npz", state=json.dumps(state))
        >>> best_row(run)
        {'epoch': 1, 'loss': 0.7}
    """
    path = Path(run) / CHECKPOINT
    if not path.exists():
        raise FileNotFoundError(f"There is no checkpoint in {run}: train a run first, or name another with `--run`.")
    state = read_state(path)
    if not state["rows"]:
        raise ValueError(f"The run {run} was stopped in its first epoch: go on with it by `--resume`.")
    return next(row for row in state["rows"] if row["epoch"] == state["best_epoch"])


def read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the state and the arrays of a checkpoint.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "checkpoint.npz")
        >>> _ = path.write_bytes(b"half of one")
        >>> read(path)
        Traceback (most recent call last):
        ValueError: The checkpoint ...checkpoint.npz is damaged: delete the run's folder and start again.
    """
    with _opened(path) as file:
        arrays = dict(file)
        return _state(arrays.pop("state")), arrays


def read_state(path: str | Path) -> dict[str, Any]:
    """Returns the state of a checkpoint without reading its arrays.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "checkpoint.npz")
        >>> np.savez(path, state=json.dumps({**dict.fromkeys(Keeper.STATE), "epoch": 2}))
        >>> read_state(path)["epoch"]
        2
    """
    with _opened(path) as file:
        return _state(file["state"])


def _state(text):
    state = {"callbacks": [], **json.loads(str(text))}
    return {name: state[name] for name in ("callbacks", *Keeper.STATE)}


@contextlib.contextmanager
def _opened(path):
    """A checkpoint's archive, with what goes wrong in it as one sentence."""
    try:
        # Opened here, since np.load leaves open what is no archive.
        with open(path, "rb") as opened, np.load(opened) as file:
            yield file
    except PermissionError:
        raise
    except _DAMAGES as error:
        raise ValueError(f"The checkpoint {path} is damaged: delete the run's folder and start again.") from error


class Keeper(keras.callbacks.Callback):
    """Selects the best epoch, stops early, and writes log and checkpoint.

    `epoch` and `step` say how much of the run is done, `rows` is the log, and `best_values` are the variables of the
    best epoch, averaged where the optimizer averages.

    Example:
        >>> from kerasmlsp.training import Run, Settings
        >>> keeper = Keeper(Run("runs/mine"), Settings(epochs=2), monitored=True, seconds=30.0, callbacks=[])
        >>> keeper.finished()
        False
    """

    STATE = ("epoch", "step", "rows", "best", "best_epoch", "waited", "stopped")
    best: float | None
    best_values: list[np.ndarray] | None
    begun: Any

    def __init__(
        self,
        run: Any,
        settings: Settings,
        monitored: bool,
        seconds: float,
        callbacks: Sequence[keras.callbacks.Callback],
    ):
        super().__init__()
        self.run, self.settings, self.seconds = run, settings, seconds
        self.monitor = settings.monitor if monitored else None
        self.epoch = self.step = self.waited = self.resumed_step = 0
        self.rows, self.best, self.best_epoch, self.stopped = [], None, None, False
        self.best_values, self.metric_values, self.written = None, None, time.monotonic()
        # The caller's callbacks, what they were when training began, and what they become again.
        self.callbacks, self.begun, self.restored = callbacks, None, []

    def finished(self) -> bool:
        """Whether all epochs are done, or training was stopped."""
        return self.stopped or self.epoch >= self.settings.epochs  # type: ignore[operator]

    def on_train_begin(self, logs=None):
        if self.begun is None:
            self.begun = [_attributes(each, {}) for each in self.callbacks]
        for callback, attributes in zip(self.callbacks, self.restored, strict=False):
            for name, value in attributes.items():
                setattr(callback, name, value)
        self.restored = []

    def on_epoch_begin(self, epoch, logs=None):
        self.resumed_step = self.step
        # fit() resets the metrics before this call, so this is where those of a broken-off epoch come back.
        if self.metric_values is not None:
            _assign(self.model.metrics_variables, self.metric_values, self.run)
            self.metric_values = None
        if not self.step:
            _forget(self.model)

    def on_train_batch_end(self, batch, logs=None):
        self.step = self.resumed_step + batch + 1
        # After the last batch there would be nothing to go on with; the checkpoint of the whole epoch follows.
        more = batch + 1 < self.params["steps"] and distribution.leads()
        if more and time.monotonic() - self.written >= self.seconds:
            _synchronise(self.model)
            self.save(metrics=self.model.metrics_variables)

    def on_test_begin(self, logs=None):
        _synchronise(self.model)
        self.raw = [(variable, _value(variable)) for variable, _ in _averages(self.model)]
        for variable, average in _averages(self.model):
            # By way of NumPy: on JAX both would share an array, which the compiled step takes for its own.
            variable.assign(_value(average))

    def on_test_end(self, logs=None):
        _synchronise(self.model)
        for variable, value in self.raw:
            variable.assign(value)

    def on_epoch_end(self, epoch, logs=None):
        _synchronise(self.model)
        to_numbers(logs)
        logs = dict(logs or {})
        if bad := next((name for name, value in logs.items() if not math.isfinite(value)), None):
            raise ValueError(
                f"Training diverged in epoch {epoch + 1}: {bad} is {logs[bad]}. Try a smaller learning rate or "
                "gradient clipping."
            )
        rate = float(_value(self.model.optimizer.learning_rate))
        self.rows.append({"epoch": epoch + 1, **logs, "learning_rate": rate})
        self._select(epoch, logs)
        # The wish of another callback to stop is kept, too: a resumed run stops where one never killed does.
        stopped = self.stopped or bool(self.model.stop_training)
        # Callbacks of several processes may not be of one mind.
        self.stopped = self.model.stop_training = distribution.from_leader(lambda: stopped)
        self.epoch, self.step = epoch + 1, 0
        if distribution.leads():
            write_atomically(self.run / HISTORY, self._write_rows)
            self.save()

    def draw(self) -> None:
        """Draws the log."""
        draw_curves(self.rows, self.run / CURVES)

    def restore_best(self, model: keras.Model) -> None:
        """Gives a model the variables of the best epoch."""
        if self.best_values is not None:
            _assign(model.variables, self.best_values, self.run)

    def save(self, metrics: Iterable[Any] = ()) -> None:
        """Writes the checkpoint; `metrics` are the running ones of an epoch that is not over."""
        groups = {**_groups(self.model), "best": self.best_values or (), "metrics": metrics}
        arrays: dict[str, Any] = {
            f"{name}.{i}": _value(value) for name, values in groups.items() for i, value in enumerate(values)
        }
        state = {name: getattr(self, name) for name in self.STATE}
        arrays["state"] = np.array(json.dumps({**state, "callbacks": self._changed(arrays)}))
        # Uncompressed: compressing float weights costs seconds and saves a tenth.
        write_atomically(self.run / CHECKPOINT, lambda path: np.savez(path, **arrays))
        self.written = time.monotonic()

    def _changed(self, arrays):
        """What the callbacks have become since training began."""
        entries = []
        for callback, begun in zip(self.callbacks, self.begun, strict=True):
            kept = {}
            now = _attributes(callback, kept)
            now = {name: value for name, value in now.items() if name not in begun or begun[name] != value}
            entries.append({"class": type(callback).__name__, "attributes": now})
            text = json.dumps(now)
            arrays.update({f"callbacks.{name}": array for name, array in kept.items() if name in text})
        return entries

    def _restore_callbacks(self, entries, stored):
        kinds = [type(each).__name__ for each in self.callbacks]
        if entries and kinds != [entry["class"] for entry in entries]:
            log.warning("The callbacks are others than when %s was stopped: those that differ begin anew.", self.run)
        self.restored = [
            {name: _unpacked(value, stored) for name, value in entry["attributes"].items()}
            if kind == entry["class"]
            else {}
            for kind, entry in zip(kinds, entries, strict=False)
        ]

    def load(self, model: keras.Model, source: Any) -> None:
        """Takes up the checkpoint in the run folder."""
        state, arrays = distribution.from_leader(lambda: read(self.run / CHECKPOINT))
        entries = state.pop("callbacks")
        stored: dict[str, Any] = {}
        for name, value in state.items():
            setattr(self, name, value)
        for key, value in arrays.items():
            group, _, place = key.partition(".")
            stored.setdefault(group, {})[place] = value
        self._restore_callbacks(entries, stored.pop("callbacks", {}))
        stored = {group: list(values.values()) for group, values in stored.items()}
        self.best_values, self.metric_values = stored.get("best"), stored.get("metrics")
        if self.metric_values and len(model.metrics_variables) != len(self.metric_values):
            # Keras makes the variables of compiled metrics with the first batch. Before the states come back, since
            # a batch may draw random numbers.
            rest = source.dataset(lambda: (self.epoch, self.step))
            first = rest[0] if isinstance(rest, keras.utils.PyDataset) else next(rest.as_numpy_iterator())
            model.test_on_batch(*keras.utils.unpack_x_y_sample_weight(first))
        for group, variables in _groups(model).items():
            _assign(variables, stored.get(group, []), self.run)
        log.info("Going on with %s after epoch %d, batch %d.", self.run, self.epoch, self.step)

    def _select(self, epoch, logs):
        if self.monitor and self.monitor not in logs:
            if self.best is None:
                raise selection.unknown(self.monitor, logs)
            return  # a callback may measure in some epochs only
        value = logs[self.monitor] if self.monitor else float(epoch)
        sign = selection.known_direction(self.model, self.monitor, self.settings.mode) if self.monitor else 1
        if self.best is None or sign * value > sign * self.best:
            self.best, self.best_epoch, self.waited = value, epoch + 1, 0
            averages = {id(variable): _value(average) for variable, average in _averages(self.model)}
            self.best_values = [averages[id(v)] if id(v) in averages else _value(v) for v in self.model.variables]
        else:
            self.waited += 1
            patience = self.settings.patience
            self.stopped = patience is not None and self.waited >= patience

    def _write_rows(self, path):
        columns = dict.fromkeys(name for row in self.rows for name in row)
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws the rows of a log, if there are any; a figure that fails is no reason to lose a training.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "curves.png")
        >>> draw_curves([{"epoch": 1, "loss": 0.7}], path)
        >>> path.exists()
        True
    """
    from kerasmlsp import plotting

    if not rows:
        return
    try:
        write_atomically(path, lambda place: plotting.curves(rows, place))
    except Exception as error:
        log.warning("%s was not drawn (%s: %s).", path, type(error).__name__, error)
