"""Decoding inside the graph: sampling, greedy and beam search, one token at a time with the state carried along.

    decoder = stepwise(model)
    tokens, log_probabilities, _ = fill(decoder, template(prompts, lengths, 100), seeds=seeds, temperature=0.8)

Everything is `keras.ops` with static shapes, so that it compiles with XLA on every backend.
`kerasmlsp.generation.chunking` makes a TensorFlow function for any number and length of texts out of it.
"""

from kerasmlsp.generation.decoding.beams import beam_search, log_probabilities
from kerasmlsp.generation.decoding.sampling import draw, fill
from kerasmlsp.generation.decoding.steps import FREE, Decoder, begin, empty_carry, stepwise, take_rows, template

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
