"""Numbers that the lectures work out by hand."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasmlsp import models
from kerasmlsp.layers import PolynomialFeatures, ScaledDotProductAttention, WordVectors

TENSORFLOW = keras.backend.backend() == "tensorflow"


def numpy(value):
    return ops.convert_to_numpy(value)


def test_backpropagation_of_the_lecture():
    """Hota, BITS F464 (2024), "Example Backpropagation Neural Networks": two inputs, two hidden units, two outputs."""
    model = models.multilayer_perceptron(2, 2, hidden_units=(2,), activation="sigmoid", output_activation="sigmoid")
    # [[w1, w2], [w3, w4]] from the inputs, and [[w5, w6], [w7, w8]] from the hidden units.
    model.set_weights(
        [np.array([[0.3, 0.4], [0.6, 0.2]]), np.full(2, 0.25), np.array([[0.2, 0.1], [0.3, 0.4]]), np.full(2, 0.31)]
    )
    x, t = np.array([[0.2, 0.3]], "float32"), np.array([[0.2, 0.8]], "float32")
    hidden = keras.Model(model.input, model.get_layer("activation_0").output)
    # The slide goes on with rounded numbers, and cuts some off: all agree to one of the fourth digit.
    np.testing.assert_allclose(numpy(hidden(x)), [[0.6201, 0.5963]], atol=1e-4)
    np.testing.assert_allclose(numpy(model(x)), [[0.6486, 0.6480]], atol=1e-4)

    def total_error(targets, outputs):
        return ops.sum(ops.square(targets - outputs), axis=-1) / 2

    model.compile(keras.optimizers.SGD(0.4), total_error, jit_compile=not TENSORFLOW)
    assert model.train_on_batch(x, t) == pytest.approx(0.1122, abs=1e-4)
    inner, _, outer, _ = model.get_weights()
    np.testing.assert_allclose(outer, [[0.1746, 0.1086], [0.2756, 0.4083]], atol=1e-4)
    assert inner[0, 0] == pytest.approx(0.2997, abs=5e-5)
    # The slide gives w2 as .4007, as if its slope were negative. It is positive: what the first output's large error
    # sends back, .4486 * .2279 * w7, outweighs the second's, -.1520 * .2281 * w8. So w2 becomes .3997.
    slope = (0.4486 * 0.2279 * 0.3 - 0.1520 * 0.2281 * 0.4) * 0.5963 * (1 - 0.5963) * 0.2
    assert 0.4 - 0.4 * slope == pytest.approx(0.3997, abs=5e-5)
    assert inner[0, 1] == pytest.approx(0.3997, abs=5e-5)


def test_max_pooling_of_the_lecture():
    """Ganapathy, MLSP 2025, "Convolutional neural networks": a 2x2 filter with stride 2."""
    image = np.array([[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]], "float32")
    pooled = numpy(layers.MaxPooling2D(2, 2)(image[None, ..., None]))
    np.testing.assert_array_equal(pooled[0, ..., 0], [[6, 8], [3, 4]])


def logistic(x):
    return 1 / (1 + np.exp(-x))


# What is built, and the slide's formula of its derivative.
ACTIVATIONS = {
    "identity": (keras.activations.linear, np.ones_like),
    "binary step": (lambda x: ops.where(x < 0, 0.0, 1.0), np.zeros_like),
    "logistic": (keras.activations.sigmoid, lambda x: logistic(x) * (1 - logistic(x))),
    "tanh": (keras.activations.tanh, lambda x: 1 - np.tanh(x) ** 2),
    "arctan": (ops.arctan, lambda x: 1 / (x**2 + 1)),
    "rectified linear": (keras.activations.relu, lambda x: np.where(x < 0, 0, 1)),
    "parametric rectified linear": (
        layers.PReLU(alpha_initializer=keras.initializers.Constant(0.3)),
        lambda x: np.where(x < 0, 0.3, 1),
    ),
    "exponential linear": (
        lambda x: keras.activations.elu(x, alpha=0.7),
        lambda x: np.where(x < 0, 0.7 * (np.exp(x) - 1) + 0.7, 1),
    ),
    "softplus": (keras.activations.softplus, logistic),
}


def derivative(function, x):
    """Of each output by its own input, by the backend's differentiation."""
    if TENSORFLOW:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            x = tf.constant(x)
            tape.watch(x)
            total = tf.reduce_sum(function(x))
        return tape.gradient(total, x, unconnected_gradients="zero").numpy()
    import jax

    return numpy(jax.grad(lambda x: function(x).sum())(x))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_of_the_table_of_the_lecture(name):
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Choice of Nonlinearity"."""
    function, formula = ACTIVATIONS[name]
    x = np.array([[-3.0, -1.2, -0.1, 0.1, 0.7, 2.5]], "float32")
    function(x)
    np.testing.assert_allclose(derivative(function, x), formula(x), atol=1e-6)


