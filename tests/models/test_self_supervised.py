"""Self-supervised learning: pretext tasks, losses, layers, published sizes, and the exchange of the head."""

import keras
import numpy as np
import pytest

from kerasmlsp import layers, losses, models
from kerasmlsp.targets import pretext


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def images(number=8, side=8):
    return np.random.default_rng(0).normal(size=(number, side, side, 2)).astype("float32")


# ---- pretext tasks -------------------------------------------------------------------------------------------------


def test_tokens_are_hidden_in_the_published_shares():
    ids = np.random.default_rng(1).integers(2, 1000, (400, 100)).astype("int32")
    ids[:, 90:] = 0
    shown, targets = pretext.mask_tokens(ids, 1000, mask_id=1000)
    chosen = targets >= 0
    assert shown.dtype == ids.dtype and not chosen[:, 90:].any()
    np.testing.assert_array_equal(shown[~chosen], ids[~chosen])
    np.testing.assert_array_equal(targets[chosen], ids[chosen])
    np.testing.assert_allclose(chosen[:, :90].mean(), 0.15, atol=0.01)
    same, hidden = shown[chosen] == ids[chosen], shown[chosen] == 1000
    # A random word is the same word once in 998 times.
    np.testing.assert_allclose([hidden.mean(), same.mean()], [0.8, 0.1], atol=0.02)
    assert shown[chosen & (shown != 1000)].min() >= 2
    other = pretext.mask_tokens(ids, 1000, 1000, seed=1)[1]
    assert (other != targets).any()
    with pytest.raises(ValueError, match=r"`rate` must be in \(0, 1\]\. Received: rate=0"):
        pretext.mask_tokens(ids, 1000, 1000, rate=0)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint32", "uint64", "int64"])
def test_tokens_of_every_integer_type_are_masked_alike(dtype):
    ids = np.random.default_rng(1).integers(2, 100, (20, 30))
    expected = pretext.mask_tokens(ids.astype("int64"), 100, mask_id=300)
    for found, right in zip(pretext.mask_tokens(ids.astype(dtype), 100, mask_id=300), expected, strict=True):
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, right)
    assert expected[1].min() == -1 and expected[0].max() == 300


def test_patches_are_squares_row_by_row():
    pixels = np.arange(2 * 4 * 6).reshape(2, 4, 6, 1)
    found = pretext.patches(pixels, 2)
    assert found.shape == (2, 6, 4)
    np.testing.assert_array_equal(found[1, 4], pixels[1, 2:4, 2:4].ravel())
    with pytest.raises(ValueError, match=r"`patch_size` must divide 4 x 6 pixels\. Received: patch_size=3"):
        pretext.patches(pixels, 3)


def test_as_many_patches_of_every_image_are_hidden():
    masked = pretext.mask_patches(50, 10, rate=0.6)
    assert masked.sum(1).tolist() == [6] * 50 and len({tuple(row) for row in masked}) > 20
    assert pretext.mask_patches(3, 10, rate=0.01).sum(1).tolist() == [1] * 3


def test_spans_begin_at_their_share_of_frames():
    masked = pretext.mask_spans(200, 100, probability=0.065, span=10)
    # Six spans of ten, which overlap or end early: 1 - (1 - 6/100)^10 of the frames, fewer at the beginning.
    np.testing.assert_allclose(masked[:, 10:].mean(), 1 - 0.94**10, atol=0.03)
    one = pretext.mask_spans(100, 12, probability=0.1, span=1)
    assert one.sum(1).tolist() == [2] * 100
    assert pretext.mask_spans(2, 5, probability=1, span=50).all()
    for options, name in (({"probability": 0}, "probability"), ({"span": 0}, "span")):
        with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}=0"):
            pretext.mask_spans(2, 5, **options)


def test_rotations_are_quarter_turns():
    square = images(3)
    turned, labels = pretext.rotations(square)
    assert labels.tolist() == [0, 1, 2, 3] * 3
    np.testing.assert_array_equal(turned[4], square[1])
    np.testing.assert_array_equal(turned[5], square[1].transpose(1, 0, 2)[::-1])
    np.testing.assert_array_equal(turned[6], square[1, ::-1, ::-1])
    with pytest.raises(ValueError, match=r"`images` must be square, .* Received: shape=\(3, 8, 4, 2\)"):
        pretext.rotations(square[:, :, :4])


