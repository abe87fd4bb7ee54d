"""The commands of the detect application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.detect.config import Config

RUNS = Path("runs/detect")


@click.group(cls=messages.Group)
def detect():
    """Find things in pictures, and tell what they are.

    \b
    kerasmlsp detect train --data blood --split train --run cells
    kerasmlsp detect evaluate --run cells --data blood --split val
    kerasmlsp detect export --run cells
    kerasmlsp detect predict blood.jpg --figure boxes.png
    """


@detect.command()
@options.train_options(Config)
def train(**values):
    """Train on your own pictures with boxes: Pascal VOC, COCO or a table.

    \b
    kerasmlsp detect train --data blood --split train --flip both --run cells
    kerasmlsp detect train --data instances.json --pictures photos --run things
    kerasmlsp detect train --data boxes.csv --path-column image --label-column kind --run mine
    kerasmlsp detect train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if config.data is None:
        raise click.UsageError("Give the pictures and their boxes with `--data PATH`.")
    if config.holdout_pattern:
        options.refuse("What is held out is named by `--holdout-pattern`", "validation_share")
    path = Path(config.data)
    if path.is_dir() or path.suffix.lower() == ".json":
        options.refuse(f"{path} is no table, and has no columns", "path_column", "label_column", "box_columns")
    _check_boxes(config, path, config.split, config.pictures)


def _check_boxes(config, path, split, pictures):
    """Refuses what lists no pictures with boxes, before anything heavy is imported."""
    from kerasmlsp.data.boxes import list_boxes

    columns = {"path_column": config.path_column, "label_column": config.label_column, "box_columns": config.sides}
    list_boxes(path, split=split, pictures=pictures, encoding=config.encoding, **columns)


@detect.command()
@options.run_option
@options.settings(Config, "data", "split", "pictures")
@options.json_option
def evaluate(run, data, split, pictures, as_json):
    """Measure a run on pictures that it held out, or on others with boxes.

    \b
    kerasmlsp detect evaluate --run cells
    kerasmlsp detect evaluate --run cells --data blood --split val
    """
    if data is None:
        options.refuse("It belongs to `--data`", "split", "pictures")
    started = options.started(Config, run)
    if data:
        _check_boxes(started, data, split, pictures)
    from kerasmlsp.extras import required

    required("pycocotools")
    with messages.quiet_imports():
        from kerasmlsp.apps.detect import evaluate as app
    result = app.evaluate(RUNS / run, data, split=split, pictures=pictures)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    measures = [{"measure": name, "value": _shown(each)} for name, each in result["metrics"].items()]
    beside = [{"measure": f"mAP50: {name}", "value": _shown(each)} for name, each in result["beside"].items()]
    return {
        "measured on": f"{result['examples']} pictures: {result['on']}",
        "measures, with 95 % intervals": measures + beside,
        "left out": result["left out"],
        "classes": [{"class": name, **each} for name, each in result["classes"].items()],
        "shown from": result["shown from"],
        "files": result["files"],
    }


def _shown(measure):
    return "-" if measure["value"] is None else printing.interval(measure)


@detect.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: picture of any size in, boxes, labels and scores out.

    \b
    kerasmlsp detect export --run cells
    """
    options.export(Config, **values)


@detect.command()
@options.sources_argument
@click.option(
    "--min-score",
    type=options.FiniteRange(0, 1),
    metavar="P",
    help="Score from which on a thing is told; default the model's own, see its card.",
)
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the pictures with boxes there.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write a row for each thing there.")
@options.model_options
@options.json_option
def predict(sources, min_score, figure, output, as_json, **wanted):
    """Find things in pictures, in folders of such, or in a picture on stdin.

    \b
    kerasmlsp detect predict blood.jpg --figure boxes.png
    kerasmlsp detect predict photos --output things.csv
    kerasmlsp detect predict - < blood.jpg
    """
    folder = options.find_model("detect", **wanted)
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.data import images

    listed = images.listed(sources)
    model = options.load_model(folder)
    from kerasmlsp.apps.detect import predict as app

    rows, problems = app.predict(model, listed, min_score)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if output:
        app.write_table(rows, output)
    if figure:
        app.draw(rows, listed, model.card["classes"], figure)
        printing.tell_figure(figure)

    def shown(row):
        return {"found": app.counted(row), "file": row["file"]}

    printing.print_predictions(rows, problems, sources, as_json=as_json, shown=shown, output=output, model=model)
