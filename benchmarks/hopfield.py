"""How much Hopfield networks hold, beside a reference in NumPy that is measured in the same run.

    python -m benchmarks.hopfield

Parts:
  curve   overlap of stored random patterns with what recall from them ends in, against patterns for each unit; the
          reference has the same patterns and a random order of updates
  holds   share of patterns that come back whole from states with a tenth of the units flipped: the classical network
          at log2 D, D / (2 ln D) and 0.138 D patterns of D units, the modern one at as many and at 10 D
"""

import argparse
import dataclasses
import json
import math
import os

from benchmarks.ratios import compare, table

PARTS = ("curve", "holds")
LOADS = (0.10, 0.12, 0.138, 0.15, 0.18)


def reference_overlap(patterns, random):
    """Overlap of patterns with what asynchronous recall in random order ends in, in NumPy."""
    import numpy as np

    weights = patterns.T @ patterns / len(patterns[0])
    np.fill_diagonal(weights, 0)
    states, before = patterns.copy(), None
    while not np.array_equal(before, states):
        before = states.copy()
        for unit in random.permutation(len(weights)):
            states[:, unit] = np.where(states @ weights[unit] >= 0, 1.0, -1.0)
    return (patterns * states).mean()


def measure_curve(options):
    """Our overlap at every load, and its difference from the reference's on the same patterns."""
    import numpy as np

    from kerasmlsp.models.energy import hopfield_overlaps

    overlaps = hopfield_overlaps(options.units, LOADS, trials=options.trials, seed=0)
    patterns, orders, rows = np.random.default_rng(0), np.random.default_rng(1), []
    for load, overlap in zip(LOADS, overlaps, strict=True):
        shape = round(load * options.units), options.units
        drawn = (patterns.choice([-1.0, 1.0], shape) for _ in range(options.trials))
        peer = float(np.mean([reference_overlap(each, orders) for each in drawn]))
        rows.append(compare(f"overlap at {load} patterns a unit", [overlap], [peer]))
        rows.append(compare(f"difference at {load}", [abs(overlap - peer)], None, "<= 0.02"))
    return rows


def measure_holds(options):
    """Shares of patterns that come back whole."""
    import keras
    import numpy as np

    from kerasmlsp import models

    units, random = options.units, np.random.default_rng(0)

    def share(model, count):
        memory, whole = model.get_layer("recalled"), []
        for _ in range(options.trials):
            patterns = random.choice([-1.0, 1.0], (count, units)).astype("float32")
            memory.weights[0].assign(keras.ops.zeros(memory.weights[0].shape))
            memory.store(patterns)
            flipped = random.permuted(np.tile(np.arange(units) < units // 10, (count, 1)), axis=1)
            states = np.where(flipped, -patterns, patterns)
            whole.append(np.mean((np.sign(model.predict(states, batch_size=count, verbose=0)) == patterns).all(1)))
        return float(np.mean(whole))

    rows, classical = [], models.hopfield_network(units)
    counts = {
        "log2 D": round(math.log2(units)),
        "D / (2 ln D)": round(units / (2 * math.log(units))),
        "0.138 D": round(0.138 * units),
    }
    for name, count in counts.items():
        rows.append(compare(f"whole patterns, classical, {name} = {count}", [share(classical, count)]))
    for name, count in {**counts, "10 D": 10 * units}.items():
        modern = models.modern_hopfield_network(units, count, beta=1.0)
        rows.append(compare(f"whole patterns, modern, {name} = {count}", [share(modern, count)]))
    return rows


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="only this part")
    parser.add_argument("--units", type=int, default=500, help="units of a network (default: %(default)s)")
    parser.add_argument("--trials", type=int, default=10, help="networks to a number (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)

    # TensorFlow reads it once, while it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    measures = {"curve": measure_curve, "holds": measure_holds}
    rows = [row for part in ([options.part] if options.part else PARTS) for row in measures[part](options)]
    print(json.dumps([dataclasses.asdict(row) for row in rows], indent=2) if options.json else table(rows))


if __name__ == "__main__":
    main()
