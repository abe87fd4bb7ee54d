"""How well each architecture translates, by the length of sentences, and how fast the saved model is.

    python -m benchmarks.translation --data multi30k/ --source en --target de
    python -m benchmarks.translation --part speed --run runs/benchmark/transformer-0 --sentences test.en.gz

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The first
architecture is trained with every seed, the others with the first seed only, for orientation. The split val selects the
epoch; the split test is looked at once per run. BLEU is sacrebleu's, its signature is printed. The chart of BLEU by
length goes to `--chart`. `--part speed` compares sentences a second of the saved model, greedy and text to text, with a
loop of `model.predict` that reads the whole prefix again for each unit, and, where `--torch` names a Python with
PyTorch, with the same net in eager PyTorch with a cache of keys and values, units to units.
"""

import argparse
import functools
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, markdown, seconds, table

WORD_BY_WORD = "word by word"
WORKER = Path(__file__).with_name("translation_torch.py")


def run_rows(architecture, seed, options):
    """The rows of one run, and its evaluation."""
    from kerasmlsp.apps.translate import evaluate, train
    from kerasmlsp.apps.translate.config import Config

    run = options.runs / f"{architecture}-{seed}"
    place = {"data": str(options.data.resolve()), "source": options.source, "target": options.target}
    config = Config(**place, architecture=architecture, seed=seed, epochs=options.epochs)
    timed = run / "seconds.json"
    if not (run / "model.keras").exists():
        started = time.perf_counter()
        resumed = (run / "config.json").exists()
        train.train(config, run, resume=resumed)
        # Of a run that was taken up only the rest is known.
        timed.write_text(json.dumps(None if resumed else time.perf_counter() - started))
    file = run / evaluate.EVALUATION / "metrics.json"
    result = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run)
    taken = json.loads(timed.read_text()) if timed.exists() else None
    rows = [
        {"net": architecture, "seed": seed, "search": search, **_values(measures), "minutes": taken and taken / 60}
        for search, measures in result["metrics"].items()
        if search != WORD_BY_WORD
    ]
    return rows, result


def _values(measures):
    return {name: measures[name]["value"] for name in ("BLEU", "BLEU, lower case", "chrF", "length")}


def quality(options):
    from kerasmlsp import plotting

    first, *others = options.architectures.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows, lengths, result = [], {}, {}
    for architecture in (first, *others):
        several = [run_rows(architecture, seed, options) for seed in (seeds if architecture == first else seeds[:1])]
        own = [row for each, _ in several for row in each]
        rows += own + (_means(own) if len(several) > 1 else [])
        result = several[0][1]
        lengths[architecture] = result["by length"][list(result["metrics"])[-2]]
    lengths[WORD_BY_WORD] = result["by length"][WORD_BY_WORD]
    words = {"net": WORD_BY_WORD, "seed": "-", "search": "-", **_values(result["metrics"][WORD_BY_WORD])}
    print(markdown([*rows, words], ".1f", length=".3f"))
    print("\n".join(f"{name}: {signature}" for name, signature in result["signatures"].items()))
    plotting.score_by_length(lengths, options.chart)
    print(f"The chart is in {options.chart}.")


def _means(rows):
    """The mean over seeds of each way to search."""
    found = []
    for search in dict.fromkeys(row["search"] for row in rows):
        own = [row for row in rows if row["search"] == search]
        numbers = {name: statistics.mean(row[name] for row in own) for name in _values_names(own[0])}
        found.append({**own[0], "seed": "mean", **numbers})
    return found


def _values_names(row):
    return [name for name, value in row.items() if isinstance(value, float) and name != "minutes"]


def speed(options):
    """Sentences a second."""
    import numpy as np

    from kerasmlsp.apps.translate import data, evaluate, export, predict
    from kerasmlsp.data import tables
    from kerasmlsp.exporting import loading
    from kerasmlsp.exporting.model_cards import Notes

    net = evaluate.load(options.run)
    lines = list(tables.read_lines(options.sentences))[: options.count]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        saved = loading.load(export.export(options.run, Path(folder), Notes("benchmark", "none")))
        import tensorflow as tf

        ids, _ = data.units_of(tf.constant(lines), net.units, net.config.max_tokens)
        order = np.argsort(ids.row_lengths().numpy(), kind="stable")
        # Both peers get what ours reads, in batches of one length as ours makes them.
        batches = [order[begin : begin + options.batch] for begin in range(0, len(order), options.batch)]
        padded = [tf.gather(ids, batch).to_tensor().numpy() for batch in batches]

        def ours():
            return predict.translate(saved, lines, greedy=True)

        def loop():
            return [_loop(net, data, batch) for batch in padded[:: options.every]]

        ours()  # the first call of each is slower
        jobs = {"ours": functools.partial(seconds, ours)}
        if options.peers in ("all", "loop"):
            _loop(net, data, padded[0])
            share = sum(map(len, padded[:: options.every])) / len(lines)
            jobs["loop"] = lambda: seconds(loop) / share
        with _Torch(options, net, padded, folder) as torch:
            if torch.process:
                jobs["torch"] = torch.run
            found = {
                name: [len(lines) / each for each in times] for name, times in in_turns(jobs, options.rounds).items()
            }
            what = (
                f"sentences/s, {net.config.architecture}, greedy, {len(lines)} sentences in batches of {options.batch}"
            )
            if "loop" in found:
                rows.append(compare(f"{what}; and a loop of model.predict", found["ours"], found["loop"], ">= 5"))
            if torch.process:
                rows.append(compare(f"{what}; and PyTorch", found["ours"], found["torch"], ">= 1.5"))
                same = _share_of_same(ours(), torch.units(), order, net)
                print(f"PyTorch writes the same translation of {same:.1%} of the sentences.")
    print(table(rows or [compare(what, found["ours"])]))


