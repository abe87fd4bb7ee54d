"""The numbers of classes in masks: which there are, what they are called, and how they are drawn."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MOST_UNNAMED = 64
"""Different numbers up to which masks hold classes where nobody names them; grey pictures hold more."""


def check_numbers(mask: np.ndarray, numbers: Sequence[int], name: object) -> None:
    """Refuses a mask in colours, or of other numbers.

    Args:
        mask: As of `read_mask`.
        numbers: Those that are known.
        name: What the message calls the mask.

    Raises:
        ValueError: It has colours, or a number that is not among `numbers`.

    Example:
        >>> check_numbers(np.array([[0, 11]], np.uint8), [0, 1], "road.png")
        Traceback (most recent call last):
        ValueError: A mask must hold the numbers 0, 1. Received: 11 in road.png
    """
    known = ", ".join(map(str, numbers))
    if mask.ndim == 3:
        raise ValueError(f"A mask must hold the numbers {known}: save it as palette or grey PNG. Received: {name}")
    if (unknown := np.setdiff1d(mask, numbers)).size:
        raise ValueError(
            f"A mask must hold the numbers {known}. Received: {', '.join(map(str, unknown[:5]))} in {name}"
        )


def classes(masks: np.ndarray, void: Sequence[int], names: Sequence[str] = ()) -> tuple[list[int], list[str]]:
    """Returns the numbers that masks hold, without those of no class, and the name of each.

    Args:
        masks: uint8 of any shape.
        void: Numbers of pixels of no class.
        names: Name of each number, from 0 on, blank for one that is none; none for the numbers themselves.

    Returns:
        The numbers, and as many names.

    Raises:
        ValueError: There are fewer than two classes, a number has no name, or there are so many numbers that the masks
            look like pictures.

    Example:
        >>> classes(np.array([[0, 1, 11]], np.uint8), void=[11])
        ([0, 1], ['0', '1'])
        >>> classes(np.array([[0, 1, 11]], np.uint8), [11], ["sky", "building", "pole"])
        ([0, 1, 2], ['sky', 'building', 'pole'])
    """
    there = np.flatnonzero(np.bincount(masks.ravel(), minlength=256))
    there = [int(number) for number in there if number not in set(void)]
    named = {number: name for number, name in enumerate(names) if name and number not in set(void)}
    if names and (unknown := [number for number in there if number not in named]):
        raise ValueError(
            "`--class-names` must name every number of the masks, or `--void` leave it out. Received: no name for "
            f"{', '.join(map(str, unknown[:5]))}"
        )
    if not names and len(there) > MOST_UNNAMED:
        raise ValueError(
            f"`masks` must hold class numbers. Received: {len(there)} different ones, as of a picture: name them with "
            "`--class-names` if they are classes"
        )
    numbers = list(named) if names else there
    if len(numbers) < 2:
        raise ValueError(f"`masks` must hold two classes at least. Received: {numbers}, beside the void {list(void)}")
    return numbers, [named.get(number, str(number)) for number in numbers]


def numbered(mask: np.ndarray, numbers: Sequence[int], void: Sequence[int], name: object = "the masks") -> np.ndarray:
    """Turns the numbers of masks into places: 0 for no class, 1 for the first class, and so on.

    Args:
        mask: uint8 of any shape.
        numbers: Number of each class.
        void: Numbers of pixels of no class.
        name: What the message calls the masks.

    Returns:
        uint8 of the same shape.

    Raises:
        ValueError: There is another number.

    Example:
        >>> numbered(np.array([[3, 7, 255]], np.uint8), numbers=[3, 7], void=[255])
        array([[1, 2, 0]], dtype=uint8)
    """
    table = np.full(256, 255, np.uint8)
    table[list(void)] = 0
    table[list(numbers)] = np.arange(1, len(numbers) + 1)
    places = table[mask]
    if (unknown := np.unique(mask[places == 255])).size:
        raise ValueError(
            f"`masks` must hold the numbers {', '.join(map(str, numbers))}, and {', '.join(map(str, void)) or 'none'} "
            f"for no class. Received: {', '.join(map(str, unknown[:5]))} in {name}"
        )
    return places


def palette(count: int = 256) -> np.ndarray:
    """Returns the colours of Pascal VOC, which are unlike each other for neighbouring numbers; black comes first.

    The bits of a number, from the lowest on, are dealt to red, green and blue in turn, as their highest bits.

    Reference: Everingham et al. 2015, "The Pascal Visual Object Classes Challenge: A Retrospective" (development kit).

    Args:
        count: How many, up to 256.

    Returns:
        uint8 `(count, 3)`.

    Example:
        >>> palette(4).tolist()
        [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    numbers = np.arange(count)
    colours = np.zeros((count, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= (numbers >> (3 * bit + channel) & 1) << (7 - bit)
    return colours.astype(np.uint8)


def write_mask(mask: np.ndarray, path: str | Path) -> None:
    """Writes class numbers, uint8 `(height, width)`, as a palette PNG.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "mask.png")
        >>> write_mask(np.array([[0, 11]], np.uint8), path)
        >>> from kerasmlsp.data.masks import read_mask
        >>> read_mask(path)
        array([[ 0, 11]], dtype=uint8)
    """
    from PIL import Image

    picture = Image.frombytes("P", mask.shape[::-1], np.ascontiguousarray(mask).tobytes())
    picture.putpalette(palette().ravel().tolist())
    picture.save(path, format="PNG")
