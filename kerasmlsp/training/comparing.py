"""Runs beside each other: what a folder holds, what two of them differ in, and by how much on the same examples."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.files import locked, read_json, write_atomically
from kerasmlsp.metrics.classification import bootstrap, group_bootstrap
from kerasmlsp.training.checkpoint import read_state
from kerasmlsp.training.runs import CHECKPOINT, CONFIG, EVALUATION, Run
from kerasmlsp.training.searching import SPACE, TRIALS

EXAMPLES = "examples.npz"
FINISHED, STOPPED, IN_TRAINING, DAMAGED = "finished", "stopped", "in training", "damaged"
_GROUPS = "groups"
_OF_A_PLACE = ("app", "versions", "fingerprint")
"""What `config.json` holds that is no choice."""


def write_examples(folder: Path, scores: Mapping[str, ArrayLike], groups: ArrayLike | None = None) -> Path:
    """Writes what each example of an evaluation scored, so that `compare` can pair two runs.

    Args:
        folder: Folder of the evaluation.
        scores: By name, a number for each example, whose mean is the measure.
        groups: Group of each example, such as its person.

    Returns:
        The file, `examples.npz`.

    Example:
        >>> import tempfile
        >>> write_examples(Path(tempfile.mkdtemp()), {"accuracy": [True, False]}).name
        'examples.npz'
    """
    arrays = {name: np.asarray(values, "float32") for name, values in scores.items()}
    if groups is not None:
        arrays[_GROUPS] = np.unique(np.asarray(groups), return_inverse=True)[1]
    path = Path(folder, EXAMPLES)

    def write(place):
        with open(place, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_atomically(path, write)
    return path


def listed(folder: str | Path, app: str | None = None) -> list[dict[str, Any]]:
    """Returns what each run of a folder of runs is, the latest first.

    Args:
        folder: The folder, `runs`, with `<app>/<name>` below.
        app: The one application that is asked for; None for all.

    Returns:
        Dicts of `run` (its path), `app`, `state`, `architecture` (None where there is none), `epochs` done, the `best`
        epoch's monitored value as text, the first measure of its `evaluation` as text, megabytes `MB`
        and days of `age`.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp(), "sentiment", "mine")
        >>> run.mkdir(parents=True)
        >>> _ = (run / "config.json").write_text('{"app": "sentiment", "monitor": "val_loss"}')
        >>> [(row["app"], row["state"], row["epochs"]) for row in listed(run.parents[1])]
        [('sentiment', 'stopped', 0)]
    """
    # A search has a run at its end only.
    found = {path.parent for name in (CONFIG, SPACE) for path in Path(folder).glob(f"{app or '*'}/*/{name}")}
    rows = [_row(path) for path in found if not path.name.startswith(".")]
    return sorted(rows, key=lambda row: (row["age"], row["run"]))


def _row(folder: Path) -> dict[str, Any]:
    files = []
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # a training replaces its files meanwhile
            files += [path.stat()] if path.is_file() else []
    age = (time.time() - max((each.st_mtime for each in files), default=0.0)) / 86_400
    size = {"MB": round(sum(each.st_size for each in files) / 1e6, 1), "age": round(max(0.0, age), 2)}
    try:
        begun = (folder / CONFIG).exists()
        config = Run(folder).read(CONFIG) if begun else Run(folder).read(SPACE)["configuration"]
        state = _state(folder)
        measured = next(_measures(Run(folder).evaluation() or {}), None)
        shown = None if measured is None else f"{measured[0]} {_number(measured[1]['value'])}"
        rows = state.get("rows", ())
        facts = {
            "state": _stage(folder),
            "architecture": config.get("architecture"),
            "epochs": len(rows),
            "best": _best(config, state, rows),
            "evaluation": shown,
        }
        return {"run": str(folder), "app": config["app"], **facts, **size}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        unknown = dict.fromkeys(("architecture", "epochs", "best", "evaluation"))
        return {"run": str(folder), "app": folder.parent.name, "state": DAMAGED, **unknown, **size}


def _stage(folder):
    # The trials of a search are trained, not the run that it ends in; one that reads its data has no folder yet.
    for lock in (folder.with_name(f".{folder.name}.lock"), *folder.glob(f"{TRIALS}/.*.lock")):
        if lock.exists():
            try:
                with locked(lock.with_name(lock.name[1:].removesuffix(".lock")), IN_TRAINING):
                    pass
            except ValueError:
                return IN_TRAINING
    return FINISHED if any(folder.glob("*.keras")) else STOPPED


def delete(folder: str | Path) -> bool:
    """Deletes a run, unless a process trains it, and tells whether it did. Of a link the run behind it stays.

    Raises:
        OSError: A file may not be deleted.

    Example:
        >>> import tempfile
        >>> run = Path(tempfile.mkdtemp(), "mine")
        >>> run.mkdir()
        >>> delete(run), run.exists()
        (True, False)
    """
    folder = Path(folder)
    if _stage(folder) == IN_TRAINING:
        return False
    try:
        with locked(folder, IN_TRAINING):
            folder.unlink() if folder.is_symlink() else shutil.rmtree(folder)
    except ValueError:
        return False
    return True


def _state(folder: Path) -> dict[str, Any]:
    """The state of the first checkpoint of a run, without its arrays; nothing where it has none."""
    path = next(iter(sorted(folder.rglob(CHECKPOINT))), None)
    return {} if path is None else read_state(path)


def _best(config, state, rows):
    epoch = state.get("best_epoch")
    value = next((row.get(config.get("monitor")) for row in rows if row["epoch"] == epoch), None)
    return None if value is None else f"{config['monitor']} {_number(value)} in epoch {epoch}"


def _number(value):
    return "-" if value is None else f"{value:.4g}"


def _measures(result: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and values of all measures of an evaluation; those within others are told by both names."""
    for name, entry in (result.get("metrics") or {}).items() if not before else result.items():
        if isinstance(entry, dict) and isinstance(entry.get("value"), (int, float)):
            yield before + name, entry
        elif isinstance(entry, dict):
            yield from _measures(entry, f"{before}{name}, ")


