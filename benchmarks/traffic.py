"""How well each architecture forecasts speeds, beside persistence, the usual day and gradient boosting.

    python -m benchmarks.traffic --data los_loop/los_speed.csv --graph los_loop/los_adj.csv --runs runs/benchmark

The last fifth of the time is the test, looked at once by each row. "At" is the error of the step so many minutes ahead,
"up to" that of all steps to there. Boosting is scikit-learn's HistGradientBoostingRegressor with its defaults, one
model for each step ahead and all roads, on the change since the last step. It sees the last speeds of the road, the
means of its neighbours and of all roads, the strongest patterns of the network, the mean of the other days then, road
and time of day. The first architecture is trained with every seed, the others with the first.

Each finished row is a line of `rows.jsonl` in the folder of the runs, and trainings that were stopped go on, so the
command can be killed and repeated.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from benchmarks.ratios import markdown

BOOSTING = "boosting on the change"
# Strongest patterns of the network that boosting sees.
PATTERNS = 8


def run_row(architecture, seed, options):
    """Trains and measures a run."""
    from kerasmlsp.apps.traffic import evaluate, train
    from kerasmlsp.apps.traffic.config import Config

    run = options.runs / f"{architecture}-{seed}"
    config = Config(
        data=str(options.data.resolve()),
        graph=str(options.graph.resolve()),
        architecture=architecture,
        seed=seed,
        epochs=options.epochs,
        members=options.members if architecture == options.architectures[0] else 1,
    )
    started = time.perf_counter()
    if not (run / "model.keras").exists():
        train.train(config, run, resume=(run / "config.json").exists())
    minutes = (time.perf_counter() - started) / 60
    return {"metrics": evaluate.evaluate(run)["metrics"], "minutes": minutes}


def baseline_rows(names, options):
    """Measures forecasts that need no net."""
    import numpy as np

    from kerasmlsp.apps.traffic import data, evaluate
    from kerasmlsp.apps.traffic.config import Config

    config = Config(data=str(options.data), graph=str(options.graph))
    speeds = data.read(config)
    span = data.parts(len(speeds.values), config)["test"]
    windows = data.Windows(speeds, config.length, config.ahead()[-1])
    places = data.positions(span, config)
    makers = {
        "persistence": lambda: np.repeat(speeds.values[places][:, None], windows.horizon, axis=1),
        "usual day": lambda: evaluate.usual_day(speeds, span.start, speeds, places, windows.horizon),
        BOOSTING: lambda: boosted(speeds, span.start, places, windows.horizon, config, options.runs),
    }
    for name in names:
        started = time.perf_counter()
        forecasts = makers[name]()
        found = evaluate.measured(windows.truth(places), forecasts, config)
        yield name, {"metrics": found, "minutes": (time.perf_counter() - started) / 60}


def boosted(speeds, known, places, horizon, config, folder):
    """Forecasts of gradient boosting, `(windows, horizon, roads)`; each step ahead is kept once it is done."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    from kerasmlsp.apps.traffic import data

    network = data.read_network(config, speeds.roads)
    trained = np.arange(config.length - 1, known - horizon)
    found = []
    for ahead in range(1, horizon + 1):
        file = folder / f"boosting-{ahead}.npy"
        if not file.exists():
            model = HistGradientBoostingRegressor(random_state=0)
            change = speeds.values[trained + ahead] - speeds.values[trained]
            model.fit(features(speeds, known, trained, ahead, network, config.length), change.ravel())
            change = model.predict(features(speeds, known, places, ahead, network, config.length))
            np.save(file, change.reshape(len(places), -1))
            print(f"boosting, step {ahead} of {horizon}", flush=True)
        found.append(speeds.values[places] + np.load(file))
    return np.stack(found, axis=1)


