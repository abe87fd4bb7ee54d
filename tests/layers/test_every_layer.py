"""Every public layer in Keras's own check of layers, and in every precision, on the backend that KERAS_BACKEND names.

Keras's check (`run_layer_test`) builds, saves and restores, calls with symbols and with numbers, trains one step
(on JAX compiled by XLA) and compares what half precision gives with what it announces.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import augment, layers, models
from kerasmlsp.layers.composite import Composite

# Keras's wheel has it, but it is no public name.
test_case = pytest.importorskip("keras.src.testing.test_case")
JAX = keras.backend.backend() == "jax"
pytestmark = [
    # Its training step hands a generator to `fit`, which asks for batches in order, and trains layers without weights.
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning"),
]


@dataclasses.dataclass
class Case:
    """One layer and what is known of it.

    Attributes:
        make: Class or function that takes `options` and `dtype`.
        options: Arguments of the layer.
        shape: Shape of the input, a tuple of them, or a dict from `<argument>_shape` to a shape.
        output: Shape of the output, or a tuple of them.
        weights: Trainable weights.
        frozen: Weights that are not trained.
        seeds: Seed generators.
        masking: Whether the layer takes masks and hands them on.
        losses: Losses that a call outside training adds.
        dtype: Type of the input, in the structure of `shape`.
        outputs: Type of each output; None for the layer's compute dtype.
        trains: Whether Keras's check trains it; not layers of several arguments or of whole numbers.
        mixed: Whether Keras's check knows what the layer does in half precision.
    """

    make: Callable
    options: dict
    shape: tuple | dict
    output: tuple
    weights: int = 0
    frozen: int = 0
    seeds: int = 0
    masking: bool = False
    losses: int = 0
    dtype: str | tuple | dict = "float32"
    outputs: tuple = (None,)
    trains: bool = True
    mixed: bool = True


def attention_rnn(cell=keras.layers.GRUCell, dtype=None):
    return layers.AttentionRNN(cell(3), 4, gated=True, dtype=dtype)


def beside(dtype=None):
    return layers.Beside(layers.LSTM(3, return_sequences=True, dtype=dtype), 0.1, 0.1, dtype=dtype)


def graph_cell(dtype=None):
    cell = layers.GraphConvolutionLSTMCell([[0, 1], [1, 0]], order=2, dtype=dtype)
    return keras.layers.RNN(cell, dtype=dtype)


def free_running(dtype=None):
    # An orthogonal start needs a decomposition that TensorFlow lacks in bfloat16.
    cell = keras.layers.SimpleRNNCell(6, recurrent_initializer="glorot_uniform", dtype=dtype)
    return layers.FreeRunning(cell, steps=3, dtype=dtype)


def stateful(dtype=None):
    layer = layers.LSTM(3, return_sequences=True, return_state=True, dtype=dtype)
    return layers.Stateful(layer, batch_size=2, dtype=dtype)


def variant_cell(dtype=None):
    cell = layers.LSTMVariantCell(3, input_gate=False, peepholes=True, gate_recurrence=True, dtype=dtype)
    return keras.layers.RNN(cell, dtype=dtype)


SEQUENCE, IMAGES, WAVES = (2, 4, 6), (2, 8, 9, 3), (2, 32)
MEMORY = {"inputs_shape": SEQUENCE, "memory_shape": (2, 3, 5)}
L, A = layers, augment

LAYERS = {
    "LSTM": Case(L.LSTM, {"units": 3}, SEQUENCE, (2, 3), weights=3, seeds=1, masking=True),
    "RBM": Case(L.RBM, {"units": 3}, (4, 6), (4, 3), weights=3, seeds=1),
    "RBM, persistent": Case(L.RBM, {"units": 3, "num_chains": 2}, (4, 6), (4, 3), weights=3, frozen=1, seeds=1),
    "AttentionPooling": Case(
        L.AttentionPooling, {"units": 3}, SEQUENCE, ((2, 6), (2, 4)), weights=3, masking=True, outputs=(None, "float32")
    ),
    "ActivityPenalty": Case(L.ActivityPenalty, {"factor": 0.1}, SEQUENCE, SEQUENCE, masking=True, losses=1),
    "AdaptiveGraphConvolution": Case(
        L.AdaptiveGraphConvolution, {"adjacency": [[0, 1], [2, 0]], "rank": 3}, (4, 2, 5), (4, 2, 15), weights=2
    ),
    # Five dense layers, of which the score and the query have no bias, and the three weights of the cell.
    "AttentionRNN": Case(
        attention_rnn, {}, MEMORY, ((2, 4, 14), (2, 4, 3)), weights=11, seeds=1, outputs=(None, "float32"), trains=False
    ),
    "BatchNormalization": Case(
        L.BatchNormalization, {"momentum": 0.7}, IMAGES, IMAGES, weights=2, frozen=2, masking=True
    ),
    "Beside": Case(beside, {}, SEQUENCE, (2, 4, 9), weights=3, seeds=3),
    "ClassToken": Case(L.ClassToken, {}, SEQUENCE, (2, 5, 6), weights=1),
    "ContrastiveFrames": Case(
        L.ContrastiveFrames,
        {"units": 3, "num_distractors": 2},
        {"inputs_shape": SEQUENCE, "candidates_shape": (2, 4, 5), "masked_shape": (2, 4)},
        (2, 4, 4),
        weights=4,
        seeds=1,
        losses=1,
        dtype={"inputs_shape": "float32", "candidates_shape": "float32", "masked_shape": "uint8"},
        outputs=("float32",),
        trains=False,
    ),
    "DecoderBlock": Case(
        L.DecoderBlock, {"num_heads": 1, "window": 3, "dropout": 0.1}, SEQUENCE, SEQUENCE, weights=6, seeds=1
    ),
    "FreeRunning": Case(free_running, {}, SEQUENCE, (2, 3, 6), weights=3, seeds=1),
    "GatedConvolutions": Case(
        L.GatedConvolutions, {"skip_features": 3, "dilations": [1, 2]}, SEQUENCE, (2, 4, 3), weights=8
    ),
    "GatedConvolutions, conditional": Case(
        L.GatedConvolutions,
        {"skip_features": 3, "dilations": [1, 2]},
        {"inputs_shape": SEQUENCE, "condition_shape": (2, 1, 5)},
        (2, 4, 3),
        weights=10,
        trains=False,
    ),
    "GraphConvolutionLSTMCell": Case(graph_cell, {}, (2, 4, 2), (2, 2), weights=5, masking=True),
    "GravityAlignment": Case(L.GravityAlignment, {"span": 2}, (2, 4, 6), (2, 4, 10)),
    "HashedNgrams": Case(
        L.HashedNgrams, {"order": 2, "skips": 1}, (2, 5), (2, 15), dtype="int32", outputs=("int32",), trains=False
    ),
    "Hopfield": Case(L.Hopfield, {"sweeps": 3}, (2, 4), (2, 4), weights=1),
    "LSTMVariantCell": Case(variant_cell, {}, SEQUENCE, (2, 3), weights=5, masking=True),
    "LearnedPosition": Case(L.LearnedPosition, {"max_length": 3}, SEQUENCE, SEQUENCE, weights=1, masking=True),
    "LengthCalibration": Case(
        L.LengthCalibration,
        {"num_members": 2, "num_classes": 3},
        ((2, 2, 3), (2,)),
        (2, 3),
        weights=2,
        frozen=1,
        dtype=("float32", "int32"),
    ),
    "LevelFeatures": Case(L.LevelFeatures, {"num_levels": 4}, IMAGES, (2, 8, 9, 10), dtype="int32", trains=False),
    "LogMelSpectrogram": Case(L.LogMelSpectrogram, {"num_bands": 3, "sampling_rate": 1000}, WAVES, (2, 1, 3)),
    "MaskedConv2D": Case(
        L.MaskedConv2D, {"filters": 4, "kernel_size": 3, "channels": 3}, IMAGES, (2, 8, 9, 4), weights=2
    ),
    "MaskedFrames": Case(
        L.MaskedFrames,
        {},
        {"inputs_shape": SEQUENCE, "masked_shape": (2, 4)},
        SEQUENCE,
        weights=1,
        dtype={"inputs_shape": "float32", "masked_shape": "uint8"},
        trains=False,
    ),
    "ModernHopfield": Case(L.ModernHopfield, {"num_patterns": 3, "steps": 2}, (2, 4), (2, 4), weights=1),
    "KerasMultiHeadAttention": Case(
        L.KerasMultiHeadAttention,
        {"num_heads": 2, "key_dim": 3, "dropout": 0.1},
        {"query_shape": SEQUENCE, "value_shape": (2, 3, 5)},
        SEQUENCE,
        weights=8,
        seeds=1,
        masking=True,
        trains=False,
    ),
    "MultiHeadAttention": Case(
        L.MultiHeadAttention,
        {"num_heads": 2},
        {"query_shape": SEQUENCE, "memory_shape": (2, 3, 5)},
        (SEQUENCE, (2, 2, 4, 3)),
        weights=8,
        outputs=(None, "float32"),
        trains=False,
    ),
    "MultiplicativeAttention": Case(
        L.MultiplicativeAttention,
        {"units": 3},
        MEMORY,
        ((2, 4, 3), (2, 4, 3)),
        weights=2,
        outputs=(None, "float32"),
        trains=False,
    ),
    # Half of its table is float16 by design, which Keras's check takes for a fault in mixed precision.
    "NaiveBayesNgrams": Case(
        L.NaiveBayesNgrams,
        {"num_buckets": 9, "num_classes": 3, "rate": 0.1},
        (2, 5),
        (2, 3),
        weights=2,
        frozen=2,
        seeds=1,
        dtype="int32",
        outputs=("float32",),
        mixed=False,
    ),
    # Products of one, two and no inputs.
    "PolynomialFeatures": Case(L.PolynomialFeatures, {"degree": 2}, (2, 4), (2, 15)),
    "PolynomialFeatures, homogeneous": Case(L.PolynomialFeatures, {"degree": 3, "constant": 0.0}, (2, 2), (2, 4)),
    "ProductQuantizer": Case(
        L.ProductQuantizer,
        {"num_groups": 2, "num_entries": 3, "units": 4},
        SEQUENCE,
        (2, 4, 4),
        weights=3,
        frozen=1,
        seeds=1,
        losses=1,
        outputs=("float32",),
    ),
    "RandomFourierFeatures": Case(
        L.RandomFourierFeatures, {"units": 3, "width": 2.0}, (2, 4), (2, 3), frozen=2, seeds=1
    ),
    "RasterConv2D": Case(L.RasterConv2D, {"filters": 4, "columns": 5, "left": 2}, IMAGES, (2, 8, 9, 4), weights=2),
    "RasterConv2D, by place": Case(
        L.RasterConv2D, {"filters": 4, "rows": 2, "own": False, "by_place": True}, IMAGES, (2, 8, 9, 4), weights=2
    ),
    "Recall": Case(L.Recall, {"num_heads": 2, "span": 2, "window": 3}, SEQUENCE, (2, 4, 20), weights=2),
    "ResidualRecurrence": Case(L.ResidualRecurrence, {"units": 3}, SEQUENCE, (2, 4, 3), weights=2),
    "ScaledDotProductAttention": Case(
        L.ScaledDotProductAttention,
        {},
        {"query_shape": SEQUENCE, "key_shape": (2, 3, 6), "value_shape": (2, 3, 5)},
        ((2, 4, 5), (2, 4, 3)),
        outputs=(None, "float32"),
        trains=False,
    ),
    "Scalogram": Case(
        L.Scalogram, {"num_bands": 3, "sampling_rate": 100, "min_frequency": 20.0, "hop": 4}, WAVES, (2, 8, 3)
    ),
    "ShortTimeFourierTransform": Case(
        L.ShortTimeFourierTransform,
        {"frame_length": 8, "hop": 4},
        WAVES,
        ((2, 7, 8), (2, 7, 8)),
        outputs=(None, None),
    ),
    "SimilarDays": Case(
        L.SimilarDays,
        {"steps": 9, "nodes": 2, "day_steps": 4, "horizon": 1, "first": 1, "shifts": [0, 1], "own_share": 0.2},
        {"signal_shape": (2, 3, 2), "step_shape": (2,), "position_shape": (2,)},
        (2, 2, 4, 2),
        frozen=1,
        seeds=1,
        dtype={"signal_shape": "float32", "step_shape": "int32", "position_shape": "int32"},
        trains=False,
    ),
    "SinusoidalPosition": Case(L.SinusoidalPosition, {}, SEQUENCE, SEQUENCE, masking=True),
    "Stateful": Case(stateful, {}, SEQUENCE, (2, 4, 3), weights=3, frozen=2, seeds=1),
    "SubSpectralNormalization": Case(L.SubSpectralNormalization, {"sub_bands": 3}, IMAGES, IMAGES, weights=2, frozen=2),
    # Two convolutions of three weights, and the projection.
    "TemporalBlock": Case(
        L.TemporalBlock, {"filters": 3, "dilation": 2, "dropout": 0.1}, SEQUENCE, (2, 4, 3), weights=8, seeds=1
    ),
    "TransformerDecoderBlock": Case(
        L.TransformerDecoderBlock,
        {"num_heads": 2, "feed_forward_dim": 5, "window": 3, "dropout": 0.1},
        SEQUENCE,
        SEQUENCE,
        weights=16,
        seeds=1,
    ),
    "TransformerDecoderBlock, memory": Case(
        L.TransformerDecoderBlock,
        {"num_heads": 2, "feed_forward_dim": 5, "window": 3, "normalize_first": True},
        MEMORY,
        (SEQUENCE, (2, 4, 3)),
        weights=26,
        outputs=(None, "float32"),
        trains=False,
    ),
    "VoiceEmbedding": Case(L.VoiceEmbedding, {"units": 3}, (2, 4, 27), (2, 4, 3), weights=1, dtype="int32"),
    "VoiceState": Case(L.VoiceState, {}, (2, 6), (2, 6, 27), dtype="int32", outputs=("int32",), trains=False),
    "VoiceTransformer": Case(
        L.VoiceTransformer,
        {"features": 8, "num_layers": 1, "num_heads": 2, "window": 3, "dropout": 0.1},
        (2, 8, 27),
        (2, 8, 121),
        weights=15,
        seeds=2,
        dtype="int32",
        outputs=("float32",),
    ),
    "WordVectors": Case(L.WordVectors, {"vocabulary_size": 5, "units": 3}, (2, 4), (2, 4, 3), weights=1, dtype="int32"),
    "AdditiveNoise": Case(A.AdditiveNoise, {}, WAVES, WAVES, seeds=1),
    "CutMix": Case(A.CutMix, {}, IMAGES, IMAGES, seeds=1, trains=False),
    "ImageAugmentation": Case(
        A.ImageAugmentation,
        {
            "rotation": 20,
            "flip": "both",
            "brightness": 0.1,
            "contrast": 0.1,
            "saturation": 0.1,
            "noise": 3.0,
            "erasing": 0.5,
        },
        IMAGES,
        IMAGES,
        seeds=5,
    ),
    "MixUp": Case(A.MixUp, {}, IMAGES, IMAGES, seeds=1, trains=False),
    "RandAugment": Case(A.RandAugment, {}, IMAGES, IMAGES, seeds=5),
    "RandomAffine": Case(A.RandomAffine, {"shift": 0.2, "zoom": 0.1}, IMAGES, IMAGES, seeds=1),
    "RandomElasticDeformation": Case(A.RandomElasticDeformation, {"sigma": 1.0}, IMAGES, IMAGES, seeds=1),
    "RandomAxisRotation": Case(A.RandomAxisRotation, {}, SEQUENCE, SEQUENCE, seeds=1),
    "RandomHalfTurn": Case(A.RandomHalfTurn, {}, SEQUENCE, SEQUENCE, seeds=1),
    "RandomGain": Case(A.RandomGain, {}, WAVES, WAVES, seeds=1),
    "RandomScaling": Case(A.RandomScaling, {}, SEQUENCE, SEQUENCE, seeds=1),
    "RandomTimeShift": Case(A.RandomTimeShift, {"max_shift": 3}, WAVES, WAVES, seeds=1),
    "SpecAugment": Case(A.SpecAugment, {"max_frames": 2, "max_bands": 2}, SEQUENCE, SEQUENCE, seeds=1),
    "TimeWarp": Case(A.TimeWarp, {}, SEQUENCE, SEQUENCE, seeds=1),
    "TokenDropout": Case(
        A.TokenDropout, {"rate": 0.5}, (2, 4), (2, 4), seeds=1, dtype="int32", outputs=("int32",), trains=False
    ),
}


def test_every_layer_has_a_case():
    assert {name.partition(",")[0] for name in LAYERS} == {*layers.__all__, *augment.__all__}


# On JAX the step is compiled, and so is that of TensorFlow in slow tests: a graph takes longer than all else here.
@pytest.mark.parametrize("graph", [True] if JAX else [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_pass_the_check_of_keras(name, graph, monkeypatch):
    if not graph:
        monkeypatch.setattr(keras.Model, "compile", functools.partialmethod(keras.Model.compile, run_eagerly=True))
    case = LAYERS[name]
    dtype = case.dtype
    if isinstance(case.shape, Mapping) and not isinstance(dtype, Mapping):
        dtype = dict.fromkeys(case.shape, dtype)
    test_case.TestCase("run_layer_test").run_layer_test(
        case.make,
        case.options,
        input_shape=case.shape,
        input_dtype=dtype,
        expected_output_shape=case.output,
        expected_num_trainable_weights=case.weights,
        expected_num_non_trainable_weights=case.frozen,
        expected_num_seed_generators=case.seeds,
        expected_num_losses=case.losses,
        supports_masking=case.masking,
        run_training_check=case.trains,
        # On JAX every operation is compiled once more for it; the test below compares the types there.
        run_mixed_precision_check=case.mixed and not JAX,
    )


# Those that no other test has: Keras's check trains in float32 and calls in mixed_float16, and see below.
PRECISIONS = ("mixed_float16", "bfloat16") if JAX else ("bfloat16", "float16")
OTHERS = () if JAX else ("float32", "mixed_bfloat16", "mixed_float16")
# Start from orthogonal matrices, which Keras cannot make of bfloat16.
ORTHOGONAL = ("LSTM", "Beside", "GraphConvolutionLSTMCell", "LSTMVariantCell", "Stateful")


@pytest.mark.parametrize(
    ("name", "precision"),
    [
        pytest.param(name, precision, marks=[pytest.mark.slow] * (precision in OTHERS))
        for name in LAYERS
        for precision in (*PRECISIONS, *OTHERS)
        if not (precision == "bfloat16" and name in ORTHOGONAL)
    ],
)
def test_layers_answer_in_their_compute_dtype_with_finite_numbers(name, precision):
    case = LAYERS[name]
    layer = case.make(**case.options, dtype=precision)
    assert layer.compute_dtype == keras.DTypePolicy(precision).compute_dtype
    check_types(case, layer, example(case))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_work_under_a_global_precision(name):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        case = LAYERS[name]
        check_types(case, case.make(**case.options), example(case))
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.parametrize("layer", [A.CutMix, A.MixUp])
def test_blends_round_images_only(layer):
    images, labels = np.full((2, 4, 4, 3), 100.3, "float32"), np.array([[0.3, 0.7]] * 2, "float32")
    found = layer(seed=0, dtype="bfloat16")({"images": images, "labels": labels}, training=True)
    assert types(found) == ["bfloat16", "float32"]
    np.testing.assert_allclose(ops.convert_to_numpy(ops.cast(found["images"], "float32")), 100.5, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(found["labels"]), labels, atol=1e-6)


@pytest.mark.parametrize("layer", [A.ImageAugmentation, A.RandAugment, A.RandomAffine])
def test_boxes_are_not_rounded_with_the_image(layer):
    boxes = {"boxes": np.array([[[1001.0, 2.0, 1003.0, 5.0]]], "float32"), "labels": np.array([[0]])}
    found = layer(dtype="bfloat16")({"images": np.zeros((1, 8, 1010, 3), "float32"), "bounding_boxes": boxes})
    assert ops.convert_to_numpy(found["bounding_boxes"]["boxes"])[0, 0].tolist() == [1001, 2, 1003, 5]


# What a file holds does not follow from the backend, and on JAX each operation on whole numbers is compiled.
ONCE = pytest.mark.skipif(JAX, reason="as on TensorFlow, but three times slower")
QUANTIZED = (keras.layers.Dense, keras.layers.EinsumDense, keras.layers.Embedding)


def small_gpt():
    return models.gpt(9, features=8, num_layers=2, num_heads=2, window=4)


def small_classifier():
    return models.transformer_classifier(9, 2, features=8, num_layers=1, num_heads=2, feed_forward_dim=8)


@ONCE
@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_layers_that_can_be_quantized_say_so_in_their_configuration(name):
    layer, _, inside = with_parts(LAYERS[name])
    assert isinstance(layer, Composite) == bool(inside)


COMPOSITES = [name for name, case in LAYERS.items() if inspect.isclass(case.make) and issubclass(case.make, Composite)]
# With the fewest parts: to quantize each takes seconds.
SMALLEST = "MultiplicativeAttention"


@ONCE
@pytest.mark.parametrize(
    "name", [SMALLEST, *(pytest.param(name, marks=pytest.mark.slow) for name in COMPOSITES if name != SMALLEST)]
)
def test_quantized_layers_come_back_from_a_file(name, tmp_path):
    case = LAYERS[name]
    _, model, inside = with_parts(case)
    model.quantize("int8", filters=lambda part: type(part) in QUANTIZED)
    assert {part.quantization_mode for part in inside} == {"int8"}
    model.save(tmp_path / "model.keras")
    check_equal(keras.saving.load_model(tmp_path / "model.keras"), model, keras.tree.flatten(example(case)))


def with_parts(case):
    """The layer of a case, a model of it, and those of its layers that Keras quantizes."""
    layer = case.make(**case.options)
    inputs = keras.tree.map_structure(lambda x: keras.Input(batch_shape=x.shape, dtype=x.dtype), example(case))
    model = keras.Model(keras.tree.flatten(inputs), called(layer, inputs))
    return layer, model, [part for part in layer._flatten_layers(include_self=False) if type(part) in QUANTIZED]


@ONCE
@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "mode"), [(small_gpt, "int8"), (small_classifier, "int8"), (small_classifier, "int4")]
)
def test_quantized_networks_come_back_from_a_file(build, mode, tmp_path):
    model, ids = build(), np.array([[1, 2, 3, 4, 0]])
    before = ops.convert_to_numpy(model(ids))
    model.quantize(mode, filters=lambda part: type(part) in QUANTIZED)
    assert np.abs(ops.convert_to_numpy(model(ids)) - before).max() > 0
    model.save(tmp_path / "model.keras")
    check_equal(keras.saving.load_model(tmp_path / "model.keras"), model, ids)


def check_equal(model, other, inputs):
    for here, there in zip(*(keras.tree.flatten(each(inputs)) for each in (model, other)), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(here), ops.convert_to_numpy(there))


def example(case):
    """Inputs of a case from 0 to 3, by name where it has several."""
    random = np.random.default_rng(0)

    def make(shape, dtype):
        return ops.convert_to_tensor(random.uniform(0, 3, shape).astype(dtype))

    if isinstance(case.shape, Mapping):
        dtypes = case.dtype if isinstance(case.dtype, Mapping) else dict.fromkeys(case.shape, case.dtype)
        return {name.removesuffix("_shape"): make(shape, dtypes[name]) for name, shape in case.shape.items()}
    if isinstance(case.dtype, tuple):
        return tuple(map(make, case.shape, case.dtype))
    return make(case.shape, case.dtype)


def check_types(case, layer, inputs):
    """Announced and true types of the answers are those of the case; values and gradients are finite."""
    expected = [dtype or layer.compute_dtype for dtype in case.outputs]
    announced = called(layer, keras.tree.map_structure(lambda x: keras.KerasTensor(x.shape, x.dtype), inputs))
    assert types(announced) == expected
    trains = "training" in inspect.signature(layer.call).parameters and case.make not in (A.CutMix, A.MixUp)
    for options in ({"training": False}, {"training": True}) if trains else ({},):
        assert types(values(layer, inputs, **options)) == expected


def types(outputs):
    return [keras.backend.standardize_dtype(each.dtype) for each in keras.tree.flatten(outputs)]


def called(layer, inputs, **options):
    return layer(**inputs, **options) if isinstance(inputs, dict) else layer(inputs, **options)


def values(layer, inputs, **options):
    """Answers of a layer; on JAX their shapes and types alone, since to compile each operation takes long there."""
    if JAX:
        import jax

        def abstract(states):
            with keras.StatelessScope(state_mapping=zip(layer.variables, states, strict=True)):
                return called(layer, inputs, **options)

        return jax.eval_shape(abstract, [each.value for each in layer.variables])
    import tensorflow as tf

    with tf.GradientTape() as tape:
        outputs = called(layer, inputs, **options)
        floats = [ops.cast(each, "float32") for each in keras.tree.flatten(outputs) if each.dtype.is_floating]
        loss = sum([ops.mean(each) for each in floats] + list(layer.losses), 0.0)
    for each in [*floats, *(g for g in gradients(tape, loss, layer) if g is not None)]:
        assert np.isfinite(ops.convert_to_numpy(ops.cast(each, "float32"))).all()
    return outputs


def gradients(tape, loss, layer):
    return tape.gradient(loss, [each.value for each in layer.trainable_variables]) if ops.is_tensor(loss) else []
