"""Dense networks: their formulas in NumPy, their penalties and noise, and the functions of the lecture."""

import keras
import numpy as np
import pytest

from kerasmlsp import models

POINTS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def drawn(model):
    """The model with all weights drawn anew, biases too."""
    random = np.random.default_rng(1)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_regression_is_its_formula(classes):
    model = drawn(models.logistic_regression(3, classes))
    kernel, bias = model.get_weights()
    sums = POINTS @ kernel + bias
    if classes == 2:
        # A softmax over (0, z) is the sigmoid of z.
        sums = np.concatenate([np.zeros_like(sums), sums], axis=1)
    expected = np.exp(sums) / np.exp(sums).sum(1, keepdims=True)
    np.testing.assert_allclose(numpy(model(POINTS)), expected, atol=1e-6)
    assert model.count_params() == (3 + 1) * {2: 1, 4: 4}[classes]


HIDDEN = {
    "linear": lambda x: x,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "softplus": lambda x: np.log1p(np.exp(x)),
}
OUTPUTS = {
    "linear": lambda x: x,
    "sigmoid": HIDDEN["sigmoid"],
    "softmax": lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True),
}


@pytest.mark.parametrize("activation", HIDDEN)
@pytest.mark.parametrize("output", OUTPUTS)
def test_multilayer_perceptrons_are_their_formula(activation, output):
    model = drawn(
        models.multilayer_perceptron(
            3, 2, hidden_units=(5, 4), activation=activation, output_activation=output, dropout=0.5, input_noise=0.5
        )
    )
    (w1, b1, w2, b2, w3, b3), h = model.get_weights(), HIDDEN[activation]
    expected = OUTPUTS[output](h(h(POINTS @ w1 + b1) @ w2 + b2) @ w3 + b3)
    np.testing.assert_allclose(numpy(model(POINTS)), expected, atol=1e-5)
    assert model.output_names == ["outputs" if output == "linear" else "probabilities"]


def test_prelu_learns_a_slope_for_each_unit():
    model = drawn(models.multilayer_perceptron(3, 2, hidden_units=(4,), activation="prelu", output_activation="linear"))
    w1, b1, slopes, w2, b2 = model.get_weights()
    sums = POINTS @ w1 + b1
    expected = np.where(sums < 0, slopes * sums, sums) @ w2 + b2
    np.testing.assert_allclose(numpy(model(POINTS)), expected, atol=1e-5)


def test_without_hidden_layers_a_perceptron_is_logistic_regression():
    one, other = models.multilayer_perceptron(3, 4, hidden_units=()), models.logistic_regression(3, 4)
    drawn(one), drawn(other)
    np.testing.assert_array_equal(numpy(one(POINTS)), numpy(other(POINTS)))


def test_penalties_are_sums_over_all_kernels():
    for model in (
        drawn(models.multilayer_perceptron(3, 2, hidden_units=(4,), l1=0.1, l2=0.01)),
        drawn(models.logistic_regression(3, 4, l1=0.1, l2=0.01)),
        drawn(models.logistic_regression(3, 2, l1=0.1, l2=0.01)),
    ):
        kernels = [weight for weight in model.get_weights() if weight.ndim == 2]
        expected = sum(0.1 * np.abs(kernel).sum() + 0.01 * (kernel**2).sum() for kernel in kernels)
        assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    assert not models.multilayer_perceptron(3, 2).losses


def test_the_activity_penalty_is_a_mean_over_the_batch():
    model = drawn(models.multilayer_perceptron(3, 2, hidden_units=(4, 5), activity=0.1))
    (w1, b1, w2, b2, *_), relu = model.get_weights(), HIDDEN["relu"]
    first = relu(POINTS @ w1 + b1)
    expected = 0.1 * (first.sum(1).mean() + relu(first @ w2 + b2).sum(1).mean())
    model(POINTS)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_max_norm_shortens_the_weights_into_hidden_units():
    model = drawn(models.multilayer_perceptron(3, 2, hidden_units=(4, 5), max_norm=0.7))
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=keras.backend.backend() == "jax")
    model.train_on_batch(POINTS, np.arange(6) % 2)
    first, _, second, _, last, _ = model.get_weights()
    for kernel in (first, second):
        norms = np.linalg.norm(kernel, axis=0)
        assert norms.max() == pytest.approx(0.7, rel=1e-4)
    assert np.linalg.norm(last, axis=0).max() > 0.7


