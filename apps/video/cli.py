"""The commands of the video application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.video.config import Config

RUNS = Path("runs/video")


@click.group(cls=messages.Group)
def video():
    """Tell the class of clips, or forecast their next frames.

    \b
    kerasmlsp video train --data clips --run mine
    kerasmlsp video evaluate --run mine --data test
    kerasmlsp video export --run mine
    kerasmlsp video predict clip.mp4
    kerasmlsp video forecast clip.mp4 --steps 4 --figure next.png
    """


@video.command()
@options.train_options(Config)
def train(**values):
    """Train on your own clips, or on clips that are made of images.

    \b
    kerasmlsp video train --data clips --run mine
    kerasmlsp video train --data fashion_mnist --run directions
    kerasmlsp video train --data fashion_mnist --frames 1 --run control
    kerasmlsp video train --data fashion_mnist --architecture forecast --run next
    kerasmlsp video train --run mine --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    from kerasmlsp.apps.video import moving
    from kerasmlsp.data import videos

    if config.forecasts:
        classes = ("min_count", "class_weights", "label_smoothing", "answered", "shuffle_frames", "dropout")
        options.refuse("The architecture forecast knows no classes", *classes)
    options.check_data(config.data, config.dataset, encoding=config.encoding)
    if moving.are_made(config.data, config.dataset):
        files = ("path_column", "label_column", "group_pattern", "stride", "min_count")
        options.refuse("Clips are made of images, without files of their own", *files)
        return
    options.refuse("It is the number of clips that are made of images", "made")
    if not Path(config.data).is_dir():
        options.check_data(config.data, encoding=config.encoding, **config.columns)
    elif config.forecasts:
        videos.list_clips(config.data)
    else:
        videos.class_folders(config.data)
    videos.required("av")


@video.command()
@options.run_option
@options.settings(Config, "data", "dataset", "manual_dir", "encoding", encoding=None)
@click.option("--worst", type=click.IntRange(min=0), default=50, show_default=True, help="Mistakes to write.")
@options.json_option
def evaluate(run, data, dataset, manual_dir, encoding, worst, as_json):
    """Measure a run on clips that it has not seen, beside one frame, shuffled frames, or a copy of the last frame.

    \b
    kerasmlsp video evaluate --run mine --data test
    kerasmlsp video evaluate --run directions --data fashion_mnist
    """
    if not data:
        options.refuse("It is that of `--data`", "encoding")
    options.check_data(data, dataset, optional=True)
    if options.started(Config, run).forecasts:
        options.refuse("The architecture forecast makes no mistakes of a class", "worst")
    with messages.quiet_imports():
        from kerasmlsp.apps.video import evaluate as app
    source = {"dataset": dataset, "manual_dir": manual_dir, "encoding": encoding}
    result = app.evaluate(RUNS / run, data, **source, worst=worst)
    printing.print_results(result if as_json else _shown_report(result), as_json)


@video.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: frames in, label or next frames out.

    \b
    kerasmlsp video export --run mine
    """
    options.export(Config, **values)


@video.command()
@options.label_options
def predict(**values):
    """Tell the class of clips, folders of them, or one on stdin.

    \b
    kerasmlsp video predict clip.mp4
    kerasmlsp video predict clips --output labels.csv
    kerasmlsp video predict - < clip.mp4
    """
    from kerasmlsp.data import videos

    videos.required("av")
    options.label_files("video", videos.list_clips, "clip", videos.reasons, **values)


@video.command()
@click.argument("source", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
@click.option("--steps", type=click.IntRange(1, 64), default=4, show_default=True, help="Frames to forecast.")
@click.option(
    "--figure",
    type=options.Target(".png", ".gif"),
    default=Path("forecast.png"),
    show_default=True,
    metavar="OUT",
    help="Rows of frames, .png, or an animation, .gif.",
)
@options.model_options
@options.json_option
def forecast(source, steps, figure, as_json, **wanted):
    """Forecast the frames after a clip, and draw them beside its last ones.

    \b
    kerasmlsp video forecast clip.mp4
    kerasmlsp video forecast clip.mp4 --steps 8 --figure next.gif
    """
    folder = options.find_model("video_forecast", **wanted)
    options.check_sources([source])
    options.check_targets(figure=figure)
    from kerasmlsp import files
    from kerasmlsp.apps.video import predict as app
    from kerasmlsp.data import videos

    videos.required("av")
    model = options.load_model(folder)
    (clip,) = files.given([source], lambda path: [path], "clip")
    before, drawn = app.forecast(model, clip, steps)
    app.draw(before, drawn, figure)
    result = {"file": files.named(clip), "seen": len(before), "forecast": len(drawn), "figure": str(figure)}
    printing.print_results(result, as_json, model)
    printing.tell_figure(figure)


def _shown_report(result):
    shown = {
        "measured on": f"{result['examples']} clips: {result['on']}",
        "measures, with 95 % intervals": printing.measures(result),
        "left out": result["left out"],
    }
    if "by step" in result:
        shown |= {f"squared error, {result['seen']} frames seen": result["by step"]}
    else:
        classes = [{"class": name, **each} for name, each in result["classes"].items()]
        shown |= {"unsure below": result["reject_below"], "classes": classes}
    return {**shown, "files": result["files"]}
