"""Small networks for the tests of `kerasmlsp.interpret`."""

import keras
import numpy as np


def linear(weights, bias=(0.0, 0.0), shape=(1, 2, 1), end="softmax"):
    """Classes that are linear in the pixels; weights `(pixels, classes)`."""
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(len(bias), end, name="classes")]
    model = keras.Sequential(layers)
    model.set_weights([np.array(weights, "float32"), np.array(bias, "float32")])
    return model


def convolutional(num_classes=3, size=12, seed=0):
    """Two convolutions, the second within a model of its own."""
    keras.utils.set_random_seed(seed)
    maps = keras.Input((size, size, 4))
    inner = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="second")(maps)
    inner = keras.layers.GlobalAveragePooling2D(name="pooled")(inner)
    inner = keras.layers.Dense(num_classes, "softmax", name="classes")(inner)
    images = keras.Input((size, size, 3), name="images")
    found = keras.layers.Rescaling(1 / 255, name="scaled")(images)
    found = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="first")(found)
    return keras.Model(images, keras.Model(maps, inner, name="head")(found))


def pictures(count=5, size=12, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, size, size, 3)).astype("float32")


def scores(model, images):
    """Scores before the softmax, up to what all classes have in common."""
    return np.log(keras.ops.convert_to_numpy(model(images)))
