"""`kerasmlsp detect` on blood cells (BCCD): trained on its list train, measured once on val, over seeds.

    python -m benchmarks.detect --bccd bccd/BCCD
    python -m benchmarks.detect --bccd bccd/BCCD --seeds 0 --epochs 100

A part of train is held out to select the epoch; nothing is selected on val. Every training goes on where it was, so the
command can be broken off and repeated. Needs the extra `detect`.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

GOAL = 0.85


def measure(folder, seed, options):
    """Trains a net, unless it is there, and measures it on the held-out pictures and on val."""
    from kerasmlsp.apps.detect import evaluate, train
    from kerasmlsp.apps.detect.config import Config

    config = Config(
        data=str(folder.resolve()),
        split="train",
        flip="both",
        image_size=options.image_size,
        epochs=options.epochs,
        seed=seed,
    )
    run = options.runs / f"ssd-{seed}"
    place = run / "seconds.json"
    if not (run / "model.keras").exists():
        began, before = time.perf_counter(), json.loads(place.read_text()) if place.exists() else 0.0
        train.train(config, run, resume=run.exists())
        place.write_text(json.dumps(before + time.perf_counter() - began))
    held = evaluate.evaluate(run)
    val = evaluate.evaluate(run, folder, split="val")
    return held, val, (json.loads(place.read_text()) if place.exists() else float("nan")) / 60


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bccd", type=Path, required=True, help="folder with Annotations, ImageSets and JPEGImages")
    parser.add_argument("--runs", type=Path, default=Path("runs/detect-benchmark"), help="folder of the runs")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="default the recipe's own")
    parser.add_argument("--image-size", type=int, default=256, help="height and width that the net sees")
    options = parser.parse_args()

    from benchmarks import ratios

    options.runs.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in map(int, options.seeds.split(",")):
        held, val, minutes = measure(options.bccd, seed, options)
        interval = val["metrics"]["mAP50"]
        row = {
            "what": "SSD",
            "seed": seed,
            "mAP50, held out": held["metrics"]["mAP50"]["value"],
            "mAP50, val": interval["value"],
            "interval": f"{interval['low']:.3f} to {interval['high']:.3f}",
            "AP, val": val["metrics"]["AP"]["value"],
            **{f"AP50 of {name}": each["AP50"] for name, each in val["classes"].items()},
            "minutes": minutes,
        }
        rows.append(row)
        print(row, flush=True)
    blobs = val["beside"]["blob detector"]
    reach = f"{blobs['low']:.3f} to {blobs['high']:.3f}"
    table = [*rows, {"what": "blob detector", "mAP50, val": blobs["value"], "interval": reach}]
    print("\n" + ratios.markdown(table, minutes=".1f"))
    mean = statistics.mean(row["mAP50, val"] for row in rows)
    print(f"\nMean mAP50 on val over {len(rows)} seeds: {mean:.3f}; the goal is {GOAL}.")


if __name__ == "__main__":
    main()
