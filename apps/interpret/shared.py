"""What the commands share: which network, which pictures, which class."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from kerasmlsp.apps import messages, options, printing

SOURCES = click.argument(
    "sources", nargs=-1, required=True, metavar="PHOTO|FOLDER|-...", type=click.Path(path_type=Path, allow_dash=True)
)
PHOTO = click.argument("photo", metavar="PHOTO|-", type=click.Path(path_type=Path, allow_dash=True))
CLASS = click.option("--class", "wanted", metavar="NAME", help="Class to ask for; default what the network says.")
LABELS = click.option(
    "--labels",
    type=click.Choice(["answers", "folders", "files"]),
    default="answers",
    show_default=True,
    help="The true class: what the network says, the folder of a picture, or the WordNet id its file begins with.",
)


def command(figure: str | None = None) -> Callable:
    """The options of every command: the network, the figure named `<figure>.png`, and `--json`."""

    def decorate(function):
        found = [
            options.json_option,
            click.option(
                "--box",
                type=options.FiniteRange(-1e6, 1e6),
                nargs=2,
                metavar="LOW HIGH",
                help="Least and largest value of the input of a .keras file; default 0 255.",
            ),
            click.option(
                "--class-names",
                type=click.Path(path_type=Path, dir_okay=False),
                metavar="FILE",
                help="Names of the classes of a .keras file, one in a line.",
            ),
            click.option(
                "--model",
                default="imagenet",
                show_default=True,
                metavar="imagenet|RUN|FILE.keras",
                help="The network: that of ImageNet, a run of gesture, or a file.",
            ),
        ]
        if figure:
            output = click.option(
                "--output",
                type=options.Target(".png"),
                default=Path(f"{figure}.png"),
                show_default=True,
                metavar="OUT.png",
                help="The figure.",
            )
            found.insert(1, output)
        for each in found:
            function = each(function)
        return function

    return decorate


def subject(
    model: str, class_names: Path | None, box: tuple[float, float] | None, output: Path | None = None
) -> tuple[ModuleType, Any]:
    """Loads the network, after what can be refused before is; returns `looking`, and a `Subject`."""
    if model == "imagenet" or Path(model).suffix != ".keras":
        options.refuse("They are for a .keras file", "class_names", "box")
    if box and not box[0] < box[1]:
        raise click.BadParameter(f"must be from low to high. Received: {box[0]:g} {box[1]:g}", param_hint="'--box'")
    options.check_targets(output=output)
    if Path(model).suffix == ".keras":
        options.existing(model, "model")
    if class_names:
        options.existing(class_names, "class_names")
    with messages.quiet_imports():
        from kerasmlsp.apps.interpret import looking as app
    return app, app.subject(model, class_names=class_names, box=box or None)


def pictures(subject: Any, sources: Sequence) -> tuple[list[str], Any, Callable[[], None]]:
    """Reads pictures, and says which could not be; what is returned last ends the command with 1 if one was named."""
    from kerasmlsp.data import images

    names, values, problems = subject.read(images.listed(sources))
    printing.tell_left_out(problems, len(names) + len(problems))
    return names, values, functools.partial(printing.exit_for, problems, sources)


def asked(subject: Any, values: Any, wanted: str | None) -> tuple[Any, Any, Any]:
    """Class numbers to ask for, and what the network says with its probabilities."""
    import numpy as np

    answers, confidence = subject.answers(values)
    chosen = answers if wanted is None else np.full(len(values), subject.class_number(wanted, "--class"))
    return chosen, answers, confidence
