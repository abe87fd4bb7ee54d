"""What version 0.1.0 wrote, before its modules were moved into packages, still loads and answers the same."""

import json
from pathlib import Path

import forked
import numpy as np
import pytest

import kerasmlsp
from kerasmlsp import exporting

FOLDER = Path(__file__).parent / "version_0_1_0"
TOKENS = np.array([[1, 2, 3, 4], [4, 3, 2, 1]])
ANSWERS = json.loads((FOLDER / "answers.json").read_text())


@pytest.mark.parametrize("name", ANSWERS)
def test_keras_files(name):
    model = kerasmlsp.load_model(FOLDER / name)
    np.testing.assert_allclose(np.asarray(model(TOKENS)), ANSWERS[name], atol=1e-5)


def test_keras_loads_them_itself_after_one_import():
    code = (
        "import keras, sys\nimport kerasmlsp.registered\nfor path in sys.argv[1:]:\n    keras.saving.load_model(path)"
    )
    paths = [str(FOLDER / name) for name in ANSWERS]
    done = forked.run(forked.execute, code, *paths)
    assert done.returncode == 0, done.stderr


def test_one_import_registers_all_that_the_library_does():
    """All files that register something are imported by `kerasmlsp.registered`."""
    root = Path(kerasmlsp.__file__).parent
    files = [path for path in root.rglob("*.py") if "\n@keras.saving.register_keras" in path.read_text()]
    names = [".".join(("kerasmlsp", *path.relative_to(root).with_suffix("").parts)) for path in files]
    code = "import sys, kerasmlsp.registered\nprint(*sorted(set(sys.argv[1:]) - set(sys.modules)))"
    done = forked.run(forked.execute, code, *names)
    assert len(names) > 20 and done.stdout.strip() == "", done.stdout + done.stderr


def test_a_file_with_its_optimizer():
    model = kerasmlsp.load_model(FOLDER / "gpt.keras", compile=True)
    assert type(model.optimizer).__name__ == "AdamW" and int(model.optimizer.iterations) == 1


def test_saved_models():
    """The captions' model was exported before; a saved model needs TensorFlow alone."""
    model = exporting.load(exporting.find("caption"))
    assert model.card["versions"]["kerasmlsp"] == "0.1.0"
    answer = model(images=np.full((2, 64, 64, 3), 127, np.uint8))
    assert answer["captions"].shape[0] == 2 and answer["captions"][0, 0] == answer["captions"][1, 0]
