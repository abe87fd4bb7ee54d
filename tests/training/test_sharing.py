"""Training in several processes and on several devices: as in one, however they end."""

import contextlib
import csv
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasmlsp import distribution
from kerasmlsp.data.batching import Batches, shuffled
from kerasmlsp.training import checkpoint

pytest.importorskip("jax")

SCRIPT = Path(__file__).with_name("sharing_script.py").read_text(encoding="utf-8")
ALONE = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=1 --xla_cpu_multi_thread_eigen=false",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
EPOCHS = 30


def environments(count, devices=1, mesh=None, alone=None):
    """The environment of each of several processes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = {**os.environ, **ALONE, "JAX_NUM_CPU_DEVICES": str(devices)}
    if (count, devices) != (1, 1):
        environment |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
        }
    if mesh:
        environment["MESH"] = mesh
    if alone:
        environment["ALONE"] = str(alone)
    return [environment | {"KERAS_DISTRIBUTION_PROCESS_ID": str(number)} for number in range(count)]


def trained(count, folder, epochs, *names, **places):
    """Trains nets in several processes; what each printed. A fork would have Keras imported, with another backend."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(epochs), "1000", *names]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    begun = [subprocess.Popen(command, env=each, **pipes) for each in environments(count, **places)]
    told = [each.communicate(timeout=300) for each in begun]
    assert not [error[-3000:] for each, (_, error) in zip(begun, told, strict=True) if each.returncode]
    return [out for out, _ in told]


def rows(run):
    with open(run / "history.csv", encoding="utf-8") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def assert_alike(first, second, tolerance=1e-6):
    for one, other in zip(rows(first), rows(second), strict=True):
        assert one == pytest.approx(other, abs=tolerance, rel=tolerance)


def test_two_processes_train_as_one_does(tmp_path):
    trained(2, tmp_path / "two", 1, "dense", alone=tmp_path / "one")
    one, two = (tmp_path / count / "dense" for count in ("one", "two"))
    assert_alike(one, two)
    assert {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """What one process comes to in two epochs."""
    folder = tmp_path_factory.mktemp("one")
    trained(1, folder, 2, "gpt", "cnn")
    return folder


@pytest.fixture(scope="module")
def longer(one, tmp_path_factory):
    """The same with an epoch more."""
    folder = shutil.copytree(one, tmp_path_factory.mktemp("longer") / "runs")
    trained(1, folder, 3, "gpt")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("count", "devices"), [(2, 1), (1, 2), (4, 1), (2, 2)])
def test_any_number_of_processes_and_devices_trains_alike(count, devices, one, tmp_path):
    trained(count, tmp_path, 2, "gpt", "cnn", devices=devices)
    for name in ("gpt", "cnn"):
        assert_alike(one / name, tmp_path / name)


