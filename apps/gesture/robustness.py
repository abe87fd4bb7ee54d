"""The same pictures in a mirror, in other light and before other backgrounds, to measure what a run makes of them."""

import numpy as np

from kerasmlsp.data import backgrounds

# ITU-R BT.601, and the light of a lamp as an example of a tint.
_GREY, _LAMP = np.array([0.299, 0.587, 0.114]), np.array([1.0, 0.75, 0.5])
# Not the first made pictures, which a net may have learned from.
_SEED = 1


def changed(pictures: np.ndarray, background: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Changes pictures in the ways that matter outside of the room where they were taken.

    Args:
        pictures: uint8 `(examples, size, size, 3)`.
        background: Pictures to put behind the hands, uint8 `(pictures, size, size, 3)`; None for none.

    Returns:
        Name of each change to uint8 pictures of the same shape. Backgrounds that are not plain stay, see
        `kerasmlsp.data.backgrounds.foreground`.
    """
    random, count = np.random.default_rng(_SEED), len(pictures)
    things = np.stack([backgrounds.foreground(picture) for picture in pictures])
    behind = {
        "before plain colours": random.uniform(0, 256, (count, 1, 1, 3)),
        "before made pictures": backgrounds.made(count, pictures.shape[1], _SEED).astype("float64"),
    }
    if background is not None:
        behind["before the background pictures"] = background[np.arange(count) % len(background)].astype("float64")
    found = {
        "in a mirror": pictures[:, :, ::-1],
        "in grey": np.repeat(pictures @ _GREY[:, None], 3, axis=-1),
        "in the dark (x 0.3)": pictures * 0.3,
        "in bright light (x 1.5)": pictures * 1.5,
        "in yellow light": pictures * _LAMP,
        **{name: backgrounds.replaced(pictures, things, there) for name, there in behind.items()},
    }
    return {name: np.clip(each, 0, 255).round().astype(np.uint8) for name, each in found.items()}
