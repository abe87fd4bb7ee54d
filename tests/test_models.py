"""Every model builder: shapes, names, sizes, training, saving, padding."""

import dataclasses
import functools
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import pytest

from kerasmlsp import models

# Modules whose builders have cases of another kind, in a file of their own.
ELSEWHERE = {
    "kerasmlsp.models.chorales": "test_chorale_models.py",
    "kerasmlsp.models.frames": "test_frame_models.py",
    "kerasmlsp.models.language": "test_language_models.py",
}
VOCABULARY = 20
LSTM = {"embedding_dim": 4, "units": 5}
CNN = {"embedding_dim": 4, "filters": 6, "kernel_sizes": (1, 2, 3)}
TRANSFORMER = {"embedding_dim": 4, "num_layers": 2, "num_heads": 2, "feed_forward_dim": 6}


def head(features, classes):
    """Parameters of the last layer: one unit for two classes."""
    return (features + 1) * (1 if classes == 2 else classes)


def lstm_size(classes):
    # Embedding, and four gates that see input, state and bias.
    return 20 * 4 + 4 * 5 * (4 + 5 + 1) + head(5, classes)


def attention_lstm_size(classes):
    # Two directions; attention has kernel, bias and query.
    return 20 * 4 + 2 * 4 * 5 * (4 + 5 + 1) + (10 * 5 + 5 + 5) + head(10, classes)


def cnn_size(classes):
    return 20 * 4 + 6 * (1 * 4 + 1) + 6 * (2 * 4 + 1) + 6 * (3 * 4 + 1) + head(3 * 6, classes)


def transformer_size(classes):
    # Two normalisations; query, key, value and output; hidden and output of the feed-forward net.
    block = 2 * 2 * 4 + 4 * (4 * 4 + 4) + (4 * 6 + 6) + (6 * 4 + 4)
    return 20 * 4 + 2 * block + 2 * 4 + (4 * 4 + 4 + 4) + head(4, classes)


def ngrams_size(classes):
    # Owners, frequency and ratios, kernel, bias.
    columns = 1 if classes == 2 else classes
    return 64 * 1 + 64 * (1 + columns) + 64 * columns + columns


def ensemble_size(classes):
    # Weights of two members and biases, each with a slope over length, and the range of lengths.
    return lstm_size(classes) + cnn_size(classes) + 2 * 2 + 2 * classes + 2


def ensemble(classes):
    lstm = models.lstm_classifier(VOCABULARY, classes, **LSTM)
    return models.calibrated_ensemble([lstm, models.text_cnn(VOCABULARY, classes, **CNN, token_dropout=0, dropout=0)])


def count_ngrams(model, ids, labels):
    hashes = model.get_layer("hashing")(ids)
    model.get_layer("ngrams").adapt([(keras.ops.convert_to_numpy(hashes), labels)], min_count=1)


def train_members(model, ids, labels):
    for name in ("lstm_classifier", "text_cnn"):
        model.get_layer(name).set_weights(trained(name)[0].get_weights())


@dataclasses.dataclass(frozen=True)
class Case:
    """A builder with tiny arguments: `make` and `size` (parameters by hand) take the number of classes."""

    make: Callable
    size: Callable
    sizes: tuple[str, ...] = ()
    prepare: Callable = lambda model, ids, labels: None
    any_ids: bool = False


def case(name, size, sizes, **options):
    extra = {"token_dropout": 0} if name in ("attention_lstm", "text_cnn", "transformer_classifier") else {}

    def make(classes, **changes):
        arguments = {"vocabulary_size": VOCABULARY, "num_classes": classes, **sizes, **extra, "dropout": 0, **changes}
        return getattr(models, name)(**arguments)

    return Case(make, size, ("vocabulary_size", "num_classes", *sizes), **options)


def ngrams(classes, **changes):
    return models.naive_bayes_ngrams(**{"num_classes": classes, "num_buckets": 64, "order": 2, **changes})


