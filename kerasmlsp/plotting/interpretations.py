"""Figures of what networks hold, and of how they are fooled."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasmlsp.plotting._canvas import _figure, _save


def coloured(maps: np.ndarray) -> np.ndarray:
    """Makes pictures of maps, each by itself from its least value, dark, to its largest, bright.

    Args:
        maps: `(maps, rows, columns)`.

    Returns:
        uint8 `(maps, rows, columns, 3)`.

    Example:
        >>> coloured(np.array([[[0.0, 2.0]], [[5.0, 5.0]]]))[0].tolist()
        [[[68, 1, 84], [253, 231, 36]]]
    """
    from matplotlib import colormaps

    maps = np.asarray(maps, float)
    low = maps.min(axis=(1, 2), keepdims=True)
    span = np.maximum(maps.max(axis=(1, 2), keepdims=True) - low, 1e-12)
    return (255 * colormaps["viridis"]((maps - low) / span)[..., :3]).astype(np.uint8)


def stretched_values(arrays: np.ndarray) -> np.ndarray:
    """Makes pictures of values around 0, such as filters or differences, each by itself: 0 is grey.

    Args:
        arrays: `(arrays, height, width, channels)`; of one or two channels, or more than three, the mean is drawn.

    Returns:
        uint8 `(arrays, height, width, 3)`.

    Example:
        >>> stretched_values(np.array([[[[-1.0], [0.0], [1.0]]]]))[0, 0, :, 0].tolist()
        [0, 127, 255]
    """
    arrays = np.asarray(arrays, float)
    if arrays.shape[-1] != 3:
        arrays = np.repeat(arrays.mean(axis=-1, keepdims=True), 3, axis=-1)
    most = np.maximum(np.abs(arrays).max(axis=(1, 2, 3), keepdims=True), 1e-12)
    return (127.5 * (1 + arrays / most)).astype(np.uint8)


def fooled_pictures(
    originals: Sequence[np.ndarray],
    adversarials: Sequence[np.ndarray],
    path: str | Path,
    *,
    before: Sequence[str],
    after: Sequence[str],
    changes: Sequence[str],
) -> None:
    """Draws originals, differences and adversarial images side by side, a row for each.

    Reference: Sri Rama Murty, IIT Hyderabad (2021), "Deep Fool".

    Args:
        originals: uint8 `(height, width, 3)` each.
        adversarials: float or uint8 of the same shapes. The difference is enlarged until it fills the range; 0 is grey.
        path: File to write, PNG.
        before: Text above each original.
        after: Text above each adversarial image.
        changes: Text above each difference.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path, image = f"{tempfile.mkdtemp()}/fooled.png", np.full((8, 8, 3), 90, np.uint8)
        >>> fooled_pictures([image], [image + 1], path, before=["lionfish"], after=["hen"], changes=["L2 13.9"])
        >>> imread(path).shape
        (360, 912, 4)
    """
    figure = _figure(7.6, 3 * len(originals))
    grid = figure.subplots(len(originals), 3, squeeze=False)
    for place, (original, adversarial) in enumerate(zip(originals, adversarials, strict=True)):
        difference = np.asarray(adversarial, float) - original
        shown = (original, stretched_values(difference[None])[0], np.clip(np.round(adversarial), 0, 255))
        titles = (f"original\n{before[place]}", f"difference\n{changes[place]}", f"adversarial\n{after[place]}")
        for axes, image, title in zip(grid[place], shown, titles, strict=True):
            axes.imshow(np.asarray(image, np.uint8), interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(title, fontsize=9)
    _save(figure, path)


def share_curves(
    curves: Mapping[str, Mapping[float, float]], path: str | Path, *, along: str, share: str, logarithmic: bool = False
) -> None:
    """Draws shares by a number, a line for each name.

    Args:
        curves: By name, the share by the number.
        path: File to write, PNG.
        along: What the number is.
        share: What the share is.
        logarithmic: Whether the number has a logarithmic scale, if any is above 0.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/rates.png"
        >>> share_curves({"fgsm": {1.0: 0.5, 2.0: 0.9}}, path, along="epsilon", share="share that is fooled")
        >>> imread(path).shape
        (408, 576, 4)
    """
    figure = _figure(4.8, 3.4)
    axes = figure.subplots()
    for name, curve in curves.items():
        along_it = sorted(curve)
        axes.plot(along_it, [curve[each] for each in along_it], marker=".", label=name)
    # Where nothing was fooled there is no number, of which Matplotlib makes no logarithmic axis.
    logarithmic = logarithmic and any(each > 0 for curve in curves.values() for each in curve)
    axes.set(xlabel=along, ylabel=share, ylim=(-0.02, 1.02), xscale="log" if logarithmic else "linear")
    axes.legend()
    _save(figure, path)
