"""`kerasmlsp gesture` on hand signs by signers that it has not seen, over folds and seeds.

    python -m benchmarks.gesture_quality --digits sign_digits --keypoints hand_keypoints --runs runs/gestures
    python -m benchmarks.gesture_quality --digits sign_digits --split digits

Pictures: five folds in which every signer is in one; each fold is predicted by a net trained on the other four to its
last epoch, with the same epochs and options for all, so that nothing is selected on the fold. Landmarks and histories:
five folds of runs of neighbours, since neighbouring rows are frames of one film, and beside them folds of single rows,
as such files are often split. Every trained fold is a row, printed and added to `folds.csv` in the folder of the runs;
folds that are there already are not trained again, so the command can be broken off and repeated.

`--split` trains nothing: it copies the first fold to `DIR/test` and the rest to `DIR/train`, as for the shipped model.
"""

import argparse
import csv
import shutil
import statistics
import time
from pathlib import Path

FOLDS = 5


def jobs(digits, keypoints, architectures):
    """Returns name and options of every configuration."""
    found = {}
    if digits:
        for name in architectures.split(","):
            found[f"pictures, {name}"] = {"data": str(Path(digits).resolve()), "rounds": True, "architecture": name}
    if keypoints:
        folder = Path(keypoints).resolve()
        kinds = (("landmarks", "mlp", "keypoint.csv"), ("history", "gru", "point_history.csv"))
        kinds = (*kinds, ("history", "cnn", "point_history.csv"))
        for kind, name, file in kinds:
            for blocks in (4, 0):
                drawn = "runs of neighbours" if blocks else "single rows"
                found[f"{kind}, {name}, {drawn}"] = {
                    "data": str(folder / file), "input": kind, "architecture": name, "holdout_blocks": blocks
                }  # fmt: skip
    return found


def split(digits, folder):
    """Copies the first fold of the signers to `folder/test` and the others to `folder/train`.

    Returns:
        Number of pictures in each.
    """
    from kerasmlsp.data import images, splits

    found = images.read_labelled_images(digits, 16)
    fold_of = splits.folds(splits.rounds(found.names, found.labels), FOLDS, 0)
    counts = dict.fromkeys(("train", "test"), 0)
    for name, fold in zip(found.names, fold_of, strict=True):
        part = "train" if fold else "test"
        target = folder / part / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(digits / name, target)
        counts[part] += 1
    return counts


def measure(name, config, folder, log):
    """Cross-validates one configuration and yields a row of every fold.

    Args:
        name: What the rows are of.
        config: The configuration.
        folder: Where the folds are trained.
        log: Function that is called with each row that was measured now.
    """
    import numpy as np

    from kerasmlsp import metrics
    from kerasmlsp.apps.gesture import data, evaluate, train

    examples = data.read(config, config.data)
    classes = sorted(set(examples.labels))
    fold_of, numbers = data.folds(examples, FOLDS, config), np.searchsorted(classes, examples.labels)
    background = data.read_background(config.background, config.size)
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(fold_of == fold), np.flatnonzero(fold_of != fold)
        began = time.perf_counter()
        place = folder / f"fold-{fold}"
        net = train.fit(examples.taken(outside), None, classes, config, place, background, resume=True)
        probabilities = evaluate.predict(net, examples.taken(inside))
        right = round(metrics.accuracy(numbers[inside], probabilities) * len(inside))
        row = {"name": name, "seed": config.seed, "fold": fold, "examples": len(inside), "right": right}
        yield log({**row, "minutes": round((time.perf_counter() - began) / 60, 2)})


def summary(rows):
    """Returns a Markdown table: accuracy over all folds of a seed, mean and standard deviation over the whole seeds."""
    lines = ["| what | seeds | accuracy, % | standard deviation | folds, least to most |", "|---|---|---|---|---|"]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        seeds = {}
        for row in own:
            seeds.setdefault(row["seed"], []).append(row)
        whole = [
            100 * sum(int(row["right"]) for row in part) / sum(int(row["examples"]) for row in part)
            for part in seeds.values()
            if len(part) == FOLDS
        ]
        shares = [100 * int(row["right"]) / int(row["examples"]) for row in own]
        mean = f"{statistics.mean(whole):.2f}" if whole else f"{statistics.mean(shares):.2f} ({len(own)} folds only)"
        spread = f"{statistics.stdev(whole):.2f}" if len(whole) > 1 else "-"
        lines.append(f"| {name} | {len(whole)} | {mean} | {spread} | {min(shares):.2f} to {max(shares):.2f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--digits", help="folder sign_digits: one subfolder of numbered pictures per class")
    parser.add_argument("--keypoints", help="folder with keypoint.csv and point_history.csv")
    parser.add_argument("--runs", type=Path, default=Path("runs/gestures"), help="folder of the runs")
    parser.add_argument("--architectures", default="resnet", help="for pictures, such as resnet,lenet")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="default the architecture's own")
    parser.add_argument("--split", type=Path, metavar="DIR", help="write train and test of the digits there, and stop")
    options = parser.parse_args()
    if options.split and options.digits:
        print(split(Path(options.digits), options.split))
        return
    if not (options.digits or options.keypoints):
        parser.error("give --digits, --keypoints or both")

    from kerasmlsp.apps.gesture.config import Config

    options.runs.mkdir(parents=True, exist_ok=True)
    table = options.runs / "folds.csv"
    rows = []
    if table.exists():
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
    known = {(row["name"], row["seed"], row["fold"]) for row in rows}

    def log(row):
        row = {key: str(value) for key, value in row.items()}
        if (row["name"], row["seed"], row["fold"]) not in known:
            new = not table.exists()
            with open(table, "a", newline="") as file:
                writer = csv.DictWriter(file, row)
                if new:
                    writer.writeheader()
                writer.writerow(row)
            rows.append(row)
            print(row, flush=True)
        return row

    for seed in options.seeds.split(","):
        for name, values in jobs(options.digits, options.keypoints, options.architectures).items():
            if all((name, seed, str(fold)) in known for fold in range(FOLDS)):
                continue
            config = Config(**values, seed=int(seed), epochs=options.epochs)
            folder = options.runs / f"{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            for _ in measure(name, config, folder, log):
                pass
    print("\n" + summary(rows))


if __name__ == "__main__":
    main()
