"""Twelve figures of the gallery on one picture, which README shows; after `make docs`:

python docs/collage.py
"""

from pathlib import Path

import gallery_scripts
from PIL import Image

HERE = Path(__file__).parent
ROWS = [
    ["kernels", "cover", "spectrogram"],
    ["deepfool", "self-attention", "alignment"],
    ["batch-size", "gates-over-time", "word-map"],
    ["scalogram", "density", "activations"],
]
WIDTH, GAP, COLOURS = 1500, 12, 128


def row(names: list[str]) -> Image.Image:
    """Figures side by side, all as high as makes them as wide as the collage."""
    pictures = [Image.open(f"{HERE}{gallery_scripts.picture(name)}").convert("RGB") for name in names]
    room = WIDTH - GAP * (len(pictures) - 1)
    height = round(room / sum(each.width / each.height for each in pictures))
    whole, left = Image.new("RGB", (WIDTH, height), "white"), 0
    for each in pictures:
        width = round(each.width * height / each.height)
        whole.paste(each.resize((width, height), Image.Resampling.LANCZOS), (left, 0))
        left += width + GAP
    return whole


def main() -> None:
    """Writes collage.png."""
    rows = [row(names) for names in ROWS]
    whole, top = Image.new("RGB", (WIDTH, sum(each.height + GAP for each in rows) - GAP), "white"), 0
    for each in rows:
        whole.paste(each, (0, top))
        top += each.height + GAP
    whole.quantize(COLOURS).save(HERE / "collage.png", optimize=True)


if __name__ == "__main__":
    main()
