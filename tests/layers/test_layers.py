"""Layers against NumPy, on the backend that KERAS_BACKEND names."""

import collections
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasmlsp import layers
from kerasmlsp.layers import normalization
from kerasmlsp.layers.recurrent import unfuse

CASES = {
    "AdaptiveGraphConvolution": {"adjacency": [[0, 1], [2, 0]], "rank": 3},
    "AttentionPooling": {"units": 3},
    "BatchNormalization": {"momentum": 0.7, "epsilon": 0.01},
    "GraphConvolutionLSTMCell": {"adjacency": [[0, 1], [1, 0]], "reachability": [[1, 1], [0, 1]], "order": 2},
    "GravityAlignment": {"span": 3},
    "KerasMultiHeadAttention": {"num_heads": 2, "key_dim": 3},
    "LSTMVariantCell": {"units": 3, "input_gate": False, "peepholes": True, "gate_recurrence": True},
    "LearnedPosition": {"max_length": 7},
    "MultiHeadAttention": {"num_heads": 2},
    "MultiplicativeAttention": {"units": 3},
    "ResidualRecurrence": {"units": 3},
    "ScaledDotProductAttention": {},
    "TransformerDecoderBlock": {
        "num_heads": 2,
        "feed_forward_dim": 5,
        "window": 4,
        "activation": "gelu",
        "dropout": 0.1,
        "normalize_first": True,
    },
    "ActivityPenalty": {"factor": 0.1},
    "ClassToken": {},
    "ContrastiveFrames": {"units": 3, "num_distractors": 2, "temperature": 0.2, "seed": 1},
    "DecoderBlock": {"num_heads": 2, "window": 5, "expansion": 3, "dropout": 0.1},
    "GatedConvolutions": {"skip_features": 3, "dilations": [1, 2], "kernel_size": 3},
    "HashedNgrams": {"order": 2, "skips": 1},
    "Hopfield": {"sweeps": 3, "synchronous": True},
    "LSTM": {"units": 3, "fused": False},
    "LengthCalibration": {"num_members": 2, "num_classes": 3},
    "LevelFeatures": {"num_levels": 4},
    "MaskedFrames": {},
    "NaiveBayesNgrams": {"num_buckets": 50, "num_classes": 3, "scale": 0.5, "rate": 0.1, "seed": 4},
    "LogMelSpectrogram": {
        "num_bands": 7,
        "sampling_rate": 8000,
        "frame_seconds": 0.02,
        "hop_seconds": 0.005,
        "min_frequency": 60.0,
        "max_frequency": 3000.0,
        "epsilon": 1e-3,
    },
    "ProductQuantizer": {
        "num_groups": 2,
        "num_entries": 3,
        "units": 4,
        "temperature": 1.5,
        "least_temperature": 0.4,
        "decay": 0.9,
        "diversity_weight": 0.2,
        "seed": 1,
    },
    "MaskedConv2D": {"filters": 4, "kernel_size": 3, "mask": "A", "channels": 2},
    "ModernHopfield": {"num_patterns": 3, "beta": 2.0, "steps": 4},
    "PolynomialFeatures": {"degree": 3, "constant": 0.5},
    "RBM": {"units": 3, "gibbs_steps": 2, "num_chains": 4, "seed": 5},
    "RandomFourierFeatures": {"units": 3, "width": 2.0, "seed": 5},
    "RasterConv2D": {"filters": 4, "rows": 2, "columns": 5, "left": 3, "own": False, "by_place": True},
    "Recall": {"num_heads": 2, "span": 3, "window": 7},
    "Scalogram": {
        "num_bands": 5,
        "sampling_rate": 100,
        "min_frequency": 4.0,
        "max_frequency": 30.0,
        "hop": 3,
        "cycles": 5.0,
    },
    "ShortTimeFourierTransform": {
        "frame_length": 6,
        "hop": 2,
        "fft_length": 8,
        "window": "hamming",
        "onesided": True,
    },
    "SimilarDays": {
        "steps": 9,
        "nodes": 2,
        "day_steps": 4,
        "horizon": 1,
        "first": 1,
        "shifts": [0, 1],
        "own_share": 0.2,
    },
    "SinusoidalPosition": {"max_wavelength": 100.0},
    "SubSpectralNormalization": {"sub_bands": 2, "momentum": 0.5, "epsilon": 1e-2},
    "VoiceEmbedding": {"units": 3, "names": ["token", "ages"]},
    "VoiceState": {},
    "VoiceTransformer": {"features": 8, "num_layers": 1, "num_heads": 2, "window": 5, "dropout": 0.1},
    "WordVectors": {"vocabulary_size": 7, "units": 3},
    "TemporalBlock": {"filters": 3, "kernel_size": 3, "dilation": 2, "dropout": 0.1},
}
# Take a layer as an argument, which is not equal to its copy; each has a test of its own.
WRAPPERS = {"AttentionRNN", "Beside", "FreeRunning", "Stateful"}


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def softmax(values):
    values = np.exp(values - values.max(-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def test_every_layer_has_a_case():
    assert set(CASES) | WRAPPERS == set(layers.__all__)


@pytest.mark.parametrize("name", CASES)
def test_layers_keep_their_arguments(name):
    layer = getattr(layers, name)(**CASES[name], name="mine")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config() and copy.name == "mine"
    assert {key: layer.get_config()[key] for key in CASES[name]} == CASES[name]
    assert keras.saving.get_registered_name(type(layer)) == f"kerasmlsp>{name}"


@pytest.mark.parametrize(
    ("name", "options", "named"),
    [
        ("AttentionPooling", {"units": 0}, "`units`"),
        ("GraphConvolutionLSTMCell", {"order": 0}, "`order`"),
        ("GravityAlignment", {"span": 0}, "`span`"),
        ("HashedNgrams", {"order": 0}, "`order`"),
        ("HashedNgrams", {"skips": -1}, "`skips`"),
        ("LSTMVariantCell", {"units": 0}, "`units`"),
        ("LSTMVariantCell", {"coupled_gates": True}, "`coupled_gates`"),
        ("LearnedPosition", {"max_length": 0}, "`max_length`"),
        ("MultiHeadAttention", {"num_heads": 0}, "`num_heads`"),
        ("MultiplicativeAttention", {"units": 0}, "`units`"),
        ("ResidualRecurrence", {"units": 0}, "`units`"),
        ("ContrastiveFrames", {"units": 0}, "`units`"),
        ("ContrastiveFrames", {"num_distractors": 0}, "`num_distractors`"),
        ("ContrastiveFrames", {"temperature": 0}, "`temperature`"),
        ("NaiveBayesNgrams", {"num_buckets": 1}, "`num_buckets`"),
        ("NaiveBayesNgrams", {"num_classes": 1}, "`num_classes`"),
        ("NaiveBayesNgrams", {"rate": 1.0}, "`rate`"),
        ("ProductQuantizer", {"num_groups": 0}, "`num_groups`"),
        ("ProductQuantizer", {"num_entries": 1}, "`num_entries`"),
        ("ProductQuantizer", {"units": 5}, "`units`"),
        ("ProductQuantizer", {"temperature": 0}, "`temperature`"),
        ("ProductQuantizer", {"least_temperature": 0}, "`least_temperature`"),
        ("ProductQuantizer", {"decay": 1.5}, "`decay`"),
        ("ProductQuantizer", {"diversity_weight": -1}, "`diversity_weight`"),
        ("GatedConvolutions", {"skip_features": 0}, "`skip_features`"),
        ("GatedConvolutions", {"dilations": [1, 0]}, "`dilations`"),
        ("GatedConvolutions", {"kernel_size": 1}, "`kernel_size`"),
        ("Hopfield", {"sweeps": 0}, "`sweeps`"),
        ("LevelFeatures", {"num_levels": 1}, "`num_levels`"),
        ("MaskedConv2D", {"kernel_size": 2}, "`kernel_size`"),
        ("MaskedConv2D", {"mask": "C"}, "`mask`"),
        ("MaskedConv2D", {"channels": 0}, "`channels`"),
        ("ModernHopfield", {"num_patterns": 0}, "`num_patterns`"),
        ("ModernHopfield", {"beta": 0.0}, "`beta`"),
        ("ModernHopfield", {"steps": 0}, "`steps`"),
        ("ActivityPenalty", {"factor": -1.0}, "`factor`"),
        ("PolynomialFeatures", {"degree": 0}, "`degree`"),
        ("PolynomialFeatures", {"constant": -1.0}, "`constant`"),
        ("RandomFourierFeatures", {"units": 0}, "`units`"),
        ("RandomFourierFeatures", {"width": 0.0}, "`width`"),
        ("RBM", {"units": 0}, "`units`"),
        ("RBM", {"gibbs_steps": 0}, "`gibbs_steps`"),
        ("RBM", {"num_chains": -1}, "`num_chains`"),
        ("RasterConv2D", {"columns": 4}, "`columns`"),
        ("RasterConv2D", {"left": 0}, "`left`"),
        ("Recall", {"num_heads": 0}, "`num_heads`"),
        ("Recall", {"span": 0}, "`span`"),
        ("Recall", {"window": 0}, "`window`"),
        ("LogMelSpectrogram", {"num_bands": 0}, "`num_bands`"),
        ("LogMelSpectrogram", {"sampling_rate": 0}, "`sampling_rate`"),
        ("LogMelSpectrogram", {"frame_seconds": 0.0}, "`frame_seconds`"),
        ("LogMelSpectrogram", {"hop_seconds": -1.0}, "`hop_seconds`"),
        ("LogMelSpectrogram", {"epsilon": 0.0}, "`epsilon`"),
        ("LogMelSpectrogram", {"min_frequency": -1.0}, "`min_frequency`"),
        ("LogMelSpectrogram", {"min_frequency": 4000.0, "max_frequency": None}, "`min_frequency`"),
        ("LogMelSpectrogram", {"max_frequency": 4001.0}, "`max_frequency`"),
        ("LogMelSpectrogram", {"max_frequency": 50.0}, "`max_frequency`"),
        ("Scalogram", {"num_bands": 1}, "`num_bands`"),
        ("Scalogram", {"hop": 0}, "`hop`"),
        ("Scalogram", {"cycles": 0}, "`cycles`"),
        ("Scalogram", {"min_frequency": 0}, "`min_frequency`"),
        ("Scalogram", {"max_frequency": 51.0}, "`max_frequency`"),
        ("ShortTimeFourierTransform", {"frame_length": 1}, "`frame_length`"),
        ("ShortTimeFourierTransform", {"hop": 0}, "`hop`"),
        ("ShortTimeFourierTransform", {"fft_length": 5}, "`fft_length`"),
        ("ShortTimeFourierTransform", {"window": "square"}, "`window`"),
        ("SinusoidalPosition", {"max_wavelength": 0}, "`max_wavelength`"),
        ("SubSpectralNormalization", {"sub_bands": 0}, "`sub_bands`"),
        ("SubSpectralNormalization", {"momentum": 1.0}, "`momentum`"),
        ("SubSpectralNormalization", {"epsilon": 0.0}, "`epsilon`"),
        ("TemporalBlock", {"filters": 0}, "`filters`"),
        ("TemporalBlock", {"kernel_size": 1}, "`kernel_size`"),
        ("TemporalBlock", {"dilation": 0}, "`dilation`"),
        ("TransformerDecoderBlock", {"feed_forward_dim": 0}, "`feed_forward_dim`"),
        ("TransformerDecoderBlock", {"window": 0}, "`window`"),
        ("WordVectors", {"vocabulary_size": 0}, "`vocabulary_size`"),
        ("WordVectors", {"units": 0}, "`units`"),
    ],
)
def test_layers_refuse_values_out_of_range(name, options, named):
    with pytest.raises(ValueError, match=f"{named} must be .* Received: {named[1:-1]}="):
        getattr(layers, name)(**{**CASES[name], **options})


# ---- attention pooling ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def states():
    return np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")


MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 1, 0, 0]], bool)


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_attention_pooling_is_its_formula(states, mask):
    layer = layers.AttentionPooling(3)
    layer.build(states.shape)
    random = np.random.default_rng(1)
    kernel, bias, query = (random.normal(size=shape).astype("float32") for shape in ((4, 3), (3,), (3, 1)))
    layer.set_weights([kernel, bias, query])
    pooled, weights = (numpy(each) for each in layer(states, mask=mask))
    scores = (np.tanh(states @ kernel + bias) @ query)[..., 0]
    expected = softmax(scores if mask is None else np.where(mask, scores, -np.inf))
    np.testing.assert_allclose(weights, expected, atol=1e-6)
    np.testing.assert_allclose(pooled, np.einsum("bt,btf->bf", expected, states), atol=1e-5)
    assert layer.count_params() == 4 * 3 + 3 + 3


