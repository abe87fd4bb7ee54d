"""Vision: fixed filters, what pooling keeps and how far a unit sees."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from kerasmlsp import interpret, models
from kerasmlsp.figures import _vision
from kerasmlsp.figures._drawing import COLOURS, Drawing, checked, panels, pixels
from kerasmlsp.figures._fitting import numpy, without_graphs
from kerasmlsp.models.images import FILTERS


@checked
def filters(*, picture: str | Path | None = None, size: int = 240) -> Drawing:
    """The nine filters of the table on a photograph: edges, sharpening and blurring.

    Those whose weights sum to 0 leave nothing of an even area, those whose weights sum to 1 leave it as it is.

    Reference: Pilanci, EE269 lecture 16 (2020), "2D Convolution"; Hota, BITS F464 (2024), "CNN: Convolution Layer".

    Args:
        picture: A file with a picture; by default the portrait that comes with Matplotlib.
        size: Longest side of the picture, in pixels.

    Returns:
        The figure; by the name of the filter the `sum` of its weights, and the mean `difference` of neighbouring pixels
        of what it gives, as a multiple of that of the picture.

    Example:
        >>> figure, numbers = filters(size=48)
        >>> numbers["sum"]["laplacian"], round(numbers["sum"]["gaussian_blur"], 6)
        (0.0, 1.0)
        >>> numbers["difference"]["box_blur"] < numbers["difference"]["identity"] < numbers["difference"]["sharpen"]
        True
    """
    grey = _vision.grey(_vision.photograph(picture, longest=size))
    bank = models.filter_bank(input_shape=(*grey.shape, 1))
    # Beyond the border are zeros, whose edge is none of the picture's.
    responses = np.moveaxis(numpy(bank(grey[None, ..., None]))[0], -1, 0)[:, 1:-1, 1:-1]
    roughness = [float(np.abs(np.diff(each, axis=1)).mean()) for each in responses]
    numbers = {
        "sum": {name: float(kernel.sum()) for name, kernel in FILTERS.items()},
        "difference": {name: each / max(roughness[0], 1e-9) for name, each in zip(FILTERS, roughness, strict=True)},
    }
    figure, grid = panels(3, 3, width=2.5, height=0.45 + 2.4 * grey.shape[0] / grey.shape[1])
    for axes, (name, kernel), response in zip(grid.ravel(), FILTERS.items(), responses, strict=True):
        edges = not kernel.sum()
        most = np.percentile(np.abs(response), 99.5) + 1e-6
        options = {"cmap": "gray", "vmin": -most if edges else 0, "vmax": most if edges else 255}
        pixels(axes, response, f"{name.replace('_', ' ')}, weights sum to {kernel.sum():g}", **options)
    return Drawing(figure, numbers)


@checked
def pooling(*, size: int = 192, factor: int = 4, deviation: float = 2.0) -> Drawing:
    """Rings that become finer outwards, made smaller in four ways: what is too fine turns up as false rings.

    A map may be subsampled where it is band-limited. To take every fourth pixel shows rings that are not there, the
    largest of sixteen makes white of grey; the mean of sixteen helps, a wider blur before helps more.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Why Pooling?"; Zhang 2019, "Making Convolutional Networks
    Shift-Invariant Again".

    Args:
        size: Height and width of the picture, a multiple of `factor`.
        factor: Pixels along each side that become one.
        deviation: Of the Gaussian blur before subsampling, in pixels.

    Returns:
        The figure; by the name of the way the `aliasing`, the deviation of the outer pixels, which should be an even
        grey, as a share of that of the inner ones; their mean `level`, which should be 0; and the mean change of the
        inner pixels when the picture is `moved` by one pixel.

    Example:
        >>> figure, numbers = pooling(size=96)
        >>> list(numbers["aliasing"])
        ['every 4th', 'largest of 4 x 4', 'mean of 4 x 4', 'blurred, every 4th']
    """
    rings, moved = _rings(size, 0), _rings(size, 1)
    ways = {
        f"every {factor}th": layers.MaxPooling2D(1, factor),
        f"largest of {factor} x {factor}": layers.MaxPooling2D(factor),
        f"mean of {factor} x {factor}": layers.AveragePooling2D(factor),
        f"blurred, every {factor}th": keras.Sequential([_blur(deviation), layers.MaxPooling2D(1, factor)]),
    }
    count = size // factor
    outer, inner = _radii(count) > 0.72, _radii(count) < 0.3
    numbers: dict = {"aliasing": {}, "level": {}, "moved": {}}
    figure, (axes,) = panels(1, 5, width=2.5, height=3)
    pixels(axes[0], rings, f"{size} x {size} pixels", cmap="gray", vmin=-1, vmax=1)
    for panel, (name, layer) in zip(axes[1:], ways.items(), strict=True):
        small, other = (numpy(layer(each[None, ..., None]))[0, ..., 0] for each in (rings, moved))
        numbers["aliasing"][name] = float(small[outer].std() / small[inner].std())
        numbers["level"][name] = float(small[outer].mean())
        numbers["moved"][name] = float(np.abs(small - other)[inner].mean())
        title = f"{name}: level {numbers['level'][name]:.2f}\nfalse rings {numbers['aliasing'][name]:.0%}"
        pixels(panel, small, title, cmap="gray", vmin=-1, vmax=1)
    return Drawing(figure, numbers)


def _radii(count):
    """Distances from the middle, 1 at the middle of each side."""
    ticks = np.linspace(-1, 1, count)
    return np.hypot(*np.meshgrid(ticks, ticks))


def _rings(size, shift):
    """A cosine whose frequency rises from 0 in the middle to half a cycle a pixel at the border."""
    x, y = np.meshgrid(np.arange(size) - size / 2 + shift, np.arange(size) - size / 2)
    return np.cos(np.pi / size * (x**2 + y**2)).astype("float32")


def _blur(deviation):
    reach = int(np.ceil(3 * deviation))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    kernel = np.outer(weights, weights)[..., None, None] / weights.sum() ** 2
    start = keras.initializers.Constant(kernel.astype("float32"))
    return layers.Conv2D(1, 2 * reach + 1, padding="same", use_bias=False, kernel_initializer=start)


# Layers of AlexNet that are drawn.
_SEEN = ("conv_1", "conv_2", "conv_3", "conv_5")


@checked
def receptive_field(
    *, picture: str | Path | None = None, drawn: Sequence[str] = _SEEN, images: int = 8, seed: int = 0
) -> Drawing:
    """How much of a picture one unit of each layer of AlexNet sees, by the sizes of kernels and by gradient.

    Within its field, the middle counts far more than the rest.

    Reference: Ganapathy, MLSP 2025, "Properties of CNN" (deeper layers capture wider input context); Luo et al. 2016,
    "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks".

    Args:
        picture: A file with a picture, of which the middle is drawn; by default the portrait that comes with
            Matplotlib.
        drawn: Layers whose fields are drawn, in their order.
        images: Noise images over which the gradient of random weights is averaged.
        seed: Seed of weights and noise.

    Returns:
        The figure; the `sizes` of the fields in pixels of all convolutions and poolings; for those that are drawn the
        share of the gradient `outside` of them, which is 0, and the share of their area that holds `half` of it.

    Example:
        >>> figure, numbers = receptive_field(drawn=("conv_1",), images=1)
        >>> [numbers["sizes"][f"conv_{number}"] for number in (1, 2, 3, 4, 5)]
        [11, 51, 99, 131, 163]
    """
    keras.utils.set_random_seed(seed)
    # The fields hang on kernels and strides alone, so few filters do.
    net = models.alexnet(2, filters=(8, 8, 8, 8, 8), units=2)
    names = [name for name in interpret.layers(net) if name.startswith(("conv", "pool"))]
    fields = {name: interpret.receptive_field(net, name)[0] for name in names}
    side = net.input_shape[1]
    noise = np.random.default_rng(seed).random((images, side, side, 3), "float32")
    shown = _vision.photograph(picture, size=side)
    numbers: dict = {"sizes": {name: field.size for name, field in fields.items()}, "outside": {}, "half": {}}
    figure, (axes,) = panels(1, 1 + len(drawn), width=2.5, height=2.9)
    pixels(axes[0], shown, f"fields in {side} x {side} pixels")
    for panel, name, colour in zip(axes[1:], drawn, COLOURS, strict=False):
        with without_graphs(0):
            effective = interpret.effective_field(net, noise, name)
        unit = (interpret.layers(net)[name][1] or 0) // 2
        first, last = (each + unit * fields[name].stride for each in (fields[name].first, fields[name].last))
        inside = np.zeros((side, side), bool)
        inside[max(0, first) : last + 1, max(0, first) : last + 1] = True
        numbers["outside"][name] = float(effective[~inside].sum() / effective.sum())
        numbers["half"][name] = _half(effective[inside])
        title = f"{name}: {last - first + 1} pixels,\nhalf of the gradient in {numbers['half'][name]:.0%}"
        pixels(panel, effective, title)
        for each in (axes[0], panel):
            _square(each, first, last, colour, name if each is axes[0] else None)
    axes[0].legend(fontsize=7, loc="lower center", ncols=2)
    return Drawing(figure, numbers)


def _half(gradient):
    """Least share of the places that hold half of the gradient."""
    falling = np.sort(gradient.ravel())[::-1].cumsum()
    return float((1 + np.searchsorted(falling, falling[-1] / 2)) / len(falling))


def _square(axes, first, last, colour, label):
    axes.plot(
        [first, last, last, first, first],
        [first, first, last, last, first],
        color=colour,
        linewidth=1.8,
        label=label,
    )
