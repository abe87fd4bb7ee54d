"""Next-frame music prediction on JSB Chorales and Nottingham: every architecture, and ensembles of them.

    python -m benchmarks.music_frames --data jsb-chorales-quarter.json --runs runs/frames-jsb
    python -m benchmarks.music_frames --data nottingham/MIDI --runs runs/frames-nottingham --seeds 0

Prints nats per frame: the negative log-likelihood of the next frame, summed over its 88 keys, which are independent
given the frames before. As in Bai, Kolter and Koltun 2018 (TCN 8.10 on JSB and 3.07 on Nottingham, LSTM 8.45 and 3.29,
GRU 8.43 and 3.46, plain recurrent net 8.91 and 4.05), the first frame of a piece is given, all others count, and the
mean is over all counted frames of the set, so that long pieces weigh more.

JSON brings its own split. Files of a folder are sampled at eighth notes and split 694 : 173 : 170, as Nottingham is
elsewhere, though not into the same sets: pieces that begin alike, also in another key, stay together, and the order
follows from a hash of their names.

Epochs and the weights of the stack are chosen on the validation pieces; the test pieces are measured once per run. Runs
that are there already are taken up where they were stopped.
"""

import argparse
import dataclasses
import functools
import hashlib
import json
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown

SHARES = (694, 173, 170)
SPLITS = ("train", "valid", "test")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How an architecture is trained: `shifted` is the share of transposed pieces in a batch."""

    learning_rate: float
    epochs: int = 60
    shifted: float = 0.0
    batch_size: int = 16
    length: int | None = None
    validation_batch: int = 19
    arguments: dict = dataclasses.field(default_factory=dict)


JSB = {
    "rnn": Recipe(2e-3, arguments={"units": 150}),
    "lstm": Recipe(4e-3),
    "gru": Recipe(3e-3),
    "tcn": Recipe(2e-3, arguments={"filters": 128}),
    "transformer": Recipe(3e-3),
    "recall_lstm": Recipe(4e-3, 45, shifted=0.5),
    "recall_transformer": Recipe(3e-3),
}
# More music than JSB: less dropout.
_LIGHT = {"input_dropout": 0.1, "dropout": 0.3}
NOTTINGHAM = {
    "rnn": Recipe(1e-3, 12, length=256, validation_batch=2, arguments=_LIGHT),
    "lstm": Recipe(4e-3, 12, length=256, validation_batch=2, arguments=_LIGHT),
    "gru": Recipe(3e-3, 12, length=256, validation_batch=2, arguments=_LIGHT),
    "tcn": Recipe(2e-3, 12, length=256, validation_batch=2, arguments={"num_blocks": 4, **_LIGHT}),
    "transformer": Recipe(3e-3, 12, length=256, validation_batch=2, arguments={"input_dropout": 0.1, "dropout": 0.2}),
    "recall_lstm": Recipe(4e-3, 12, length=256, validation_batch=2, arguments=_LIGHT),
    "recall_transformer": Recipe(
        3e-3, 30, length=256, validation_batch=2, arguments={"input_dropout": 0.05, "dropout": 0.1}
    ),
}


def read(path):
    """Returns the rolls of each split, and the recipes."""
    from kerasmlsp.music import read_rolls

    tunes = read_rolls(path, recursive=False, steps_per_quarter=2)
    if all(tune.split for tune in tunes):
        return {split: [tune.roll for tune in tunes if tune.split == split] for split in SPLITS}, JSB
    places = divided([tune.name for tune in tunes], [beginning(tune.roll) for tune in tunes], SHARES)
    rolls = {split: [tunes[i].roll for i in chosen] for split, chosen in zip(SPLITS, places, strict=True)}
    return rolls, NOTTINGHAM


def beginning(roll, steps=32):
    """What a piece shares with its transpositions and with other endings: its first keys, counted from the lowest."""
    import numpy as np

    steps, keys = np.nonzero(roll[:steps])
    return (steps.tobytes(), (keys - keys.min()).tobytes()) if len(keys) else ()


def divided(names, groups, shares):
    """Divides pieces by hashes of their names, so that those of one group stay together.

    Returns:
        A list of places for each of `shares`.
    """
    members = {}
    for place in sorted(range(len(names)), key=lambda i: hashlib.sha256(names[i].encode()).digest()):
        members.setdefault(groups[place], []).append(place)
    parts, ends = [[] for _ in shares], [sum(shares[: i + 1]) / sum(shares) * len(names) for i in range(len(shares))]
    done = 0
    for group in members.values():
        parts[next(i for i, end in enumerate(ends) if done < end)] += group
        done += len(group)
    return [sorted(part) for part in parts]


def trained(architecture, recipe, rolls, folder, seed):
    """Trains a run, or goes on with it; returns the model with the weights of its best epoch."""
    from kerasmlsp import losses, models, optimizers, training
    from kerasmlsp.music import frames

    batches = frames.training_batches(
        rolls["train"], recipe.batch_size, length=recipe.length, share=recipe.shifted, seed=seed
    )

    settings = training.Settings(
        learning_rate=recipe.learning_rate, warmup=0.0, epochs=recipe.epochs, monitor="val_nats", patience=15, seed=seed
    )

    def build():
        model = getattr(models, f"frame_{architecture}")(rolls["train"][0].shape[1], **recipe.arguments)
        steps = recipe.epochs * len(batches.order(0))
        model.compile(
            optimizers.build(settings, steps),
            losses.FrameNats(),
            weighted_metrics=[losses.NatsPerFrame()],
        )
        return model

    return training.fit(
        build,
        batches,
        folder,
        settings,
        validation=frames.validation_dataset(rolls["valid"], recipe.validation_batch),
        resume=True,
    )


def logits_and_targets(model, rolls):
    """Returns float32 and bool `(frames, keys)`, the frames of all pieces behind each other but the first of each."""
    import numpy as np

    from kerasmlsp.music import frames

    logits, targets = [], []
    for inputs, following, weights in frames.validation_dataset(rolls, 4):
        there = weights.numpy() > 0
        logits.append(np.asarray(model.predict_on_batch(inputs))[there])
        targets.append(following.numpy()[there] > 0)
    return np.concatenate(logits), np.concatenate(targets)


def nats(logits, targets):
    """Mean over frames of the negative log-likelihood summed over keys."""
    import numpy as np

    return float(np.mean(np.sum(np.logaddexp(0, logits) - targets * logits, axis=1)))


def run_row(architecture, seed, recipe, rolls, folder):
    """Trains and measures one run, or reads what an earlier command measured; predictions stay in the folder."""
    import numpy as np

    record, predictions = folder / "benchmark.json", folder / "predictions.npz"
    if not record.exists():
        started = time.perf_counter()
        model = trained(architecture, recipe, rolls, folder, seed)
        minutes = (time.perf_counter() - started) / 60
        row = {"architecture": architecture, "seed": seed, "parameters": model.count_params()}
        arrays = {}
        for split in ("valid", "test"):
            arrays[split], targets = logits_and_targets(model, rolls[split])
            row[split] = nats(arrays[split], targets)
        np.savez(predictions, **arrays)
        record.write_text(json.dumps({**row, "minutes": minutes}))
    return json.loads(record.read_text()), dict(np.load(predictions))


def averaged(members):
    """Logits of the mean of the members' probabilities, `(frames, keys)`."""
    import numpy as np

    # By the hyperbolic tangent, which does not overflow.
    share = np.mean([(1 + np.tanh(np.asarray(logits, "float64") / 2)) / 2 for logits in members], axis=0)
    return np.log(share) - np.log1p(-share)


