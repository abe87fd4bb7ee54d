"""The commands of the pixelcnn application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.pixelcnn.config import Config

RUNS = Path("runs/pixelcnn")
MOST = 10_000

_drawing = options.together(
    click.option("--label", metavar="NAME", help="Class to draw; by default all in turn."),
    click.option("--num", type=click.IntRange(1, MOST), default=16, show_default=True, help="Images to draw."),
    options.sampling_options,
    click.option(
        "--seed",
        type=click.IntRange(0, options.LARGEST_SEED),
        default=0,
        show_default=True,
        help="Of the first image; the next have the next.",
    ),
    click.option("--grid", type=options.Target(".png"), metavar="FILE.png", help="File for all images together."),
    click.option("--output", type=options.Folder(*options.PICTURES), metavar="DIR", help="Folder for single files."),
    click.option("--columns", type=click.IntRange(min=1), help="Images in a row of the grid."),
    click.option(
        "--scale",
        type=click.IntRange(1, 32),
        help="Times that every pixel is repeated; by default as many as make about 500 pixels.",
    ),
    options.model_options,
    options.json_option,
)
"""The options of the commands that draw, as `_draw` takes them."""


@click.group(cls=messages.Group)
def pixelcnn():
    """Draw images pixel after pixel, or complete them.

    \b
    kerasmlsp pixelcnn train --data photos/ --size 16 --run photos
    kerasmlsp pixelcnn evaluate --run photos
    kerasmlsp pixelcnn export --run photos
    kerasmlsp pixelcnn generate --num 16 --grid samples.png
    kerasmlsp pixelcnn complete --primer photo.jpg --rows 8 --grid completed.png
    """


@pixelcnn.command()
@options.train_options(Config)
def train(**values):
    """Train on images, to draw others like them.

    \b
    kerasmlsp pixelcnn train --data fashion_mnist/ --run fashion
    kerasmlsp pixelcnn train --data photos/ --size 16 --epochs 50 --run photos
    kerasmlsp pixelcnn train --dataset fashion_mnist --run fashion
    kerasmlsp pixelcnn train --run photos --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    options.check_data(config.data, config.dataset)
    if config.data and Path(config.data).is_dir():
        from kerasmlsp.data import idx, images

        if not idx.holds_idx(config.data):
            images.list_images(config.data)


@pixelcnn.command()
@options.run_option
@options.seed_option
@click.option("--images", type=click.IntRange(min=1), help="Most test images to measure; by default all.")
@click.option(
    "--samples", type=click.IntRange(0, MOST), default=40, show_default=True, help="Images to draw; 0 for no figures."
)
@options.json_option
def evaluate(run, seed, images, samples, as_json):
    """Measure the bits that a pixel of test images takes, beside histograms and files, and draw samples.

    \b
    kerasmlsp pixelcnn evaluate --run fashion
    """
    if not samples:
        options.refuse("With `--samples 0` nothing is drawn", "seed")
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.pixelcnn import evaluate as app
    result = app.evaluate(RUNS / run, images=images, samples=samples, seed=seed)
    printing.print_results(result if as_json else _shown(result), as_json)


def _shown(result):
    measures = [{"by": name, **_values(row)} for name, row in result["measures"].items()]
    return {**printing.without_metrics(result), "measures": measures}


def _values(row):
    return {name: printing.interval(each) if isinstance(each, dict) else f"{each:.4f}" for name, each in row.items()}


@pixelcnn.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: seeds in, images out.

    \b
    kerasmlsp pixelcnn export --run fashion
    """
    options.export(Config, **values)


@pixelcnn.command()
@_drawing
def generate(**values):
    """Draw images; the same seed draws the same image.

    \b
    kerasmlsp pixelcnn generate --num 40 --grid samples.png
    kerasmlsp pixelcnn generate --label Sneaker --num 9 --seed 100 --output sneakers/
    """
    _draw(None, None, **values)


@pixelcnn.command()
@click.option(
    "--primer",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Upper part of a picture; or any picture with --rows.",
)
@click.option("--rows", type=click.IntRange(min=1), help="Stretch the picture, and take so many rows at its top.")
@_drawing
def complete(primer, rows, **values):
    """Draw what is below the upper part of a picture, one version for every seed.

    \b
    kerasmlsp pixelcnn complete --primer top.png --num 4 --grid completed.png
    kerasmlsp pixelcnn complete --primer photo.jpg --rows 14 --label Bag --output bags/
    """
    options.check_sources([primer])
    _draw(primer, rows, **values)


def _draw(
    primer, rows, *, label, num, seed, grid, output, columns, scale, models, shipped, version, as_json, **settings
):
    if grid is None and output is None:
        raise click.UsageError("Say where the images go: --grid FILE.png, or --output DIR.")
    if grid is None:
        options.refuse("Single files are drawn as they are, in no grid", "columns", "scale")
    seeds = options.seeds(seed, num)
    folder = options.find_model("pixelcnn", models=models, shipped=shipped, version=version)
    options.check_targets(grid=grid)
    from kerasmlsp import files
    from kerasmlsp.apps.pixelcnn import generate as app

    model = options.load_model(folder)
    if primer is not None:
        (source,) = files.given([primer], lambda path: [path], "picture")
        settings["primer"] = app.read_primer(model, source, rows)
    images, labels = app.generate(model, seeds, None if label is None else [label] * num, **settings)
    told = {"grid": grid, "output": output, "as_json": as_json, "model": model}
    printing.print_pictures(images, list(map(files.drawn_name, seeds, labels)), columns=columns, scale=scale, **told)