def test_a_perceptron_hands_on_the_gradient_of_its_sums():
    """Gradient descent on half the squared error of one example is the perceptron's rule."""
    model, point = drawn(models.perceptron(3, 2)), POINTS[:1]
    before, bias = model.get_weights()
    answer = np.float32(point @ before + bias >= 0)
    np.testing.assert_array_equal(numpy(model(point)), answer)
    wanted = 1 - answer
    # The mean over two outputs of the square: its slope is that of half the square, for this rate.
    model.compile(keras.optimizers.SGD(1.0), "mean_squared_error", jit_compile=keras.backend.backend() == "jax")
    model.train_on_batch(point, wanted)
    np.testing.assert_allclose(model.get_weights()[0], before + point.T @ (wanted - answer), rtol=1e-5)


def test_alvinn_is_its_formula():
    model = drawn(models.alvinn(hidden_units=3, num_directions=4))
    kernels, random = (
        dict(zip(["w", "b", "v", "c", "u", "d"], model.get_weights(), strict=True)),
        np.random.default_rng(2),
    )
    camera, distances = random.uniform(size=(2, 30, 32)), random.uniform(size=(2, 8, 32))
    inputs = {"camera": camera, "range": distances, "brightness": np.array([[0.2], [0.9]])}
    found = model({name: value.astype("float32") for name, value in inputs.items()})
    seen = np.concatenate([camera.reshape(2, -1), distances.reshape(2, -1), inputs["brightness"]], axis=1)
    hidden = HIDDEN["sigmoid"](seen @ kernels["w"] + kernels["b"])
    directions = HIDDEN["sigmoid"](hidden @ kernels["v"] + kernels["c"])
    np.testing.assert_allclose(numpy(found["directions"]), directions, atol=1e-5)
    assert found["next_brightness"].shape == (2, 1)


def test_noise_and_dropout_are_there_while_training_only():
    for option in ({"input_noise": 0.3}, {"dropout": 0.3}):
        model = models.multilayer_perceptron(3, 2, **option)
        first, second = numpy(model(POINTS, training=True)), numpy(model(POINTS, training=True))
        assert not np.allclose(first, second)
        np.testing.assert_array_equal(numpy(model(POINTS)), numpy(model(POINTS)))


def test_weights_start_with_the_variance_of_glorot():
    kernel = models.multilayer_perceptron(300, 2, hidden_units=(500,)).get_weights()[0]
    # 150,000 weights: the standard error of the deviation is about 0.2 %.
    assert kernel.std() == pytest.approx(np.sqrt(2 / 800), rel=0.01)
    assert abs(kernel.mean()) < 4 * kernel.std() / np.sqrt(kernel.size)


# With the mean squared error on [-1, 1]; a constant reaches 0.09, 0.5, 0.08 and 1. The sign jumps between two points.
FUNCTIONS = {
    "square": (np.square, 2e-3),
    "sine": (lambda x: np.sin(np.pi * x), 5e-3),
    "absolute": (np.abs, 2e-3),
    "sign": (np.sign, 0.03),
}


def test_three_tanh_units_come_near_the_functions_of_the_lecture():
    keras.utils.set_random_seed(0)
    point = keras.Input((1,))
    nets = [models.universal_approximator(name=name) for name in FUNCTIONS]
    assert all(net.count_params() == 2 * 3 + 3 + 1 for net in nets)
    # Trained side by side, which compiles one step only.
    model = keras.Model(point, [net(point) for net in nets])
    jit = keras.backend.backend() == "jax"
    model.compile(keras.optimizers.Adam(0.1), ["mean_squared_error"] * 4, jit_compile=jit, steps_per_execution=100)
    points = np.linspace(-1, 1, 50, dtype="float32")[:, None]
    steps = np.tile(points, (800, 1))
    model.fit(steps, [function(steps) for function, _ in FUNCTIONS.values()], batch_size=50, shuffle=False, verbose=0)
    for net, (function, error) in zip(nets, FUNCTIONS.values(), strict=True):
        assert np.mean((numpy(net(points)) - function(points)) ** 2) < error, net.name
