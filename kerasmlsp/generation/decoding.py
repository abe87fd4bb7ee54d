"""Decoding inside the graph: sampling, greedy and beam search, one token at a time with the state carried along.

    decoder = stepwise(model)
    tokens, log_probabilities, _ = fill(decoder, template(prompts, lengths, 100), seeds=seeds, temperature=0.8)

Everything is `keras.ops` with static shapes, so that it compiles with XLA on every backend.
`kerasmlsp.generation.chunking` makes a TensorFlow function for any number and length of texts out of it.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.hashing import mix, uint32
from kerasmlsp.layers.recurrent import cell_state, cell_step
from kerasmlsp.layers.transformer import TransformerDecoderBlock

FREE = -1
_COLDEST = 1e-30  # below it a temperature cannot be told from 0 where small floats are flushed


@dataclasses.dataclass(frozen=True)
class Decoder:
    """A causal net taken apart.

    Args:
        initial_state: Maps a batch size to a nest of tensors whose first axis is the batch, or has equally many entries
            for each row of it.
        step: Maps `(tokens, state, position)`, that is int32 `(batch,)`, the nest and a scalar, to the logits of the
            next token, `(batch, vocabulary_size)`, and the new state.
        vocabulary_size: Number of token ids.
        take: Maps `(state, rows, batch)` to the state of these rows, as `take_rows`. What all beams of a row see alike,
            such as a source sentence, may stay as it is where `step` takes several rows for each of its own.

    Example:
        >>> def step(tokens, state, position):
        ...     return 9.0 * keras.ops.one_hot((tokens + 1) % 4, 4), state
        >>> counting = Decoder(lambda batch_size: [], step, vocabulary_size=4)
        >>> logits, _ = counting.step(keras.ops.array([2]), counting.initial_state(1), 0)
        >>> keras.ops.convert_to_numpy(logits).tolist()
        [[0.0, 0.0, 0.0, 9.0]]
    """

    initial_state: Callable
    step: Callable
    vocabulary_size: int
    take: Callable | None = None


def stepwise(
    model: keras.Model,
    given: dict[str, keras.KerasTensor] | None = None,
    *,
    length: int | keras.KerasTensor | None = None,
) -> Decoder:
    """Takes a causal model apart that is a chain of layers, to run it one token at a time.

    The links of the chain may be layers that treat every token by itself (Embedding, Dense, normalisations,
    activations, dropout), Keras's recurrent layers, and every layer with the methods `initial_state(batch_size)` and
    `step(inputs, state, position)`, such as `kerasmlsp.layers.DecoderBlock` and `Stateful`.

    What a link sees beside the tokens, such as an image or a source sentence, is worked out once from `given`: for
    Keras's recurrent layers it is the initial state; the others get it by `initial_state(batch_size, *memory)`.

    Args:
        model: From token ids `(batch, length)` to the logits of the token that follows each,
            `(batch, length, vocabulary_size)`; with further outputs, the layer of this one is named "logits".
        given: Dict of the model's other inputs by name, with the batch that `initial_state` will be asked for. None for
            a model of tokens alone.
        length: Most tokens that will be read, so that layers that keep all of them need no more room; None for as many
            as they can see.

    Raises:
        ValueError: The model is not such a chain, or `given` does not hold its other inputs.

    Example:
        >>> layers = [keras.layers.Embedding(5, 4), keras.layers.GRU(8, return_sequences=True), keras.layers.Dense(5)]
        >>> decoder = stepwise(keras.Sequential([keras.Input((None,), dtype="int32"), *layers]))
        >>> logits, state = decoder.step(keras.ops.array([3, 1]), decoder.initial_state(2), 0)
        >>> tuple(logits.shape), [[tuple(kept.shape) for kept in each] for each in state]
        ((2, 5), [[], [(2, 8)], []])
    """
    given = given or {}
    own = [tensor for tensor in model.inputs if tensor.name not in given]
    if len(own) != 1 or len(given) + 1 != len(model.inputs):
        names = [tensor.name for tensor in model.inputs]
        raise ValueError(f"`given` must hold all inputs of {names} but the tokens. Received: given={sorted(given)}")
    tensor = model.outputs[model.output_names.index("logits") if len(model.outputs) > 1 else 0]
    size, nodes = int(tensor.shape[-1]), []
    while tensor is not own[0]:
        layer, index, _ = tensor._keras_history
        arguments = layer._inbound_nodes[index].arguments
        tensor, *memory = arguments.keras_tensors or [None]
        # An embedding called in reverse gives logits.
        nodes.insert(0, (layer, memory, {key: arguments.kwargs[key] for key in {"reverse"} & arguments.kwargs.keys()}))
        if tensor is None or (memory and not (_steps(layer) or isinstance(layer, keras.layers.RNN))):
            raise ValueError(
                "`model` must be a chain of layers with one input beside what is `given`. "
                f"Received: a branch at {layer.name!r}"
            )
    memories = _memories(model, given, [memory for _, memory, _ in nodes])
    links = [_link(layer, memory, options, length) for (layer, _, options), memory in zip(nodes, memories, strict=True)]
    fixed = [getattr(layer, "fixed_state", 0) if memory else 0 for layer, memory, _ in nodes]

    def initial_state(batch_size):
        return [start(batch_size) for start, _ in links]

    def step(tokens, state, position):
        features, after = tokens, []
        for (_, forward), before in zip(links, state, strict=True):
            features, kept = forward(features, before, position)
            after.append(kept)
        return ops.cast(features, "float32"), after

    def take(state, rows, batch):
        parts = [
            (kept, []) if not number else (kept[:-number], kept[-number:])
            for kept, number in zip(state, fixed, strict=True)
        ]
        return [[*take_rows(own, rows, batch), *seen] if seen else take_rows(own, rows, batch) for own, seen in parts]

    return Decoder(initial_state, step, size, take)


_BY_TOKEN = (
    keras.layers.Embedding,
    keras.layers.Dense,
    keras.layers.Activation,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.Dropout,
    keras.layers.Identity,
    keras.layers.Rescaling,
)


def _steps(layer):
    return hasattr(layer, "step") and hasattr(layer, "initial_state")


def _memories(model, given, wanted):
    """What each layer of the chain sees beside the tokens, worked out from the other inputs."""
    tensors = {f"{i}_{j}": tensor for i, memory in enumerate(wanted) for j, tensor in enumerate(memory)}
    if not tensors:
        return wanted
    inputs = {tensor.name: tensor for tensor in model.inputs if tensor.name in given}
    found = keras.Model(inputs, tensors)(given, training=False)
    return [[found[f"{i}_{j}"] for j in range(len(memory))] for i, memory in enumerate(wanted)]


def _link(layer, memory, options, length):
    """Returns the functions that start a layer and run it by one token, with the options of its call."""
    if _steps(layer):
        room = {"length": length} if length is not None and isinstance(layer, TransformerDecoderBlock) else {}
        return lambda batch_size: layer.initial_state(batch_size, *memory, **room), layer.step
    if isinstance(layer, keras.layers.RNN) and not layer.go_backwards:
        start = (lambda batch_size: list(memory)) if memory else functools.partial(cell_state, layer)
        return start, lambda features, state, position: cell_step(layer, features, state)
    if isinstance(layer, _BY_TOKEN):
        return lambda batch_size: [], lambda features, state, position: (layer(features, **options), state)
    raise ValueError(f"`model` must be a chain of causal layers. Received: {type(layer).__name__} {layer.name!r}")


def template(
    prompts: keras.KerasTensor, lengths: keras.KerasTensor, free: int | keras.KerasTensor
) -> keras.KerasTensor:
    """Prompts with free places behind, for `fill`.

    Args:
        prompts: Int `(batch, prompt_length)`, padded on the right.
        lengths: Int `(batch,)`: tokens of each prompt.
        free: Free places behind each prompt: an int, or a tensor `(batch,)`.

    Returns:
        Int32 `(batch, prompt_length + max(free))`: tokens, then `FREE`; behind the last free place token 0, so that
        nothing is sampled there.

    Example:
        >>> prompts = keras.ops.array([[7, 8, 0], [9, 0, 0]])
        >>> keras.ops.convert_to_numpy(template(prompts, keras.ops.array([2, 1]), free=2)).tolist()
        [[7, 8, -1, -1, 0], [9, -1, -1, 0, 0]]
    """
    lengths, free = ops.cast(lengths, "int32")[:, None], ops.reshape(ops.cast(free, "int32"), (-1, 1))
    room = ops.max(free)
    given = ops.cast(prompts, "int32")
    places = ops.arange(ops.shape(given)[1] + room)
    given = ops.concatenate([given, ops.zeros((ops.shape(given)[0], room), "int32")], axis=1)
    wanted = ops.logical_and(places >= lengths, places < lengths + free)
    return ops.where(wanted, FREE, ops.where(places < lengths, given, 0))


def empty_carry(decoder: Decoder, batch: int) -> tuple:
    """What `fill` carries before the first token: a template that goes on from it begins with the start token.

    Example:
        >>> decoder = Decoder(lambda batch_size: [], lambda tokens, state, position: None, vocabulary_size=4)
        >>> position, ended, logits, state = empty_carry(decoder, batch=2)
        >>> int(position), keras.ops.convert_to_numpy(ended).tolist(), tuple(logits.shape)
        (0, [False, False], (2, 4))
    """
    logits = ops.zeros((batch, decoder.vocabulary_size))
    return ops.convert_to_tensor(0, "int32"), ops.zeros((batch,), "int32") > 0, logits, decoder.initial_state(batch)


def begin(decoder: Decoder, batch: int, start: int = 0) -> tuple:
    """What `fill` carries when nothing is filled yet: the logits after the token `start`, and the state.

    Example:
        >>> repeat = keras.layers.Embedding(3, 3, embeddings_initializer="identity")  # the likeliest token is the last
        >>> decoder = stepwise(keras.Sequential([keras.Input((None,), dtype="int32"), repeat]))
        >>> position, ended, logits, state = begin(decoder, batch=1, start=2)
        >>> int(position), keras.ops.convert_to_numpy(logits).tolist()
        (1, [[0.0, 0.0, 1.0]])
    """
    position, ended, _, state = empty_carry(decoder, batch)
    logits, state = decoder.step(ops.zeros((batch,), "int32") + start, state, position)
    return position + 1, ended, logits, state


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


def take_rows(state: Any, rows: keras.KerasTensor, batch: int) -> Any:
    """Picks rows of a batch from the state of a `Decoder`.

    Args:
        state: Nest of tensors whose first axis has equally many entries for each row.
        rows: Int `(rows,)`: those that are wanted, in their order, as often as each is wanted.
        batch: Number of rows that there are.

    Example:
        >>> [state] = take_rows([keras.ops.array([[5.0], [6.0]])], keras.ops.array([1, 1, 0]), batch=2)
        >>> keras.ops.convert_to_numpy(state).tolist()
        [[6.0], [6.0], [5.0]]
    """

    def take(values):
        entries = ops.shape(values)[0] // batch
        return ops.take(values, ops.reshape(rows[:, None] * entries + ops.arange(entries), (-1,)), axis=0)

    return keras.tree.map_structure(take, state)


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
