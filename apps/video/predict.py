"""Labels and next frames for clips, with nothing but the saved model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import classification, plotting
from kerasmlsp.data import image_sets, videos
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    from kerasmlsp.exporting import SavedModel

TELLER, FORECASTER = "video", "video_forecast"
"""Names of the saved models that tell classes and forecast frames."""
# Clips answered in one call.
BATCH = 16


def seen(model: "SavedModel") -> dict[str, Any]:
    """Returns what a loaded saved model sees of a clip: the arguments of `videos.read_clip`.

    Raises:
        ValueError: The model card does not say it.
    """
    frames, size, stride = (model.card.get(name) for name in ("frames", "size", "stride"))
    if not frames or not size:
        raise ValueError(f"The model card {model.path / 'card.json'} must name frames and size: export it again.")
    if stride is None:
        return {"frames": frames, "size": size, "least": min(2, frames)}
    # All frames from the first to the last that the model takes, which chooses among them itself.
    return {"frames": 1 + (frames - 1) * stride, "size": size, "stride": 1}


def predict(
    model: "SavedModel", sources: Sequence[Path | bytes], *, reject_below: float | None = None
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Classifies clips, see `classification.label_files`.

    Raises:
        ValueError: The card of the model does not name the classes, the frames and the size.
    """
    wanted = seen(model)

    def read(source):
        # Frames of zeros are padding to the model, which black ones are not.
        return np.maximum(videos.read_clip(source, **wanted), 1)

    return classification.label_files(model, sources, read, "frames", batch=BATCH, reject_below=reject_below)


def forecast(model: "SavedModel", source: Path | bytes, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts the frames after a clip, from its last ones.

    Args:
        model: A loaded saved model that forecasts.
        source: Path of a file, or the bytes of one.
        steps: Frames to forecast.

    Returns:
        The frames that the model saw and those that it forecasts, uint8 `(frames, size, size, channels)` each.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, is too short, or the card of the model does not say what it sees.
    """
    wanted = seen(model)
    clip = np.maximum(videos.read_clip(source, **wanted, last=True), 1)
    following = model(frames=clip[None], steps=steps)["next"][0]
    drawn = np.round(255 * following).astype(np.uint8)
    stride = model.card.get("stride") or 1
    return image_sets.recoloured(clip[::stride], drawn.shape[-1]), drawn


def draw(before: np.ndarray, drawn: np.ndarray, path: Path) -> None:
    """Draws frames that were seen and those that were forecast: an animation, GIF, or rows, PNG.

    Args:
        before: uint8 `(frames, size, size, channels)`.
        drawn: uint8 of the same size.
        path: The file, whose ending says which.
    """
    if path.suffix.lower() == ".gif":
        frames = np.concatenate([before, drawn])
        scale = plotting.enlargement(frames[0])
        write_atomically(path, lambda place: plotting.animation(frames.repeat(scale, 1).repeat(scale, 2), place))
        return
    rows = {"seen": before, "forecast": drawn}
    write_atomically(path, lambda place: plotting.image_rows(rows, place))
