"""What pre-training gives with few labels: `kerasmlsp pretrain` beside the same nets from scratch and classical ones.

    python -m benchmarks.pretraining --fashion fashion_mnist
    python -m benchmarks.pretraining --fashion fashion_mnist --tasks simclr --seeds 0
    python -m benchmarks.pretraining --imdb imdb
    python -m benchmarks.pretraining --speech speech_commands

Fashion-MNIST: pre-trained on the 60,000 training images without labels, fine-tuned on 60 labels of each class, tested
on the 10,000 test images. IMDB: the 25,000 training reviews with and without their labels, tested on the test reviews.
Speech Commands: pre-trained on 70 % of the speakers, fine-tuned on 10 recordings of each class of these, tested on the
other speakers. A seed decides pre-training, which labels are drawn, and fine-tuning. Learning rates and constants are
chosen on the labels drawn; the test examples only measure.

Every measured method is one line of `cells.jsonl` in the folder of the runs, and every training goes on where it was,
so the command can be broken off and repeated. Needs the extra `clustering`.
"""

import argparse
import json
import statistics
from pathlib import Path

TASKS = {
    "fashion": ("simclr", "mae", "rotation", "clusters", "autoencoder", "rbm"),
    "imdb": ("mlm",),
    "speech": ("wav2vec",),
}
SPEAKER = "([0-9a-f]{8})_nohash_"
CLASSICAL = ("svm", "k-means patches")


def configured(part, task, place, seed, **own):
    """The configurations of pre-training and of fine-tuning, and how many labels of each class, None for all.

    `own` are settings of pre-training that differ from the recipe.
    """
    from kerasmlsp.apps.pretrain.config import Config, Tuning

    place = str(Path(place).resolve())
    if part == "fashion":
        return Config(task=task, data=place, validation_share=0.02, seed=seed, **own), Tuning(data=place, seed=seed), 60
    if part == "imdb":
        train, test = f"{place}/train.csv", f"{place}/test.csv"
        tuning = Tuning(data=train, test=test, epochs=4, rates="0.0003,0.001", holdout=0.1, batch_size=32, seed=seed)
        return Config(task=task, data=train, exclude=test, seed=seed, **own), tuning, None
    config = Config(task=task, data=place, group_pattern=SPEAKER, test_share=0.3, seed=seed, **own)
    return config, Tuning(data=place, group_pattern=SPEAKER, seed=seed), 10


def measure(part, task, place, seed, runs, known, add, **own):
    """Pre-trains and fine-tunes, and adds a cell for each method that is not there yet.

    Args:
        part: "fashion", "imdb" or "speech".
        task: A task of `TASKS`.
        place: Folder of the data.
        seed: Seed.
        runs: Folder of the runs.
        known: Function that tells whether there is a cell with a key.
        add: Function that takes the key of a cell and what was measured.
        **own: As of `configured`.
    """
    from kerasmlsp.apps.pretrain import finetune, train

    config, tuning, per_class = configured(part, task, place, seed, **own)
    first = task == TASKS[part][0]
    wanted = [name for name in finetune.methods_of(config.kind) if name not in CLASSICAL or first]
    wanted += [finetune.TAUGHT] * (part == "fashion" and first)
    keys = {name: {"part": part, "task": task, "method": name, "seed": seed} for name in wanted}
    missing = [name for name in wanted if not known(keys[name])]
    if not missing:
        return
    run = runs / f"{part}-{task}-{seed}"
    if not (run / "model.keras").exists():
        train.train(config, run, resume=(run / "config.json").exists())
    draws = {"shares": [], "per_class": [per_class]} if per_class else {"shares": [1.0], "per_class": []}
    for name in missing:
        # One by one, so that what is measured is kept at once; the net from scratch is what gains are told to.
        methods = [name] if name == finetune.SCRATCH else [finetune.SCRATCH, name]
        table = finetune.finetune(run, tuning, **draws, methods=methods)["table"]
        row = next(row for row in table if row["method"] == name)
        kept = ("labels", "accuracy", "macro_f1", "gain", "chosen", "seconds")
        add(keys[name], {field: row[field] for field in kept if field in row})


def read_cells(path):
    """The whole lines of a table; one that was broken off is taken out of the file."""
    from kerasmlsp.files import write_atomically

    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    whole = [line for line in lines if line.endswith("}\n")]
    if len(whole) < len(lines):
        write_atomically(path, lambda place: place.write_text("".join(whole)))
    return [json.loads(line) for line in whole]


def summary(cells):
    """Returns a Markdown table: accuracy and what is gained over the net from scratch, by the mean over the seeds."""
    head = ("data", "task", "method", "labels", "seeds", "accuracy", "deviation of seeds", "95 % of one seed")
    head = (*head, "gain, points", "seconds")
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    rows = {}
    for cell in cells:
        rows.setdefault((cell["part"], cell["task"], cell["method"]), []).append(cell)
    for (part, task, method), own in rows.items():
        values = [cell["accuracy"]["value"] for cell in own]
        spread = f"{statistics.stdev(values):.4f}" if len(values) > 1 else "-"
        reach = f"{own[0]['accuracy']['low']:.3f} to {own[0]['accuracy']['high']:.3f}"
        gains = [100 * cell["gain"]["value"] for cell in own if "gain" in cell]
        gain = f"{statistics.mean(gains):+.1f}" if gains else "-"
        seconds = f"{statistics.mean(cell['seconds'] for cell in own):.0f}"
        shown = (part, "-" if method in CLASSICAL else task, method, own[0]["labels"], len(own))
        shown = (*shown, f"{statistics.mean(values):.4f}", spread, reach, gain, seconds)
        lines.append(f"| {' | '.join(map(str, shown))} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion", help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--imdb", help="folder with train.csv and test.csv")
    parser.add_argument("--speech", help="folder of Speech Commands, with a folder for each word")
    parser.add_argument("--runs", type=Path, default=Path("runs/pretraining_benchmark"), help="folder of the runs")
    parser.add_argument("--tasks", help="some of the tasks, with commas between; default all of the data")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, help="epochs of pre-training; default those of the recipe")
    options = parser.parse_args()
    places = {part: getattr(options, part) for part in TASKS if getattr(options, part)}
    if not places:
        parser.error("give --fashion, --imdb or --speech")
    own = {} if options.epochs is None else {"epochs": options.epochs}
    options.runs.mkdir(parents=True, exist_ok=True)
    table = options.runs / "cells.jsonl"
    cells = read_cells(table)

    def known(key):
        return any(key.items() <= row.items() for row in cells)

    def add(key, found):
        cells.append(key | found)
        with open(table, "a") as file:
            file.write(json.dumps(cells[-1]) + "\n")
        print(key, round(found["accuracy"]["value"], 4), flush=True)

    for seed in map(int, options.seeds.split(",")):
        for part, place in places.items():
            for task in TASKS[part]:
                if options.tasks is None or task in options.tasks.split(","):
                    measure(part, task, place, seed, options.runs, known, add, **own)
    if cells:
        print("\n" + summary(cells))


if __name__ == "__main__":
    main()
