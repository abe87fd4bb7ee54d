"""Beam search, and what sequences cost."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.generation.decoding.steps import Decoder, take_rows


def beam_search(
    decoder: Decoder,
    state: Any,
    first: keras.KerasTensor,
    *,
    beams: int,
    length: int,
    stop: int,
    length_penalty: float = 0.6,
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Finds the sequences that the net holds most likely, by their score per length.

    A sequence of `n` tokens, its stop token included, scores `log P / ((5 + n) / 6) ** length_penalty`. Each step
    extends the `beams` likeliest unfinished sequences by every token; finished ones are kept by their score.

    Reference: Ganapathy, MLSP 2025, "Sequence to Sequence Mapping Networks"; Wu et al. 2016, "Google's Neural
    Machine Translation System" (the penalty).

    Args:
        decoder: A `Decoder`.
        state: What `decoder.initial_state(batch)` gives, or one that knows of an image or a source sentence.
        first: Int32 `(batch,)`: the token before the first.
        beams: Sequences that are followed, at least 1 and at most half of the vocabulary.
        length: Most tokens, an int of at least 1; or a tensor `(batch,)`, those of each row, where shapes need not be
            static.
        stop: Token id that ends a sequence.
        length_penalty: 0 for the plain log-probability.

    Returns:
        Tokens `(batch, beams, length)`, int32, best first, `stop` behind the end; scores `(batch, beams)`. Sequences
        that reach `length` without `stop` count as ended there.

    Raises:
        ValueError: `beams` or `length` is out of range.

    Example:
        >>> repeat = keras.layers.Embedding(4, 4, embeddings_initializer="identity")  # the likeliest token is the last
        >>> from kerasmlsp.generation import stepwise
        >>> decoder = stepwise(keras.Sequential([keras.Input((None,), dtype="int32"), repeat]))
        >>> start = decoder, decoder.initial_state(1), keras.ops.array([2])
        >>> options = {"beams": 2, "length": 3, "stop": 0}
        >>> tokens, scores = beam_search(*start, **options)
        >>> keras.ops.convert_to_numpy(tokens).tolist()  # most likely is to stop at once, then to go on to the end
        [[[0, 0, 0], [2, 2, 2]]]
        >>> tokens, scores = beam_search(*start, **options, length_penalty=1.0)  # which a larger penalty turns round
        >>> keras.ops.convert_to_numpy(tokens).tolist()
        [[[2, 2, 2], [0, 0, 0]]]
    """
    size = decoder.vocabulary_size
    if not 1 <= beams <= size // 2:
        raise ValueError(f"`beams` must be from 1 to half the vocabulary of {size}. Received: beams={beams}")
    if isinstance(length, int) and length < 1:
        raise ValueError(f"`length` must be at least 1. Received: length={length}")
    batch, reorder = ops.shape(first)[0], decoder.take or take_rows
    limits = length if isinstance(length, int) else ops.cast(length, "int32")[:, None]
    room = length if isinstance(length, int) else ops.max(limits)

    def norm(tokens):
        return ((5.0 + ops.cast(tokens, "float32")) / 6.0) ** length_penalty

    def take(values, rows):
        """Picks sequences `rows (batch, n)` of `values (batch, beams, ...)`."""
        rows = ops.reshape(rows, (*ops.shape(rows), *[1] * (len(values.shape) - 2)))
        return ops.take_along_axis(values, rows, axis=1)

    def best(scores, tokens, count):
        scores, rows = ops.top_k(scores, count)
        return scores, take(tokens, rows)

    def body(position, current, alive, alive_tokens, done, done_tokens, state):
        logits, state = decoder.step(ops.reshape(current, (-1,)), state, position)
        scores = alive[:, :, None] + ops.reshape(ops.log_softmax(logits), (batch, beams, size))
        # Twice as many: half of them may have ended, the rest fill the beams.
        scores, places = ops.top_k(ops.reshape(scores, (batch, beams * size)), 2 * beams)
        rows, token = ops.floor_divide(places, size), ops.mod(places, size)
        tokens = ops.where(ops.arange(room) == position, token[:, :, None], take(alive_tokens, rows))
        ends = ops.logical_or(token == stop, position >= limits - 1)
        ended = ops.where(ends, scores / norm(position + 1), -1e30)
        # A row beyond its limit has nothing left to gain.
        ended = ops.where(position < limits, ended, -1e30)
        both = ops.concatenate([done_tokens, tokens], axis=1)
        done, done_tokens = best(ops.concatenate([done, ended], axis=1), both, beams)
        alive, kept = ops.top_k(ops.where(token == stop, -1e30, scores), beams)
        if beams > 1:
            rows = ops.reshape(ops.take_along_axis(rows, kept, axis=1) + beams * ops.arange(batch)[:, None], (-1,))
            state = reorder(state, rows, batch * beams)
        current, alive_tokens = ops.take_along_axis(token, kept, axis=1), take(tokens, kept)
        return position + 1, current, alive, alive_tokens, done, done_tokens, state

    blank = ops.full((batch, beams, room), stop, "int32")
    # Only one of the equal beams is alive at the start.
    alive = ops.where(ops.arange(beams) == 0, 0.0, -1e30) + ops.zeros((batch, 1))
    state = reorder(state, ops.repeat(ops.arange(batch), beams), batch)
    current = ops.repeat(ops.cast(first, "int32")[:, None], beams, axis=1)
    begin = (ops.convert_to_tensor(0, "int32"), current, alive, blank, ops.full((batch, beams), -1e30), blank, state)

    def unfinished(position, current, alive, alive_tokens, done, *rest):
        # An unfinished sequence can only lose: its bound is its score so far over the largest norm.
        hopeful = ops.logical_and(alive[:, :1] / norm(limits) > done[:, -1:], position < limits)
        return ops.any(hopeful)

    *_, done, done_tokens, _ = ops.while_loop(unfinished, body, begin)
    return done_tokens, done


def log_probabilities(logits: keras.KerasTensor, targets: keras.KerasTensor) -> keras.KerasTensor:
    """Log-probabilities `(batch, length)` of int targets under logits `(batch, length, vocabulary_size)`.

    Example:
        >>> found = log_probabilities(keras.ops.zeros((1, 3, 4)), keras.ops.array([[2, 0, 1]]))
        >>> print(keras.ops.convert_to_numpy(found).round(3))  # four tokens that are as likely: -ln 4
        [[-1.386 -1.386 -1.386]]
    """
    found = ops.take_along_axis(ops.log_softmax(ops.cast(logits, "float32")), targets[..., None], axis=-1)
    return ops.squeeze(found, -1)
