"""The examples in docstrings: every public name of the library has one, and each prints what it says."""

import doctest
import importlib
import inspect
import re
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
# These run on every backend of Keras, the others on TensorFlow alone.
PORTABLE = ("layers", "models", "augment", "losses", "generation.decoding", "targets.boxes", "targets.chorale_tokens")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def within(name, packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def names():
    """Import names of the library's files."""
    files = (path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / "kerasmlsp").rglob("*.py")))
    every = [".".join(part for part in file.parts if part != "__init__") for file in files]
    if keras.backend.backend() == "tensorflow":
        return every
    return [name for name in every if within(name, [f"kerasmlsp.{part}" for part in PORTABLE])]


def applications():
    """Import names of the applications' files, which run on TensorFlow alone."""
    if keras.backend.backend() != "tensorflow":
        return []
    files = (path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / "apps").rglob("*.py")))
    return [".".join(("kerasmlsp", *(part for part in file.parts if part != "__init__"))) for file in files]


def offered():
    """Those that others import, without files for their package alone."""
    return [name for name in names() if "._" not in name]


def public(module):
    """What a file defines and others may call, by name."""
    own = {name: value for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
    return {name: value for name, value in own.items() if callable(value) and not name.startswith("_")}


def has_example(value):
    """Whether a docstring ends in a section of its own that holds an example."""
    return re.search(r"^Example:\n    >>> \S[^\n]*(\n    [^\n]+|\n)*\Z", inspect.getdoc(value) or "", re.MULTILINE)


def is_annotated(function):
    signature = inspect.signature(function)
    arguments = [each.annotation for name, each in signature.parameters.items() if name != "self"]
    found = [signature.return_annotation, *arguments]
    return inspect.Signature.empty not in found


def own_methods(value):
    """Public methods of a class that no class above it has, such as Keras's."""
    above = {name for parent in value.__mro__[1:] for name in vars(parent)}
    return {
        f"{value.__name__}.{name}": method
        for name, method in vars(value).items()
        if inspect.isfunction(method) and not name.startswith("_") and name not in above
    }


def quickly():
    """The files with those that draw figures marked as slow: tests/figures draws each of them."""
    return [pytest.param(name, marks=[pytest.mark.slow] * name.startswith("kerasmlsp.figures.")) for name in names()]


@pytest.mark.parametrize("name", quickly())
def test_examples_print_what_they_say(name):
    module, said = importlib.import_module(name), []
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


@pytest.mark.parametrize("name", offered())
def test_everything_public_has_an_example(name):
    module = importlib.import_module(name)
    lacking = [each for each, value in public(module).items() if not has_example(value)]
    assert not lacking, f"{lacking} need a section `Example:` at the end of the docstring."


@pytest.mark.parametrize("name", [*offered(), *applications()])
def test_public_functions_are_annotated(name):
    # Commands, which click calls by their options, are objects and no functions.
    found = public(importlib.import_module(name))
    functions = {each: value for each, value in found.items() if inspect.isroutine(value)}
    for value in found.values():
        functions |= own_methods(value) if inspect.isclass(value) else {}
    lacking = [each for each, value in functions.items() if not is_annotated(value)]
    assert not lacking, f"{lacking} need annotations of their arguments and of what they return."
