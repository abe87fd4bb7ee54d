"""The nets of the translate application, and what its saved model does."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasmlsp import generation, losses, models, optimizers
from kerasmlsp.apps.translate.config import Config
from kerasmlsp.apps.translate.data import START, STOP, units_of
from kerasmlsp.exporting import Input

if TYPE_CHECKING:
    from kerasmlsp.data.subwords import Subwords

INPUTS = {"text": Input("Sentences to translate.", range="UTF-8; of long ones the end is not read, see `cut`")}


def build(config: Config, vocabulary_size: int) -> keras.Model:
    """Builds the net: one table of vectors serves source, target and logits.

    Args:
        config: A complete configuration.
        vocabulary_size: Number of units.

    Returns:
        A model from `source_ids` and `target_ids` to the logits of the next unit; of all but encoder-decoder, in a dict
        with `attention`.
    """
    name, units, size = config.architecture, config.units or 1, vocabulary_size
    shared: dict[str, Any] = {"dropout": config.dropout, "share_embeddings": True, "name": "translator"}
    depth: dict[str, Any] = {"num_layers": config.num_layers}
    if name == "transformer":
        heads = next(heads for heads in (4, 2, 1) if units % heads == 0)
        blocks: dict[str, Any] = {
            "features": units,
            "num_heads": heads,
            "feed_forward_dim": 2 * units,
            "window": config.max_tokens,
        }
        return models.transformer_translator(size, size, **blocks, **depth, **shared)
    shared |= {"embedding_dim": units, "units": units}
    if name == "additive-attention":
        return models.additive_attention_encoder_decoder(size, size, attention_units=units, **shared)
    if name == "multiplicative-attention":
        return models.multiplicative_attention_encoder_decoder(size, size, **depth, **shared)
    return models.text_encoder_decoder(size, size, **depth, **shared)


def compiled(config: Config, vocabulary_size: int, steps: int) -> keras.Model:
    """Builds the net to train, with optimizer and loss: the layer "translator" of a model of logits alone."""
    net = build(config, vocabulary_size)
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("source_ids", "target_ids")}
    outputs = net(inputs)
    model = keras.Model(inputs, outputs["logits"] if isinstance(outputs, dict) else outputs, name="training")
    ema = max(0.0, 1 - 6 / steps) if config.ema is None else config.ema
    # Of gradients that change as much as those of translation a shorter memory is used, as in the paper.
    memory = {"beta_2": 0.98} if config.optimizer.startswith("adam") else {}
    optimizer = optimizers.build(dataclasses.replace(config, ema=ema), steps, **memory)
    # Without smoothing, so that losses of runs can be compared.
    nats = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
    model.compile(optimizer, losses.SmoothedCrossentropy(config.label_smoothing), weighted_metrics=[nats])
    return model


def for_inference(trained: keras.Model, config: Config, vocabulary_size: int) -> keras.Model:
    """Returns the net of `build` with the weights of a trained model, in float32."""
    net = build(config, vocabulary_size)
    weights = trained.get_layer("translator").weights
    net.set_weights([np.asarray(keras.ops.cast(weight, "float32")) for weight in weights])
    return net


def search(
    net: keras.Model, source_ids: keras.KerasTensor, *, beams: int, most: int, length_penalty: float
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Translates units.

    Args:
        net: As of `build`.
        source_ids: `(batch, length)`, `STOP` behind each, padded with 0.
        beams: Translations of each that are followed; 1 takes the likeliest unit each time.
        most: Most units of a translation, `STOP` included. One has twice as many as its source and ten more at most.
        length_penalty: As of `generation.beam_search`.

    Returns:
        Units `(batch, beams, length)`, best first, `STOP` behind the end, and scores `(batch, beams)`.
    """
    from keras import ops

    read = ops.sum(ops.cast(ops.not_equal(source_ids, 0), "int32"), axis=1)
    limits = ops.minimum(2 * read + 10, most)
    decoder = generation.stepwise(net, {"source_ids": source_ids}, length=ops.max(limits))

    def step(tokens, state, position):
        logits, state = decoder.step(tokens, state, position)
        return allowed(logits, position), state

    batch = ops.shape(source_ids)[0]
    first = ops.zeros((batch,), "int32") + START
    return generation.beam_search(
        dataclasses.replace(decoder, step=step),
        decoder.initial_state(batch),
        first,
        beams=beams,
        length=limits,
        stop=STOP,
        length_penalty=length_penalty,
    )


