"""Nets as decoders that read one token at a time."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kerasmlsp.layers.encoder_decoder import TransformerDecoderBlock
from kerasmlsp.layers.recurrent import cell_state, cell_step

FREE = -1


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
