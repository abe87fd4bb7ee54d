"""Pictures of the figures: a photograph, and digits to learn with those that are held out."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from kerasmlsp.data import images
from kerasmlsp.figures import _data

SIDE = 28


class Digits(NamedTuple):
    """Images `(count, height, width, 1)` in [0, 1] and class numbers: to learn from, and held out."""

    images: np.ndarray
    labels: np.ndarray
    others: np.ndarray
    answers: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channel."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """Number of classes."""
        return 1 + int(max(self.labels.max(), self.answers.max()))


def digits(data: str | Path | None, count: int, tested: int, seed: int, size: int = SIDE) -> Digits:
    """Digits of `_data.digits`; printed ones of a given size."""
    parts = []
    for split, number in (("train", count), ("test", tested)):
        if data is None:
            pictures, labels = _data.printed_digits(number, seed + 1000 * (split == "test"), size)
        else:
            pictures, labels = _data.digits(data, number, seed, split)
        parts += [pictures[..., None], labels.astype("int32")]
    return Digits(*parts)


def photograph(picture: str | Path | None, longest: int | None = None, size: int | None = None) -> np.ndarray:
    """uint8 `(height, width, 3)`; by default the portrait that comes with Matplotlib. With a size, a square of it."""
    from matplotlib.cbook import get_sample_data

    found = images.read_image(picture or get_sample_data("grace_hopper.jpg", asfileobj=False), longest=longest)
    return found if size is None else images.centred(found, size)


def grey(picture: np.ndarray) -> np.ndarray:
    """Brightness by ITU-R BT.601, float32 `(height, width)`."""
    return (picture @ np.array([0.299, 0.587, 0.114])).astype("float32")


def correlation(pictures: np.ndarray) -> float:
    """Correlation of pixels with their neighbours, `(pictures, height, width, ...)`."""
    pairs = ((pictures[:, :, 1:], pictures[:, :, :-1]), (pictures[:, 1:], pictures[:, :-1]))
    return float(np.mean([np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairs]))
