"""A training of GPT in two processes beside one: steps per second at the same global batch, on one machine.

    python -m benchmarks.processes
    python -m benchmarks.processes --steps 10 --rounds 3

GPT 4 x 192 (window 128, batches of 16 rows, dropout 0.1, float32) trains through `training.fit` on JAX: one process on
one core, one on two cores, and two that talk by gloo with a core each. An epoch of `steps` batches is a measurement;
the first, which compiles, is left out, and so are checkpoints. Linux only.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import typing
from pathlib import Path

from benchmarks.ratios import compare, table

BATCH, WINDOW, VOCABULARY = 16, 128, 65
NET = {"features": 192, "num_layers": 4, "num_heads": 6, "window": WINDOW, "dropout": 0.1}
JOBS = {"one process, one core": [(0,)], "one process, two cores": [(0, 1)], "two processes": [(0,), (1,)]}
"""Cores of each process."""


def work(folder, steps, rounds):
    """Trains, and prints the steps per second of each epoch but the first."""
    import keras
    import numpy as np
    import tensorflow as tf

    from kerasmlsp import distribution, models, training
    from kerasmlsp.data import batching

    class Clock(keras.callbacks.Callback):
        speeds: typing.ClassVar[list] = []

        def on_epoch_begin(self, epoch, logs=None):
            self.begun = time.perf_counter()

        def on_epoch_end(self, epoch, logs=None):
            self.speeds.append(steps / (time.perf_counter() - self.begun))

    if distribution.announced():
        distribution.start()
    count = steps * BATCH * WINDOW
    ids = tf.constant(np.random.default_rng(0).integers(0, VOCABULARY, count + 1), tf.int32)
    places = tf.range(WINDOW + 1, dtype=tf.int64)

    def load(indices, key):
        rows = tf.gather(ids, indices[:, None] + places)
        return rows[:, :-1], rows[:, 1:]

    def build():
        net = models.gpt(VOCABULARY, **NET)
        net.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return net

    batches = batching.Batches(batching.windows(count, BATCH, WINDOW), load)
    options = {"epochs": rounds + 1, "checkpoint_seconds": 1e9, "callbacks": [Clock()]}
    training.fit(build, batches, folder, training.Settings(monitor="loss"), **options)
    if distribution.leads():
        print(json.dumps(Clock.speeds[1:]))


def measure(cores, options):
    """Steps per second of each round, in as many processes as there are sets of cores."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    if len(cores) > 1:
        environment["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = address
        environment["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(len(cores))
    command = [sys.executable, "-m", "benchmarks.processes", "--work"]
    with tempfile.TemporaryDirectory() as folder:
        command += [folder, "--steps", str(options.steps), "--rounds", str(options.rounds)]
        begun = []
        for number, own in enumerate(cores):
            bound = ["taskset", "--cpu-list", ",".join(map(str, own)), *command]
            own_environment = environment | {"KERAS_DISTRIBUTION_PROCESS_ID": str(number)}
            root = Path(__file__).parents[1]
            begun.append(subprocess.Popen(bound, cwd=root, env=own_environment, stdout=subprocess.PIPE, text=True))
        told = [each.communicate()[0] for each in begun]
    if any(each.returncode for each in begun):
        raise RuntimeError("A process failed: see above.")
    return json.loads(told[0].splitlines()[-1])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10, help="steps of a measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.work, options.steps, options.rounds)
        return
    speeds = {name: measure(cores, options) for name, cores in JOBS.items()}
    two = speeds.pop("two processes")
    print(table([compare(f"GPT, steps/s, two processes beside {name}", two, peer) for name, peer in speeds.items()]))


if __name__ == "__main__":
    main()
