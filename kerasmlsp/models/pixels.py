"""Networks that generate images pixel after pixel, and what they are generated with, one cached step a pixel."""

from typing import Any

import keras
from keras import layers, ops

from kerasmlsp import generation
from kerasmlsp.layers import LevelFeatures, RasterConv2D
from kerasmlsp.models._checks import check_sizes


def gated_pixelcnn(
    height: int,
    width: int,
    channels: int,
    num_levels: int,
    *,
    num_classes: int = 0,
    features: int = 32,
    hidden: int = 64,
    num_blocks: int = 6,
    rows: int = 1,
    columns: int = 5,
    left: int = 1,
    name: str = "gated_pixelcnn",
) -> keras.Model:
    """Builds a gated PixelCNN of convolutions over what is above and what is left, with a class of the whole.

    A first convolution sees three rows of nine pixels above and four pixels to the left, with a bias for each place,
    so that it knows where it is; then come residual blocks of `RasterConv2D`, `tanh(a) * sigmoid(g)` and a layer 1 x 1.
    Each channel of a pixel follows from those before it by a layer of its own. `pixel_decoder` makes what
    `kerasmlsp.generation.fill` generates with.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "Conditional Image Generation with PixelCNN Decoders".

    Args:
        height: Rows of an image.
        width: Columns of an image.
        channels: Channels of an image, generated one after the other.
        num_levels: Levels of a pixel, at least 2.
        num_classes: Classes of images, at most `num_levels`; 0 for none.
        features: Features of the residual stream, and of the gates.
        hidden: Units of the layer before the answer.
        num_blocks: Residual blocks.
        rows: Rows above that a block sees.
        columns: Columns of them, odd.
        left: Pixels to the left that a block sees beside the one itself.
        name: Name of the model.

    Returns:
        A model from levels `(batch, height, width, channels)`, int, to their logits
        `(batch, height, width, channels, num_levels)`, float32; with classes from a dict of "label", int `(batch,)`,
        and "levels".

    Raises:
        ValueError: A size is out of range.

    Example:
        >>> model = gated_pixelcnn(28, 28, 1, 256, num_classes=10)
        >>> model.output_shape, model.count_params()
        ((None, 28, 28, 1, 256), 140864)
    """
    check_sizes(height=height, width=width, channels=channels, features=features, hidden=hidden, num_blocks=num_blocks)
    check_sizes(2, num_levels=num_levels)
    if not 0 <= num_classes <= num_levels:
        raise ValueError(f"`num_classes` must be from 0 to {num_levels}. Received: num_classes={num_classes}")
    levels = keras.Input((height, width, channels), dtype="int32", name="levels")
    seen = LevelFeatures(num_levels, name="seen")(levels)
    states = RasterConv2D(features, 3, 9, 4, own=False, by_place=True, name="first")(seen)
    inputs: Any = levels
    if num_classes:
        inputs = {"label": keras.Input((), dtype="int32", name="label"), "levels": levels}
        label = layers.Embedding(num_classes, features, name="label_embedding")(inputs["label"])
        states = layers.Add(name="of_class")([states, layers.Reshape((1, 1, features), name="all_places")(label)])
    for i in range(1, num_blocks + 1):
        fields = RasterConv2D(2 * features, rows, columns, left, name=f"conv_{i}")(states)
        states = layers.Add(name=f"block_{i}")([states, layers.Dense(features, name=f"out_{i}")(_gated(fields))])
    found = [_head(seen, states, i, hidden, num_levels) for i in range(channels)]
    found = layers.Concatenate(name="channels", dtype="float32")(found) if channels > 1 else found[0]
    logits = layers.Reshape((height, width, channels, num_levels), dtype="float32", name="logits")(found)
    return keras.Model(inputs, logits, name=name)


def _gated(fields):
    value, gate = ops.split(fields, 2, axis=-1)
    return ops.tanh(value) * ops.sigmoid(gate)


