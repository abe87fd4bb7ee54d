"""How fast the sentiment app trains and answers, as ratios to peers that are measured in turns with it in one run.

    python -m benchmarks.sentiment_speed
    python -m benchmarks.sentiment_speed --part file --texts 25000
    python -m benchmarks.sentiment_speed --part policy --nets lstm,cnn

Parts:
  train   training examples per second of the lecture's LSTM, beside the same net in PyTorch, on the same padded batches
  call    one sentence through `loading.load`, beside the bare signature of the same saved model
  file    a file of reviews through the app, beside Keras's `model.predict` on texts padded to one length
  shell   one sentence from the shell, beside `python -c "import tensorflow"`
  policy  training with XLA or bfloat16, beside the same net without: what `training.fit` decides from
Without `--part`, the first four. Compilation and first calls are excluded, except in `shell`. A target is met where
the median of the ratios, one for each pair measured one after the other, is on its right side.
"""

import argparse
import csv
import dataclasses
import functools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.ratios import compare, in_turns, seconds, table

PARTS = ("train", "call", "file", "shell")
NETS = ("lstm", "attention-lstm", "cnn", "transformer")
SENTENCE = "This film was excellent!"


def read_reviews(folder, split, count):
    """Returns `count` reviews of IMDB, every class alike, and their class numbers.

    Raises:
        FileNotFoundError: The file is not there.
    """
    from kerasmlsp.data import labelled

    path = Path(folder) / f"{split}.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there: put IMDB's reviews there, as CSV with the columns text and label, "
            "or name their folder with --data-dir."
        )
    texts, labels = labelled.read_labelled_texts(path)
    step = max(1, len(texts) // count)
    names = sorted(set(labels))
    return texts[::step][:count], [names.index(label) for label in labels[::step][:count]]


def padded_batches(folder, count, batch_size):
    """Returns the batches of the app's first epoch on `count` reviews, as NumPy arrays."""
    from kerasmlsp.apps.sentiment import data
    from kerasmlsp.apps.sentiment.config import Config
    from kerasmlsp.data import text

    texts, labels = read_reviews(folder, "train", count)
    config = Config(data="", batch_size=batch_size)
    words = text.vocabulary(text.count_words(texts), config.vocabulary_size)
    batches = data.training_batches(data.encode(texts, labels, words, config.max_tokens), config, drop_remainder=True)
    return [(ids.numpy(), labels.numpy()) for ids, labels in map(batches.load, batches.order(0))]


def keras_trainer(member, batches, *, jit="auto", precision="auto"):
    """Returns a function that trains a net of the app for one epoch and returns examples per second.

    Net, optimizer, precision and jit are those of the app; the batches come from memory, through `model.fit`.
    """
    import tensorflow as tf

    from kerasmlsp import training
    from kerasmlsp.apps.sentiment import model
    from kerasmlsp.apps.sentiment.config import RECIPES, Config

    # What `fit` makes ready, without its checkpoints and logs.
    settings = Config(data="", precision=precision, jit=jit).filled(RECIPES[member])
    net = training.built(lambda: model.compiled(member, settings, 80_000, 2, 10_000, None), settings)
    signature = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)
    dataset = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    dataset = dataset.prefetch(4).apply(tf.data.experimental.assert_cardinality(len(batches)))
    examples = sum(len(labels) for _, labels in batches)
    return lambda: examples / seconds(net.fit, dataset, shuffle=False, verbose=0)


def torch_trainer(batches, *, threads=None, flush=True, compiled=False):
    """Returns what `keras_trainer` returns, for the lecture's LSTM in PyTorch with its default initial weights.

    Args:
        batches: Pairs of padded ids and class numbers.
        threads: Threads to use; None for PyTorch's choice.
        flush: Whether numbers too small for full precision count as 0, as they do in TensorFlow. Gradients that vanish
            over hundreds of tokens are such numbers, and processors are slow with them.
        compiled: Whether to use `torch.compile`.
    """
    import torch
    from torch import nn

    threads = threads or torch.get_num_threads()

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(10_000, 16)
            self.lstm = nn.LSTM(16, 32, batch_first=True)
            self.positive = nn.Linear(32, 1)

        def forward(self, ids):
            states, _ = self.lstm(self.embedding(ids))
            return self.positive(states[torch.arange(len(ids)), (ids != 0).sum(1) - 1])[:, 0]

    torch.manual_seed(0)
    net = Classifier()
    forward = torch.compile(net, dynamic=True) if compiled else net
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.0)
    loss = nn.BCEWithLogitsLoss()
    tensors = [(torch.from_numpy(ids).long(), torch.from_numpy(labels).float()) for ids, labels in batches]
    tensors = [(torch.where(ids < 10_000, ids, 1), labels) for ids, labels in tensors]

    def epoch():
        torch.set_num_threads(threads)
        torch.set_flush_denormal(flush)
        for ids, labels in tensors:
            optimizer.zero_grad(set_to_none=True)
            loss(forward(ids), labels).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()

    examples = sum(len(labels) for _, labels in batches)
    return lambda: examples / seconds(epoch)


