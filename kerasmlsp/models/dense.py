"""Dense networks on vectors of features: linear and logistic regression, perceptrons, universal approximators."""

import math

import keras
from keras import layers, ops

from kerasmlsp.layers import ActivityPenalty
from kerasmlsp.models._checks import check_rates, check_sizes

ACTIVATIONS = ("linear", "sigmoid", "tanh", "relu", "prelu", "elu", "softplus", "leaky_relu", "selu", "gelu", "silu")
OUTPUTS = ("linear", "sigmoid", "softmax")


def linear_regression(
    num_features: int,
    num_outputs: int = 1,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    name: str = "linear_regression",
) -> keras.Model:
    """Builds linear regression: `y = W x + b`.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Summary of Linear/Logistic Regression".

    Args:
        num_features: Number of inputs, at least 1.
        num_outputs: Number of outputs, at least 1.
        l1: Factor of the sum of the absolute weights that is added to the loss, at least 0.
        l2: Factor of the sum of the squared weights that is added to the loss, at least 0.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to real outputs `(batch, num_outputs)`, float32.

    Raises:
        ValueError: A size is too small, or a factor negative.

    Example:
        >>> import numpy as np
        >>> model = linear_regression(2)
        >>> model.set_weights([np.array([[2.0], [-1.0]]), np.array([0.5])])
        >>> float(model(np.array([[1.0, 3.0]]))[0, 0])  # 2 * 1 - 3 + 0.5
        -0.5
    """
    check_sizes(num_features=num_features, num_outputs=num_outputs)
    features = keras.Input((num_features,), name="features")
    dense = layers.Dense(num_outputs, kernel_regularizer=_penalty(l1, l2), dtype="float32", name="outputs")
    return keras.Model(features, dense(features), name=name)


def perceptron(num_features: int, num_outputs: int = 1, *, name: str = "perceptron") -> keras.Model:
    """Builds the perceptron: a sum and a hard limit, which gives 1 from 0 on and 0 below.

    The hard limit has no slope to learn by, so it hands the gradient on as if it were not there. The gradient of
    `(y - t)^2 / 2` is then `(y - t) x`: gradient descent on one example after the other is the perceptron's own rule,
    `w <- w + rate (t - y) x`. Weights start at 0.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Summary of Linear/Logistic Regression"; Hota, BITS F464
    (2024), "Recap: A Perceptron"; Rosenblatt 1958, "The Perceptron".

    Args:
        num_features: Number of inputs, at least 1.
        num_outputs: Number of units, each with a boundary of its own, at least 1.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to decisions `(batch, num_outputs)` of 0 and 1, float32.

    Raises:
        ValueError: A size is less than 1.

    Example:
        >>> import numpy as np
        >>> model = perceptron(2)
        >>> model.set_weights([np.array([[1.0], [1.0]]), np.array([-1.5])])
        >>> [float(y) for y in model(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]))[:, 0]]  # and
        [0.0, 0.0, 0.0, 1.0]
    """
    check_sizes(num_features=num_features, num_outputs=num_outputs)
    features = keras.Input((num_features,), name="features")
    sums = layers.Dense(num_outputs, kernel_initializer="zeros", dtype="float32", name="sums")(features)
    # The difference is exactly 0, and its gradient that of the sums.
    limited = ops.cast(ops.greater_equal(sums, 0.0), "float32") + (sums - ops.stop_gradient(sums))
    return keras.Model(features, layers.Identity(dtype="float32", name="decisions")(limited), name=name)


def logistic_regression(
    num_features: int,
    num_classes: int = 2,
    *,
    l1: float = 0.0,
    l2: float = 0.0,
    name: str = "logistic_regression",
) -> keras.Model:
    """Builds logistic regression: the sigmoid of one sum for two classes, the softmax of a sum each for more.

    As in the classifiers of texts, two classes share one unit: with `p` its sigmoid, the probabilities are `1 - p`
    and `p`.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Summary of Linear/Logistic Regression".

    Args:
        num_features: Number of inputs, at least 1.
        num_classes: Number of classes, at least 2.
        l1: Factor of the sum of the absolute weights that is added to the loss, at least 0.
        l2: Factor of the sum of the squared weights that is added to the loss, at least 0.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to class probabilities `(batch, num_classes)`.

    Raises:
        ValueError: A size is too small, or a factor negative.

    Example:
        >>> import numpy as np
        >>> model = logistic_regression(2)
        >>> model.set_weights([np.array([[1.0], [-1.0]]), np.zeros(1)])
        >>> float(model(np.array([[3.0, 3.0]]))[0, 1])  # on the line between both classes
        0.5
    """
    check_sizes(num_features=num_features)
    check_sizes(2, num_classes=num_classes)
    dense = {"kernel_regularizer": _penalty(l1, l2), "dtype": "float32"}
    features = keras.Input((num_features,), name="features")
    if num_classes > 2:
        probabilities = layers.Dense(num_classes, "softmax", **dense, name="probabilities")(features)
    else:
        positive = layers.Dense(1, "sigmoid", **dense, name="positive")(features)
        probabilities = layers.Concatenate(dtype="float32", name="probabilities")([1.0 - positive, positive])
    return keras.Model(features, probabilities, name=name)


