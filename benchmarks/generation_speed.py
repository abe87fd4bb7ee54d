"""How fast exported models write, as ratios to peers that are measured in turns with them in one run.

    python -m benchmarks.generation_speed
    python -m benchmarks.generation_speed --part gpt --sizes small
    python -m benchmarks.generation_speed --part growth --figure docs/generation_growth.png

Parts:
  lstm    characters per second of an exported LSTM 256, beside the lecture's loop (`model.predict` on a one-hot window
          for each character) and a loop in PyTorch that carries the state
  gpt     tokens per second of an exported GPT, the large one also with weights in int8, beside KerasHub's `generate` of
          a GPT-2 of the same sizes in float32, on the TensorFlow and, where jax is installed, the JAX backend; and the
          share of the memory's bandwidth that reading the weights once a token takes
  growth  time per token after so many tokens
Weights are random: the work is the same. First calls, which compile, are apart. A target is met where the median of the
ratios, one for each pair measured one after the other, is on its right side.
"""

import argparse
import concurrent.futures
import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, table

VOCABULARY = 65
SIZES = {
    "small": {"features": 128, "num_layers": 4, "num_heads": 4, "window": 256},
    "large": {"features": 384, "num_layers": 6, "num_heads": 6, "window": 256},
}
# Tokens that a call writes with GPT, and with KerasHub, whose prompt is one token.
LENGTH = 255
TARGETS = {
    ("small", 1, "float32"): ">= 1.4",
    ("small", 16, "float32"): ">= 2",
    ("large", 1, "float32"): ">= 4",
    ("large", 1, "int8"): ">= 6",
    ("large", 16, "float32"): ">= 4",
    ("large", 16, "int8"): ">= 6",
}


def export(model, folder):
    """Exports a language model as chargen does."""
    import keras

    from kerasmlsp.apps.chargen import model as chargen

    known = "\n" + "".join(chr(ord("0") + i) for i in range(VOCABULARY - 1))
    functions, tracked = chargen.endpoints(model, known)
    archive = keras.export.ExportArchive()
    for each in tracked:
        archive.track(each)
    function, signature = functions["generate"]
    archive.add_endpoint("generate", function, [signature[name] for name in signature])
    archive.write_out(folder, verbose=False)


def exported(model, folder):
    """Exports a language model and loads it, see `restored`."""
    export(model, folder)
    return restored(folder)


def restored(folder):
    """Loads an exported model with nothing but TensorFlow.

    Returns:
        Function from batch and length to the seconds of a call.
    """
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)
    call = loaded.signatures["generate"]

    def write(batch, length):
        types = {
            "length": tf.int32,
            "temperature": tf.float32,
            "top_k": tf.int32,
            "top_p": tf.float32,
            "seed": tf.int32,
        }
        values = {"length": length, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1}
        rows = {name: tf.fill([batch], tf.cast(value, types[name])) for name, value in values.items()}
        started = time.perf_counter()
        call(prompt=tf.fill([batch], "A"), **rows)["text"].numpy()
        return time.perf_counter() - started

    # The signature lives as long as what it was loaded with.
    write.loaded = loaded
    return write


def lecture_loop(units, window=40, count=20):
    """Seconds per character of the lecture's loop: `predict` on a one-hot window, one character at a time."""
    import keras
    import numpy as np

    net = keras.Sequential(
        [
            keras.Input((window, VOCABULARY)),
            keras.layers.LSTM(units),
            keras.layers.Dense(VOCABULARY, activation="softmax"),
        ]
    )
    text = [0] * window
    random = np.random.default_rng(0)
    net.predict(np.zeros((1, window, VOCABULARY), "float32"), verbose=0)

    def write():
        started = time.perf_counter()
        for _ in range(count):
            one_hot = np.eye(VOCABULARY, dtype="float32")[text[-window:]][None]
            shares = net.predict(one_hot, verbose=0)[0].astype("float64")
            text.append(int(random.choice(VOCABULARY, p=shares / shares.sum())))
        return (time.perf_counter() - started) / count

    return write


