"""One table of cases for the model builders: names, shapes, sizes, training, saving, backends, causality, padding."""

import functools
import importlib
import inspect
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import forked
import keras
import numpy as np
import pytest
import reload

import kerasmlsp
from kerasmlsp import files, models

HERE = Path(__file__).parent
FAMILIES = [importlib.import_module(path.stem) for path in sorted(HERE.glob("cases_*.py"))]
CASES = {name: case for family in FAMILIES for name, case in family.CASES.items()}
# In fast tests of what does not depend on the model, as a rule.
ONE_OF_EACH = [list(family.CASES)[-1] for family in FAMILIES]
TENSORFLOW = keras.backend.backend() == "tensorflow"
# Training needs a graph, which takes seconds to make: one of each kind of layer and of loss in a fast test.
# fmt: off
TRAINED = {
    "alvinn", "attention_lstm", "denoising_autoencoder", "frame_recall_lstm", "landmark_mlp", "logistic_regression",
    "motion_tcn", "naive_bayes_ngrams", "rotation_predictor", "simple_rnn_language_model", "text_cnn",
}
# fmt: on


def each(names, quick=tuple(CASES)):
    """The tests of one model belong together (`--dist loadgroup`): it is trained once in a process."""

    def marks(name):
        return [pytest.mark.xdist_group(name), *[pytest.mark.slow] * (name not in quick)]

    return pytest.mark.parametrize("name", [pytest.param(name, marks=marks(name)) for name in names])


def with_(flag, quick=tuple(CASES)):
    return each((name for name, case in CASES.items() if getattr(case, flag)), quick)


EACH = each(CASES)


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def given(inputs):
    """What a model is called with: the arrays by name, or the only one."""
    return inputs if len(inputs) > 1 else next(iter(inputs.values()))


def answers(model, inputs):
    """The outputs by name, or by number where a model has no names for them."""
    # JAX compiles operation by operation, or a whole model at once, which is faster; TensorFlow need not compile.
    outputs = model(given(inputs), training=False) if TENSORFLOW else model.predict_on_batch(given(inputs))
    if isinstance(outputs, dict):
        return {name: numpy(value) for name, value in outputs.items()}
    names = getattr(model, "output_names", None) or list(range(len(keras.tree.flatten(outputs))))
    return {name: numpy(value) for name, value in zip(names, keras.tree.flatten(outputs), strict=True)}


def compiled(model, case, optimizer=keras.optimizers.Adam):
    if case.compile:
        case.compile(model)
    else:
        # On JAX the choice is between XLA and one operation after the other.
        model.compile(optimizer(case.rate), case.loss, jit_compile=not TENSORFLOW)
    return model


def train(model, case, steps=1, below=-np.inf):
    """Trains on the eight examples, until the loss is below a number; returns the losses."""
    if not model.trainable_weights:
        return [0.0]  # Keras would warn
    # As `fit` hands them on: some steps put tensors of their own beside them.
    inputs, targets = keras.tree.map_structure(keras.ops.convert_to_tensor, given(case.inputs())), case.targets()
    losses = []
    while len(losses) < steps and (not losses or losses[-1] >= below):
        # Not `fit`, which makes a pipeline of data, and a graph of its own for it.
        losses.append(float(model.train_on_batch(inputs, targets, return_dict=True)["loss"]))
    return losses


@functools.cache
def made(name):
    """A model as it is built."""
    keras.utils.set_random_seed(0)
    return CASES[name].make()


@functools.cache
def stepped(name):
    """A model after one step of training on eight examples, and the weights that the step left alone."""
    keras.utils.set_random_seed(0)
    case = CASES[name]
    model = compiled(case.make(name="mine"), case)
    model.run_eagerly = TENSORFLOW  # one step is not worth a graph
    if not model.built:
        model(given(case.inputs()))
    before = [numpy(weight) for weight in model.trainable_weights]
    train(model, case)
    pairs = zip(model.trainable_weights, before, strict=True)
    return model, [weight.path for weight, old in pairs if np.array_equal(numpy(weight), old)]


