"""Which nets of the catalogue become ONNX and LiteRT files, and which work in int8: the table of docs/conversion.md.

    python tests/catalogue/conversion.py [BUILDER ...]

Converts the tiny nets of the cases, and writes the rows of these builders anew, or of all.
"""

import importlib
import re
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

import kerasmlsp
from kerasmlsp import exporting, files

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "conversion.md"
FAMILIES = [importlib.import_module(path.stem) for path in sorted(HERE.glob("cases_*.py"))]
CASES = {name: case for family in FAMILIES for name, case in family.CASES.items()}
COLUMNS = ("ONNX", "LiteRT", "int8")
# Of the largest answer, and at least of 1.
INT8_TOLERANCE = 0.05


def examples(case):
    """Two of the examples by the name of the input."""
    return {name: values[:2] for name, values in case.inputs().items()}


def answers(model, given):
    """All outputs in a list."""
    outputs = model(given if len(given) > 1 else next(iter(given.values())), training=False)
    return [keras.ops.convert_to_numpy(output) for output in keras.tree.flatten(outputs)]


def convert(model, given, folder, format):
    """Raises a `ValueError` unless a model becomes a file that answers as it does."""
    exporting.convert(model, folder / "net", format, examples=given)


def quantize(model, given, folder):
    """Raises a `ValueError` unless a model answers nearly the same in int8, and just so from its file."""
    before = answers(model, given)
    with warnings.catch_warnings():
        # What has no int8 form stays as it is.
        warnings.filterwarnings("ignore", "Layer .* does not have a `quantize` method")
        model.quantize("int8")
    if not any(getattr(layer, "quantization_mode", None) == "int8" for layer in model._flatten_layers()):
        raise ValueError("it has no layer that Keras quantizes.")
    model.save(folder / "net.keras")
    here, loaded = answers(model, given), answers(kerasmlsp.load_model(folder / "net.keras"), given)
    for old, new, again in zip(before, here, loaded, strict=True):
        if np.abs(new - old).max() > INT8_TOLERANCE * max(1, np.abs(old).max()):
            raise ValueError("its answers are others in int8.")
        np.testing.assert_allclose(again, new, atol=1e-5)


def _fill(model):
    """Gives weights that start as zeros small random numbers: a file must not pass because nothing counts."""
    random = np.random.default_rng(0)
    for weight in model.weights:
        if "float" in weight.dtype and not np.any(keras.ops.convert_to_numpy(weight)):
            weight.assign(random.normal(0, 0.1, weight.shape))


def cell(name, column):
    """What the table says of a builder: "yes", or why not."""
    keras.utils.set_random_seed(0)
    model, given = CASES[name].make(), examples(CASES[name])
    answers(model, given)  # builds what has no inputs of its own
    _fill(model)
    with tempfile.TemporaryDirectory() as folder:
        try:
            if column == "int8":
                quantize(model, given, Path(folder))
            else:
                convert(model, given, Path(folder), column.lower())
        except ValueError as error:
            return f"no: {str(error).split(' Received:')[0]}"
    return "yes"


def rows():
    """The table as the page has it: the cells by the name of the builder."""
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: tuple(cells.split(" | ")) for name, cells in lines}


def write(table):
    """Puts a table in the place of that of the page."""
    lines = [f"| `{name}` | {' | '.join(table[name])} |" for name in sorted(table)]
    head = f"| Builder | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}\n"
    above = PAGE.read_text(encoding="utf-8").split("| Builder |")[0]
    files.write_atomically(PAGE, lambda path: path.write_text(above + head + "\n".join(lines) + "\n", encoding="utf-8"))


def main(names):
    """Works out the rows of some builders and shows them."""
    table = rows()
    for name in names:
        table[name] = tuple(cell(name, column) for column in COLUMNS)
        print(name, *table[name], sep="\t", flush=True)
        write(table)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
