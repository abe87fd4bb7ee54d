"""Figures, drawn into files without a display."""

from kerasmlsp.plotting.figures import (
    animation,
    confusion_matrix,
    contact_sheet,
    curves,
    diagram,
    heat_maps,
    image_grid,
    picture,
    reliability_diagram,
    token_weights,
    update_norms,
    word_maps,
)

__all__ = [
    "animation",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "diagram",
    "heat_maps",
    "image_grid",
    "picture",
    "reliability_diagram",
    "token_weights",
    "update_norms",
    "word_maps",
]
