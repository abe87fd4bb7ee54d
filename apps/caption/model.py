"""The nets of the caption application, and what its saved model does."""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from keras import layers

from kerasmlsp import files, generation, imagenet, losses, models, optimizers
from kerasmlsp.apps.caption.config import EFFICIENTNET, SCRATCH, Config
from kerasmlsp.apps.caption.data import START, STOP
from kerasmlsp.data.images import decoded, stretched
from kerasmlsp.layers import BatchNormalization
from kerasmlsp.models import efficientnet

if TYPE_CHECKING:
    import tensorflow as tf


def _transformer(channels, vocabulary_size, units, num_layers, dropout):
    heads = next(heads for heads in (4, 2, 1) if units % heads == 0)
    sizes = {"features": units, "num_layers": num_layers, "num_heads": heads, "feed_forward_dim": 4 * units}
    return models.transformer_captioner(channels, vocabulary_size, **sizes, dropout=dropout, name="decoder")


def _attention(channels, vocabulary_size, units, num_layers, dropout):
    if num_layers != 1:
        raise ValueError(f"`num_layers` must be 1 for the architecture attention. Received: num_layers={num_layers}")
    sizes = {"embedding_dim": units, "units": units, "attention_units": units}
    return models.attention_captioner(channels, vocabulary_size, **sizes, dropout=dropout, name="decoder")


def _lstm(channels, vocabulary_size, units, num_layers, dropout):
    sizes = {"embedding_dim": units, "units": units, "num_layers": num_layers}
    return models.image_captioner(channels, vocabulary_size, **sizes, dropout=dropout, name="decoder")


def _dropped(features, units, dropout):
    return layers.Dropout(dropout, name="features_dropout")(features)


def _pooled(features, units, dropout):
    return layers.GlobalAveragePooling1D(name="pooled")(features)


def _projected(features, units, dropout):
    # The decoder would see each region anew at every step, with as many weights as an encoder has channels.
    features = layers.Dense(units, activation="relu", name="projection")(features)
    return layers.LayerNormalization(name="projection_norm")(features)


BUILDERS = {"transformer": (_dropped, _transformer), "attention": (_projected, _attention), "lstm": (_pooled, _lstm)}
"""What the decoder sees, made of features, units and dropout, and the decoder itself."""


def image_size(config: Config) -> int:
    """Height and width that the encoder sees."""
    return config.image_size or (96 if config.encoder == SCRATCH else 224)


def frozen(config: Config) -> bool:
    """Whether the encoder is kept as it is, so that its features can be computed once."""
    return config.encoder != SCRATCH


def build_encoder(config: Config) -> keras.Model:
    """Builds the encoder, with its weights where it is kept as it is.

    Returns:
        A model from images `(batch, size, size, 3)`, 0 to 255, to features `(batch, rows, columns, channels)`.

    Raises:
        ValueError: There is no net of that name, or no such weights for it.
        ModuleNotFoundError: The package with the weights is not installed.
        FileNotFoundError: The file of weights is not there.
    """
    size, weights = image_size(config), config.encoder_weights
    if config.encoder == SCRATCH:
        return _small_cnn(size)
    if config.encoder == EFFICIENTNET:
        net = efficientnet.efficientnet_lite0_features(input_shape=(size, size, 3), name="encoder")
        return imagenet.load_efficientnet_lite0(net) if weights == "imagenet" else _with_weights(net, weights)
    return _application(config.encoder, size, weights)


def _small_cnn(size):
    images = keras.Input((size, size, 3), name="images")
    maps = layers.Rescaling(1 / 127.5, -1, dtype="float32", name="scaled")(images)
    for number, filters in enumerate((32, 64, 128, 256), start=1):
        maps = layers.Conv2D(filters, 3, 2, padding="same", use_bias=False, name=f"conv_{number}")(maps)
        maps = BatchNormalization(momentum=0.9, name=f"norm_{number}")(maps)
        maps = layers.ReLU(name=f"relu_{number}")(maps)
    return keras.Model(images, maps, name="encoder")


def _application(name, size, weights):
    """A net of `keras.applications` with its own preprocessing in front."""
    function = getattr(keras.applications, name, None)
    if not inspect.isfunction(function):
        known = sorted(
            each for each in dir(keras.applications) if inspect.isfunction(getattr(keras.applications, each))
        )
        raise ValueError(
            f"`encoder` must be {EFFICIENTNET}, {SCRATCH} or one of keras.applications: {', '.join(known)}. "
            f"Received: {name!r}"
        )
    images = keras.Input((size, size, 3), name="images")
    shape = {"include_top": False, "input_shape": (size, size, 3)}
    try:
        net = function(weights="imagenet" if weights == "imagenet" else None, **shape)
    except Exception as error:
        if weights == "imagenet" and "URL fetch failure" in str(error):
            raise ConnectionError(
                f"The ImageNet weights of {name} cannot be fetched: give a file of them by `--encoder-weights`, or try "
                f"again with a network ({str(error).splitlines()[0][:120]})."
            ) from error
        raise
    preprocess = sys.modules[function.__module__].preprocess_input
    maps = net(preprocess(images))
    if len(maps.shape) != 4:
        raise ValueError(f"`encoder` must give a map of features. Received: {name!r}, which gives {maps.shape}")
    return _with_weights(keras.Model(images, maps, name="encoder"), weights, net)


