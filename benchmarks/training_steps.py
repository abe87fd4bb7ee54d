"""How fast one training step is (forward, backward, Adam), beside the same net in PyTorch eager and other policies.

    python -m benchmarks.training_steps
    python -m benchmarks.training_steps --nets lenet5,lstm_64 --rounds 9 --torch TORCHVENV/bin/python

Ours is the step that `training.fit` runs, with its optimizer, its choice about XLA and the precision that
`training.precision_for` names: bfloat16 on CPUs with fast products of it, float32 for the recurrent net and the one of
depthwise convolutions, and elsewhere. The other policies are float32 without XLA, float32 with XLA, and bfloat16
without. Batches are random and lie in memory; compilation is excluded.
"""

import argparse
import contextlib
import os
import subprocess
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, table

# Batch, shape of an example, classes.
IMAGES = {"lenet5": (64, (32, 32, 1), 10), "resnet20": (32, (32, 32, 3), 10)}
SPEECH = {"speech_command_cnn": (32, (98, 40), 12), "bc_resnet": (32, (98, 40), 12)}
POLICIES = {"TF": ("float32", "off"), "TF with XLA": ("float32", "on"), "bfloat16": ("mixed_bfloat16", "off")}
NETS = (*IMAGES, *SPEECH, "lstm", "lstm_64", "gpt")
GPT = {"features": 192, "num_layers": 4, "num_heads": 6, "window": 128}


def examples(name):
    """A batch: inputs and targets."""
    import numpy as np

    random = np.random.default_rng(0)
    if name == "lstm":
        return random.integers(2, 10_000, (64, 200)).astype("int32"), random.integers(0, 2, 64)
    if name == "lstm_64":
        return random.normal(size=(64, 100, 128)).astype("float32"), random.integers(0, 2, 64)
    if name == "gpt":
        return random.integers(0, 65, (32, 128)).astype("int32"), random.integers(0, 65, (32, 128))
    batch, shape, classes = {**IMAGES, **SPEECH}[name]
    return random.normal(size=(batch, *shape)).astype("float32"), random.integers(0, classes, batch)


def build(name):
    """The net of ours, compiled."""
    import keras

    from kerasmlsp import layers, models, optimizers, training

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=name == "gpt")
    if name == "lstm":
        net = models.lstm_classifier(10_000, 2)
    elif name == "lstm_64":
        layered = [layers.LSTM(64), keras.layers.Dense(2, "softmax")]
        net = keras.Sequential([keras.Input((100, 128)), *layered])
    elif name == "gpt":
        net = models.gpt(65, **GPT, dropout=0.0)
    elif name in IMAGES:
        _, shape, classes = IMAGES[name]
        net = getattr(models, name)(num_classes=classes, input_shape=shape)
    else:
        _, (_, bands), classes = SPEECH[name]
        net = getattr(models, name)(classes, bands)
    settings = training.Settings(learning_rate=1e-3, schedule="constant", warmup=0.0, clip_norm=0.0)
    net.compile(optimizers.build(settings, 1), loss)
    return net


def keras_step(name, precision, jit, steps):
    """Function that trains for some steps and returns the seconds of one."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `train` does
    import tensorflow as tf

    from kerasmlsp import training

    net = training.built(lambda: build(name), training.Settings(precision=precision, jit=jit))
    inputs, targets = (tf.constant(each) for each in examples(name))
    dataset = tf.data.Dataset.from_tensors((inputs, targets)).repeat(steps)

    def run():
        started = time.perf_counter()
        net.fit(dataset, verbose=0)
        return (time.perf_counter() - started) / steps

    run()
    return run


class Torch:
    """The peer in a process of its own, since PyTorch and TensorFlow would share threads, and it has its own Python."""

    def __init__(self, python, name, steps):
        command = [str(python), "-m", "benchmarks.training_steps_torch", "--net", name, "--steps", str(steps)]
        root = Path(__file__).parents[1]
        self.process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.run()
        return self

    def run(self):
        """Seconds of a step."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def __exit__(self, *error):
        self.process.stdin.close()
        self.process.wait()


def measure(name, options):
    """Rows of one net: steps per second, beside PyTorch where there is one, and seconds beside the best policy."""
    import statistics

    from kerasmlsp import training

    precision = training.precision_for("auto", products=name not in ("lstm", "lstm_64", "bc_resnet"))
    jobs = {"ours": keras_step(name, precision, "auto", options.steps)}
    jobs |= {policy: keras_step(name, *settings, options.steps) for policy, settings in POLICIES.items()}
    with Torch(options.torch, name, options.steps) if options.torch else contextlib.nullcontext() as torch:
        times = in_turns(jobs | ({"torch": torch.run} if torch else {}), options.rounds)
    best = min(POLICIES, key=lambda policy: statistics.median(times[policy]))
    speeds = {job: [1 / each for each in found] for job, found in times.items()}
    peer, target = (speeds["torch"], ">= 1") if torch else (None, None)
    return [
        compare(f"{name}, steps/s, beside PyTorch eager", speeds["ours"], peer, target),
        compare(f"{name}, s/step, beside the best policy ({best})", times["ours"], times[best], "<= 1.1"),
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", default=",".join(NETS), help="with commas between")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30, help="steps of a measurement")
    parser.add_argument("--torch", type=Path, help="Python with PyTorch and NumPy, for the peer; default: none")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = []
    for name in options.nets.split(","):
        rows += measure(name, options)
        print(table(rows[-2:]), flush=True)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
