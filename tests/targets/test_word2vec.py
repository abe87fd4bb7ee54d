"""Word vectors: pairs, sampling, batches and training."""

import keras
import numpy as np
import pytest

from kerasmlsp import losses, models
from kerasmlsp.data import text
from kerasmlsp.targets import word2vec

SENTENCE = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
WORDS = ["", "[UNK]", *sorted(set(SENTENCE))]
IDS = np.array([WORDS.index(word) for word in SENTENCE], np.int32)


def in_words(pairs):
    return [tuple(WORDS[i] for i in pair) for pair in pairs]


# ---- pairs ---------------------------------------------------------------------------------------------------------


def test_the_pairs_are_those_of_the_lecture():
    pairs = in_words(word2vec.skip_gram_pairs(IDS, 2))
    assert pairs[:13] == [
        ("the", "quick"),
        ("the", "brown"),
        ("quick", "the"),
        ("quick", "brown"),
        ("quick", "fox"),
        ("brown", "the"),
        ("brown", "quick"),
        ("brown", "fox"),
        ("brown", "jumps"),
        ("fox", "quick"),
        ("fox", "brown"),
        ("fox", "jumps"),
        ("fox", "over"),
    ]
    assert len(pairs) == 2 * (8 + 7)


def test_each_centre_looks_as_far_as_its_reach():
    reach = np.array([1, 2, 1, 2, 1, 1, 1, 1, 1])
    pairs = in_words(word2vec.skip_gram_pairs(IDS, 2, reach=reach))
    assert pairs[:4] == [("the", "quick"), ("quick", "the"), ("quick", "brown"), ("quick", "fox")]
    assert len(pairs) == 1 + 3 + 2 + 4 + 2 * 4 + 1
    contexts, centers = word2vec.cbow_windows(IDS, 2, reach=reach)
    assert np.count_nonzero(contexts) == len(pairs) and list(centers) == list(IDS)


def test_words_that_are_left_out_make_no_pair():
    assert word2vec.skip_gram_pairs([2, 0, 3, 4], 1).tolist() == [[3, 4], [4, 3]]
    contexts, centers = word2vec.cbow_windows([2, 0, 3, 4], 1)
    assert contexts.tolist() == [[0, 4], [3, 0]] and centers.tolist() == [3, 4]


def test_contexts_of_the_continuous_bag_of_words():
    contexts, centers = word2vec.cbow_windows(IDS, 2)
    assert [in_words([row])[0] for row in contexts[[0, 3]]] == [
        ("", "", "quick", "brown"),
        ("quick", "brown", "jumps", "over"),
    ]
    assert in_words([centers]) == [tuple(SENTENCE)]


@pytest.mark.parametrize("make", [word2vec.skip_gram_pairs, word2vec.cbow_windows])
def test_a_window_of_nothing_is_refused(make):
    with pytest.raises(ValueError, match=r"`window` must be at least 1\. Received: window=0"):
        make(IDS, 0)


def test_reaches_are_even():
    reach = word2vec.draw_reach(np.random.default_rng(0), 10_000, 5)
    np.testing.assert_allclose(np.bincount(reach, minlength=6) / 10_000, [0, *[0.2] * 5], atol=0.02)


# ---- sampling ------------------------------------------------------------------------------------------------------


def test_counts_leave_padding_and_unknown_words_out():
    assert word2vec.word_counts([[0, 1, 2, 2], [3, 9]], 5).tolist() == [0, 0, 2, 1, 0]


def test_frequent_words_are_kept_less_often():
    keep = word2vec.keep_probabilities([0, 0, 9_000, 999, 1], 1e-3)
    f = 0.9
    np.testing.assert_allclose(keep[2], (1e-3 / f) ** 0.5 + 1e-3 / f)
    assert keep[2] < keep[3] < keep[4] == 1 and not keep[:2].any()
    assert word2vec.keep_probabilities([0, 0, 5, 1], 0).tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"`threshold` must be at least 0. Received: threshold=-1"):
        word2vec.keep_probabilities([0, 0, 1], -1)
    with pytest.raises(ValueError, match=r"`counts` must count at least one word. Received: none"):
        word2vec.keep_probabilities([0, 0])


def test_negatives_follow_counts_to_the_power_of_three_quarters():
    shares = word2vec.negative_distribution([0, 0, 16, 1])
    np.testing.assert_allclose(shares, [0, 0, 8 / 9, 1 / 9])


# ---- batches -------------------------------------------------------------------------------------------------------


def batches(**options):
    texts = [np.arange(2, 12), np.arange(12, 25)]
    counts = word2vec.word_counts(texts, 25)
    sizes = {"window": 2, "block": 4, "shared": 6, "batch_size": 3, "threshold": 0}
    return word2vec.TrainingBatches(texts, counts, **{**sizes, **options})


def test_batches_hold_the_pairs_of_every_text_once():
    found, expected = set(), set()
    data = batches()
    data.rows = len(data.words) // 3 * 3 + 3  # whole, so that every word is met
    for index in range(data.num_batches):
        inputs, targets = data[index]
        assert targets.shape == (3, 4, 4 + 2 * 2 + 6) and targets.dtype == np.int8
        assert (targets[..., -6:] == -1).all() and (inputs["candidates"][:, -6:] >= 2).all()
        for row, i, j in np.argwhere(targets == 1):
            found.add((int(inputs["centers"][row, i]), int(inputs["candidates"][row, j])))
    for each in (np.arange(2, 12), np.arange(12, 25)):
        expected |= set(map(tuple, word2vec.skip_gram_pairs(each, 2).tolist()))
        near = set(map(tuple, word2vec.skip_gram_pairs(each, 1).tolist()))
        assert near <= found
    assert found < expected