CASES = {
    "lstm_classifier": case("lstm_classifier", lstm_size, LSTM),
    "attention_lstm": case("attention_lstm", attention_lstm_size, LSTM),
    "text_cnn": case("text_cnn", cnn_size, CNN),
    "transformer_classifier": case("transformer_classifier", transformer_size, TRANSFORMER),
    "naive_bayes_ngrams": Case(ngrams, ngrams_size, ("num_classes", "num_buckets", "order"), count_ngrams, True),
    "calibrated_ensemble": Case(ensemble, ensemble_size, (), train_members),
}
EACH = pytest.mark.parametrize("name", CASES)


def answers(model, ids):
    return keras.ops.convert_to_numpy(model(np.asarray(ids, "int32"), training=False))


def texts(rows=8, length=9, seed=0):
    """Token ids of texts of 1 to `length` tokens; the last row has none."""
    random = np.random.default_rng(seed)
    ids = random.integers(2, VOCABULARY, (rows, length)).astype("int32")
    lengths = random.integers(1, length + 1, rows)
    lengths[0], lengths[-1] = length, 0
    ids[np.arange(length) >= lengths[:, None]] = 0
    return ids


def eight():
    """Eight different texts of three classes."""
    ids = texts(rows=9)[:8]
    return ids, np.array([0, 1, 2, 0, 1, 2, 0, 1])


def overfit(model, ids, labels):
    """Trains on one batch; returns the weights that the first step left as they were."""
    # On JAX the choice is between XLA and one operation after the other.
    jit = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", jit_compile=jit)
    before = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    model.fit(ids, labels, verbose=0)
    pairs = zip(model.trainable_weights, before, strict=True)
    unmoved = [weight.path for weight, old in pairs if np.array_equal(keras.ops.convert_to_numpy(weight), old)]
    model.fit(np.tile(ids, (80, 1)), np.tile(labels, 80), batch_size=8, shuffle=False, verbose=0)
    return unmoved


@functools.cache
def trained(name):
    """A prepared model, its weights before training, and those that the first step left as they were."""
    keras.utils.set_random_seed(0)
    model = CASES[name].make(3)
    CASES[name].prepare(model, *eight())
    frozen = [keras.ops.convert_to_numpy(weight) for weight in model.non_trainable_weights]
    return model, frozen, overfit(model, *eight())


def test_every_builder_has_a_case():
    elsewhere = {name for name in models.__all__ if getattr(models, name).__module__ in ELSEWHERE}
    assert set(CASES) == set(models.__all__) - elsewhere


