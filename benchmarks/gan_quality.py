"""How near drawn images are to real ones: each gan architecture on Fashion-MNIST, beside its controls.

    python -m benchmarks.gan_quality --data fashion_mnist --runs runs/benchmark

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The first
architecture is trained with every seed, the others with the first seed only; all for about as many minutes as
`--minutes` says, as twenty steps that are timed beforehand foretell. 10,000 drawn images stand against the 10,000
test images, on the features of the shipped LeNet (no FID). The controls are 10,000 training images (the floor), 1,000
training images ten times over, which the distance to the nearest training image must find out, a Gaussian for each
class, and with scikit-learn (`pip install -e '.[benchmark]'`) its mixture of 20 Gaussians. The goals: a Frechet
distance of at most 2.0, and of at most 0.4 of that of the plain DCGAN (`dcgan`); classes of which a chi-square test
does not reject at 1 % that they are balanced; and hardly more copies than the test images have.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown

SIZE = 10_000


def seconds_of_a_step(config, found, steps=20):
    """The time of one training step, the first of which, that compiles, is left out."""
    from kerasmlsp.apps.gan import data, model

    size, channels = found.train.pixels.shape[2:]
    config = config.complete()
    gan = model.compiled(config, size, channels, len(found.classes), steps)
    batches = iter(data.training_batches(found.train, config).dataset(lambda: (0, 0)))
    gan.jit_compile = False
    gan.train_on_batch(*next(batches))
    started = time.perf_counter()
    for _ in range(steps):
        gan.train_on_batch(*next(batches))
    return (time.perf_counter() - started) / steps


def run_row(architecture, seed, options, found):
    import dataclasses

    from kerasmlsp.apps.gan import data, evaluate, train
    from kerasmlsp.apps.gan.config import Config

    run = options.runs / f"{architecture}-{seed}"
    timed = run / "seconds.json"
    if (run / "config.json").exists():
        from kerasmlsp import training

        config, _ = training.Run(run).configuration(Config)
    else:
        sizes = {"filters": options.filters, "epochs": options.epochs}
        config = Config(data=str(options.data.resolve()), architecture=architecture, seed=seed, **sizes)
        if options.epochs is None:
            step, batches = seconds_of_a_step(config, found), data.training_batches(found.train, config.complete())
            epochs = round(options.minutes * 60 / step / len(batches.order(0)))
            config = dataclasses.replace(config, epochs=max(1, epochs))
    if not (run / "model.keras").exists():
        resumed = (run / "config.json").exists()
        started = time.perf_counter()
        train.train(config, run, resume=resumed)
        if not resumed:
            timed.write_text(json.dumps(time.perf_counter() - started))
    file = run / evaluate.EVALUATION / "metrics.json"
    result = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run, samples=SIZE)
    rows = {row["set"]: row for row in result["distances"]}
    return {
        "images": architecture,
        "seed": seed,
        "frechet": rows["drawn"]["frechet"],
        "kernel": rows["drawn"]["kernel"],
        "classes_p": result["classes"]["probability"],
        "nearest": result["memorising"][0]["median distance"],
        "copies": result["memorising"][0]["copies"],
        "epochs": config.epochs,
        "minutes": json.loads(timed.read_text()) / 60 if timed.exists() else None,
    }


def control_rows(found, seed=0):
    """The controls, as many images each as there are test images."""
    import numpy as np

    from kerasmlsp.apps.gan import evaluate, features
    from kerasmlsp.metrics import distances

    measured = features.shipped()
    order = np.random.default_rng(seed).permutation(len(found.train))
    size = min(SIZE, len(found.train))
    sets = {
        "training images (floor)": found.train.pixels[order[:size]],
        "1,000 training images, repeated": found.train.pixels[order[np.arange(size) % 1000]],
        "Gaussian for each class": evaluate.mixture(found.train, size, seed),
    }
    try:
        sets["20 Gaussians, scikit-learn"] = scikit_mixture(found.train, size, seed)
    except ImportError:
        print("scikit-learn is not there: its mixture is left out.")
    reference, real = measured(found.test.pixels)
    rows = []
    for name, pixels in sets.items():
        own, probabilities = measured(pixels)
        near = evaluate.memorising(pixels, found, 1000)[0]
        rows.append(
            {
                "images": name,
                "frechet": distances.frechet_distance(own, reference),
                "kernel": distances.kernel_distance(own, reference),
                "classes_p": evaluate.class_balance(measured.classes, probabilities, real)["probability"],
                # A training image is its own nearest, which says nothing of the floor.
                "nearest": None if "floor" in name else near["median distance"],
                "copies": None if "floor" in name else near["copies"],
            }
        )
    test = evaluate.memorising(found.test.pixels, found, 1000)[1]
    return [*rows, {"images": "test images", "nearest": test["median distance"], "copies": test["copies"]}]


def scikit_mixture(part, size, seed):
    import numpy as np
    from sklearn.mixture import GaussianMixture

    flat = part.pixels.reshape(len(part), -1).astype("float32") / 255
    fitted = GaussianMixture(20, reg_covar=1e-4, random_state=seed, max_iter=30).fit(flat[:20_000])
    drawn = fitted.sample(size)[0]
    return np.clip(np.round(drawn * 255), 0, 255).astype(np.uint8).reshape(-1, *part.pixels.shape[1:])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument("--architectures", default="conditional,dcgan,wgan-gp")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--minutes", type=float, default=60, help="training time of each run (default: 60)")
    parser.add_argument("--epochs", type=int, help="epochs of each run, instead of --minutes")
    parser.add_argument("--filters", type=int, help="channels of the largest maps (default: the architecture's own)")
    parser.add_argument("--controls", action="store_true", help="the controls only")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from kerasmlsp.apps.gan import data
    from kerasmlsp.apps.gan.config import Config

    found = data.read(Config(data=str(options.data)))
    rows = [] if options.controls else trained_rows(options, found)
    print(markdown([*rows, *control_rows(found)], ".3f", nearest=".0f", minutes=".1f"))


def trained_rows(options, found):
    first, *others = options.architectures.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    rows = [run_row(first, seed, options, found) for seed in seeds]
    if len(rows) > 1:
        means = {
            name: statistics.mean(row[name] for row in rows) for name in ("frechet", "kernel", "nearest", "copies")
        }
        rows.append({"images": first, "seed": "mean", **means})
    return rows + [run_row(architecture, seeds[0], options, found) for architecture in others]


if __name__ == "__main__":
    main()