@pytest.mark.parametrize("name", ["logistic", "tanh"])
def test_slopes_of_saturating_activations_are_at_most_1(name):
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Derivatives of Activation Functions"."""
    slopes = derivative(ACTIVATIONS[name][0], np.linspace(-6, 6, 101, dtype="float32"))
    assert slopes.max() == pytest.approx({"logistic": 0.25, "tanh": 1.0}[name], abs=1e-6)
    assert (np.delete(slopes, 50) < slopes[50]).all()


def test_the_polynomial_kernel_is_an_inner_product():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Data Independent Transformation": `n = 2`, `c = 1`."""
    x, y = np.array([[0.3, -1.2]], "float32"), np.array([[2.0, 0.7]], "float32")
    features = PolynomialFeatures(degree=2, constant=1.0)
    (x1, x2), root = x[0], np.sqrt(2)
    slide = [1, x1**2, x2**2, root * x1, root * x2, root * x1 * x2]
    np.testing.assert_allclose(sorted(numpy(features(x))[0]), sorted(slide), rtol=1e-5)
    kernel = (x @ y.T).item() + 1
    assert float(ops.sum(features(x) * features(y))) == pytest.approx(kernel**2, rel=1e-5)
    # That of Cover's theorem: the same without a constant.
    lifted = numpy(PolynomialFeatures(degree=2, constant=0.0)(x))[0]
    np.testing.assert_allclose(lifted, [x1**2, root * x1 * x2, x2**2], rtol=1e-5)


def test_scores_of_self_attention():
    """Ganapathy, MLSP 2025, "Transformers - self-attention": 112 and 96, with keys of 64 numbers."""
    query, keys = np.zeros((1, 1, 64), "float32"), np.zeros((1, 2, 64), "float32")
    query[..., 0], keys[0, :, 0] = 16, (7, 6)
    _, weights = ScaledDotProductAttention()(query, keys, keys)
    np.testing.assert_allclose(keys[0] @ query[0, 0], [112, 96])
    np.testing.assert_allclose(numpy(weights)[0, 0], [0.88, 0.12], atol=0.005)


def test_a_one_hot_vector_times_a_matrix_is_one_of_its_rows():
    """Ganapathy, MLSP 2025, "word2vec models as text representations"."""
    layer, words = WordVectors(vocabulary_size=5, units=3), np.array([[3, 1]])
    looked_up = numpy(layer(words))
    (matrix,) = layer.get_weights()
    np.testing.assert_allclose(looked_up, np.eye(5)[words] @ matrix, rtol=1e-6)


def slopes(model, x, t):
    """Of `(y - t)^2 / 2` by the weights."""
    before = model.get_weights()
    model.compile(
        keras.optimizers.SGD(1.0), lambda t, y: ops.sum(ops.square(y - t), -1) / 2, jit_compile=not TENSORFLOW
    )
    model.train_on_batch(x, t)
    return [old - new for old, new in zip(before, model.get_weights(), strict=True)]


def test_the_gradient_of_a_chain_of_units():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Vanishing Gradients": dJ/dw1 and dJ/dw4 of the chain."""
    model = models.multilayer_perceptron(1, 1, hidden_units=(1, 1, 1), activation="sigmoid", output_activation="linear")
    (w1, w2, w3, w4), x, t = (0.8, -1.1, 0.6, 1.5), 0.7, 0.2
    model.set_weights([each for w in (w1, w2, w3, w4) for each in (np.full((1, 1), w), np.zeros(1))])
    z1 = logistic(w1 * x)
    z2 = logistic(w2 * z1)
    z3 = logistic(w3 * z2)
    error = w4 * z3 - t
    found = slopes(model, np.full((1, 1), x, "float32"), np.full((1, 1), t, "float32"))
    chain = error * w4 * z3 * (1 - z3) * w3 * z2 * (1 - z2) * w2 * z1 * (1 - z1) * x
    assert found[6].item() == pytest.approx(error * z3, rel=1e-3)
    assert found[0].item() == pytest.approx(chain, rel=1e-2)
    assert abs(chain) < 0.02 * abs(error * z3)  # the initial layer's is much smaller


def test_scaled_weights_are_the_geometric_mean_of_dropout():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Dropout Implementation": all `2^M` nets, normalised."""
    model, x = models.multilayer_perceptron(2, 3, hidden_units=(3,), dropout=0.5), np.array([[0.4, -1.3]], "float32")
    whole, (kernel, bias, outer, level) = numpy(model(x)), model.get_weights()
    logs = []
    for mask in np.ndindex(2, 2, 2):
        # What is kept counts twice, as in training.
        model.set_weights([kernel, bias, outer * 2 * np.reshape(mask, (3, 1)), level])
        logs.append(np.log(numpy(model(x))))
    mean = np.exp(np.mean(logs, axis=0))
    np.testing.assert_allclose(mean / mean.sum(), whole, rtol=1e-4)


