"""The nets behind `--architecture`, compiled, and the saved model's functions from text to label."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from kerasmlsp import classification, layers, models, optimizers
from kerasmlsp.apps.sentiment.config import MEMBERS, Config
from kerasmlsp.data import text
from kerasmlsp.data.text import UNKNOWN
from kerasmlsp.exporting import Input

if TYPE_CHECKING:
    from kerasmlsp.apps.sentiment.data import Encoded

log = logging.getLogger("kerasmlsp")

REFITTED = ("ngrams",)
"""Nets that are trained once more, on all texts, when the held-out ones have calibrated them."""


def members(architecture: str) -> tuple[str, ...]:
    """Returns the names of the nets that an architecture is made of."""
    return MEMBERS.get(architecture, (architecture,))


def build(member: str, vocabulary_size: int, num_classes: int) -> keras.Model:
    """Builds the untrained net of one member."""
    nets = min(vocabulary_size, 30_000)
    if member == "ngrams":
        return models.naive_bayes_ngrams(num_classes, num_buckets=2**19)
    if member == "lstm":
        return models.lstm_classifier(min(vocabulary_size, 10_000), num_classes)
    if member == "attention-lstm":
        return models.attention_lstm(nets, num_classes, embedding_dim=64)
    if member == "cnn":
        return models.text_cnn(nets, num_classes)
    return models.transformer_classifier(nets, num_classes)


def compiled(
    member: str, config: Config, vocabulary_size: int, num_classes: int, steps: int, encoded: "Encoded"
) -> keras.Model:
    """Builds one member and compiles it for `steps` training steps; the n-gram model counts its n-grams first."""
    from kerasmlsp.apps.sentiment import data

    model = build(member, vocabulary_size, num_classes)
    if member == "ngrams":
        log.info("Counting the n-grams of %d texts.", len(encoded.labels))
        batches, _ = data.dataset(encoded, 256)
        hashing = model.get_layer("hashing")
        model.get_layer("ngrams").adapt(((hashing(ids), labels) for ids, labels in batches), smoothing=10.0)
    model.compile(optimizers.build(config, steps), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def calibration(
    nets: Sequence[keras.Model], held_out: "Sequence[Encoded]"
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Fits the layer that combines trained nets to texts that they were not trained on.

    Args:
        nets: Trained members.
        held_out: List of `data.Encoded`: whole texts, and short ones.

    Returns:
        The weights of the layer, a list of arrays for `combined`, and the labels and the probabilities of all texts.
    """
    from kerasmlsp.apps.sentiment import data

    opinions, lengths, labels = [], [], []
    for encoded in held_out:
        batches, order = data.dataset(encoded, 256)
        opinions.append(np.stack([net.predict(batches, verbose=0) for net in nets], axis=1))
        lengths.append(encoded.lengths[order].astype("int32"))
        labels.append(encoded.labels[order])
    inputs = (keras.Input(opinions[0].shape[1:]), keras.Input((), dtype="int32"))
    layer = layers.LengthCalibration(*opinions[0].shape[1:])
    fitted = keras.Model(inputs, layer(inputs))
    layer.adapt(np.concatenate(lengths))
    fitted.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", jit_compile=False)
    # A few weights on all texts at once: this is a convex problem that full batches solve without noise.
    texts, classes = (np.concatenate(opinions), np.concatenate(lengths)), np.concatenate(labels)
    for _ in range(300):  # not epochs of `fit`, which does a tenth of a second of its own work in each
        fitted.train_on_batch(texts, classes)
    return layer.get_weights(), classes, fitted.predict(texts, batch_size=4096, verbose=0)


def combined(nets: Sequence[keras.Model], weights: Sequence[np.ndarray]) -> keras.Model:
    """Returns the uncompiled `calibrated_ensemble` of trained nets with the weights that `calibration` fitted."""
    model = models.calibrated_ensemble([_uncompiled(net) for net in nets])
    model.get_layer("calibration").set_weights(weights)
    return model


def _uncompiled(net):
    """A copy without optimizer, which would be saved with the whole."""
    copy = type(net).from_config(net.get_config())
    copy.set_weights(net.get_weights())
    return copy


INPUTS = {"text": Input("Texts to classify.", range="UTF-8; of long ones the middle is not read")}


def endpoints(
    model: keras.Model, words: Sequence[str], classes: Sequence[str], max_tokens: int, threshold: float | None = None
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` gives `label`, `probabilities` in the order of `classes`, `confidence` and `unsure`, see
    `classification.answer`; a text without a known word shows nothing. `explain` gives besides `tokens`
    `(batch, length)`, "" for padding, and `attention`, one weight a token, where the model has attention.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    lookup = text.lookup(words)
    weighted = _with_attention(model)

    def encode(texts):
        tokens = text.truncate(text.tokenize(texts), max_tokens)
        ids = tf.cast(lookup(tokens), tf.int32)
        return text.dense(tokens), text.dense(ids)

    def answer(probabilities, ids):
        return classification.answer(classes, probabilities, tf.reduce_any(ids > UNKNOWN, axis=1), threshold)

    def classify(texts):
        ids = encode(texts)[1]
        return answer(model(ids, training=False), ids)

    def explain(texts):
        tokens, ids = encode(texts)
        probabilities, attention = weighted(ids, training=False)
        return {**answer(probabilities, ids), "tokens": tokens, "attention": attention}

    signature = {"text": tf.TensorSpec([None], tf.string, name="text")}
    functions = {"serving_default": (lambda text: classify(text), signature)}
    if weighted is not None:
        functions["explain"] = (lambda text: explain(text), signature)
    return functions, [model, lookup, *([weighted] if weighted is not None else [])]


def _with_attention(model):
    """The model with the attention of its first member that has any as second output; None where none has."""
    for member in model.layers:
        if isinstance(member, keras.Model) and "attention" in {layer.name for layer in member.layers}:
            inner = keras.Model(member.inputs[0], member.get_layer("attention").output[1])
            return keras.Model(model.inputs[0], [model.output, inner(model.inputs[0])], name="explained")
    return None