def _with_weights(encoder, weights, net=None):
    if weights not in ("imagenet", "random"):
        path = files.existing(weights, "encoder_weights")
        try:
            (net or encoder).load_weights(path)
        except Exception as error:  # what a file of another net raises depends on where it differs
            raise ValueError(
                f"`encoder_weights` must be a file of weights of this net. Received: {Path(path)} "
                f"({' '.join(str(error).split())[:200]})"
            ) from error
    return encoder


def regions(encoder: keras.Model) -> keras.Model:
    """The encoder with the rows and columns of its map side by side: features `(batch, regions, channels)`."""
    images = keras.Input(encoder.input_shape[1:], name="images")
    _, rows, columns, channels = encoder.output_shape
    features = layers.Reshape((rows * columns, channels), dtype="float32", name="regions")(encoder(images))
    return keras.Model(images, features, name="regions_of_images")


def build(config: Config, shape: tuple[int, ...], vocabulary_size: int) -> keras.Model:
    """Builds what writes captions.

    Args:
        config: The configuration.
        shape: Regions and channels of the features.
        vocabulary_size: Number of token ids.

    Returns:
        A model from `features` `(batch, regions, channels)` and `token_ids` to the logits of the next token, whose
        layers "front" and "decoder" are models, too.
    """
    features, ids = keras.Input(shape, name="features"), keras.Input((None,), dtype="int32", name="token_ids")
    look, write = BUILDERS[config.architecture]
    seen = keras.Input(shape, name="features")
    front = keras.Model(seen, layers.Identity(name="seen")(look(seen, config.units, config.dropout)), name="front")
    channels = front.output_shape[-1]
    decoder = write(channels, vocabulary_size, config.units, config.num_layers, config.dropout)
    outputs = decoder({"features": front(features), "token_ids": ids})
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs
    return keras.Model({"features": features, "token_ids": ids}, logits, name="captioner")


def compiled(config: Config, shape: tuple[int, ...], vocabulary_size: int, steps: int) -> keras.Model:
    """Builds the net to train, with optimizer and loss.

    An encoder that is trained, too, is the layer "encoder" in front of the layer "captioner", and `images` takes the
    place of `features`.
    """
    if frozen(config):
        model = build(config, shape, vocabulary_size)
    else:
        encoder = regions(build_encoder(config))
        images, ids = keras.Input(shape, name="images"), keras.Input((None,), dtype="int32", name="token_ids")
        captioner = build(config, encoder.output_shape[1:], vocabulary_size)
        outputs = captioner({"features": encoder(images), "token_ids": ids})
        model = keras.Model({"images": images, "token_ids": ids}, outputs, name="images_to_captions")
    # Without smoothing, so that losses of runs can be compared.
    nats = keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")
    loss = losses.SmoothedCrossentropy(config.label_smoothing)
    model.compile(optimizer(config, steps), loss, weighted_metrics=[nats])
    return model


