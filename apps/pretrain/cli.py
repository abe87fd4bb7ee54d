"""The commands of the pretrain application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.pretrain.config import OF_TASK, TUNED_BY, Config, Tuning
from kerasmlsp.files import existing

RUNS = Path("runs/pretrain")


@click.group(cls=messages.Group)
def pretrain():
    """Learn from data without labels, then from few labels.

    \b
    kerasmlsp pretrain train --task simclr --data photos --run mine
    kerasmlsp pretrain evaluate --run mine
    kerasmlsp pretrain finetune --run mine --data labelled --labels 0.01,0.1,1
    kerasmlsp pretrain export --run mine
    kerasmlsp pretrain predict photo.jpg
    """


@pretrain.command()
@options.train_options(Config, searched=False)
def train(**values):
    """Train on examples without labels.

    \b
    kerasmlsp pretrain train --task simclr --data photos --run mine
    kerasmlsp pretrain train --task mlm --data reviews.csv --exclude test.csv --run words
    kerasmlsp pretrain train --task wav2vec --data recordings --group-pattern "(\\w+)_" --run sounds
    kerasmlsp pretrain train --run mine --resume
    """
    options.train(Config, values, then="finetune --run {run} --data LABELLED --labels 0.01,0.1,1", check=_check)


def _check(config):
    for name, tasks in OF_TASK.items():
        if config.task not in tasks:
            options.refuse(f"It has no meaning for `--task {config.task}`", name)
    if config.exclude:
        options.refuse("The test examples are those of `--exclude`", "test_share")
    _check_task(config.task)
    _check_given(config.data)
    for name in ("data", "exclude"):
        if place := getattr(config, name):
            _check_place(config, place, name)


def _check_given(data):
    if not data:
        raise click.UsageError("Give the data with `--data PATH`.")


def _check_task(task):
    if task == "clusters":
        from kerasmlsp import extras

        extras.required("sklearn")


def _check_place(config, place, name="data"):
    """Refuses data of another form, before anything heavy is imported."""
    from kerasmlsp.data import audio, idx, images

    path = existing(place, name)
    if config.kind == "texts":
        if path.is_dir() or path.suffix.lower() in (".txt", ".text"):
            options.check_text(path, config.encoding)
        else:
            options.check_table(name, path, config.encoding, text_column=config.text_column)
    elif not path.is_dir():
        raise ValueError(f"`{name}` must be a folder of {config.kind}. Received: {path}, which is a file")
    elif config.kind == "recordings":
        audio.list_audio(path)
    elif not idx.holds_idx(path):
        images.list_images(path)


@pretrain.command()
@options.run_option
@options.settings(Config, "data")
@options.json_option
def evaluate(run, data, as_json):
    """Measure how well a run does its task, and draw what it has learned.

    \b
    kerasmlsp pretrain evaluate --run mine
    kerasmlsp pretrain evaluate --run mine --data labelled
    """
    options.check_data(data, optional=True)
    started = options.started(Config, run)
    if data:
        _check_place(started, data)
    with messages.quiet_imports():
        from kerasmlsp.apps.pretrain import evaluate as app
    result = app.evaluate(RUNS / run, data)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    rows = [{"measure": name, "value": printing.interval(each)} for name, each in result["metrics"].items()]
    return {
        "measured on": f"{result['examples']} examples: {result['on']}",
        f"measures of {result['task']}": rows,
        "files": result["files"],
    }


def _numbers(context, parameter, text):
    """Numbers with commas between."""
    if text is None:
        return []
    kind = float if parameter.name == "labels" else int
    try:
        found = [kind(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < each <= 1 if kind is float else each >= 1 for each in found):
        allowed = "shares above 0 and at most 1" if kind is float else "whole numbers at least 1"
        raise click.BadParameter(f"must be {allowed}, with commas between. Received: {text!r}")
    return found


def _methods(context, parameter, text):
    return None if text is None else [part.strip() for part in text.split(",")]


@pretrain.command()
@options.run_option
@options.overwrite_option
@click.option(
    "--labels", metavar="SHARES", callback=_numbers, help="Shares of the labels to learn from, as 0.001,0.01,0.1,1."
)
@click.option("--per-class", metavar="NUMBERS", callback=_numbers, help="Labels of every class, as 1,10,100.")
@click.option(
    "--methods",
    metavar="NAMES",
    callback=_methods,
    help="Some of: fine-tuned, from scratch, linear probe, svm, k-means patches (of pictures), self-trained. Default: "
    "all but the last.",
)
@options.settings(Tuning, *TUNED_BY)
@options.json_option
def finetune(run, overwrite, labels, per_class, methods, as_json, **values):
    """Train classifiers on few labels: from a run, from scratch, and by classical methods.

    What is there already is gone on with.

    \b
    kerasmlsp pretrain finetune --run mine --data labelled --labels 0.01,0.1,1
    kerasmlsp pretrain finetune --run mine --data fashion_mnist --per-class 60
    """
    if not labels and not per_class:
        raise click.UsageError("Say how many labels to learn from with `--labels` or `--per-class`.")
    started = options.started(Config, run)
    _check_methods(started.kind, methods)
    tuning = options.configuration(Tuning, None, values)
    _check_given(tuning.data)
    for name in ("data", "test"):
        if place := getattr(tuning, name):
            _check_labelled(started, tuning, name, place)
    from kerasmlsp import extras

    extras.required("sklearn")
    with messages.quiet_imports():
        from kerasmlsp.apps.pretrain import finetune as app
    try:
        result = app.finetune(
            RUNS / run, tuning, shares=labels, per_class=per_class, methods=methods, overwrite=overwrite
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt("Go on by giving the same command again, without `--overwrite`.") from None
    printing.print_results(result if as_json else _shown(result), as_json)
    click.echo(f"Next: kerasmlsp pretrain export --run {run}", err=True)


def _check_methods(kind, methods):
    known = ["fine-tuned", "from scratch", "linear probe", "self-trained", "svm"]
    known += ["k-means patches"] * (kind == "pictures")
    if unknown := [name for name in methods or () if name not in known]:
        raise click.UsageError(f"`--methods` must be some of {', '.join(known)}. Received: {unknown[0]!r}")


def _check_labelled(config, tuning, name, place):
    from kerasmlsp.data import clips, idx, labelled

    path = existing(place, name)
    if config.kind == "pictures" and path.is_dir() and idx.holds_idx(path):
        return
    columns = {"texts": {"text_column": tuning.text_column, "label_column": tuning.label_column}}
    columns["recordings"] = {"path_column": tuning.path_column, "label_column": tuning.label_column}
    if config.kind == "pictures" and not path.is_dir():
        raise ValueError(f"`{name}` must be a folder of pictures. Received: {path}, which is a file")
    options.check_table(name, path, tuning.encoding, **columns.get(config.kind, {}))
    if path.is_dir() and config.kind == "texts":
        labelled.class_folders(path)
    elif path.is_dir() and config.kind == "recordings":
        clips.class_folders(path)


def _shown(result):
    rows = []
    for row in result["table"]:
        shown = {"labels": row["labels"], "method": row["method"], "accuracy": printing.interval(row["accuracy"])}
        shown["better than from scratch by"] = printing.interval(row["gain"]) if "gain" in row else None
        chosen = {name: value for name, value in row["chosen"].items() if not isinstance(value, dict)}
        shown["chosen"] = ", ".join(f"{name} {value:g}" for name, value in chosen.items())
        rows.append(shown | {"seconds": row["seconds"]})
    return {
        "labelled": result["labelled"],
        "test": result["test"],
        "accuracy on the test, with 95 % intervals": rows,
        "files": result["files"],
    }


@pretrain.command()
@options.export_options
def export(**values):
    """Make a saved model of a run: features, and labels where it is fine-tuned.

    \b
    kerasmlsp pretrain export --run mine
    """
    options.export(Config, **values)


@pretrain.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE|FOLDER|-|TEXT...")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw the words for the gap of a text.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all probabilities there.")
@options.reject_option
@options.model_options
@options.json_option
def predict(sources, figure, output, reject_below, as_json, **wanted):
    """Classify pictures, recordings or texts; or tell the word for [MASK] in a text.

    \b
    kerasmlsp pretrain predict photo.jpg
    kerasmlsp pretrain predict recordings --output labels.csv
    kerasmlsp pretrain predict "This film was [MASK]!" --figure words.png
    """
    folder = options.find_model("pretrain", **wanted)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.apps.pretrain import predict as app
    from kerasmlsp.exporting import loading

    kind = str(loading.read_card(folder).get("kind"))
    gaps = kind == "texts" and any("[mask]" in each.casefold() for each in sources)
    if not gaps:
        options.refuse("A figure is drawn of a text with [MASK]", "figure")
    given = sources
    if kind != "texts":
        options.check_sources(sources)
        given = app.listed(kind, [Path(each) for each in sources])
    model = options.load_model(folder)
    if gaps:
        options.refuse("The words for a gap are told on the screen", "output", "reject_below")
        _tell_words(app.fill(model, given), figure, as_json, model)
        return
    rows, problems = app.predict(model, given, reject_below=reject_below)
    _tell_labels(rows, problems, kind, output, as_json, model)
    if kind != "texts":
        printing.exit_for(problems, sources)


def _tell_words(rows, figure, as_json, model):
    if figure:
        from kerasmlsp import files, plotting

        gaps = [(row["text"], None, row["words"]) for row in rows]
        files.write_atomically(figure, lambda path: plotting.top_words(gaps, path))
        printing.tell_figure(figure)
    if not as_json:
        told = [", ".join(f"{word} {share:.2f}" for word, share in row["words"]) for row in rows]
        rows = [{"words": words, "text": row["text"]} for words, row in zip(told, rows, strict=True)]
    printing.print_results(rows, as_json, model)


def _tell_labels(rows, problems, kind, output, as_json, model):
    from kerasmlsp import classification
    from kerasmlsp.data import audio, images

    what, reasons = ("text", None) if kind == "texts" else ("file", audio.reasons if kind == "recordings" else None)
    if not rows and problems:
        raise ValueError(problems[0]["problem"])
    if output:
        classification.write_table([{"file": row[what], **row} for row in rows], problems, output)
    if as_json:
        printing.print_results([*rows, *problems], as_json, model)
        printing.tell_left_out(problems, len(rows) + len(problems), reasons or images.reasons)
    else:
        shown = [{name: row[name] for name in ("label", "confidence", "unsure", what)} for row in rows]
        printing.print_answers(shown, problems, output=output, reasons=reasons)