def torch_loop(units, threads, count=1000):
    """Seconds per character of a PyTorch loop that carries the state."""
    import torch

    embedding = torch.nn.Embedding(VOCABULARY, 64)
    cell, output = torch.nn.LSTMCell(64, units), torch.nn.Linear(units, VOCABULARY)

    @torch.inference_mode()
    def write():
        torch.set_num_threads(threads)
        state = torch.zeros(1, units), torch.zeros(1, units)
        token = torch.zeros(1, dtype=torch.long)
        started = time.perf_counter()
        for _ in range(count):
            state = cell(embedding(token), state)
            token = torch.multinomial(torch.softmax(output(state[0]), -1), 1)[0]
        return (time.perf_counter() - started) / count

    return write


def measure_lstm(options):
    from kerasmlsp import models

    with tempfile.TemporaryDirectory() as folder:
        net = models.lstm_language_model(VOCABULARY, units=256, num_layers=1)
        ours = exported(net, folder)
        first, lecture = ours(1, 10_000), lecture_loop(256)
        # Where others use the cores too, PyTorch's threads wait for each other: the better number counts.
        one, many = torch_loop(256, 1), torch_loop(256, os.cpu_count())
        jobs = {
            "ours": lambda: 10_000 / ours(1, 10_000),
            "batch of 16": lambda: 160_000 / ours(16, 10_000),
            "lecture": lambda: 1 / lecture(),
            "torch, one thread": lambda: 1 / one(),
            "torch": lambda: 1 / many(),
        }
        jobs["batch of 16"]()
        values = in_turns(jobs, options.rounds)
    torch = max((values["torch"], values["torch, one thread"]), key=statistics.median)
    return [
        compare("LSTM 256, characters/s, beside the lecture's loop", values["ours"], values["lecture"], ">= 1000"),
        compare("LSTM 256, characters/s, beside PyTorch", values["ours"], torch, ">= 2.5"),
        compare("LSTM 256, characters/s, batch of 16", values["batch of 16"]),
        compare("LSTM 256, first call of 10,000 characters, s", [first], target="<= 2"),
    ]


def hub_tokens_per_second(size, batch, rounds):
    """Measures KerasHub in this process: its GPT-2 of the same sizes, from one token to 256."""
    import keras
    import keras_hub
    import numpy as np

    wide = SIZES[size]
    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=wide["num_layers"],
        num_heads=wide["num_heads"],
        hidden_dim=wide["features"],
        intermediate_dim=4 * wide["features"],
        max_sequence_length=wide["window"],
    )
    net = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    net.compile(sampler=keras_hub.samplers.TopKSampler(k=VOCABULARY), jit_compile=True)
    ids, mask = np.zeros((batch, wide["window"]), "int32"), np.zeros((batch, wide["window"]), "int32")
    mask[:, 0] = 1

    def write():
        started = time.perf_counter()
        found = net.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)
        keras.ops.convert_to_numpy(found["token_ids"])
        return batch * LENGTH / (time.perf_counter() - started)

    write()
    return [write() for _ in range(rounds)]


