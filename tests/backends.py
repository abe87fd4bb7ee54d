"""What tests ask of the backend."""

import keras

XLA = keras.backend.backend() != "tensorflow"
"""Whether a training is compiled by XLA: TensorFlow has graphs without it, which are made faster."""
