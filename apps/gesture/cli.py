"""The commands of the gesture application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.gesture.config import INPUTS, Config

RUNS = Path("runs/gesture")


@click.group(cls=messages.Group)
def gesture():
    """Tell which sign a picture, landmarks of a hand or a movement show.

    \b
    kerasmlsp gesture predict hand.jpg
    kerasmlsp gesture train --data photos --run mine
    kerasmlsp gesture evaluate --run mine --folds 5
    kerasmlsp gesture export --run mine
    """


@gesture.command()
@options.train_options(Config)
def train(**values):
    """Train on your own pictures or numbers, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp gesture train --data photos --run mine
    kerasmlsp gesture train --data sign_digits --rounds --background rooms --run digits
    kerasmlsp gesture train --data keypoint.csv --class-names names.txt --run hands
    kerasmlsp gesture train --dataset rock_paper_scissors --run rps
    kerasmlsp gesture train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run} --folds 5", check=_check)


def _check(config):
    if config.dataset:
        of_files = ("path_column", "class_names", "rounds", "group_pattern")
        options.refuse("A data set of TensorFlow Datasets has no files of its own", *of_files)
    if config.background is None:
        options.refuse("It is a share of the pictures of `--background`", "background_share")
    options.check_data(config.data, config.dataset, encoding=config.encoding, **_columns(config))
    _check_folder(config.data)


def _check_folder(data):
    """Refuses a folder without classes."""
    from kerasmlsp.data import images

    if data and Path(data).is_dir():
        images.class_folders(data)


def _columns(config):
    """The columns that a table of paths must have; none of a CSV of numbers, which may lack a header."""
    from kerasmlsp.data import tables

    path = Path(config.data or "")
    table = path.suffix.lower() == ".csv" and path.is_file()
    if config.input in INPUTS[1:] or (table and _wide(tables.columns(path, encoding=config.encoding))):
        return {}
    return {"path_column": config.path_column, "label_column": config.label_column}


def _wide(row):
    """Whether a row has as many cells as one of numbers at least."""
    return len(row) > 20


@gesture.command()
@options.run_option
@options.settings(Config, "data", "dataset", "manual_dir", "encoding", encoding=None)
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Pictures that show none of the classes, to see how many are taken for one; not those trained with.",
)
@click.option(
    "--folds", type=click.IntRange(min=2), help="Cross-validate on the data of the run; persons stay together."
)
@click.option("--worst", type=click.IntRange(min=0), default=50, show_default=True, help="Mistakes to write.")
@options.json_option
def evaluate(run, data, background, folds, as_json, **values):
    """Measure a run on examples that it has not seen.

    \b
    kerasmlsp gesture evaluate --run mine --data test
    kerasmlsp gesture evaluate --run mine --folds 5
    """
    if folds:
        options.refuse("`--folds` takes the data of the run", "data", "dataset", "manual_dir", "background")
    if not data:
        options.refuse("It is that of `--data`", "encoding")
    options.check_data(data, values["dataset"], optional=True)
    options.started(Config, run)
    _check_folder(data)
    with messages.quiet_imports():
        from kerasmlsp.apps.gesture import evaluate as app
    try:
        result = app.evaluate(RUNS / run, data, background=background, folds=folds or 0, **values)
    except KeyboardInterrupt:
        again = f"Go on with: kerasmlsp gesture evaluate --run {run} --folds {folds}" if folds else ""
        raise KeyboardInterrupt(again) from None
    printing.print_results(result if as_json else _shown_report(result), as_json)


@gesture.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: picture or numbers in, label out.

    \b
    kerasmlsp gesture export --run mine
    """
    options.export(Config, **values)


@gesture.command()
@options.sources_argument
@click.option("--explain", is_flag=True, help="Draw what in the picture decided (Grad-CAM).")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Where; default grad_cam.png.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all probabilities there.")
@options.settings(Config, "encoding")
@options.reject_option
@options.model_options
@options.json_option
def predict(sources, explain, figure, output, encoding, reject_below, as_json, **wanted):
    """Classify pictures, folders of pictures, or a picture on stdin; or the rows of a CSV of numbers.

    \b
    kerasmlsp gesture predict hand.jpg
    kerasmlsp gesture predict photos --output labels.csv
    kerasmlsp gesture predict - < hand.jpg
    kerasmlsp gesture predict hand.jpg --explain --figure why.png
    """
    folder = options.find_model("gesture", **wanted)
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp import classification
    from kerasmlsp.apps.gesture import predict as app

    model = options.load_model(folder)
    drawn = (figure or Path("grad_cam.png")) if explain or figure else None
    rows, problems = _answers(app, model, sources, drawn, encoding, reject_below)
    if output:
        classification.write_table(rows, problems, output)
    told = [{k: v for k, v in row.items() if k != "heat"} for row in rows]
    printing.print_predictions(told, problems, sources, as_json=as_json, output=output, model=model)


def _answers(app, model, sources, figure, encoding, reject_below):
    if app.kind(model) != "images":
        if figure:
            raise ValueError("`--explain` is for pictures, and this saved model takes numbers.")
        read = {path: app.rows_of(model, path, encoding) for path in sources}
        rows = [(f"{path}:{number}", row) for path, each in read.items() for number, row in enumerate(each, 1)]
        names = [name for name, _ in rows]
        return app.predict_numbers(model, [row for _, row in rows], names, reject_below=reject_below), []
    options.refuse("Pictures are no text", "encoding")
    from kerasmlsp.data import images

    files = images.listed(sources)
    rows, problems = app.predict_pictures(model, files, explain=bool(figure), reject_below=reject_below)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if figure:
        app.draw(rows, files, figure)
        printing.tell_figure(figure)
    return rows, problems


def _shown_report(result):
    classes = [{"class": name, **each} for name, each in result["classes"].items()]
    return {
        "measured on": f"{result['examples']} examples: {result['on']}",
        "measures, with 95 % intervals": printing.measures(result),
        **printing.by_fold("accuracy", result),
        "left out": result["left out"],
        "unsure below": result["reject_below"],
        "classes": classes,
        "files": result["files"],
    }