@EACH
@pytest.mark.parametrize("classes", [2, 3])
def test_a_model_has_the_shapes_names_and_parameters_of_its_table(name, classes):
    model = CASES[name].make(classes)
    assert model.name == name and not model.compiled
    (inputs,) = model.inputs
    assert inputs.name == "token_ids" and inputs.shape == (None, None) and inputs.dtype == "int32"
    assert model.output_names == ["probabilities"]
    assert model.output_shape == (None, classes) and model.output.dtype == "float32"
    assert model.count_params() == CASES[name].size(classes)
    probabilities = answers(model, texts())
    assert probabilities.shape == (8, classes) and (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@EACH
def test_a_model_can_be_named(name):
    if name == "calibrated_ensemble":
        assert models.calibrated_ensemble([CASES["text_cnn"].make(2)], name="mine").name == "mine"
    else:
        assert CASES[name].make(2, name="mine").name == "mine"


@EACH
def test_one_step_changes_every_weight(name):
    model, frozen, unmoved = trained(name)
    # A softmax over keys does not depend on what all keys share, so that their bias has no gradient.
    assert not [path for path in unmoved if not path.endswith("key/bias")]
    for weight, before in zip(model.non_trainable_weights, frozen, strict=True):
        assert np.array_equal(keras.ops.convert_to_numpy(weight), before), weight.path
    if name == "calibrated_ensemble":
        assert [weight.name for weight in model.trainable_weights] == ["member_weights", "biases"]


@EACH
def test_a_model_overfits_eight_examples(name):
    ids, labels = eight()
    probabilities = answers(trained(name)[0], ids)
    assert (probabilities.argmax(1) == labels).all()
    assert probabilities[np.arange(8), labels].mean() > 0.8


def test_models_come_back_from_files_in_a_fresh_process(tmp_path):
    ids = texts()
    for name in CASES:
        trained(name)[0].save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.npy", answers(trained(name)[0], ids))
    np.save(tmp_path / "ids.npy", ids)
    script = """
import sys
import numpy as np
from pathlib import Path
from kerasmlsp import training
folder = Path(sys.argv[1])
for path in sorted(folder.glob("*.keras")):
    answer = training.load_model(path)(np.load(folder / "ids.npy"), training=False)
    np.testing.assert_allclose(answer, np.load(path.with_suffix(".npy")), atol=1e-5, err_msg=path.stem)
    print(path.stem)
"""
    result = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.split() == sorted(CASES)


@EACH
def test_longer_padding_does_not_change_the_answer(name):
    model, ids = trained(name)[0], texts()
    together = answers(model, ids)
    np.testing.assert_allclose(answers(model, np.pad(ids, ((0, 0), (0, 6)))), together, atol=1e-5)
    for row, answer in zip(ids, together, strict=True):
        alone = row[: max(1, np.count_nonzero(row))]
        np.testing.assert_allclose(answers(model, alone[None])[0], answer, atol=1e-5)


@EACH
def test_ids_beyond_the_vocabulary_are_unknown_words(name):
    model, ids = trained(name)[0], texts()
    beyond, unknown = ids.copy(), ids.copy()
    beyond[:, 0], unknown[:, 0] = VOCABULARY + 7, 1
    answer = answers(model, beyond)
    assert np.isfinite(answer).all()
    if not CASES[name].any_ids:
        np.testing.assert_allclose(answer, answers(model, unknown), atol=1e-6)


@EACH
def test_probabilities_stay_in_float32_at_mixed_precision(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = CASES[name].make(3)
    finally:
        keras.config.set_dtype_policy(policy)
    assert model.output.dtype == "float32"
    probabilities = answers(model, texts())
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "size"), [(name, size) for name in CASES for size in CASES[name].sizes if size != "kernel_sizes"]
)
def test_sizes_that_are_none_are_refused(name, size):
    with pytest.raises(ValueError, match=f"`{size}` must be at least [12]. Received: {size}=0"):
        CASES[name].make(**{"classes": 3, size: 0})


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: CASES["text_cnn"].make(3, kernel_sizes=()), "`kernel_sizes`"),
        (lambda: CASES["text_cnn"].make(3, kernel_sizes=(0,)), "kernel_size"),
        (lambda: CASES["text_cnn"].make(3, token_dropout=1.0), "`rate`"),
        (lambda: CASES["lstm_classifier"].make(3, dropout=-0.5), "rate"),
        (lambda: CASES["naive_bayes_ngrams"].make(3, dropout=1.0), "`rate`"),
        (lambda: CASES["transformer_classifier"].make(3, embedding_dim=5), "`embedding_dim` must be a multiple"),
        (lambda: CASES["transformer_classifier"].make(3, embedding_dim=3, num_heads=3), "even"),
        (lambda: models.calibrated_ensemble([]), "`members` must be one model or more"),
        (lambda: models.calibrated_ensemble([CASES["text_cnn"].make(k) for k in (2, 3)]), r"Received: \[2, 3\]"),
        (lambda: models.calibrated_ensemble([CASES["text_cnn"].make(2) for _ in "ab"]), "name"),
    ],
)
def test_what_makes_no_model_is_refused(make, named):
    with pytest.raises(ValueError, match=named):
        make()


@pytest.mark.parametrize("name", ["attention_lstm", "transformer_classifier"])
def test_attention_weights_add_up_and_leave_out_padding(name):
    model, ids = trained(name)[0], texts()
    weights = answers(keras.Model(model.inputs[0], model.get_layer("attention").output[1]), ids)
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-5)
    assert not weights[:-1][ids[:-1] == 0].any()


def test_the_ensemble_trusts_its_members_as_far_as_they_are_right():
    # One member with the weights at their start, which is no change at all.
    member = CASES["text_cnn"].make(3)
    ids = texts()
    np.testing.assert_allclose(answers(models.calibrated_ensemble([member]), ids), answers(member, ids), atol=1e-5)
