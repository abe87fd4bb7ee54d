"""The commands of the wavenet application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.wavenet.config import MOST, Config

RUNS = Path("runs/wavenet")


def _folder_or_wav(context, parameter, path):
    """Refuses a file of another kind."""
    if path.suffix and path.suffix.lower() != ".wav" and not path.is_dir():
        raise click.BadParameter(f"must be a folder, or end in .wav. Received: {str(path)!r}")
    return path


_making = options.together(
    click.option("--label", metavar="NAME", help="Class to make; by default all in turn."),
    click.option(
        "--seconds",
        type=options.FiniteRange(0, MOST, min_open=True),
        default=1.0,
        show_default=True,
        help="Length of what is made.",
    ),
    click.option("--num", type=click.IntRange(1, 1000), default=1, show_default=True, help="Sounds to make, by seed."),
    options.sampling_options,
    options.seed_option,
    click.option(
        "--output",
        type=click.Path(path_type=Path),
        required=True,
        callback=_folder_or_wav,
        metavar="FILE.wav|DIR",
        help="File or folder to write to.",
    ),
    click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the waveforms."),
    options.model_options,
    options.json_option,
)
"""The options of the commands that make sounds, as `_make` takes them."""


@click.group(cls=messages.Group)
def wavenet():
    """Make sounds like those of a folder, or go on after a beginning.

    \b
    kerasmlsp wavenet train --data recordings --run mine
    kerasmlsp wavenet evaluate --run mine
    kerasmlsp wavenet export --run mine
    kerasmlsp wavenet generate --seconds 1 --output sound.wav
    kerasmlsp wavenet complete --primer beginning.wav --output whole.wav
    """


@wavenet.command()
@options.train_options(Config)
def train(**values):
    """Train on recordings of speech, music or anything, to make others like them.

    \b
    kerasmlsp wavenet train --data recordings --run mine
    kerasmlsp wavenet train --data speech_commands --group-pattern "([0-9a-f]{8})_nohash_" --run words
    kerasmlsp wavenet train --data piano.flac --rate 16000 --blocks-per-stack 10 --run piano
    kerasmlsp wavenet train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    if not config.data:
        raise click.UsageError("Give the recordings with `--data PATH`.")
    if options.existing(config.data, "data").is_dir():
        from kerasmlsp.data import audio

        audio.list_audio(config.data)


@wavenet.command()
@options.run_option
@options.seed_option
@click.option("--pieces", type=click.IntRange(min=1), help="Most held-out pieces to measure; by default all.")
@click.option(
    "--samples", type=click.IntRange(0, 100), default=4, show_default=True, help="Sounds to make; 0 for none."
)
@options.json_option
def evaluate(run, seed, pieces, samples, as_json):
    """Measure the nats that a sample of held-out recordings takes, beside simpler means, and make some sounds.

    \b
    kerasmlsp wavenet evaluate --run mine
    """
    if not samples:
        options.refuse("With `--samples 0` nothing is made", "seed")
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.wavenet import evaluate as app
    result = app.evaluate(RUNS / run, pieces=pieces, samples=samples, seed=seed)
    printing.print_results(result if as_json else _shown(result), as_json)


def _shown(result):
    rows = [{"by": name, "nats": printing.interval(row)} for name, row in result["nats per sample"].items()]
    return {**printing.without_metrics(result), "nats per sample": rows}


@wavenet.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: seeds in, sounds out.

    \b
    kerasmlsp wavenet export --run mine
    """
    options.export(Config, **values)


@wavenet.command()
@_making
def generate(**values):
    """Make sounds; the same seed makes the same sound.

    \b
    kerasmlsp wavenet generate --output sound.wav
    kerasmlsp wavenet generate --label yes --num 5 --temperature 0.9 --output words/
    """
    _make(None, None, **values)


@wavenet.command()
@click.option(
    "--primer",
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="Beginning of a sound.",
)
@click.option(
    "--keep", type=options.FiniteRange(0, MOST, min_open=True), help="Seconds of the primer to take; by default all."
)
@_making
def complete(primer, keep, **values):
    """Go on after the beginning of a sound, one version for every seed.

    \b
    kerasmlsp wavenet complete --primer beginning.wav --output whole.wav
    kerasmlsp wavenet complete --primer song.mp3 --keep 2 --seconds 3 --num 4 --output versions/
    """
    options.check_sources([primer])
    _make(primer, keep, **values)


def _make(primer, keep, *, label, num, seed, output, figure, models, shipped, version, as_json, **settings):
    seeds = options.seeds(seed, num)
    folder = options.find_model("wavenet", models=models, shipped=shipped, version=version)
    options.check_targets(figure=figure)
    from kerasmlsp import files
    from kerasmlsp.apps.wavenet import generate as app

    model = options.load_model(folder)
    rate = app.rate_of(model)
    if primer is not None:
        (source,) = files.given([primer], lambda path: [path], "recording")
        settings["primer"] = app.read_primer(model, source, keep, MOST)
    sounds, labels = app.generate(model, seeds, None if label is None else [label] * num, **settings)
    paths = app.save(sounds, seeds, labels, output, rate)
    if figure:
        from kerasmlsp import plotting

        given = len(settings["primer"]) / rate if primer is not None else 0.0
        rows = {f"{path.stem} {name}".strip(): sound for path, name, sound in zip(paths, labels, sounds, strict=True)}
        files.write_atomically(figure, lambda path: plotting.waveforms(rows, rate, path, given=given))
        printing.tell_figure(figure)
    result = {"sounds": num, "seconds": sounds.shape[1] / rate}
    many = len(paths) > printing.MOST_ROWS and not as_json
    result["files"] = f"{num} in {output}" if many else [str(path) for path in paths]
    printing.print_results(result, as_json, model)