def features(speeds, known, places, ahead, network, length):
    """What boosting sees of every window and road, `(windows * roads, features)`."""
    import numpy as np

    values, roads = speeds.values, len(speeds.roads)
    weights = network.adjacency - np.diag(np.diag(network.adjacency))
    weights = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9)
    near = values @ weights.T
    minutes = speeds.minutes()[places]
    means = values.mean(1)
    known_means = values[:known].mean(0)
    patterns = np.linalg.svd(values[:known] - known_means, full_matrices=False)[2][:PATTERNS]
    whole = [
        *(means[places - back] for back in (0, 3, 6, length - 1)),
        *((values[places] - known_means) @ patterns.T).T,
    ]
    parts = [
        *(values[places - back] for back in range(length)),
        *(near[places - back] for back in range(0, length, 3)),
        *(other_days(speeds, known, places + step) for step in (0, ahead)),
        *(np.repeat(each[:, None], roads, axis=1) for each in (*whole, minutes)),
        np.tile(np.arange(roads), (len(places), 1)),
    ]
    return np.stack(parts, axis=-1).reshape(-1, len(parts))


def other_days(speeds, known, places):
    """The mean of the known days at the time of the day of `places`, without the day of the place itself."""
    import numpy as np

    steps = speeds.minutes() // speeds.step_minutes
    count = 24 * 60 // speeds.step_minutes
    sums, days = np.zeros((count, speeds.values.shape[1])), np.zeros((count, 1))
    np.add.at(sums, steps[:known], speeds.values[:known])
    np.add.at(days, steps[:known], 1)
    own = (places < known)[:, None]
    here = steps[places]
    return (sums[here] - own * speeds.values[places]) / np.maximum(days[here] - own, 1)


def table(rows):
    """The rows with their means over seeds, as Markdown."""
    names = list(next(iter(rows.values()))["metrics"])
    shown, groups = [], {}
    for (model, seed), row in rows.items():
        values = {name: each["value"] for name, each in row["metrics"].items()}
        groups.setdefault(model, []).append(values)
        shown.append({"model": model, "seed": seed, **values, "minutes": row["minutes"]})
    for model, found in groups.items():
        if len(found) > 1:
            means = {name: statistics.mean(each[name] for each in found) for name in names}
            shown.append({"model": model, "seed": "mean", **means, "minutes": None})
    texts = []
    for where in ("at", "up to"):
        chosen = {name: name.replace(f" {where}", "") for name in names if f" {where} " in name}
        records = [
            {**{key: row[key] for key in ("model", "seed")}, **{head: row[name] for name, head in chosen.items()}}
            | {"minutes": row["minutes"]}
            for row in shown
        ]
        texts.append(f"{where.capitalize()} the horizon:\n\n{markdown(records, '.2f', minutes='.1f')}")
    return "\n\n".join(texts)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="table of speeds")
    parser.add_argument("--graph", type=Path, required=True, help="table of the network")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"))
    parser.add_argument("--architectures", nargs="*", default=["graph-mlp", "graph-lstm", "convlstm"])
    parser.add_argument("--baselines", nargs="*", default=["persistence", "usual day", BOOSTING])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--members", type=int, default=3, help="nets whose mean the first architecture forecasts")
    parser.add_argument("--epochs", type=int, help="default: each architecture's own")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    file = options.runs / "rows.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    rows = {(row.pop("model"), row.pop("seed")): row for row in map(json.loads, lines)}

    def keep(model, seed, row):
        rows[model, seed] = row
        with open(file, "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"model": model, "seed": seed, **row}) + "\n")
        print(f"{model} {seed}: done", flush=True)

    cheap = [name for name in options.baselines if name != BOOSTING and (name, None) not in rows]
    for name, row in baseline_rows(cheap, options):
        keep(name, None, row)
    wanted = [(options.architectures[0], seed) for seed in options.seeds] if options.architectures else []
    wanted += [(name, options.seeds[0]) for name in options.architectures[1:]]
    for architecture, seed in wanted:
        if (architecture, seed) not in rows:
            keep(architecture, seed, run_row(architecture, seed, options))
    if BOOSTING in options.baselines and (BOOSTING, None) not in rows:
        for name, row in baseline_rows([BOOSTING], options):
            keep(name, None, row)
    print(table(rows))


if __name__ == "__main__":
    main()