def _head(seen, states, channel, hidden, num_levels):
    """The logits of a channel, from the states and the channels of the pixel before it."""
    states = layers.Activation("relu", name=f"relu_{channel}")(states)
    if channel:
        states = layers.Concatenate(name=f"known_{channel}")([states, seen[..., : 3 * channel]])
    states = layers.Dense(hidden, activation="relu", name=f"hidden_{channel}")(states)
    return layers.Dense(num_levels, dtype="float32", name=f"logits_{channel}")(states)


def pixel_decoder(model: keras.Model) -> generation.Decoder:
    """Takes a `gated_pixelcnn` apart for `kerasmlsp.generation.fill`: a step costs the same wherever the pixel is.

    The tokens are the levels, row by row, the channels of a pixel one after the other. The token before the first is
    the number of the class, or any where there are no classes.

    Args:
        model: The model.

    Returns:
        A `kerasmlsp.generation.Decoder`. It keeps the last rows that each block has seen.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.generation import FREE, fill
        >>> model = gated_pixelcnn(2, 3, 1, 4, features=4, hidden=4, num_blocks=1)
        >>> levels, *_ = fill(pixel_decoder(model), np.full((5, 6), FREE), seeds=np.arange(5))
        >>> tuple(levels.shape)  # five images of two rows of three pixels
        (5, 6)
    """
    _, height, width, channels, num_levels = model.output_shape
    first, names = model.get_layer("first"), [layer.name for layer in model.layers]
    label_embedding = model.get_layer("label_embedding") if "label_embedding" in names else None
    blocks = [(model.get_layer(f"conv_{i}"), model.get_layer(f"out_{i}")) for i in _blocks(names)]
    convolutions = [first, *(convolution for convolution, _ in blocks)]
    heads = [(model.get_layer(f"hidden_{i}"), model.get_layer(f"logits_{i}")) for i in range(channels)]
    describe = model.get_layer("seen")

    def initial_state(batch_size):
        states = ops.zeros((batch_size, first.filters), first.compute_dtype)
        state = {"pixel": ops.zeros((batch_size, channels), "int32"), "states": states}
        if label_embedding:
            state["of_class"] = states
        return state | {layer.name: layer.initial_state(batch_size) for layer in convolutions}

    def next_pixel(state, place):
        """Keeps the pixel before `place`, if there is one, and works out the states at it."""
        before = describe(state["pixel"]) * ops.cast(place > 0, describe.compute_dtype)
        state = state | {"first": first.write(before, state["first"], place - 1)}
        states = first.read(state["first"], place)
        if label_embedding:
            states = states + state["of_class"]
        for convolution, out in blocks:
            kept = convolution.write(states, state[convolution.name], place)
            states = states + out(_gated(convolution.read(kept, place)))
            state = state | {convolution.name: kept}
        return state | {"states": states}

    def step(tokens, state, position):
        if label_embedding:
            label = label_embedding(ops.minimum(tokens, label_embedding.input_dim - 1))
            state = state | {"of_class": ops.where(position > 0, state["of_class"], label)}
        # The token at `position` 0 is no level.
        here = ops.equal(ops.arange(channels), (position - 1) % channels)
        pixel = ops.where(ops.logical_and(here, position > 0), tokens[:, None], state["pixel"])
        state, place = state | {"pixel": pixel}, ops.minimum(position // channels, height * width - 1)
        if channels == 1:
            state = next_pixel(state, place)
        else:
            state = ops.cond(position % channels > 0, lambda: state, lambda: next_pixel(state, place))
        found = [_logits(*head, state, describe, i) for i, head in enumerate(heads)]
        logits = found[0] if channels == 1 else ops.take(ops.stack(found), position % channels, axis=0)
        return ops.cast(logits, "float32"), state

    return generation.Decoder(initial_state, step, num_levels)


def _blocks(names):
    return [i for i in range(1, len(names)) if f"conv_{i}" in names]


def _logits(hidden, logits, state, describe, channel):
    states = ops.relu(state["states"])
    if channel:
        states = ops.concatenate([states, describe(state["pixel"])[:, : 3 * channel]], axis=-1)
    return logits(hidden(states))
