"""Captioners: one token at a time as with the whole caption, beams as by brute force, inside a saved model."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import generation, models

SIZE, FEATURES, REGIONS, START, STOP = 6, 4, 3, 1, 2
SIZES = {
    "image_captioner": {"embedding_dim": 5, "units": 6, "num_layers": 2},
    "attention_captioner": {"embedding_dim": 5, "units": 6, "attention_units": 4},
    "transformer_captioner": {"features": 8, "num_layers": 2, "num_heads": 2, "feed_forward_dim": 9, "window": 5},
}
EACH = pytest.mark.parametrize("name", SIZES)


def make(name):
    keras.utils.set_random_seed(4)
    model = getattr(models, name)(FEATURES, SIZE, **SIZES[name])
    # Other weights than those at the start, where biases are 0 and the answers nearly the same for all images.
    model.set_weights(
        [weight * 2 + 0.2 * np.cos(np.arange(weight.size)).reshape(weight.shape) for weight in model.get_weights()]
    )
    return model


def images(name, rows=3):
    shape = (rows, FEATURES) if name == "image_captioner" else (rows, REGIONS, FEATURES)
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def numpy(value):
    return ops.convert_to_numpy(value)


def logits(model, features, ids):
    outputs = model({"features": features, "token_ids": ids}, training=False)
    return numpy(outputs["logits"] if isinstance(outputs, dict) else outputs)


@EACH
def test_one_token_at_a_time_gives_the_same_logits(name):
    model, features = make(name), images(name)
    ids = np.random.default_rng(1).integers(0, SIZE, (3, 7)).astype("int32")  # beyond the window
    decoder = generation.stepwise(model, {"features": features})
    whole, state = logits(model, features, ids), decoder.initial_state(3)
    assert decoder.vocabulary_size == SIZE
    for position in range(7):
        found, state = decoder.step(ids[:, position], state, ops.convert_to_tensor(position, "int32"))
        np.testing.assert_allclose(numpy(found), whole[:, position], atol=1e-4, err_msg=str(position))
    other = logits(model, features[::-1].copy(), ids)
    assert np.abs(other[0] - whole[0]).max() > 0.01, "another image makes a difference"


@pytest.mark.parametrize("name", ["attention_captioner", "transformer_captioner"])
def test_the_weights_of_the_regions_sum_to_1_and_follow_the_regions(name):
    model, features = make(name), images(name)
    ids = np.random.default_rng(1).integers(0, SIZE, (3, 4)).astype("int32")
    found = model({"features": features, "token_ids": ids})
    turned = model({"features": features[:, ::-1].copy(), "token_ids": ids})
    weights = numpy(found["attention"])
    assert weights.shape == (3, 4, REGIONS)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(numpy(turned["attention"])[..., ::-1], weights, atol=1e-5)
    np.testing.assert_allclose(numpy(turned["logits"]), numpy(found["logits"]), atol=1e-4)
    assert weights.std() > 0.01


def every_caption(length):
    others = [token for token in range(SIZE) if token != STOP]
    for n in range(length):
        for head in itertools.product(others, repeat=n):
            yield (*head, STOP)
    yield from itertools.product(others, repeat=length)


def best_caption(model, features, length):
    """The likeliest of all captions of an image, and its log-probability."""
    best = (-np.inf, ())
    for _, group in itertools.groupby(sorted(every_caption(length), key=len), key=len):
        ids = np.array(list(group), "int32")
        before = np.pad(ids[:, :-1], ((0, 0), (1, 0)), constant_values=START)
        found = logits(model, np.repeat(features, len(ids), axis=0), before)
        scores = numpy(generation.log_probabilities(found, ids)).sum(1)
        best = max(best, (float(scores.max()), tuple(ids[scores.argmax()].tolist())))
    return best


@EACH
def test_beam_search_finds_the_true_best(name):
    model, features = make(name), images(name, 2)
    decoder = generation.stepwise(model, {"features": features})
    options = {"beams": 3, "length": 3, "stop": STOP, "length_penalty": 0.0}
    found, scores = generation.beam_search(decoder, decoder.initial_state(2), np.full(2, START), **options)
    for row in range(2):
        score, caption = best_caption(model, features[row : row + 1], 3)
        assert numpy(found)[row, 0].tolist() == [*caption, *[STOP] * (3 - len(caption))]
        assert numpy(scores)[row, 0] == pytest.approx(score, abs=1e-4)


@EACH
def test_sampling_takes_a_captioner_too(name):
    model, features = make(name), images(name)
    decoder = generation.stepwise(model, {"features": features})
    template = np.full((3, 5), generation.FREE, "int32")
    ids, scores, _ = generation.fill(decoder, template, seeds=np.arange(3, dtype="int32"), start=START)
    before = np.pad(numpy(ids)[:, :-1], ((0, 0), (1, 0)), constant_values=START)
    expected = numpy(generation.log_probabilities(logits(model, features, before), numpy(ids)))
    np.testing.assert_allclose(numpy(scores), expected, atol=1e-4)


@EACH
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="A saved model is exported from TensorFlow.")
def test_beam_search_runs_in_a_saved_model(name, tmp_path):
    import tensorflow as tf

    model, features = make(name), images(name, 5)

    def search(features):
        decoder, batch = generation.stepwise(model, {"features": features}), tf.shape(features)[0]
        first = tf.fill([batch], START)
        return generation.beam_search(decoder, decoder.initial_state(batch), first, beams=2, length=6, stop=STOP)[0]

    module = tf.Module()
    module.model = model
    module.search = tf.function(search, input_signature=[tf.TensorSpec((None, *features.shape[1:]))])
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = search(features).numpy()
    for rows in (5, 1):
        assert (loaded.search(features[:rows]).numpy() == expected[:rows]).all()


def test_what_was_not_given_is_refused():
    model = make("image_captioner")
    for given in (None, {"image": 0}, {"features": 0, "token_ids": 0}):
        with pytest.raises(ValueError, match=r"`given` must hold all inputs of \['features', 'token_ids'\] but"):
            generation.stepwise(model, given)


def test_a_memory_must_not_know_the_tokens():
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(5, 4)(ids)
    state = keras.layers.GlobalAveragePooling1D()(vectors)
    states = keras.layers.GRU(4, return_sequences=True)(vectors, initial_state=state)
    with pytest.raises(ValueError):
        generation.stepwise(keras.Model(ids, keras.layers.Dense(5)(states)))
