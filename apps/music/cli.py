"""The commands of the music application."""

import functools
from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.music.config import ENDINGS, Config

RUNS = Path("runs/music")

_path = click.Path(path_type=Path)
_tempered = functools.partial(
    click.option,
    "--temperature",
    type=options.FiniteRange(min=0, min_open=True),
    show_default=True,
    help="Low for likely notes, 1 for the net's own probabilities.",
)
_cut = functools.partial(
    click.option,
    "--top-p",
    type=options.FiniteRange(0, 1, min_open=True),
    show_default=True,
    help="Draw from the likeliest notes that make up this probability.",
)


def _folder_or_file(context, parameter, path):
    """Refuses a file of a kind that is not written, and a file where a folder is."""
    known = path.suffix.lower() in ENDINGS
    if known and path.is_dir():
        raise click.BadParameter(f"{path} is a folder: choose another name for the file.")
    if path.suffix and not known and not path.is_dir():
        raise click.BadParameter(
            f"must be a folder, whose name has no ending or which is there, or end in {', '.join(ENDINGS)}. "
            f"Received: {str(path)!r}"
        )
    return path


def _key(context, parameter, text):
    from kerasmlsp.apps.music.keys import parse_key

    try:
        return None if text is None else parse_key(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@click.group(cls=messages.Group)
def music():
    """Write, continue or harmonise chorales in four voices.

    \b
    kerasmlsp music generate --key "G major" --bars 8 --output songs
    kerasmlsp music generate --melody tune.mid --output songs
    kerasmlsp music train --run bach
    kerasmlsp music evaluate --run bach
    kerasmlsp music export --run bach
    """


@music.command()
@options.train_options(Config)
def train(**values):
    """Train on Bach's chorales, or on your own music in four voices.

    \b
    kerasmlsp music train --run bach
    kerasmlsp music train --data songs/ --run mine
    kerasmlsp music train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if config.data is None:
        options.refuse("The chorales of music21 have their own steps", "json_steps_per_quarter")
    _check_data(config.data)


def _check_data(data):
    """Tells of what holds no music before TensorFlow is imported."""
    options.check_data(data, optional=True)
    if data:
        from kerasmlsp.music.reading import music_files

        music_files(data)


@music.command()
@options.run_option
@options.settings(Config, "data")
@click.option(
    "--samples", type=click.IntRange(min=0), default=32, show_default=True, help="Chorales to write; 0 for none."
)
@click.option("--bars", type=click.IntRange(1, 64), default=8, show_default=True, help="Bars of each.")
@_tempered(default=1.0)
@_cut(default=1.0)
@options.seed_option
@options.json_option
def evaluate(run, data, as_json, **settings):
    """Measure a run on the pieces that were held out, and chorales that it writes.

    \b
    kerasmlsp music evaluate --run bach
    kerasmlsp music evaluate --run bach --data songs/ --samples 0
    """
    if not settings["samples"]:
        options.refuse("With `--samples 0` nothing is written", "bars", "temperature", "top_p", "seed")
    options.started(Config, run)
    _check_data(data)
    with messages.quiet_imports():
        from kerasmlsp.apps.music import evaluate as app
    result = app.evaluate(RUNS / run, data, **settings)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    rows = [{"measure": name, **values} for name, values in result["metrics"].items()]
    report = {"pieces": result["pieces"], "left out": result["left out"], "measures, with 95 % intervals": rows}
    if "harmony" in result:
        sides = result["harmony"]
        report["harmony, breaches per bar and divergences in bits"] = [
            {"measure": name.replace("_", " "), **{whose: each.get(name) for whose, each in sides.items()}}
            for name in sides["written"]
        ]
    return {**report, "files": result["files"]}


@music.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: given notes in, all notes out.

    \b
    kerasmlsp music export --run bach
    """
    options.export(Config, **values)


@music.command()
@click.option("--primer", type=_path, metavar="FILE", help="Beginning in four voices to go on with.")
@click.option("--melody", type=_path, metavar="FILE", help="Soprano to harmonise.")
@click.option(
    "--bars", type=click.IntRange(1, 64), help="Bars to write; default 8. A melody is harmonised as long as it is."
)
@click.option(
    "--key",
    metavar="KEY",
    callback=_key,
    help="Such as C, 'Bb major' or 'F# minor'; default G major, or the file's own.",
)
@click.option("--metre", type=click.Choice(["4/4", "3/4"]), help="Default 4/4, or the file's own.")
@click.option("--pickup", type=click.IntRange(0, 3), help="Quarters before the first bar; default the file's own.")
@click.option("--tempo", type=options.FiniteRange(20, 300), default=80, show_default=True, help="Quarters per minute.")
@_tempered(default=0.8)
@_cut(default=0.95)
@options.seed_option
@click.option("--num-samples", type=click.IntRange(1, 64), default=1, show_default=True, help="Versions, by seed.")
@click.option(
    "--attempts",
    type=click.IntRange(1, 256),
    default=16,
    show_default=True,
    help="Pieces tried at once for each version, so that it fits the melody and comes to an end.",
)
@click.option(
    "--output",
    type=_path,
    default=Path("music"),
    show_default=True,
    metavar="DIR|FILE",
    callback=_folder_or_file,
    help=f"Folder to write to, or a file ({', '.join(ENDINGS)}), which the other kinds get beside it.",
)
@options.model_options
@options.json_option
def generate(
    primer, melody, bars, key, metre, pickup, seed, num_samples, output, models, shipped, version, as_json, **settings
):
    """Write music: MIDI, WAV, MusicXML and a picture of each piece.

    \b
    kerasmlsp music generate --key "G major" --bars 8
    kerasmlsp music generate --primer bars.mid --bars 4 --num-samples 3
    kerasmlsp music generate --melody tune.mid --tempo 72 --output harmonised.mid
    """
    if primer and melody:
        raise click.UsageError("Give either `--primer` or `--melody`.")
    if melody and bars:
        raise click.UsageError("A melody is harmonised as long as it is: leave `--bars` out.")
    if metre and (primer or melody):
        raise click.UsageError("The file tells the metre: leave `--metre` out.")
    seeds = options.seeds(seed, num_samples)
    folder = options.find_model("music", models=models, shipped=shipped, version=version)
    from kerasmlsp.apps.music import generate as app

    if melody:
        piece = app.harmonised(melody, key=key, pickup=pickup)
    elif primer:
        piece = app.continued(primer, bars or 8, key=key, pickup=pickup)
    else:
        piece = app.new(bars or 8, metre or "4/4", key or (7, "major"), pickup or 0)
    model = options.load_model(folder)
    rows = app.generate(model, piece, output, seeds=seeds, **settings)
    printing.print_results(rows if as_json or num_samples > 1 else rows[0], as_json, model)
