"""Pictures from files: JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, PPM, HEIC; decoded or refused in one sentence."""

from kerasmlsp.data.images.decoding import MOST_PIXELS, SHOWN, centred, opened, read_image, resize
from kerasmlsp.data.images.graph import LEAST_SIDE, decoded, each_decoded, showing, stretched
from kerasmlsp.data.images.reading import (
    ENDINGS,
    LabelledImages,
    class_folders,
    kept,
    list_images,
    listed,
    read_batches,
    read_each,
    read_labelled_images,
    reasons,
)

__all__ = [
    "ENDINGS",
    "LEAST_SIDE",
    "MOST_PIXELS",
    "SHOWN",
    "LabelledImages",
    "centred",
    "class_folders",
    "decoded",
    "each_decoded",
    "kept",
    "list_images",
    "listed",
    "opened",
    "read_batches",
    "read_each",
    "read_image",
    "read_labelled_images",
    "reasons",
    "resize",
    "showing",
    "stretched",
]
