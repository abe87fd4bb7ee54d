"""Options made of the fields of configurations, and the types of their values."""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from kerasmlsp.apps.options.checks import refuse_ending
from kerasmlsp.training.settings import ENCODINGS, fields, is_encoding

PICTURES = (".png", ".jpg", ".jpeg", ".gif")


def together(*several: Callable[[Callable], Callable]) -> Callable[[Callable], Callable]:
    """A decorator with several options, which `--help` lists in this order."""

    def decorate(function: Callable) -> Callable:
        for option in reversed(several):
            function = option(function)
        return function

    return decorate


class Target(click.Path):
    """A file to write, whose ending says of what kind it is; another ending is wrong usage.

    Args:
        *endings: Those that are allowed, as `.png`.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        refuse_ending(path, *self.endings, option=param.opts[0])
        return path


class Folder(click.Path):
    """A folder to write files to; the name of a file is wrong usage, unless there is such a folder.

    Args:
        *endings: Those of the files, as `.png`.
    """

    def __init__(self, *endings: str) -> None:
        super().__init__(file_okay=False, path_type=Path)
        self.endings = endings

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Path:
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() in self.endings and not path.is_dir():
            self.fail(f"must be a folder, not a file. Received: {str(path)!r}", param, ctx)
        return path


class FiniteRange(click.FloatRange):
    """Numbers in a range, without NaN and infinities."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


class Encoding(click.ParamType):
    """Encodings of text that Python knows."""

    name = "encoding"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return value if is_encoding(value) else self.fail(f"must be {ENCODINGS}. Received: {value!r}", param, ctx)


def settings(config: type[Any], *names: str, **defaults: Any) -> Callable[[Callable], Callable]:
    """A decorator with an option for each field of a configuration, its own first, then those of every training.

    Args:
        config: The dataclass, whose fields are made by `kerasmlsp.training.settings.option`.
        *names: Fields to take; all where none is named.
        **defaults: Defaults that differ from those of the fields; None for the value that the run was trained with.
    """

    def decorate(function: Callable) -> Callable:
        chosen = [each for each in fields(config) if not names or each[0].name in names]
        for field, kind, _, known in reversed(chosen):
            default = defaults.get(field.name, field.default)
            if default is None and field.default is not None:
                known = dataclasses.replace(known, unset="as the run was trained")
            function = _option(field.name, kind, known, default)(function)
        return function

    return decorate


def _option(name: str, kind: type, known, default):
    dashed = name.replace("_", "-")
    if kind is bool:
        # None is neither: what it means then is said.
        flag = f"--{dashed}" if default is False else f"--{dashed}/--no-{dashed}"
        shown = known.unset if default is None else default
        return click.option(flag, name, is_flag=True, default=default, show_default=shown, help=known.help)
    shown = (known.unset or False) if default is None else True
    metavar = "PATH" if known.place else "TEXT" if kind is str and not (known.choices or known.encoding) else None
    return click.option(
        f"--{dashed}",
        type=_click_type(kind, known),
        default=default,
        show_default=shown,
        metavar=metavar,
        help=known.help,
    )


def _click_type(kind: type, known):
    if known.choices:
        return click.Choice(known.choices)
    if known.place:
        return click.Path(path_type=Path, file_okay=known.place in ("file", "any"), dir_okay=known.place != "file")
    if known.encoding:
        return Encoding()
    if kind is str:
        return str
    low, high = known.above if known.least is None else known.least, known.below if known.most is None else known.most
    ranged = click.IntRange if kind is int else FiniteRange
    return ranged(low, high, min_open=known.above is not None, max_open=known.below is not None)
