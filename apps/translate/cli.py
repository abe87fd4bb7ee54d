"""The commands of the translate application."""

import dataclasses
import sys
from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.translate.config import LISTS, Config

RUNS = Path("runs/translate")


@click.group(cls=messages.Group)
def translate():
    """Translate sentences from one language to another.

    \b
    kerasmlsp translate predict "A dog runs through the snow."
    kerasmlsp translate train --data multi30k/ --source en --target de --run mine
    kerasmlsp translate evaluate --run mine
    kerasmlsp translate export --run mine
    """


@translate.command()
@options.train_options(Config)
def train(**values):
    """Train on your own sentences with their translations, or on a data set of TensorFlow Datasets.

    \b
    kerasmlsp translate train --data multi30k/ --source en --target de
    kerasmlsp translate train --data pairs.csv --source english --target french --run french
    kerasmlsp translate train --data news.en --parallel news.de --architecture additive-attention --run news
    kerasmlsp translate train --dataset ted_hrlr_translate/pt_to_en --source pt --target en --run ted
    kerasmlsp translate train --run ted --resume
    """
    options.train(Config, values, then="evaluate --run {run}", check=_check)


def _check(config):
    options.refuse("A batch is made of so many units as `--batch-tokens` says", "batch_size")
    _check_data(config)


def _check_data(config, optional=False):
    """Refuses data that cannot be read, before anything heavy is imported."""
    from kerasmlsp.apps.translate import sources

    if config.dataset:
        options.refuse("A data set of TensorFlow Datasets has no such file or column", "parallel", "split_column")
    if not config.data:
        options.refuse("They are the translations of the file `--data`", "parallel")
    options.check_data(config.data, config.dataset, optional=optional, encoding=config.encoding)
    place = Path(config.data) if config.data else None
    if place is None:
        return
    if place.is_dir():
        options.refuse(f"{place} is a folder, which holds both languages", "parallel")
        options.refuse(f"{place} is a folder, which has no columns", "split_column")
        sources.parallel_files(place, config)
    elif config.parallel:
        options.check_table("parallel", config.parallel)
        options.refuse("Files that go line by line have no columns", "split_column")
    elif place.suffix.lower() in LISTS:
        options.refuse("A .txt file has no columns", "split_column")
        next(sources.rows(config), None)
    else:
        options.check_table("data", place, config.encoding, **config.columns)


@translate.command()
@options.run_option
@options.settings(
    Config,
    *("data", "parallel", "dataset", "source", "target", "encoding", "beams", "length_penalty"),
    **dict.fromkeys(("source", "target", "encoding", "beams", "length_penalty")),
)
@click.option("--split", type=click.Choice(["test", "validation"]), default="test", show_default=True)
@options.json_option
def evaluate(run, data, parallel, dataset, source, target, encoding, split, beams, length_penalty, as_json):
    """Measure a run on the test sentences of its own data, or on other data: their split test, or all of them.

    \b
    kerasmlsp translate evaluate --run mine
    kerasmlsp translate evaluate --run mine --data other.csv
    """
    if not (data or dataset):
        options.refuse("They are those of other data", "source", "target", "encoding", "parallel")
    options.check_data(data, dataset, optional=True)
    started = options.started(Config, run)
    place = {"data": data and str(data), "parallel": parallel and str(parallel), "dataset": dataset}
    named = {"source": source, "target": target, "encoding": encoding}
    named = {name: value for name, value in named.items() if value is not None}
    if data or dataset:
        _check_data(dataclasses.replace(started, **place, **named))
    with messages.quiet_imports():
        from kerasmlsp.apps.translate import evaluate as app
    searching = {"beams": beams, "length_penalty": length_penalty}
    place["path"] = place.pop("data")
    result = app.evaluate(RUNS / run, **place, **named, **searching, split=split)
    printing.print_results(result if as_json else _report(result), as_json)