def _loop(net, data, ids):
    """The usual loop: the whole prefix is read again for every unit."""
    import numpy as np

    tokens, ended = np.full((len(ids), 1), data.START, np.int32), np.zeros(len(ids), bool)
    most = min(2 * ids.shape[1] + 10, net.config.max_tokens)
    while not ended.all() and tokens.shape[1] <= most:
        outputs = net.net.predict({"source_ids": ids, "target_ids": tokens}, batch_size=len(ids), verbose=0)
        logits = (outputs["logits"] if isinstance(outputs, dict) else outputs)[:, -1]
        logits[:, : data.STOP + (tokens.shape[1] == 1)] = -np.inf
        following = np.where(ended, data.STOP, logits.argmax(1)).astype(np.int32)
        tokens = np.concatenate([tokens, following[:, None]], axis=1)
        ended |= following == data.STOP
    return tokens


class _Torch:
    """The peer in a process of its own, since PyTorch and TensorFlow would share threads, and it has its own Python."""

    def __init__(self, options, net, padded, folder):
        self.options, self.net, self.padded, self.folder, self.process = options, net, padded, Path(folder), None

    def __enter__(self):
        if self.options.torch is None or self.options.peers == "loop":
            return self
        import numpy as np

        weights = {weight.path: np.asarray(weight) for weight in self.net.net.weights}
        np.savez(self.folder / "weights.npz", **{path.replace("/", "|"): value for path, value in weights.items()})
        np.savez(self.folder / "batches.npz", **{str(number): batch for number, batch in enumerate(self.padded)})
        sizes = {"num_layers": self.net.config.num_layers, "units": self.net.config.units}
        sizes["most"] = self.net.config.max_tokens
        (self.folder / "sizes.json").write_text(json.dumps(sizes))
        command = [str(self.options.torch), str(WORKER), "--folder", str(self.folder)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.run()
        return self

    def run(self):
        """Seconds for all batches."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def units(self):
        """What it wrote last, one list a sentence in the order of the batches."""
        return json.loads((self.folder / "units.json").read_text())

    def __exit__(self, *error):
        if self.process:
            self.process.stdin.close()
            self.process.wait()


def _share_of_same(rows, units, order, net):
    import tensorflow as tf

    texts = net.units.decode(tf.ragged.constant(units, dtype=tf.int32)).numpy()
    return sum(rows[row]["translation"] == text.decode() for row, text in zip(order, texts, strict=True)) / len(rows)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("quality", "speed"), default="quality")
    parser.add_argument("--data", type=Path, help="sentences with their translations, as translate train takes them")
    parser.add_argument("--source", default="en")
    parser.add_argument("--target", default="de")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument(
        "--architectures", default="transformer,additive-attention,multiplicative-attention,encoder-decoder"
    )
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="default: the architecture's own")
    parser.add_argument("--chart", type=Path, default=Path("bleu_by_length.png"))
    parser.add_argument("--run", type=Path, help="finished run, for --part speed")
    parser.add_argument("--sentences", type=Path, help="text file, for --part speed")
    parser.add_argument("--count", type=int, default=1000, help="sentences")
    parser.add_argument("--batch", type=int, default=32, help="sentences in a batch of the peers")
    parser.add_argument("--every", type=int, default=8, help="of so many batches the slow loop does one")
    parser.add_argument("--torch", type=Path, help="Python with PyTorch, for a transformer")
    parser.add_argument("--peers", choices=("all", "loop", "torch"), default="all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    needed = ("data",) if options.part == "quality" else ("run", "sentences")
    for name in needed:
        if getattr(options, name) is None:
            parser.error(f"--{name} is needed")
    quality(options) if options.part == "quality" else speed(options)


if __name__ == "__main__":
    main()
