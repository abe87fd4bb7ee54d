"""`kerasmlsp video` on moving clips of Fashion-MNIST: directions, their controls, and forecasts of the next frame.

    python -m benchmarks.video --data fashion_mnist --runs runs/video-table
    python -m benchmarks.video --data fashion_mnist --methods convlstm,one-frame --seeds 1

Each clip shows one image that moves in one of eight directions over a canvas whose edges are joined, see
`kerasmlsp.apps.video.moving`. Nets are trained on clips of training images, of which a tenth selects the epoch, and
measured once on 10,000 clips of the test images. Two controls are trained as the first net is: `one-frame` sees a frame
of each clip, where nobody can tell more than one in eight, and `shuffled` sees the frames in random order, where a
direction and its opposite look alike. The goal: directions right in 99 % of the clips by the nets that see all frames,
over three seeds. Forecasts are measured by the squared error of the next frame, beside a copy of the last one.

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

METHODS = {
    "cnn-lstm": {"architecture": "cnn-lstm"},
    "convlstm": {"architecture": "convlstm"},
    "one-frame": {"architecture": "cnn-lstm", "frames": 1},
    "shuffled": {"architecture": "cnn-lstm", "shuffle_frames": True},
    "forecast": {"architecture": "forecast"},
}
CONTROLS = ("one-frame", "shuffled", "forecast")
GOAL = 0.99


def measured(method, seed, options):
    """The measures of one run on the test images, trained where it is not there yet, and its minutes."""
    from kerasmlsp.apps.video import evaluate, train
    from kerasmlsp.apps.video.config import Config

    run = options.runs / f"{method}-{seed}"
    timed = run / "seconds.json"
    if not (run / "model.keras").exists():
        resumed, started = (run / "config.json").exists(), time.perf_counter()
        config = Config(data=str(options.data.resolve()), seed=seed, epochs=options.epochs, **METHODS[method])
        train.train(config, run, resume=resumed)
        if not resumed:
            timed.write_text(json.dumps(time.perf_counter() - started))
    file = run / evaluate.EVALUATION / "metrics.json"
    found = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run, options.data)
    return found["metrics"], json.loads(timed.read_text()) / 60 if timed.exists() else None


def row(method, options):
    """A row of the table: the mean over the seeds, and the interval of the first."""
    seeds = range(1 if method in CONTROLS else options.seeds)
    found = [measured(method, seed, options) for seed in seeds]
    minutes = [each for _, each in found if each is not None]
    shown = {"net": method, "seeds": len(seeds), "minutes": statistics.mean(minutes) if minutes else None}
    if method == "forecast":
        names = {"squared error": "forecast", "copy": "copy of the last frame", "last change": "last change once more"}
        return shown | {name: _mean(found, f"squared error, {of}") for name, of in names.items()}
    low, high = (found[0][0]["accuracy"][end] for end in ("low", "high"))
    rows = {"accuracy": "accuracy", "one frame": "accuracy, one frame", "shuffled": "accuracy, frames shuffled"}
    interval = None if low is None else f"{low:.4f} to {high:.4f}"
    return shown | {name: _mean(found, of) for name, of in rows.items()} | {"95 % of seed 0": interval}


def _mean(found, name):
    return statistics.mean(metrics[name]["value"] for metrics, _ in found)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--runs", type=Path, default=Path("runs/video-table"), help="folder of the trainings")
    parser.add_argument("--methods", default=",".join(METHODS), help="nets to measure, with commas between")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the nets that see all frames; controls have one")
    parser.add_argument("--epochs", type=int, help="default: the architecture's own")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from benchmarks.ratios import markdown

    rows = [row(method, options) for method in options.methods.split(",")]
    tellers = [each for each in rows if "accuracy" in each]
    for part in (tellers, [each for each in rows if "copy" in each]):
        if part:
            print(markdown(part, ".4f", minutes=".1f"), end="\n\n")
    for each in tellers:
        if each["net"] not in CONTROLS:
            print(f"{each['net']}: {'met' if each['accuracy'] >= GOAL else 'missed'} ({GOAL})")
    return rows


if __name__ == "__main__":
    main()
