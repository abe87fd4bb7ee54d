"""The commands of the sentiment application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.sentiment.config import Config

RUNS = Path("runs/sentiment")


@click.group(cls=messages.Group)
def sentiment():
    """Tell the class of a text: whether a review is good or bad.

    \b
    kerasmlsp sentiment predict "This film was excellent!"
    kerasmlsp sentiment train --data reviews.csv --run mine
    kerasmlsp sentiment evaluate --run mine --data test.csv
    kerasmlsp sentiment export --run mine
    """


@sentiment.command()
@options.train_options(Config)
def train(**values):
    """Train on your own texts, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp sentiment train --data reviews.csv
    kerasmlsp sentiment train --data aclImdb/train --architecture ngrams --run fast
    kerasmlsp sentiment train --dataset imdb_reviews --run imdb
    kerasmlsp sentiment train --run imdb --resume
    """
    options.train(Config, values, then="evaluate --run {run} --data TEST_FILE", shown=_by_net, check=_check)


def _check(config):
    options.check_data(config.data, config.dataset, encoding=config.encoding, **config.columns)
    if config.exclude:
        options.check_table("exclude", config.exclude, config.encoding, **config.columns)
    for place in (config.data, config.exclude):
        _check_folder(place)


def _check_folder(place):
    """Refuses a folder without classes."""
    from kerasmlsp.data import labelled

    if place and Path(place).is_dir():
        labelled.class_folders(place)


@sentiment.command()
@options.run_option
@options.settings(
    Config,
    *("data", "dataset", "manual_dir", "text_column", "label_column", "encoding"),
    **dict.fromkeys(("text_column", "label_column", "encoding")),
)
@click.option("--worst", type=click.IntRange(min=0), default=50, show_default=True, help="Mistakes to write.")
@options.json_option
def evaluate(run, data, dataset, manual_dir, text_column, label_column, encoding, worst, as_json):
    """Measure a run on texts that it has not seen.

    \b
    kerasmlsp sentiment evaluate --run mine --data test.csv
    """
    options.check_data(data, dataset)
    started = options.started(Config, run)
    columns = {"text_column": text_column or started.text_column, "label_column": label_column or started.label_column}
    if data:
        options.check_table("data", data, encoding or started.encoding, **columns)
        _check_folder(data)
    with messages.quiet_imports():
        from kerasmlsp.apps.sentiment import evaluate as app
    columns["encoding"] = encoding
    source = {"dataset": dataset, "manual_dir": manual_dir}
    result = app.evaluate(RUNS / run, data, **source, **columns, worst=worst)
    printing.print_results(result if as_json else _report(result), as_json)


@sentiment.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: text in, label out; or a file of its net: token ids in, probabilities out.

    \b
    kerasmlsp sentiment export --run mine
    kerasmlsp sentiment export --run mine --format onnx --output mine.onnx
    """
    options.export(Config, **values)


@sentiment.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help="CSV, TSV, Excel, JSON Lines or Parquet.")
@options.settings(Config, "text_column", "encoding", text_column=None)
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Default: <FILE>.predicted.csv")
@click.option("--explain", is_flag=True, help="Show the words that got most attention.")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw what --explain shows of one text.")
@options.reject_option
@options.model_options
@options.json_option
def predict(texts, file, text_column, encoding, output, explain, figure, reject_below, as_json, **wanted):
    """Classify texts, or a column of a file of any size.

    \b
    kerasmlsp sentiment predict "This film was excellent!" "What a waste of time."
    kerasmlsp sentiment predict --file reviews.csv --text-column review --output labelled.csv
    """
    if bool(texts) == bool(file):
        raise click.UsageError("Give either texts or `--file FILE`.")
    if file:
        options.refuse("The words of attention are shown of texts, not of a file", "explain", "figure")
    else:
        options.refuse("Texts of the command line are answered on the screen", "text_column", "encoding", "output")
    if figure and len(texts) != 1:
        raise click.UsageError("`--figure` draws one text: give just one.")
    folder = options.find_model("sentiment", **wanted)
    options.check_targets(output=output, figure=figure)
    from kerasmlsp.apps.sentiment import predict as app
    from kerasmlsp.exporting import loading

    if file:
        output = output or file.with_name(f"{file.name.split('.')[0]}.predicted.csv")
        _check_files(file, output, encoding, text_column or app.trained_column(loading.read_card(folder)))
        model = options.load_model(folder, whole_calls=True)
        settings = {"text_column": text_column, "encoding": encoding, "reject_below": reject_below}
        result = app.predict_file(model, file, output, **settings)
        printing.print_results(result, as_json, model)
        return
    model = options.load_model(folder)
    answer = app.explain if explain or figure else app.predict_texts
    rows = answer(model, texts, reject_below=reject_below)
    if figure:
        _draw(rows[0], figure)
        printing.tell_figure(figure)
    if not as_json:
        rows = [_shown(row) for row in rows]
    printing.print_results(rows, as_json, model)


def _check_files(file, output, encoding, text_column):
    """Refuses a table without the column, and one that would be overwritten, before TensorFlow is imported."""
    from kerasmlsp.data import tables

    if file.exists() and output.exists() and file.samefile(output):
        raise click.UsageError(f"`--output` must be another file than `--file`. Received: {output} for both")
    tables.check_columns(file, encoding=encoding, text_column=text_column)


def _by_net(result):
    return {**result, "nets": [{"net": net, **row} for net, row in result["nets"].items()]}


def _report(result):
    """The figures of an evaluation as a table, one row a measure, whole texts beside short ones."""
    slices = {f"{result['texts']} texts": result}
    if "short" in result:
        slices[f"first {result['short']['words']} words"] = result["short"]
    rows = []
    for measure in result["metrics"]:
        row = {"measure": measure.replace("_", " ")}
        for name, part in slices.items():
            row[name] = printing.interval(part["metrics"][measure])
        rows.append(row)
    for label, shares in result["shares"].items():
        row = {"measure": f"share of {label}: true, predicted"}
        for name, part in slices.items():
            row[name] = f"{shares['true']:.3f}, {part['shares'][label]['predicted']:.3f}"
        rows.append(row)
    lacking = {"not measured": result["not measured"]} if result["not measured"] else {}
    return {"measures, with 95 % intervals": rows, **lacking, "files": result["files"]}


def _draw(row, path):
    from kerasmlsp import classification, files, plotting

    tokens, weights = zip(*row["attention"], strict=True)
    title = classification.title(row)
    files.write_atomically(path, lambda place: plotting.token_weights(tokens, weights, place, title=title))


def _shown(row):
    text = row["text"] if len(row["text"]) <= 60 else row["text"][:57] + "..."
    shown = {"label": row["label"], "confidence": row["confidence"], "unsure": row["unsure"], "text": text}
    if "attention" in row:
        heaviest = sorted(row["attention"], key=lambda pair: -pair[1])[:5]
        shown["attention"] = ", ".join(f"{token} {weight:.2f}" for token, weight in heaviest)
    return shown
