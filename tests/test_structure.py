"""The one direction: layers <- models <- applications <- command line, and what each may import."""

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# Import name of each folder, as setup.cfg maps them.
FOLDERS = {"kerasmlsp": "kerasmlsp", "apps": "kerasmlsp.apps", "saved_models": "kerasmlsp.saved_models"}
# These run on every backend of Keras.
PORTABLE = (
    "layers",
    "models",
    "augment",
    "losses",
    "generation.decoding",
    "targets.boxes",
    "targets.chorale_tokens",
)
# Knows no builder.
GENERAL = (
    "data",
    "targets",
    "training",
    "exporting",
    "generation",
    "losses",
    "optimizers",
    "callbacks",
    "metrics",
    "classification",
    "plotting",
    "imagenet",
    "interpret",
    "music",
    "serving",
)


def sources(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.py"))


def module(path):
    """The import name of a file."""
    first, *rest = path.relative_to(ROOT).with_suffix("").parts
    return ".".join([FOLDERS[first], *(part for part in rest if part != "__init__")])


def imported(path):
    """Full names of all that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively: name the whole module."
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name, *packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


LIBRARY, APPS = sources("kerasmlsp"), sources("apps")


def portable():
    return [path for path in LIBRARY if within(module(path), *(f"kerasmlsp.{name}" for name in PORTABLE))]


def ids(paths):
    return {"argvalues": paths, "ids": [str(path.relative_to(ROOT)) for path in paths]}


@pytest.mark.parametrize("path", **ids(LIBRARY))
def test_the_library_knows_neither_click_nor_applications(path):
    assert not [name for name in imported(path) if within(name, "click", "kerasmlsp.apps", "apps")]


@pytest.mark.parametrize("path", **ids(portable()))
def test_portable_files_use_keras_and_numpy_only(path):
    allowed = {"keras", "numpy", "kerasmlsp", "math", "functools", "itertools", "dataclasses", "collections", "typing"}
    # For few operations, which other backends never reach: a loop's replacement on CPUs and a loop that XLA can train,
    # batch statistics with their gradient, and a lookup in a table that does not copy it.
    if path.name in ("recurrent.py", "normalization.py", "embeddings.py") and path.parent.name == "layers":
        allowed.add("tensorflow")
    if path.name == "gan.py" and path.parent.name == "models":
        allowed |= {"tensorflow", "jax"}  # for gradients of two losses in one step, each backend by its own means
    if path.name == "word_blocks.py" and path.parent.name == "models":
        allowed.add("tensorflow")  # to compile the arithmetic of a step without its lookups
    assert not [name for name in imported(path) if name.split(".")[0] not in allowed]
    # A portable file must not reach TensorFlow through another file of the library either.
    reached = [name for name in imported(path) if within(name, "kerasmlsp") and name != "kerasmlsp"]
    parts = [f"kerasmlsp.{part}" for part in PORTABLE]
    # A package that only says what is in it, such as `kerasmlsp.targets`, may stand between.
    between = {part.rpartition(".")[0] for part in parts}
    assert not [name for name in reached if not within(name, *parts) and name not in between]


@pytest.mark.parametrize("path", **ids([path for path in LIBRARY if within(module(path), "kerasmlsp.layers")]))
def test_layers_do_not_know_models(path):
    assert not [name for name in imported(path) if within(name, "kerasmlsp.models")]


@pytest.mark.parametrize(
    "path", **ids([path for path in LIBRARY if within(module(path), *(f"kerasmlsp.{name}" for name in GENERAL))])
)
def test_general_files_do_not_know_models(path):
    assert not [name for name in imported(path) if within(name, "kerasmlsp.models")]


@pytest.mark.parametrize("path", **ids([path for path in APPS if path.parent != ROOT / "apps"]))
def test_an_application_does_not_know_another(path):
    own = f"kerasmlsp.apps.{path.relative_to(ROOT / 'apps').parts[0]}"
    allowed = (own, *(f"kerasmlsp.apps.{name}" for name in ("messages", "options", "printing")))
    names = [name for name in imported(path) if within(name, "kerasmlsp.apps") and name != "kerasmlsp.apps"]
    assert not [name for name in names if not within(name, *allowed)]


@pytest.mark.parametrize("path", **ids([path for path in APPS if path.name == "config.py"]))
def test_configurations_import_nothing_heavy(path):
    import sys

    others = [name for name in imported(path) if name.split(".")[0] not in sys.stdlib_module_names]
    assert not [name for name in others if not within(name, "kerasmlsp.training.settings")]


def test_every_application_has_the_same_files():
    files = {"__init__.py", "config.py", "data.py", "model.py", "train.py", "evaluate.py", "export.py", "cli.py"}
    for folder in (path for path in (ROOT / "apps").iterdir() if (path / "config.py").exists()):
        present = {path.name for path in folder.iterdir()}
        assert files <= present, f"{folder.name} lacks {sorted(files - present)}"
        assert {"predict.py", "generate.py"} & present, f"{folder.name} has neither predict.py nor generate.py"


def test_a_training_saves_its_model_before_it_draws():
    """What is drawn may fail, and a model that was trained for hours must be there then."""
    texts = [path.read_text(encoding="utf-8") for path in APPS if path.name == "train.py"]
    drawing = [text for text in texts if ".draw_curves(" in text]
    assert len(drawing) > 5 and all(text.index("run.save(") < text.index(".draw_curves(") for text in drawing)


def test_the_package_list_is_complete():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    mapping = dict(line.replace(" ", "").split("=") for line in setup["options"]["package_dir"].strip().splitlines())
    assert mapping == {name: folder for folder, name in FOLDERS.items()}
    present = [module(path) for folder in FOLDERS for path in sources(folder) if path.name == "__init__.py"]
    assert sorted(listed) == sorted(present)
    for folder in FOLDERS:
        loose = {path.parent for path in sources(folder) if not (path.parent / "__init__.py").exists()}
        assert not loose, f"{loose} have no __init__.py"


@pytest.mark.parametrize("path", **ids(LIBRARY + APPS + sources("saved_models")))
def test_files_are_whole(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), "A file says in its first line what it is for."
    for node in ast.walk(tree):
        raised = node.exc if isinstance(node, ast.Raise) else None
        name = getattr(raised.func if isinstance(raised, ast.Call) else raised, "id", "")
        assert name != "NotImplementedError", f"line {node.lineno}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # A command group has nothing but its docstring, which is its help.
            idle = all(isinstance(each, ast.Pass) or _ellipsis(each) for each in node.body)
            assert not idle, f"{node.name} in line {node.lineno} does nothing"


@pytest.mark.parametrize("path", **ids(sources("kerasmlsp/layers")))
def test_layers_assign_nothing_within_expressions(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            inner = [each for each in ast.walk(node) if isinstance(each, ast.NamedExpr)]
            assert not inner, f"{node.name}: AutoGraph, which TensorFlow uses in a user's function, warns of `:=`"


def _ellipsis(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and node.value.value is ...
