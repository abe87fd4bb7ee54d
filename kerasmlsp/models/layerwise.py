"""Pre-training of deep networks, one layer after the other.

Each function takes a classifier that is a chain of dense layers, such as `deep_belief_network`, gives its hidden layers
their weights, and returns it for training as a whole.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers, ops

from kerasmlsp.layers import RBM
from kerasmlsp.models._heads import class_probabilities


def pretrain_with_rbms(
    model: keras.Model,
    data: np.ndarray,
    *,
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 0.05,
    gibbs_steps: int = 1,
    seed: int = 0,
    fit: Callable | None = None,
) -> keras.Model:
    """Trains a restricted Boltzmann machine for every hidden layer, on the probabilities of the one before.

    A machine's visible biases start at the log-odds of the means of its data, so that hidden units need not learn them.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Unsupervised Pretraining"; Hinton, Osindero and Teh 2006,
    "A Fast Learning Algorithm for Deep Belief Nets"; Hinton 2010, "A Practical Guide to Training Restricted Boltzmann
    Machines" (sections 8 and 9: the start of the biases, and momentum).

    Args:
        model: Chain of dense layers, the hidden ones with sigmoid activation.
        data: `(examples, features)`, in `[0, 1]`.
        epochs: Epochs of each machine.
        batch_size: Examples of a batch.
        learning_rate: Rate of gradient descent with a momentum of 0.9.
        gibbs_steps: Steps of Gibbs sampling, the k of CD-k.
        seed: Seed of the sampling.
        fit: What trains each part instead of Keras's `fit`, as to have checkpoints: called with a function that builds
            the compiled model, inputs, targets (None where the model needs none) and the name of the layer, it returns
            the trained model; `epochs` and `batch_size` are then its own.

    Returns:
        `model`.

    Raises:
        ValueError: The model is no such chain, or its activations are others.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.models import deep_belief_network
        >>> model = deep_belief_network(4, 2, hidden_units=(3,))
        >>> before = model.get_weights()
        >>> model = pretrain_with_rbms(model, np.eye(4, dtype="float32"), epochs=1)
        >>> [bool((now != then).any()) for now, then in zip(model.get_weights(), before)]  # the last layer is as it was
        [True, True, False, False]
    """
    for dense in _hidden(model):
        if dense.activation is not keras.activations.sigmoid:
            raise ValueError(f"`model` must have sigmoid hidden layers. Received: {dense.name} of another activation")

        means = data.mean(axis=0)

        def build(means=means, units=dense.units):
            machine = keras.Sequential([keras.Input(means.shape), RBM(units, gibbs_steps, seed=seed)])
            machine.layers[0].visible_bias.assign(_log_odds(means))
            machine.compile(keras.optimizers.SGD(learning_rate, momentum=_MOMENTUM))
            return machine

        machine = _fitted(fit, build, data, None, dense.name, batch_size, epochs)
        trained = machine.layers[0]
        # As copies: JAX gives the machine's own arrays away when it next runs.
        dense.set_weights([ops.convert_to_numpy(trained.kernel), ops.convert_to_numpy(trained.hidden_bias)])
        data = _next(machine, data, batch_size)
    return model


def pretrain_with_autoencoders(
    model: keras.Model,
    data: np.ndarray,
    *,
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    noise: float = 0.0,
    fit: Callable | None = None,
) -> keras.Model:
    """Trains every hidden layer as the encoder of a small autoencoder of what the layer before gives.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Pretraining using Autoencoders"; Bengio et al. 2007,
    "Greedy Layer-Wise Training of Deep Networks"; Vincent et al. 2010, "Stacked Denoising Autoencoders" (noise).

    Args:
        model: Chain of dense layers.
        data: `(examples, features)`.
        epochs: Epochs of each autoencoder.
        batch_size: Examples of a batch.
        learning_rate: Rate of Adam.
        noise: Standard deviation of the noise on an autoencoder's inputs, at least 0.
        fit: What trains each part instead of Keras's `fit`, as to have checkpoints: called with a function that builds
            the compiled model, inputs, targets (None where the model needs none) and the name of the layer, it returns
            the trained model; `epochs` and `batch_size` are then its own.

    Returns:
        `model`.

    Raises:
        ValueError: The model is no such chain.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.models import deep_belief_network
        >>> model = deep_belief_network(4, 2, hidden_units=(3,))
        >>> before = model.get_weights()
        >>> model = pretrain_with_autoencoders(model, np.eye(4, dtype="float32"), epochs=1)
        >>> [bool((now != then).any()) for now, then in zip(model.get_weights(), before)]  # the last layer is as it was
        [True, True, False, False]
    """
    for dense in _hidden(model):

        def build(width=data.shape[1], dense=dense):
            inputs = keras.Input((width,), name="features")
            code = layers.Dense(dense.units, dense.activation, name="code")(layers.GaussianNoise(noise)(inputs))
            whole = keras.Model(inputs, layers.Dense(width, name="reconstruction")(code))
            whole.compile(keras.optimizers.Adam(learning_rate), "mse")
            return whole

        whole = _fitted(fit, build, data, data, dense.name, batch_size, epochs)
        code = whole.get_layer("code")
        dense.set_weights(code.get_weights())
        encoder = keras.Model(whole.input, code.output)
        data = _next(encoder, data, batch_size)
    return model


def pretrain_with_labels(
    model: keras.Model,
    data: np.ndarray,
    labels: np.ndarray,
    *,
    epochs: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
) -> keras.Model:
    """Trains every hidden layer with a softmax layer upon it, which is then thrown away.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Supervised Pretraining"; Bengio et al. 2007, "Greedy
    Layer-Wise Training of Deep Networks".

    Args:
        model: Chain of dense layers.
        data: `(examples, features)`.
        labels: Class numbers `(examples,)`.
        epochs: Epochs of each layer.
        batch_size: Examples of a batch.
        learning_rate: Rate of Adam.

    Returns:
        `model`.

    Raises:
        ValueError: The model is no such chain.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.models import deep_belief_network
        >>> model = deep_belief_network(4, 2, hidden_units=(3,))
        >>> before = model.get_weights()
        >>> model = pretrain_with_labels(model, np.eye(4, dtype="float32"), np.array([0, 0, 1, 1]), epochs=1)
        >>> [bool((now != then).any()) for now, then in zip(model.get_weights(), before)]  # the last layer is as it was
        [True, True, False, False]
    """
    for dense in _hidden(model):
        inputs = keras.Input(data.shape[1:])
        hidden = layers.Dense(dense.units, dense.activation)
        below = keras.Model(inputs, hidden(inputs))
        whole = keras.Model(inputs, class_probabilities(below.output, model.output_shape[-1]))
        whole.compile(keras.optimizers.Adam(learning_rate), "sparse_categorical_crossentropy")
        whole.fit(data, labels, batch_size=batch_size, epochs=epochs, verbose=0)
        dense.set_weights(hidden.get_weights())
        data = _next(below, data, batch_size)
    return model


_MOMENTUM = 0.9
_RAREST = 0.01
"""Bound of the means whose log-odds biases start at: what is always off in the data may not be so in other data."""


def _log_odds(means):
    inside = np.clip(means, _RAREST, 1 - _RAREST)
    return np.log(inside / (1 - inside))


def _hidden(model):
    """The dense layers of a chain without the last, which gives the answer."""
    chain = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer | layers.Dropout)]
    if len(chain) < 2 or not all(isinstance(layer, layers.Dense) for layer in chain):
        found = ", ".join(type(layer).__name__ for layer in chain)
        raise ValueError(f"`model` must be a chain of at least two Dense layers. Received: {found}")
    return chain[:-1]


def _fitted(fit, build, inputs, targets, name, batch_size, epochs):
    if fit is not None:
        return fit(build, inputs, targets, name)
    model = build()
    model.fit(inputs, targets, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def _next(model, data, batch_size):
    return np.asarray(model.predict(data, batch_size=batch_size, verbose=0))