def test_attention_pooling_of_a_row_without_steps_is_even(states):
    pooled, weights = layers.AttentionPooling(3)(states, mask=np.zeros((3, 5), bool))
    np.testing.assert_allclose(numpy(weights), np.full((3, 5), 0.2), atol=1e-6)
    np.testing.assert_allclose(numpy(pooled), states.mean(1), atol=1e-5)


def test_attention_pooling_knows_its_shapes_and_takes_a_mask_along(states):
    pooled, weights = layers.AttentionPooling(3)(keras.Input((None, 4)))
    assert pooled.shape == (None, 4) and weights.shape == (None, None)
    assert layers.AttentionPooling(3).compute_output_shape((2, 7, 4)) == ((2, 4), (2, 7))
    ids = np.array([[3, 4, 0, 0]])
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(ids)
    assert numpy(layers.AttentionPooling(3)(embedded)[1])[0, 2:].tolist() == [0, 0]


def test_attention_weights_stay_in_float32(states):
    pooled, weights = layers.AttentionPooling(3, dtype="mixed_bfloat16")(states)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    assert keras.backend.standardize_dtype(pooled.dtype) == "bfloat16"
    np.testing.assert_allclose(numpy(weights).sum(1), 1, atol=1e-6)


# ---- positions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wavelength", [10_000.0, 100.0])
def test_sinusoidal_position_is_its_formula(wavelength):
    inputs = np.random.default_rng(0).normal(size=(2, 7, 6)).astype("float32")
    expected = inputs.copy()
    for t in range(7):
        for i in range(3):
            angle = t / wavelength ** (2 * i / 6)
            expected[:, t, 2 * i] += math.sin(angle)
            expected[:, t, 2 * i + 1] += math.cos(angle)
    layer = layers.SinusoidalPosition(wavelength)
    np.testing.assert_allclose(numpy(layer(inputs)), expected, atol=1e-5)
    assert layer.compute_output_shape((2, 7, 6)) == (2, 7, 6) and not layer.weights


