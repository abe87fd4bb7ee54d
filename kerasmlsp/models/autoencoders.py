"""Networks that learn to repeat their inputs through a narrow place."""

import keras
from keras import layers

from kerasmlsp.models._checks import check_sizes


def autoencoder(
    num_features: int,
    code_dim: int,
    *,
    hidden_units: tuple[int, ...] = (128,),
    name: str = "autoencoder",
) -> keras.Model:
    """Builds an autoencoder: dense layers down to a code, and the same sizes back.

    Its layer `code` gives the code; the reconstruction is linear.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Pretraining using Autoencoders"; Hinton and Salakhutdinov
    2006, "Reducing the Dimensionality of Data with Neural Networks".

    Args:
        num_features: Features of an example.
        code_dim: Size of the code.
        hidden_units: Units of the layers before the code, and in reverse after it.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to their reconstruction, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = autoencoder(8, 2, hidden_units=(4,))
        >>> [layer.output.shape[-1] for layer in model.layers]
        [8, 4, 2, 4, 8]
    """
    return _autoencoder(num_features, code_dim, hidden_units, None, name)


def denoising_autoencoder(
    num_features: int,
    code_dim: int,
    *,
    hidden_units: tuple[int, ...] = (128,),
    noise: float = 0.3,
    name: str = "denoising_autoencoder",
) -> keras.Model:
    """Builds an autoencoder that sees its inputs with Gaussian noise while training, and is to repeat them without.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Pretraining using Autoencoders"; Vincent et al. 2010,
    "Stacked Denoising Autoencoders".

    Args:
        num_features: Features of an example.
        code_dim: Size of the code.
        hidden_units: Units of the layers before the code, and in reverse after it.
        noise: Standard deviation of the noise, in units of the features, above 0.
        name: Name of the model.

    Returns:
        A model from features `(batch, num_features)` to their reconstruction, float32.

    Raises:
        ValueError: A size is too small, or `noise` is not above 0.

    Example:
        >>> model = denoising_autoencoder(8, 2, hidden_units=(4,), noise=0.1)
        >>> [layer.name for layer in model.layers]
        ['features', 'noise', 'encoder_1', 'code', 'decoder_1', 'reconstruction']
    """
    if noise <= 0:
        raise ValueError(f"`noise` must be above 0. Received: noise={noise}")
    return _autoencoder(num_features, code_dim, hidden_units, noise, name)


def _autoencoder(num_features, code_dim, hidden_units, noise, name):
    check_sizes(num_features=num_features, code_dim=code_dim, hidden_units=min(hidden_units, default=1))
    inputs = keras.Input((num_features,), name="features")
    states = inputs if noise is None else layers.GaussianNoise(noise, name="noise")(inputs)
    for i, units in enumerate(hidden_units, start=1):
        states = layers.Dense(units, activation="relu", name=f"encoder_{i}")(states)
    states = layers.Dense(code_dim, name="code")(states)
    for i, units in enumerate(reversed(hidden_units), start=1):
        states = layers.Dense(units, activation="relu", name=f"decoder_{i}")(states)
    outputs = layers.Dense(num_features, dtype="float32", name="reconstruction")(states)
    return keras.Model(inputs, outputs, name=name)
