"""Networks that generate sample after sample, or pixel after pixel."""

import keras
from keras import layers, ops

from kerasmlsp import generation
from kerasmlsp.layers import GatedConvolutions, MaskedConv2D
from kerasmlsp.models._checks import check_sizes


def wavenet(
    num_levels: int,
    *,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "wavenet",
) -> keras.Model:
    """Builds a WaveNet of quantised samples: dilated causal convolutions whose reach grows by factors.

    It is a chain that `kerasmlsp.generation.stepwise` and `fill` generate with, one cached step a sample. `mu_law` and
    `mu_law_inverse` of `kerasmlsp.layers.autoregressive` map waveforms to levels and back.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio".

    Args:
        num_levels: Levels of a sample, at least 2; 256 for mu-law.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from levels `(batch, length)`, int, to the logits of the level that follows each,
        `(batch, length, num_levels)`, float32.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = wavenet(16, features=4, skip_features=8, num_stacks=2, blocks_per_stack=3)
        >>> dilations = model.get_layer("convolutions").dilations
        >>> dilations, 1 + sum(dilations)  # samples that an answer depends on
        ((1, 2, 4, 1, 2, 4), 15)
    """
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, features=features, skip_features=skip_features)
    _check_levels(num_levels)
    levels = keras.Input((None,), dtype="int32", name="levels")
    states = layers.Embedding(num_levels, features, name="embedding")(levels)
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states)
    return keras.Model(levels, _answer(total, num_levels, "logits"), name=name)


def conditional_wavenet(
    num_levels: int,
    *,
    num_features: int = 0,
    num_classes: int = 0,
    hop: int = 1,
    embedding_dim: int = 16,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "conditional_wavenet",
) -> keras.Model:
    """Builds a WaveNet that knows of frames beside the signal, of a class of the whole, or of both.

    `conditional_decoder` makes what `kerasmlsp.generation.fill` generates with.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2016, "WaveNet: A Generative Model for Raw Audio" (local and global conditioning).

    Args:
        num_levels: Levels of a sample, at least 2.
        num_features: Features of a frame; 0 for no frames.
        num_classes: Classes, such as speakers; 0 for none.
        hop: Samples of a frame, each of which gets what the frame says.
        embedding_dim: Size of the vectors that frames and classes become; they are added.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from a dict of "frames", `(batch, length / hop, num_features)`, "label", int `(batch,)`, and "levels",
        int `(batch, length)`, to the logits of the level that follows each, `(batch, length, num_levels)`, float32.
        What stands in "frames" at a sample is about the sample that follows it.

    Raises:
        ValueError: A size is too small, or there is no condition.

    Example:
        >>> import numpy as np
        >>> model = conditional_wavenet(16, num_features=4, hop=3, features=4, blocks_per_stack=2)
        >>> logits = model({"frames": np.zeros((1, 2, 4)), "levels": np.zeros((1, 6), int)})
        >>> tuple(logits.shape)  # two frames of three samples
        (1, 6, 16)
    """
    sizes = {"features": features, "skip_features": skip_features, "hop": hop, "embedding_dim": embedding_dim}
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes)
    _check_levels(num_levels)
    if num_features < 1 and num_classes < 1:
        raise ValueError(
            "`num_features` or `num_classes` must be at least 1. "
            f"Received: num_features={num_features}, num_classes={num_classes}"
        )
    inputs, conditions = {}, []
    if num_features:
        inputs["frames"] = keras.Input((None, num_features), name="frames")
        frames = layers.Dense(embedding_dim, name="frame_embedding")(inputs["frames"])
        conditions.append(layers.UpSampling1D(hop, name="samples")(frames))
    if num_classes:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
        label = layers.Embedding(num_classes, embedding_dim, name="label_embedding")(inputs["label"])
        conditions.append(layers.Reshape((1, embedding_dim), name="all_samples")(label))
    condition = layers.Add(name="condition")(conditions) if len(conditions) > 1 else conditions[0]
    inputs["levels"] = keras.Input((None,), dtype="int32", name="levels")
    states = layers.Embedding(num_levels, features, name="embedding")(inputs["levels"])
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states, condition)
    return keras.Model(inputs, _answer(total, num_levels, "logits"), name=name)


def mixture_wavenet(
    num_mixtures: int,
    *,
    features: int = 32,
    skip_features: int = 64,
    num_stacks: int = 2,
    blocks_per_stack: int = 8,
    kernel_size: int = 2,
    name: str = "mixture_wavenet",
) -> keras.Model:
    """Builds a WaveNet of raw samples, whose answer is a mixture of logistic distributions.

    It trains with `kerasmlsp.losses.LogisticMixture`; `sample_mixture` generates.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord et al.
    2018, "Parallel WaveNet: Fast High-Fidelity Speech Synthesis".

    Args:
        num_mixtures: Distributions in the mixture.
        features: Features of the residual stream.
        skip_features: Features of the skips, and of the layer before the answer.
        num_stacks: Stacks of blocks with dilations 1, `kernel_size`, `kernel_size ** 2`, ...
        blocks_per_stack: Blocks of a stack.
        kernel_size: Steps that a block sees, at least 2.
        name: Name of the model.

    Returns:
        A model from samples `(batch, length, 1)` in `[-1, 1]` to the parameters of the sample that follows each,
        `(batch, length, 3 * num_mixtures)`, float32: logits of the weights, means, logarithms of the scales.

    Raises:
        ValueError: A size is too small.

    Example:
        >>> model = mixture_wavenet(5, features=4, skip_features=8, blocks_per_stack=2)
        >>> model.output_shape  # a weight, a mean and a scale of five distributions
        (None, None, 15)
    """
    sizes = {"num_mixtures": num_mixtures, "features": features, "skip_features": skip_features}
    dilations = _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes)
    samples = keras.Input((None, 1), name="samples")
    states = layers.Dense(features, name="embedding")(samples)
    total = GatedConvolutions(skip_features, dilations, kernel_size, name="convolutions")(states)
    return keras.Model(samples, _answer(total, 3 * num_mixtures, "mixture"), name=name)


