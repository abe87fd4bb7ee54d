"""The commands of the caption application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.caption.config import LISTS, REFINED, SCRATCH, Config, refined

RUNS = Path("runs/caption")
THEN = "evaluate --run {run}"


@click.group(cls=messages.Group)
def caption():
    """Say in a sentence what a picture shows.

    \b
    kerasmlsp caption train --data captions.csv --images photos/ --run mine
    kerasmlsp caption evaluate --run mine
    kerasmlsp caption export --run mine
    kerasmlsp caption predict dog.jpg --figure attention.png
    """


@caption.command()
@options.train_options(Config)
def train(**values):
    """Train on your own pictures and captions, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp caption train --data captions.csv --images photos/
    kerasmlsp caption train --data flickr8k/ --run flickr
    kerasmlsp caption train --data captions.csv --architecture lstm --encoder MobileNetV2 --run quick
    kerasmlsp caption train --dataset coco_captions --run coco
    kerasmlsp caption train --run coco --resume
    """
    options.train(Config, values, then=THEN, check=_check)


def _check(config):
    if config.dataset:
        columns = ("image_column", "caption_column", "split_column")
        options.refuse("A data set of TensorFlow Datasets has pictures and columns of its own", "images", *columns)
    if config.encoder == SCRATCH:
        options.refuse(f"The encoder {SCRATCH} is trained from scratch, with the captions", "encoder_weights")
    options.refuse("They are drawn by the command `refine`", "samples")
    options.check_data(config.data, config.dataset, encoding=config.encoding, lists=LISTS, **config.columns)
    _check_folder(config.data)


def _check_folder(data):
    """Refuses a folder without captions."""
    from kerasmlsp.apps.caption import sources

    if data:
        sources.table_of(data)


@caption.command()
@click.option("--start", required=True, metavar="NAME", help="Run to go on from, whose encoder was kept as it is.")
@options.run_option
@options.overwrite_option
@options.settings(Config, "seed", *REFINED, **REFINED)
@options.json_option
def refine(start, run, overwrite, as_json, **values):
    """Let a trained net learn from captions that it draws, rewarded by their CIDEr-D (self-critical training).

    The run is a new one, which keeps all other options of the one it goes on from.

    \b
    kerasmlsp caption refine --start mine --run refined
    kerasmlsp caption train --run refined --resume
    """
    config = refined(options.started(Config, start), RUNS / start, **values)
    options.start(config, run, resume=False, overwrite=overwrite, as_json=as_json, then=THEN)


@caption.command()
@options.run_option
@options.settings(Config, "data", "images", "dataset", "encoding", encoding=None)
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option("--beams", type=click.IntRange(min=1), help="Captions followed at once; default the run's own.")
@click.option(
    "--judge", metavar="NAME", help="Run whose net tells whether a caption finds its picture among 100; takes minutes."
)
@options.json_option
def evaluate(run, data, images, dataset, encoding, split, beams, judge, as_json):
    """Measure a run on the test pictures of its own data, or on another table: its split test, or all of it.

    \b
    kerasmlsp caption evaluate --run mine
    kerasmlsp caption evaluate --run mine --data other.csv --images photos/
    kerasmlsp caption evaluate --run refined --judge mine
    """
    if not data:
        options.refuse("They are those of `--data`", "images", "encoding")
    options.check_data(data, dataset, optional=True)
    started = options.started(Config, run)
    if data:
        options.check_table("data", data, encoding or started.encoding, lists=LISTS, **started.columns)
        _check_folder(data)
    if images:
        options.check_table("images", images)
    with messages.quiet_imports():
        from kerasmlsp.apps.caption import evaluate as app
    place = {"images": images, "dataset": dataset, "encoding": encoding}
    result = app.evaluate(RUNS / run, data, **place, split=split, beams=beams, judge=judge and RUNS / judge)
    printing.print_results(result if as_json else _report(result), as_json)


@caption.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: picture in, captions out.

    \b
    kerasmlsp caption export --run mine
    """
    options.export(Config, **values)


@caption.command()
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw where it looked for each word.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write the captions as a table.")
@options.model_options
@options.json_option
def predict(sources, figure, output, as_json, **wanted):
    """Caption pictures, folders of pictures, or a picture on stdin.

    \b
    kerasmlsp caption predict dog.jpg
    kerasmlsp caption predict photos --output captions.csv
    kerasmlsp caption predict - < dog.jpg
    kerasmlsp caption predict dog.jpg --figure attention.png
    """
    folder = options.find_model("caption", **wanted)
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.apps.caption import predict as app
    from kerasmlsp.data import images

    pictures = images.listed(sources)
    if figure and len(pictures) != 1:
        raise click.UsageError("`--figure` draws one picture: give just one.")
    model = options.load_model(folder)
    rows, problems = app.predict(model, pictures)
    if not rows:
        printing.tell_left_out(problems, len(problems))
        raise click.ClickException("No picture could be read.")
    if figure:
        app.draw(rows[0], pictures[0], figure)
        printing.tell_figure(figure)
    if output:
        app.write_table(rows, problems, output)

    def shown(row):
        return {name: row[name] for name in ("caption", "score", "file")}

    printing.print_predictions(rows, problems, sources, as_json=as_json, shown=shown, output=output, model=model)


def _report(result):
    """The figures of an evaluation as a table, one row a way of writing."""
    rows = []
    for name, measures in result["metrics"].items():
        row = {"captions": name}
        for measure, each in measures.items():
            digits = 0 if measure == "distinct words" else 1 if measure.startswith("BLEU") or measure == "words" else 3
            row[measure] = printing.interval(each, digits)
        rows.append(row)
    share = result["words of the references that are unknown"]
    return {
        "pictures": result["pictures"],
        "references": result["references"],
        "unknown words": f"{share['share']:.2%} ({share['different']} different ones)",
        "counted": result["counted"],
        "tokenisation": result["tokenisation"],
        "measures, with 95 % intervals": rows,
        "files": result["files"],
    }
