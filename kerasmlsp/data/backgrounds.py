"""What stands behind the thing in a picture: told apart where it is plain, put in its place, and made from nothing.

A net that has seen things before one background only takes the background for a part of them, and a net that has seen
nothing but things takes everything for one. Pictures without a thing help against both: behind the things, and as
examples of no class.

Reference: Hota, BITS F464 (2024), "Regularization: Data Augmentation"; Hendrycks et al. 2019, "Deep Anomaly Detection
with Outlier Exposure".
"""

from typing import Any

import numpy as np

_BINS = 64
# Of the things made of: red, green and blue of skin from dark to light.
_SKIN = np.array([[80, 50, 36], [120, 78, 56], [168, 112, 82], [205, 150, 115], [232, 190, 160]], "float32")


def foreground(picture: np.ndarray) -> np.ndarray:
    """Tells a thing from a plain background by its colour, roughly.

    The colour of the background is the median of the upper edge and of the upper halves of both sides, with the
    brightness left out, so that shadows on a wall count as wall. Otsu's threshold on the distance to it parts the two.

    Args:
        picture: uint8 `(height, width, 3)`, at least 16 high and wide.

    Returns:
        How far each pixel belongs to the thing, uint8 `(height, width, 1)` of 0 to 255; 255 everywhere where the
        background is not plain.

    Reference: Otsu 1979, "A Threshold Selection Method from Gray-Level Histograms".

    Example:
        >>> picture = np.full((32, 32, 3), 200, np.uint8)
        >>> picture[12:, 10:22] = 200, 120, 80  # a hand before a grey wall
        >>> shares = foreground(picture)
        >>> shares[20, 16].tolist(), shares[4, 4].tolist()
        ([255], [0])
    """
    from PIL import Image, ImageFilter

    # The 16 keeps dark pixels, whose colour is mostly noise, near grey.
    light = picture.astype("float32") + 16
    colour = light / light.sum(-1, keepdims=True)
    rows, columns = max(1, len(picture) // 16), max(1, picture.shape[1] // 16)
    upper = colour[: len(picture) // 2]
    edge = [colour[:rows], upper[:, :columns], upper[:, -columns:]]
    usual = np.median(np.concatenate([part.reshape(-1, 3) for part in edge]), axis=0)
    distance = np.abs(colour - usual).sum(-1)
    thing = Image.fromarray(((distance > _otsu(distance)) * 255).astype(np.uint8)).filter(ImageFilter.MedianFilter(5))
    share, above = np.mean(np.asarray(thing) > 0), np.mean(np.asarray(thing)[:rows] > 0)
    if not 0.05 < share < 0.7 or above > 0.15:
        return np.full((*picture.shape[:2], 1), 255, np.uint8)
    return np.asarray(thing.filter(ImageFilter.BoxBlur(1)))[..., None]


def _otsu(values):
    """The threshold that leaves the least variance within the two parts."""
    shares, edges = np.histogram(values, _BINS)
    shares, middles = shares / shares.sum(), (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(shares), np.cumsum(shares * middles)
    between = (sums[-1] * below - sums) ** 2 / np.maximum(below * (1 - below), 1e-9)
    # All thresholds between two parts that lie apart are as good: the middle one.
    return middles[between >= between.max() * (1 - 1e-6)].mean()


def replaced(pictures: Any, foregrounds: Any, backgrounds: Any) -> Any:
    """Puts other backgrounds behind things.

    Args:
        pictures: `(batch, height, width, 3)` of 0 to 255, an array or a tensor, as both others.
        foregrounds: `(batch, height, width, 1)` of 0 to 255, as of `foreground`.
        backgrounds: What to put there, of the shape of `pictures` or one that broadcasts to it.

    Returns:
        Values of 0 to 255, `(batch, height, width, 3)`.

    Example:
        >>> replaced(np.array([[[[90.0] * 3]]]), np.array([[[[255 / 3]]]]), np.array([[[[30.0] * 3]]])).round(6)
        array([[[[50., 50., 50.]]]])
    """
    return backgrounds + (pictures - backgrounds) * (foregrounds / 255)


def made(count: int, size: int, seed: int = 0) -> np.ndarray:
    """Makes pictures that show no thing in particular, yet edges, colours and textures as photographs have them.

    Half are dead leaves, shapes of all sizes that cover one another, half are noise that is stronger the coarser it is;
    shapes lie on some of that, too. Nothing of them is anybody's, so that a net trained with them may be given away.

    Args:
        count: Number of pictures.
        size: Their height and width, at least 16.
        seed: Decides all; the first pictures are the same for every count.

    Returns:
        uint8 `(count, size, size, 3)`.

    Reference: Lee et al. 2001, "Occlusion Models for Natural Images"; Baradad et al. 2021, "Learning to See by Looking
    at Noise".

    Example:
        >>> pictures = made(2, 16)
        >>> pictures.shape, bool((made(1, 16)[0] == pictures[0]).all())
        ((2, 16, 16, 3), True)
    """
    return np.stack([_made(np.random.default_rng([seed, number]), size) for number in range(count)])


def _made(random, size):
    from PIL import Image, ImageFilter

    fine = 2 * size
    palette = _palette(random)
    kind = random.random()
    picture = _coloured(_noise(random, fine), palette)
    if kind < 0.5:
        picture = _leaves(random, picture, palette, random.integers(40, 250), 0.6)
    elif kind < 0.8:
        picture = _leaves(random, picture, palette, random.integers(1, 12), 0.9)
    blur = ImageFilter.GaussianBlur(float(random.choice([0, 0, 1, 2, 4])))
    picture = np.asarray(Image.fromarray(picture).filter(blur).resize((size, size), Image.Resampling.BILINEAR))
    grain = random.choice([0, 0, 4, 12]) * random.normal(size=picture.shape)
    shade = 1 - random.uniform(0, 0.6) * _noise(random, size)[..., None]
    return np.clip(picture * shade + grain, 0, 255).astype(np.uint8)


def _palette(random):
    """A handful of colours: any, much like one another, or those of skin; mostly pale, as the world is."""
    count, kind = random.integers(3, 9), random.random()
    colours = random.uniform(0, 256, (count, 3))
    if kind < 0.5:
        colours = random.uniform(0, 256, 3) + random.normal(0, random.uniform(10, 70), (count, 3))
    grey = colours.mean(-1, keepdims=True)
    colours = grey + random.beta(1, 2) * (colours - grey)
    if kind > 0.7:
        number = random.integers(1, count)
        colours[:number] = _SKIN[random.integers(0, len(_SKIN), number)] * random.uniform(0.5, 1.1, (number, 1))
    return np.clip(random.permutation(colours), 0, 255)


def _noise(random, size):
    """Noise of 0 to 1 whose amplitudes fall with a power of the frequency, `(size, size)`."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None] * random.uniform(0.3, 3))
    power = np.maximum(frequency, 1 / size) ** -random.uniform(0.7, 2.5)
    phases = np.exp(2j * np.pi * random.random(power.shape))
    values = np.fft.irfft2(power * phases, (size, size))
    ranks = values.ravel().argsort().argsort().reshape(values.shape)
    return ranks / values.size if random.random() < 0.5 else (values - values.min()) / np.ptp(values)


def _coloured(values, palette):
    """The colours of a palette, from its first to its last as the values rise."""
    places = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(values, places, palette[:, k]) for k in range(3)], -1).astype(np.uint8)


def _leaves(random, picture, palette, count, largest):
    """Shapes one over another, small ones more often than large ones."""
    from PIL import Image, ImageDraw

    size, canvas = len(picture), Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for _ in range(count):
        colour = np.clip(palette[random.integers(len(palette))] + random.normal(0, 12, 3), 0, 255).astype(int)
        reach = size * (0.03 + (largest - 0.03) * random.random() ** 3)
        middle = random.uniform(0, size, 2)
        if random.random() < 0.2:
            ends = middle + reach * random.normal(size=2)
            draw.line([*middle, *ends], tuple(colour), int(1 + reach * random.uniform(0.02, 0.4)))
        else:
            draw.polygon(_outline(random, middle, reach), tuple(colour))
    return np.asarray(canvas)


def _outline(random, middle, reach):
    """Corners of an ellipse, a rectangle or an uneven shape, turned by any angle."""
    corners = int(random.choice([4, 5, 7, 24]))
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) + random.uniform(0, 2 * np.pi)
    unevenness = random.uniform(0, 0.5) if corners > 4 else 0
    radii = reach / 2 * (1 + unevenness * random.uniform(-1, 1, corners))
    points = np.stack([np.cos(angles), np.sin(angles) * random.uniform(0.2, 1)], 1) * radii[:, None]
    turn = random.uniform(0, np.pi)
    points = points @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return [tuple(point) for point in (points + middle).tolist()]