def test_clusters_are_those_of_the_features():
    pytest.importorskip("sklearn", reason="scikit-learn is not installed: pip install -e '.[clustering]'")
    random = np.random.default_rng(0)
    centers = random.normal(size=(3, 5))
    truth = np.arange(60) % 3
    # The second feature counts as much as the others, though its numbers are large.
    features = (centers[truth] + 0.05 * random.normal(size=(60, 5))) * [1, 1000, 1, 1, 1]
    labels = pretext.cluster_labels(features, 3, components=2)
    assert len({(a, b) for a, b in zip(truth, labels, strict=True)}) == 3
    np.testing.assert_array_equal(labels, pretext.cluster_labels(features, 3, components=2))
    for options, name in (({"num_clusters": 1}, "num_clusters"), ({"num_clusters": 61}, "num_clusters")):
        with pytest.raises(ValueError, match=f"`{name}` must be from 2 to the 60 examples. Received: {name}="):
            pretext.cluster_labels(features, **options)
    with pytest.raises(ValueError, match=r"`components` must be at least 1. Received: components=0"):
        pretext.cluster_labels(features, 3, components=0)


# ---- losses and layers ---------------------------------------------------------------------------------------------


def test_nt_xent_is_its_formula():
    projections = np.random.default_rng(0).normal(size=(4, 2, 5)).astype("float32")
    found = numpy(losses.NTXent(0.5, reduction=None)(np.zeros(4), projections))
    unit = projections.astype("float64") / np.linalg.norm(projections, axis=-1, keepdims=True)
    views = [(i, v) for i in range(4) for v in range(2)]

    def cost(i, v):
        similar = {(k, w): np.exp(unit[i, v] @ unit[k, w] / 0.5) for k, w in views if (k, w) != (i, v)}
        return -np.log(similar[i, 1 - v] / sum(similar.values()))

    np.testing.assert_allclose(found, [(cost(i, 0) + cost(i, 1)) / 2 for i in range(4)], rtol=1e-5)
    with pytest.raises(ValueError, match=r"`temperature` must be above 0. Received: temperature=0"):
        losses.NTXent(0)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(losses.NTXent(0.3)))
    assert copy.temperature == 0.3