def hub(size, batch, rounds, backend):
    """Runs `hub_tokens_per_second` in a process with another backend; None where it cannot run."""
    script = (
        "import sys, json; from benchmarks import generation_speed as g; "
        f"print(json.dumps(g.hub_tokens_per_second({size!r}, {batch}, {rounds})))"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"KerasHub on {backend} did not run: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def bandwidth(size):
    """Bytes per second at which one thread for each core reads `size` bytes again and again."""
    import numpy as np

    parts, seconds = np.array_split(np.ones(size // 4, "float32"), os.cpu_count()), []
    with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
        for _ in range(10):
            started = time.perf_counter()
            list(pool.map(lambda part: [part.sum() for _ in range(10)], parts))
            seconds.append(time.perf_counter() - started)
    return 10 * size / min(seconds)


def measure_gpt(options):
    return [row for size in options.sizes for batch in (1, 16) for row in _gpt_rows(size, batch, options.rounds)]


def _gpt_rows(size, batch, rounds):
    from kerasmlsp import models
    from kerasmlsp.apps.chargen import model as chargen

    kinds = [weights for each, rows, weights in TARGETS if (each, rows) == (size, batch)]
    ours, firsts, peers = {kind: [] for kind in kinds}, {}, {"tensorflow": [], "jax": []}
    with contextlib.ExitStack() as folders:
        writers = {}
        for kind in kinds:
            net = models.gpt(VOCABULARY, **SIZES[size])
            parameters = net.count_params()
            if kind == "int8":
                chargen.quantize(net)
            writers[kind] = exported(net, folders.enter_context(tempfile.TemporaryDirectory()))
            firsts[kind] = writers[kind](batch, LENGTH)
        for _ in range(rounds):
            for backend, found in peers.items():
                found += hub(size, batch, 2, backend) or []
            for kind, write in writers.items():
                ours[kind] += [batch * LENGTH / write(batch, LENGTH) for _ in range(2)]
    # A peer that did not run each time has no pairs.
    peers = {backend: found for backend, found in peers.items() if len(found) == 2 * rounds}
    best, rows = max(peers.values(), key=statistics.median, default=None), []
    for kind, values in ours.items():
        name = f"GPT of {parameters / 1e6:.1f}M in {kind}, batch of {batch}"
        rows.append(
            compare(
                f"{name}, tokens/s, beside KerasHub's best", values, best, TARGETS[size, batch, kind] if best else None
            )
        )
        rows += [
            compare(f"{name}, tokens/s, beside KerasHub on {backend}", values, found)
            for backend, found in peers.items()
        ]
        rows.append(compare(f"{name}, first call, s", [firsts[kind]], target="<= 2"))
    if batch == 1:
        read = 4 * parameters
        roof = bandwidth(read)
        shares = [read * each / roof for each in ours["float32"]]
        rows.append(
            compare(f"{parameters / 1e6:.1f}M, share of {roof / 1e9:.1f} GB/s that float32 weights take", shares)
        )
    return rows


def measure_growth(options):
    from kerasmlsp import models

    nets = {"LSTM 256": models.lstm_language_model(VOCABULARY, units=256, num_layers=1)}
    nets["GPT of 0.8M"] = models.gpt(VOCABULARY, **SIZES["small"])
    lengths, rows, lines = [256, 512, 1024, 2048, 4096], [], {}
    for name, net in nets.items():
        with tempfile.TemporaryDirectory() as folder:
            write = exported(net, folder)
            write(1, lengths[0])
            times = in_turns({n: functools.partial(write, 1, n) for n in lengths}, options.rounds)
        middles = [statistics.median(times[n]) for n in lengths]
        steps = [
            (after - before) / (n - m)
            for before, after, m, n in zip(middles, middles[1:], lengths, lengths[1:], strict=False)
        ]
        lines[name] = [1e6 * step for step in steps]
        rows.append(compare(f"{name}, time per token from 2,048 to 4,096 beside 256 to 512", [steps[-1]], [steps[0]]))
    if options.figure:
        _draw(lengths, lines, options.figure)
    return rows


def _draw(lengths, lines, path):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        axes.plot(lengths[1:], values, marker="o", label=name)
    axes.set(xscale="log", xlabel="tokens written", ylabel="microseconds per token", ylim=(0, None))
    axes.set_xticks(lengths[1:], [str(length) for length in lengths[1:]])
    axes.minorticks_off()
    axes.legend()
    figure.savefig(path, dpi=120)


PARTS = {"lstm": measure_lstm, "gpt": measure_gpt, "growth": measure_growth}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--sizes", choices=SIZES, action="append", help="of GPT; default: all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--figure", type=Path, help="PNG of the part growth")
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or list(SIZES)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = [row for part in options.part or PARTS for row in PARTS[part](options)]
    print(table(rows))


if __name__ == "__main__":
    main()
