"""Chorales in four voices: every architecture of `kerasmlsp music` on one split, and what each writes beside Bach.

    python -m benchmarks.music_chorales --runs runs/chorales --seeds 0,1,2

Without --data these are Bach's chorales in the corpus of music21; pieces of one melody are in one part of the split,
which is the same for all. Prints nats per sixteenth: the negative log-likelihood of the next tokens, summed over the
four voices, on the validation pieces (which select the epoch) and on the test pieces (which are looked at once per
run); then breaches of the rules of harmony per bar, and divergences from the test pieces in bits, of chorales that each
run wrote in the keys and metres of the test pieces. All have the same tokens, the same optimizer and, with --epochs, as
many epochs. Runs that are there already are taken up where they were stopped.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown


def run_row(config, folder, settings):
    """Trains and measures one run, or reads what an earlier command measured.

    Returns:
        The row of the table, and that of the test pieces themselves.
    """
    from kerasmlsp import training
    from kerasmlsp.apps.music import evaluate, train

    record = folder / "benchmark.json"
    if not record.exists():
        began = time.perf_counter()
        parameters = train.train(config, folder, resume=(folder / "config.json").exists())["parameters"]
        minutes = (time.perf_counter() - began) / 60
        result = evaluate.evaluate(folder, **settings)
        row = {
            "architecture": config.architecture,
            "seed": config.seed,
            "parameters": parameters,
            "minutes": minutes,
            "validation": 4 * training.Run(folder).best_row()["val_loss"],
            "test": result["metrics"]["nats per sixteenth"]["value"],
        }
        record.write_text(json.dumps([{**row, **result["harmony"]["written"]}, result["harmony"]["pieces"]]))
    return json.loads(record.read_text())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="file or folder of chorales; default those in music21")
    parser.add_argument("--runs", type=Path, default=Path("runs/chorales"), help="folder of the runs")
    parser.add_argument("--architectures", default="chorale-transformer,tonicnet,transformer")
    parser.add_argument("--seeds", default="0,1,2", help="seeds of every architecture")
    parser.add_argument("--epochs", type=int, help="of every architecture; default each its own")
    parser.add_argument("--samples", type=int, default=32, help="chorales that each run writes")
    parser.add_argument("--temperature", type=float, default=1.0)
    options = parser.parse_args()

    from kerasmlsp.apps.music.config import Config

    settings = {"samples": options.samples, "temperature": options.temperature}
    source = None if options.data is None else os.path.abspath(options.data)
    rows, pieces = [], {}
    for architecture in options.architectures.split(","):
        for seed in map(int, options.seeds.split(",")):
            config = Config(architecture=architecture, seed=seed, epochs=options.epochs, data=source)
            row, pieces = run_row(config, options.runs / f"{architecture}-{seed}", settings)
            rows.append(row)
            print(markdown(rows[-1:]), flush=True)
    print("\n" + markdown([*rows, {"architecture": "the test pieces", **pieces}]))
    for architecture in options.architectures.split(","):
        found = [row["test"] for row in rows if row["architecture"] == architecture]
        spread = f", standard deviation {statistics.stdev(found):.3f}" if len(found) > 1 else ""
        print(f"{architecture}: {statistics.mean(found):.3f} nats per sixteenth over {len(found)} seeds{spread}.")


if __name__ == "__main__":
    main()
