"""How fast restricted Boltzmann machines train beside scikit-learn's, and what their features are worth.

    python -m benchmarks.rbm
    python -m benchmarks.rbm --part speed --batch-size 10

Parts:
  speed   training samples per second with 784 visible and 500 hidden units, persistent contrastive divergence with one
          step of Gibbs sampling, beside `sklearn.neural_network.BernoulliRBM` with the same batches, measured in turns;
          and the operations of its five products per second
  digits  accuracy of logistic regression on 100 hidden probabilities of digits 8 x 8 that are shifted by one pixel in
          four directions, as in scikit-learn's example "Restricted Boltzmann Machine features for digit
          classification"; the median of --seeds seeds, beside scikit-learn's own pipeline with the same seeds
"""

import argparse
import dataclasses
import json
import os

from benchmarks.ratios import compare, in_turns, seconds, table

PARTS = ("speed", "digits")
VISIBLE, HIDDEN, RATE = 784, 500, 0.05


def machine(num_visible, num_hidden, rate, *, num_chains=0, seed=0, steps_per_execution=1, precision="float32"):
    """A compiled machine that starts as scikit-learn's."""
    import keras

    from kerasmlsp import models

    keras.utils.set_random_seed(seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model = models.restricted_boltzmann_machine(num_visible, num_hidden, num_chains=num_chains, seed=seed)
    finally:
        keras.config.set_dtype_policy(policy)
    model.compile(keras.optimizers.SGD(rate), jit_compile=False, steps_per_execution=steps_per_execution)
    return model


def measure_speed(options):
    """Samples per second of one epoch, compilation excluded."""
    import numpy as np
    from sklearn.neural_network import BernoulliRBM

    from kerasmlsp import training

    data = (np.random.default_rng(0).random((options.samples, VISIBLE)) < 0.2).astype("float32")
    batch, rows = options.batch_size, []
    peer = BernoulliRBM(HIDDEN, learning_rate=RATE, batch_size=batch, n_iter=1, random_state=0)
    jobs = {"peer": lambda: len(data) / seconds(peer.fit, data)}
    precisions = ["float32"] + ["mixed_bfloat16"] * training.has_fast_bfloat16()
    for precision in precisions:
        steps = {"num_chains": batch, "steps_per_execution": 10, "precision": precision}
        model = machine(VISIBLE, HIDDEN, RATE, **steps)
        jobs[precision] = lambda model=model: len(data) / seconds(model.fit, data, batch_size=batch, verbose=0)
    in_turns(jobs, 1)
    values = in_turns(jobs, options.rounds)
    for precision in precisions:
        target = ">= 2" if precision == precisions[-1] else None
        what = f"train {VISIBLE} x {HIDDEN} in batches of {batch}, samples/s, {precision}"
        rows.append(compare(what, values[precision], values["peer"], target))
    for name, found in values.items():
        # What drives the hidden units (twice) and the visible ones, and both halves of the gradient.
        operations = [5 * 2 * VISIBLE * HIDDEN * each / 1e9 for each in found]
        rows.append(compare(f"the same, GFlop/s, {'scikit-learn' if name == 'peer' else name}", operations))
    return rows


def shifted_digits():
    """The example's data: training images and labels, test images and labels."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.preprocessing import minmax_scale

    images, labels = load_digits(return_X_y=True)
    square = np.pad(images.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    shifts = [(1, 1), (2, 1), (0, 1), (1, 2), (1, 0)]
    images = np.concatenate([square[:, row : row + 8, column : column + 8].reshape(-1, 64) for row, column in shifts])
    images = minmax_scale(images.astype("float32"))
    return train_test_split(images, np.tile(labels, 5), test_size=0.2, random_state=0)


def measure_digits(options):
    """Accuracy on the example's test images."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import BernoulliRBM

    train, test, labels, expected = shifted_digits()

    def accuracy(features):
        # The example's tolerance is 1 for the sum over the images, scikit-learn 1.9 measures by the mean.
        answer = LogisticRegression(solver="newton-cg", tol=1 / len(train), C=6000).fit(features(train), labels)
        return answer.score(features(test), expected)

    def ours(seed):
        model = machine(64, 100, 0.06, num_chains=10, seed=seed, steps_per_execution=50)
        model.fit(train, batch_size=10, epochs=10, verbose=0)
        return accuracy(lambda images: model.predict(images, batch_size=256, verbose=0))

    def theirs(seed):
        peer = BernoulliRBM(100, learning_rate=0.06, n_iter=10, random_state=seed).fit(train)
        return accuracy(peer.transform)

    values = [[each(seed) for seed in range(options.seeds)] for each in (ours, theirs)]
    what = f"digits, accuracy on {len(test):,} images, {options.seeds} seeds"
    return [compare(what, values[0], None, ">= 0.939"), compare(f"{what}, beside scikit-learn's pipeline", *values)]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="only this part")
    parser.add_argument("--batch-size", type=int, default=100, help="samples of a batch (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=10_000, help="samples of an epoch (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="epochs to measure (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the part digits (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)

    # TensorFlow reads it once, while it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    measures = {"speed": measure_speed, "digits": measure_digits}
    rows = []
    for part in [options.part] if options.part else PARTS:
        try:
            rows += measures[part](options)
        except ModuleNotFoundError as error:
            parser.exit(1, f"{part}: {error}; pip install -e '.[benchmark]'\n")
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