def softmax(values):
    values = np.exp(values - values.max(-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def test_product_quantizer_takes_the_best_entry_of_each_codebook():
    layer = layers.ProductQuantizer(2, 3, 4, diversity_weight=0.5)
    states = np.random.default_rng(0).normal(size=(2, 7, 5)).astype("float32")
    found = numpy(layer(states))
    logits = (states @ numpy(layer.kernel)).reshape(2, 7, 2, 3)
    codebooks = numpy(layer.codebooks)
    best = logits.argmax(-1)
    expected = np.concatenate([codebooks[0][best[..., 0]], codebooks[1][best[..., 1]]], axis=-1)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    shares = softmax(logits).mean((0, 1))
    np.testing.assert_allclose(float(layer.losses[0]), 0.5 * (shares * np.log(shares)).sum() / 6, rtol=1e-4)
    assert layer.compute_output_shape((2, 7, 5)) == found.shape == (2, 7, 4)


def test_product_quantizer_draws_entries_by_their_softmax_and_cools():
    layer = layers.ProductQuantizer(1, 3, 1, temperature=2.0, least_temperature=1.9, decay=0.96, seed=0)
    layer.build((None, None, 1))
    layer.kernel.assign([[0.0, np.log(2), np.log(5)]])
    layer.codebooks.assign([[[1.0], [2.0], [4.0]]])
    found = numpy(layer(np.ones((1, 8000, 1), "float32"), training=True)).ravel()
    # The largest of logits and Gumbel noise is a draw from the softmax.
    np.testing.assert_allclose([(abs(found - e) < 1e-3).mean() for e in (1, 2, 4)], np.array([1, 2, 5]) / 8, atol=0.02)
    np.testing.assert_allclose(float(numpy(layer.current)), 2 * 0.96, rtol=1e-6)
    layer(np.ones((1, 2, 1), "float32"), training=True)
    np.testing.assert_allclose(float(numpy(layer.current)), 1.9, rtol=1e-6)
    layer(np.ones((1, 2, 1), "float32"))
    np.testing.assert_allclose(float(numpy(layer.current)), 1.9, rtol=1e-6)


def contrast(layer, context, candidates, masked):
    """The layer's logits and, by its formula with all masked frames as distractors, its loss."""
    layer(context, candidates, masked)

    def unit(values, dense):
        values = values @ numpy(dense.kernel) + numpy(dense.bias)
        return values / np.linalg.norm(values, axis=-1, keepdims=True)

    products = unit(context, layer.context_projection) @ unit(candidates, layer.candidate_projection).transpose(0, 2, 1)
    logits = products / layer.temperature
    each = [
        np.log(sum(np.exp(logits[b, t, s]) for s in range(masked.shape[1]) if masked[b, s])) - logits[b, t, t]
        for b, t in np.argwhere(masked)
    ]
    return logits, np.array(each)


def frames():
    random = np.random.default_rng(0)
    masked = random.random((3, 9)) < 0.5
    masked[2] = False
    return random.normal(size=(3, 9, 4)).astype("float32"), random.normal(size=(3, 9, 2)).astype("float32"), masked


def test_contrastive_frames_is_its_formula():
    layer = layers.ContrastiveFrames(3, temperature=0.4)
    logits, each = contrast(layer, *frames())
    np.testing.assert_allclose(numpy(layer(*frames())), logits, atol=1e-5)
    np.testing.assert_allclose(float(layer.losses[0]), each.mean(), rtol=1e-4)
    layer(*frames()[:2], np.zeros((3, 9), bool))
    assert float(layer.losses[0]) == 0


def test_contrastive_frames_draws_its_distractors_from_masked_frames():
    context, candidates, masked = frames()
    masked[:2, :5] = True
    layer = layers.ContrastiveFrames(3, num_distractors=2, seed=0)
    layer(context, candidates, masked)
    others = masked[:, None, :] & ~np.eye(9, dtype=bool)
    drawn = np.mean([numpy(layer._drawn(keras.ops.convert_to_tensor(others))) for _ in range(300)], axis=0)
    assert not drawn[~others].any()
    counts = others.sum(-1, keepdims=True)
    np.testing.assert_allclose(drawn, np.where(others, np.minimum(2 / np.maximum(counts, 1), 1), 0), atol=0.12)


def test_masked_frames_are_one_vector():
    context, _, masked = frames()
    layer = layers.MaskedFrames()
    found = numpy(layer(context, masked))
    np.testing.assert_array_equal(found[~masked], context[~masked])
    np.testing.assert_array_equal(found[masked], np.broadcast_to(numpy(layer.vector), found[masked].shape))


@pytest.mark.parametrize("length", [7, 12])
def test_masks_of_another_length_are_cut_or_lack_their_end(length):
    context, candidates, masked = frames()
    given = np.resize(masked, (3, length))
    fitted = np.pad(given, ((0, 0), (0, 9)))[:, :9]
    layer = layers.MaskedFrames()
    np.testing.assert_array_equal(numpy(layer(context, given)), numpy(layer(context, fitted)))
    layer = layers.ContrastiveFrames(3)
    losses = []
    for each in (given, fitted):
        layer(context, candidates, each)
        losses.append(float(layer.losses[0]))
    assert losses[0] == losses[1] > 0


def test_class_token_comes_first():
    context = frames()[0]
    layer = layers.ClassToken()
    found = numpy(layer(context))
    np.testing.assert_array_equal(found[:, 1:], context)
    np.testing.assert_array_equal(found[:, 0], np.broadcast_to(numpy(layer.vector)[0], (3, 4)))
    assert layer.compute_output_shape((None, None, 4)) == (None, None, 4)
    assert layer.compute_output_shape((3, 9, 4)) == (3, 10, 4)


def test_learned_position_adds_the_vector_of_its_place():
    context = frames()[0]
    layer = layers.LearnedPosition(5)
    found = numpy(layer(context)) - context
    vectors = numpy(layer.vectors)
    np.testing.assert_allclose(found[1], vectors[np.minimum(np.arange(9), 4)], atol=1e-6)


# ---- sizes ---------------------------------------------------------------------------------------------------------


def vision_parameters(side, channels, classes, patch, features, layers_, hidden):
    """Patches, a class token, places, blocks, a norm, classes."""
    number = (side // patch) ** 2
    block = 4 * features + 4 * (features**2 + features) + 2 * features * hidden + hidden + features
    ends = (patch**2 * channels + 1) * features + features + (number + 1) * features
    return ends + layers_ * block + 2 * features + (features + 1) * classes


@pytest.mark.parametrize(("side", "patch", "features", "layers_", "hidden"), [(8, 4, 6, 1, 5), (12, 2, 4, 3, 8)])
def test_parameters_of_vision_transformers_follow_the_formula(side, patch, features, layers_, hidden):
    sizes = {"patch_size": patch, "features": features, "num_layers": layers_, "feed_forward_dim": hidden}
    model = models.vision_transformer((side, side, 3), 7, num_heads=2, **sizes)
    assert model.count_params() == vision_parameters(side, 3, 7, patch, features, layers_, hidden)


def test_the_formula_gives_the_published_size_at_the_defaults():
    defaults = models.vision_transformer.__kwdefaults__
    names = ("patch_size", "features", "num_layers", "feed_forward_dim")
    assert vision_parameters(224, 3, 1000, *(defaults[name] for name in names)) == 86_567_656


# ---- models and their classifiers ----------------------------------------------------------------------------------


def test_hidden_patches_are_not_seen():
    blocks = {"features": 8, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 8}
    model = models.masked_patch_predictor((8, 8, 2), patch_size=4, **blocks)
    masked = np.zeros((8, 4), bool)
    masked[:, 1] = True  # top right
    changed = images()
    changed[:, :4, 4:] += 1
    before = numpy(model({"images": images(), "masked": masked}))
    np.testing.assert_array_equal(numpy(model({"images": changed, "masked": masked})), before)
    assert np.abs(numpy(model({"images": changed, "masked": ~masked})) - before).max() > 1e-3


def test_frames_are_as_many_as_counted():
    model = models.wav2vec(filters=4, features=4, num_layers=1, num_heads=2, feed_forward_dim=4, code_dim=4)
    waves = np.zeros((1, 1600), "float32")
    number = model.get_layer("frames")(waves).shape[1]
    assert number == pretext.num_frames(1600) == 4
    # 25 ms at 16 kHz, then one frame for every 20 ms.
    assert pretext.num_frames(400) == 1 and pretext.num_frames(399) == 0
    assert pretext.num_frames(16_000) == 49
    assert model({"waveform": waves, "masked": np.ones((1, 4), bool)}).shape == (1, 4, 4)


BLOCKS = {"features": 8, "num_layers": 1, "num_heads": 2, "feed_forward_dim": 8, "dropout": 0.0}
IGNORING = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)


def words():
    return np.random.default_rng(0).integers(2, 18, (8, 6)).astype("int32")


def waves():
    return np.random.default_rng(0).normal(size=(8, 400)).astype("float32")


def masked_language_model():
    model = models.masked_language_model(20, max_length=8, **BLOCKS)
    return model, IGNORING, pretext.mask_tokens(words(), 19, 19, rate=0.5), words()


def vision_transformer():
    return (
        models.vision_transformer((8, 8, 2), 4, patch_size=4, **BLOCKS),
        SPARSE,
        (images(), np.arange(8) % 4),
        images(),
    )


def masked_patch_predictor():
    model = models.masked_patch_predictor((8, 8, 2), patch_size=4, **BLOCKS)
    masked = pretext.mask_patches(8, 4)
    data = {"images": images(), "masked": masked}, pretext.patches(images(), 4), masked.astype("float32")
    return model, "mse", data, images()


def test_stages_of_several_convolutions():
    model = models.rotation_predictor((8, 8, 2), filters=(4, 8), convolutions=2)
    encoder = model.get_layer("encoder")
    sizes = [layer.filters for layer in encoder.layers if isinstance(layer, keras.layers.Conv2D)]
    assert sizes == [4, 4, 8, 8] and encoder.output_shape == (None, 8)
    # Kernels without bias, and four numbers of each filter for the normalisation.
    kernels = 9 * (2 * 4 + 4 * 4 + 4 * 8 + 8 * 8)
    assert encoder.count_params() == kernels + 4 * (4 + 4 + 8 + 8)


def rotation_predictor():
    model = models.rotation_predictor((8, 8, 2), filters=(4, 8))
    return model, SPARSE, pretext.rotations(images()), images()


def cluster_predictor():
    model = models.cluster_predictor((8, 8, 2), 3, filters=(4, 8))
    return model, SPARSE, (images(), np.arange(8) % 3), images()


def contrastive_model():
    model = models.contrastive_model((8, 8, 2), filters=(4, 8), projection_dim=4)
    views = {"first": images(), "second": images() + 0.1 * images()[::-1]}
    return model, losses.NTXent(), (views, np.zeros(8)), images()


def wav2vec():
    sizes = {"filters": 4, "kernel_sizes": (10, 3), "strides": (5, 2), "position_kernel": 3, "code_dim": 4}
    model = models.wav2vec(num_entries=4, **sizes, **BLOCKS)
    frames = pretext.num_frames(400, (10, 3), (5, 2))
    masked = pretext.mask_spans(8, frames, probability=0.1, span=2)
    return model, None, ({"waveform": waves(), "masked": masked},), waves()


SPARSE = "sparse_categorical_crossentropy"
PRETEXTS = [
    cluster_predictor,
    contrastive_model,
    masked_language_model,
    masked_patch_predictor,
    rotation_predictor,
    vision_transformer,
    wav2vec,
]


def fitted(model, loss, data, epochs):
    eager = keras.backend.backend() == "tensorflow"  # so few steps are not worth a graph
    model.compile(keras.optimizers.Adam(0.01), loss, jit_compile=not eager, run_eagerly=eager)
    x, y, weights = (*data, None, None)[:3]
    return model.fit(x, y, sample_weight=weights, batch_size=32, epochs=epochs, shuffle=False, verbose=0).history[
        "loss"
    ]


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_the_head_is_exchanged_in_one_call_and_the_encoder_shared(pretext):
    keras.utils.set_random_seed(0)
    model, loss, data, inputs = pretext()
    history = fitted(model, loss, data, 5)
    assert history[-1] < history[0]
    classifier = models.classifier_from(model, 2)
    encoder = classifier.get_layer("encoder").weights
    assert encoder and {id(weight) for weight in encoder} <= {id(weight) for weight in model.weights}
    assert len(classifier.weights) == len(encoder) + 2
    before = [numpy(weight) for weight in encoder]
    history = fitted(classifier, SPARSE, (inputs, np.arange(8) % 2), 4)
    assert history[-1] < history[0]
    assert any((numpy(weight) != old).any() for weight, old in zip(encoder, before, strict=True))
    np.testing.assert_allclose(numpy(classifier(inputs)).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("pretext", [rotation_predictor, wav2vec])
def test_a_frozen_encoder_stays_as_it_is(pretext):
    model, _, _, inputs = pretext()
    classifier = models.classifier_from(model, 2, freeze=True)
    encoder = classifier.get_layer("encoder").weights
    before = [numpy(weight) for weight in encoder]
    history = fitted(classifier, SPARSE, (inputs, np.arange(8) % 2), 4)
    assert history[-1] < history[0] and len(classifier.trainable_weights) == 2
    for weight, old in zip(encoder, before, strict=True):
        np.testing.assert_array_equal(numpy(weight), old)
    # The next classifier, which may be made from this one, trains it again.
    again = models.classifier_from(classifier, 3)
    assert again.get_layer("encoder").weights[0] is encoder[0] and len(again.trainable_weights) > 2
