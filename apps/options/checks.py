"""What commands check before anything heavy is imported."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

import click

from kerasmlsp.files import existing

LARGEST_SEED = 2**31 - 1  # saved models take int32


def refuse(reason: str, *names: str) -> None:
    """Ends a command as wrong usage where options were given that do not apply.

    Args:
        reason: Why they do not, as the beginning of a sentence.
        *names: Parameters of the command.
    """
    parameters = click.get_current_context().command.params
    shown = [f"`{each.opts[0]}`" for each in parameters if each.name in names and given(each.name)]
    if shown:
        raise click.UsageError(f"{reason}: leave {' and '.join(shown)} out.")


def refuse_ending(path: Path, *endings: str, option: str) -> None:
    """Ends a command as wrong usage where a file to write has another ending than its kind."""
    if path.suffix.lower() not in endings:
        raise click.BadParameter(
            f"must end in {' or '.join(endings)}. Received: {str(path)!r}", param_hint=f"'{option}'"
        )


def given(name: str) -> bool:
    """Tells whether a parameter of the command was given, rather than left at its default."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def check_data(
    data: str | Path | None,
    dataset: str | None = None,
    *,
    optional: bool = False,
    encoding: str = "utf-8",
    lists: Sequence[str] = (),
    **columns: str | None,
) -> None:
    """Refuses data that cannot be read, and options for reading others, before anything heavy is imported.

    Args:
        data: The file or folder that is read, or None.
        dataset: The data set of TensorFlow Datasets that is read, or None.
        optional: Whether the command can do without data.
        encoding, lists: As of `check_table`.
        **columns: By parameter, the columns that a table must have; None where the parameter has no value.

    Raises:
        click.UsageError: There are neither or both, or options that do not apply.
        FileNotFoundError: There is no such file or folder.
        ValueError: A column is not there, or a text is in another encoding.
    """
    if dataset is None:
        refuse("The original files are those of `--dataset`", "manual_dir")
    else:
        refuse("A data set of TensorFlow Datasets has its own encoding", "encoding")
    if (data and dataset) or not (data or dataset or optional):
        raise click.UsageError("Give the data with either `--data PATH` or `--dataset NAME`.")
    if not data:
        return
    check_table("data", data, encoding, lists=lists, **columns)


def check_table(
    name: str, place: str | Path, encoding: str = "utf-8", *, lists: Sequence[str] = (), **columns: str | None
) -> None:
    """Refuses a file or folder that is not there, of a table columns that are not, and text in another encoding.

    Args:
        name: The parameter.
        place: Its value.
        encoding: That of a table of text.
        lists: Endings of files that may be without a header, whose columns are not looked for.
        **columns: As of `check_data`.
    """
    path = existing(place, name)
    if path.is_dir():
        refuse(f"{place} is a folder, which has no columns", *columns)
    elif columns and path.suffix.lower() in lists:
        check_text(path, encoding)
    elif columns:
        from kerasmlsp.data import tables

        tables.check_columns(path, encoding=encoding, **columns)


def check_text(place: str | Path, encoding: str) -> None:
    """Refuses a text, or one among those in a folder, that is in another encoding or no text, and a folder of none."""
    from kerasmlsp.data import tables

    for _ in tables.read_texts(place, encoding=encoding):
        pass


def check_sources(sources: Sequence[str | Path]) -> None:
    """Refuses files and folders none of which is there; "-" stands for stdin."""
    if not any(str(each) == "-" or Path(each).exists() for each in sources):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(sources[0]))


def check_targets(**paths: Path | None) -> None:
    """Refuses files to be written, by parameter, None for none, whose folder is not there."""
    for name, path in paths.items():
        if path is not None and not path.parent.is_dir():
            raise FileNotFoundError(
                f"`{name}` must be in a folder that is there already: make {path.parent}, or check its spelling. "
                f"Received: {path}"
            )


def seeds(first: int, count: int) -> list[int]:
    """Returns `count` seeds from the first on; ends the command as wrong usage where they pass the largest."""
    if first + count - 1 > LARGEST_SEED:
        raise click.UsageError(
            f"`--seed` must leave room for {count} seeds up to {LARGEST_SEED}. Received: {first}; give a smaller one."
        )
    return list(range(first, first + count))