def test_batches_of_the_continuous_bag_of_words():
    inputs, targets = batches(cbow=True)[0]
    centers = inputs["words"][:, 2:-2]
    np.testing.assert_array_equal(inputs["candidates"][:, :4], centers)
    assert targets.shape == (3, 4, 4 + 6) and inputs["windows"].shape == (3, 4, 8)
    some = inputs["windows"].any(-1)
    np.testing.assert_array_equal(targets[..., :4], np.eye(4) * some[..., None])
    assert (some == (centers != 0)).all()
    assert not inputs["windows"][:, np.arange(4), np.arange(4) + 2].any()


def test_batches_follow_from_seed_and_epoch():
    one, same, other = batches(), batches(), batches(seed=1)
    np.testing.assert_array_equal(one[1][0]["candidates"], same[1][0]["candidates"])
    assert (one[1][0]["candidates"] != other[1][0]["candidates"]).any()
    before = one[0][0]["candidates"]
    one.on_epoch_end()
    assert (one[0][0]["candidates"] != before).any() and one.num_batches == same.num_batches


@pytest.mark.parametrize("name", ["window", "block", "shared", "batch_size"])
def test_batches_refuse_sizes_of_nothing(name):
    with pytest.raises(ValueError, match=f"`{name}` must be at least 1. Received: {name}=0"):
        batches(**{name: 0})


# ---- loss and models -----------------------------------------------------------------------------------------------


def test_the_loss_is_negative_sampling_with_as_many_negatives_for_each_pair():
    random = np.random.default_rng(0)
    logits = random.normal(0, 2, (2, 3, 7)).astype("float32")
    targets = random.integers(-1, 2, (2, 3, 7))
    targets[0, 0], targets[1, 1] = 0, -1  # a centre without candidates, and one without context
    found = keras.ops.convert_to_numpy(losses.NegativeSampling(negatives=3, reduction=None)(targets, logits))
    for b, i in np.ndindex(2, 3):
        z, t = logits[b, i].astype("float64"), targets[b, i]
        near, against = -np.log(1 / (1 + np.exp(-z[t == 1]))), -np.log(1 / (1 + np.exp(z[t == -1])))
        expected = near.sum() + (3 * len(near) * against.mean() if len(against) else 0)
        np.testing.assert_allclose(found[b, i], expected, rtol=1e-5)
    # One pair and k negatives: the paper's.
    z = np.array([[[0.3, -1.0, 2.0, 0.5]]], "float32")
    paper = np.log1p(np.exp(-0.3)) + np.log1p(np.exp(z[0, 0, 1:])).sum()
    np.testing.assert_allclose(float(losses.NegativeSampling(3)(np.array([[[1, -1, -1, -1]]]), z)), paper, rtol=1e-5)
    with pytest.raises(ValueError, match=r"`negatives` must be above 0. Received: negatives=0"):
        losses.NegativeSampling(0)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(losses.NegativeSampling(3)))
    assert copy.negatives == 3 and copy.reduction == "sum"


def filled(model):
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model.get_weights()


def test_skip_gram_scores_pairs_by_products():
    model = models.skip_gram(9, embedding_dim=3)
    words, contexts = filled(model)
    found = model({"centers": np.array([[2, 5]]), "candidates": np.array([[3, 8, 8]])})
    np.testing.assert_allclose(found[0], words[[2, 5]] @ contexts[[3, 8, 8]].T, rtol=1e-5)


def test_cbow_scores_the_mean_of_the_window():
    model = models.cbow(9, embedding_dim=3)
    words, contexts = filled(model)
    windows = np.array([[[1, 0, 1], [0, 0, 0]]], "float32")
    found = model({"words": np.array([[2, 5, 6]]), "windows": windows, "candidates": np.array([[3, 8]])})
    np.testing.assert_allclose(found[0, 0], words[[2, 6]].mean(0) @ contexts[[3, 8]].T, rtol=1e-5)
    np.testing.assert_array_equal(found[0, 1], 0)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients are dense on other backends")
def test_gradients_are_of_the_rows_of_the_batch_only():
    import tensorflow as tf

    model = models.skip_gram(9, embedding_dim=3)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model({"centers": np.array([[2, 5]]), "candidates": np.array([[3, 8]])}))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert [each.indices.numpy().tolist() for each in gradients] == [[2, 5], [3, 8]]


@pytest.mark.parametrize("kind", ["skip_gram", "cbow"])
def test_words_that_share_contexts_come_close(kind):
    # Two topics of four words each; texts stay within their topic.
    random = np.random.default_rng(0)
    texts = [random.integers(2, 6, 40) + 4 * (i % 2) for i in range(60)]
    keras.utils.set_random_seed(0)
    model = getattr(models, kind)(10, embedding_dim=8)
    data = word2vec.TrainingBatches(
        texts, word2vec.word_counts(texts, 10), cbow=kind == "cbow", threshold=0, batch_size=4, block=8, shared=8
    )
    xla = keras.backend.backend() != "tensorflow"
    model.compile(keras.optimizers.SGD(0.01), losses.NegativeSampling(5), jit_compile=xla)
    history = model.fit(data, epochs=10, verbose=0).history["loss"]
    assert history[-1] < history[0]
    vectors = keras.ops.convert_to_numpy(model.get_layer("word_vectors").embeddings)[2:]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    assert cosines[:4, :4].min() > cosines[:4, 4:].max() + 0.5


def test_ids_are_those_of_the_tokeniser():
    assert (text.PADDING, text.UNKNOWN) == (0, 1)
    assert word2vec.word_counts([[text.UNKNOWN, text.PADDING, 2]], 3).tolist() == [0, 0, 1]
