"""Figures, drawn into files without a display."""

from kerasmlsp.plotting.anomalies import signal_errors, stream_scores
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
from kerasmlsp.plotting.signals import heard, label_counts, score_histogram, waveform_attention
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
    "forecast_lines",
    "heard",
    "heat_maps",
    "image_grid",
    "image_rows",
    "label_counts",
    "picture",
    "reliability_diagram",
    "score_histogram",
    "segments",
    "signal_errors",
    "space_time",
    "stream_scores",
    "strongest",
    "timeline",
    "token_weights",
    "update_norms",
    "waveform_attention",
    "word_maps",
]
