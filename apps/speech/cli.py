"""The commands of the speech application."""

import dataclasses
from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.speech.config import Config

RUNS = Path("runs/speech")


@click.group(cls=messages.Group)
def speech():
    """Tell which command a recording holds, or hear commands in a long one.

    \b
    kerasmlsp speech predict yes.wav
    kerasmlsp speech listen meeting.wav --figure heard.png
    kerasmlsp speech train --data recordings --run mine
    kerasmlsp speech evaluate --run mine --folds 5
    kerasmlsp speech export --run mine
    """


@speech.command()
@options.train_options(Config)
def train(**values):
    """Train on your own recordings, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp speech train --data recordings --run mine
    kerasmlsp speech train --data speech_commands --group-pattern "([0-9a-f]{8})_nohash_" --run words
    kerasmlsp speech train --dataset speech_commands --architecture cnn --run lecture
    kerasmlsp speech train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run} --folds 5", check=_check)


def _check(config):
    if config.dataset:
        options.refuse("A data set of TensorFlow Datasets has no files of its own", "path_column", "group_pattern")
    settings = config.complete()
    if not settings.noise:
        options.refuse("No noise is mixed in", "min_snr", "max_snr")
    if settings.schedule != "step":
        options.refuse(f"They are the epochs of `--schedule step`, not {settings.schedule}", "step_epochs")
    if settings.optimizer != "sgd":
        options.refuse(f"The momentum is that of `--optimizer sgd`, not {settings.optimizer}", "momentum")
    options.check_data(config.data, config.dataset, encoding=config.encoding, **config.columns)
    _check_folder(config.data)


def _check_folder(data):
    """Refuses a folder without classes."""
    from kerasmlsp.data import clips

    if data and Path(data).is_dir():
        clips.class_folders(data)


@speech.command()
@options.run_option
@options.settings(Config, "data", "dataset", "manual_dir", "encoding", encoding=None)
@click.option(
    "--background",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Recording, or folder of such, without a command, to count false alarms in; default the run's silence.",
)
@click.option(
    "--folds", type=click.IntRange(min=2), help="Cross-validate on the data of the run; speakers stay together."
)
@click.option("--worst", type=click.IntRange(min=0), default=50, show_default=True, help="Mistakes to write.")
@options.json_option
def evaluate(run, data, background, folds, as_json, **values):
    """Measure a run on recordings that it has not heard.

    \b
    kerasmlsp speech evaluate --run mine --data test
    kerasmlsp speech evaluate --run mine --background office.wav
    kerasmlsp speech evaluate --run mine --folds 5
    """
    if folds:
        options.refuse("`--folds` takes the data of the run", "data", "dataset", "manual_dir", "background")
    if not data:
        options.refuse("It is that of `--data`", "encoding")
    options.check_data(data, values["dataset"], optional=True)
    _check_folder(data)
    if background:
        options.existing(background, "background")
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.speech import evaluate as app
    try:
        result = app.evaluate(RUNS / run, data, background=background, folds=folds or 0, **values)
    except KeyboardInterrupt:
        again = f"Go on with: kerasmlsp speech evaluate --run {run} --folds {folds}" if folds else ""
        raise KeyboardInterrupt(again) from None
    printing.print_results(result if as_json else _shown_report(result), as_json)


@speech.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: recording in, label out.

    \b
    kerasmlsp speech export --run mine
    """
    options.export(Config, **values)


@speech.command()
@options.label_options
def predict(**values):
    """Tell the command in recordings, folders of them, or one on stdin.

    \b
    kerasmlsp speech predict yes.wav
    kerasmlsp speech predict recordings --output labels.csv
    kerasmlsp speech predict - < yes.wav
    """
    from kerasmlsp.data import audio

    options.label_files("speech", audio.list_audio, "recording", audio.reasons, **values)


@speech.command()
@click.argument("source", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--threshold",
    type=options.FiniteRange(0, 1),
    default=0.7,
    show_default=True,
    help="Least probability of a command that is told.",
)
@click.option(
    "--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the spectrogram and what was heard."
)
@options.model_options
@options.json_option
def listen(source, threshold, figure, as_json, **wanted):
    """Hear the commands in a recording of any length, and when they were spoken.

    \b
    kerasmlsp speech listen meeting.wav
    kerasmlsp speech listen meeting.wav --threshold 0.9 --figure heard.png
    """
    folder = options.find_model("speech", **wanted)
    options.check_sources([source])
    options.check_targets(figure=figure)
    from kerasmlsp import files
    from kerasmlsp.apps.speech import predict as app

    model = options.load_model(folder)
    (recording,) = files.given([source], lambda path: [path], "recording")
    found, seconds = app.listen(model, recording, threshold, figure)
    if figure:
        printing.tell_figure(figure)
    rows = [dataclasses.asdict(each) for each in found]
    if as_json:
        result = {"file": files.named(recording), "seconds": seconds, "threshold": threshold, "detections": rows}
        printing.print_results(result, as_json, model)
    else:
        nothing = f"No command in {seconds:.1f} s at a probability of {threshold:g}."
        printing.print_results(rows) if rows else click.echo(nothing)


def _shown_report(result):
    alarms = result.get("false alarms") or {}
    heard = (
        {
            "false alarms": f"{alarms['alarms']} in {alarms['hours']:.3f} hours, at {alarms['threshold']:.2f}",
            "false alarms per hour": printing.interval(alarms["per hour"], 1),
        }
        if alarms.get("per hour")
        else {}
    )
    return {
        "measured on": f"{result['examples']} recordings: {result['on']}",
        "measures, with 95 % intervals": printing.measures(result),
        **printing.by_fold("accuracy", result),
        **heard,
        "left out": result["left out"],
        "unsure below": result.get("reject_below"),
        "classes": [{"class": name, **each} for name, each in result["classes"].items()],
        "files": result["files"],
    }
