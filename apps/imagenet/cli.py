"""The commands of the imagenet application."""

from pathlib import Path

import click

from kerasmlsp.apps import messages, options, printing

MOST_DRAWN = 12


@click.group(cls=messages.Group)
def imagenet():
    """Tell which of 1000 things photographs show.

    \b
    kerasmlsp imagenet classify photo.jpg
    """


@imagenet.command()
@click.argument(
    "sources", nargs=-1, required=True, metavar="PHOTO|FOLDER|-...", type=click.Path(path_type=Path, allow_dash=True)
)
@click.option("--top", type=click.IntRange(1, 1000), default=5, show_default=True, help="Classes to name.")
@click.option("--explain", is_flag=True, help=f"Draw where the first was seen (Grad-CAM), of {MOST_DRAWN} at most.")
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Where; default imagenet.png.")
@click.option("--output", type=options.Target(".csv"), metavar="OUT.csv", help="Write all answers there.")
@options.json_option
def classify(sources, top, explain, figure, output, as_json):
    """Name what photographs show, the likeliest classes first; `-` reads one from stdin.

    Photographs are cut to the square in their middle.

    \b
    kerasmlsp imagenet classify photo.jpg
    kerasmlsp imagenet classify photos --output labels.csv
    kerasmlsp imagenet classify photo.jpg --explain --figure why.png
    """
    options.check_sources(sources)
    options.check_targets(figure=figure, output=output)
    from kerasmlsp.data import images

    files = images.listed(sources)
    model = options.load_imagenet()
    from kerasmlsp.apps.imagenet import predict as app

    drawn = (figure or Path("imagenet.png")) if explain or figure else None
    rows, problems, kept = app.classified(model, files, top, most_kept=MOST_DRAWN if drawn else 0)
    if not rows:
        raise ValueError(problems[0]["problem"])
    if output:
        app.write_table(rows, problems, top, output)
    if drawn:
        app.draw(model, rows, kept, drawn)
        printing.tell_figure(drawn)
    printing.print_predictions(rows, problems, sources, as_json=as_json, shown=_shown, output=output)


def _shown(row):
    """A row of the table: the first class, and the others with their probabilities."""
    others = ", ".join(f"{each['label']} {each['probability']:.2f}" for each in row["top"][1:])
    return {"label": row["label"], "confidence": row["confidence"], "then": others, "file": row["file"]}
