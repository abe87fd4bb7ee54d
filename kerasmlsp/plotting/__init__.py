"""Figures, drawn into files without a display."""

from kerasmlsp.plotting.diagrams import Box, blocks, diagram
from kerasmlsp.plotting.figures import (
    animation,
    confusion_matrix,
    contact_sheet,
    curves,
    enlargement,
    heat_maps,
    image_grid,
    image_rows,
    picture,
    reliability_diagram,
    token_weights,
    update_norms,
    word_maps,
)
from kerasmlsp.plotting.timelines import segments, timeline

__all__ = [
    "Box",
    "animation",
    "blocks",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "diagram",
    "enlargement",
    "heat_maps",
    "image_grid",
    "image_rows",
    "picture",
    "reliability_diagram",
    "segments",
    "timeline",
    "token_weights",
    "update_norms",
    "word_maps",
]
