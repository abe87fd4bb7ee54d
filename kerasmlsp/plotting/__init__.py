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
from kerasmlsp.plotting.forecasts import forecast_lines, space_time, strongest

__all__ = [
    "Box",
    "animation",
    "blocks",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "diagram",
    "enlargement",
    "forecast_lines",
    "heat_maps",
    "image_grid",
    "image_rows",
    "picture",
    "reliability_diagram",
    "space_time",
    "strongest",
    "token_weights",
    "update_norms",
    "word_maps",
]
