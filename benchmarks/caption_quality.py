"""How well each architecture captions pictures, beside a fixed sentence and the consensus of nearest neighbours.

    python -m benchmarks.caption_quality --data flickr8k/captions.csv --runs runs/benchmark
    python -m benchmarks.caption_quality --part speed --run runs/benchmark/transformer-0

Runs that are there already are taken up where they were stopped, so the command can be killed and repeated. The first
architecture is trained with every seed, and then refined by self-critical training; the others are trained with the
first seed only, for orientation. The split val selects the epoch; the split test is looked at once per run. BLEU is
sacrebleu's, CIDEr-D pycocoevalcap's, on all references, in lower case without punctuation. `--part speed` compares
captions a second of the saved model with a loop that calls the net once a word.
"""

import argparse
import functools
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.ratios import compare, in_turns, markdown, seconds, table

MEASURES = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D", "words")


def run_rows(architecture, seed, options, *, refine):
    """The rows of one run and, with `refine`, of what self-critical training makes of it; the evaluation of the run."""
    from kerasmlsp.apps.caption.config import SCRATCH, Config, refined

    run = options.runs / f"{architecture}-{seed}"
    config = Config(
        data=str(options.data.resolve()),
        architecture=architecture,
        encoder=options.encoder,
        encoder_weights=options.encoder_weights,
        seed=seed,
        epochs=options.epochs,
        beams=options.beams,
        cache=options.cache and str(options.cache),
    )
    rows, result = _measured(architecture, config, run, options)
    if refine and config.encoder != SCRATCH:
        after = run.with_name(f"{run.name}-refined")
        rows += _measured(f"{architecture}, refined", refined(config, run), after, options)[0]
    return rows, result


def _measured(name, config, run, options):
    from kerasmlsp.apps.caption import evaluate, train

    timed = run / "seconds.json"
    if not (run / "model.keras").exists():
        started = time.perf_counter()
        train.train(config, run, resume=(run / "config.json").exists())
        timed.write_text(json.dumps(time.perf_counter() - started))
    file = run / evaluate.EVALUATION / "metrics.json"
    result = json.loads(file.read_text()) if file.exists() else evaluate.evaluate(run)
    minutes = json.loads(timed.read_text()) / 60 if timed.exists() else None
    rows = [
        {"captions": name, "seed": config.seed, "search": search, **_values(measures), "minutes": minutes}
        for search, measures in result["metrics"].items()
        if search in ("greedy", f"beams of {options.beams}")
    ]
    return rows, result


def _values(measures):
    return {name: measures[name]["value"] for name in MEASURES}


def means(rows):
    """The mean over seeds of each net and way to search."""
    groups = {}
    for row in rows:
        groups.setdefault((row["captions"], row["search"]), []).append(row)
    return [
        {
            "captions": captions,
            "seed": "mean",
            "search": search,
            **{name: statistics.mean(row[name] for row in group) for name in MEASURES},
        }
        for (captions, search), group in groups.items()
    ]


def quality(options):
    first, *others = options.architectures.split(",")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = [run_rows(first, seed, options, refine=True) for seed in seeds]
    rows = [row for each, _ in found for row in each]
    if len(seeds) > 1:
        rows += means(rows)
    for architecture in others:
        rows += run_rows(architecture, seeds[0], options, refine=False)[0]
    result = found[0][1]
    baselines = [
        {"captions": name, "seed": "-", "search": "-", **_values(measures), "minutes": None}
        for name, measures in result["metrics"].items()
        if name in ("fixed sentence", "consensus of neighbours")
    ]
    print(markdown([*baselines, *rows], ".1f", **{"CIDEr-D": ".3f"}))


def speed(options):
    """Captions a second of the saved model, pictures in, beside one call of the net a word, a picture at a time."""
    import numpy as np

    from kerasmlsp.apps.caption import data, evaluate, export, model
    from kerasmlsp.data import images
    from kerasmlsp.exporting import loading
    from kerasmlsp.exporting.model_cards import Notes

    net = evaluate.load(options.run)
    size, count = model.image_size(net.config), options.pictures
    random = np.random.default_rng(0)
    pixels = np.stack([images.resize(each, size) for each in random.integers(0, 255, (count, 8, 8, 3), np.uint8)])
    with tempfile.TemporaryDirectory() as folder:
        saved = loading.load(export.export(options.run, Path(folder), Notes("benchmark", "none")))

        def ours():
            return saved(images=pixels)["captions"][:, 0]

        def loop():
            return [_loop(net, data, picture) for picture in pixels]

        ours()  # the first call of each is slower
        _loop(net, data, pixels[0])
        jobs = {each.__name__: functools.partial(seconds, each) for each in (ours, loop)}
        values = {name: [count / each for each in found] for name, found in in_turns(jobs, options.rounds).items()}
    what = f"captions a second, {net.config.architecture}, beams of {net.config.beams}; the loop is greedy"
    print(table([compare(what, values["ours"], values["loop"], ">= 10")]))


def _loop(net, data, picture):
    """The usual loop: the whole prefix is read again for every word."""
    import numpy as np

    features = net.encoder.predict(picture[None].astype("float32"), verbose=0)
    tokens = [data.START]
    while len(tokens) <= net.config.max_words and tokens[-1] != data.STOP:
        inputs = {"features": features, "token_ids": np.array([tokens], "int32")}
        tokens.append(int(net.captioner.predict(inputs, verbose=0)[0, -1].argmax()))
    return tokens


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("quality", "speed"), default="quality")
    parser.add_argument("--data", type=Path, help="table of captions, with the folder images beside it")
    parser.add_argument("--runs", type=Path, default=Path("runs/benchmark"), help="folder of the runs")
    parser.add_argument("--architectures", default="transformer,attention,lstm")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--encoder", default="efficientnet-lite0")
    parser.add_argument("--encoder-weights", default="imagenet")
    parser.add_argument("--epochs", type=int, help="default: the architecture's own")
    parser.add_argument("--beams", type=int, default=3)
    parser.add_argument("--cache", type=Path, help="folder of computed features")
    parser.add_argument("--run", type=Path, help="finished run, for --part speed")
    parser.add_argument("--pictures", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    needed = "data" if options.part == "quality" else "run"
    if getattr(options, needed) is None:
        parser.error(f"--{needed} is needed")
    if options.data is not None and options.data.is_dir():
        options.data /= "captions.csv"
    quality(options) if options.part == "quality" else speed(options)


if __name__ == "__main__":
    main()
