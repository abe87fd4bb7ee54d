"""The benchmark of a GPU, on a CPU and without TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = """
import runpy, sys
sys.modules["tensorflow"] = None
sys.argv = ["gpu", "--quick", "--parts", "generation", "--json", sys.argv[1]]
runpy.run_module("benchmarks.gpu", run_name="__main__")
"""


@pytest.mark.slow
def test_generation_is_measured_beside_its_floor(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "gpu.json")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert all(value > 0 for value in found["ceilings"][0].values())
    rows = [(row["precision"], row["batch"]) for row in found["generation"]]
    assert rows == [("float32", 2), ("bfloat16", 2)]
    assert all(row["tokens_per_s"] > 0 and row["floor_us"] > 0 for row in found["generation"])
