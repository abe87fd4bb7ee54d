"""The commands of the segment application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.segment.config import Config

RUNS = Path("runs/segment")


@click.group(cls=messages.Group)
def segment():
    """Tell what each pixel of a picture shows.

    \b
    kerasmlsp segment train --data pictures --masks masks --run mine
    kerasmlsp segment evaluate --run mine
    kerasmlsp segment export --run mine
    kerasmlsp segment predict street.jpg --output found
    """


@segment.command()
@options.train_options(Config)
def train(**values):
    """Train on your own pictures and masks.

    \b
    kerasmlsp segment train --data pictures --masks masks --class-names names.txt --run mine
    kerasmlsp segment train --data train --masks trainannot --void 11 --holdout-pattern "^0001TP" --run drives
    kerasmlsp segment train --data pictures --masks masks --encoder efficientnet --run features
    kerasmlsp segment train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if config.data is None or config.masks is None:
        raise click.UsageError("Give the pictures with `--data FOLDER` and their masks with `--masks FOLDER`.")
    if config.encoder == "scratch":
        options.refuse("Nothing is fine-tuned from scratch", "fine_tune")
    if config.holdout_pattern:
        options.refuse("What is held out is named by `--holdout-pattern`", "validation_share")
    _check_pairs(config.data, config.masks, config.mask_suffix)


def _check_pairs(data, masks, suffix):
    """Refuses folders without pictures and masks of the same names, before anything heavy is imported."""
    from kerasmlsp.data.masks import list_pairs

    list_pairs(data, masks, suffix)


@segment.command()
@options.run_option
@options.settings(Config, "data", "masks")
@click.option("--boosting", is_flag=True, help="Train boosted trees on colour and position beside (scikit-learn).")
@options.json_option
def evaluate(run, data, masks, boosting, as_json):
    """Measure a run on pictures that it held out, or on others with masks.

    \b
    kerasmlsp segment evaluate --run mine
    kerasmlsp segment evaluate --run mine --data val --masks valannot --boosting
    """
    if (data is None) != (masks is None):
        raise click.UsageError("Give both `--data` and `--masks`, or neither for what the run held out.")
    started = options.started(Config, run)
    if data:
        _check_pairs(data, masks, started.mask_suffix)
    if boosting:
        from kerasmlsp.extras import required

        required("sklearn")
    with messages.quiet_imports():
        from kerasmlsp.apps.segment import evaluate as app
    result = app.evaluate(RUNS / run, data, masks, boosting=boosting)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    measures = [{"measure": name, "value": printing.interval(each)} for name, each in result["metrics"].items()]
    measures += [
        {"measure": f"mean IoU: {name}", "value": printing.interval(each)} for name, each in result["beside"].items()
    ]
    return {
        "measured on": f"{result['examples']} pictures: {result['on']}",
        "measures, with 95 % intervals": measures,
        "left out": result["left out"],
        "classes": [{"class": name, **each} for name, each in result["classes"].items()],
        "files": result["files"],
    }


@segment.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: picture of any size in, mask and overlay out.

    \b
    kerasmlsp segment export --run mine
    """
    options.export(Config, **values)


@segment.command()
@options.sources_argument
@click.option(
    "--output",
    type=options.Folder(*options.PICTURES),
    metavar="DIR",
    help="Folder for NAME_mask.png and NAME_overlay.png, made where it is not there.",
)
@options.model_options
@options.json_option
def predict(sources, output, as_json, **wanted):
    """Tell the classes of the pixels of pictures, of folders of such, or of a picture on stdin.

    \b
    kerasmlsp segment predict street.jpg --output found
    kerasmlsp segment predict pictures --output found
    kerasmlsp segment predict - --output found < street.jpg
    """
    folder = options.find_model("segment", **wanted)
    options.check_sources(sources)
    options.check_targets(output=output)
    from kerasmlsp.data import images

    listed = images.listed(sources)
    model = options.load_model(folder)
    from kerasmlsp.apps.segment import predict as app

    if output:
        output.mkdir(exist_ok=True)
    rows, problems = app.predict(model, listed, output)
    if not rows:
        raise ValueError(problems[0]["problem"])

    def shown(row):
        return {name: row[name] for name in ("mostly", "overlay", "file") if name in row}

    printing.print_predictions(rows, problems, sources, as_json=as_json, shown=shown, output=output, model=model)
