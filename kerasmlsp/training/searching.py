"""Search for the options of a training: each trial is a run of its own, and the best of them becomes the run."""

import contextlib
import dataclasses
import json
import logging
import math
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasmlsp.files import locked, read_json, write_atomically, write_json
from kerasmlsp.training import fitting
from kerasmlsp.training.checkpoint import read_state
from kerasmlsp.training.runs import CHECKPOINT, CONFIG, EVALUATION, Run, in_use
from kerasmlsp.training.settings import Settings, fields

if TYPE_CHECKING:
    import optuna

log = logging.getLogger("kerasmlsp")

TRIALS, JOURNAL, SPACE, TABLE, FIGURE = "trials", "search.journal", "search.json", "search.csv", "search.png"
FIRST = "first.json"
_BEFORE_PRUNING = 4
"""Whole trials before others are stopped early."""


def search(
    train: Callable[..., Any],
    config: Settings,
    run: Path,
    trials: int,
    *,
    fixed: Iterable[str] = (),
    seconds: float | None = None,
) -> dict[str, Any]:
    """Trains with several choices of options, and leaves the best run in a folder.

    The first trial takes the configuration as it is; its values are the middle of the ranges, see `Option.searched`.
    The next ones are drawn by the tree-structured Parzen estimator, and stopped where their column `monitor` is worse
    than the median of the others after as many epochs. A search that was killed goes on where it was, in the middle of
    a trial; several processes may work on one.

    The folder gets `trials/<number>`, runs like any other, `search.csv`, `search.png`, and what the best trial's run
    has. The measure of a trial is on validation data, so that of the best is too good: evaluate it on others.

    Reference: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; Akiba et al. 2019, "Optuna: A
    Next-generation Hyperparameter Optimization Framework".

    Args:
        train: As of every application: from configuration, run folder and `resume` to results.
        config: The configuration.
        run: The run folder.
        trials: How many trials there shall be in all, with those of an earlier call, at least 2.
        fixed: Fields that keep their values.
        seconds: No trial begins later; None for no limit.

    Returns:
        Dict of `run`, `trials` by state, the `best` trial's number, value and options, and the `importance` of each.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        ValueError: There is nothing to search over, the folder holds another search or a run, the data are not those
            of the first trial, or the log of a training has no column `monitor`.

    Example:
        >>> search(print, Settings(), Path("runs/toy/mine"), trials=1)
        Traceback (most recent call last):
        ValueError: `trials` must be at least 2. Received: trials=1
    """
    if trials < 2:
        raise ValueError(f"`trials` must be at least 2. Received: trials={trials}")
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run, until = Path(run), math.inf if seconds is None else time.monotonic() + seconds
    _start(run, config, fixed)
    first = _first(train, config, run)
    space = _space(first["values"], config, fixed)
    backend = JournalFileBackend(str(run / JOURNAL))
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name=config.app,  # type: ignore[attr-defined]
        direction="maximize" if first["sign"] > 0 else "minimize",
        sampler=optuna.samplers.TPESampler(seed=config.seed + os.getpid() % 1000, multivariate=True),
        pruner=optuna.pruners.MedianPruner(_BEFORE_PRUNING, n_warmup_steps=1),
        load_if_exists=True,
    )
    with locked(run / JOURNAL):
        if not study.get_trials(deepcopy=False):
            study.add_trial(_told(first, space))
    while len(study.get_trials(deepcopy=False)) < trials or _left(study, run) is not None:
        if time.monotonic() > until:
            break
        _try(train, config, run, study, space)
    return _settle(run, study)


def _start(run: Path, config: Settings, fixed: Iterable[str]) -> None:
    """Makes the folder of a search, or refuses that of another one."""
    wanted = json.loads(json.dumps({"configuration": dataclasses.asdict(config), "fixed": sorted(fixed)}))
    if (run / SPACE).exists():
        if read_json(run / SPACE) != wanted:
            raise ValueError(f"The folder {run} holds a search with other options: name another run.")
        return
    if (run / CONFIG).exists():
        raise ValueError(f"The folder {run} holds a run that no search made: name another run.")
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / SPACE, wanted)


