"""The commands of the motion application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.motion.config import AUGMENTATION, READING, Config

RUNS = Path("runs/motion")


@click.group(cls=messages.Group)
def motion():
    """Tell what a person does, by the sensors of a phone or a watch.

    \b
    kerasmlsp motion predict walk.csv
    kerasmlsp motion train --data recordings --subject-pattern "^(s..)" --run mine
    kerasmlsp motion evaluate --run mine --folds 5
    kerasmlsp motion export --run mine
    """


@motion.command()
@options.train_options(Config)
@click.option("--no-augmentation", is_flag=True, help="Leave out all random changes of windows.")
def train(no_augmentation, **values):
    """Train on recordings of your own, or of GeoTec, WISDM or UCI HAR.

    \b
    kerasmlsp motion train --data recordings --subject-pattern "^(s..)" --run mine
    kerasmlsp motion train --data geotec --name-pattern _sw --subject-pattern "^(s..)" --run watch
    kerasmlsp motion train --data WISDM_ar_v1.1_raw.txt --rate 20 --window 4 --run wisdm
    kerasmlsp motion train --run mine --resume
    """
    if no_augmentation:
        options.refuse("`--no-augmentation` leaves all random changes out", *AUGMENTATION)
        values |= {**dict.fromkeys(AUGMENTATION, 0.0), "shift": False, "half_turns": False}
    options.train(Config, values, then="evaluate --run {run} --folds 5", check=_check)


def _check(config):
    if not config.data:
        raise click.UsageError("Give the data with `--data PATH`.")
    options.check_data(config.data)
    table = Path(config.data)
    if table.suffix.lower() in (".csv", ".tsv", ".parquet") and table.is_file():
        options.check_table(
            "data",
            table,
            time_column=config.time_column,
            label_column=config.label_column,
            subject_column=config.subject_column,
        )


@motion.command()
@options.run_option
@options.settings(Config, "data", *READING[1:], **dict.fromkeys(READING[1:]))
@click.option("--folds", type=click.IntRange(min=2), help="Cross-validate on the data of the run, by person.")
@click.option("--by-window", is_flag=True, help="Deal out windows one by one, to see how much that flatters.")
@click.option("--worst", type=click.IntRange(min=0), default=50, show_default=True, help="Mistakes to write.")
@options.json_option
def evaluate(run, data, folds, by_window, worst, as_json, **reading):
    """Measure a run on people whom it has not seen.

    \b
    kerasmlsp motion evaluate --run mine --data others
    kerasmlsp motion evaluate --run mine --folds 5
    """
    if folds:
        options.refuse("`--folds` takes the data of the run", "data", *READING)
    else:
        options.refuse("Windows are dealt out by `--folds`", "by_window")
    if not data:
        options.refuse("They are of `--data`", *READING)
    options.check_data(data, optional=True)
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.motion import evaluate as app
    try:
        result = app.evaluate(RUNS / run, data, folds=folds or 0, by_window=by_window, worst=worst, **reading)
    except KeyboardInterrupt:
        flag = " --by-window" * by_window
        again = f"Go on with: kerasmlsp motion evaluate --run {run} --folds {folds}{flag}" if folds else ""
        raise KeyboardInterrupt(again) from None
    printing.print_results(result if as_json else _shown_report(result), as_json)


@motion.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: samples in, activity out.

    \b
    kerasmlsp motion export --run mine
    """
    options.export(Config, **values)


@motion.command()
@options.sources_argument
@click.option(
    "--per",
    type=click.Choice(["segment", "window"]),
    default="segment",
    show_default=True,
    help="A row for each stretch of one activity, or for each window.",
)
@options.settings(
    Config, "time_column", "channels", "name_pattern", "max_gap", **dict.fromkeys(("time_column", "channels"))
)
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the first recording over time.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all rows there.")
@options.reject_option
@options.model_options
@options.json_option
def predict(
    sources, per, channels, figure, output, reject_below, as_json, time_column, name_pattern, max_gap, **wanted
):
    """Tell the activities in recordings of any rate: tables with time stamps, folders of such, or a CSV on stdin.

    \b
    kerasmlsp motion predict walk.csv
    kerasmlsp motion predict recordings --per window --output windows.csv
    kerasmlsp motion predict - < walk.csv
    kerasmlsp motion predict walk.csv --figure timeline.png
    """
    folder = options.find_model("motion", **wanted)
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.apps.motion import predict as app

    model = options.load_model(folder)
    reading = {"time_column": time_column, "name_pattern": name_pattern, "max_gap": max_gap}
    reading["channels"] = tuple(each.strip() for each in channels.split(",")) if channels else None
    rows, problems, recordings = app.predict_all(model, sources, per, reject_below=reject_below, **reading)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if output:
        app.write_table(rows, output)
    if figure:
        app.draw(model, recordings[0], figure)
        printing.tell_figure(figure)
    if as_json:
        printing.print_results([*rows, *problems], as_json, model)
    else:
        printing.print_answers([_shown(row) for row in rows], [], output=output)
    for problem in problems:
        click.echo(f"Left out: {messages.by_options(problem['problem'])}", err=True)
    printing.exit_for(problems, sources)


def _shown(row):
    times = {name: f"{row[name]:.2f}" for name in ("start", "end")}
    return {**times, **{name: row[name] for name in ("label", "confidence", "unsure", "file")}}


def _shown_report(result):
    persons = [{"person": name, "accuracy": share} for name, share in result["persons"].items()]
    return {
        "measured on": f"{result['windows']} windows: {result['on']}",
        f"measures, with 95 % intervals {result['intervals']}": printing.measures(result),
        **printing.by_fold("macro F1", result),
        "unsure below": result["reject_below"],
        "classes": [{"class": name, **each} for name, each in result["classes"].items()],
        "persons": persons,
        "files": result["files"],
    }