def measure_train(options):
    """Training of the lecture's LSTM beside PyTorch, with the number of threads that makes PyTorch faster."""
    batches = padded_batches(options.data_dir, options.examples, 64)
    ours = keras_trainer("lstm", batches)
    compiling = seconds(ours)
    candidates = [{"threads": 1}, {"threads": None}]
    trials = in_turns({n: torch_trainer(batches[:4], **each) for n, each in enumerate(candidates)}, 3)
    best = candidates[max(trials, key=lambda n: statistics.median(trials[n]))]
    jobs = {"ours": ours, "eager": torch_trainer(batches, **best)}
    if options.torch_compile:
        jobs["compiled"] = torch_trainer(batches, **best, compiled=True)
    if options.torch_defaults:
        jobs["as installed"] = torch_trainer(batches[:4], flush=False)
    in_turns(jobs, 1)
    values = in_turns(jobs, options.rounds)
    names = {
        "eager": f"PyTorch eager on {best['threads'] or 'all'} core(s)",
        "compiled": "torch.compile",
        "as installed": "PyTorch as installed (all cores, denormal numbers kept)",
    }
    rows = [
        compare(f"train LSTM, examples/s, beside {names[name]}", values["ours"], values[name], target)
        for name, target in (("eager", ">= 1"), ("compiled", None), ("as installed", None))
        if name in jobs
    ]
    shapes = len({ids.shape for ids, _ in batches})
    first = compiling - options.examples / statistics.median(values["ours"])
    return [
        *rows,
        compare(f"train LSTM, what the first epoch takes more, s per shape ({shapes} shapes)", [first / shapes]),
    ]


def measure_policy(options):
    """XLA and bfloat16 beside neither, on one batch of each of two lengths."""
    batches = padded_batches(options.data_dir, options.examples, 64)
    lengths = (128, 256)
    batches = [next(batch for batch in batches if batch[0].shape[1] == length) for length in lengths]
    variants = {
        "plain": {"jit": "off", "precision": "float32"},
        "XLA": {"jit": "on", "precision": "float32"},
        "bfloat16": {"jit": "off", "precision": "mixed_bfloat16"},
    }
    rows = []
    for member in options.nets.split(","):
        jobs = {name: keras_trainer(member, batches, **variant) for name, variant in variants.items()}
        first = {name: seconds(job) / len(lengths) for name, job in jobs.items()}
        values = in_turns(jobs, options.rounds)
        for name in ("XLA", "bfloat16"):
            rows.append(compare(f"train {member} with {name}, examples/s", values[name], values["plain"]))
        rows.append(compare(f"first step of {member} with XLA, s per shape", [first["XLA"]], [first["plain"]]))
    return rows


def measure_call(options):
    """One sentence through the loader beside the bare signature."""
    import tensorflow as tf

    from kerasmlsp.exporting import loading

    path = loading.find("sentiment", models=options.models)
    model, bare = loading.load(path), tf.saved_model.load(str(path)).signatures["serving_default"]
    ready = tf.constant([SENTENCE])
    jobs = {"ours": lambda: seconds(model, text=[SENTENCE]), "bare": lambda: seconds(bare, text=ready)}
    in_turns(jobs, 20)
    values = {name: [1e3 * value for value in each] for name, each in in_turns(jobs, options.calls).items()}
    return [compare("one sentence, ms, beside the bare signature", values["ours"], values["bare"], "<= 1.2")]


