"""Preference tuning: a trained net learns which of two continuations of a prompt is the better one."""

import dataclasses
import logging
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import ops

from kerasmlsp import generation, optimizers, training
from kerasmlsp.apps.chargen import data, model
from kerasmlsp.apps.chargen.config import PAIRS, Config
from kerasmlsp.data import batching, labelled, normalization, splits, tables
from kerasmlsp.metrics import measured_share

if TYPE_CHECKING:
    import tensorflow as tf

log = logging.getLogger("kerasmlsp")

PARTS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Prompts with two continuations, as character ids.

    Args:
        ids: The better text and the worse one, int32 `(pairs, 2, 1 + length)`: what stands before a text, the end of
            the prompt, the continuation.
        counted: 1 where the character after is one of the continuation, else 0, float32 `(pairs, 2, length)`.
        parts: "train", "validation" or "test" of each.
        fingerprint: That of all pairs.
    """

    ids: np.ndarray
    counted: np.ndarray
    parts: np.ndarray
    fingerprint: str

    def of(self, part: str) -> np.ndarray:
        """Places of the pairs of a part."""
        return np.flatnonzero(self.parts == part)


def read(config: Config, known: str) -> Pairs:
    """Reads the pairs of a configuration: of prompt and continuation at most `window` characters each.

    Pairs with the same prompt belong to the same part; where there are fewer than three prompts, pairs are dealt out
    one by one.

    Args:
        config: The complete configuration.
        known: The characters that the net knows.

    Raises:
        ValueError: The table lacks a column, or has fewer than three pairs that can be used.
    """
    assert config.preferences is not None
    table = tables.read_table(config.preferences)
    tables.check_columns(config.preferences, table.columns, **{f"preferences ({name})": name for name in PAIRS})
    rows = [tuple("" if each is None or each != each else str(each) for each in row) for row in _cells(table)]
    texts, prompts, left_out = [], [], []
    for row in dict.fromkeys(rows):
        prompt, better, worse = (data.encode(normalization.respell(each, known), known) for each in row)
        pair = [(prompt[-config.window :], each[: config.window]) for each in (better, worse)]
        if not all(len(each) for _, each in pair):
            left_out.append("without a character that is known")
        elif np.array_equal(pair[0][1], pair[1][1]):
            left_out.append("with the same text twice")
        else:
            texts.append(pair)
            prompts.append(row[0])
    if len(rows) > len(set(rows)):
        left_out += ["that occur again"] * (len(rows) - len(set(rows)))
    for why in sorted(set(left_out)):
        log.info("Left out %d of %d pairs: %s.", left_out.count(why), len(rows), why)
    if len(texts) < 3:
        raise ValueError(
            f"`preferences` must hold at least three pairs of different continuations, to train on, to select on and "
            f"to measure with. Received: {len(texts)} in {config.preferences}"
        )
    fingerprint = labelled.fingerprint([text for row in rows for text in row], [""])
    ids, counted = _joined(texts, model.start_of(known))
    return Pairs(ids, counted, _parts(prompts, config), fingerprint)


def _cells(table):
    return table[list(PAIRS)].itertuples(index=False, name=None)


def _joined(pairs, start):
    length = max(len(prompt) + len(text) for pair in pairs for prompt, text in pair)
    ids = np.full((len(pairs), 2, 1 + length), start, "int32")
    counted = np.zeros((len(pairs), 2, length), "float32")
    for row, pair in enumerate(pairs):
        for side, (prompt, text) in enumerate(pair):
            end = len(prompt) + len(text)
            ids[row, side, 1 : 1 + end] = np.concatenate([prompt, text])
            counted[row, side, len(prompt) : end] = 1
    return ids, counted


def _parts(prompts, config):
    """Which part each pair belongs to; none is empty."""
    groups = np.unique(prompts, return_inverse=True)[1]
    if groups.max() < 2:
        groups = np.arange(len(prompts))
    alike, parts = np.zeros(len(prompts)), np.full(len(prompts), "train", dtype="U10")
    rest, held_out = splits.split_groups(alike, groups, config.held_out_share, config.seed)
    _, chosen = splits.split_groups(alike[rest], groups[rest], config.validation_share, config.seed)
    parts[held_out], parts[rest[chosen]] = "test", "validation"
    return parts


def preferring(net: keras.Model, length: int, beta: float) -> keras.Model:
    """Joins a net to what tells how much more it prefers the better of two texts than the net it started from does.

    With `m = log p(better) - log p(worse)` and `m0` that of the start, both over the characters of the continuations,
    the output is `beta (m - m0)`. Its cross-entropy with 1, `log(1 + exp(-beta (m - m0)))`, is the loss of direct
    preference optimisation: the likelihood of the preferences where what is rewarded is the text's log-probability
    beyond the start's, `beta` being the price of going away from the start.

    Reference: Ganapathy, MLSP 2025, "LLM - Examples" (GPT-3.5: human feedback); Rafailov et al. 2023, "Direct
    Preference Optimization: Your Language Model is Secretly a Reward Model".

    Args:
        net: From character ids `(batch, length)` to logits.
        length: Characters of prompt and continuation.
        beta: The price, above 0.

    Returns:
        A model from `ids` `(batch, 2, 1 + length)`, `counted` `(batch, 2, length)`, as of `Pairs`, and `start` `(batch,
        1)`, which is `m0`, to logits `(batch, 1)`. Its weights are those of the net.
    """
    ids = keras.Input((2, 1 + length), dtype="int32", name="ids")
    counted = keras.Input((2, length), name="counted")
    start = keras.Input((1,), name="start")
    flat = ops.reshape(ids, (-1, 1 + length))
    scores = generation.log_probabilities(net(flat[:, :-1]), flat[:, 1:])
    totals = ops.sum(ops.reshape(scores, (-1, 2, length)) * counted, axis=-1)
    return keras.Model(
        {"ids": ids, "counted": counted, "start": start},
        beta * (totals[:, :1] - totals[:, 1:] - start),
        name="preferring",
    )


def preferences(net: keras.Model, pairs: Pairs, places: np.ndarray) -> np.ndarray:
    """Returns `log p(better) - log p(worse)` of pairs, `(places,)`."""
    whole = preferring(net, pairs.counted.shape[-1], 1.0)
    rows = [places[begin : begin + 64] for begin in range(0, len(places), 64)]
    zeros = [np.zeros((len(each), 1), "float32") for each in rows]
    found = [
        whole.predict_on_batch({"ids": pairs.ids[row], "counted": pairs.counted[row], "start": zero})
        for row, zero in zip(rows, zeros, strict=True)
    ]
    return np.concatenate([np.zeros((0, 1)), *found])[:, 0]


def fit(config: Config, run: training.Run, start: keras.Model, known: str, pairs: Pairs, resume: bool) -> keras.Model:
    """Trains the net `start`, as of `model.for_inference`, on pairs, and keeps the epoch of the least loss."""
    before = preferences(start, pairs, np.arange(len(pairs.ids)))[:, None].astype("float32")
    chosen = {part: pairs.of(part) for part in PARTS}
    assert config.batch_size is not None and config.epochs is not None
    size = min(config.batch_size, len(chosen["train"]))
    order = batching.shuffled(len(chosen["train"]), size, seed=config.seed)
    steps = config.epochs * len(order(0))

    def build():
        net = model.build(config, len(known))
        net.set_weights(start.get_weights())
        whole = preferring(net, pairs.counted.shape[-1], config.beta)
        won = keras.metrics.BinaryAccuracy(threshold=0.0, name="won")
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        whole.compile(optimizers.build(config, steps), loss, metrics=[won])
        return whole

    return training.fit(
        build,
        batching.Batches(order, _loader(pairs, before, chosen["train"])),
        run,
        config,
        validation=_dataset(_loader(pairs, before, chosen["validation"]), len(chosen["validation"])),
        resume=resume,
    )


def _loader(pairs, before, places):
    import tensorflow as tf

    arrays = {"ids": pairs.ids[places], "counted": pairs.counted[places], "start": before[places]}
    constants = {name: tf.constant(array) for name, array in arrays.items()}

    def load(indices, key=None):
        rows = {name: tf.gather(array, indices) for name, array in constants.items()}
        return rows, tf.ones_like(rows["start"])

    return load


def _dataset(load, count) -> "tf.data.Dataset":
    import tensorflow as tf

    return tf.data.Dataset.range(count).batch(64).map(load)


def measured(net: keras.Model, start: keras.Model, pairs: Pairs) -> dict[str, Any]:
    """Tells what the held-out pairs say of a net and of the one it started from.

    Returns:
        By measure, the share of the held-out pairs, with its 95 % interval: `win rate against the start`, those of
        which the net prefers the better text more than the start does, and `prefers the better text`, those of which
        it makes the better text likelier than the worse, `..., start` the same of the start.
    """
    places = pairs.of("test")
    mine, theirs = (preferences(each, pairs, places) for each in (net, start))
    return {
        "win rate against the start": measured_share(mine > theirs),
        "prefers the better text": measured_share(mine > 0),
        "prefers the better text, start": measured_share(theirs > 0),
    }
