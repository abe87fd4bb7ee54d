"""The commands `kerasmlsp models`: what the catalogue of builders holds, and what each of them builds.

    $ kerasmlsp models
    $ kerasmlsp models show resnet20 --figure resnet20.png
    $ kerasmlsp models show gpt --size features=768 --size num_layers=12 --size num_heads=12

Models are built without their weights, so that the largest takes no memory.
"""

import ast
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

import kerasmlsp
from kerasmlsp.apps import messages, options, printing
from kerasmlsp.apps.parameters import PARAMETERS

_LECTURERS = r"(?:Ganapathy|Sri Rama Murty|Pilanci|Hota)\b"
# Sizes that a builder does not choose by itself, as they are in the lectures' examples.
_EXAMPLES = {
    "adjacency": [[0, 1, 0], [1, 0, 1], [0, 1, 0]],
    "channels": 1,
    "code_dim": 32,
    "height": 28,
    "horizon": 12,
    "image_shape": (32, 32, 3),
    "length": 16,
    "max_length": 128,
    "num_classes": 10,
    "num_channels": 1,
    "num_clusters": 10,
    "num_features": 64,
    "num_hidden": 500,
    "num_keys": 88,
    "num_levels": 256,
    "num_mixtures": 10,
    "num_outputs": 10,
    "num_patterns": 50,
    "num_steps": 140,
    "num_units": 500,
    "num_visible": 784,
    "source_channels": 12,
    "source_vocabulary_size": 10_000,
    "target_vocabulary_size": 10_000,
    "vocabulary_size": 10_000,
    "width": 28,
}
# Those that are models themselves.
_EXAMPLE_MODELS = {
    "members": lambda builders: [builders.lstm_classifier(10_000, 10), builders.text_cnn(10_000, 10)],
    "model": lambda builders: builders.rotation_predictor((32, 32, 3)),
}
# Builders that want other sizes, or one of their own defaults changed.
_PICTURES = {"height": 128, "width": 128, "channels": 3}
_EXAMPLE_OPTIONS = {
    "conditional_wavenet": {"num_features": 80},
    "pix2pix": _PICTURES,
    "pix2pix_discriminator": _PICTURES,
    "pix2pix_generator": _PICTURES,
}


@click.group(cls=messages.Group, invoke_without_command=True)
@options.json_option
@click.pass_context
def models(context, as_json):
    """List every model builder, its lecture and its parameters.

    Parameters are those of an example, whose sizes `kerasmlsp models show NAME` prints.
    """
    if context.invoked_subcommand:
        return
    found = docstrings("models")
    rows = [
        {
            "builder": name,
            "parameters": PARAMETERS[name],
            "lecture": "; ".join(_lectures(name, found)) or "beyond the lectures",
        }
        for name in found
    ]
    printing.print_results(rows, as_json)


@models.command()
@click.argument("name")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    metavar="ARGUMENT=VALUE",
    help="An argument of the builder, as num_classes=5; may be given again.",
)
@click.option("--figure", type=options.Target(".png"), metavar="OUT.png", help="Draw it there.")
@options.json_option
def show(name, sizes, figure, as_json):
    """Print what the builder NAME makes, block by block, and draw it.

    With `--json`, all layers are listed. `n` stands for any length.

    \b
    kerasmlsp models show lstm_classifier --size vocabulary_size=20000 --size num_classes=2
    kerasmlsp models show text_cnn --figure text_cnn.png
    """
    values = dict(map(_size, sizes))
    if name not in docstrings("models"):
        raise click.UsageError(f"NAME must be a builder that `kerasmlsp models` lists. Received: {name!r}")
    with messages.quiet_imports():
        from kerasmlsp import files, plotting
        from kerasmlsp import models as builders

    builder = getattr(builders, name)
    model, arguments = build(builder, values)
    facts = {
        "builder": name,
        "what": builder.__doc__.strip().split("\n")[0],
        "reference": reference(builder.__doc__),
        "arguments": arguments,
        "parameters": model.count_params() if model.built else None,
    }
    if as_json:
        layers = [{"layer": layer.name, "class": type(layer).__name__} for layer in model.layers]
        printing.print_results({**facts, "layers": layers}, as_json)
    else:
        printing.print_results({**facts, "blocks": [_row(box) for box in plotting.blocks(model)]})
    if figure:
        files.write_atomically(figure, lambda place: plotting.diagram(model, place))
        printing.tell_figure(figure)


