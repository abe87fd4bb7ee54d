"""What a threshold and connected regions find without a net."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from kerasmlsp.apps.detect import data

if TYPE_CHECKING:
    from kerasmlsp.data.boxes import BoxedImages


@dataclasses.dataclass(frozen=True)
class BlobDetector:
    """Regions beyond a threshold, each of the class whose boxes are most like it.

    The threshold is Otsu's in each picture, of the channel that tells things from the rest best where it is learned.

    Reference: Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms".

    Args:
        channel: Place of the channel in `channels`.
        dark: Whether things are below the threshold.
        least: Least area of a region, as part of the picture.
        middle: Mean of what `described` gives of the boxes of each class.
        spread: Standard deviation of the same.
    """

    channel: int
    dark: bool
    least: float
    middle: list[list[float]]
    spread: list[list[float]]

    @classmethod
    def learned(cls, examples: "BoxedImages", classes: list[str]) -> "BlobDetector":
        """Learns the channel and the classes from pictures with boxes."""
        contrasts, rows, kinds = [], [], []
        for pixels, own, numbers in zip(examples.pixels, examples.boxes, data.numbers(examples, classes), strict=True):
            values, inside = channels(pixels), np.zeros(pixels.shape[:2], bool)
            for box, number in zip(own, numbers, strict=True):
                left, top, right, bottom = _in_pixels(box, pixels.shape)
                inside[top:bottom, left:right] = True
                rows.append(described(box, pixels))
                kinds.append(number)
            if inside.any() and not inside.all():
                contrasts.append((values[inside].mean(0) - values[~inside].mean(0)) / (values.std((0, 1)) + 1e-6))
        contrast = np.mean(contrasts, 0) if contrasts else np.array([-1.0, 0, 0, 0])
        table, numbers = np.array(rows), np.array(kinds)
        groups = [table[numbers == number] if (numbers == number).any() else table for number in range(len(classes))]
        areas = np.concatenate([(own[:, 2] - own[:, 0]) * (own[:, 3] - own[:, 1]) for own in examples.boxes])
        channel = int(np.abs(contrast).argmax())
        middle = [each.mean(0).tolist() for each in groups]
        spread = [(each.std(0) + 0.1).tolist() for each in groups]
        return cls(channel, bool(contrast[channel] < 0), float(areas.min()) / 4, middle, spread)

    def found(self, pixels: np.ndarray, size: np.ndarray) -> dict[str, np.ndarray]:
        """Finds boxes.

        Args:
            pixels: uint8 `(height, width, 3)`.
            size: Width and height of the picture in its file.

        Returns:
            `boxes` in pixels of the file, `classes` and `scores`.
        """
        values = channels(pixels)[..., self.channel]
        beyond = values <= otsu(values) if self.dark else values > otsu(values)
        height, width = beyond.shape
        parts = np.array([1 / width, 1 / height] * 2)
        boxes = [box * parts for box, area in regions(beyond) if area >= self.least * beyond.size]
        if not boxes:
            return {"boxes": np.zeros((0, 4)), "classes": np.zeros(0, int), "scores": np.zeros(0)}
        features = np.array([described(box, pixels) for box in boxes])
        distances = (((features[:, None] - np.array(self.middle)) / np.array(self.spread)) ** 2).mean(-1)
        scores = 1 / (1 + distances.min(1))
        return {"boxes": np.array(boxes) * np.tile(size, 2), "classes": distances.argmin(1), "scores": scores}


def channels(pixels: np.ndarray) -> np.ndarray:
    """Red, green, blue, and how far apart they are: float32 `(height, width, 4)`."""
    colours = pixels.astype("float32")
    return np.concatenate([colours, np.ptp(colours, axis=-1, keepdims=True)], axis=-1)


def described(box: np.ndarray, pixels: np.ndarray) -> list[float]:
    """Logarithms of a box's sides, twice, and the mean colour in it in tens."""
    left, top, right, bottom = _in_pixels(box, pixels.shape)
    colours = pixels[top:bottom, left:right].mean((0, 1)) / 10
    return [2 * float(np.log(box[2] - box[0])), 2 * float(np.log(box[3] - box[1])), *map(float, colours)]


def _in_pixels(box, shape):
    """Left, top, right and bottom as places, at least one pixel apart."""
    left, top = (min(int(part * side), side - 1) for part, side in zip(box[:2], shape[1::-1], strict=True))
    right, bottom = (int(np.ceil(part * side)) for part, side in zip(box[2:], shape[1::-1], strict=True))
    return left, top, max(right, left + 1), max(bottom, top + 1)


def otsu(values: np.ndarray) -> float:
    """The threshold that leaves the least variance within what is below and what is above, from 0 to 255."""
    counts = np.bincount(values.astype(np.uint8).ravel(), minlength=256).astype(float)
    below, sums = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    above = below[-1] - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(np.nan_to_num(between).argmax())


def regions(mask: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Returns box and area of the regions of a mask that hang together by their sides.

    Args:
        mask: Bool `(height, width)`.

    Returns:
        Of each region left, top, right and bottom, and the number of its pixels.
    """
    owner: list[int] = []
    found: list[list[int]] = []
    before: list[tuple[int, int, int]] = []

    def root(place):
        while owner[place] != place:
            owner[place] = owner[owner[place]]
            place = owner[place]
        return place

    for row, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.view(np.int8), [0]])))
        now = []
        for start, end in edges.reshape(-1, 2).tolist():
            place = len(owner)
            owner.append(place)
            found.append([start, row, end, row + 1, end - start])
            for left, right, other in before:
                if left < end and start < right:
                    owner[root(other)] = root(place)
            now.append((start, end, place))
        before = now
    return _united(found, [root(place) for place in range(len(owner))])


def _united(runs, roots):
    """The boxes and areas of runs that have the same root."""
    whole: dict[int, list[int]] = {}
    for (left, top, right, bottom, area), place in zip(runs, roots, strict=True):
        one = whole.setdefault(place, [left, top, right, bottom, 0])
        one[:] = min(one[0], left), min(one[1], top), max(one[2], right), max(one[3], bottom), one[4] + area
    return [(np.array(each[:4], float), each[4]) for each in whole.values()]
