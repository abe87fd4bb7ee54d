"""The saved model that answers a command, and the command `predict` of applications that classify files."""

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kerasmlsp.apps.messages import quiet_imports
from kerasmlsp.apps.options.checks import check_sources, check_targets
from kerasmlsp.apps.options.fields import Target, together
from kerasmlsp.apps.options.shared import FOLDER, json_option, reject_option
from kerasmlsp.apps.printing import model_name, print_predictions

if TYPE_CHECKING:
    import keras

    from kerasmlsp.exporting import SavedModel

model_options = together(
    click.option(
        "--models",
        type=FOLDER,
        metavar="DIR",
        help="Folder of saved models to answer from; default ./saved_models, and the shipped ones for what it lacks.",
    ),
    click.option("--shipped", is_flag=True, help="Answer from the shipped saved models."),
    click.option("--version", type=click.IntRange(min=1), help="Version of the saved model; default the newest."),
)
"""The options that choose the saved model of a command, as `find_model` takes them."""

sources_argument = click.argument(
    "sources", nargs=-1, required=True, metavar="FILE|FOLDER|-...", type=click.Path(path_type=Path, allow_dash=True)
)
label_options = together(
    sources_argument,
    click.option("--output", type=Target(".csv"), metavar="OUT.csv", help="Write all probabilities there."),
    reject_option,
    model_options,
    json_option,
)
"""The arguments and options of a command `predict`, as `label_files` takes them."""


def find_model(app: str, *, models: Path | None, shipped: bool, version: int | None) -> Path:
    """Returns the folder of the saved model that `model_options` choose, before anything heavy is imported.

    Raises:
        click.UsageError: Two places are named.
        FileNotFoundError: There is no such saved model; a folder that was given is the only one looked in.
    """
    if shipped and models is not None:
        raise click.UsageError("Give either `--models` or `--shipped`.")
    from kerasmlsp.exporting import loading

    return loading.find(app, version, loading.shipped() if shipped else models)


def load_model(folder: Path, *, whole_calls: bool = False) -> "SavedModel":
    """Loads the saved model in the folder that `find_model` returned, and says on stderr which one answers.

    Args:
        folder: The folder.
        whole_calls: For many calls, as `loading.prefer_whole_calls`; otherwise the first answer shall come soon.

    Raises:
        ValueError: It is damaged, or of another application than the folder says.
    """
    with quiet_imports():
        from kerasmlsp.exporting import compiled, loading

        compiled.keep_compiled()
        if whole_calls:
            loading.prefer_whole_calls()
        else:
            compiled.prefer_first_answers()
        model = loading.load(folder)
    app = folder.parent.name
    if model.card.get("app") != app:
        raise ValueError(
            f"{folder / 'card.json'} must name the application {app}: export a run of it, or name another folder with "
            f"`--models`. Received: {model.card.get('app') or 'none'}"
        )
    click.echo(f"Model: {model_name(folder)}", err=True)
    return model


def load_imagenet() -> "keras.Model":
    """Returns EfficientNet-Lite0 with its weights of ImageNet, and says so on stderr.

    Raises:
        ModuleNotFoundError: The extra `imagenet` is not installed.
    """
    with quiet_imports():
        from kerasmlsp import imagenet, models
    model = imagenet.load_efficientnet_lite0(models.efficientnet_lite0(1000))
    click.echo("Model: EfficientNet-Lite0 with weights of ImageNet", err=True)
    return model


def label_files(
    app: str,
    files_in: Callable[[Path], Sequence[Path]],
    what: str,
    reasons: Callable,
    *,
    sources: Sequence[Path],
    output: Path | None,
    reject_below: float | None,
    as_json: bool,
    **wanted: Any,
) -> None:
    """Classifies files by an application's `predict(model, sources, reject_below=...)`, and prints the answers.

    Args:
        app: Name of the application.
        files_in: Lists the files of a folder.
        what: What a file is.
        reasons: As of `printing.tell_left_out`.
        sources, output, reject_below, as_json, **wanted: The values of `label_options`.
    """
    folder = find_model(app, **wanted)
    check_sources(sources)
    check_targets(output=output)
    from kerasmlsp import classification, files

    module = importlib.import_module(f"kerasmlsp.apps.{app}.predict")
    model = load_model(folder)
    rows, problems = module.predict(model, files.given(sources, files_in, what), reject_below=reject_below)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if output:
        classification.write_table(rows, problems, output)
    print_predictions(rows, problems, sources, as_json=as_json, output=output, model=model, reasons=reasons)