def pixelcnn(
    height: int,
    width: int,
    channels: int,
    num_levels: int,
    *,
    filters: int = 32,
    num_blocks: int = 5,
    kernel_size: int = 3,
    name: str = "pixelcnn",
) -> keras.Model:
    """Builds a PixelCNN: masked convolutions from which each pixel, and channel, follows from those before it.

    A convolution 7 x 7 with mask A, residual blocks with mask B, two layers 1 x 1. `sample_pixels` generates.

    Reference: Sri Rama Murty, (Deep) Neural Networks (2021), "Autoregressive Feedforward Models"; van den Oord,
    Kalchbrenner and Kavukcuoglu 2016, "Pixel Recurrent Neural Networks".

    Args:
        height: Rows of an image.
        width: Columns of an image.
        channels: Channels of an image, generated one after the other.
        num_levels: Levels of a pixel, at least 2.
        filters: Features of the residual stream, at least `2 * channels`.
        num_blocks: Residual blocks.
        kernel_size: Rows and columns that a residual block sees, odd.
        name: Name of the model.

    Returns:
        A model from levels `(batch, height, width, channels)`, int, to their logits
        `(batch, height, width, channels, num_levels)`, float32.

    Raises:
        ValueError: A size is too small, or `kernel_size` is even.

    Example:
        >>> import numpy as np
        >>> model = pixelcnn(2, 2, 1, 3, filters=8, num_blocks=1)
        >>> image = np.zeros((1, 2, 2, 1), int)
        >>> changed = np.array(image)
        >>> changed[0, 0, 1] = 2
        >>> change = np.asarray(model(changed) != model(image)).any(axis=(3, 4))
        >>> change[0].tolist()  # the second pixel tells of those after it, not of itself
        [[False, False], [True, True]]
    """
    check_sizes(height=height, width=width, channels=channels, num_blocks=num_blocks, kernel_size=kernel_size)
    _check_levels(num_levels)
    if filters < 2 * channels:
        raise ValueError(f"`filters` must be at least {2 * channels}. Received: filters={filters}")
    levels = keras.Input((height, width, channels), dtype="int32", name="levels")
    states = layers.Rescaling(2.0 / (num_levels - 1), -1.0, name="scaled")(levels)
    states = MaskedConv2D(filters, 7, "A", channels, name="first")(states)
    for i in range(1, num_blocks + 1):
        inner = layers.ReLU(name=f"relu_{i}")(states)
        inner = MaskedConv2D(filters // 2, 1, channels=channels, activation="relu", name=f"narrow_{i}")(inner)
        inner = MaskedConv2D(filters // 2, kernel_size, channels=channels, activation="relu", name=f"conv_{i}")(inner)
        inner = MaskedConv2D(filters, 1, channels=channels, name=f"widen_{i}")(inner)
        states = layers.Add(name=f"block_{i}")([states, inner])
    states = layers.ReLU(name="relu")(states)
    states = MaskedConv2D(filters, 1, channels=channels, activation="relu", name="hidden")(states)
    logits = MaskedConv2D(channels * num_levels, 1, channels=channels, dtype="float32", name="channels")(states)
    logits = layers.Reshape((height, width, channels, num_levels), dtype="float32", name="logits")(logits)
    return keras.Model(levels, logits, name=name)


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


def _dilations(num_stacks, blocks_per_stack, kernel_size, **sizes):
    check_sizes(num_stacks=num_stacks, blocks_per_stack=blocks_per_stack, **sizes)
    if kernel_size < 2:
        raise ValueError(f"`kernel_size` must be at least 2. Received: kernel_size={kernel_size}")
    return [kernel_size**i for i in range(blocks_per_stack)] * num_stacks


def _check_levels(num_levels):
    if num_levels < 2:
        raise ValueError(f"`num_levels` must be at least 2. Received: num_levels={num_levels}")


def _answer(total, units, name):
    states = layers.Activation("relu", name="relu")(total)
    states = layers.Dense(total.shape[-1], activation="relu", name="hidden")(states)
    return layers.Dense(units, dtype="float32", name=name)(states)


def _head(model, states):
    """What comes after the convolutions of a WaveNet, for one step."""
    for layer in model.layers[-3:]:
        states = layer(states)
    return states
