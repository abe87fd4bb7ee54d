"""Pictures with masks, which say of every pixel the number of its class, or with other pictures of the same size."""

from kerasmlsp.data.masks.numbers import MOST_UNNAMED, check_numbers, classes, numbered, palette, write_mask
from kerasmlsp.data.masks.reading import (
    ENDINGS,
    MOST_CLASSES,
    MaskedImages,
    list_pairs,
    read_mask,
    read_masked_images,
    stretched,
)

__all__ = [
    "ENDINGS",
    "MOST_CLASSES",
    "MOST_UNNAMED",
    "MaskedImages",
    "check_numbers",
    "classes",
    "list_pairs",
    "numbered",
    "palette",
    "read_mask",
    "read_masked_images",
    "stretched",
    "write_mask",
]