def test_sinusoidal_position_refuses_odd_features():
    with pytest.raises(ValueError, match="must be even"):
        layers.SinusoidalPosition()(np.zeros((1, 2, 3), "float32"))


# ---- hashed n-grams ------------------------------------------------------------------------------------------------


def hashed(row, order):
    """The layer's hashes of one row, in Python's whole numbers."""
    found, word = set(), 0xFFFFFFFF
    tokens = list(row)[: list(row).index(0)] if 0 in row else list(row)
    for start in range(len(tokens)):
        state = 0
        for n, token in enumerate(tokens[start : start + order]):
            state = (state * 0x01000193 & word) ^ (token + n + 1 & word)
            for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
                state = (state ^ state >> shift) * factor & word
            state ^= state >> 16
            found.add(state >> 1 | 1)
    return found


@pytest.fixture(scope="module")
def ids():
    random = np.random.default_rng(0)
    ids = random.integers(1, 12, (6, 20)).astype("int32")
    for row, length in enumerate((20, 13, 5, 2, 1, 0)):
        ids[row, length:] = 0
    ids[0, :3] = 30_000, 2**31 - 1, 7
    return ids


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_hashes_are_those_of_plain_python(ids, order):
    hashes = numpy(layers.HashedNgrams(order)(ids))
    assert hashes.dtype == np.int32 and hashes.shape == (6, order * 20)
    for row, values in zip(ids.tolist(), hashes.tolist(), strict=True):
        present = [value for value in values if value]
        assert set(present) == hashed(row, order)
        # Each once, positive, sorted (0s for those taken out lie between).
        assert present == sorted(set(present)) and all(value > 0 for value in present)


