"""What XLA compiles is kept for the next process, where that is safe."""

import json
import os
import subprocess
import sys

import pytest

from kerasmlsp.exporting import compiled

SCRIPT = """
import json, sys, time
from kerasmlsp.exporting import compiled
place = compiled.keep_compiled(sys.argv[1])
compiled.prefer_first_answers()
import tensorflow as tf
double = tf.function(lambda x: 2 * x, jit_compile=True)
print(json.dumps([str(place), double(tf.constant([1.0, 2.0])).numpy().tolist()]))
"""


@pytest.fixture
def early(monkeypatch):
    """Before the import of TensorFlow."""
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)


def test_what_is_compiled_is_kept(tmp_path):
    environment = {**os.environ, "TF_XLA_FLAGS": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    place, doubled = json.loads(done.stdout)
    assert doubled == [2.0, 4.0]
    assert [path.suffix for path in tmp_path.glob("*/*")] == [".pb"] and place == str(next(tmp_path.iterdir()))


def test_the_oldest_files_go(early, tmp_path, monkeypatch):
    monkeypatch.setattr(compiled, "_MOST", 2)
    place = compiled.keep_compiled(tmp_path)
    for number in range(4):
        (place / str(number)).touch()
        os.utime(place / str(number), (number, number))
    monkeypatch.delenv("TF_XLA_FLAGS")
    assert compiled.keep_compiled(tmp_path) == place
    assert {path.name for path in place.iterdir()} == {"2", "3"}
    assert os.environ["TF_XLA_FLAGS"].endswith(f"={place}")


def test_a_folder_of_others_is_not_used(early, tmp_path):
    place = compiled.keep_compiled(tmp_path)
    os.environ.pop("TF_XLA_FLAGS")
    place.chmod(0o777)
    assert compiled.keep_compiled(tmp_path) is None and "TF_XLA_FLAGS" not in os.environ


def test_a_folder_that_cannot_be_made_or_named_is_not_used(early, tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "with space"):
        assert compiled.keep_compiled(place) is None and "TF_XLA_FLAGS" not in os.environ


def test_flags_of_the_user_stay(early, tmp_path, monkeypatch):
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=/elsewhere")
    assert compiled.keep_compiled(tmp_path) is None
