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


def _folder_or_png(context, parameter, path):
    """Refuses a file of another kind."""
    if path.suffix and path.suffix.lower() != ".png" and not path.is_dir():
        raise click.BadParameter(f"must be a folder, or end in .png. Received: {str(path)!r}")
    return path


@click.group(cls=messages.Group)
def gan():
    """Draw images like those of a folder, or make images of masks.

    \b
    kerasmlsp gan generate --num 64 --grid samples.png
    kerasmlsp gan interpolate --grid path.gif
    kerasmlsp gan train --data photos/ --architecture dcgan --size 32 --run photos
    kerasmlsp gan evaluate --run photos
    kerasmlsp gan export --run photos
    kerasmlsp gan translate masks/ --output images/
    """


@gan.command()
@options.train_options(Config, searched=False)
def train(**values):
    """Train on images, to draw others like them.

    \b
    kerasmlsp gan train --data fashion_mnist/ --run fashion
    kerasmlsp gan train --data photos/ --architecture dcgan --size 64 --augment --run photos
    kerasmlsp gan train --dataset fashion_mnist --run fashion
    kerasmlsp gan train --data fashion_mnist/ --hold-out Sneaker --run unusual
    kerasmlsp gan train --data photos/ --masks masks/ --architecture pix2pix --run streets
    kerasmlsp gan train --run photos --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if config.architecture == "wgan-gp":
        options.refuse("The architecture wgan-gp has a penalty of its own", "r1")
    if config.translates:
        _check_pairs(config)
        return
    options.refuse("They are for `--architecture pix2pix`", "masks", "l1")
    options.check_data(config.data, config.dataset)
    if config.data and Path(config.data).is_dir():
        _check_folder(config.data, config.architecture)


def _check_pairs(config):
    """Refuses options of images from noise, and folders without pictures."""
    from kerasmlsp.data.masks import list_pairs

    options.refuse(
        "The architecture pix2pix makes images in colours of masks, not of noise",
        *("dataset", "manual_dir", "colour", "hold_out", "latent_dim", "spectral_norm", "features", "metric_samples"),
        *("monitor", "mode", "patience"),
    )
    if config.data is None or config.masks is None:
        raise click.UsageError("Give the images with `--data FOLDER` and their masks with `--masks FOLDER`.")
    list_pairs(config.data, config.masks, colours=True)


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
@options.settings(Config, "data", "masks")
@options.seed_option
@click.option("--samples", type=click.IntRange(2, MOST), default=10_000, show_default=True, help="Images to draw.")
@options.json_option
def evaluate(run, data, masks, seed, samples, as_json):
    """Measure a run's images against test images, beside real images and a Gaussian mixture.

    Those of pix2pix are measured against the photographs of their masks, beside the mean colour of each class.

    \b
    kerasmlsp gan evaluate --run fashion
    kerasmlsp gan evaluate --run streets --data test/ --masks test_masks/
    """
    config = options.started(Config, run)
    if config.translates:
        options.refuse("The architecture pix2pix draws nothing from noise", "seed", "samples")
        if (data is None) != (masks is None):
            raise click.UsageError("Give both the images with `--data FOLDER` and their masks with `--masks FOLDER`.")
        if data:
            from kerasmlsp.data.masks import list_pairs

            list_pairs(data, masks, colours=True)
    else:
        options.refuse("Images from noise are measured against the run's own test images", "data", "masks")
    with messages.quiet_imports():
        from kerasmlsp.apps.gan import evaluate as app
    result = app.evaluate(RUNS / run, data, masks, samples=samples, seed=seed)
    printing.print_results(result if as_json else _shown_report(result), as_json)


def _shown_report(result):
    shown = {name: value for name, value in result.items() if name != "metrics" and value != []}
    if "measures" in shown:
        rows = shown["measures"].items()
        shown["measures"] = [
            {"set": name, **{measure: printing.interval(each) for measure, each in row.items()}} for name, row in rows
        ]
    if "anomaly" in shown:
        rows = [{**row, "auc": printing.interval(row["auc"])} for row in shown["anomaly"]["scores"]]
        shown["anomaly"] = {**shown["anomaly"], "scores": rows}
    return shown


@gan.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: seeds or masks in, images out.

    \b
    kerasmlsp gan export --run fashion
    kerasmlsp gan export --run streets
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
@click.option("--output", type=options.Folder(*options.PICTURES), metavar="DIR", help="Folder for single files.")
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
    from kerasmlsp import files
    from kerasmlsp.apps.gan import generate as app

    model = options.load_model(folder)
    images, labels = app.generate(model, seeds, None if label is None else [label] * num)
    told = {"grid": grid, "output": output, "as_json": as_json, "model": model}
    printing.print_pictures(images, list(map(files.drawn_name, seeds, labels)), columns=columns, scale=scale, **told)


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


@gan.command()
@options.sources_argument
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    callback=_folder_or_png,
    metavar="FILE.png|DIR",
    help="File of one image, or folder of several.",
)
@options.model_options
@options.json_option
def translate(sources, output, as_json, **wanted):
    """Make an image of every mask, of its size, with a model of the architecture pix2pix.

    \b
    kerasmlsp gan translate masks/ --output images/
    kerasmlsp gan translate mask.png --output image.png
    kerasmlsp gan translate - --output images/ < mask.png
    """
    folder = options.find_model("gan_translate", **wanted)
    options.check_sources(sources)
    single = output.suffix.lower() == ".png" and not output.is_dir()
    if single and (len(sources) > 1 or sources[0].is_dir()):
        raise click.UsageError("`--output FILE.png` takes one image: give one file, or the name of a folder.")
    from kerasmlsp import files
    from kerasmlsp.apps.gan import translate as app
    from kerasmlsp.data import images

    model = options.load_model(folder)
    given = files.given(sources, images.list_images, "mask")
    places = [output] if single else app.targets([files.named(each) for each in given], output)
    rows, problems = [], []
    for place, (name, image, problem) in zip(places, app.translate(model, given), strict=True):
        if image is None:
            problems.append({"file": name, "problem": problem})
        else:
            app.save(image, place)
            rows.append({"image": str(place), "file": name})
    if not rows:
        raise ValueError(problems[0]["problem"])
    if as_json:
        printing.print_results([*rows, *problems], as_json, model)
    else:
        printing.print_results(rows if len(rows) <= printing.MOST_ROWS else {"images": len(rows), "in": output})
    printing.tell_left_out(problems, len(given))
    printing.exit_for(problems, sources)