def stacked(members, targets, *, ridge=1.0, steps=12):
    """Fits weights of the members' logits and a bias to the targets, by Newton's method.

    `z = b + sum_m a_m z_m`, with the penalty `ridge / 2 * sum_m (a_m - 1 / M) ** 2` on the summed nats.

    Returns:
        Function from members' logits to the logits of the stack.
    """
    import numpy as np

    def columns(members):
        flat = [np.asarray(logits, "float64").ravel() for logits in members]
        return np.stack([*flat, np.ones_like(flat[0])], axis=1)

    inputs, wanted = columns(members), np.asarray(targets).ravel()
    start = np.append(np.full(len(members), 1 / len(members)), 0.0)
    penalty = np.append(np.full(len(members), ridge), 0.0)

    def cost(weights):
        logits = inputs @ weights
        return np.sum(np.logaddexp(0, logits) - wanted * logits) + penalty @ (weights - start) ** 2 / 2

    weights = start.copy()
    for _ in range(steps):
        share = (1 + np.tanh(inputs @ weights / 2)) / 2
        slope = inputs.T @ (share - wanted) + penalty * (weights - start)
        curvature = (inputs * (share * (1 - share))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        # Far from the best weights a whole step may lead away from them.
        while cost(weights - step) > cost(weights) and np.abs(step).max() > 1e-9:
            step /= 2
        weights -= step
    return lambda members: (columns(members) @ weights).reshape(np.shape(members[0]))


def ensemble_rows(predictions, targets):
    """Measures the mean of the probabilities of all runs, and a stack that is fitted on the validation pieces."""
    stack = stacked([each["valid"] for each in predictions], targets["valid"])
    rows = []
    for name, join in (("ensemble, mean", averaged), ("ensemble, stacked", stack)):
        found = {split: nats(join([each[split] for each in predictions]), targets[split]) for split in targets}
        rows.append({"architecture": f"{name} of {len(predictions)}", "validation": f"{found['valid']:.3f}"})
        rows[-1]["test"] = f"{found['test']:.3f}"
    rows[-1]["validation"] += " (fitted)"
    return rows


def summary(rows):
    """Joins the runs of one architecture: mean and spread over seeds."""

    def spread(split):
        values = [row[split] for row in rows]
        return f"{statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"

    return {
        "architecture": rows[0]["architecture"],
        "parameters": f"{rows[0]['parameters']:,}",
        "seeds": len(rows),
        "validation": spread("valid"),
        "test": spread("test"),
        "minutes": f"{statistics.mean(row['minutes'] for row in rows):.1f}",
    }


def targets_of(rolls):
    """The next frames of a split in the order of `logits_and_targets`, bool `(frames, keys)`."""
    import numpy as np

    from kerasmlsp.music import frames

    pairs = ((following.numpy(), weights.numpy()) for _, following, weights in frames.validation_dataset(rolls, 4))
    return np.concatenate([following[weights > 0] > 0 for following, weights in pairs])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="jsb-chorales-quarter.json, or a folder of MIDI files")
    parser.add_argument("--runs", type=Path, default=Path("runs/frames"), help="folder of the runs")
    parser.add_argument("--architectures", default=",".join(JSB), help="with commas between")
    parser.add_argument("--ensemble", default="recall_lstm,recall_transformer", help="whose runs are joined")
    parser.add_argument("--seeds", default="0,1,2", help="with commas between")
    options = parser.parse_args()

    rolls, recipes = read(options.data)
    architectures, seeds = options.architectures.split(","), [int(seed) for seed in options.seeds.split(",")]
    measure = functools.partial(run_row, rolls=rolls)
    lines, members = [], []
    for architecture in architectures:
        runs = [
            measure(architecture, seed, recipes[architecture], folder=options.runs / f"{architecture}-{seed}")
            for seed in seeds
        ]
        lines.append(summary([row for row, _ in runs]))
        members += [arrays for _, arrays in runs if architecture in options.ensemble.split(",")]
        print(markdown(lines[-1:]), flush=True)
    if len(members) > 1:
        lines += ensemble_rows(members, {split: targets_of(rolls[split]) for split in ("valid", "test")})
    print("\n" + markdown(lines))


if __name__ == "__main__":
    main()
