"""Decoding inside the graph: sampling, greedy and beam search, one token at a time with the state carried along.

`kerasmlsp.generation.chunking` makes TensorFlow functions of it, for texts of any number and length.
"""

from kerasmlsp.generation.decoding import (
    FREE,
    Decoder,
    beam_search,
    begin,
    draw,
    empty_carry,
    fill,
    log_probabilities,
    stepwise,
    take_rows,
    template,
)

__all__ = [
    "FREE",
    "Decoder",
    "beam_search",
    "begin",
    "draw",
    "empty_carry",
    "fill",
    "log_probabilities",
    "stepwise",
    "take_rows",
    "template",
]