def _row(box):
    """A block as a row of the table."""
    return {
        "name": box.name if box.times == 1 else f"{box.name} ({box.times} x)",
        "what": box.what.replace("\n", "; "),
        "output": box.output,
        "parameters": f"{box.parameters:,}" if box.parameters else None,
        "from": ", ".join(box.parents),
    }


def docstrings(package: str) -> dict[str, str]:
    """Docstrings by name of what a package of the library offers, from the source: to import Keras takes seconds."""
    folder = Path(kerasmlsp.__file__).parent / package
    trees = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.py"))}
    functions = [node for tree in trees.values() for node in tree.body if isinstance(node, ast.FunctionDef)]
    found = {node.name: ast.get_docstring(node) for node in functions if not node.name.startswith("_")}
    return {name: found[name] or "" for name in literal(package, "__all__")}


def literal(package: str, name: str) -> Any:
    """The value that the `__init__.py` of a package of the library gives a name, from the source."""
    source = Path(kerasmlsp.__file__).parent / package / "__init__.py"
    nodes = [node for node in ast.parse(source.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in nodes if getattr(node.targets[0], "id", "") == name)


def build(builder: Callable, values: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Builds a model without its weights, with examples for the arguments that it asks for and were not given.

    Args:
        builder: A builder of `kerasmlsp.models`.
        values: Arguments that are given, by name.

    Returns:
        The model, and the arguments that it was built with, models by their names.

    Raises:
        click.UsageError: The builder has no such argument, or refuses a value.

    Example:
        >>> from kerasmlsp import models
        >>> build(models.lenet5, {})[1]
        {'num_classes': 10}
    """
    import inspect

    import keras

    parameters = inspect.signature(builder).parameters
    unknown = sorted(values.keys() - parameters.keys())
    if unknown:
        known = ", ".join(parameters)
        raise click.UsageError(
            f"`--size` must name arguments of {builder.__name__}: {known}. Received: {', '.join(unknown)}"
        )
    asked = [name for name, each in parameters.items() if each.default is each.empty]
    with keras.StatelessScope(initialize_variables=False):
        arguments = {name: values[name] if name in values else _example(name) for name in asked}
        arguments |= {**_EXAMPLE_OPTIONS.get(builder.__name__, {}), **values}
        try:
            model = builder(**arguments)
        except Exception as error:  # a value of another type may fail anywhere
            if not values:
                raise
            sizes = " ".join(f"--size {name}={value!r}" for name, value in values.items())
            reason = " ".join(str(error).split())[:300]
            raise click.UsageError(f"{builder.__name__} cannot be built with `{sizes}`: {reason}") from error
    return model, {name: _shown(value) for name, value in arguments.items()}


def _example(argument):
    from kerasmlsp import models as builders

    return _EXAMPLE_MODELS[argument](builders) if argument in _EXAMPLE_MODELS else _EXAMPLES[argument]


def _shown(value):
    """A model by its name, all else as it is."""
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return getattr(value, "name", value)


def _size(text):
    name, equals, value = text.partition("=")
    try:
        if not equals:
            raise ValueError
        return name.strip().replace("-", "_"), ast.literal_eval(value.strip())
    except (SyntaxError, ValueError):
        raise click.BadParameter(
            f"must be ARGUMENT=VALUE with a number or a tuple. Received: {text!r}", param_hint="'--size'"
        ) from None


def reference(docstring: str) -> str:
    """What a docstring gives as its reference."""
    found = re.search(r"References?:\s+(.*?)\n\s*\n", docstring or "", re.DOTALL)
    return " ".join(found[1].split()) if found else ""


def _lectures(name, docstrings):
    """The lectures among the references, each with the title of its slides."""
    text = reference(docstrings[name])
    same = re.match(r"as (?:of|for) `(\w+)`", text)
    if same:
        return _lectures(same[1], docstrings)
    return [part.strip().rstrip(".") for part in text.split(";") if re.match(_LECTURERS, part.strip())]