def measure_file(options):
    """A file through the app beside `model.predict` of the run's net on padding to one length."""
    import numpy as np

    from kerasmlsp.apps.sentiment import data, evaluate

    texts, _ = read_reviews(options.data_dir, "test", options.texts)
    net, words, config = evaluate.load(Path(options.run))
    started = time.perf_counter()
    encoded = data.encode(texts, np.zeros(len(texts)), words, config["max_tokens"])
    tokenising = time.perf_counter() - started
    ids = np.zeros((len(texts), encoded.lengths.max()), np.int32)
    ids[np.arange(ids.shape[1]) < encoded.lengths[:, None]] = encoded.tokens.joined(range(len(texts)))[0]
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "texts.csv"), Path(folder, "answers.csv")
        with open(source, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([each] for each in texts)])
        # As the command does it, in a process of its own.
        command = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
        jobs = {"ours": lambda: command.submit(answer_file, options.models, source, output).result()}
        for size in (32, 128):
            jobs[size] = lambda size=size: seconds(net.predict, ids, batch_size=size, verbose=0)
            # Whole batches and the rest are two shapes: both are compiled here.
            net.predict(ids[: size + (len(ids) % size)], batch_size=size, verbose=0)
        with command:
            values = in_turns(jobs, options.file_rounds)
    rows = []
    for size in (32, 128):
        whole = [value + tokenising for value in values[size]]
        what = f"file of {len(texts):,} reviews, s, beside predict(batch_size={size})"
        rows.append(compare(f"{what} of ready ids", values["ours"], values[size], "<= 0.5"))
        rows.append(compare(f"{what} and its tokenisation", values["ours"], whole, "<= 0.5"))
    return rows


@functools.cache
def _command_model(models):
    from kerasmlsp.apps.sentiment import predict
    from kerasmlsp.exporting import loading

    loading.prefer_whole_calls()
    model = loading.load(loading.find("sentiment", models=models))
    predict.predict_texts(model, [SENTENCE])
    return model


def answer_file(models, source, output):
    """Seconds that the application takes for a file, its model loaded and warm; `models` as of `--models`."""
    from kerasmlsp.apps.sentiment import predict

    return seconds(predict.predict_file, _command_model(models), source, output)


def measure_shell(options):
    """One sentence from the shell beside importing TensorFlow."""
    command = str(Path(sys.executable).with_name("kerasmlsp"))
    models = ["--models", os.path.abspath(options.models)] if options.models else []
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def job(*words):
        return lambda: seconds(subprocess.run, words, check=True, capture_output=True, env=environment)

    jobs = {
        "help": job(command, "--help"),
        "import": job(sys.executable, "-c", "import tensorflow"),
        "predict": job(command, "sentiment", "predict", *models, SENTENCE),
    }
    in_turns(jobs, 1)
    values = in_turns(jobs, options.rounds)
    return [
        compare("kerasmlsp --help, s", values["help"], None, "<= 0.3"),
        compare(
            "kerasmlsp sentiment predict, s, beside importing TensorFlow", values["predict"], values["import"], "<= 1.1"
        ),
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=[*PARTS, "policy"], help="only this part")
    parser.add_argument("--data-dir", default="~/.cache/kerasmlsp/data/imdb", help="folder of train.csv and test.csv")
    parser.add_argument("--models", help="folder of saved models; default ./saved_models, then the shipped ones")
    parser.add_argument("--run", default="runs/sentiment/default", help="run whose net is the peer of the part file")
    parser.add_argument("--texts", type=int, default=2000, help="reviews in the file (default: %(default)s)")
    parser.add_argument("--examples", type=int, default=1280, help="reviews to train on (default: %(default)s)")
    parser.add_argument("--nets", default=",".join(NETS), help="nets of the part policy (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="pairs to measure (default: %(default)s)")
    parser.add_argument("--file-rounds", type=int, default=3, help="the same for file (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=1000, help="the same for call (default: %(default)s)")
    parser.add_argument("--torch-compile", action="store_true", help="in train, also beside torch.compile")
    parser.add_argument("--torch-defaults", action="store_true", help="in train, also beside PyTorch as installed")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    options.data_dir = Path(options.data_dir).expanduser()

    # TensorFlow reads it once, while it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    measures = {
        "train": measure_train,
        "call": measure_call,
        "file": measure_file,
        "shell": measure_shell,
        "policy": measure_policy,
    }
    rows = []
    for part in [options.part] if options.part else PARTS:
        try:
            rows += measures[part](options)
        except ModuleNotFoundError as error:
            parser.exit(1, f"{part}: {error}; pip install -e '.[benchmark]'\n")
        except FileNotFoundError as error:
            parser.exit(1, f"{part}: {error}\n")
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