def multilayer_perceptron(
    num_features: int,
    num_outputs: int,
    *,
    hidden_units: tuple[int, ...] = (64, 64),
    activation: str = "relu",
    output_activation: str = "softmax",
    l1: float = 0.0,
    l2: float = 0.0,
    dropout: float = 0.0,
    input_noise: float = 0.0,
    activity: float = 0.0,
    max_norm: float | None = None,
    name: str = "multilayer_perceptron",
) -> keras.Model:
    """Builds a feed-forward network of any depth.

    `z_0 = x`, `z_l = h(W_l z_{l-1} + b_l)`, `y = f(W z_L + b)`. Weights are drawn from Glorot's normal distribution of
    variance `2 / (inputs + outputs)`, biases start at 0.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "2-Layer Feed Forward Network", "Choice of Nonlinearity"
    and "Regularization Techniques"; Hota, BITS F464 (2024), "Regularization in Neural Networks"; Pilanci, EE269
    lecture 16 (2020), "Recap: Multilayer Neural Networks"; Glorot and Bengio 2010, "Understanding the Difficulty of
    Training Deep Feedforward Neural Networks".

    Args:
        num_features: Number of inputs, at least 1.
        num_outputs: Number of outputs, at least 1.
        hidden_units: Units of each hidden layer, at least 1 each; empty for none.
        activation: `h`: "linear", "sigmoid", "tanh", "relu", "prelu" (a slope for each unit is learned), "elu",
            "softplus", "leaky_relu", "selu", "gelu" or "silu".
        output_activation: `f`: "softmax" for one of 2 or more classes, "sigmoid" for one class against the rest
            (one output) or for labels that do not exclude each other, "linear" for regression.
        l1: Factor of the sum of the absolute weights that is added to the loss, at least 0.
        l2: Factor of the sum of the squared weights that is added to the loss, at least 0.
        dropout: Drop probability of the hidden units, in `[0, 1)`.
        input_noise: Standard deviation of Gaussian noise on the inputs while training, in `[0, 1]`.
        activity: Factor of the sum of what the hidden units give, in absolute values and as a mean over the batch, that
            is added to the loss, at least 0.
        max_norm: Largest norm of the weights into a hidden unit, above 0, to which every step of training shortens
            those that are longer; None for any.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to `(batch, num_outputs)`: float32, named "outputs" for
        regression, "probabilities" otherwise.

    Raises:
        ValueError: A size, rate or factor is out of range, an activation unknown, or a softmax has a single output.

    Example:
        >>> model = multilayer_perceptron(4, 3, hidden_units=(8,))
        >>> model.count_params()  # (4 + 1) * 8 + (8 + 1) * 3
        67
    """
    check_sizes(num_features=num_features, num_outputs=num_outputs)
    check_rates(dropout=dropout)
    _check_choices(num_outputs, hidden_units, activation, output_activation, input_noise)
    _check_bounds(activity, max_norm)
    dense = {"kernel_initializer": "glorot_normal", "kernel_regularizer": _penalty(l1, l2)}
    limit = keras.constraints.MaxNorm(max_norm) if max_norm else None
    features = keras.Input((num_features,), name="features")
    states = layers.GaussianNoise(input_noise, name="input_noise")(features)
    for index, units in enumerate(hidden_units):
        states = layers.Dense(units, **dense, kernel_constraint=limit, name=f"hidden_{index}")(states)
        states = _activated(states, activation, f"activation_{index}")
        states = ActivityPenalty(activity, name=f"activity_{index}")(states) if activity else states
        states = layers.Dropout(dropout, name=f"dropout_{index}")(states)
    label = "outputs" if output_activation == "linear" else "probabilities"
    outputs = layers.Dense(num_outputs, output_activation, **dense, dtype="float32", name=label)(states)
    return keras.Model(features, outputs, name=name)