def _first(train, config, run) -> dict[str, Any]:
    """Trains with the configuration as it is; its value, the direction, and its log."""
    place, watcher = run / TRIALS / "0", _Watcher(config)
    with locked(run / SPACE), _watching(watcher):
        if not (place / FIRST).exists():
            train(config, place, resume=(place / CONFIG).exists())
            if watcher.sign is None:
                raise ValueError(f"`monitor` must be a column of the log to search by. Received: {config.monitor!r}")
            # What the architecture decides is known to `fit` alone.
            values = {field.name: getattr(watcher.settings, field.name, None) for field, *_ in fields(type(config))}
            write_json(place / FIRST, {"sign": watcher.sign, "values": values})
    return {"value": _value(place), **read_json(place / FIRST)}


def _value(place: Path) -> float:
    """The best value of `monitor`; the mean over nets where the run has several."""
    states = [read_state(path) for path in sorted(place.rglob(CHECKPOINT))]
    return float(np.mean([state["best"] for state in states]))


def _space(
    known: dict[str, Any], config: Settings, fixed: Iterable[str]
) -> "dict[str, optuna.distributions.BaseDistribution]":
    """Ranges of the fields to search over, around the values of the first trial."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    space: dict[str, optuna.distributions.BaseDistribution] = {}
    for field, kind, _, option in fields(type(config)):
        middle = known.get(field.name)
        if option.searched is None or field.name in fixed or not middle:
            continue
        if isinstance(option.searched, tuple):
            space[field.name] = FloatDistribution(*option.searched)
        elif kind is int:
            space[field.name] = CategoricalDistribution(_sizes(middle, option.searched))
        else:
            space[field.name] = FloatDistribution(middle / option.searched, middle * option.searched, log=True)
    if not space:
        raise ValueError("There is no option to search over: give fewer of them.")
    return space


def _sizes(middle: int, factor: float) -> list[int]:
    """Sizes about a middle one; multiples of 8, since heads and halves of vectors must come out even."""
    found = (middle * factor**power for power in (-1, -0.5, 0.5, 1))
    return sorted({middle, *(max(1, round(size)) if size < 12 else 8 * round(size / 8) for size in found)})


def _told(first, space):
    """The first trial as Optuna keeps it; values beyond a range are its nearest."""
    import optuna

    values = {}
    for name, each in space.items():
        value = first["values"][name]
        values[name] = value if hasattr(each, "choices") else min(max(value, each.low), each.high)
    return optuna.trial.create_trial(params=values, distributions=space, value=first["value"])


def _left(study, run: Path) -> "optuna.trial.FrozenTrial | None":
    """A trial that was begun and that no process works on."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        with contextlib.suppress(ValueError), locked(run / TRIALS / str(trial.number), "taken"):
            return trial
    return None


def _try(train, config, run: Path, study, space) -> None:
    import optuna

    left = _left(study, run)
    trial = optuna.trial.Trial(study, left._trial_id) if left else study.ask(space)
    place = run / TRIALS / str(trial.number)
    chosen = dataclasses.replace(config, **trial.params)
    log.info("Trial %d: %s.", trial.number, ", ".join(f"{name} {value:.4g}" for name, value in trial.params.items()))
    try:
        check = keras.callbacks.LambdaCallback(on_train_begin=lambda logs=None: _check_data(run, place))
        with _watching(check, _Watcher(config, trial)):
            train(chosen, place, resume=(place / CONFIG).exists())
    except _OtherData:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        raise
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except ValueError as error:
        if str(error) == in_use(Run(place)):
            return  # another process has taken it up
        log.warning("Trial %d failed: %s", trial.number, error)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, _value(place))