def test_a_row_has_as_many_hashes_as_different_ngrams(ids):
    hashes = numpy(layers.HashedNgrams(3)(ids))
    for row, values in zip(ids.tolist(), hashes, strict=True):
        tokens = [token for token in row if token]
        grams = {tuple(tokens[i : i + n]) for n in (1, 2, 3) for i in range(len(tokens) - n + 1)}
        assert np.count_nonzero(values) == len(grams)


def test_order_and_place_of_tokens_make_a_difference():
    layer = layers.HashedNgrams(2)
    one, turned, moved = (set(numpy(layer(np.array([row])))[0]) - {0} for row in ([5, 6], [6, 5], [9, 5, 6]))
    assert len(one & turned) == 2 and len(one - turned) == 1
    assert one < moved


def test_padding_changes_no_hash(ids):
    layer = layers.HashedNgrams(3)
    short, long = numpy(layer(ids)), numpy(layer(np.pad(ids, ((0, 0), (0, 9)))))
    assert [set(row) - {0} for row in short] == [set(row) - {0} for row in long]


def test_random_ngrams_hardly_collide():
    # Of 6,000 n-grams in 2^30 hashes (the lowest bit is always set), 0.017 pairs collide on average.
    random = np.random.default_rng(0)
    grams = {tuple(row) for row in random.integers(2, 30_000, (3000, 2))}
    hashes = numpy(layers.HashedNgrams(2)(np.array(sorted(grams), "int32")))
    tokens = {token for gram in grams for token in gram}
    assert len(set(hashes.ravel()) - {0}) == len(grams) + len(tokens)


def test_hashes_spread_evenly_over_a_table():
    hashes = numpy(layers.HashedNgrams(1)(np.arange(1, 20_001, dtype="int32")[:, None]))
    counts = np.bincount(hashes.ravel() % 63, minlength=63)
    # Chi-squared of 62 degrees of freedom: mean 62, standard deviation 11.
    assert np.sum((counts - 20_000 / 63) ** 2 / (20_000 / 63)) < 62 + 4 * 11


def test_hashing_tells_pairs_of_every_distance_apart():
    def pairs(*rows):
        hashes = numpy(layers.HashedNgrams(2, skips=2)(np.array(rows, "int32")))
        return [set(row[row > 0].tolist()) for row in hashes]

    here, same, nearer, apart = pairs([5, 9, 8, 6], [5, 7, 7, 6], [5, 7, 6, 0], [5, 6, 0, 0])
    assert [len(found) for found in (here, same, nearer, apart)] == [4 + 3 + 2 + 1, 3 + 3 + 2 + 1, 3 + 2 + 1, 2 + 1]
    single = pairs([5, 0, 0, 0])[0] | pairs([6, 0, 0, 0])[0]
    assert single < here & same and len(here & same) == 3, "both tokens, and their pair with two between"
    assert nearer & here == apart & here == apart & same == single, "neither next to each other nor with one between"


def test_hashing_knows_its_shape():
    outputs = layers.HashedNgrams(3)(keras.Input((None,), dtype="int32"))
    assert outputs.shape == (None, None) and outputs.dtype == "int32"
    assert layers.HashedNgrams(3).compute_output_shape((2, 7)) == (2, 21)


# ---- naive Bayes ---------------------------------------------------------------------------------------------------


def corpus(num_classes, texts=40, seed=0):
    """Sets of hashes (ints from 1 to 29) and classes; some hashes are rare."""
    random = np.random.default_rng(seed)
    rows = [sorted({int(value) for value in random.geometric(0.12, 10) if value < 30}) for _ in range(texts)]
    return rows, random.integers(0, num_classes, texts)


def padded(rows):
    hashes = np.zeros((len(rows), 12), "int32")
    for place, row in enumerate(rows):
        hashes[place, : len(row)] = row
    return hashes


def adapted(num_classes, *, num_buckets=1000, parts=3, smoothing=1.0, min_count=3, **options):
    """A built layer adapted to the corpus, which comes in `parts` batches."""
    rows, labels = corpus(num_classes)
    layer = layers.NaiveBayesNgrams(num_buckets, num_classes, **options)
    layer.build((None, None))
    pieces = np.array_split(np.arange(len(rows)), parts)
    layer.adapt(((padded(rows)[p], labels[p]) for p in pieces), smoothing=smoothing, min_count=min_count)
    return layer


