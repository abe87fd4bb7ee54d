"""How autoregressive nets are drawn from: as decoders that keep what they have read, and by layers."""

import keras
from keras import ops

from kerasmlsp import generation


def conditional_decoder(model: keras.Model, conditions: dict) -> generation.Decoder:
    """Takes a `conditional_wavenet` apart for `kerasmlsp.generation.fill`, one cached step a sample.

    Args:
        model: The model.
        conditions: Dict of its inputs but "levels", for each row that is generated.

    Returns:
        A `kerasmlsp.generation.Decoder`, for as many rows as the conditions have.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.generation import FREE, fill
        >>> from kerasmlsp.models import conditional_wavenet
        >>> model = conditional_wavenet(16, num_classes=2, features=4, num_stacks=1, blocks_per_stack=2)
        >>> decoder = conditional_decoder(model, {"label": np.array([0, 1, 1])})
        >>> levels, *_ = fill(decoder, np.full((3, 5), FREE), seeds=np.arange(3))
        >>> tuple(levels.shape)  # five samples of each of three labels
        (3, 5)
    """
    convolutions = model.get_layer("convolutions")
    condition_of = keras.Model(
        {name: tensor for name, tensor in model.input.items() if name != "levels"}, convolutions.input[1]
    )
    condition = condition_of(conditions)

    def step(levels, state, position):
        # One for all samples, or one for each.
        place = ops.minimum(position, ops.shape(condition)[1] - 1)
        states = model.get_layer("embedding")(levels)
        states, state = convolutions.step(states, state, position, ops.take(condition, place, axis=1))
        return ops.cast(_head(model, states), "float32"), state

    return generation.Decoder(convolutions.initial_state, step, int(model.output.shape[-1]))


def labelled_decoder(model: keras.Model, start: int) -> generation.Decoder:
    """Takes a `wavenet`, or a `conditional_wavenet` of classes, apart for `kerasmlsp.generation.fill`.

    The token before the first is the number of the class, or any where there are no classes. So one compiled loop
    serves all classes, and each row of a batch may have its own.

    Args:
        model: The model, without frames.
        start: Level that the net sees before the first, such as silence.

    Returns:
        A `kerasmlsp.generation.Decoder` of as many rows as are wanted.

    Raises:
        ValueError: The model has frames, or more classes than levels.

    Example:
        >>> import numpy as np
        >>> from kerasmlsp.generation import FREE, empty_carry, fill
        >>> from kerasmlsp.models import conditional_wavenet
        >>> model = conditional_wavenet(16, num_classes=2, features=4, num_stacks=1, blocks_per_stack=2)
        >>> template = np.array([[0, FREE, FREE], [1, FREE, FREE]])  # two samples of each of two classes
        >>> decoder = labelled_decoder(model, start=8)
        >>> levels, *_ = fill(decoder, template, seeds=np.arange(2), carry=empty_carry(decoder, 2))
        >>> tuple(levels.shape)
        (2, 3)
    """
    names, size = [layer.name for layer in model.layers], int(model.output.shape[-1])
    labels = model.get_layer("label_embedding") if "label_embedding" in names else None
    if "frames" in names or (labels and labels.input_dim > size):
        raise ValueError(f"`model` must have no frames, and at most {size} classes. Received: {model.name}")
    convolutions, embedding = model.get_layer("convolutions"), model.get_layer("embedding")

    def initial_state(batch_size):
        state = {"past": convolutions.initial_state(batch_size)}
        if labels:
            state["condition"] = ops.zeros((batch_size, labels.output_dim), labels.compute_dtype)
        return state

    def step(tokens, state, position):
        first = ops.equal(position, 0)
        condition = None
        if labels:
            condition = ops.where(first, labels(ops.minimum(tokens, labels.input_dim - 1)), state["condition"])
        states = embedding(ops.where(first, start, tokens))
        states, past = convolutions.step(states, state["past"], position, condition)
        after = {"past": past} | ({"condition": condition} if labels else {})
        return ops.cast(_head(model, states), "float32"), after

    return generation.Decoder(initial_state, step, size)