def allowed(logits: keras.KerasTensor, position: Any) -> keras.KerasTensor:
    """Logits without what no translation has: padding, what is unknown, a second start, and an end before the first.

    Args:
        logits: `(..., vocabulary_size)`.
        position: Units before, to broadcast.
    """
    from keras import ops

    tokens = ops.arange(logits.shape[-1])
    empty = ops.logical_and(tokens == STOP, position == 0)
    return ops.where(ops.logical_or(tokens <= START, empty), -1e9, logits)


def looked_at(net: keras.Model, source_ids: keras.KerasTensor, tokens: keras.KerasTensor) -> keras.KerasTensor:
    """The weights of the units of the source for each unit of translations, `(batch, length, source_length)`.

    Args:
        net: As of `build`, with attention.
        source_ids: `(batch, source_length)`.
        tokens: `(batch, length)`.
    """
    from keras import ops

    before = ops.concatenate([ops.zeros_like(tokens[:, :1]) + START, tokens[:, :-1]], axis=1)
    weights = net({"source_ids": source_ids, "target_ids": before}, training=False)["attention"]
    return ops.where((tokens != STOP)[..., None], weights, 0.0)


def has_attention(net: keras.Model) -> bool:
    """Whether the net of `build` tells where it looked."""
    return isinstance(net.output, dict)


def endpoints(
    net: keras.Model, units: "Subwords", config: Config
) -> tuple[dict[str, tuple[Callable, dict]], list[keras.Model]]:
    """Returns the functions of the saved model, and what they hold.

    All take `text` `(batch,)` and give its `translation`, with the `score` of the search, its log-probability by
    length, and whether it was `cut`. `serving_default` follows as many translations as the configuration says, `greedy`
    one, which is faster. `explain`, of nets with attention, gives besides `source_units` `(batch, source_length)`,
    `target_units` `(batch, length)`, "" for padding, and `attention` `(batch, length, source_length)`.

    Returns:
        Dict of name to `(function, input signature)`, and the list of models.
    """
    import tensorflow as tf

    def answer(text, beams):
        ids, cut = units_of(text, units, config.max_tokens)
        # Of an empty text there is only its end.
        there, ids = ids.row_lengths() > 1, ids.to_tensor()
        options: dict[str, Any] = {"most": config.max_tokens, "length_penalty": config.length_penalty}
        tokens, scores = search(net, ids, beams=beams, **options)
        tokens = tf.where(there[:, None], tokens[:, 0], STOP)
        found = {"translation": units.decode(tokens), "score": tf.where(there, scores[:, 0], 0.0), "cut": cut}
        return found, ids, tokens

    def explain(text):
        found, ids, tokens = answer(text, config.beams)
        pieces = tf.constant(["", *units.pieces[1:]])
        written = tf.where(tokens == STOP, "", tf.gather(pieces, tokens))
        seen = {"source_units": tf.gather(pieces, ids), "target_units": written}
        return {**found, **seen, "attention": looked_at(net, ids, tokens)}

    signature = {"text": tf.TensorSpec([None], tf.string, name="text")}
    functions: dict[str, tuple[Callable, dict]] = {
        "serving_default": (lambda text: answer(text, config.beams)[0], signature),
        "greedy": (lambda text: answer(text, 1)[0], signature),
    }
    if has_attention(net):
        functions["explain"] = (explain, signature)
    return functions, [net]