def optimizer(config: Config, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer of a complete configuration for so many steps."""
    ema = max(0.0, 1 - 6 / steps) if config.ema is None else config.ema
    return optimizers.build(dataclasses.replace(config, ema=ema), steps)


def for_inference(
    trained: keras.Model, config: Config, encoder: keras.Model | None, vocabulary_size: int
) -> tuple[keras.Model, keras.Model]:
    """Returns the encoder, `(batch, regions, channels)`, and what writes captions, both in float32.

    Args:
        trained: The trained net.
        config: The configuration.
        encoder: The encoder that was kept as it is, None for one that was trained.
        vocabulary_size: Number of token ids.
    """
    if encoder is None:
        seen = regions(build_encoder(config))
        seen.set_weights(_float32(trained.get_layer("regions_of_images")))
        trained = trained.get_layer("captioner")
    else:
        seen = regions(encoder)
    captioner = build(config, seen.output_shape[1:], vocabulary_size)
    captioner.set_weights(_float32(trained))
    return seen, captioner


def _float32(model):
    return [np.asarray(keras.ops.cast(weight, "float32")) for weight in model.weights]


def search(
    captioner: keras.Model, features: keras.KerasTensor, *, beams: int, length: int, length_penalty: float
) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Writes captions.

    Args:
        captioner: As of `build`.
        features: `(batch, regions, channels)`.
        beams: Captions for each picture; 1 takes the likeliest word each time.
        length: Most words.
        length_penalty: As of `generation.beam_search`.

    Returns:
        Tokens `(batch, beams, length)`, best first, `STOP` behind the end, and scores `(batch, beams)`.
    """
    from keras import ops

    net = decoder(captioner, captioner.get_layer("front")(features, training=False))
    batch = ops.shape(features)[0]
    first = ops.full((batch,), START, "int32")
    options: dict[str, Any] = {"beams": beams, "length": length, "stop": STOP, "length_penalty": length_penalty}
    return generation.beam_search(net, net.initial_state(batch), first, **options)


def decoder(captioner: keras.Model, seen: keras.KerasTensor) -> generation.Decoder:
    """What writes captions word by word.

    Args:
        captioner: As of `build`.
        seen: What its layer "front" makes of the features.

    Returns:
        `generation.Decoder` of `allowed` logits.
    """
    net = generation.stepwise(captioner.get_layer("decoder"), {"features": seen})

    def step(tokens, state, position):
        logits, state = net.step(tokens, state, position)
        return allowed(logits, position), state

    return dataclasses.replace(net, step=step)


def allowed(logits: keras.KerasTensor, position: Any) -> keras.KerasTensor:
    """Logits without what no caption has: padding, unknown words, a second start, and an end before the first word.

    Args:
        logits: `(..., vocabulary_size)`.
        position: Words before, to broadcast.
    """
    from keras import ops

    tokens = ops.arange(logits.shape[-1])
    empty = ops.logical_and(tokens == STOP, position == 0)
    return ops.where(ops.logical_or(tokens <= START, empty), -1e9, logits)


def looked_at(
    captioner: keras.Model, features: keras.KerasTensor, tokens: keras.KerasTensor
) -> keras.KerasTensor | None:
    """The weights of the regions for each token of captions, `(batch, length, regions)`; None without attention.

    Args:
        captioner: As of `build`.
        features: `(batch, regions, channels)`.
        tokens: `(batch, length)`.
    """
    from keras import ops

    decoder = captioner.get_layer("decoder")
    if not isinstance(decoder.output, dict):
        return None
    before = ops.concatenate([ops.full((ops.shape(tokens)[0], 1), START, "int32"), tokens[:, :-1]], axis=1)
    seen = captioner.get_layer("front")(features, training=False)
    weights = decoder({"features": seen, "token_ids": before}, training=False)["attention"]
    return ops.where((tokens != STOP)[..., None], weights, 0.0)


def written(tokens: "tf.Tensor", words: Sequence[str]) -> "tuple[tf.Tensor, tf.Tensor]":
    """Joins tokens `(..., length)` to strings; `words` is the vocabulary as of `data.vocabulary`."""
    import tensorflow as tf

    table = tf.constant(["", "", *words])
    kept = tf.where(tokens == STOP, "", tf.gather(table, tokens))
    return tf.strings.strip(tf.strings.reduce_join(kept, axis=-1, separator=" ")), kept


def endpoints(
    encoder: keras.Model, captioner: keras.Model, words: Sequence[str], config: Config
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    `serving_default` takes uint8 `images` `(batch, height, width, 3)` of any size, `serving_bytes` the bytes of JPEG
    and PNG files as `encoded`. Both give `captions` `(batch, beams)`, best first, with their `scores`; of nets with
    attention also `words` `(batch, length)` of the best, "" behind its end, and `attention`
    `(batch, length, rows, columns)`, where the net looked for each.

    Returns:
        Dict of name to `(function, input signature)`, and the list of objects to track.
    """
    import tensorflow as tf

    size, (rows, columns) = encoder.input_shape[1], map_of(encoder)
    options: dict[str, Any] = {
        "beams": config.beams,
        "length": config.max_words,
        "length_penalty": config.length_penalty,
    }

    def answer(pictures):
        features = encoder(pictures, training=False)
        tokens, scores = search(captioner, features, **options)
        captions, _ = written(tokens, words)
        weights = looked_at(captioner, features, tokens[:, 0])
        if weights is None:
            return {"captions": captions, "scores": scores}
        maps = tf.reshape(weights, (-1, config.max_words, rows, columns))
        return {"captions": captions, "scores": scores, "words": written(tokens[:, 0], words)[1], "attention": maps}

    pictures = {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")}
    packed = {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    functions = {
        "serving_default": (lambda images: answer(stretched(images, size)), pictures),
        "serving_bytes": (lambda encoded: answer(decoded(encoded, size)[0]), packed),
    }
    return functions, [encoder, captioner]


def map_of(encoder: keras.Model) -> tuple[int, int]:
    """Rows and columns of the map of `regions`."""
    inner = next(layer for layer in encoder.layers if isinstance(layer, keras.Model))
    return inner.output_shape[1:3]