def sample_mixture(
    model: keras.Model, length: int, *, batch: int = 1, seed: int = 0, temperature: float = 1.0
) -> keras.KerasTensor:
    """Generates waveforms with a `mixture_wavenet`, one cached step a sample, from silence on.

    Args:
        model: The model.
        length: Samples, static.
        batch: Waveforms.
        seed: Seed of the draws.
        temperature: Factor of the scales, at least 0.

    Returns:
        `(batch, length)` in `[-1, 1]`, float32.

    Example:
        >>> from kerasmlsp.models import mixture_wavenet
        >>> model = mixture_wavenet(2, features=4, skip_features=8, num_stacks=1, blocks_per_stack=2)
        >>> tuple(sample_mixture(model, 5, batch=3).shape)
        (3, 5)
    """
    convolutions, embedding = model.get_layer("convolutions"), model.get_layer("embedding")
    random = keras.random.SeedGenerator(seed)
    mixtures = model.output.shape[-1] // 3
    choice = keras.random.uniform((length, batch, mixtures), 1e-6, 1.0 - 1e-6, seed=random)
    place_in = keras.random.uniform((length, batch), 1e-6, 1.0 - 1e-6, seed=random)

    def body(position, sample, state, found):
        states, state = convolutions.step(embedding(sample[:, None]), state, position)
        logits, means, log_scales = ops.split(ops.cast(_head(model, states), "float32"), 3, axis=-1)
        # The largest of logits with Gumbel noise is a draw from their softmax.
        noise = -ops.log(-ops.log(ops.take(choice, position, axis=0)))
        chosen = ops.one_hot(ops.argmax(logits + noise, axis=-1), mixtures)
        mean, scale = (ops.sum(chosen * each, axis=-1) for each in (means, ops.exp(log_scales)))
        share = ops.take(place_in, position, axis=0)
        sample = ops.clip(mean + temperature * scale * (ops.log(share) - ops.log1p(-share)), -1.0, 1.0)
        return position + 1, sample, state, ops.slice_update(found, (0, position), sample[:, None])

    start = (ops.convert_to_tensor(0, "int32"), ops.zeros((batch,)), convolutions.initial_state(batch))
    loop = (*start, ops.zeros((batch, length)))
    return ops.while_loop(lambda position, *rest: position < length, body, loop)[-1]


def sample_pixels(model: keras.Model, count: int, *, seed: int = 0, temperature: float = 1.0) -> keras.KerasTensor:
    """Generates images with a `pixelcnn`, one pass of the net for each channel of each pixel.

    Args:
        model: The model.
        count: Images.
        seed: Seed of the draws.
        temperature: The logits are divided by it, above 0.

    Returns:
        Levels `(count, height, width, channels)`, int32.

    Raises:
        ValueError: `temperature` is not above 0.

    Example:
        >>> from kerasmlsp.models import pixelcnn
        >>> model = pixelcnn(2, 3, 1, 4, filters=4, num_blocks=1)
        >>> levels = sample_pixels(model, 5)
        >>> tuple(levels.shape)
        (5, 2, 3, 1)
    """
    if temperature <= 0:
        raise ValueError(f"`temperature` must be above 0. Received: temperature={temperature}")
    *shape, size = model.output.shape[1:]
    places = shape[0] * shape[1] * shape[2]
    uniform = keras.random.uniform((places, count, size), 1e-6, 1.0 - 1e-6, seed=seed)

    def body(place, levels):
        logits = model(ops.reshape(levels, (count, *shape)), training=False)
        here = ops.take(ops.reshape(logits, (count, places, size)), place, axis=1)
        noise = -ops.log(-ops.log(ops.take(uniform, place, axis=0)))
        level = ops.cast(ops.argmax(here / temperature + noise, axis=-1), "int32")
        return ops.slice_update(levels, (0, place), level[:, None])

    levels = ops.fori_loop(0, places, body, ops.zeros((count, places), "int32"))
    return ops.reshape(levels, (count, *shape))


def _head(model, states):
    """What comes after the convolutions of a WaveNet, for one step."""
    for layer in model.layers[-3:]:
        states = layer(states)
    return states
