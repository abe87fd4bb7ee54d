"""The command `kerasmlsp figures`: the figures of the lectures, computed.

$ kerasmlsp figures --list
$ kerasmlsp figures hopfield-recall --output recall.pdf
"""

from pathlib import Path
from typing import Any

import click

from kerasmlsp.apps import catalogue, messages, options, printing

# Numbers of a list that are printed; longer ones are in the figure, and in JSON.
_PRINTED = 12


@click.command(cls=messages.Command)
@click.argument("name", required=False)
@click.option("--list", "listing", is_flag=True, help="List all figures.")
@click.option("--output", type=options.Target(".png", ".pdf", ".svg"), metavar="FILE", help="Default: NAME.png.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Data of your own: a folder of IDX files, such as MNIST, a picture or recordings; see docs/figures.md.",
)
@click.option("--quick", is_flag=True, help="A small version in about a second, which shows less.")
@options.json_option
def figures(name, listing, output, data, quick, as_json):
    """Draw a figure of the lectures, and print its numbers.

    With `--json`, all numbers that are drawn are printed.

    \b
    kerasmlsp figures --list
    kerasmlsp figures cover
    kerasmlsp figures capacity --output capacity.svg
    """
    if listing:
        _list(as_json)
        return
    if not name:
        raise click.UsageError("Name a figure: `kerasmlsp figures --list` lists them.")
    found = catalogue.docstrings("figures")
    function = name.replace("-", "_")
    if function not in found:
        raise click.UsageError(f"NAME must be a figure that `kerasmlsp figures --list` lists. Received: {name!r}")
    shown = function.replace("_", "-")
    output = output or Path(f"{shown}.png")
    options.check_targets(output=output)
    with messages.quiet_imports():
        from kerasmlsp import figures as library
        from kerasmlsp import files
    arguments = library.QUICK.get(function, {}) if quick else {}
    drawing = getattr(library, function)(**arguments, **_given(getattr(library, function), shown, data))
    files.write_atomically(output, lambda place: drawing.save(place, output.suffix[1:].lower()))
    printing.print_results(drawing.numbers if as_json else _short(drawing.numbers), as_json)
    printing.tell_figure(output)


def _list(as_json):
    found, groups = catalogue.docstrings("figures"), catalogue.literal("figures", "GROUPS")
    said = {
        group: {name.replace("_", "-"): " ".join(found[name].split("\n\n")[0].split()) for name in names}
        for group, names in groups.items()
    }
    rows = [
        {"figure": name, "group": group, "what": what, "lecture": catalogue.reference(found[name.replace("-", "_")])}
        for group, names in said.items()
        for name, what in names.items()
    ]
    printing.print_results(rows if as_json else said, as_json)


def _given(function, name, data) -> dict:
    """The argument by which a figure takes data of one's own."""
    import inspect

    taken = [each for each in ("data", "picture") if each in inspect.signature(function).parameters]
    if data is not None and not taken:
        raise click.UsageError(f"`--data` is for figures of data, which {name} is not. Received: {data}")
    return {taken[0]: data} if data is not None else {}


def _short(value: Any) -> Any:
    """Numbers without long lists, and names with spaces."""
    if isinstance(value, dict):
        kept = {str(name).replace("_", " "): _short(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, {})}
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list | tuple):
        plain = len(value) <= _PRINTED and all(isinstance(each, int | float) for each in value)
        return "  ".join(f"{each:.4g}" for each in value) if plain else None
    return value