def compare(first: str | Path, second: str | Path) -> dict[str, Any]:
    """Tells two runs of one application apart.

    Where both were evaluated on the same examples, their difference is that of pairs: what both find hard does not
    widen its interval.

    Args:
        first, second: Folders of runs.

    Returns:
        Dict of `configuration` and `measures`, lists of dicts of a name, the value of each run by its path and, of
        measures, the `difference`, second less first; and `paired`, by score the mean `difference` with the `low` and
        `high` of its 95 % interval and the number of `examples`, or the reason why there is none.

    Raises:
        FileNotFoundError: A run is not there.
        ValueError: The runs are of different applications, or a file is damaged.

    Example:
        >>> import tempfile
        >>> runs = [Path(tempfile.mkdtemp()) for _ in range(2)]
        >>> for seed, run in enumerate(runs):
        ...     _ = (run / "config.json").write_text(f'{{"app": "gan", "seed": {seed}}}')
        >>> found = compare(*runs)
        >>> list(found["configuration"][0].values()), found["paired"]
        (['seed', 0, 1], 'both runs must be evaluated first')
    """
    runs = [Run(first), Run(second)]
    configs = [_configuration(run) for run in runs]
    if configs[0]["app"] != configs[1]["app"]:
        apps = " and ".join(str(config["app"]) for config in configs)
        raise ValueError(f"`runs` must be of one application. Received: {apps}")
    if (same := runs[0].folder.resolve()) == runs[1].folder.resolve():
        raise ValueError(f"`runs` must be two. Received: {same} twice")
    keys = [key for key in dict.fromkeys([*configs[0], *configs[1]]) if key not in _OF_A_PLACE]
    values = {key: [config.get(key) for config in configs] for key in keys}
    results = [run.evaluation() or {} for run in runs]
    measures = [dict(_measures(result)) for result in results]
    shared = [name for name in measures[0] if name in measures[1]]
    numbers = {name: [each[name]["value"] for each in measures] for name in shared}
    return {
        "configuration": [_beside(key, pair, runs) for key, pair in values.items() if pair[0] != pair[1]],
        "measures": [{**_beside(name, p, runs), "difference": p[1] - p[0]} for name, p in numbers.items()],
        "paired": _paired(runs, results),
    }


def _configuration(run: Run) -> dict[str, Any]:
    if not (run / CONFIG).exists():
        raise FileNotFoundError(f"There is no run in {run}: `kerasmlsp runs list` names those that are there.")
    found = read_json(run / CONFIG)
    if not isinstance(found, dict) or "app" not in found:
        raise ValueError(f"The configuration {run / CONFIG} is damaged.")
    return found


def _beside(name, pair, runs):
    return {"name": name, **{str(run): value for run, value in zip(runs, pair, strict=True)}}


def _paired(runs, results) -> dict[str, Any] | str:
    if not all(results):
        return "both runs must be evaluated first"
    if results[0].get("fingerprint") != results[1].get("fingerprint"):
        return "the runs were evaluated on different examples"
    files = [run / EVALUATION / EXAMPLES for run in runs]
    if not all(file.exists() for file in files):
        return "an evaluation kept no score of each example: evaluate both runs again"
    arrays = []
    for file in files:
        try:
            with np.load(file) as stored:
                arrays.append(dict(stored))
        except Exception as error:  # a file that was cut off fails anywhere in zip or NumPy
            raise ValueError(f"The file {file} is damaged: evaluate the run again.") from error
    first, second = arrays
    groups = first.get(_GROUPS)
    names = [name for name in first if name in second and name != _GROUPS]
    if not names or any(len(first[name]) != len(second[name]) for name in names):
        return "the runs were evaluated on different examples"
    return {name: _difference(second[name] - first[name], groups) for name in names}


def _difference(values, groups):
    def mean(rows):
        return float(values[rows].mean(dtype="float64"))

    interval = bootstrap(mean, len(values)) if groups is None else group_bootstrap(mean, groups)
    return {"difference": mean(slice(None)), "low": interval[0], "high": interval[1], "examples": len(values)}