def expected_statistics(num_classes, smoothing=1.0, min_count=3):
    """Dict of hash to inverse document frequency and log ratio of each class, by loops."""
    rows, labels = corpus(num_classes)
    counts = collections.defaultdict(lambda: [0] * num_classes)
    for row, label in zip(rows, labels, strict=True):
        for value in row:
            counts[value][label] += 1
    counts = {value: count for value, count in counts.items() if sum(count) >= min_count}
    total = [sum(count[k] + smoothing for count in counts.values()) for k in range(num_classes)]
    found = {}
    for value, count in counts.items():
        ratios = []
        for k in range(num_classes):
            others = [j for j in range(num_classes) if j != k]
            share = (count[k] + smoothing) / total[k]
            rest = sum(count[j] + smoothing for j in others) / sum(total[j] for j in others)
            ratios.append(math.log(share / rest))
        found[value] = (math.log((1 + len(rows)) / (1 + sum(count))) + 1, ratios)
    return found


@pytest.mark.parametrize("num_classes", [2, 3])
@pytest.mark.parametrize(("smoothing", "min_count"), [(1.0, 3), (0.5, 1)])
def test_adapt_counts_frequencies_and_ratios(num_classes, smoothing, min_count):
    layer = adapted(num_classes, smoothing=smoothing, min_count=min_count)
    expected = expected_statistics(num_classes, smoothing, min_count)
    owners, statistics = numpy(layer.owners)[:, 0], numpy(layer.statistics).astype("float64")
    assert set(owners) - {0} == set(expected)
    for place, owner in enumerate(owners):
        if owner:
            frequency, ratios = expected[owner]
            # Two classes keep the ratio of the second alone. Half precision has 11 bits.
            np.testing.assert_allclose(statistics[place], [frequency, *ratios[-layer.columns :]], rtol=1e-3, atol=1e-3)
        else:
            assert not statistics[place].any()


@pytest.mark.parametrize("num_classes", [2, 3])
def test_logits_are_their_formula(num_classes):
    layer, statistics = adapted(num_classes), expected_statistics(num_classes)
    random = np.random.default_rng(2)
    kernel = random.normal(size=layer.kernel.shape).astype("float32")
    bias = random.normal(size=layer.bias.shape).astype("float32")
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    rows = [*corpus(num_classes, texts=8, seed=1)[0], [], [29], [777]]
    expected = []
    for row in rows:
        known = [value for value in row if value in statistics]
        length = math.sqrt(sum(statistics[value][0] ** 2 for value in known)) or 1.0
        z = bias.astype("float64")
        for value in known:
            frequency, ratios = statistics[value]
            z = z + frequency / length * np.array(ratios[-layer.columns :]) * kernel[value % 999 + 1]
        expected.append([-z[0] / 2, z[0] / 2] if num_classes == 2 else z)
    np.testing.assert_allclose(numpy(layer(padded(rows))), expected, atol=5e-3)


def test_of_ngrams_in_one_place_the_most_frequent_stays():
    texts = [[1, 4], [1, 4], [4, 2], [4, 5], [2, 5], [5, 1], [5, 2], [5, 2]]
    layer = layers.NaiveBayesNgrams(4, 2)
    layer.build((None, None))
    layer.adapt([(padded(texts), np.array([0, 1] * 4))], min_count=1)
    # Places are hash % 3 + 1: 1 (3 texts) and 4 (4 texts) share place 2, 2 (4 texts) and 5 (5 texts) place 3.
    assert numpy(layer.owners)[:, 0].tolist() == [0, 0, 4, 5]
    layer.kernel.assign(np.ones((4, 1)))
    layer.bias.assign([0.3])
    # A hash whose place belongs to another counts for nothing.
    np.testing.assert_allclose(numpy(layer(np.array([[1, 2, 7]]))), [[-0.15, 0.15]], atol=1e-6)


def test_adapt_counts_the_same_in_any_batches():
    one, many = adapted(3, parts=1), adapted(3, parts=9)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), many.get_weights(), strict=True))


def test_ngrams_are_dropped_only_while_training():
    layer, hashes = adapted(3, rate=0.5, seed=1), padded(corpus(3)[0])
    calm = numpy(layer(hashes))
    assert np.array_equal(calm, numpy(layer(hashes, training=False)))
    first, second = numpy(layer(hashes, training=True)), numpy(layer(hashes, training=True))
    assert not np.allclose(first, calm) and not np.allclose(first, second)
    assert np.array_equal(first, numpy(adapted(3, rate=0.5, seed=1)(hashes, training=True)))
    still = adapted(3)
    assert np.array_equal(numpy(still(hashes, training=True)), numpy(still(hashes)))


def test_only_kernel_and_bias_are_trained_and_start_from_scale():
    layer = adapted(3, scale=0.25)
    assert [weight.name for weight in layer.trainable_weights] == ["kernel", "bias"]
    assert (numpy(layer.kernel) == 0.25).all() and not numpy(layer.bias).any()
    assert layer.compute_output_shape((5, 9)) == (5, 3)
    assert layer(keras.Input((None,), dtype="int32")).shape == (None, 3)


