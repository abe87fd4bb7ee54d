"""Sounds, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp.classification import asked_for
from kerasmlsp.data import audio
from kerasmlsp.files import drawn_name, named, write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

# Sounds made in one call.
CHUNK = 16


def rate_of(model: "SavedModel") -> int:
    """Returns the samples per second of a loaded saved model.

    Raises:
        ValueError: The model card does not say it.
    """
    if not model.card.get("rate"):
        raise ValueError(f"The model card {model.path / 'card.json'} must name the rate: export it again.")
    return model.card["rate"]


def generate(
    model: "SavedModel",
    seeds: Sequence[int],
    labels: Sequence[str] | None = None,
    *,
    seconds: float = 1.0,
    primer: np.ndarray | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
) -> tuple[np.ndarray, list[str]]:
    """Makes one sound for every seed.

    Args:
        model: A loaded saved model (`kerasmlsp.exporting.loading.load`).
        seeds: int32; the same gives the same sound.
        labels: Name of a class for every seed where the model has classes; None to take its classes in turn.
        seconds: Length of what is made.
        primer: Beginning of all sounds, float32 `(samples,)`; None for none.
        temperature: Low for the likely, 0 for the likeliest level each time, 1 for the net's own probabilities.
        top_k: Levels among which to draw; 0 for all.
        top_p: Share of the probability that is drawn from, up to 1.

    Returns:
        float32 `(seeds, samples)` from -1 to 1, with the primer as the net hears it, and the class of each, empty
        strings where there are none.

    Raises:
        ValueError: A class is not known to the model, or it has none.
    """
    count, labels = len(seeds), asked_for(model.card["classes"], len(seeds), labels)
    rows: dict[str, Any] = {"seed": list(seeds), **({"label": labels} if model.card["classes"] else {})}
    rows |= {"temperature": [temperature] * count, "top_k": [top_k] * count, "top_p": [top_p] * count}
    rows["length"] = [max(1, round(seconds * rate_of(model)))] * count
    if primer is not None:
        rows |= {"primer": np.repeat(primer[None], count, axis=0), "given": [len(primer)] * count}
    parts = []
    for begin in range(0, count, CHUNK):
        part = {name: values[begin : begin + CHUNK] for name, values in rows.items()}
        parts.append(model.call("generate" if primer is None else "complete", **part)["waveform"])
    return np.concatenate(parts), labels


def read_primer(
    model: "SavedModel", source: Path | bytes, keep: float | None = None, most: float = audio.LONGEST
) -> np.ndarray:
    """Reads the beginning of a sound.

    Args:
        model: A loaded saved model.
        source: Path of a file, or the bytes of one, of any rate.
        keep: Seconds of it that are taken; None for all.
        most: Seconds that the beginning may last.

    Returns:
        float32 `(samples,)`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no recording, shorter than `keep`, or too long.
    """
    rate = rate_of(model)
    waveform = audio.read_waveform(source, rate)
    seconds = len(waveform) / rate
    if keep is not None:
        if seconds < keep:
            raise ValueError(f"`keep` must be at most the {seconds:.3g} seconds of {named(source)}. Received: {keep:g}")
        waveform = waveform[: max(1, round(keep * rate))]
    if len(waveform) > most * rate:
        raise ValueError(
            f"`primer` must last at most {most:g} seconds: take a part of it by `--keep`. "
            f"Received: {named(source)}, which lasts {seconds:.3g}"
        )
    return waveform


def save(sounds: np.ndarray, seeds: Sequence[int], labels: Sequence[str], output: Path, rate: int) -> list[Path]:
    """Writes sounds as WAV files and returns the paths.

    Args:
        sounds: `(sounds, samples)`.
        seeds: Seed of each.
        labels: Class of each, empty strings where there are none.
        output: A file, whose name ends in the seed where there are several; or a folder, which is made where missing.
        rate: Samples per second.

    Raises:
        OSError: A file cannot be written.
    """
    single = output.suffix.lower() == ".wav"
    (output.parent if single else output).mkdir(parents=True, exist_ok=True)
    paths = []
    for sound, seed, label in zip(sounds, seeds, labels, strict=True):
        if single:
            paths.append(output if len(sounds) == 1 else output.with_name(f"{output.stem}-{seed}{output.suffix}"))
        else:
            paths.append(output / f"{drawn_name(seed, label)}.wav")
        write_atomically(paths[-1], lambda path, sound=sound: audio.write_wav(path, sound, rate))
    return paths
