"""A run folder as one object: what training writes, and what evaluation and export read."""

import contextlib
import dataclasses
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp import distribution
from kerasmlsp.files import locked, read_json, write_atomically, write_json
from kerasmlsp.training.settings import Settings

if TYPE_CHECKING:
    import keras

CONFIG, CHECKPOINT, MODEL = "config.json", "checkpoint.npz", "model.keras"
EVALUATION, METRICS = "evaluation", "metrics.json"


class Run:
    """The folder of a run, `runs/<app>/<name>/`, into which process 0 of several (`kerasmlsp.distribution`) writes.

    Args:
        folder: The folder, which need not be there.

    Example:
        >>> run = Run("runs/sentiment/mine")
        >>> (run / "history.csv").name
        'history.csv'
    """

    def __init__(self, folder: str | os.PathLike) -> None:
        self.folder = Path(folder)
        self._overwrites = False

    def __str__(self) -> str:
        return str(self.folder)

    def __fspath__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @contextlib.contextmanager
    def claimed(self, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
        """Keeps other trainings out of the folder while a `with` block works on it.

        What an error leaves in the folder before the first checkpoint is deleted, so that the name is free again. A run
        that is overwritten is kept until the new one has a checkpoint, and comes back where the new one fails before.

        Args:
            resume: Whether the folder may hold a run already, which is gone on with.
            overwrite: Whether the folder may hold a run already, which `start` replaces.

        Raises:
            ValueError: Another process trains the run, the folder holds a run and may not, or `overwrite` is True and
                the folder holds something else.
        """
        with contextlib.ExitStack() as held:
            distribution.from_leader(lambda: held.enter_context(self._claimed(resume, overwrite)))
            yield

    @contextlib.contextmanager
    def _claimed(self, resume, overwrite):
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        # Beside the folder: `fit` has a lock of its own inside.
        with locked(self.folder, in_use(self)):
            self._settle(resume)
            begun = (self / CONFIG).exists()
            if not (resume or overwrite):
                self.check_free()
            if overwrite and not self._replaceable():
                raise ValueError(
                    f"`--overwrite` replaces runs only, and {self} holds something else: name another run."
                )
            self._overwrites, before = overwrite and begun, set(self.folder.rglob("*"))
            try:
                yield
            except Exception:
                if not (resume and begun):
                    self._abandon(before)
                raise
            except KeyboardInterrupt:
                if self._overwrites or not (self / CONFIG).exists():
                    raise KeyboardInterrupt("Nothing was begun yet: give the same command again.") from None
                raise
            finally:
                self._overwrites = False
                if self._begun():
                    shutil.rmtree(self._replaced, ignore_errors=True)

    def check_free(self) -> None:
        """Refuses a folder that holds a run already, before anything is read for a new one.

        Raises:
            ValueError: It holds one.
        """
        if (self / CONFIG).exists():
            raise ValueError(
                f"The folder {self} holds a run already: continue it with `--resume`, start anew in its place with "
                "`--overwrite`, or name another `--run`."
            )

    def check_data(self, fingerprint: str) -> None:
        """Refuses data that are no longer those that were trained on.

        Args:
            fingerprint: That of the data now.

        Raises:
            ValueError: It is not the `fingerprint` among the facts of `start`.
        """
        if fingerprint != self.read(CONFIG)["fingerprint"]:
            raise ValueError(
                f"The data of the run {self} have changed since: give others with `--data`, or train anew."
            )

    @property
    def _replaced(self) -> Path:
        """Where a run is kept that is overwritten."""
        place = self.folder.resolve()
        return place.with_name(f".{place.name}.replaced")

    def _begun(self) -> bool:
        return any(self.folder.rglob(CHECKPOINT))

    def _settle(self, resume: bool) -> None:
        """Brings back a run whose overwriting was killed, or deletes it where the new one has begun."""
        if not self._replaced.exists():
            return
        if self._begun():
            shutil.rmtree(self._replaced)
        elif not (resume and (self / CONFIG).exists()):
            self._bring_back()

    def _bring_back(self) -> None:
        place = self.folder.resolve()
        if place.exists():
            shutil.rmtree(place)
        self._replaced.rename(place)

    def _replaceable(self) -> bool:
        if not (self / CONFIG).exists():
            return not self.folder.exists() or not any(self.folder.iterdir())
        with contextlib.suppress(ValueError):
            stored = self.read(CONFIG)
            return isinstance(stored, dict) and {"app", "seed"} <= stored.keys()
        return False

    def _abandon(self, before: set[Path]) -> None:
        """Deletes what a start that failed has made, unless it can be gone on with."""
        if self._replaced.exists():
            if not self._begun():
                self._bring_back()
            return
        made = set(self.folder.rglob("*")) - before
        if any(path.name == CHECKPOINT for path in made):
            return
        for path in sorted(made, reverse=True):  # what is in a folder comes before it
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        if not before:
            with contextlib.suppress(OSError):
                self.folder.rmdir()

    def start(self, config: Settings, facts: dict[str, Any], *, resume: bool = False) -> None:
        """Writes `config.json`: configuration, facts about the data, and the versions of the packages.

        Args:
            config: The configuration.
            facts: JSON-able values by name, among them a fingerprint of the data.
            resume: Whether the folder may hold a configuration already, which must then be the same. Where the run was
                claimed to be overwritten, what was in the folder is moved away.

        Raises:
            ValueError: The folder's configuration differs; the message names the first values that do.
        """
        distribution.from_leader(lambda: self._start(config, facts, resume))

    def _start(self, config, facts, resume):
        wanted = json.loads(json.dumps({**dataclasses.asdict(config), **facts}))
        if resume and (self / CONFIG).exists():
            # A field that is younger than the run has its default, and a younger fact is not compared.
            before = {**dataclasses.asdict(type(config)()), **self.stored(config.app)}  # type: ignore[attr-defined]
            different = [key for key in wanted if key in before and wanted[key] != before[key]]
            if different:
                pairs = ", ".join(f"{key} was {before.get(key)!r}, now {wanted[key]!r}" for key in different[:3])
                raise ValueError(f"The run in {self} was started with another configuration: {pairs}.")
            return
        if self._overwrites:
            place = self.folder.resolve()
            place.rename(self._replaced)
            place.mkdir()
            self._overwrites = False
        self.write(CONFIG, {**wanted, "versions": _versions()})

    def configuration(self, kind: type[Any]) -> tuple[Any, dict[str, Any]]:
        """Returns the configuration as the dataclass `kind`, whose `app` names the application, and all of the file.

        Raises:
            FileNotFoundError: There is no run in the folder.
            ValueError: The run is of another application, or its configuration is damaged.
        """
        stored = self.stored(kind.app)
        names = {field.name for field in dataclasses.fields(kind)}
        return kind(**{name: value for name, value in stored.items() if name in names}), stored

    def stored(self, app: str) -> dict[str, Any]:
        """Returns all that `config.json` holds: the configuration, facts about the data, and versions.

        Args:
            app: Name of the application that the run must be of.

        Raises:
            FileNotFoundError: There is no run in the folder.
            ValueError: The run is of another application, or its configuration is damaged.
        """
        if not (self / CONFIG).exists():
            raise FileNotFoundError(f"There is no run in {self}: train one first, or name another with `--run`.")
        stored = self.read(CONFIG)
        if not isinstance(stored, dict) or "app" not in stored:
            raise ValueError(f"The configuration {self / CONFIG} is damaged: delete the run's folder and train again.")
        if stored["app"] != app:
            raise ValueError(f"The run in {self} is of the application {stored['app']!r}. Received: app={app!r}")
        return stored

    def model(self, name: str = MODEL) -> "keras.Model":
        """Loads a `.keras` file of the run.

        Raises:
            FileNotFoundError: The run is not finished.
            ValueError: The file is damaged.
        """
        import kerasmlsp

        path = self / name
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: the run is not finished. Continue it with `--resume`.")
        return kerasmlsp.load_model(path)

    def load(self, kind: type[Any]) -> "tuple[keras.Model, Any, dict[str, Any]]":
        """Loads what a finished run of one net holds.

        Args:
            kind: The dataclass of the application's configuration, see `configuration`.

        Returns:
            The model, the configuration, and all that is stored with it.

        Raises:
            FileNotFoundError: The run is not there or not finished.
            ValueError: The run is of another application, or a file of it is damaged.
        """
        config, stored = self.configuration(kind)
        return self.model(), config, stored

    def save(self, model: "keras.Model", name: str = MODEL) -> None:
        """Writes a model as a `.keras` file of the run."""
        distribution.from_leader(lambda: write_atomically(self / name, model.save))

    def best_row(self, net: str | None = None) -> dict[str, float]:
        """Returns the row of `history.csv` of the epoch whose weights were kept.

        Args:
            net: Folder of a net, where the run has several.

        Raises:
            FileNotFoundError: There is no run in the folder.
            ValueError: The run has no whole epoch yet, or its checkpoint is damaged.
        """
        from kerasmlsp.training import checkpoint

        return distribution.from_leader(lambda: checkpoint.best_row(self.folder if net is None else self / net))

    def draw_curves(self, *nets: str) -> None:
        """Draws the learning curves of a run's nets into its `curves.png`, where those of a run of one net are, too.

        Args:
            *nets: Folders of the nets.

        Raises:
            ValueError: A checkpoint is damaged.
        """
        from kerasmlsp.training import checkpoint

        if not distribution.leads():
            return
        rows = []
        for net in nets:
            for row in checkpoint.read_state(self / net / CHECKPOINT)["rows"]:
                rows.append({_of_net(net, name): value for name, value in row.items()} if len(nets) > 1 else row)
        checkpoint.draw_curves(rows, self / checkpoint.CURVES)

    def write(self, name: str, value: Any) -> Path:
        """Writes a JSON file of the run and returns its path."""
        if distribution.leads():
            (self / name).parent.mkdir(parents=True, exist_ok=True)
            write_json(self / name, value)
        return self / name

    def read(self, name: str) -> Any:
        """Returns what a JSON file of the run holds.

        Raises:
            ValueError: The file is damaged.
        """
        return read_json(self / name)

    def evaluation(self, folder: str = EVALUATION) -> dict[str, Any] | None:
        """Returns the measures that the command `evaluate` wrote; None where it was not run."""
        path = f"{folder}/{METRICS}"
        return self.read(path) if (self / path).exists() else None

    def figures(self, *names: str) -> dict[str, Path]:
        """Returns the paths of those figures of the evaluation that are there, by name without ending."""
        paths = {name: self / EVALUATION / f"{name}.png" for name in names}
        return {name: path for name, path in paths.items() if path.exists()}


def _of_net(net, name):
    if name == "epoch":
        return name
    part = "val_" if name.startswith("val_") else ""
    return f"{part}{net}: {name.removeprefix(part)}"


def in_use(run: Run | Path) -> str:
    """What to say where another process trains a run.

    Example:
        >>> in_use(Run("runs/sentiment/mine"))
        'Another process trains the run runs/sentiment/mine: wait until it has ended, or name another run.'
    """
    return f"Another process trains the run {run}: wait until it has ended, or name another run."


def _versions():
    from importlib import metadata  # imports much, which only a new run needs

    packages = ("kerasmlsp", "tensorflow", "keras", "numpy", "pandas")
    return {"python": sys.version.split()[0], **{name: metadata.version(name) for name in packages}}
