"""The most memory that `train` takes, with data and with ten times as many.

    python -m benchmarks.memory
    python -m benchmarks.memory --apps sentiment --count 2500 --factor 10

Trains for one epoch on texts, or on pictures, that are made here: of random words, and of random squares. Each training
is a process of its own, whose largest resident memory the system tells. A growth of at most 10 % would mean that the
data are read as they are needed.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.ratios import markdown

APPS = {"sentiment": 2500, "gesture": 500}
"""Examples by application."""
OPTIONS = {"sentiment": ("--architecture", "lstm"), "gesture": ("--architecture", "lenet")}


def texts(place, count):
    """Writes reviews of 230 words on average, as long as IMDB's; returns the file."""
    import numpy as np

    random = np.random.default_rng(0)
    words = np.array([f"w{number:x}" for number in range(30_000)])
    path = Path(place, "texts.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(count):
            # Frequent words are frequent, as in texts.
            chosen = (30_000 ** random.random(random.integers(60, 400)) - 1).astype(int)
            writer.writerow([" ".join(words[chosen]), ("neg", "pos")[number % 2]])
    return path


def pictures(place, count):
    """Writes JPEGs of 256 x 256 in a folder for each of two classes; returns the folder."""
    import numpy as np
    from PIL import Image

    random, folder = np.random.default_rng(0), Path(place, "pictures")
    for number in range(count):
        squares = random.integers(0, 256, (8, 8, 3), dtype="uint8")
        kind = folder / ("dark", "light")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        Image.fromarray(squares.repeat(32, 0).repeat(32, 1)).save(kind / f"{number}.jpg")
    return folder


DATA = {"sentiment": texts, "gesture": pictures}


def peak(app, data, place, epochs):
    """Megabytes that a training takes at most."""
    command = [str(Path(sys.executable).with_name("kerasmlsp")), app, "train", "--data", str(data), "--run", "memory"]
    command += ["--epochs", str(epochs), *OPTIONS[app]]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with open(Path(place, "log"), "w") as log:
        child = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{' '.join(command)} failed: {Path(place, 'log').read_text().splitlines()[-1:]}")
    return used.ru_maxrss / 1024


def size(path):
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.stat().st_size for each in files) / 2**20


def measure(app, count, options):
    """Peaks with `count` examples and with `factor` times as many."""
    found = []
    for number in (count, options.factor * count):
        with tempfile.TemporaryDirectory() as place:
            data = DATA[app](place, number)
            most = peak(app, data, place, options.epochs)
            found.append({"app": app, "examples": number, "data_mb": size(data), "peak_mb": most})
    growth = found[1]["peak_mb"] / found[0]["peak_mb"] - 1
    more = found[1]["data_mb"] - found[0]["data_mb"]
    found[1] |= {"growth": growth, "mb_per_mb": (found[1]["peak_mb"] - found[0]["peak_mb"]) / more}
    return [{**row, "growth": row.get("growth"), "mb_per_mb": row.get("mb_per_mb")} for row in found]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--apps", default=",".join(APPS), help="with commas between (default: %(default)s)")
    parser.add_argument("--count", type=int, help=f"examples of the smaller training; default: {APPS}")
    parser.add_argument("--factor", type=int, default=10, help="how many times as many the larger has")
    parser.add_argument("--epochs", type=int, default=1)
    options = parser.parse_args(arguments)
    rows = []
    for app in options.apps.split(","):
        rows += measure(app, options.count or APPS[app], options)
    print(markdown(rows, ".4g", growth=".1%", mb_per_mb=".2f"))


if __name__ == "__main__":
    main()
