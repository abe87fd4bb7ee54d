"""Figures, drawn into files without a display."""

from kerasmlsp.plotting._graphs import Box
from kerasmlsp.plotting.anomalies import signal_errors, stream_scores
from kerasmlsp.plotting.attention import token_weights, word_maps
from kerasmlsp.plotting.classes import confusion_matrix, reliability_diagram
from kerasmlsp.plotting.diagrams import blocks, diagram
from kerasmlsp.plotting.forecasts import forecast_lines, space_time, strongest
from kerasmlsp.plotting.interpretations import coloured, fooled_pictures, share_curves, stretched_values
from kerasmlsp.plotting.pictures import (
    animation,
    contact_sheet,
    enlargement,
    heat_maps,
    image_grid,
    image_rows,
    picture,
    save_grid,
    save_pictures,
)
from kerasmlsp.plotting.pretraining import code_use, label_curves, top_words
from kerasmlsp.plotting.scatter import named_points
from kerasmlsp.plotting.scenes import boxed, overlaid, picture_table
from kerasmlsp.plotting.searches import search
from kerasmlsp.plotting.signals import heard, label_counts, score_histogram, waveform_attention, waveforms
from kerasmlsp.plotting.timelines import segments, timeline
from kerasmlsp.plotting.training import curves, update_norms
from kerasmlsp.plotting.translations import alignment, score_by_length

__all__ = [
    "Box",
    "alignment",
    "animation",
    "blocks",
    "boxed",
    "code_use",
    "coloured",
    "confusion_matrix",
    "contact_sheet",
    "curves",
    "diagram",
    "enlargement",
    "fooled_pictures",
    "forecast_lines",
    "heard",
    "heat_maps",
    "image_grid",
    "image_rows",
    "label_counts",
    "label_curves",
    "named_points",
    "overlaid",
    "picture",
    "picture_table",
    "reliability_diagram",
    "save_grid",
    "save_pictures",
    "score_by_length",
    "score_histogram",
    "search",
    "segments",
    "share_curves",
    "signal_errors",
    "space_time",
    "stream_scores",
    "stretched_values",
    "strongest",
    "timeline",
    "token_weights",
    "top_words",
    "update_norms",
    "waveform_attention",
    "waveforms",
    "word_maps",
]
