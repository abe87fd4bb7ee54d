"""What commands print: results as lines, tables or JSON, figures, and files that were left out.

Nothing heavy is imported here: every `--help` passes through this file.
"""

import collections
import json
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kerasmlsp.apps.messages import by_options

if TYPE_CHECKING:
    import numpy as np

    from kerasmlsp.exporting import SavedModel

MOST_ROWS = 50  # of a table on the screen


def model_name(folder: Path) -> str:
    """What is said of a saved model to tell it from others: its folder, or as "shipped sentiment/1"."""
    from kerasmlsp.exporting import loading

    home = loading.shipped()
    return f"shipped {folder.relative_to(home).as_posix()}" if folder.is_relative_to(home) else str(folder)


def tell_figure(path: Path) -> None:
    """Says on stderr where a figure was drawn; stdout is for results."""
    click.echo(f"The figure is in {path}.", err=True)


def print_results(results: dict | list, as_json: bool = False, model: "SavedModel | None" = None) -> None:
    """Prints results on stdout: a dict as one line per entry, a list of dicts as a table, or either as JSON.

    In JSON, the dict or each row says by `model` which saved model answered, if one did. NumPy values are taken as
    their Python counterparts; NaN and infinity, which JSON lacks, become null there.
    """
    if as_json and model is not None:
        named = {"model": model_name(model.path)}
        results = [{**row, **named} for row in results] if isinstance(results, list) else {**results, **named}
    if as_json:
        click.echo(json.dumps(_json_value(results), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(results)))


def print_answers(
    rows: list[dict], problems: list[dict], *, output: Path | None = None, reasons: Callable | None = None
) -> None:
    """Prints a row for each file, or how often each label was given where there are many; then what was left out.

    Args:
        rows: Answers, as they are shown.
        problems: Dicts of `file` and `problem` for the files that could not be read.
        output: File that holds all rows, if there is one.
        reasons: As of `tell_left_out`.
    """
    if len(rows) > MOST_ROWS:
        labels = collections.Counter(row["label"] for row in rows if "label" in row)
        unsure = {"unsure": sum(row["unsure"] for row in rows)} if "unsure" in rows[0] else {}
        counts = {"labels": dict(labels.most_common())} if labels else {}
        print_results({"answers": len(rows), **counts, **unsure, "each": output or "written by `--output FILE`"})
    elif rows:
        print_results(rows)
    tell_left_out(problems, len(rows) + len(problems), reasons)


def print_pictures(
    images: "np.ndarray",
    names: Sequence[str],
    *,
    grid: Path | None,
    output: Path | None,
    as_json: bool,
    model: "SavedModel",
    **layout: int,
) -> None:
    """Writes pictures that were drawn as one grid, as single files, or both, and prints where they are.

    Args:
        images: As of `plotting.save_grid`.
        names: Name of each file, without its ending.
        grid: File of the grid; None for none.
        output: Folder of single files; None for none.
        as_json: Whether to print JSON.
        model: The saved model that drew them.
        **layout: `columns` and `scale` of the grid.
    """
    from kerasmlsp import plotting

    result: dict = {"images": len(names)}
    if grid is not None:
        plotting.save_grid(images, grid, **layout)
        result["grid"] = str(grid)
        tell_figure(grid)
    if output is not None:
        paths = [str(path) for path in plotting.save_pictures(images, names, output)]
        result["files"] = paths if as_json or len(paths) <= MOST_ROWS else f"{len(paths)} in {output}"
    print_results(result, as_json, model)


def labelled(row: dict) -> dict:
    """A row of a classification as it is shown."""
    return {name: row[name] for name in ("label", "confidence", "unsure", "file")}


def print_predictions(
    rows: list[dict],
    problems: list[dict],
    sources: Sequence[str | Path],
    *,
    as_json: bool,
    shown: Callable[[dict], dict] = labelled,
    output: Path | None = None,
    model: "SavedModel | None" = None,
    reasons: Callable | None = None,
) -> None:
    """Prints what was predicted of files, and what was left out, and ends with 1 where a named file was among that.

    Args:
        rows: An answer for each file, all of which JSON has.
        problems: As of `print_answers`.
        sources: What was named on the command line.
        as_json: Whether to print JSON.
        shown: Makes of an answer a row of the table.
        output: As of `print_answers`.
        model: The saved model that answered, if one did.
        reasons: As of `tell_left_out`.
    """
    if as_json:
        print_results([*rows, *problems], True, model)
        tell_left_out(problems, len(rows) + len(problems), reasons)
    else:
        print_answers([shown(row) for row in rows], problems, output=output, reasons=reasons)
    exit_for(problems, sources)


def tell_left_out(problems: list[dict], total: int, reasons: Callable | None = None) -> None:
    """Prints which of `total` files could not be read, as in `print_answers`, and how many for which reason.

    `reasons` counts problems by reason; None for those of pictures.
    """
    if not problems:
        return
    from kerasmlsp import files
    from kerasmlsp.data import images

    reasons = reasons or images.reasons

    for problem in problems[:MOST_ROWS]:
        click.echo(f"Left out: {by_options(problem['problem'])}", err=True)
    counts = files.listed(reasons(problem["problem"] for problem in problems))
    click.echo(f"Left out {len(problems)} of {total}: {counts}.", err=True)


def exit_for(problems: list[dict], sources: Iterable[str | Path]) -> None:
    """Ends a command with 1 where a file that was named on the command line could not be read."""
    if {problem["file"] for problem in problems} & {str(Path(source)) for source in sources}:
        click.get_current_context().exit(1)


def without_metrics(result: dict) -> dict:
    """What an evaluation found but for what is empty and `metrics`, which the model card has."""
    return {name: value for name, value in result.items() if name != "metrics" and value}


def interval(measure: dict, digits: int = 4) -> str:
    """A measure with its interval, if there is one, as text."""
    value, low, high = (measure[name] for name in ("value", "low", "high"))
    return f"{value:.{digits}f}" + ("" if low is None else f" ({low:.{digits}f} to {high:.{digits}f})")


def measures(result: dict) -> list[dict]:
    """The metrics of an evaluation with their intervals, a row each."""
    return [{"measure": name.replace("_", " "), "value": interval(each)} for name, each in result["metrics"].items()]


def by_fold(measure: str, result: dict) -> dict:
    """The values of a measure by fold, where an evaluation was a cross-validation."""
    return {f"{measure} by fold": ", ".join(f"{share:.4f}" for share in result["folds"])} if "folds" in result else {}


def _json_value(value):
    if hasattr(value, "tolist"):  # a NumPy value, recognised without importing NumPy
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def _lines(value, indent: str = "") -> list[str]:
    if isinstance(value, dict):
        width = max(map(len, map(str, value)), default=0)
        return [line for key, item in value.items() for line in _entry(str(key), item, indent, width)]
    if isinstance(value, (list, tuple)) and value and all(isinstance(row, dict) for row in value):
        return [indent + line for line in _table(value)]
    return [f"{indent}{_cell(item)}" for item in (value if isinstance(value, (list, tuple)) else [value])]


def _entry(key: str, item, indent: str, width: int) -> list[str]:
    if isinstance(item, (dict, list, tuple)) and item:
        return [f"{indent}{key}", *_lines(item, indent + "  ")]
    return [f"{indent}{key:<{width}}  {_cell(item)}"]


def _table(rows: Sequence[dict]) -> list[str]:
    heads = list(dict.fromkeys(str(key) for row in rows for key in row))
    cells = [heads, *([_cell(row.get(head)) for head in heads] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _cell(value) -> str:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return "-" if value is None or value in ([], (), {}) else " ".join(str(value).split())