# Two bright pixels in a column, and a filter that is not its own mirror image.
SPOT = np.pad(np.array([[1.0], [2.0]], "float32"), ((2, 1), (2, 2)))
SKEWED = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]], "float32")


def filtered(image, kernel):
    """What a convolution layer of Keras makes of an image, without padding."""
    layer = layers.Conv2D(1, 3, use_bias=False)
    layer.build((None, *image.shape, 1))
    layer.set_weights([kernel[..., None, None]])
    return numpy(layer(image[None, ..., None]))[0, ..., 0]


def test_convolution_against_correlation():
    """Hota, BITS F464 (2024), "CNN: Convolution Layer", and Ganapathy, MLSP 2025, "Convolutional neural networks".

    Hota's `sum X[m, n] W[i - m, j - n]` turns the filter round; Ganapathy's `sum W(m, n) X(i + m, j + n)`, which is
    what layers compute, does not.
    """
    correlated = [
        [np.sum(SKEWED * SPOT[i : i + 3, j : j + 3]) for j in range(3)] for i in range(SPOT.shape[0] - 2)
    ]  # fmt: skip
    np.testing.assert_allclose(filtered(SPOT, SKEWED), correlated)
    convolved = np.zeros((3, 3))
    for i, j in np.ndindex(3, 3):
        # Of the whole convolution, which begins where one corner meets, the part where the filter lies on the image.
        convolved[i, j] = sum(
            SPOT[m, n] * SKEWED[i + 2 - m, j + 2 - n]
            for m, n in np.ndindex(*SPOT.shape)
            if 0 <= i + 2 - m < 3 and 0 <= j + 2 - n < 3
        )
    np.testing.assert_allclose(filtered(SPOT, SKEWED[::-1, ::-1]), convolved)
    assert np.abs(convolved - correlated).max() > 1


def test_sobel_filters_on_a_corner():
    """Hota, BITS F464 (2024), "CNN: Convolution Layer": 3 x 3 Sobel filters on a picture of 6 x 6 with a corner."""
    corner = np.zeros((6, 6), "float32")
    corner[3:, 3:] = 1
    responses = numpy(models.filter_bank(input_shape=(6, 6, 1))(corner[None, ..., None]))[0, 1:-1, 1:-1]
    right, down = responses[..., -2], responses[..., -1]
    # By hand: the weights over the bright pixels, which lie below and to the right.
    np.testing.assert_array_equal(right, [[0, 0, 0, 0], [0, 1, 1, 0], [0, 3, 3, 0], [0, 4, 4, 0]])
    np.testing.assert_array_equal(down, right.T)
    # Edges answer to one filter, the corner to both.
    assert (np.minimum(right, down) > 0).sum() == 4


def test_gradients_of_the_homework_on_convolution():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Homework": `z[n] = phi(sum_k w_c[k] x[n - k])`.

    With `delta[n] = dJ/dz[n] phi'(a[n])`, `dJ/dw_c[k] = sum_n delta[n] x[n - k]` and `dJ/dx[n] = sum_k delta[n + k]
    w_c[k]`: the first a correlation with the input, the second with the filter.
    """
    random = np.random.default_rng(0)
    x, w, sent = (random.normal(size=count).astype("float32") for count in (9, 3, 9))
    layer = layers.Conv1D(1, 3, padding="causal", activation="tanh", use_bias=False)
    layer.build((None, 9, 1))

    def error(x, w):
        # A layer correlates: what it holds is the filter turned round.
        padded = ops.pad(ops.reshape(x, (1, 9, 1)), ((0, 0), (2, 0), (0, 0)))
        z = ops.tanh(ops.conv(padded, ops.reshape(ops.flip(w), (3, 1, 1)), padding="valid"))
        return ops.sum(z[0, :, 0] * sent)

    layer.set_weights([w[::-1, None, None]])
    a = np.convolve(x, w)[:9]
    np.testing.assert_allclose(numpy(layer(x[None, :, None]))[0, :, 0], np.tanh(a), rtol=1e-5)
    delta = sent * (1 - np.tanh(a) ** 2)
    by_weights = [sum(delta[n] * x[n - k] for n in range(k, 9)) for k in range(3)]
    by_input = [sum(delta[n + k] * w[k] for k in range(3) if n + k < 9) for n in range(9)]
    np.testing.assert_allclose(derivative(lambda value: error(x, value), w), by_weights, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(derivative(lambda value: error(value, w), x), by_input, rtol=1e-4, atol=1e-5)
