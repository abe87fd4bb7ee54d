"""The nets of the tasks, compiled, the classifiers made of them, and the saved model's functions."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import layers, ops

from kerasmlsp import augment, classification, losses, models, optimizers
from kerasmlsp.apps.pretrain.config import AUGMENTATION, CONVOLUTIONAL, LAYERWISE, Config, Tuning
from kerasmlsp.data import clips, images, text
from kerasmlsp.exporting import PICTURES, Input

GAP, GAP_SIGN = r"\[(?:MASK|mask)\]", "\N{OPEN BOX}"
"""What stands for a hidden word in a text, and the token that it becomes."""
TOP = 5
"""Words that are told for a gap."""


def pretext(config: Config, shape: tuple[int, ...], vocabulary_size: int = 0) -> keras.Model:
    """Builds the untrained net of a task, whose layer `encoder` (of wav2vec: `frames` and `context`) is kept.

    Args:
        config: The complete configuration.
        shape: Shape of one example.
        vocabulary_size: Token ids, of texts, the last of them that of a hidden word.
    """
    if config.task in CONVOLUTIONAL:
        stages = tuple(config.width * 2**i for i in range(config.stages))  # type: ignore[operator, arg-type]
        sizes: dict[str, Any] = {"filters": stages, "convolutions": config.convolutions}
        if config.task == "rotation":
            return models.rotation_predictor(shape, **sizes)  # type: ignore[arg-type]
        if config.task == "simclr":
            sizes["projection_dim"] = config.projection_dim
            return models.contrastive_model(shape, **sizes)  # type: ignore[arg-type]
        return models.cluster_predictor(shape, config.clusters, **sizes)  # type: ignore[arg-type]
    if config.task in LAYERWISE:
        return stack(config, shape)[0]
    blocks: dict[str, Any] = {"feed_forward_dim": 4 * config.features}  # type: ignore[operator]
    blocks |= {name: getattr(config, name) for name in ("features", "num_layers", "num_heads", "dropout")}
    if config.task == "mae":
        return models.masked_patch_predictor(shape, patch_size=config.patch_size, **blocks)  # type: ignore[arg-type]
    if config.task == "mlm":
        return models.masked_language_model(vocabulary_size, max_length=_longest(config), **blocks)
    return models.wav2vec(**blocks)


def _longest(config):
    """Places for batches, which are cut to a multiple of some tokens."""
    from kerasmlsp.apps.pretrain.batches import LENGTH_STEP

    return -(-config.max_tokens // LENGTH_STEP) * LENGTH_STEP


def stack(config: Config, shape: tuple[int, ...]) -> tuple[keras.Model, keras.Model]:
    """Builds the chain of layers of the tasks `rbm` and `autoencoder`.

    Returns:
        A net whose layer `encoder` is the hidden layers, and the `deep_belief_network` that shares these, to be trained
        layer by layer.
    """
    hidden = (config.units,) * config.num_layers  # type: ignore[operator]
    network = models.deep_belief_network(
        shape[0] * shape[1] * shape[2],
        2,
        hidden_units=hidden,  # type: ignore[arg-type]
    )
    encoder = keras.Model(network.input, network.layers[-1].input, name="encoder")
    visible = keras.Input(network.input_shape[1:], name="visible")
    return keras.Model(visible, encoder(visible), name=config.task), network


def entrance(inputs: keras.KerasTensor, config: Config) -> keras.KerasTensor:
    """Makes of pixels from 0 to 255, ids or waveforms what the encoder takes."""
    if config.kind == "texts":
        return inputs
    if config.kind == "recordings":
        centred = inputs - ops.mean(inputs, axis=1, keepdims=True)
        return centred / (ops.sqrt(ops.mean(ops.square(centred), axis=1, keepdims=True)) + 1e-4)
    if config.task in LAYERWISE:
        scaled = layers.Rescaling(1 / 255, dtype="float32", name="scaled")(inputs)
        return layers.Flatten(name="flat")(scaled)
    return layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="scaled")(inputs)


def raw_input(config: Config, shape: tuple[int, ...]) -> keras.KerasTensor:
    """The input of a whole net: float32 pixels, int32 ids of any length, or float32 waveforms."""
    if config.kind == "texts":
        return keras.Input((None,), dtype="int32", name="token_ids")
    return keras.Input(shape, name="waveform" if config.kind == "recordings" else "images")


def augmentation(settings: Config | Tuning, seed: int) -> augment.ImageAugmentation:
    """The random changes of pictures that a configuration asks for."""
    chosen = {name: getattr(settings, name) for name in AUGMENTATION}
    chosen["flip"] = None if chosen["flip"] == "none" else chosen["flip"]
    return augment.ImageAugmentation(**chosen, fill_mode="nearest", seed=seed, name="augmentation")


def compiled(config: Config, shape: tuple[int, ...], steps: int, vocabulary_size: int = 0) -> keras.Model:
    """Builds the net of a task with what is before it, and compiles it for so many training steps."""
    net = pretext(config, shape, vocabulary_size)
    if config.task == "mlm":
        whole = _of_places(net)
    elif config.task in ("mae", "wav2vec"):
        name = "images" if config.task == "mae" else "waveform"
        inputs, masked = (
            raw_input(config, shape),
            keras.Input(net.input["masked"].shape[1:], dtype="bool", name="masked"),
        )
        whole = keras.Model({name: inputs, "masked": masked}, net({name: entrance(inputs, config), "masked": masked}))
    else:
        inputs, changed = raw_input(config, shape), augmentation(config, config.seed)
        if config.task == "simclr":
            shown = keras.Input(shape, name="shown")
            front = keras.Model(shown, entrance(shown, config), name="entrance")
            views = {name: front(changed(inputs)) for name in ("first", "second")}
            whole = keras.Model(inputs, net(views))
        else:
            whole = keras.Model(inputs, net(entrance(changed(inputs), config)))
    whole.compile(optimizers.build(config, steps), **_measures(config))
    return whole


def _measures(config):
    if config.task in ("rotation", "clusters"):
        return {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
    if config.task == "simclr":
        return {"loss": losses.NTXent(config.temperature)}
    if config.task == "mae":
        return {"loss": keras.losses.MeanSquaredError("mean_with_sample_weight")}
    if config.task == "mlm":
        return {"loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)}
    return {}


def _of_places(net):
    """A masked language model that predicts the tokens of some places only."""
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    places = keras.Input((None,), dtype="int32", name="places")
    states = net.get_layer("encoder")(ids)
    states = ops.take_along_axis(states, ops.expand_dims(places, 2), axis=1)
    for name in ("hidden", "hidden_norm", "logits"):
        states = net.get_layer(name)(states)
    return keras.Model({"token_ids": ids, "places": places}, states, name="of_places")


def net_of(whole: keras.Model, config: Config, shape: tuple[int, ...], vocabulary_size: int = 0) -> keras.Model:
    """Returns the net of a task, as of `pretext`, with the weights of what `compiled` built."""
    net = pretext(config, shape, vocabulary_size)
    if config.task == "mlm":
        for name in ("encoder", "hidden", "hidden_norm", "logits"):
            net.get_layer(name).set_weights(whole.get_layer(name).get_weights())
    else:
        net.set_weights(whole.layers[-1].get_weights())
    return net


def features_of(classifier: keras.Model) -> keras.Model:
    """Returns the net of a classifier as of `models.classifier_from` without its last layer: features `(batch, d)`."""
    return keras.Model(classifier.input, classifier.layers[-1].input, name="features")


def with_entrance(net: keras.Model, config: Config, shape: tuple[int, ...]) -> keras.Model:
    """Returns a net that takes pixels from 0 to 255, ids or waveforms."""
    inputs = raw_input(config, shape)
    return keras.Model(inputs, net(entrance(inputs, config)))


def tuned(net: keras.Model, config: Config, tuning: Tuning, shape: tuple[int, ...], steps: int) -> keras.Model:
    """Puts random changes before a classifier as of `models.classifier_from` and compiles it.

    Args:
        net: The classifier, which becomes the last layer.
        config: The run's complete configuration.
        tuning: The fine-tuning's, with a learning rate.
        shape: Shape of one example.
        steps: Training steps.
    """
    inputs = raw_input(config, shape)
    if config.kind == "pictures":
        changed = augmentation(tuning, tuning.seed)(inputs)
    elif config.kind == "texts":
        changed = augment.TokenDropout(tuning.token_dropout, seed=tuning.seed, name="token_dropout")(inputs)
    else:
        moved = augment.RandomTimeShift(round(tuning.shift * shape[0]), seed=tuning.seed, name="time_shift")(inputs)
        changed = augment.RandomGain(-tuning.gain, tuning.gain, seed=tuning.seed, name="gain")(moved)
    whole = keras.Model(inputs, net(entrance(changed, config)))
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=tuning.label_smoothing)
    whole.compile(optimizers.build(tuning, steps), loss, metrics=["accuracy"])
    return whole


def described(config: Config) -> dict[str, Input]:
    """What the inputs of the saved model are."""
    if config.kind == "pictures":
        return PICTURES
    if config.kind == "texts":
        return {
            "text": Input("Texts; [MASK] stands for a hidden word.", range="UTF-8; of long ones the middle is not read")
        }
    return {
        "waveforms": Input(
            f"Recordings of {config.rate:,} samples per second; zeros on the right fill up shorter ones. Of more than "
            f"{config.seconds:g} s the loudest {config.seconds:g} s are heard.",
            range="finite numbers, -1 to 1",
        ),
        "encoded": Input(
            "The bytes of a file with a recording.", range=f"WAV of 16 bits at {config.rate:,} per second"
        ),
    }


def endpoints(
    net: keras.Model,
    config: Config,
    shape: tuple[int, ...],
    *,
    classes: Sequence[str] = (),
    threshold: float | None = None,
    words: Sequence[str] = (),
    language: keras.Model | None = None,
) -> tuple[dict[str, tuple[Callable, dict]], list]:
    """Returns the functions of the saved model, and what they hold.

    All give `features` `(batch, d)`, and for a run that is fine-tuned `label`, `probabilities`, `confidence` and
    `unsure`, see `classification.answer`. Pictures and recordings come as `images` or `waveforms`, and as bytes of
    files by `serving_bytes`; of texts, `fill` tells the likeliest `words` `(batch, 5)` of the first gap with their
    `probabilities`, and `gap`, whether there is one.

    Args:
        net: The classifier, as of `models.classifier_from`; its classes do not matter where `classes` is empty.
        config: The run's complete configuration.
        shape: Shape of one example.
        classes: Names of the classes.
        threshold: Least probability of an answer that is sure.
        words: The vocabulary.
        language: The masked language model.
    """
    import tensorflow as tf

    given = raw_input(config, shape)
    features = features_of(net)
    found = features(entrance(given, config))
    both = keras.Model(given, {"features": found, "probabilities": net.layers[-1](found)}, name="answers")

    def answer(inputs, shown):
        told = both(inputs, training=False)
        if not classes:
            return {"features": told["features"]}
        return {**classification.answer(classes, told["probabilities"], shown, threshold), "features": told["features"]}

    if config.kind == "pictures":
        return _of_pictures(answer, shape), [both]
    if config.kind == "recordings":
        return _of_recordings(answer, config), [both]
    lookup = text.lookup([*words, GAP_SIGN])
    signature = {"text": tf.TensorSpec([None], tf.string, name="text")}

    def encode(texts):
        texts = tf.strings.regex_replace(texts, GAP, f" {GAP_SIGN} ")
        return text.dense(tf.cast(lookup(text.truncate(text.tokenize(texts), config.max_tokens)), tf.int32))

    def classify(text):
        ids = encode(text)
        return answer(ids, tf.reduce_any((ids > 1) & (ids < len(words) + 2), axis=1))

    def fill(text):
        return _filled(language, encode(text), words)

    functions = {"serving_default": (classify, signature), "fill": (fill, signature)}
    return functions, [both, lookup, language]


def _filled(language, ids, words):
    """The likeliest words of the first gap of each text."""
    import tensorflow as tf

    gaps = ids == len(words) + 2
    there = tf.reduce_any(gaps, axis=1)
    place = tf.argmax(tf.cast(gaps, tf.int32), axis=1)
    logits = tf.gather(language(ids, training=False), place, batch_dims=1)
    # Neither padding, nor unknown words, nor the gap itself.
    shares = tf.nn.softmax(logits[:, 2 : len(words) + 2])
    best = tf.math.top_k(shares, min(TOP, len(words)))
    shown = tf.where(there[:, None], tf.gather(tf.constant(list(words)), best.indices), "")
    return {"words": shown, "probabilities": tf.where(there[:, None], best.values, 0.0), "gap": there}


def _of_pictures(answer, shape):
    import tensorflow as tf

    size, channels = shape[0], shape[2]

    def seen(pixels, sides):
        if channels == 1:
            luma = tf.reduce_sum(pixels * tf.constant([0.299, 0.587, 0.114]), axis=-1, keepdims=True)
            pixels = tf.round(luma)
        return answer(pixels, images.showing(pixels, sides))

    def of_pixels(images):
        return seen(stretched(images), tf.reduce_min(tf.shape(images)[1:3]))

    def stretched(pixels):
        return images.stretched(pixels, size)

    raw = {"images": tf.TensorSpec([None, None, None, 3], tf.uint8, name="images")}
    packed = {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    return {
        "serving_default": (of_pixels, raw),
        "serving_bytes": (lambda encoded: seen(*images.decoded(encoded, size)), packed),
    }


def _of_recordings(answer, config):
    import tensorflow as tf

    def heard(waveforms):
        return answer(waveforms, tf.reduce_any(waveforms != 0, axis=1))

    waves = {"waveforms": tf.TensorSpec([None, None], tf.float32, name="waveforms")}
    packed = {"encoded": tf.TensorSpec([None], tf.string, name="encoded")}
    return {
        "serving_default": (
            lambda waveforms: heard(clips.loudest_in_graph(waveforms, config.length, config.rate)),
            waves,
        ),
        "serving_bytes": (lambda encoded: heard(clips.decoded(encoded, config.length, config.rate)), packed),
    }
