"""How well each chargen architecture foretells a text, beside a count of character n-grams.

    python -m benchmarks.chargen_quality --data shakespeare/input.txt --runs runs/benchmark

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The first
architecture is trained with every seed, the others with seed 0 only, for orientation. The last tenth of the text is
held out, and looked at once per run; its first twentieth selects the epoch.
"""

import argparse
import collections
import json
import math
import os
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown


def ngram_nats(train, test, order):
    """Foretells every character from the `order - 1` before it by Witten-Bell's interpolated counts.

    `p(c | h) = (n(hc) + t(h) p(c | h')) / (n(h) + t(h))`, where `n` counts, `t(h)` is the number of different
    characters seen after `h`, and `h'` is `h` without its first character; below the empty context all are alike.

    Reference: Witten and Bell 1991, "The Zero-Frequency Problem".

    Returns:
        Nats per character of `test`, whose context runs on from its beginning.
    """
    counts = [collections.defaultdict(collections.Counter) for _ in range(order)]
    for length, table in enumerate(counts):
        for i in range(length, len(train)):
            table[train[i - length : i]][train[i]] += 1
    sums = [{context: (sum(found.values()), len(found)) for context, found in table.items()} for table in counts]
    floor, total = 1 / len(set(train)), 0.0
    for i, character in enumerate(test):
        share = floor
        for length in range(min(order - 1, i) + 1):
            context = test[i - length : i]
            if context not in sums[length]:
                break
            seen, kinds = sums[length][context]
            share = (counts[length][context][character] + kinds * share) / (seen + kinds)
        total -= math.log(share)
    return total / len(test)


def baseline_row(path, config):
    from kerasmlsp.apps.chargen import data

    text = data.read(path)
    train, validation, test = data.split(text, config.held_out_share, config.validation_share)
    started = time.perf_counter()
    order = min(range(3, 9), key=lambda n: ngram_nats(train, validation, n))
    carried = ngram_nats(train, test, order)
    minutes = (time.perf_counter() - started) / 60
    return {"architecture": f"{order}-grams, Witten-Bell", "seed": "-", "carried": carried, "minutes": minutes}


def run_row(architecture, seed, options):
    from kerasmlsp.apps.chargen import evaluate, train
    from kerasmlsp.apps.chargen.config import Config

    run = options.runs / f"{architecture}-{seed}"
    timed = run / "seconds.json"
    config = Config(data=str(options.data.resolve()), architecture=architecture, seed=seed, epochs=options.epochs)
    if not (run / "model.keras").exists():
        started = time.perf_counter()
        train.train(config, run, resume=(run / "config.json").exists())
        timed.write_text(json.dumps(time.perf_counter() - started))
    file = run / evaluate.EVALUATION / "metrics.json"
    result = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run)
    metrics = result["metrics"]
    return {
        "architecture": architecture,
        "seed": seed,
        "windows": metrics["nats per character, windows"]["value"],
        "carried": metrics["nats per character, carried"]["value"],
        "minutes": json.loads(timed.read_text()) / 60 if timed.exists() else None,
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="text file")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument("--architectures", default="gpt,lstm,gru,simple-rnn")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="default: the architecture's own")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kerasmlsp.apps.chargen.config import Config

    first, *others = options.architectures.split(",")
    rows = [run_row(first, int(seed), options) for seed in options.seeds.split(",")]
    if len(rows) > 1:
        means = {name: statistics.mean(row[name] for row in rows) for name in ("windows", "carried")}
        rows.append({"architecture": first, "seed": "mean", **means})
    rows += [run_row(architecture, int(options.seeds.split(",")[0]), options) for architecture in others]
    rows.append(baseline_row(options.data, Config()))
    print(markdown(rows, ".4f", minutes=".1f"))


if __name__ == "__main__":
    main()
