"""What two cores are to reach, each row beside its peer in one run: medians, with the least and the most of the ratios.

    python -m benchmarks.speed --torch TORCHVENV/bin/python --data-dir imdb
    python -m benchmarks.speed --rows first,shell

Rows:
  steps  a training step of LeNet-5 and of an LSTM 128 -> 64 beside PyTorch eager (`benchmarks.training_steps`)
  rbm    training of a Boltzmann machine 784 x 500 beside scikit-learn's (`benchmarks.rbm`)
  gpt    tokens per second of an exported GPT 10.7M at batch 1, in float32 and int8, beside reading its float32 weights
         once a token from memory
  first  the first answer of an exported model that writes, in a process that has just loaded it: with nothing compiled
         before, and as the commands do, where an earlier one has kept what was compiled (`exporting.compiled`)
  shell  `kerasmlsp sentiment predict` with one sentence beside `import tensorflow` (`benchmarks.sentiment_speed`)
  file   a file of reviews through the shipped sentiment model, beside scikit-learn's naive-Bayes SVM, which is fitted
         before, from file to file; needs --data-dir
"""

import argparse
import contextlib
import csv
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import generation_speed, rbm, sentiment_speed, training_steps
from benchmarks.ratios import compare, in_turns, seconds, table

NETS = {"LSTM 256": {}, "GPT of 0.8M": generation_speed.SIZES["small"], "GPT of 10.7M": generation_speed.SIZES["large"]}


def measure_steps(options):
    found = []
    for name in ("lenet5", "lstm_64"):
        found += training_steps.measure(name, options)
    return found


def measure_rbm(options):
    options.batch_size, options.samples = 100, 10_000
    return rbm.measure_speed(options)


def _net(name):
    from kerasmlsp import models

    if NETS[name]:
        return models.gpt(generation_speed.VOCABULARY, **NETS[name])
    return models.lstm_language_model(generation_speed.VOCABULARY, units=256, num_layers=1)


def measure_gpt(options):
    from kerasmlsp.apps.chargen import model as chargen

    name, length = "GPT of 10.7M", generation_speed.LENGTH
    with contextlib.ExitStack() as folders:
        jobs = {}
        for kind in ("float32", "int8"):
            net = _net(name)
            bytes_read = 4 * net.count_params()
            if kind == "int8":
                chargen.quantize(net)
            write = generation_speed.exported(net, folders.enter_context(tempfile.TemporaryDirectory()))
            write(1, length)
            jobs[kind] = lambda write=write: length / write(1, length)
        jobs["roof"] = lambda: generation_speed.bandwidth(bytes_read) / bytes_read
        values = in_turns(jobs, options.rounds)
    what = f"{name}, batch 1, tokens/s, beside reading its float32 weights"
    return [compare(f"{what}, {kind}", values[kind], values["roof"], ">= 0.8") for kind in ("float32", "int8")]


def measure_first(options):
    script = (
        "import json, sys; from benchmarks import generation_speed as g; from benchmarks.ratios import seconds; "
        "from kerasmlsp.exporting import compiled; "
        "kept = [compiled.keep_compiled(sys.argv[2])] if sys.argv[2:] else [0]; "
        "kept[0] and compiled.prefer_first_answers(); "
        "took = seconds(lambda: kept.append(g.restored(sys.argv[1]))); "
        "print(json.dumps([took, kept[1](1, 64), kept[1](1, 64)]))"
    )
    found = []
    for name in NETS:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept:
            generation_speed.export(_net(name), folder)
            anew = [sys.executable, "-c", script, folder]
            _last_line([*anew, kept])
            commands = {"anew": anew, "kept": [*anew, kept]}
            jobs = {job: functools.partial(_last_line, command) for job, command in commands.items()}
            runs = in_turns(jobs, options.rounds)
        for job, told in (("anew", "nothing compiled before"), ("kept", "as the commands do")):
            loads, firsts, later = zip(*runs[job], strict=True)
            found.append(compare(f"{name}, first answer of 64 characters, {told}, s", firsts, target="<= 1"))
        found += [compare(f"{name}, a later one, s", later), compare(f"{name}, loading with TensorFlow, s", loads)]
    return found


def _last_line(command):
    done = subprocess.run(command, cwd=Path(__file__).parents[1], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def measure_file(options):
    from benchmarks.sentiment_quality import naive_bayes_svm
    from kerasmlsp.data import labelled

    texts, _ = sentiment_speed.read_reviews(options.data_dir, "test", options.texts)
    machine = naive_bayes_svm(labelled.read_labelled_texts(options.data_dir / "train.csv"))
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "texts.csv"), Path(folder, "answers.csv")
        with open(source, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["text"], *([each] for each in texts)])
        ours = functools.partial(sentiment_speed.answer_file, None, source, output)
        jobs = {"ours": ours, "peer": functools.partial(seconds, _predict, machine, source, output)}
        ours()
        values = {name: [len(texts) / each for each in took] for name, took in in_turns(jobs, options.rounds).items()}
    what = f"file of {len(texts):,} reviews, reviews/s, beside scikit-learn's naive-Bayes SVM"
    return [compare(what, values["ours"], values["peer"])]


def _predict(machine, source, output):
    with open(source, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    with open(output, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(zip(texts, machine(texts), strict=True))


ROWS = {
    "steps": measure_steps,
    "rbm": measure_rbm,
    "gpt": measure_gpt,
    "first": measure_first,
    "shell": sentiment_speed.measure_shell,
    "file": measure_file,
}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="with commas between (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100, help="steps of a measurement of the row steps")
    parser.add_argument("--torch", type=Path, help="Python with PyTorch and NumPy, for the row steps; default: none")
    parser.add_argument("--models", help="folder of saved models of the row shell; default: the shipped ones")
    parser.add_argument("--data-dir", type=Path, help="folder of IMDB's train.csv and test.csv, for the row file")
    parser.add_argument("--texts", type=int, default=25_000, help="reviews of the row file (default: %(default)s)")
    options = parser.parse_args(arguments)
    wanted = options.rows.split(",")
    if unknown := set(wanted) - set(ROWS):
        parser.error(f"--rows must be of {', '.join(ROWS)}. Received: {', '.join(sorted(unknown))}")
    # TensorFlow reads it once, while it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = []
    for name in wanted:
        if name == "file" and not options.data_dir:
            print("file: left out, --data-dir is not given", file=sys.stderr)
            continue
        rows += ROWS[name](options)
        print(table(rows), flush=True)


if __name__ == "__main__":
    main()
