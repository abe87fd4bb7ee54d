"""The commands of the embed application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.embed.config import WEIGHTS, Config

RUNS = Path("runs/embed")
_ENDINGS = {"word2vec": (".vec", ".txt"), "word2vec-binary": (".bin",)}
_METHODS = {"both": ("pca", "tsne"), "pca": ("pca",), "tsne": ("tsne",)}

_file = click.Path(path_type=Path)
_count_option = click.option(
    "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Words to answer with."
)


@click.group(cls=messages.Group)
def embed():
    """Learn vectors of words, find words that are used alike.

    \b
    kerasmlsp embed train --data reviews.csv --run reviews
    kerasmlsp embed evaluate --run reviews --similarity wordsim353.tsv
    kerasmlsp embed export --run reviews
    kerasmlsp embed similar king
    """


@embed.command()
@options.train_options(Config, searched=False)
def train(**values):
    """Train on a text of any size.

    \b
    kerasmlsp embed train --data reviews.csv --run reviews
    kerasmlsp embed train --data books/ --architecture cbow --run books
    kerasmlsp embed train --dataset imdb_reviews --run imdb
    kerasmlsp embed train --run books --resume
    """
    options.train(Config, values, then="export --run {run}", check=_check)


def _check(config):
    options.check_data(config.data, config.dataset)
    if not config.data:
        return
    from kerasmlsp.data import corpus, tables

    if not tables.is_table(config.data) or Path(config.data).is_dir():
        options.refuse("A text without columns is read whole", "text_column")
    corpus.check(config.data, text_column=config.text_column, encoding=config.encoding)


@embed.command()
@options.run_option
@click.option(
    "--similarity",
    type=_file,
    multiple=True,
    metavar="FILE",
    help="Pairs of words and how alike people find them; may be repeated.",
)
@click.option("--analogies", type=_file, metavar="FILE", help="Four words in a line, `: NAME` before those of a kind.")
@options.json_option
def evaluate(run, similarity, analogies, as_json):
    """Measure a run by what people say of words: similarities (Spearman) and analogies (share right).

    \b
    kerasmlsp embed evaluate --run reviews --similarity wordsim353.tsv --similarity simlex999.txt
    kerasmlsp embed evaluate --run reviews --analogies questions-words.txt
    """
    if not (similarity or analogies):
        raise click.UsageError("Give what to measure by as `--similarity FILE`, `--analogies FILE`, or both.")
    from kerasmlsp.metrics import words

    for path in similarity:
        words.read_similarities(path)
    if analogies:
        words.read_analogies(analogies)
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.embed import evaluate as app
    result = app.evaluate(RUNS / run, similarity, analogies)
    printing.print_results(result if as_json else _report(result), as_json)


def _report(result):
    """The figures of an evaluation as tables."""
    parts = {"words": result["words"]}
    if result["similarity"]:
        parts["Spearman's correlation, with 95 % intervals"] = [
            {"file": name, "correlation": _interval(each), "covered": f"{each['covered']} of {each['pairs']} pairs"}
            for name, each in result["similarity"].items()
        ]
    if result["analogies"]:
        parts["share of analogies right, with 95 % intervals"] = [
            {"kind": name, "right": _interval(each), "covered": f"{each['covered']} of {each['questions']}"}
            for name, each in result["analogies"].items()
        ]
    return {**parts, "files": result["files"]}


def _interval(measure):
    return "-" if measure["value"] is None else printing.interval(measure, 3)


@embed.command()
@options.run_option
@options.target_option
@click.option(
    "--format",
    type=click.Choice(["savedmodel", *_ENDINGS]),
    default="savedmodel",
    show_default=True,
    help="A saved model, or a file of vectors that gensim and others read.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File for word2vec; default NAME.vec or NAME.bin.",
)
@click.option("--words", type=click.IntRange(2), metavar="N", help="Keep the most frequent only; default all.")
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default=WEIGHTS[0],
    show_default=True,
    help="How the saved model keeps its vectors; float16 takes half the room.",
)
@options.data_note_option
@options.licence_option
@options.json_option
def export(run, models, format, output, words, weights, data_note, licence, as_json):
    """Make a saved model of a run, word in, vector and nearest words out; or a file of its vectors.

    \b
    kerasmlsp embed export --run reviews
    kerasmlsp embed export --run reviews --format word2vec-binary --output reviews.bin
    """
    if format == "savedmodel":
        options.refuse("A saved model goes to the folder `--models`", "output")
    else:
        options.refuse("A file of vectors has no model card", "models", "weights", "data_note", "licence")
        output = output or Path(run + _ENDINGS[format][0])
        options.refuse_ending(output, *_ENDINGS[format], option="--output")
        options.check_targets(output=output)
    options.started(Config, run)
    with messages.quiet_imports():
        from kerasmlsp.apps.embed import export as app
        from kerasmlsp.exporting.model_cards import Notes
    if format == "savedmodel":
        path = app.export(RUNS / run, models, Notes(data_note, licence), words=words, weights=weights)
    else:
        path = app.write_vectors(RUNS / run, output, binary=format == "word2vec-binary", words=words)
    printing.print_results({"exported": str(path)}, as_json)


@embed.command()
@click.argument("word", nargs=-1, required=True, metavar="WORD...")
@_count_option
@options.model_options
@options.json_option
def similar(word, count, as_json, **wanted):
    """Name the words that are used most like a word; words in quotes are taken together.

    \b
    kerasmlsp embed similar king
    kerasmlsp embed similar good bad "not good" --count 5 --json
    """
    folder = options.find_model("embed", **wanted)
    from kerasmlsp.apps.embed import predict as app

    model = options.load_model(folder)
    printing.print_results(app.similar(model, word, count), as_json, model)


@embed.command()
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.argument("c", metavar="C")
@_count_option
@options.model_options
@options.json_option
def analogy(a, b, c, count, as_json, **wanted):
    """Name what stands to C as B to A.

    \b
    kerasmlsp embed analogy man king woman
    """
    folder = options.find_model("embed", **wanted)
    from kerasmlsp.apps.embed import predict as app

    model = options.load_model(folder)
    printing.print_results(app.analogy(model, a, b, c, count), as_json, model)


@embed.command()
@click.option(
    "--group",
    "groups",
    multiple=True,
    required=True,
    metavar="NAME=WORD,WORD,...",
    help="Words of one colour; may be repeated.",
)
@click.option("--figure", type=options.Target(".png"), required=True, metavar="OUT.png", help="Picture to draw.")
@click.option(
    "--method",
    type=click.Choice(list(_METHODS)),
    default="both",
    show_default=True,
    help="Principal components, t-SNE, or a panel for each.",
)
@options.seed_option
@options.model_options
@options.json_option
def map(groups, figure, method, seed, as_json, **wanted):
    """Draw where the words of some groups lie: in the plane of their principal components, and by t-SNE.

    \b
    kerasmlsp embed map --group good=great,superb,fine --group bad=awful,poor,dull --figure map.png
    """
    parts = _parsed(groups)
    folder = options.find_model("embed", **wanted)
    options.check_targets(figure=figure)
    from kerasmlsp.apps.embed import predict as app
    from kerasmlsp.extras import required

    required("sklearn")
    model = options.load_model(folder)
    rows = app.positions(model, parts, _METHODS[method], seed=seed)
    app.draw(rows, _METHODS[method], figure)
    printing.tell_figure(figure)
    printing.print_results(rows if as_json else [_placed(row) for row in rows], as_json, model)


def _parsed(groups):
    """Words by the name of their group."""
    found = {}
    for each in groups:
        name, equals, words = each.partition("=")
        listed = [word.strip() for word in words.split(",") if word.strip()]
        if not (equals and name.strip() and listed):
            raise click.BadParameter(
                f"must be a name, = and words with commas between. Received: {each!r}", param_hint="'--group'"
            )
        found.setdefault(name.strip(), []).extend(listed)
    return found


def _placed(row):
    shown = {"group": row["group"], "word": row["word"]}
    for method in ("pca", "tsne"):
        if method in row:
            shown[method] = f"{row[method]['x']:.3g}, {row[method]['y']:.3g}"
    return shown
