"""Augmentation layers for texts: off at inference, seeded, serialisable."""

import keras
import numpy as np
import pytest
import test_augment_images

from kerasmlsp import augment

CASES = {"TokenDropout": {"rate": 0.25, "seed": 4}}
# Have tests of their own, in test_augment_signals.py.
SIGNALS = {
    "AdditiveNoise",
    "RandomAxisRotation",
    "RandomGain",
    "RandomHalfTurn",
    "RandomScaling",
    "RandomTimeShift",
    "SpecAugment",
    "TimeWarp",
}


def call(layer, ids, **options):
    return keras.ops.convert_to_numpy(layer(np.asarray(ids, "int32"), **options))


@pytest.mark.parametrize(
    ("layer", "shape", "axes"),
    [
        *((name, (8, 8, 3), "(batch, height, width, channels)") for name in test_augment_images.CASES),
        *((name, (50,), "(batch, samples)") for name in ("AdditiveNoise", "RandomGain", "RandomTimeShift")),
        ("SpecAugment", (20, 5), "(batch, frames, bands)"),
        *(
            (name, (20, 3), "(batch, steps, channels)")
            for name in ("RandomAxisRotation", "RandomHalfTurn", "RandomScaling")
        ),
    ],
)
def test_a_single_example_is_refused_in_a_sentence(layer, shape, axes):
    """What a tf.data pipeline gives that is not batched yet."""
    arguments = {"RandomTimeShift": {"max_shift": 2}}
    made = getattr(augment, layer)(**arguments.get(layer, {}))
    inputs = np.ones(shape, "float32")
    if layer in ("MixUp", "CutMix"):
        inputs = {"images": inputs, "labels": np.eye(2, dtype="float32")[0]}
    with pytest.raises(ValueError) as caught:
        made(inputs, training=True)
    told = f"`inputs` must be a batch `{axes}`: put `.batch(32)` before `.map(...)`"
    assert told in str(caught.value) and f"Received: shape {shape}" in str(caught.value)


@pytest.fixture(scope="module")
def ids():
    """Rows of 500 tokens from 2 on, the second half of the even rows padding."""
    ids = np.random.default_rng(0).integers(2, 50, (40, 500)).astype("int32")
    ids[::2, 250:] = 0
    return ids


def test_every_layer_has_a_case():
    assert {*CASES, *SIGNALS, *test_augment_images.CASES} == set(augment.__all__)


@pytest.mark.parametrize("name", CASES)
def test_layers_keep_their_arguments(name):
    layer = getattr(augment, name)(**CASES[name])
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    assert {key: layer.get_config()[key] for key in CASES[name]} == CASES[name]


@pytest.mark.parametrize("name", CASES)
def test_layers_are_off_at_inference(name, ids):
    layer = getattr(augment, name)(**CASES[name])
    assert np.array_equal(call(layer, ids), ids) and np.array_equal(call(layer, ids, training=False), ids)
    assert not np.array_equal(call(layer, ids, training=True), ids)


@pytest.mark.parametrize("name", CASES)
def test_layers_repeat_with_their_seed(name, ids):
    def twice(**options):
        layer = getattr(augment, name)(**{**CASES[name], **options})
        return [call(layer, ids, training=True) for _ in range(2)]

    first, second = twice()
    assert not np.array_equal(first, second)
    assert all(np.array_equal(one, other) for one, other in zip((first, second), twice(), strict=True))
    assert not np.array_equal(first, twice(seed=5)[0])


def test_token_dropout_replaces_a_share_by_the_unknown_word(ids):
    changed = call(augment.TokenDropout(0.25, seed=0), ids, training=True)
    assert changed.dtype == ids.dtype and changed.shape == ids.shape
    assert ((changed == ids) | (changed == 1)).all()
    # 15,000 tokens: the standard deviation of the share is 0.0035.
    assert np.mean(changed[ids > 0] == 1) == pytest.approx(0.25, abs=0.015)


def test_token_dropout_keeps_padding(ids):
    changed = call(augment.TokenDropout(0.9, seed=0), ids, training=True)
    assert np.array_equal(changed == 0, ids == 0)


def test_token_dropout_of_rate_0_changes_nothing(ids):
    assert np.array_equal(call(augment.TokenDropout(0.0), ids, training=True), ids)


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5])
def test_token_dropout_refuses_rates_that_are_none(rate):
    with pytest.raises(ValueError, match=r"`rate` must be in \[0, 1\). Received: rate="):
        augment.TokenDropout(rate)


def test_token_dropout_works_in_a_compiled_function(ids):
    inputs = keras.Input((None,), dtype="int32")
    outputs = augment.TokenDropout(0.5, seed=1)(inputs)
    assert outputs.shape == (None, None) and outputs.dtype == "int32"
    assert np.array_equal(keras.Model(inputs, outputs).predict(ids, verbose=0), ids)
