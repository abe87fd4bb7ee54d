"""What images cost by simpler means: histograms, and the formats that pictures are stored in."""

import io

import numpy as np

from kerasmlsp.metrics import distances

_STRENGTH = 16.0
"""Pixels that what is known of wider contexts counts for, beside those that were seen in a context."""
_WIDTH = 8  # levels of a neighbour that count as one context where the level itself was seen too seldom
_CHUNK = 5_000


def place_histogram(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measures images by how often each level stands at each place of the training images.

    Args:
        train: uint8 `(images, height, width, channels)`.
        test: The same, to be measured.

    Returns:
        Bits of each channel of each pixel of the test images, and the same given that it is not 0.
    """
    places = train[0].size
    counts = np.zeros((places, 256))
    for part in _chunks(train):
        keys = np.arange(places) * 256 + part.reshape(len(part), -1)
        counts += np.bincount(keys.ravel(), minlength=counts.size).reshape(counts.shape)
    shares = _shares(counts, _everywhere(counts.sum(0)))
    zero = np.broadcast_to(shares[:, 0], (len(test), places)).reshape(test.shape)
    found = shares[np.arange(places), test.reshape(len(test), -1)].reshape(test.shape)
    return _bits(found, zero)


def neighbour_histogram(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measures images by how often each level stands behind a pixel to the left and one above.

    Where a pair of neighbours is rare, what stands beside similar ones counts as `_STRENGTH` pixels more; with these,
    in turn, all pixels do. Beyond the edges stands 0. Arguments and results are those of `place_histogram`.
    """
    counts = np.zeros(256**3, np.int32)
    for part in _chunks(train):
        counts += np.bincount(_keys(part), minlength=counts.size).astype(np.int32)
    counts = counts.reshape(256, 256, 256)
    coarse = counts.reshape(256 // _WIDTH, _WIDTH, 256 // _WIDTH, _WIDTH, 256).sum(axis=(1, 3), dtype="float64")
    wide = _shares(coarse, _everywhere(coarse.sum(axis=(0, 1))))
    seen = counts.sum(2)

    def share(left, above, level):
        prior = wide[left // _WIDTH, above // _WIDTH, level]
        return (counts[left, above, level] + _STRENGTH * prior) / (seen[left, above] + _STRENGTH)

    left, above = _neighbours(test)
    return _bits(share(left, above, test), share(left, above, np.zeros_like(test)))


def file_bits(test: np.ndarray, form: str, most: int = 1000, together: int = 100) -> float:
    """Returns the bits per dimension of images that are stored in files, several below each other in each.

    Of a small picture, a good part of a file is its head, which images together have but once.

    Args:
        test: uint8 `(images, height, width, 1 or 3)`.
        form: "PNG" or "WEBP", which is lossless.
        most: Images that are stored, spread over all.
        together: Images of a file.
    """
    from PIL import Image

    total, chosen = 0, distances.spread(test, most)
    for begin in range(0, len(chosen), together):
        strip, file = np.concatenate(chosen[begin : begin + together]), io.BytesIO()
        picture = Image.fromarray(strip[..., 0] if strip.shape[-1] == 1 else strip)
        picture.save(file, form, **({"optimize": True} if form == "PNG" else {"lossless": True, "method": 6}))
        total += 8 * len(file.getvalue())
    return total / chosen.size


def _chunks(pixels):
    return (pixels[begin : begin + _CHUNK].astype("int64") for begin in range(0, len(pixels), _CHUNK))


def _neighbours(pixels):
    left = np.pad(pixels, ((0, 0), (0, 0), (1, 0), (0, 0)))[:, :, :-1]
    return left, np.pad(pixels, ((0, 0), (1, 0), (0, 0), (0, 0)))[:, :-1]


def _keys(pixels):
    left, above = _neighbours(pixels)
    return ((left * 256 + above) * 256 + pixels).ravel()


def _everywhere(counts):
    return (counts + 1.0) / (counts.sum() + 256.0)


def _shares(counts, prior):
    return (counts + _STRENGTH * prior) / (counts.sum(-1, keepdims=True) + _STRENGTH)


def _bits(found, zero):
    bits = -np.log2(found)
    return bits, bits + np.log2(1.0 - zero)
