"""Training on Ray, whole: needs the extras `ray` and `jax`."""

import csv
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

pytest.importorskip("ray")
pytest.importorskip("jax")

TRAIN = ["chargen", "train", "--data", "plays.txt", "--architecture", "gpt", "--units", "16", "--num-layers", "1"]
TRAIN += ["--window", "32", "--batch-size", "16", "--epochs", "8", "--seed", "3"]


def begun(folder, *options):
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "kerasmlsp.apps.cli", *TRAIN, *options]
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def losses(run):
    with open(run / "history.csv", encoding="utf-8") as file:
        return [[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_worker_that_is_lost_changes_nothing(tmp_path):
    letters = np.random.default_rng(0).choice(list("abcdefgh \n"), 20_000)
    (tmp_path / "plays.txt").write_text("".join(letters))
    with begun(tmp_path, "--run", "one") as alone:
        told = alone.stderr.read()
    assert not alone.returncode, told

    told = []
    with begun(tmp_path, "--run", "several", "--ray", "--workers", "2") as ray:
        hang = threading.Timer(540, ray.kill)
        hang.start()
        for line in ray.stderr:
            if line.startswith("Epoch 2/8") and not any(each.startswith("Going on") for each in told):
                # Ray starts it, so that it is found by its name.
                subprocess.run(["pkill", "-9", "-n", "-f", "ray::RayTrainWorker"], check=True)
            told.append(line)
        hang.cancel()
    assert not ray.returncode, "".join(told)
    assert any(line.startswith("Going on with runs/chargen/several") for line in told), "".join(told)
    runs = tmp_path / "runs" / "chargen"
    np.testing.assert_allclose(losses(runs / "several"), losses(runs / "one"), rtol=0, atol=1e-6)