def test_a_size_has_the_same_name_in_every_builder():
    """Those of a Transformer's vectors are `features`; `embedding_dim` is for tokens before another kind of net."""
    for name in models.__all__:
        arguments = set(inspect.signature(getattr(models, name)).parameters)
        assert not arguments & {"num_filters", "hidden_dim", "model_dim", "embedding_size"}, name
        if {"num_heads", "num_layers"} <= arguments:
            assert "features" in arguments and not arguments & {"units", "embedding_dim"}, name


def test_every_builder_has_a_case():
    assert set(CASES) == set(models.__all__) and {name for name in TRAINED if CASES[name].reaches} == TRAINED


@EACH
def test_a_model_has_the_names_shapes_and_parameters_of_its_case(name):
    case, model = CASES[name], made(name)
    assert model.name == name and not model.compiled
    assert stepped(name)[0].name == "mine"
    inputs = case.inputs()
    assert all(len(values) == 8 for values in inputs.values())
    if isinstance(model, keras.src.models.functional.Functional):
        assert [tensor.name for tensor in model.inputs] == list(inputs)
        assert dict(zip(model.output_names, map(tuple, (o.shape for o in model.outputs)), strict=True)) == case.outputs
    assert model.count_params() == case.parameters
    if TENSORFLOW:  # JAX compiles for an answer: see `test_both_backends_give_the_same_answers`
        check_outputs(case, answers(model, inputs))


def check_outputs(case, found):
    assert len(found) == len(case.outputs)
    for value, shape in zip(found.values(), case.outputs.values(), strict=True):
        assert value.ndim == len(shape) and all(b in (None, a) for a, b in zip(value.shape, shape, strict=True))
        assert value.dtype == np.float32 or np.issubdtype(value.dtype, np.integer)


@EACH
def test_one_step_changes_every_trainable_weight(name):
    _, unmoved = stepped(name)
    assert [path for path in unmoved if not path.endswith(CASES[name].unmoved or ("\0",))] == []


# That each learns is a second look: one step has changed every weight.
@with_("reaches", quick=TRAINED)
def test_a_model_overfits_eight_examples(name):
    """The model of `stepped` goes on: its optimizer has variables, without which TensorFlow makes a second graph."""
    case, model = CASES[name], stepped(name)[0]
    model.run_eagerly = False
    model.make_train_function(force=True)
    losses = train(model, case, case.steps, case.reaches)
    assert np.isfinite(losses).all()
    assert losses[-1] < case.reaches, f"from {losses[0]:.4f} to {losses[-1]:.4f}"


# Every layer has its precisions in tests/layers.
@each(CASES, quick=ONE_OF_EACH)
def test_mixed_precision_gives_numbers(name):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = compiled(CASES[name].make(), CASES[name], keras.optimizers.SGD)
        model.run_eagerly = TENSORFLOW  # one step is not worth a graph
        loss = train(model, CASES[name])
    finally:
        keras.config.set_dtype_policy(policy)
    assert np.isfinite(loss)
    for output, value in answers(model, CASES[name].inputs()).items():
        assert value.dtype != np.float16 and np.isfinite(value.astype("float32")).all(), output


@with_("causal")
def test_the_future_changes_nothing_before_it(name):
    model, inputs = made(name), CASES[name].inputs()
    changed = {key: values.copy() for key, values in inputs.items()}
    running = [values for key, values in changed.items() if CASES[name].causal in (True, key)]
    here = min(values.shape[1] for values in running if values.ndim > 1) // 2
    for values in running:
        values[:, here:] = np.roll(values, 1, axis=0)[:, here:]
    moved = []
    for before, after in zip(answers(model, inputs).values(), answers(model, changed).values(), strict=True):
        np.testing.assert_allclose(after[:, :here], before[:, :here], atol=1e-5)
        moved.append(np.abs(after[:, here:] - before[:, here:]).max())
    # Not each: an untrained attention looks nearly the same way whatever there was.
    assert max(moved) > 1e-5