@translate.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: text in, translation out.

    \b
    kerasmlsp translate export --run mine
    """
    options.export(Config, **values)


@translate.command()
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--file", type=click.Path(path_type=Path), metavar="FILE", help="Text file, translated line by line.")
@options.settings(Config, "encoding")
@click.option("--output", type=options.Target(".txt", ".csv"), metavar="OUT.txt", help="Default: <FILE>.translated.txt")
@click.option("--greedy", is_flag=True, help="Take the likeliest unit each time: faster, a little worse.")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw where it looked, of one text.")
@options.model_options
@options.json_option
def predict(texts, file, encoding, output, greedy, figure, as_json, **wanted):
    """Translate texts, the lines of a file of any length, or those on stdin (-).

    \b
    kerasmlsp translate predict "A dog runs through the snow." "Two men are talking."
    kerasmlsp translate predict "A dog runs through the snow." --figure alignment.png
    kerasmlsp translate predict --file news.en --output news.de.txt
    kerasmlsp translate predict - < news.en
    """
    if bool(texts) == bool(file):
        raise click.UsageError("Give either texts, - for the lines on stdin, or `--file FILE`.")
    if "-" in texts and len(texts) > 1:
        raise click.UsageError("`-` reads all lines on stdin: give it alone.")
    if figure and (file or len(texts) != 1 or "-" in texts):
        raise click.UsageError("`--figure` draws one text: give just one.")
    if figure:
        options.refuse("The figure shows the translation of the whole search", "greedy")
    if not file:
        options.refuse("Texts of the command line and of stdin are UTF-8", "encoding")
    folder = options.find_model("translate", **wanted)
    if file:
        output = output or file.with_name(f"{file.name.split('.')[0]}.translated.txt")
        _check_files(file, output, encoding)
    options.check_targets(output=output, figure=figure)
    from kerasmlsp.apps.translate import predict as app

    if file:
        model = options.load_model(folder, whole_calls=True)
        result = app.translate_file(model, file, output, encoding=encoding, greedy=greedy)
        printing.print_results(result, as_json, model)
        return
    model = options.load_model(folder, whole_calls="-" in texts)
    if texts == ("-",):
        rows = app.translate_lines(model, _lines(), greedy=greedy)
        if not (as_json or output):
            for row in rows:
                click.echo(row["translation"])
            return
        rows = list(rows)
    else:
        rows = app.translate(model, texts, greedy=greedy)
    if output:
        _write(app, rows, output)
    if figure:
        app.draw(app.explain(model, texts[0]), figure)
        printing.tell_figure(figure)
    if not as_json:
        rows = [{name: row[name] for name in ("translation", "score", "text")} for row in rows]
    printing.print_results(rows, as_json, model)


def _lines():
    for line in sys.stdin.buffer:
        yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")


def _check_files(file, output, encoding):
    """Refuses a file that is not there, and one that would be overwritten, before TensorFlow is imported."""
    from kerasmlsp.data import tables

    if file.exists() and output.exists() and file.samefile(output):
        raise click.UsageError(f"`--output` must be another file than `--file`. Received: {output} for both")
    if output.suffix != ".txt":
        raise click.UsageError("A file is translated into a file that ends in .txt, line by line.")
    next(tables.read_lines(file, encoding=encoding), None)


def _write(app, rows, output):
    from kerasmlsp import files

    if output.suffix == ".csv":
        app.write_table(rows, output)
        return
    text = "".join(row["translation"] + "\n" for row in rows)
    files.write_atomically(output, lambda place: place.write_text(text, encoding="utf-8"))


def _report(result):
    """The figures of an evaluation as tables, one row a way of translating."""
    rows, lengths = [], []
    for name, measures in result["metrics"].items():
        digits = {"length": 3}
        shown = {measure: printing.interval(each, digits.get(measure, 1)) for measure, each in measures.items()}
        rows.append({"translations": name, **shown})
    for name, several in result["by length"].items():
        row = {"BLEU by words of the source": name}
        for each in several:
            end = "" if each["to"] is None else f" to {each['to']}"
            row[f"{each['from']}{end or ' or more'}"] = f"{each['BLEU']['value']:.1f}"
        lengths.append(row)
    return {
        "pairs": result["pairs"],
        "counted": result["counted"],
        "signatures": result["signatures"],
        "measures, with 95 % intervals": rows,
        "by length": lengths,
        "files": result["files"],
    }
