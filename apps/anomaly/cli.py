"""The commands of the anomaly application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.anomaly.config import Config

RUNS = Path("runs/anomaly")


@click.group(cls=messages.Group)
def anomaly():
    """Tell where a signal is unlike the normal ones.

    \b
    kerasmlsp anomaly predict beats.ts --figure where.png
    kerasmlsp anomaly train --data train.ts --normal-label 1 --run mine
    kerasmlsp anomaly evaluate --run mine --data test.ts
    kerasmlsp anomaly export --run mine
    """


@anomaly.command()
@options.train_options(Config)
def train(**values):
    """Train on the normal rows of a file, or on the first part of a stream.

    \b
    kerasmlsp anomaly train --data train.ts --normal-label 1 --run beats
    kerasmlsp anomaly train --data sensor.csv --normal-share 0.3 --run sensor
    kerasmlsp anomaly train --data normal_days --normal-share 1 --architecture convlstm --run body
    kerasmlsp anomaly train --run beats --resume
    """
    options.train(Config, values, then="evaluate --run {run} --data LABELLED_FILE", check=_check)


def _check(config):
    if not config.data:
        raise click.UsageError("Give the data with `--data PATH`.")
    from kerasmlsp.files import existing

    existing(config.data, "data")


@anomaly.command()
@options.run_option
@click.option("--data", required=True, type=click.Path(path_type=Path), metavar="PATH", help="What to measure on.")
@options.settings(Config, "normal_label", "label_column")
@click.option(
    "--windows",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="Times between which streams are abnormal, by file, as the Numenta anomaly benchmark has them.",
)
@options.json_option
def evaluate(run, data, normal_label, label_column, windows, as_json):
    """Measure a run on labelled series or streams.

    \b
    kerasmlsp anomaly evaluate --run beats --data test.ts
    kerasmlsp anomaly evaluate --run sensor --data sensor.csv --label-column fault
    """
    if label_column and windows:
        raise click.UsageError("Give either `--label-column` or `--windows`.")
    options.check_data(data)
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.anomaly import evaluate as app
    labels = {"normal_label": normal_label, "label_column": label_column, "windows": windows}
    result = app.evaluate(RUNS / run, data, **labels)
    printing.print_results(result if as_json else _report(result), as_json)


@anomaly.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: signals in, score and errors by step out.

    \b
    kerasmlsp anomaly export --run mine
    """
    options.export(Config, **values)


@anomaly.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="FILE|-...", type=click.Path(path_type=Path, allow_dash=True)
)
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw where it is most abnormal.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all answers there.")
@options.settings(Config, "channels", "time_column", "encoding")
@options.model_options
@options.json_option
def predict(sources, figure, output, channels, time_column, encoding, as_json, **wanted):
    """Score the series of a file, or a stream row by row as it comes.

    A stream gives one line for each of its rows, and needs the same memory however long it is.

    \b
    kerasmlsp anomaly predict beats.ts --output scores.csv --figure where.png
    kerasmlsp anomaly predict sensor.csv
    tail -f sensor.csv | kerasmlsp anomaly predict -
    """
    folder = options.find_model("anomaly", **wanted)
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.apps.anomaly import predict as app

    model = options.load_model(folder)
    if app.task(model) == "stream":
        if len(sources) > 1:
            raise click.UsageError("A stream is scored alone: give one file, or `-`.")
        names = tuple(name.strip() for name in (channels or "").split(",") if name.strip())
        columns = {"channels": names, "time_column": time_column}
        _watch(app, model, sources[0], columns, encoding, figure, output, as_json)
        return
    options.refuse("They are columns of a stream, and this saved model takes series in rows", "channels", "time_column")
    _answer(app, model, sources, encoding, figure, output, as_json)


def _answer(app, model, sources, encoding, figure, output, as_json):
    rows, values = [], []
    for path in sources:
        found = app.read_series(model, path, encoding)
        rows += [{"file": str(path), **row} for row in app.predict_segments(model, found)]
        values += list(found)
    worst = max(range(len(rows)), key=lambda place: rows[place]["score"])
    if output:
        app.write_table(rows, output)
    if figure:
        app.draw_series(rows[worst], values[worst], figure)
    if as_json:
        told = [{name: row[name] for name in ("file", "row", "score", "abnormal", "errors")} for row in rows]
        printing.print_results(told, True, model)
    else:
        _print_series(rows, worst, output)
    if figure:
        printing.tell_figure(figure)


def _print_series(rows, worst, output):
    shown = [{name: row[name] for name in ("score", "abnormal", "row", "file")} for row in rows]
    if len(rows) <= printing.MOST_ROWS:
        printing.print_results(shown)
        return
    count = sum(row["abnormal"] for row in rows)
    told = {"series": len(rows), "abnormal": count, "highest score": shown[worst]}
    printing.print_results({**told, "each": output or "written by `--output FILE`"})


def _watch(app, model, source, columns, encoding, figure, output, as_json):
    lines = app.read_lines(source, channels=columns["channels"], encoding=encoding)
    rows, kept = app.watch(model, lines, **columns), []
    if figure:
        rows = _kept(rows, kept)
    if output:
        counts = app.write_lines(rows, output)
        printing.print_results({**counts, "output": str(output)}, as_json, model)
    else:
        if not as_json:
            click.echo(",".join(app.COLUMNS))
        for row in rows:
            click.echo(app.line(row, as_json))  # flushes, so that each line comes as soon as its row
    if figure:
        app.draw_stream(model, kept, figure)
        printing.tell_figure(figure)


def _kept(rows, kept):
    """The rows as they come, which a figure needs all at once."""
    for row in rows:
        kept.append(row)
        yield row


def _report(result):
    rows = [{"measure": name, "value": printing.interval(each)} for name, each in result["metrics"].items()]
    counts = {name: result[name] for name in ("streams", "examples", "abnormal") if name in result}
    labels = (
        {"labels": [{"label": name, **each} for name, each in result["labels"].items()]} if "labels" in result else {}
    )
    lacking = {"not measured": result["not measured"]} if result["not measured"] else {}
    return {
        "measured on": ", ".join(f"{count} {name}" for name, count in counts.items()),
        "threshold, from the normal": result["threshold"],
        "measures, with 95 % intervals": rows,
        **labels,
        **lacking,
        "files": result["files"],
    }
