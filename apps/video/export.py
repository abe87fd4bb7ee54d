"""From a run to a saved model: `video`, which tells classes, or `video_forecast`."""

import io
from pathlib import Path
from typing import Any

import numpy as np

from kerasmlsp import classification, exporting, training
from kerasmlsp.apps.video import evaluate, model
from kerasmlsp.apps.video.predict import FORECASTER, TELLER
from kerasmlsp.exporting import model_cards


def export(run: Path, models: Path, notes: model_cards.Notes) -> Path:
    """Exports a run as the next version of the saved model `video` or, of a forecaster, `video_forecast`.

    Arguments and errors are those of every application, see `kerasmlsp.apps.options.export`.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    classes, (frames, size, channels) = stored["classes"], stored["seen"]
    unsure = classification.threshold_of(run)
    functions, track = model.endpoints(net, classes, config, (unsure or {}).get("threshold"))
    if config.forecasts:
        what = "Clips: the frames that follow", "Forecasts the next frames of a clip."
        outputs = {"next": "The frames that are expected to follow, of the size that the net sees, 0 to 1."}
    else:
        what = "Classes of clips", f"Tells which of {len(classes)} classes a clip is of: {', '.join(classes)}."
        outputs = classification.OUTPUTS
    card = {
        **notes.card(what[0]),
        "description": what[1],
        "classes": classes,
        "frames": frames - config.forecasts,
        "stride": config.spacing,
        "size": size,
        "channels": channels,
        "split": _split(config, stored),
        "limits": _limits(config, stored, unsure),
        "reject_below": unsure,
        "training": {k: v for k, v in stored.items() if k not in ("data", "manual_dir")},
        "figures": run.figures(classification.CONFUSION, evaluate.CLIPS, evaluate.FORECASTS),
        **_measured(run),
    }
    app = FORECASTER if config.forecasts else TELLER
    examples, inputs = _examples(functions, size, frames), model.inputs(config)
    return exporting.export(
        models, app, functions, track=track, inputs=inputs, examples=examples, card=card, outputs=outputs
    )


def convert(run: Path, path: Path, format: str) -> Path:
    """Writes the net of a run as ONNX or LiteRT: from frames of its own size, 0 to 255, to probabilities or frames.

    What the frames are, the classes, and when an answer is unsure, are written beside as `<path>.json`.

    Raises:
        ValueError: A package is missing, or the converted net does not answer as the net does.
    """
    run = training.Run(run)
    net, config, stored = evaluate.load(run)
    frames, size, channels = stored["seen"]
    examples = {"frames": _clips(size, frames)[:, :, :size, :size, :channels].astype("float32")}
    facts: dict[str, Any] = {"frames": frames - config.forecasts, "stride": config.spacing, "size": size}
    if not config.forecasts:
        facts |= {"classes": stored["classes"], "reject_below": classification.threshold_of(run)}
    return exporting.convert(net, path, format, examples=examples, facts=facts)


def _clips(size, frames):
    """Two clips of made pictures that move, uint8 `(2, frames, height, width, 3)`, with more frames than are seen."""
    pictures = exporting.example_pictures(size)
    return np.stack([np.roll(pictures, 2 * step, axis=2) for step in range(frames + 2)], axis=1)


def _examples(functions, size, frames):
    clips = _clips(size, frames)
    made = {"frames": clips, "encoded": [_gif(clip) for clip in clips], "steps": 2}
    return {name: {each: made[each] for each in signature} for name, (_, signature) in functions.items()}


def _gif(clip):
    from PIL import Image

    stream = io.BytesIO()
    first, *others = [Image.fromarray(frame) for frame in clip]
    first.save(stream, "GIF", save_all=True, append_images=others, duration=100)
    return stream.getvalue()


def _split(config, stored):
    held, whole = stored["held_out"], stored["examples"]
    if not held:
        return f"Trained on all {whole} clips, with seed {config.seed}; the last epoch was kept."
    by = f"by whole groups ({stored['groups']} of them)" if stored["groups"] else "by class"
    return f"{held} of {whole} clips were held out to select the epoch, {by}, with seed {config.seed}."


def _limits(config, stored, unsure):
    frames, size, _ = stored["seen"]
    spread = "spread over the clip" if config.spacing is None else f"{config.spacing} apart"
    seen = f"It sees {frames - config.forecasts} frames, {spread}, stretched to {size} x {size}, and hears nothing."
    bytes_ = "`serving_bytes` reads GIF only; the command decodes other clips with PyAV and asks `serving_default`."
    if config.forecasts:
        return (
            f"Learned from clips like those named above; others may be forecast wrong, and details blur with every "
            f"step. {seen} {bytes_}"
        )
    told = classification.in_words(unsure, "a clip of one frame or of one colour")
    return f"Learned from clips like those named above: others may be told wrong. {told} {seen} {bytes_}"


def _measured(run):
    """The figures of the run's evaluation, or its validation values where it was not evaluated."""
    if result := run.evaluation():
        note = f"{result['examples']} clips ({result['on']}), fingerprint {result['fingerprint']}"
        return {"metrics": result["metrics"], "evaluated": note}
    row = run.best_row()
    if held := {name: value for name, value in row.items() if name.startswith("val_")}:
        note = "on the held-out clips only, which also selected the epoch: run evaluate first"
        return {
            "metrics": {name.replace("val_", "held-out "): value for name, value in held.items()},
            "evaluated": note,
        }
    return {"metrics": {"loss on the training data": row["loss"]}, "evaluated": "not: run evaluate --data PATH"}
