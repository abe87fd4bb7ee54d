"""Data of the figures, made from a seed: points in a plane, a noisy sine, printed digits."""

from pathlib import Path

import numpy as np

from kerasmlsp.data.idx import read_labelled_idx

# Of the fonts that come with Matplotlib, those with digits.
_FONTS = (
    *(f"DejaVuSans{kind}" for kind in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{kind}" for kind in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{kind}" for kind in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{kind}" for kind in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmss10", "cmtt10"),
)


def clouds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two normal clouds, not around 0, points `(count, 2)` and their labels 0 and 1."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 2
    centres = np.array([[3.0, 2.0], [5.0, 4.0]])
    return random.normal(centres[labels], 0.6).astype("float32"), labels


def rings(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A disc, 0, in a ring, 1, that no line parts."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 2
    radii = np.where(labels, random.uniform(1.4, 2, count), random.uniform(0.1, 1, count))
    angles = random.uniform(0, 2 * np.pi, count)
    return np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1).astype("float32"), labels


def moons(count: int, seed: int, noise: float = 0.25) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that reach into each other."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 2
    angles = random.uniform(0, np.pi, count)
    x = np.where(labels, 0.5 - np.cos(angles), np.cos(angles) - 0.5)
    y = np.where(labels, 0.25 - np.sin(angles), np.sin(angles) - 0.25)
    return random.normal(np.stack([x, y], axis=1), noise).astype("float32"), labels


def sinusoid(count: int, seed: int, noise: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """`sin(pi x)` with noise, at `count` places of [-1, 1], both `(count, 1)`."""
    random, x = np.random.default_rng(seed), np.linspace(-1, 1, count)[:, None]
    return x.astype("float32"), random.normal(np.sin(np.pi * x), noise).astype("float32")


def printed_digits(count: int, seed: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Digits in twenty fonts, moved, turned and of several sizes: `(count, size, size)` in [0, 1], and the digits."""
    random, labels = np.random.default_rng(seed), np.arange(count) % 10
    fonts, heights = random.integers(len(_FONTS), size=count), random.integers(9, 13, count) * size // 12
    turns, moves = random.normal(0, 6, count), random.normal(0, size / 24, (count, 2))
    images = [
        _printed(str(label), _FONTS[font], int(height), size, turn, move)
        for label, font, height, turn, move in zip(labels, fonts, heights, turns, moves, strict=True)
    ]
    return np.stack(images), labels


def glyphs(letters: str, size: int = 16) -> np.ndarray:
    """Letters in one upright font, `(letters, size, size)` in [0, 1]."""
    return np.stack([_printed(letter, "DejaVuSans-Bold", size, size, 0.0, (0, 0)) for letter in letters])


def _printed(letter, font, height, size, turn, move):
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    face = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf", f"{font}.ttf"), height)
    image = Image.new("L", (size, size))
    left, top, right, bottom = face.getbbox(letter)
    place = (size - left - right) / 2 + move[0], (size - top - bottom) / 2 + move[1]
    ImageDraw.Draw(image).text(place, letter, font=face, fill=255)
    turned = image.rotate(turn, Image.Resampling.BILINEAR) if turn else image
    return np.asarray(turned, "float32") / 255


def digits(data: str | Path | None, count: int, seed: int, split: str = "train") -> tuple[np.ndarray, np.ndarray]:
    """Images in [0, 1] and labels from a folder of IDX files, such as MNIST; without one, printed digits."""
    if data is None:
        return printed_digits(count, seed + 1000 * (split == "test"))
    images, labels = read_labelled_idx(data, split)
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    return images[chosen].reshape(len(chosen), *images.shape[1:3]).astype("float32") / 255, labels[chosen]