def universal_approximator(
    num_features: int = 1, num_outputs: int = 1, *, units: int = 3, name: str = "universal_approximator"
) -> keras.Model:
    """Builds the network of one hidden layer that comes as near to any continuous function as its units allow.

    `y = W_2 tanh(W_1 x + b_1) + b_2`.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Universal Approximator"; Pilanci, EE269 lecture 16
    (2020), "Two layer networks are universal approximators"; Cybenko 1989, "Approximation by Superpositions of a
    Sigmoidal Function".

    Args:
        num_features: Number of inputs, at least 1.
        num_outputs: Number of outputs, at least 1.
        units: Hidden units, at least 1; three in the lecture.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to real outputs `(batch, num_outputs)`, float32.

    Raises:
        ValueError: A size is less than 1.

    Example:
        >>> import numpy as np
        >>> model = universal_approximator(units=2)
        >>> model.set_weights([np.array([[1.0, 1.0]]), np.array([1.0, -1.0]), np.array([[1.0], [-1.0]]), np.zeros(1)])
        >>> [round(float(y), 4) for y in model(np.array([[0.0], [9.0]]))[:, 0]]  # a bump: tanh(x + 1) - tanh(x - 1)
        [1.5232, 0.0]
    """
    check_sizes(num_features=num_features, num_outputs=num_outputs, units=units)
    return multilayer_perceptron(
        num_features, num_outputs, hidden_units=(units,), activation="tanh", output_activation="linear", name=name
    )


def alvinn(*, hidden_units: int = 29, num_directions: int = 45, name: str = "alvinn") -> keras.Model:
    """Builds ALVINN, which steered a car in 1989: camera and range finder to a direction, by one hidden layer.

    It was trained to give a hill of activity around the right direction: 1 there, then 0.89, 0.61, 0.32 and 0.1 to
    both sides. The last output, which the net takes as input one image later, is the brightness of the road.

    Reference: Hota, BITS F464 (2024), "ALVINN: An Autonomous Land Vehicle In a Neural Network"; Pomerleau 1989,
    "ALVINN: An Autonomous Land Vehicle in a Neural Network".

    Args:
        hidden_units: Hidden units, at least 1.
        num_directions: Directions from sharp left to sharp right, at least 2.
        name: Name of the model.

    Returns:
        A model from a dict of "camera" `(batch, 30, 32)`, "range" `(batch, 8, 32)` and "brightness" `(batch, 1)`, all
        in `[0, 1]`, to a dict of "directions" `(batch, num_directions)` and "next_brightness" `(batch, 1)`, float32 in
        `(0, 1)`.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> alvinn().count_params()  # (30 * 32 + 8 * 32 + 1 + 1) * 29 + (29 + 1) * 46
        36702
    """
    check_sizes(hidden_units=hidden_units)
    check_sizes(2, num_directions=num_directions)
    sizes = {"camera": (30, 32), "range": (8, 32), "brightness": (1,)}
    inputs = {part: keras.Input(size, name=part) for part, size in sizes.items()}
    flat = [layers.Flatten(name=f"{part}_pixels")(inputs[part]) for part in ("camera", "range")]
    seen = layers.Concatenate(name="seen")([*flat, inputs["brightness"]])
    hidden = layers.Dense(hidden_units, "sigmoid", name="hidden")(seen)
    heads = {"directions": num_directions, "next_brightness": 1}
    outputs = {part: layers.Dense(size, "sigmoid", dtype="float32", name=part)(hidden) for part, size in heads.items()}
    return keras.Model(inputs, outputs, name=name)


def _check_choices(num_outputs, hidden_units, activation, output_activation, input_noise):
    if any(units < 1 for units in hidden_units):
        raise ValueError(f"`hidden_units` must be at least 1 each. Received: hidden_units={hidden_units}")
    for name, value, allowed in (
        ("activation", activation, ACTIVATIONS),
        ("output_activation", output_activation, OUTPUTS),
    ):
        if value not in allowed:
            raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received: {name}={value!r}")
    if output_activation == "softmax" and num_outputs < 2:
        raise ValueError(f"`num_outputs` must be at least 2 for a softmax. Received: num_outputs={num_outputs}")
    if not 0 <= input_noise <= 1:
        raise ValueError(f"`input_noise` must be in [0, 1]. Received: input_noise={input_noise}")


def _check_bounds(activity, max_norm):
    if not 0 <= activity < math.inf:
        raise ValueError(f"`activity` must be at least 0. Received: activity={activity}")
    if max_norm is not None and not max_norm > 0:
        raise ValueError(f"`max_norm` must be above 0, or None. Received: max_norm={max_norm}")


def _penalty(l1, l2):
    for name, value in (("l1", l1), ("l2", l2)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be at least 0. Received: {name}={value}")
    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


def _activated(states, activation, name):
    if activation == "prelu":
        return layers.PReLU(name=name)(states)
    return layers.Activation(activation, name=name)(states)
