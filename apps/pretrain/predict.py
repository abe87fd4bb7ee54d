"""Labels, and words for gaps, with nothing but the saved model."""

import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification
from kerasmlsp.data import audio, clips, images
from kerasmlsp.files import named, side_by_side

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

BATCH = 64
"""Examples answered in one call."""


def predict(
    model: "SavedModel", sources: Sequence[Any], *, reject_below: float | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Classifies pictures, recordings or texts.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`) of a run that was fine-tuned.
        sources: Texts, or paths or bytes of files.
        reject_below: Confidence below which an answer is unsure; None for the one that the saved model has.

    Returns:
        List of dicts of `file` or `text` and what `classification.rows` gives, and a list of dicts of `file` and
        `problem` for those that could not be read.

    Raises:
        ValueError: The model tells no classes.
    """
    if not model.card.get("classes"):
        raise ValueError(
            f"The saved model {model.path} tells no classes: fine-tune its run (`kerasmlsp pretrain finetune`), and "
            "export it again."
        )
    classes = classification.classes_of(model)
    if reject_below is None:
        reject_below = classification.reject_below(model)
    rows, problems = [], []
    what = "text" if model.card["kind"] == "texts" else "file"
    for names, answers, bad in _answered(model, list(sources)):
        problems += bad
        if names:
            found = zip(names, classification.rows(answers, classes, reject_below), strict=True)
            rows += [{what: name, **row} for name, row in found]
    return rows, problems


def _answered(model, sources):
    kind = model.card["kind"]
    if kind == "pictures":
        for names, pixels, sides, problems in images.read_batches(sources, model.card["image_size"], BATCH):
            answers = model(images=pixels) if names else {}
            if names:
                # Here the pictures are stretched already.
                answers["confidence"] *= np.array(sides) >= images.LEAST_SIDE
            yield names, answers, problems
        return
    for start in range(0, len(sources), BATCH):
        part = sources[start : start + BATCH]
        if kind == "texts":
            yield part, model(text=part), []
            continue
        names, waves, problems = [], [], []
        rate, length = model.card["rate"], model.card["length"]
        heard = side_by_side(part, functools.partial(audio.read_waveform, rate=rate))
        for source, waveform in zip(part, heard, strict=True):
            if isinstance(waveform, Exception):
                problems.append({"file": named(source), "problem": str(waveform)})
            else:
                names.append(named(source))
                waves.append(clips.loudest(waveform, length, rate))
        yield names, model(waveforms=np.stack(waves)) if names else {}, problems


def fill(model: "SavedModel", texts: Iterable[str]) -> list[dict[str, Any]]:
    """Tells the likeliest words of the first gap, `[MASK]`, of each text.

    Returns:
        List of dicts of `text`, and `words`, pairs of a word and its probability.

    Raises:
        ValueError: The model is none of texts, or a text has no gap.
    """
    texts = list(texts)
    if "fill" not in model.endpoints:
        raise ValueError(f"The saved model {model.path} fills no gaps: export a run of `--task mlm`.")
    answers = model.call("fill", text=texts)
    rows = []
    for text, words, shares, gap in zip(texts, answers["words"], answers["probabilities"], answers["gap"], strict=True):
        if not gap:
            raise ValueError(f"A text must hold [MASK] where a word is hidden, and not too late. Received: {text!r}")
        told = [(word.decode(), float(share)) for word, share in zip(words, shares, strict=True)]
        rows.append({"text": text, "words": told})
    return rows


def listed(kind: str, sources: Sequence[Path]) -> list[Any]:
    """Returns the files of a list of files, folders and "-"; see `images.listed`."""
    if kind == "pictures":
        return images.listed(sources)
    from kerasmlsp import files

    return files.given(sources, audio.list_audio, "recording")
