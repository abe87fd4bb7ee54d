"""The configurations of runs."""

import os
from pathlib import Path
from typing import Any

import click

from kerasmlsp.apps.messages import by_options
from kerasmlsp.apps.options.checks import given


def run_folder(config: type[Any], run: str) -> Path:
    """Returns the folder of a run of the application of a configuration."""
    return Path("runs") / config.app / run


def stored_of(config: type[Any], run: str) -> tuple[Any, dict[str, Any]]:
    """Returns what `training.Run.configuration` does of a run, before anything heavy is imported."""
    from kerasmlsp.training import Run

    return Run(run_folder(config, run)).configuration(config)


def started(config: type[Any], run: str) -> Any:
    """Returns the configuration of a run, before anything heavy is imported.

    Raises:
        FileNotFoundError: There is no such run.
        ValueError: It is damaged, or of another application.
    """
    return stored_of(config, run)[0]


def configuration(config: type[Any], run: Path | None, values: dict) -> Any:
    """Makes a run's configuration of the values of its options, or takes that of a run that is to be gone on with.

    Args:
        config: The dataclass, with the field `app`.
        run: Folder of the run to go on with, or None.
        values: Options by field; paths become absolute, so that a run can be resumed from another folder.

    Raises:
        click.UsageError: The configuration refuses a value.
        ValueError: An option was given that the run was not started with.
    """
    values = {name: os.path.abspath(value) if isinstance(value, Path) else value for name, value in values.items()}
    if run is None:
        try:
            return config(**values)
        except ValueError as error:
            raise click.UsageError(by_options(str(error))) from error
    from kerasmlsp.training import Run

    started, _ = Run(run).configuration(config)
    for name, value in values.items():
        if given(name) and value != getattr(started, name):
            raise ValueError(
                f"The run {run} was started with {name}={getattr(started, name)!r}, which `--resume` keeps. "
                f"Received: {value!r}; leave the option out, or start another run."
            )
    return started
