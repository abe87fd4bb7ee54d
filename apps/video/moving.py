"""Moving clips of still images, in which the direction is told by no single frame.

An image moves over a dark canvas whose opposite edges are joined, from a place that is drawn evenly, at an even speed.
So the place in every single frame is as likely for each direction, and no net can tell it from one frame with a
better chance than one in eight. In shuffled frames a direction and its opposite look the same: at most one in two.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kerasmlsp.data import idx, images

DIRECTIONS = {
    "right": (0, 1),
    "down-right": (1, 1),
    "down": (1, 0),
    "down-left": (1, -1),
    "left": (0, -1),
    "up-left": (-1, -1),
    "up": (-1, 0),
    "up-right": (-1, 1),
}
"""By name, the rows and columns of a step of 1."""
SPEEDS = (1, 2, 3)
"""Pixels of a step on a canvas of 32 pixels, in each direction."""
_CANVAS = 32
# Side of the image, as a share of that of the canvas.
_SHARE = 7 / 16


def are_made(path: str | Path | None, dataset: str | None = None) -> bool:
    """Whether the clips of some data are made of images, rather than read."""
    return dataset is not None or (path is not None and any(idx.holds_idx(path, part) for part in ("train", "test")))


def labels(count: int, seed: int) -> list[str]:
    """Draws the directions of so many clips, each equally often but for the rest."""
    names = list(DIRECTIONS)
    numbers = np.random.default_rng([seed, 1]).permutation(np.arange(count) % len(names))
    return [names[number] for number in numbers]


def clips(stills: np.ndarray, directions: list[str], frames: int, size: int, seed: int) -> Iterator[np.ndarray]:
    """Makes a clip of each image.

    Args:
        stills: uint8 `(images, height, width, 1 or 3)`.
        directions: Name of the direction of each.
        frames: Frames of a clip.
        size: Height and width of the canvas.
        seed: Decides places and speeds.

    Yields:
        uint8 `(frames, size, size, 1 or 3)`.
    """
    random, steps, side = np.random.default_rng([seed, 2]), np.arange(frames), round(size * _SHARE)
    for still, direction in zip(stills, directions, strict=True):
        canvas = np.zeros((size, size, still.shape[-1]), np.uint8)
        canvas[:side, :side] = images.resize(still, side)[..., : still.shape[-1]]
        start, speed = random.integers(0, size, 2), max(1, random.choice(SPEEDS) * size // _CANVAS)
        row, column = (
            (np.arange(size) - place - step * speed * steps[:, None]) % size
            for place, step in zip(start, DIRECTIONS[direction], strict=True)
        )
        yield canvas[row[:, :, None], column[:, None, :]]