class _OtherData(ValueError):
    """A trial would be compared with those of other data."""


def _check_data(run: Path, place: Path) -> None:
    """Refuses a trial whose data, which a training knows once it has read them, are not those of the first one."""
    if len({read_json(each / CONFIG).get("fingerprint") for each in (run / TRIALS / "0", place)}) > 1:
        raise _OtherData("The data are not those of the search's first trial: name another run.")


class _Watcher(keras.callbacks.Callback):
    """Looks on at a training: which direction is good, as `fit` tells, and whether a trial is to be stopped."""

    def __init__(self, config: Settings, trial: "optuna.Trial | None" = None) -> None:
        super().__init__()
        self.config, self.trial, self.nets = config, trial, 0
        self.sign: int | None = None
        self.settings: Settings | None = None
        # Of a trial that was killed the epochs before are known.
        self.known = set() if trial is None else set(trial._cached_frozen_trial.intermediate_values)

    def on_train_begin(self, logs=None):
        self.nets += 1

    def on_epoch_end(self, epoch, logs=None):
        import optuna

        value = (logs or {}).get(self.config.monitor)
        if value is None:
            return
        # Of several nets the first tells whether the others are worth the time.
        if self.trial is not None and self.nets == 1:
            if epoch not in self.known:
                self.trial.report(float(value), epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned


@contextlib.contextmanager
def _watching(*watchers: keras.callbacks.Callback) -> Iterator[None]:
    token = fitting.watchers.set(watchers)
    try:
        yield
    finally:
        fitting.watchers.reset(token)


def _settle(run: Path, study) -> dict[str, Any]:
    """Writes table and figure, and lays what the best trial's run has into the folder."""
    from optuna.trial import TrialState

    whole = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best, importance = study.best_trial, _importance(study)
    rows = [_row(trial) for trial in study.get_trials(deepcopy=False)]
    write_atomically(run / TABLE, lambda path: _write(rows, path))
    if len(whole) > 1:
        from kerasmlsp import plotting

        values = [row["value"] for row in rows if row["state"] == "complete"]
        write_atomically(run / FIGURE, lambda path: plotting.search(values, study.direction.name, importance, path))
    with locked(run):
        _lay(run / TRIALS / str(best.number), run)
    states = [row["state"] for row in rows]
    return {
        "run": str(run),
        "trials": {state: states.count(state) for state in dict.fromkeys(states)},
        "best": {"trial": best.number, "value": best.value, **best.params},
        "importance": importance,
    }


def _row(trial):
    return {"trial": trial.number, "state": trial.state.name.lower(), "value": trial.value, **trial.params}


def _write(rows, path):
    import pandas as pd

    pd.DataFrame(rows).to_csv(path, index=False)


def _importance(study) -> dict[str, float]:
    """How much of the difference between good and other trials each option tells; empty for few trials."""
    import optuna

    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # where it takes all options for alike, for want of trials
        try:
            found = optuna.importance.get_param_importances(study, evaluator=evaluator)
        except (UserWarning, ValueError, RuntimeError):
            return {}
    return {name: float(value) for name, value in found.items()}


def _lay(best: Path, run: Path) -> None:
    """Copies a run's files into the folder of the search, `config.json` last: until then there is no run in it."""
    if (run / CONFIG).exists() and (run / CONFIG).read_bytes() == (best / CONFIG).read_bytes():
        return  # it is there already, and may have been evaluated since
    (run / CONFIG).unlink(missing_ok=True)
    # What was measured of an earlier best says nothing about this one.
    shutil.rmtree(run / EVALUATION, ignore_errors=True)
    entries = [entry for entry in best.iterdir() if entry.name not in (CONFIG, FIRST)]
    for entry in entries:
        target = run / entry.name
        if entry.is_dir():
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(entry, target)
        else:
            shutil.copy2(entry, target)
    shutil.copy2(best / CONFIG, run / CONFIG)
