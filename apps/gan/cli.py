"""The commands of the gan application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.gan.config import ONE_CLASS, Config

RUNS = Path("runs/gan")
MOST = 100_000

_columns_option = click.option("--columns", type=click.IntRange(min=1), help="Images in a row of the grid.")
_scale_option = click.option(
    "--scale",
    type=click.IntRange(1, 32),
    help="Times that every pixel is repeated; by default as many as make about 500 pixels.",
)


def _seeds(context, parameter, text):
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 2 or not all(part.isdecimal() and int(part) <= options.LARGEST_SEED for part in parts):
        raise click.BadParameter(f"must be two or more whole numbers with commas between. Received: {text!r}")
    return [int(part) for part in parts]


@click.group(cls=messages.Group)
def gan():
    """Draw images like those of a folder from noise.

    \b
    kerasmlsp gan generate --num 64 --grid samples.png
    kerasmlsp gan interpolate --grid path.gif
    kerasmlsp gan train --data photos/ --architecture dcgan --size 32 --run photos
    kerasmlsp gan evaluate --run photos
    kerasmlsp gan export --run photos
    """


@gan.command()
@options.train_options(Config)
def train(**values):
    """Train on images, to draw others like them.

    \b
    kerasmlsp gan train --data fashion_mnist/ --run fashion
    kerasmlsp gan train --data photos/ --architecture dcgan --size 64 --augment --run photos
    kerasmlsp gan train --dataset fashion_mnist --run fashion
    kerasmlsp gan train --run photos --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if config.architecture == "wgan-gp":
        options.refuse("The architecture wgan-gp has a penalty of its own", "r1")
    options.check_data(config.data, config.dataset)
    if config.data and Path(config.data).is_dir():
        _check_folder(config.data, config.architecture)


def _check_folder(folder, architecture):
    """Refuses a folder without pictures, or without the classes that are wanted, but for the files of Fashion-MNIST."""
    from kerasmlsp import files
    from kerasmlsp.data import idx, images

    if idx.holds_idx(folder):
        return
    images.list_images(folder)
    if architecture == "conditional" and not files.visible_folders(folder):
        raise ValueError(ONE_CLASS)


@gan.command()
@options.run_option
@options.seed_option
@click.option("--samples", type=click.IntRange(2, MOST), default=10_000, show_default=True, help="Images to draw.")
@options.json_option
def evaluate(run, seed, samples, as_json):
    """Measure a run's images against test images, beside real images and a Gaussian mixture.

    \b
    kerasmlsp gan evaluate --run fashion
    """
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.gan import evaluate as app
    result = app.evaluate(RUNS / run, samples=samples, seed=seed)
    if not as_json:
        result = {name: value for name, value in result.items() if name != "metrics" and value != []}
    printing.print_results(result, as_json)


@gan.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: seeds in, images out.

    \b
    kerasmlsp gan export --run fashion
    """
    options.export(Config, **values)


@gan.command()
@click.option("--class", "label", metavar="NAME", help="Class to draw; by default all in turn.")
@click.option("--num", type=click.IntRange(1, MOST), default=16, show_default=True, help="Images to draw.")
@click.option(
    "--seed",
    type=click.IntRange(0, options.LARGEST_SEED),
    default=0,
    show_default=True,
    help="Of the first image; the next have the next.",
)
@click.option("--grid", type=options.Target(".png"), metavar="FILE.png", help="File for all images together.")
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Folder for single files."
)
@_columns_option
@_scale_option
@options.model_options
@options.json_option
def generate(label, num, seed, grid, output, columns, scale, as_json, **wanted):
    """Draw images; the same seed draws the same image.

    \b
    kerasmlsp gan generate --num 64 --grid samples.png
    kerasmlsp gan generate --class Sneaker --num 9 --seed 100 --output sneakers/
    """
    if grid is None and output is None:
        raise click.UsageError("Say where the images go: --grid FILE.png, or --output DIR.")
    if grid is None:
        options.refuse("Single files are drawn as they are, in no grid", "columns", "scale")
    seeds = options.seeds(seed, num)
    folder = options.find_model("gan", **wanted)
    options.check_targets(grid=grid)
    from kerasmlsp.apps.gan import generate as app

    model = options.load_model(folder)
    images, labels = app.generate(model, seeds, None if label is None else [label] * num)
    result = {"images": num}
    if grid is not None:
        app.save(images, grid, columns=columns, scale=scale)
        result["grid"] = str(grid)
        printing.tell_figure(grid)
    if output is not None:
        files = [str(path) for path in app.save_each(images, seeds, labels, output)]
        result["files"] = files if as_json or len(files) <= printing.MOST_ROWS else f"{len(files)} in {output}"
    printing.print_results(result, as_json, model)


@gan.command()
@click.option("--class", "label", metavar="NAME", help="Class of all images; by default the first of the model.")
@click.option(
    "--seeds", default="0,1,2,3", show_default=True, callback=_seeds, metavar="LIST", help="Images on the way."
)
@click.option("--steps", type=click.IntRange(1, 1000), default=8, show_default=True, help="Images from seed to seed.")
@click.option("--grid", type=options.Target(".gif", ".png"), required=True, metavar="FILE", help="File, .gif or .png.")
@_scale_option
@options.model_options
@options.json_option
def interpolate(label, seeds, steps, grid, scale, as_json, **wanted):
    """Draw the way from image to image through the noise, as an animation or a grid with a row for each part.

    \b
    kerasmlsp gan interpolate --class Bag --seeds 3,14,15 --steps 12 --grid path.gif
    """
    folder = options.find_model("gan", **wanted)
    options.check_targets(grid=grid)
    from kerasmlsp.apps.gan import generate as app

    model = options.load_model(folder)
    images = app.interpolate(model, seeds, steps, label)
    app.save_path(images, grid, columns=steps, scale=scale)
    classes = {"class": label or model.card["classes"][0]} if model.card["classes"] else {}
    printing.print_results({"images": len(images), **classes, "grid": str(grid)}, as_json, model)
    printing.tell_figure(grid)
