"""The commands of the caption application."""

import functools
from pathlib import Path
from types import SimpleNamespace

import click

from kerasmlsp.apps import options
from kerasmlsp.apps.caption.config import ARCHITECTURES, EFFICIENTNET, REFINED, SCRATCH, Config, refined

RUNS = Path("runs/caption")

_own = functools.partial(options.field_option, Config, none="the architecture's own")
_number = functools.partial(options.field_option, Config)
_refined = functools.partial(options.field_option, SimpleNamespace(**REFINED))
_table_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE", help="Table of image and caption (and split)."
)
_images_option = click.option(
    "--images",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of the pictures; default: `images` beside --data, or its own folder.",
)


@click.group()
def caption():
    """Say in a sentence what a picture shows.

    \b
    kerasmlsp caption train --data captions.csv --images photos/ --run mine
    kerasmlsp caption evaluate --run mine
    kerasmlsp caption export --run mine
    kerasmlsp caption predict dog.jpg --figure attention.png
    """


@caption.command()
@_table_option
@_images_option
@options.dataset_option
@options.manual_dir_option
@_number("image_column", str, "Column that names the picture.")
@_number("caption_column", str, "Column that holds the caption.")
@_number("split_column", str, "Column that holds train, val or test; drawn by lot where there is none.")
@click.option("--architecture", type=click.Choice(ARCHITECTURES), default=Config.architecture, show_default=True)
@_number("encoder", str, f"{EFFICIENTNET}, a net of keras.applications, or {SCRATCH} to train one from scratch.")
@_number("encoder_weights", str, "imagenet, random, or a file; not for cnn.")
@_number("image_size", click.IntRange(min=32), "Height and width that the encoder sees.", none="the encoder's own")
@options.run_option
@options.resume_option
@options.seed_option
@_own("units", click.IntRange(min=1), "Size of the states.")
@_own("num_layers", click.IntRange(min=1), "Layers of the decoder.")
@_own("dropout", click.FloatRange(0, 1, max_open=True), "Drop probability.")
@_own("epochs", click.IntRange(min=1), "Passes over the captions.")
@_number("batch_size", click.IntRange(min=1), "Captions in a batch.")
@_own("learning_rate", click.FloatRange(min=0, min_open=True), "Peak learning rate.")
@options.schedule_option
@_number("warmup", click.FloatRange(0, 1, max_open=True), "Share of the steps in which the learning rate rises.")
@_number("clip_norm", click.FloatRange(min=0), "Largest norm of all gradients together; 0 for any.")
@_number("weight_decay", click.FloatRange(min=0), "Decoupled weight decay.")
@_number(
    "ema",
    click.FloatRange(0, 1, max_open=True),
    "Momentum of a moving average of the weights; 0 for no average.",
    none="over about a sixth of all steps",
)
@_number("patience", click.IntRange(min=1), "Epochs without a better validation loss before training stops.")
@_number("label_smoothing", click.FloatRange(0, 1, max_open=True), "Share of the target that all words get alike.")
@_number("min_count", click.IntRange(min=1), "Rarer words are unknown.")
@_number("vocabulary_size", click.IntRange(min=5), "Words known, most frequent first.")
@_number("max_words", click.IntRange(min=2), "Longest caption.")
@_number("beams", click.IntRange(min=1), "Captions followed at once.")
@_number("length_penalty", click.FloatRange(min=0), "Exponent by which long captions are favoured.")
@_number("validation_share", click.FloatRange(0, 0.5, min_open=True, max_open=True), "Pictures to select on.")
@_number("test_share", click.FloatRange(0, 0.5, min_open=True, max_open=True), "Pictures to test on.")
@click.option(
    "--mirror/--no-mirror",
    default=Config.mirror,
    show_default=True,
    help="Train on half of the pictures as in a mirror; not where captions tell left from right.",
)
@click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of computed features; default ~/.cache/kerasmlsp/features.",
)
@options.precision_option
@options.jit_option
@options.deterministic_option
@options.json_option
@click.pass_context
def train(context, run, resume, as_json, **values):
    """Train on your own pictures and captions, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp caption train --data captions.csv --images photos/
    kerasmlsp caption train --data captions.csv --architecture lstm --encoder MobileNetV2 --run quick
    kerasmlsp caption train --dataset coco_captions --run coco
    kerasmlsp caption train --run coco --resume
    """
    config = options.configuration(context, Config, RUNS / run if resume else None, values)
    _train(config, run, resume, as_json)


