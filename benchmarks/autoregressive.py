"""What images and sounds cost by `pixelcnn` and `wavenet`, beside simpler means, and how fast the saved models draw.

    python -m benchmarks.autoregressive --fashion fashion_mnist --runs runs/benchmark
    python -m benchmarks.autoregressive --speech speech_commands --runs runs/benchmark
    python -m benchmarks.autoregressive --fashion fashion_mnist --part speed

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The recipe
is that of `kerasmlsp pixelcnn train` and `kerasmlsp wavenet train`, or as `--options '{"epochs": 3}'` changes it; the
epoch is selected on training images or recordings that are held out, and the test part is looked at once per run.
Images are measured in bits per dimension of 8-bit values, sounds in nats per sample of 256 mu-law levels by speakers
that were not heard. `--part speed` compares the saved model with a loop that runs the whole net for every pixel or
sample, compiled without XLA, of which only the first `--steps` are run and the rest is reckoned alike; the levels of
those must be the same for the same seed.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, markdown, seconds, table

PATTERN = "([0-9a-f]{8})_nohash_"


def trained(app, data, seed, options):
    """Trains a run of an application where there is none, and returns its folder and minutes."""
    import importlib

    train = importlib.import_module(f"kerasmlsp.apps.{app}.train").train
    config = importlib.import_module(f"kerasmlsp.apps.{app}.config").Config
    run = options.runs / f"{app}-{seed}"
    timed = run / "seconds.json"
    if not (run / "model.keras").exists():
        resumed = (run / "config.json").exists()
        more = {"group_pattern": PATTERN} if app == "wavenet" else {}
        settings = config(data=str(data.resolve()), seed=seed, **{**more, **json.loads(options.options)})
        started = time.perf_counter(), time.process_time()
        train(settings, run, resume=resumed)
        taken = time.perf_counter() - started[0], time.process_time() - started[1]
        # Of a run that was taken up only the rest is known.
        timed.write_text(json.dumps(None if resumed else taken))
    taken = json.loads(timed.read_text()) if timed.exists() else None
    return run, taken


def quality(app, data, options):
    """The table of one application: the net of each seed, and the simpler means."""
    import importlib

    evaluate = importlib.import_module(f"kerasmlsp.apps.{app}.evaluate")
    rows, others = [], {}
    for seed in options.seeds.split(","):
        run, taken = trained(app, data, int(seed), options)
        file = run / "evaluation/metrics.json"
        result = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run)
        found = dict(result["measures"] if app == "pixelcnn" else result["nats per sample"])
        minutes = {"minutes": taken and taken[0] / 60, "CPU minutes": taken and taken[1] / 60}
        rows.append({"by": f"net, seed {seed}", **_values(found.pop("net")), **minutes})
        others = found
    rows += [{"by": name, **_values(row)} for name, row in others.items()]
    print(markdown(rows, ".4f", **{"minutes": ".1f", "CPU minutes": ".1f"}))
    if app == "pixelcnn":
        best = [row["bits per dimension"] for row in rows[: len(options.seeds.split(","))]]
        print(table([compare("Fashion-MNIST, bits per dimension", best, None, "<= 2.9")]))


def _values(row):
    if "value" in row:
        return {"nats per sample": row["value"], "from": row["low"], "to": row["high"]}
    return {name: each["value"] if isinstance(each, dict) else each for name, each in row.items()}


def naive(logits_of, places, size, length):
    """A decoder that runs the whole net for every place.

    Args:
        logits_of: Maps levels `(batch, places)` to logits `(batch, places, size)`.
        places: Pixels or samples.
        size: Levels.
        length: Of the template, for which `fill` is compiled.

    Returns:
        Function of int32 `seeds` and `labels`, each `(batch,)`, to levels `(batch, length)`.
    """
    import tensorflow as tf

    from kerasmlsp import generation

    def levels_of(seeds, labels):
        def step(tokens, levels, position):
            levels = tf.where(tf.range(places) == position - 1, tokens[:, None], levels)
            here = tf.minimum(position, places - 1)
            return tf.gather(logits_of(levels, labels), here, axis=1), levels

        decoder = generation.Decoder(lambda batch: tf.zeros([batch, places], tf.int32), step, size)
        template = tf.fill([seeds.shape[0], length], generation.FREE)
        return generation.fill(decoder, template, seeds=seeds)[0]

    return tf.function(levels_of)


def speed(app, options):
    """How much faster the saved model draws than the loop, and how much of what both draw is the same."""
    import importlib

    import numpy as np
    import tensorflow as tf

    from kerasmlsp.exporting import loading
    from kerasmlsp.exporting.model_cards import Notes

    parts = {name: importlib.import_module(f"kerasmlsp.apps.{app}.{name}") for name in ("evaluate", "export")}
    run = options.runs / f"{app}-{options.seeds.split(',')[0]}"
    net, _, stored = parts["evaluate"].load(run)
    classes, batch, steps = stored["classes"], options.batch, options.steps
    labels = np.arange(batch, dtype="int32") % max(1, len(classes))
    seeds = np.arange(batch, dtype="int32")
    logits_of, places, answer = _whole(app, net, bool(classes), options.length)
    slow = naive(logits_of, places, 256, steps)
    with tempfile.TemporaryDirectory() as folder:
        saved = loading.load(parts["export"].export(run, Path(folder), Notes("benchmark", "none")))
        rows = {"seed": seeds, **({"label": [classes[label] for label in labels]} if classes else {})}
        settings = {"temperature": [1.0] * batch, "top_k": [0] * batch, "top_p": [1.0] * batch}
        settings |= {} if app == "pixelcnn" else {"length": [places] * batch}

        def ours():
            return answer(saved.call("generate", **rows, **settings))

        def loop():
            return slow(tf.constant(seeds), tf.constant(labels)).numpy()

        first, second = ours(), loop()  # the first call of each is slower
        jobs = {"ours": lambda: places / seconds(ours), "loop": lambda: steps / seconds(loop)}
        found = in_turns(jobs, options.rounds)
    same = (first[:, :steps] == second).mean()
    what = f"{app}, {places} places, batch {batch}, places/s of a row; and the whole net for each"
    print(table([compare(what, found["ours"], found["loop"], ">= 50")]))
    print(f"Of the first {steps} places {same:.4%} are the same for the same seed.")


def _whole(app, net, conditional, length):
    """What `naive` needs of a net, and the levels in an answer of the saved model."""
    import numpy as np
    import tensorflow as tf

    if app == "pixelcnn":
        shape = net.output_shape[1:-1]
        places = int(np.prod(shape))

        def logits_of_image(levels, labels):
            levels = tf.reshape(levels, [-1, *shape])
            logits = net({"label": labels, "levels": levels} if conditional else levels, training=False)
            return tf.reshape(logits, [-1, places, 256])

        return logits_of_image, places, lambda answer: answer["image"].reshape(-1, places).astype("int32")
    from kerasmlsp.apps.wavenet import data

    def logits_of_sound(levels, labels):
        heard = data.shifted(levels)
        return net({"label": labels, "levels": heard} if conditional else heard, training=False)

    return logits_of_sound, length, lambda answer: data.to_levels(answer["waveform"]).astype("int32")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion", type=Path, help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--speech", type=Path, help="folder of Speech Commands")
    parser.add_argument("--part", default="all", choices=("all", "quality", "speed"))
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--options", default="{}", help="JSON: fields of the configuration that differ")
    parser.add_argument("--batch", type=int, default=16, help="images or sounds that are drawn at once")
    parser.add_argument("--length", type=int, default=4000, help="samples of a sound")
    parser.add_argument("--steps", type=int, default=40, help="places that the loop goes through")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    if not (options.fashion or options.speech):
        parser.error("give --fashion or --speech")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for app, data in (("pixelcnn", options.fashion), ("wavenet", options.speech)):
        if data is None:
            continue
        if options.part != "speed":
            quality(app, data, options)
        if options.part != "quality":
            trained(app, data, int(options.seeds.split(",")[0]), options)
            speed(app, options)


if __name__ == "__main__":
    main()