@with_("padded")
def test_zeros_after_the_inputs_change_nothing(name):
    model = stepped(name)[0]
    inputs = CASES[name].inputs()
    longer = {
        key: np.pad(value, [(0, 0), (0, 3)] + [(0, 0)] * (value.ndim - 2)) if value.ndim > 1 else value
        for key, value in inputs.items()
    }
    for before, after in zip(answers(model, inputs).values(), answers(model, longer).values(), strict=True):
        # Also the weights of an attention, which are more by as many as there is padding.
        np.testing.assert_allclose(after[tuple(map(slice, before.shape))], before, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes", "pattern"),
    [(name, changes, pattern) for name, case in CASES.items() for changes, pattern in case.wrong],
)
def test_what_makes_no_model_is_refused(name, changes, pattern):
    with pytest.raises(ValueError, match=pattern):
        CASES[name].make(**changes)


def save_all(folder, names=tuple(CASES)):
    """Writes a folder for each model with its file, eight examples and its answers."""
    for name in names:
        case, model = CASES[name], stepped(name)[0]
        (folder / name).mkdir(parents=True)
        model.save(folder / name / "model.keras", include_optimizer=False)
        np.savez(folder / name / "inputs.npz", **case.inputs())
        np.savez(folder / name / "outputs.npz", **{str(k): v for k, v in answers(model, case.inputs()).items()})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The folders of `save_all`."""
    folder = tmp_path_factory.mktemp("models")
    save_all(folder)
    return folder


@pytest.fixture(scope="module")
def of_tensorflow(tmp_path_factory):
    """The folders of `save_all`, written by TensorFlow in a process of its own, once for all that test."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "of_tensorflow"
    with files.locked(folder):
        if not (folder / "done").exists():
            script = f"import pathlib, test_catalogue; test_catalogue.save_all(pathlib.Path({str(folder)!r}))"
            own = os.pathsep.join(map(str, (HERE, HERE.parent)))
            environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": own, "XLA_FLAGS": ""}
            subprocess.run([sys.executable, "-c", script], check=True, env=environment)
            (folder / "done").touch()
    return folder


@EACH
@pytest.mark.skipif(TENSORFLOW, reason="`make test-jax` has JAX answer for what TensorFlow wrote.")
def test_both_backends_give_the_same_answers(of_tensorflow, name):
    """What a file of TensorFlow's answers on JAX; that JAX's files are the same is a matter of Keras."""
    folder, case = of_tensorflow / name, CASES[name]
    found = answers(kerasmlsp.load_model(folder / "model.keras"), case.inputs())
    check_outputs(case, found)
    expected = np.load(folder / "outputs.npz")
    for (key, value), wanted in zip(found.items(), expected.values(), strict=True):
        scale = max(1.0, float(np.abs(wanted).max(initial=0)))
        np.testing.assert_allclose(value, wanted, rtol=0, atol=case.tolerance * scale, err_msg=str(key))


def differences(folder, kind, **environment):
    """Runs `reload.py` in a fresh process; returns the largest difference or the error of each model."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment}
    result = forked.run(reload.main, str(folder), kind, env=environment)
    assert result.returncode == 0, result.stderr[-3000:]
    return {line["model"]: line for line in map(json.loads, result.stdout.splitlines())}


def bad(found, names=CASES):
    assert set(found) == set(names)
    return {n: line for n, line in found.items() if not line.get("difference", np.inf) <= CASES[n].tolerance}


# All that TensorFlow wrote are loaded in other processes, and on the other backend, by `make test-jax`.
@pytest.mark.parametrize(
    "names", [ONE_OF_EACH, pytest.param(list(CASES), marks=pytest.mark.slow)], ids=["one of each family", "all"]
)
def test_models_come_back_from_files_in_a_fresh_process(names, tmp_path):
    save_all(tmp_path, names)
    assert not bad(differences(tmp_path, "keras"), names)


@pytest.mark.slow
@pytest.mark.skipif(not (TENSORFLOW and find_spec("torch")), reason="PyTorch is not installed.")
def test_pytorch_gives_the_same_answers(saved):
    """What a file of TensorFlow's answers on PyTorch; nothing else of the package runs there."""
    assert not bad(differences(saved, "keras", KERAS_BACKEND="torch"))


@pytest.mark.slow
@pytest.mark.skipif(not TENSORFLOW, reason="A saved model is exported from TensorFlow.")
def test_models_come_back_from_saved_models_without_keras(saved):
    for name in CASES:
        stepped(name)[0].export(saved / name / "saved_model", verbose=False)
    assert not bad(differences(saved, "saved_model"))
