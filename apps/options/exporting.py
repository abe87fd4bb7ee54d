"""The command `export` of all applications."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import click

from kerasmlsp.apps.messages import quiet_imports
from kerasmlsp.apps.options.checks import check_targets, refuse, refuse_ending
from kerasmlsp.apps.options.fields import together
from kerasmlsp.apps.options.runs import run_folder, started, stored_of
from kerasmlsp.apps.options.shared import data_note_option, json_option, licence_option, run_option, target_option
from kerasmlsp.apps.printing import print_results
from kerasmlsp.extras import install

_format_option = click.option(
    "--format",
    type=click.Choice(["savedmodel", "onnx", "litert"]),
    default="savedmodel",
    show_default=True,
    help="A saved model with all that it needs, or a file of the net alone.",
)
_output_option = click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for onnx and litert; default NAME.onnx or NAME.tflite.",
)
export_options = together(
    run_option, target_option, _format_option, _output_option, data_note_option, licence_option, json_option
)
"""The options of the command `export`, as `export` takes them."""


def export(
    config: type[Any],
    run: str,
    models: Path,
    format: str,
    output: Path | None,
    data_note: str,
    licence: str,
    as_json: bool,
    **settings: Any,
) -> None:
    """Makes a saved model or a file of the net of a run of an application, and prints where it is.

    The application's module `export` has a function `export(run, models, notes, **settings)`, from the folder of a
    finished run, that of saved models and a `model_cards.Notes` to the folder of the new version. It raises
    FileNotFoundError where the run is not there or not finished, and ValueError where it is of another application or
    the saved model does not answer as the net does. `convert(run, path, format)` is its like for other formats.

    Args:
        config: The dataclass of the application's configuration.
        run, models, format, output, data_note, licence, as_json: As of `export_options`.
        **settings: Options of the application for a saved model.
    """
    if format == "savedmodel":
        refuse("A saved model goes to the folder `--models`", "output")
        started(config, run)
    else:
        from kerasmlsp.exporting.converting import FORMATS

        ending, packages = FORMATS[format]
        alone = f"A file of the format {format} is the net alone, without a model card"
        refuse(alone, "models", "data_note", "licence", *settings)
        output = output or Path(run + ending)
        refuse_ending(output, ending, option="--output")
        _check_conversion(config, run, format, packages)
        check_targets(output=output)
    with quiet_imports():
        module = importlib.import_module(f"kerasmlsp.apps.{config.app}.export")
    if format == "savedmodel":
        from kerasmlsp.exporting.model_cards import Notes

        path = module.export(run_folder(config, run), models, Notes(data_note, licence), **settings)
    else:
        path = module.convert(run_folder(config, run), output, format)
    print_results({"exported": str(path)}, as_json)


def _check_conversion(config, run: str, format: str, packages):
    """Refuses what cannot be converted, and missing packages, before anything heavy is imported."""
    converts = importlib.import_module(config.__module__).CONVERTS
    if isinstance(converts, str):
        raise click.UsageError(f"`--format {format}` is not possible for {config.app}: {converts}")
    _, stored = stored_of(config, run)
    trained = stored.get("trained") or stored["architecture"]
    if trained not in converts[format]:
        other = " or ".join(f"`--format {name}`" for name, works in converts.items() if trained in works)
        raise click.ClickException(
            f"The architecture {trained} cannot become a file of the format {format}, which lacks operations that "
            f"it needs: give {other or 'no `--format`'}, or train one of {', '.join(converts[format])}."
        )
    if missing := [name for name in packages if importlib.util.find_spec(name) is None]:
        raise click.ClickException(f"`--format {format}` needs the package {missing[0]}: {install(missing[0])}.")