# ---- calibration ---------------------------------------------------------------------------------------------------


def test_length_calibration_is_its_formula():
    random = np.random.default_rng(0)
    probabilities = softmax(random.normal(size=(6, 2, 3))).astype("float32")
    probabilities[0, 0] = [1, 0, 0]
    lengths = np.array([0, 3, 10, 99, 400, 5000], "int32")
    layer = layers.LengthCalibration(2, 3)
    layer.build([probabilities.shape, lengths.shape])
    shares, biases = random.normal(size=(2, 2)), random.normal(size=(2, 3))
    layer.shares.assign(shares)
    layer.biases.assign(biases)
    layer.adapt(np.array([900, 3, 20]))
    clipped = np.clip(lengths, 3, 900)
    expected = np.zeros((6, 3))
    for row, n in enumerate(clipped):
        log_length = math.log((n + 1) / 100)
        for k in range(3):
            expected[row, k] = biases[0, k] + biases[1, k] * log_length
            for m in range(2):
                opinion = math.log(max(probabilities[row, m, k], 1e-7))
                expected[row, k] += (shares[0, m] + shares[1, m] * log_length) * opinion
    np.testing.assert_allclose(numpy(layer((probabilities, lengths))), softmax(expected), atol=1e-5)


def test_length_calibration_starts_as_the_geometric_mean():
    probabilities = np.array([[[0.8, 0.2], [0.5, 0.5]]], "float32")
    answer = numpy(layers.LengthCalibration(2, 2)((probabilities, np.array([7]))))
    expected = np.sqrt([0.8 * 0.5, 0.2 * 0.5])
    np.testing.assert_allclose(answer[0], expected / expected.sum(), atol=1e-6)
    assert layers.LengthCalibration(2, 2).compute_output_shape([(5, 2, 2), (5,)]) == (5, 2)


# ---- LSTM ----------------------------------------------------------------------------------------------------------


def has_gpu():
    return any(device.lower().startswith(("gpu", "cuda")) for device in keras.distribution.list_devices())


def pair(**options):
    """The layer and Keras's own with the same weights, on sequences of 4 features."""
    ours, keras_own = layers.LSTM(3, **options), keras.layers.LSTM(3, **options)
    ours.build((None, None, 4))
    keras_own.build((None, None, 4))
    random = np.random.default_rng(5)
    weights = [random.normal(size=weight.shape).astype("float32") for weight in ours.get_weights()]
    ours.set_weights(weights)
    keras_own.set_weights(weights)
    return ours, keras_own


