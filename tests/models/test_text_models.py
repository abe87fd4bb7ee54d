"""Classifiers of texts, beyond what the table of cases holds of every model."""

import keras
import numpy as np
import pytest
from cases_text import CASES, VOCABULARY, labels, texts

from kerasmlsp import models

EACH = pytest.mark.parametrize("name", CASES)


def make(name, **changes):
    model = CASES[name].make(**changes)
    if name == "naive_bayes_ngrams":
        CASES[name].compile(model)
    return model


def answers(model, ids):
    return keras.ops.convert_to_numpy(model(np.asarray(ids, "int32"), training=False))


def head(name, classes):
    """Parameters that depend on the number of classes."""
    if name == "naive_bayes_ngrams":
        columns = 1 if classes == 2 else classes
        return 64 * columns + 64 * columns + columns
    features = {"lstm_classifier": 5, "attention_lstm": 10, "text_cnn": 18, "transformer_classifier": 4}[name]
    return (features + 1) * (1 if classes == 2 else classes)


@pytest.mark.parametrize("name", [name for name in CASES if name != "calibrated_ensemble"])
def test_two_classes_share_one_unit(name):
    model = make(name, num_classes=2) if name != "naive_bayes_ngrams" else CASES[name].make(num_classes=2)
    assert model.count_params() == CASES[name].parameters - head(name, 3) + head(name, 2)
    assert model.output_shape == (None, 2) and model.output_names == ["probabilities"]
    probabilities = answers(model, texts()["token_ids"])
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@EACH
def test_a_text_without_tokens_and_one_alone_get_their_own_answers(name):
    model, ids = make(name), texts()["token_ids"].copy()
    ids[-1] = 0
    together = answers(model, ids)
    assert np.isfinite(together).all()
    for row, answer in zip(ids, together, strict=True):
        alone = row[: max(1, np.count_nonzero(row))]
        np.testing.assert_allclose(answers(model, alone[None])[0], answer, atol=1e-5)


@EACH
def test_ids_beyond_the_vocabulary_are_unknown_words(name):
    model, ids = make(name), texts()["token_ids"]
    beyond, unknown = ids.copy(), ids.copy()
    beyond[:, 0], unknown[:, 0] = VOCABULARY + 7, 1
    answer = answers(model, beyond)
    assert np.isfinite(answer).all()
    if name != "naive_bayes_ngrams":  # hashes whatever number comes
        np.testing.assert_allclose(answer, answers(model, unknown), atol=1e-6)


@EACH
def test_probabilities_stay_in_float32_at_mixed_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = CASES[name].make()
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output.dtype == "float32"
    probabilities = answers(model, texts()["token_ids"])
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("name", ["attention_lstm", "transformer_classifier"])
def test_attention_weights_add_up_and_leave_out_padding(name):
    model, ids = make(name), texts()["token_ids"]
    weights = answers(keras.Model(model.inputs[0], model.get_layer("attention").output[1]), ids)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert not weights[ids == 0].any()


def test_the_ensemble_trains_its_weights_alone():
    model = CASES["calibrated_ensemble"].make()
    assert [weight.name for weight in model.trainable_weights] == ["member_weights", "biases"]
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", jit_compile=False)
    frozen = [keras.ops.convert_to_numpy(weight) for weight in model.non_trainable_weights]
    model.fit(texts()["token_ids"], labels(), verbose=0)
    for weight, before in zip(model.non_trainable_weights, frozen, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(weight), before), weight.path


def test_the_ensemble_trusts_its_members_as_far_as_they_are_right():
    # One member with the weights at their start, which is no change at all.
    member, ids = CASES["text_cnn"].make(), texts()["token_ids"]
    np.testing.assert_allclose(answers(models.calibrated_ensemble([member]), ids), answers(member, ids), atol=1e-5)


def test_answers_follow_from_the_labels_of_the_neighbours():
    # What the n-gram model counted is what its labels say, before any training.
    model, ids = make("naive_bayes_ngrams"), texts()["token_ids"]
    assert (answers(model, ids).argmax(1) == labels()).all()


@pytest.mark.parametrize("length", [1, 2, 3])
def test_ngrams_may_be_longer_than_the_texts(length):
    model = models.naive_bayes_ngrams(2, num_buckets=64, order=4, skips=3)
    ids = np.arange(2, 2 + 2 * length).reshape(2, length)
    hashes = keras.ops.convert_to_numpy(model.get_layer("hashing")(ids))
    # A text of n tokens has n - k + 1 n-grams of order k, and n - 1 - s pairs that leave out s.
    count = sum(length - k for k in range(min(length, 4))) + sum(max(0, length - 1 - s) for s in (1, 2, 3))
    assert ((hashes != 0).sum(1) == count).all()
    padded = keras.ops.convert_to_numpy(model.get_layer("hashing")(np.pad(ids, ((0, 0), (0, 5)))))
    assert [set(row) - {0} for row in hashes.tolist()] == [set(row) - {0} for row in padded.tolist()]
    np.testing.assert_allclose(answers(model, ids).sum(1), 1, atol=1e-6)