def _train(config, run, resume, as_json):
    with options.quiet_imports():
        from kerasmlsp.apps.caption import train as app
    with options.resumable("caption", run):
        result = app.train(config, RUNS / run, resume=resume)
    options.print_results(result, as_json)
    click.echo(f"Next: kerasmlsp caption evaluate --run {run}", err=True)


@caption.command()
@click.option("--start", required=True, metavar="NAME", help="Run to go on from, whose encoder was kept as it is.")
@options.run_option
@options.seed_option
@_refined("samples", click.IntRange(min=2), "Captions drawn of each picture.")
@_refined("epochs", click.IntRange(min=1), "Passes over the pictures.")
@_refined("batch_size", click.IntRange(min=1), "Pictures in a batch.")
@_refined("learning_rate", click.FloatRange(min=0, min_open=True), "Peak learning rate.")
@options.json_option
def refine(start, run, as_json, **values):
    """Let a trained net learn from captions that it draws, rewarded by their CIDEr-D (self-critical training).

    The run is a new one, which keeps all other options of the one it goes on from.

    \b
    kerasmlsp caption refine --start mine --run refined
    kerasmlsp caption train --run refined --resume
    """
    with options.quiet_imports():
        from kerasmlsp import training
    started, _ = training.configuration(RUNS / start, Config)
    _train(refined(started, RUNS / start, **values), run, False, as_json)


@caption.command()
@options.run_option
@_table_option
@_images_option
@options.dataset_option
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@click.option("--beams", type=click.IntRange(min=1), help="Captions followed at once; default the run's own.")
@options.json_option
def evaluate(run, data, images, dataset, split, beams, as_json):
    """Measure a run on the test pictures of its own data, or on another table: its split test, or all of it.

    \b
    kerasmlsp caption evaluate --run mine
    kerasmlsp caption evaluate --run mine --data other.csv --images photos/
    """
    if data and dataset:
        raise click.UsageError("Give either `--data` or `--dataset`, or neither for the run's own data.")
    with options.quiet_imports():
        from kerasmlsp.apps.caption import evaluate as app
    result = app.evaluate(RUNS / run, data, images=images, dataset=dataset, split=split, beams=beams)
    options.print_results(result if as_json else _report(result), as_json)


@caption.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: picture in, captions out.

    \b
    kerasmlsp caption export --run mine
    """
    options.export("caption", **values)


@caption.command()
@click.argument("sources", nargs=-1, required=True, metavar="PATH...")
@click.option(
    "--figure", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw where it looked for each word."
)
@click.option("--output", type=click.Path(path_type=Path), metavar="OUT.csv", help="Write the captions as a table.")
@options.models_option
@options.version_option
@options.json_option
def predict(sources, figure, output, models, version, as_json):
    """Caption pictures, folders of pictures, or a picture on stdin.

    \b
    kerasmlsp caption predict dog.jpg
    kerasmlsp caption predict photos --output captions.csv
    kerasmlsp caption predict - < dog.jpg
    kerasmlsp caption predict dog.jpg --figure attention.png
    """
    with options.quiet_imports():
        from kerasmlsp import loading
        from kerasmlsp.apps.caption import predict as app

        pictures = _pictures(app, sources)
        if figure and len(pictures) != 1:
            raise click.UsageError("`--figure` draws one picture: give just one.")
        model = loading.load(loading.find("caption", version, models))
    rows, problems = app.predict(model, pictures)
    for problem in problems:
        click.echo(f"Left out: {problem['problem']}", err=True)
    if not rows:
        raise click.ClickException("No picture could be read.")
    if figure:
        app.draw(rows[0], pictures[0], figure)
    if output:
        app.write_table(rows, problems, output)
    if as_json:
        options.print_results([*rows, *problems], as_json)
    else:
        options.print_results([{name: row[name] for name in ("caption", "score", "file")} for row in rows])


def _pictures(app, sources):
    from kerasmlsp import images

    found = []
    for source in sources:
        if source == "-":
            found.append(app.from_stdin())
        elif Path(source).is_dir():
            found += images.list_images(source)
        else:
            found.append(Path(source))
    return found


def _report(result):
    """The figures of an evaluation as a table, one row a way of writing."""
    rows = []
    for name, measures in result["metrics"].items():
        row = {"captions": name}
        for measure, each in measures.items():
            digits = 3 if measure == "CIDEr-D" else 1
            row[measure] = options.interval(each, digits)
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
