"""The nets behind `--architecture`, compiled, and the saved model's functions from a picture or numbers to a label."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from kerasmlsp import augment, classification, imagenet, interpret, models, optimizers
from kerasmlsp.apps.gesture.config import Config
from kerasmlsp.data.images import decoded, showing, stretched
from kerasmlsp.exporting import PICTURES, Input

INPUTS = {
    **PICTURES,
    "landmarks": Input(
        "The 21 points of a hand, x and y of each, where wrist and size of the hand make no difference.",
        range="finite numbers",
    ),
    "path": Input("The 16 last places of a finger tip, x and y of each, the oldest first.", range="finite numbers"),
}


def build(architecture: str, config: Config, shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Builds the untrained model of an architecture, with augmentation in front of a net for pictures.

    Args:
        architecture: Its name.
        config: The configuration.
        shape: Shape of one example.
        num_classes: Number of classes.

    Each channel of a picture is standardised before it reaches a net that is trained from scratch, so that darkness,
    contrast and the colour of the light make no difference.

    Returns:
        A model whose last layer is the net; pictures have values from 0 to 255. Of EfficientNet-Lite0 the last layer is
        trained, all before has weights trained on ImageNet.
    """
    if architecture == "mlp":
        return models.landmark_mlp(num_classes, num_landmarks=shape[0])
    if architecture == "gru":
        return models.path_gru(num_classes, num_steps=shape[0])
    if architecture == "cnn":
        return models.path_cnn(num_classes, num_steps=shape[0])
    height, width, channels = shape
    images = keras.Input(shape, name="images")
    maps = augmentation(config)(images)
    if architecture != "efficientnet":
        # Neither the strength nor the colour of the light tells signs apart; 127.5 is where the nets have their zero.
        light = keras.layers.LayerNormalization(axis=(1, 2), center=False, scale=False, dtype="float32", name="light")
        maps = keras.layers.Rescaling(50.0, 127.5, dtype="float32", name="exposed")(light(maps))
    if architecture == "lenet":
        maps = keras.layers.Rescaling(1 / 255, dtype="float32", name="scaled")(maps)
        net = models.lenet5(num_classes, input_shape=(height, width, channels))
    elif architecture == "efficientnet":
        net = imagenet.load_efficientnet_lite0(
            models.efficientnet_lite0(num_classes, input_shape=(height, width, channels))
        )
        for layer in net.layers[:-1]:
            layer.trainable = False
    else:
        net = models.gesture_resnet(num_classes, input_shape=(height, width, channels))
    return keras.Model(images, net(maps), name="gesture")


def augmentation(config: Config) -> augment.ImageAugmentation:
    """The random changes of pictures that a configuration asks for."""
    return augment.ImageAugmentation(
        rotation=config.rotation,
        zoom=config.zoom,
        crop=config.crop,
        shift=config.shift,
        shear=config.shear,
        flip=None if config.flip == "none" else config.flip,
        brightness=config.brightness,
        contrast=config.contrast,
        saturation=config.saturation,
        noise=config.noise,
        erasing=config.erasing,
        fill_mode="nearest",
        seed=config.seed,
        name="augmentation",
    )


def compiled(architecture: str, config: Config, shape: tuple[int, ...], num_classes: int, steps: int) -> keras.Model:
    """Builds a model and compiles it for `steps` training steps."""
    model = build(architecture, config, shape, num_classes)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=config.label_smoothing)
    model.compile(optimizers.build(config, steps), loss, metrics=[accuracy])
    # Behind the augmentation, which would turn and blur away what is added.
    return interpret.harden(model, config.adversarial, layer="augmentation") if config.adversarial else model


@keras.saving.register_keras_serializable("kerasmlsp")
def accuracy(targets: keras.KerasTensor, probabilities: keras.KerasTensor) -> keras.KerasTensor:
    """Which examples are told right: those of no class, of equal targets, where no class stands out.

    Args:
        targets: `(examples, classes)`.
        probabilities: `(examples, classes)`.

    Returns:
        0 or 1 of each, `(examples,)`.
    """
    right = ops.equal(ops.argmax(targets, axis=-1), ops.argmax(probabilities, axis=-1))
    unsure = ops.max(probabilities, axis=-1) < (1 + 1 / targets.shape[-1]) / 2
    return ops.cast(ops.where(ops.max(targets, axis=-1) < 1, unsure, right), "float32")


def endpoints(
    model: keras.Model, kind: str, classes: Sequence[str], size: int, threshold: float | None = None
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    All give `label`, `probabilities` in the order of `classes`, `confidence` and `unsure`, see `classification.answer`:
    a picture below 8 pixels high or wide or of one colour shows nothing, nor do points at one place. For pictures
    `serving_default` takes uint8 `images` `(batch, height, width, 3)`, `serving_bytes` the bytes of files as `encoded`,
    and `explain` gives besides `heat`, the Grad-CAM map of the label. For numbers there is `serving_default` alone.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    def answer(inputs, shown):
        return classification.answer(classes, model(inputs, training=False), shown, threshold)

    if kind != "images":
        name = model.inputs[0].name
        signature = {name: tf.TensorSpec([None, *model.inputs[0].shape[1:]], tf.float32, name=name)}

        def tell(**values):
            points = values[name]
            return answer(points, tf.reduce_any(points != points[:, :1], axis=(1, 2)))

        return {"serving_default": (tell, signature)}, [model]

    def classify(pictures, sides):
        return answer(pictures, showing(pictures, sides))

    def seen(images):
        return stretched(images, size), tf.reduce_min(tf.shape(images)[1:3])

    def explain(images):
        pictures, side = seen(images)
        return {**classify(pictures, side), "heat": heat(model, pictures)}

    pictures = {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")}
    packed = {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    functions = {
        "serving_default": (lambda images: classify(*seen(images)), pictures),
        "serving_bytes": (lambda encoded: classify(*decoded(encoded, size)), packed),
        "explain": (explain, pictures),
    }
    return functions, [model]


def of_bytes(model: keras.Model) -> keras.Model:
    """Returns the net for uint8 pictures of its own size, without what only training needs."""
    images = keras.Input(model.input_shape[1:], dtype="uint8", name="images")
    maps = keras.layers.Rescaling(1.0, dtype="float32", name="as_floats")(images)
    for layer in model.layers[2:]:  # not the augmentation
        maps = layer(maps)
    return keras.Model(images, {"probabilities": maps}, name="gesture")


def heat(model: keras.Model, images: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the Grad-CAM maps `(batch, rows, columns)` of what a model for pictures decides."""
    for layer in model.layers[:-1]:
        images = layer(images, training=False) if not isinstance(layer, keras.layers.InputLayer) else images
    return interpret.grad_cam(model.layers[-1], images)