def assert_equal(first, second):
    """Two runs are the same bit for bit."""
    (one, ours), (other, theirs) = (checkpoint.read(run / "checkpoint.npz") for run in (first, second))
    assert one["rows"] == other["rows"]
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What two processes come to that nobody kills."""
    folder = tmp_path_factory.mktemp("whole")
    trained(2, folder, EPOCHS, "cnn")
    return folder / "cnn"


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
@pytest.mark.parametrize("late", [False, True])
def test_a_killed_process_ends_all_and_the_run_goes_on(victim, late, whole, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(EPOCHS), "0", "cnn"]
    killed = [subprocess.Popen(command, env=each) for each in environments(2)]
    place = tmp_path / "cnn" / "checkpoint.npz"
    until = time.monotonic() + 120
    # Before the first checkpoint: as soon as the folder is there.
    while not (place if late else place.parent).exists() and time.monotonic() < until:
        time.sleep(0.01)
    killed[victim].kill()
    begun = time.monotonic()
    codes = [each.wait(60) for each in killed]
    assert 0 not in codes
    assert time.monotonic() - begun < 30
    trained(2, tmp_path, EPOCHS, "cnn")
    assert_equal(whole, tmp_path / "cnn")


@pytest.mark.slow
@pytest.mark.parametrize(("count", "devices", "mesh"), [(1, 2, "1x2"), (1, 4, "2x2"), (1, 4, "1x4"), (2, 2, "2x2")])
def test_a_net_is_parted_among_devices(count, devices, mesh, one, longer, tmp_path):
    told = trained(count, tmp_path, 2, "gpt", devices=devices, mesh=mesh)
    assert_alike(one / "gpt", tmp_path / "gpt", tolerance=1e-5)
    parts = int(mesh[-1])
    share = float(re.search(r"^largest share ([0-9.]+)", told[0], re.MULTILINE)[1])
    assert 1 / parts <= share <= 1 / parts + 0.01
    # What a mesh has trained goes on without one.
    trained(1, tmp_path, 3, "gpt")
    assert_alike(longer / "gpt", tmp_path / "gpt", tolerance=1e-5)


def test_batches_that_cannot_be_shared_are_refused(monkeypatch):
    job = distribution._Job(0, 2, 2, None)
    monkeypatch.setattr(distribution, "_job", job)
    batches = Batches(shuffled(9, 4), lambda indices, key: indices)
    with pytest.raises(ValueError, match=r"must have a multiple of 2 rows.*Received: a batch of 1$"):
        batches.dataset(lambda: (0, 0))


@pytest.mark.parametrize("axis", [0, 1])
def test_processes_draw_the_rows_of_one_batch(axis, monkeypatch):
    import tensorflow as tf

    def draw(shape):
        return tf.random.stateless_uniform(shape, [1, 2])

    shape = [4, 3] if axis == 0 else [3, 4]
    expected = draw(shape)
    parts = []
    for number in range(2):
        monkeypatch.setattr(distribution, "_job", distribution._Job(number, 2, 2, None))
        with distribution.own_rows():
            parts.append(distribution.drawn(draw, [2, 3] if axis == 0 else [3, 2], axis))
        # What is not shared is whole.
        np.testing.assert_array_equal(distribution.drawn(draw, shape), expected)
    np.testing.assert_array_equal(np.concatenate(parts, axis), expected)


def test_each_process_loads_its_rows_alone(monkeypatch):
    found = []
    for number in range(2):
        monkeypatch.setattr(distribution, "_job", distribution._Job(number, 2, 2, None))
        batches = Batches(shuffled(8, 4), lambda indices, key: indices)
        found.append([rows.tolist() for rows in batches.dataset(lambda: (0, 0)).as_numpy_iterator()])
    assert [one + other for one, other in zip(*found, strict=True)] == [each.tolist() for each in shuffled(8, 4)(0)]


def sentences():
    from kerasmlsp.apps.sentiment import config, data
    from kerasmlsp.data import on_disk

    tokens = on_disk.Arrays("int32")
    for length in range(1, 129):
        tokens.append(np.full(length, length))
    settings = config.Config(batch_size=64)
    return data.training_batches(data.Encoded(tokens, np.arange(128, dtype="int32")), settings)


def captions():
    from kerasmlsp.apps.caption import config, data

    starts = np.concatenate([[0], np.cumsum(np.arange(3, 35))])
    encoded = data.Encoded(np.arange(32) // 2, np.arange(starts[-1], dtype="int32"), starts, 0)
    take = data.taker(np.arange(16.0)[:, None], -np.arange(16.0)[:, None])
    return data.training_batches(encoded, "features", take, config.Config(batch_size=16))


def pairs():
    from kerasmlsp.apps.translate import config, data

    starts = np.concatenate([[0], np.cumsum(np.arange(2, 34))])
    encoded = data.Encoded(np.arange(starts[-1]), starts, np.arange(starts[-1]) % 50, starts, 0)
    return data.training_batches(encoded, config.Config(batch_tokens=128, jit="on"))


@pytest.mark.parametrize("make", [sentences, captions, pairs])
def test_padded_rows_are_as_long_in_every_process(make, monkeypatch):
    def batches():
        return [keras.tree.flatten(each) for each in make().dataset(lambda: (0, 0)).as_numpy_iterator()]

    expected, parts = batches(), []
    for number in range(2):
        monkeypatch.setattr(distribution, "_job", distribution._Job(number, 2, 2, None))
        parts.append(batches())
    assert len({tuple(values.shape for values in each) for each in expected}) > 1
    for whole, first, second in zip(expected, *parts, strict=True):
        for values, *rows in zip(whole, first, second, strict=True):
            np.testing.assert_array_equal(np.concatenate(rows), values)


def test_process_0_alone_writes_what_is_watched(tmp_path, monkeypatch):
    from kerasmlsp.apps.gan import watching

    for number, expected in ((1, set()), (0, {"warnings.txt", "film", "film.gif"})):
        monkeypatch.setattr(distribution, "_job", distribution._Job(number, 2, 2, None))
        watching.Alarms(tmp_path)(0, "mode collapse", "alike")
        watching.save_frame(tmp_path / "film", 0, np.zeros((4, 4), np.uint8))
        watching.film(tmp_path, 1)
        assert {path.name for path in tmp_path.iterdir()} == expected


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, False),
        ({"KERAS_DISTRIBUTION_NUM_PROCESSES": "1"}, True),
        ({"SLURM_STEP_NUM_TASKS": "4"}, False),
        ({"SLURM_STEP_NUM_TASKS": "4", "KERAS_BACKEND": "jax"}, True),
        ({"SLURM_STEP_NUM_TASKS": "1", "KERAS_BACKEND": "jax"}, False),
        ({"TPU_WORKER_HOSTNAMES": "a,b", "KERAS_BACKEND": "jax"}, True),
    ],
)
def test_the_environment_announces_other_processes(environment, said, monkeypatch):
    for name in ("KERAS_DISTRIBUTION_NUM_PROCESSES", "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "KERAS_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    with contextlib.suppress(KeyError):
        monkeypatch.delenv("TPU_WORKER_HOSTNAMES")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert distribution.announced() is said


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"NUM_PROCESSES": "two"}, "`KERAS_DISTRIBUTION_NUM_PROCESSES` must be a whole number from 1. Received: 'two'"),
        ({"NUM_PROCESSES": "-1"}, "must be a whole number from 1"),
        (
            {"NUM_PROCESSES": "2", "PROCESS_ID": "first"},
            "`KERAS_DISTRIBUTION_PROCESS_ID` must be a whole number from 0",
        ),
        ({"NUM_PROCESSES": "2", "PROCESS_ID": "2"}, "must be less than the number of processes, 2. Received: 2"),
        ({"NUM_PROCESSES": "2", "PROCESS_ID": "0", "JOB_ADDRESSES": "here"}, "must be the `HOST:PORT` of process 0"),
    ],
)
def test_nonsense_in_the_environment_is_refused(environment, message, monkeypatch):
    for name in ("NUM_PROCESSES", "PROCESS_ID", "JOB_ADDRESSES"):
        monkeypatch.delenv(f"KERAS_DISTRIBUTION_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)
    with pytest.raises(ValueError, match=re.escape(message)):
        distribution._join(None, None, None)
