"""`kerasmlsp segment` on CamVid: the drive that selects, and val, which shares a drive with half of train.

    python -m benchmarks.segment --camvid camvid
    python -m benchmarks.segment --camvid camvid --encoders scratch --seeds 0,1,2 --architectures encoder-decoder,fcn-8s

Every net is trained on train without the drive that is held out (`--holdout`), which selects the epoch; both the
held-out drive and val are measured, beside the location prior and boosted trees on colour and position. Every training
goes on where it was, so the command can be broken off and repeated. Needs scikit-learn, and the extra `imagenet`.
"""

import argparse
import json
import time
from pathlib import Path

NAMES = ["Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian", "Bicyclist"]
"""Of the numbers of the masks, as Badrinarayanan et al. 2017, "SegNet"; 11 is void."""
GOALS = {"scratch": 0.50, "efficientnet": 0.55}


def configured(folder, architecture, encoder, seed, options):
    """The configuration of a net."""
    from kerasmlsp.apps.segment.config import Config

    return Config(
        data=str((folder / "train").resolve()),
        masks=str((folder / "trainannot").resolve()),
        class_names=str(options.runs.resolve() / "names.txt"),
        void="11",
        architecture=architecture,
        encoder=encoder,
        holdout_pattern=options.holdout,
        image_size=options.image_size,
        epochs=options.epochs,
        seed=seed,
    )


def measure(config, run, folder, boosting):
    """Trains a net, unless it is there, and measures it on the held-out drive and on val."""
    from kerasmlsp.apps.segment import evaluate, train

    place = run / "seconds.json"
    if not (run / "model.keras").exists():
        began, before = time.perf_counter(), json.loads(place.read_text()) if place.exists() else 0.0
        train.train(config, run, resume=run.exists())
        place.write_text(json.dumps(before + time.perf_counter() - began))
    held = evaluate.evaluate(run)
    val = evaluate.evaluate(run, folder / "val", folder / "valannot", boosting=boosting)
    seconds = json.loads(place.read_text()) if place.exists() else float("nan")
    return held, val, seconds / 60


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--camvid", type=Path, required=True, help="folder with train, trainannot, val and valannot")
    parser.add_argument("--runs", type=Path, default=Path("runs/segment-benchmark"), help="folder of the runs")
    parser.add_argument("--architectures", default="encoder-decoder")
    parser.add_argument("--encoders", default="scratch,efficientnet")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--epochs", type=int, help="default the recipe's own")
    parser.add_argument("--image-size", type=int, default=224, help="height and width that the net sees")
    parser.add_argument("--holdout", default="^0001TP", help="regular expression of the drive that is held out")
    parser.add_argument("--no-boosting", action="store_true", help="leave out the boosted trees, which take minutes")
    options = parser.parse_args()

    from benchmarks import ratios

    options.runs.mkdir(parents=True, exist_ok=True)
    (options.runs / "names.txt").write_text("\n".join(NAMES) + "\n")
    rows, beside, classes = [], [], {}
    for architecture in options.architectures.split(","):
        for encoder in options.encoders.split(","):
            for seed in map(int, options.seeds.split(",")):
                config = configured(options.camvid, architecture, encoder, seed, options)
                run = options.runs / f"{architecture}-{encoder}-{seed}"
                boosting = not (beside or options.no_boosting)
                held, val, minutes = measure(config, run, options.camvid, boosting)
                row = {"net": f"{architecture}, {encoder}", "seed": seed, **_scores(held, val), "minutes": minutes}
                rows.append({**row, "goal on val": GOALS[encoder]})
                beside = beside or _beside(held, val)
                classes[f"{row['net']}, {seed}"] = {name: each["IoU"] for name, each in val["classes"].items()}
                print(rows[-1], flush=True)
    print("\n" + ratios.markdown(rows, minutes=".1f"))
    print("\nMean IoU without a net\n\n" + ratios.markdown(beside))
    print("\nIoU of the classes on val\n\n" + ratios.markdown([{"net": net, **own} for net, own in classes.items()]))


def _scores(held, val):
    found = {}
    for place, result in (("held-out drive", held), ("val", val)):
        for name, each in result["metrics"].items():
            found[f"{name}, {place}"] = each["value"]
    interval = val["metrics"]["mean IoU"]
    return {**found, "interval on val": f"{interval['low']:.3f} to {interval['high']:.3f}"}


def _beside(held, val):
    return [
        {"method": name, "held-out drive": held["beside"].get(name, {}).get("value"), "val": each["value"]}
        for name, each in val["beside"].items()
    ]


if __name__ == "__main__":
    main()
