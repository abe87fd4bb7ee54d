"""Sequences drawn token by token."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.generation.decoding.steps import FREE, Decoder, begin
from kerasmlsp.layers.hashing import mix, uint32

_COLDEST = 1e-30  # below it a temperature cannot be told from 0 where small floats are flushed


def fill(
    decoder: Decoder,
    template: keras.KerasTensor,
    *,
    seeds: keras.KerasTensor,
    temperature: float | keras.KerasTensor = 1.0,
    top_k: int | keras.KerasTensor = 0,
    top_p: float | keras.KerasTensor = 1.0,
    stop: int | None = None,
    stop_from: int | keras.KerasTensor = 0,
    start: int = 0,
    carry: tuple | None = None,
    count: int | keras.KerasTensor | None = None,
) -> tuple[keras.KerasTensor, keras.KerasTensor, tuple]:
    """Fills the free places of a template, each with a token drawn given all before it.

    The token at a place depends on the row's own seed, the place and what stands before it, and on nothing else: it is
    the same alone and in any batch, and the same when the loop is stopped and taken up again.

    Reference: Fan et al. 2018, "Hierarchical Neural Story Generation" (top-k); Holtzman et al. 2020, "The Curious Case
    of Neural Text Degeneration" (top-p).

    Args:
        decoder: A `Decoder`.
        template: Int32 `(batch, length)`: token ids, and `FREE` (-1) where a token is wanted.
        seeds: Int `(batch,)`, any integers; those that are equal modulo 2**32 are the same.
        temperature: Scalar or `(batch,)`; the logits are divided by it. 0 or less takes the likeliest token.
        top_k: Scalar or `(batch,)`; draws among that many likeliest tokens only; 0 for all.
        top_p: Scalar or `(batch,)`; draws among the fewest likeliest tokens whose probabilities sum to it. Of equally
            likely tokens the lower id comes first, here and for `top_k`.
        stop: Token id that ends a row: the free places after it get it too. None for none.
        stop_from: Scalar or `(batch,)`; before this place `stop` is not drawn.
        start: Token id that stands before the first place.
        carry: Third value of the call that filled the places before; None at the start of the texts.
        count: Scalar, places that are worked off from the front, the others get token 0; None for all, which spares
            GPUs a wait for the host at each place. So does `top_k=0` with `top_p=1` as Python's numbers.

    Returns:
        Tokens `(batch, length)`, int32; the log-probability of each under the net itself, float32, 0 behind the end;
        and what is carried to a call that goes on.

    Example:
        >>> repeat = keras.layers.Embedding(3, 3, embeddings_initializer="identity")  # the likeliest token is the last
        >>> from kerasmlsp.generation import stepwise
        >>> decoder = stepwise(keras.Sequential([keras.Input((None,), dtype="int32"), repeat]))
        >>> places = keras.ops.array([[1, FREE, 2, FREE]])
        >>> tokens, log_probabilities, _ = fill(decoder, places, seeds=keras.ops.array([0]), temperature=0.0)
        >>> keras.ops.convert_to_numpy(tokens).tolist()
        [[1, 1, 2, 2]]
        >>> round(float(log_probabilities[0, 3]), 3)  # ln(e / (e + 1 + 1))
        -0.551
    """
    batch, length = ops.shape(template)[0], template.shape[1]
    carry = begin(decoder, batch, start) if carry is None else carry

    def by_row(value, dtype):
        return ops.zeros_like(seeds[:, None], dtype=dtype) + ops.reshape(ops.cast(value, dtype), (-1, 1))

    temperature, stop_from = by_row(temperature, "float32"), by_row(stop_from, "int32")
    if not _are_numbers(top_k, top_p):
        top_k, top_p = by_row(top_k, "int32"), by_row(top_p, "float32")

    def body(place, position, ended, logits, state, tokens, scores):
        given = ops.take(template, place, axis=1)
        candidates = logits
        if stop is not None:
            early = stop_from >= position
            candidates = ops.where(ops.logical_and(early, ops.arange(decoder.vocabulary_size) == stop), -1e30, logits)
        drawn = draw(candidates, _uniform(seeds, position), temperature, top_k, top_p)
        free = given == FREE
        token = ops.where(free, drawn, given)
        score = ops.take_along_axis(ops.log_softmax(logits), token[:, None], axis=1)[:, 0]
        if stop is not None:
            token = ops.where(ops.logical_and(ended, free), stop, token)
            score = ops.where(ops.logical_and(ended, free), 0.0, score)
            ended = ops.logical_or(ended, ops.logical_and(free, token == stop))
        tokens = ops.slice_update(tokens, (0, place), token[:, None])
        scores = ops.slice_update(scores, (0, place), score[:, None])
        logits, state = decoder.step(token, state, position)
        return place + 1, position + 1, ended, logits, state, tokens, scores

    empty = ops.zeros_like(template)
    loop = (*carry, empty, ops.cast(empty, "float32"))
    if count is None:
        *carry, tokens, scores = ops.fori_loop(0, length, lambda place, values: body(place, *values)[1:], loop)
    else:
        begun = (ops.convert_to_tensor(0, "int32"), *loop)
        _, *carry, tokens, scores = ops.while_loop(lambda place, *rest: place < count, body, begun)
    return tokens, scores, tuple(carry)


def draw(logits: Any, uniform: Any, temperature: Any, top_k: Any, top_p: Any) -> Any:
    """Draws one token a row by inverting the cumulative distribution.

    Args:
        logits: `(batch, vocabulary_size)`.
        uniform: `(batch, 1)` in `[0, 1)`: the randomness.
        temperature: `(batch, 1)`; 0 or less, or below 1e-30, takes the likeliest token.
        top_k: Int `(batch, 1)`: draws among exactly so many likeliest tokens; 0 or less for all.
        top_p: `(batch, 1)`: draws among the fewest likeliest tokens whose shares, after the temperature and before
            `top_k`, sum to it (within 1e-6), at least one; 1 for all. With both, the smaller set holds. Where both are
            Python's numbers, whether anything is cut is settled before the graph runs.

    Returns:
        Int32 `(batch,)`. Of equally likely tokens the one with the lower id counts as likelier.

    Example:
        >>> one, logits = keras.ops.ones((1, 1)), keras.ops.log(keras.ops.array([[0.5, 0.25, 0.25]]))
        >>> int(draw(logits, 0.6 * one, one, keras.ops.array([[0]]), one)[0])  # 0.6 lies between 0.5 and 0.75
        1
    """
    warm = temperature > _COLDEST
    # Less the largest before the division: a low temperature would make infinities of them.
    scaled = (logits - ops.max(logits, axis=1, keepdims=True)) / ops.where(warm, temperature, 1.0)
    shares = ops.softmax(scaled)
    # Sorting would cost as much as a small net's whole step.
    if not _are_numbers(top_k, top_p):
        cut = ops.any(ops.logical_or(top_k > 0, top_p < 1))
        shares = ops.cond(cut, lambda: _likeliest(shares, top_k, top_p), lambda: shares)
    elif top_k > 0 or top_p < 1:
        shares = _likeliest(shares, top_k, top_p)
    cumulative = ops.cumsum(shares, axis=1)
    drawn = ops.argmax(ops.cast(cumulative > uniform * cumulative[:, -1:], "float32"), axis=1)
    drawn = ops.where(warm[:, 0], drawn, ops.argmax(logits, axis=1))
    return ops.cast(drawn, "int32")


def _are_numbers(top_k, top_p):
    """Whether it is known before the graph runs if any token is left out."""
    return isinstance(top_k, int) and isinstance(top_p, int | float)


def _likeliest(shares, top_k, top_p):
    """Shares `(batch, vocabulary_size)`, 0 but for the `top_k` likeliest, and the fewest that sum to `top_p`."""
    size = shares.shape[1]
    falling = -ops.sort(-shares, axis=1)
    # A token is needed while those before it do not reach `top_p`.
    short = ops.cumsum(falling, axis=1) - falling < top_p - 1e-6
    needed = ops.sum(ops.cast(ops.logical_or(short, top_p >= 1), "int32"), axis=1, keepdims=True)
    count = ops.clip(ops.minimum(ops.where(top_k > 0, top_k, size), needed), 1, size)
    least = ops.take_along_axis(falling, count - 1, axis=1)
    # Of equal ones only as many as are left, from the front: a sort of their places would cost more.
    above, equal = ops.cast(shares > least, "int32"), ops.cast(shares == least, "int32")
    left = count - ops.sum(above, axis=1, keepdims=True)
    kept = ops.logical_or(above > 0, ops.logical_and(equal > 0, ops.cumsum(equal, axis=1) <= left))
    return ops.where(kept, shares, 0.0)


def _uniform(seeds, position):
    """Numbers in `[0, 1)`, `(batch, 1)`: hashes of seed and place."""
    place = mix(ops.add(ops.multiply(ops.cast(position, "uint32"), uint32(0x9E3779B9)), uint32(0x7F4A7C15)))
    state = mix(ops.bitwise_xor(mix(ops.cast(seeds, "uint32")), place))
    # Through int32: a float32 holds 24 bits.
    return ops.cast(ops.cast(ops.right_shift(state, uint32(8)), "int32"), "float32")[:, None] * 2.0**-24
