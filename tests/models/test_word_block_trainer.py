"""Training of word vectors on blocks: what a step adds to which row, by the formula, in NumPy."""

import keras
import numpy as np
import pytest

from kerasmlsp import losses, models
from kerasmlsp.models import word_blocks
from kerasmlsp.models.word_blocks import WordBlockTrainer

VOCABULARY, WINDOW, BLOCK, SHARED, ROWS, GROUPS, NEGATIVES, RATE = 12, 2, 6, 4, 2, 3, 2.5, 0.1
KINDS = {"skip_gram": models.skip_gram, "cbow": models.cbow}


def trainer(kind):
    net = KINDS[kind](VOCABULARY, embedding_dim=3)
    random = np.random.default_rng(0)
    net.set_weights([random.normal(0, 0.7, weight.shape) for weight in net.get_weights()])
    made = WordBlockTrainer(net, window=WINDOW, block=BLOCK, shared=SHARED, negatives=NEGATIVES)
    made.compile(keras.optimizers.SGD(RATE))
    return made


def drawn(seed=1):
    random = np.random.default_rng(seed)
    return {
        "words": random.integers(2, VOCABULARY, (GROUPS, ROWS, BLOCK + 2 * WINDOW)).astype("int32"),
        "spans": random.integers(0, (WINDOW + 1) ** 2, (GROUPS, ROWS, BLOCK)).astype("int32"),
        "negatives": random.integers(2, VOCABULARY, (GROUPS, ROWS, SHARED)).astype("int32"),
    }


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def near_places(span, centre):
    left, right = divmod(int(span), WINDOW + 1)
    return [centre + d for d in range(-left, right + 1) if d]


def learned(kind, vectors, contexts, blocks):
    """Every pair by itself, from the vectors before its group; both tables, and the losses of the first rows."""
    vectors, contexts, first = vectors.astype("float64"), contexts.astype("float64"), None
    for words, spans, negatives in zip(*(blocks[name] for name in ("words", "spans", "negatives")), strict=True):
        moves, told = [], []
        for row, span, against in zip(words, spans, negatives, strict=True):
            loss, pairs = 0.0, 0
            for i in range(BLOCK):
                near = [int(row[place]) for place in near_places(span[i], i + WINDOW)]
                centre = int(row[i + WINDOW])
                asked = [([centre], word) for word in near] if kind == "skip_gram" else [(near, centre)][: len(near)]
                for given, answer in asked:
                    v, pairs = vectors[given].mean(0), pairs + 1
                    for word, truth, weight in [(answer, 1, 1.0), *((int(w), 0, NEGATIVES / SHARED) for w in against)]:
                        p = sigmoid(v @ contexts[word])
                        loss -= weight * np.log(p if truth else 1 - p)
                        error = RATE * weight * (truth - p)
                        moves.append((contexts, word, error * v))
                        moves += [(vectors, each, error * contexts[word] / len(given)) for each in given]
            told.append(loss / pairs)
        first = first or told
        for table, word, move in [(table, word, move.copy()) for table, word, move in moves]:
            table[word] += move
    return vectors, contexts, first


@pytest.mark.parametrize("strip", [32, 3, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_a_step_is_the_formula(kind, strip, monkeypatch):
    monkeypatch.setattr(word_blocks, "_STRIP", strip)
    model, blocks = trainer(kind), drawn()
    before = model.net.get_weights()
    if kind == "cbow":
        blocks["spans"][0, 0, 0] = 0  # a centre without context
    vectors, contexts, told = learned(kind, *before, blocks)
    group = {name: keras.ops.array(each[0]) for name, each in blocks.items()}
    np.testing.assert_allclose(keras.ops.convert_to_numpy(model(group)), told, rtol=1e-5)
    logs = model.train_on_batch(blocks, return_dict=True)
    assert logs["loss"] == pytest.approx(np.mean(told), rel=1e-5)
    for found, expected, start in zip(model.net.get_weights(), (vectors, contexts), before, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        assert np.abs(found[2:] - start[2:]).max() > 0.1
        np.testing.assert_array_equal(found[:2], start[:2])  # rows that no batch has
    assert int(model.optimizer.iterations) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_that_of_the_loss(kind):
    """Once more, by the loss that others take, and Keras's own gradients of it."""
    model, blocks = trainer(kind), {name: each[:1] for name, each in drawn().items()}
    before, (words, spans, negatives) = model.net.get_weights(), (blocks[name][0] for name in blocks)
    near = np.zeros((ROWS, BLOCK, BLOCK + 2 * WINDOW))
    for row, i in np.ndindex(ROWS, BLOCK):
        near[row, i, near_places(spans[row, i], i + WINDOW)] = 1
    centers, against = words[:, WINDOW:-WINDOW], -np.ones((ROWS, BLOCK, SHARED))
    if kind == "skip_gram":
        inputs = {"centers": centers, "candidates": np.concatenate([words, negatives], 1)}
        targets = np.concatenate([near, against], 2)
    else:
        inputs = {"words": words, "windows": near, "candidates": np.concatenate([centers, negatives], 1)}
        targets = np.concatenate([np.eye(BLOCK) * near.any(2, keepdims=True), against], 2)
    net = KINDS[kind](VOCABULARY, embedding_dim=3)
    net.set_weights(before)
    net.compile(keras.optimizers.SGD(RATE), losses.NegativeSampling(NEGATIVES))
    net.train_on_batch(inputs, targets)
    model.train_on_batch(blocks)
    for found, expected in zip(model.net.get_weights(), net.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_trainer_is_saved_with_its_net(tmp_path):
    model = trainer("cbow")
    model.train_on_batch(drawn())
    model.save(tmp_path / "model.keras")
    copy = keras.saving.load_model(tmp_path / "model.keras")
    for found, expected in zip(copy.net.get_weights(), model.net.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert (copy.window, copy.block, copy.shared, copy.negatives) == (WINDOW, BLOCK, SHARED, NEGATIVES)
    assert copy.optimizer.iterations == 1 and copy.vectors is copy.net.get_layer("word_vectors")


@pytest.mark.parametrize(
    ("optimizer", "told"),
    [(keras.optimizers.Adam(), "Adam"), (keras.optimizers.SGD(0.1, momentum=0.9), "SGD, momentum")],
)
def test_optimizers_that_touch_every_row_are_refused(optimizer, told):
    with pytest.raises(ValueError, match=rf"`optimizer` must be `keras.optimizers.SGD` .* Received: {told}$"):
        trainer("cbow").compile(optimizer)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({name: 0}, f"`{name}` must be at least 1") for name in ("window", "block", "shared")]
    + [({"negatives": 0}, "`negatives` must be above 0. Received: negatives=0")],
)
def test_numbers_out_of_range_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        WordBlockTrainer(models.skip_gram(9), **changes)
