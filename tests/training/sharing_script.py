"""Trains a small GPT, a small CNN and a layer, all with dropout, alone or as one of several processes.

Arguments: folder of the runs, epochs, seconds between checkpoints, and which nets. With the variable MESH, as 2x2, a
net is parted among devices, and the largest share of its state on one of them is printed. With ALONE, a folder, process
0 trains each net there once more without the others.
"""

import os
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kerasmlsp import distribution, models
from kerasmlsp.apps.chargen.config import LAYOUT
from kerasmlsp.data import batching
from kerasmlsp.training import Settings, built, fit
from kerasmlsp.training._states import optimizers_of

RANDOM = np.random.default_rng(0)
TEXT = RANDOM.integers(0, 16, 400).astype("int32")
PIXELS, CLASSES = RANDOM.normal(size=(32, 8, 8, 1)).astype("float32"), np.arange(32) % 3


def gpt():
    text, places = tf.constant(TEXT), tf.range(9, dtype=tf.int64)

    def load(indices, key):
        rows = tf.gather(text, indices[:, None] + places)
        return rows[:, :-1], rows[:, 1:]

    def build():
        model = models.gpt(16, features=32, num_layers=1, num_heads=4, window=8, dropout=0.2)
        model.compile(keras.optimizers.Adam(1e-2), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    rows = np.lib.stride_tricks.sliding_window_view(TEXT, 9)[:11]
    return build, batching.Batches(batching.windows(399, 8, 8), load), (rows[:, :-1], rows[:, 1:])


def cnn():
    pixels, classes = tf.constant(PIXELS), tf.constant(CLASSES)

    def load(indices, key):
        flip = batching.uniform([tf.size(indices), 1, 1, 1], key)
        found = tf.gather(pixels, indices)
        return tf.where(flip < 0.5, found, found[:, :, ::-1]), tf.gather(classes, indices)

    def build():
        layers = keras.layers
        model = keras.Sequential(
            [
                keras.Input((8, 8, 1)),
                # A bias before the norm has no gradient but rounding, which Adam makes as large as any.
                layers.Conv2D(4, 3, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.GlobalAveragePooling2D(),
                layers.Dropout(0.3),
                layers.Dense(3, "softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build, batching.Batches(batching.shuffled(32, 8), load), (PIXELS[:11], CLASSES[:11])


def dense():
    rows, classes = tf.constant(PIXELS.reshape(32, 64)), tf.constant(CLASSES)

    def load(indices, key):
        noise = batching.uniform([tf.size(indices), 64], key)
        return tf.gather(rows, indices) + noise, tf.gather(classes, indices)

    def build():
        layers = [keras.Input((64,)), keras.layers.Dropout(0.3), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.SGD(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build, batching.Batches(batching.shuffled(32, 8), load), (PIXELS[:11].reshape(11, 64), CLASSES[:11])


def largest_share(build):
    """The largest part of model and optimizer that a device holds."""
    with distribution.shared():
        model = built(build, Settings())
    arrays = [each.value for each in (*model.variables, *optimizers_of(model)[0].variables)]
    held = {}
    for array in arrays:
        for part in array.addressable_shards:
            held[part.device] = held.get(part.device, 0) + part.data.size
    return max(held.values()) / sum(array.size for array in arrays)


def main(folder, epochs, seconds, *names):
    if mesh := os.environ.get("MESH"):
        distribution.start(mesh=[int(parts) for parts in mesh.split("x")], layout=LAYOUT)
        print(f"\nlargest share {largest_share(gpt()[0])}")
    elif distribution.announced():
        distribution.start()
    train_all(folder, epochs, seconds, names)
    if (alone := os.environ.get("ALONE")) and distribution.leads():
        distribution._job = None
        train_all(alone, epochs, seconds, names)


def train_all(folder, epochs, seconds, names):
    for name in names:
        build, batches, held_out = {"gpt": gpt, "cnn": cnn, "dense": dense}[name]()
        validation = tf.data.Dataset.from_tensor_slices(held_out).batch(4)
        settings = {"epochs": int(epochs), "checkpoint_seconds": float(seconds)}
        model = fit(build, batches, Path(folder, name), validation=validation, resume=True, **settings)
        # Each process has a model of its own.
        found = model.predict(held_out[0], batch_size=11, verbose=0)
        assert len(found) == 11 and np.isfinite(found).all()


main(*sys.argv[1:])