@pytest.mark.parametrize("mask", [None, MASK], ids=["whole", "masked"])
def test_lstm_is_that_of_keras(states, mask):
    start = [np.full((3, 3), 0.5, "float32"), np.full((3, 3), -0.5, "float32")]
    for options in ({}, {"return_sequences": True}, {"return_sequences": True, "return_state": True}):
        ours, keras_own = pair(**options)
        for initial_state in (None, start):
            expected = keras_own(states, initial_state=initial_state, mask=mask)
            answer = ours(states, initial_state=initial_state, mask=mask)
            assert len(answer) == len(expected)
            for ours_value, value in zip(keras.tree.flatten(answer), keras.tree.flatten(expected), strict=True):
                np.testing.assert_allclose(numpy(ours_value), numpy(value), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
def test_lstm_has_the_gradients_of_that_of_keras(states):
    import tensorflow as tf

    found = []
    for layer in pair(return_sequences=True, return_state=True):
        inputs = tf.constant(states)
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            sequence, hidden, cell = layer(inputs)
            loss = tf.reduce_sum(sequence**2) + tf.reduce_sum(hidden**3) + tf.reduce_sum(tf.sin(cell))
        found.append(tape.gradient(loss, [inputs, *layer.trainable_weights]))
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
@pytest.mark.skipif(has_gpu(), reason="GPUs have a kernel of Keras")
def test_lstm_is_one_operation_until_it_is_told_otherwise(states):
    import tensorflow as tf

    def operations(layer):
        return {
            each.type for each in tf.function(layer).get_concrete_function(tf.constant(states)).graph.get_operations()
        }

    inputs = keras.Input((None, 4))
    layer = layers.LSTM(3)
    model = keras.Model(inputs, layer(inputs))
    assert "BlockLSTM" in operations(layer) and not layer.supports_jit
    expected = numpy(layer(states))
    unfuse(model)
    assert "BlockLSTM" not in operations(layer) and layer.supports_jit
    np.testing.assert_allclose(tf.function(model, jit_compile=True)(states), expected, atol=1e-6)
    for options in ({"activation": "relu"}, {"dropout": 0.5}, {"use_bias": False}, {"dtype": "mixed_bfloat16"}):
        layer = layers.LSTM(3, **options)
        assert "BlockLSTM" not in operations(layer) and layer.supports_jit, options


# ---- batch normalisation -------------------------------------------------------------------------------------------


def normalizations(**options):
    """The layer and Keras's own with the same weights, on maps of as many channels as there are weights."""
    found = []
    for layer in (layers.BatchNormalization(**options), keras.layers.BatchNormalization(**options)):
        layer.build((None, 4, 5, 3))
        random = np.random.default_rng(5)
        layer.set_weights([random.uniform(0.5, 2, size=weight.shape).astype("float32") for weight in layer.weights])
        found.append(layer)
    return found


@pytest.mark.parametrize("options", [{}, {"scale": False, "momentum": 0.8}, {"center": False, "epsilon": 0.1}], ids=str)
def test_batch_normalization_is_that_of_keras(options):
    maps = np.random.default_rng(0).normal(2, 3, (6, 4, 5, 3)).astype("float32")
    ours, keras_own = normalizations(**options)
    for training in (True, True, False):
        answer, expected = ours(maps, training=training), keras_own(maps, training=training)
        np.testing.assert_allclose(numpy(answer), numpy(expected), atol=1e-5)
    for mine, theirs in zip(ours.weights, keras_own.weights, strict=True):
        np.testing.assert_allclose(numpy(mine), numpy(theirs), rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
def test_batch_normalization_has_the_gradients_of_that_of_keras():
    """Of first and second order, as a gradient penalty takes them."""
    import tensorflow as tf

    random, found = np.random.default_rng(0), []
    maps, weights = (random.normal(2, 3, (6, 4, 5, 3)).astype("float32") for _ in range(2))
    for layer in normalizations():
        inputs = tf.constant(maps)
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                loss = tf.reduce_sum(layer(inputs, training=True) ** 2 * weights)
            first = inner.gradient(loss, [inputs, *layer.trainable_weights])
            penalty = sum(tf.reduce_sum(each**2) for each in first)
        found.append([*first, outer.gradient(penalty, inputs)])
    for ours, expected in zip(*found, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize("cpu", [True, False])
@pytest.mark.parametrize("channels", [3, 16])
def test_batch_normalization_in_lower_precision_keeps_statistics_in_full(channels, cpu, monkeypatch):
    monkeypatch.setattr(normalization, "on_cpu", lambda: cpu)
    maps = np.random.default_rng(0).normal(2, 3, (6, 4, 5, channels)).astype("float32")
    layer = layers.BatchNormalization(momentum=0.0, dtype="mixed_bfloat16")
    answer = layer(maps, training=True)
    assert keras.backend.standardize_dtype(answer.dtype) == "bfloat16"
    # The inputs were rounded to 8 bits.
    np.testing.assert_allclose(numpy(layer.moving_mean), maps.mean((0, 1, 2)), rtol=0.01, atol=0.01)
    np.testing.assert_allclose(numpy(layer.moving_variance), maps.var((0, 1, 2)), rtol=0.01)
    expected = (maps - maps.mean((0, 1, 2))) / maps.std((0, 1, 2))
    np.testing.assert_allclose(numpy(keras.ops.cast(answer, "float32")), expected, atol=0.05)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has the operation")
def test_batch_normalization_is_one_operation_where_it_can_be():
    import tensorflow as tf

    def operations(layer, *shape, **options):
        function = tf.function(lambda inputs: layer(inputs, **options))
        return {each.type for each in function.get_concrete_function(tf.ones(shape)).graph.get_operations()}

    def layer(**options):
        return layers.BatchNormalization(**options)

    maps = 2, 4, 5, 3
    assert "FusedBatchNormV3" in operations(layer(), *maps, training=True)
    frozen = layer()
    frozen.trainable = False
    for other, shape, options in (
        (layer(), maps, {"training": False}),
        (frozen, maps, {"training": True}),
        (layer(), maps, {"training": True, "mask": tf.ones(maps[:3], "bool")}),
        (layer(axis=1), maps, {"training": True}),
        (layer(renorm=True), maps, {"training": True}),
        (layer(dtype="float64"), maps, {"training": True}),
        (layer(), (2, 3), {"training": True}),
    ):
        assert "FusedBatchNormV3" not in operations(other, *shape, **options), (shape, options)
    compiled, plain = normalizations()[0], normalizations()[0]
    inputs = tf.random.stateless_normal(maps, (0, 1))
    answer = tf.function(lambda inputs: compiled(inputs, training=True), jit_compile=True)(inputs)
    np.testing.assert_allclose(answer, plain(inputs, training=True), atol=1e-5)


# ---- convolutions over time ----------------------------------------------------------------------------------------


def test_temporal_block_is_its_formula(states):
    layer = layers.TemporalBlock(3, kernel_size=2, dilation=2)
    layer.build(states.shape)
    random = np.random.default_rng(1)
    layer.set_weights([random.normal(size=weight.shape).astype("float32") for weight in layer.get_weights()])

    def convolution(inputs, i):
        direction, gain, bias = (numpy(each[i]) for each in (layer.directions, layer.gains, layer.biases))
        kernel = (gain * direction / np.linalg.norm(direction, axis=0)).reshape(2, inputs.shape[-1], 3)
        padded = np.pad(inputs, ((0, 0), (2, 0), (0, 0)))
        return np.maximum(padded[:, :-2] @ kernel[0] + inputs @ kernel[1] + bias, 0)

    residual = states @ numpy(layer.project.kernel) + numpy(layer.project.bias)
    expected = np.maximum(residual + convolution(convolution(states, 0), 1), 0)
    np.testing.assert_allclose(numpy(layer(states)), expected, atol=1e-5)
    assert layer.compute_output_shape((3, 5, 4)) == (3, 5, 3)
    assert layers.TemporalBlock(4)(states).shape == (3, 5, 4)


@pytest.mark.parametrize(("kernel_size", "dilation"), [(2, 1), (2, 3), (3, 2), (4, 1)])
def test_temporal_block_steps_as_it_runs(states, kernel_size, dilation):
    layer = layers.TemporalBlock(3, kernel_size, dilation)
    sequences = np.concatenate([states, states[::-1], -states], axis=1)
    whole, state = numpy(layer(sequences)), layer.initial_state(3)
    for position in range(15):
        output, state = layer.step(sequences[:, position], state, keras.ops.convert_to_tensor(position, "int32"))
        np.testing.assert_allclose(numpy(output), whole[:, position], atol=1e-5)


# ---- recall --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", [2, 20])
def test_recall_is_its_formula(window):
    frames = (np.random.default_rng(0).random((2, 8, 4)) < 0.6).astype("float32")
    layer = layers.Recall(num_heads=2, span=3, window=window)
    layer.build(frames.shape)
    layer.sharpness.assign([[1.0, 2.0, 0.5], [3.0, 0.0, -0.2]])
    layer.nothing.assign([-1.0, 0.5])
    found = numpy(layer(frames))
    past = np.pad(frames / np.sqrt((frames**2).sum(-1, keepdims=True) + 1e-3), ((0, 0), (3, 0), (0, 0)))
    np.testing.assert_array_equal(found[..., :4], frames)
    for row, t, head in np.ndindex(2, 8, 2):
        places = range(max(0, t - window), t)
        w = numpy(layer.sharpness)[head]
        scores = [sum(w[j] * (past[row, t + 3 - j] @ past[row, s + 3 - j] - 1) for j in range(3)) for s in places]
        shares = softmax(np.array([*scores, numpy(layer.nothing)[head]]))
        expected = sum((share * frames[row, s + 1] for share, s in zip(shares, places, strict=False)), np.zeros(4))
        np.testing.assert_allclose(found[row, t, 4 + 5 * head : 9 + 5 * head], [*expected, shares[-1]], atol=1e-5)


@pytest.mark.parametrize("window", [1, 4, 20])
def test_recall_steps_as_it_runs(window):
    frames = (np.random.default_rng(0).random((3, 9, 4)) < 0.5).astype("float32")
    layer = layers.Recall(num_heads=2, span=3, window=window)
    whole, state = numpy(layer(frames)), layer.initial_state(3)
    assert whole.shape == layer.compute_output_shape(frames.shape) == (3, 9, 14)
    for position in range(9):
        output, state = layer.step(frames[:, position], state, keras.ops.convert_to_tensor(position, "int32"))
        np.testing.assert_allclose(numpy(output), whole[:, position], atol=1e-5)


def test_beside_puts_a_recurrent_layer_beside_its_input(states):
    layer = layers.Beside(keras.layers.GRU(2, return_sequences=True), input_dropout=0.25, dropout=0.5)
    whole = numpy(layer(states))
    np.testing.assert_array_equal(whole[..., :4], states)
    np.testing.assert_allclose(whole[..., 4:], numpy(layer.layer(states)), atol=1e-6)
    dropped = numpy(layer(states, training=True))
    np.testing.assert_array_equal(dropped[..., :4], states)
    assert 0 < (dropped[..., 4:] == 0).mean() < 1
    assert layer.compute_output_shape(states.shape) == (3, 5, 6)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert copy.get_config() == layer.get_config()
    for options in ({}, {"return_sequences": True, "return_state": True}):
        with pytest.raises(ValueError, match=r"`layer` must be an RNN layer that returns sequences only\. Received:"):
            layers.Beside(keras.layers.GRU(2, **options))


# ---- the other backend ---------------------------------------------------------------------------------------------


def test_stateful_starts_from_zeros_after_a_reset():
    layer = layers.Stateful(keras.layers.SimpleRNN(3, return_sequences=True, return_state=True), 2)
    inputs = np.random.default_rng(0).normal(size=(2, 4, 5)).astype("float32")
    first, second = (keras.ops.convert_to_numpy(layer(inputs, training=True)) for _ in range(2))
    layer.reset_state()
    again = keras.ops.convert_to_numpy(layer(inputs, training=True))
    assert np.abs(second - first).max() > 0.01
    np.testing.assert_array_equal(again, first)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="this is the other backend")
@pytest.mark.parametrize(
    "file",
    [
        "layers/test_layers.py",
        "augment/test_augment.py",
        "augment/test_augment_signals.py",
        "test_callbacks.py",
        "models/test_dense_models.py",
        "models/test_signal_models.py",
        "layers/test_spectral_layers.py",
        "models/test_energy.py",
        "test_examples.py",
        "test_worked_examples.py",
    ],
)
def test_all_holds_on_jax(file):
    pytest.importorskip("jax", reason="JAX is not installed")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(Path(__file__).parents[1] / file)],
        # As in the Makefile: each graph runs a few times only.
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_backend_optimization_level=1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-4000:]
