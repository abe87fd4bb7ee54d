"""Batches of the pretext tasks, and of labelled examples."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import distribution
from kerasmlsp.apps.pretrain.config import Config
from kerasmlsp.data import batching, clips
from kerasmlsp.targets import pretext

if TYPE_CHECKING:
    import tensorflow as tf

LENGTH_STEP = 32
"""Batches of texts are cut to a multiple of so many tokens, so that a compiled step meets few shapes."""
SELECTED = ("rotation", "mae", "mlm", "wav2vec")
"""Tasks whose loss on held-out examples selects the epoch; of the others the last is kept."""
HIDDEN_PER_TEXT = 0.2
"""Share of the tokens of a batch's longest text for which there is room among those to be predicted."""


def order_of(inputs: np.ndarray, batch_size: int, seed: int, *, drop_remainder: bool = False) -> Callable:
    """Returns the order of examples, see `batching.shuffled`; texts of similar length share a batch."""
    if inputs.dtype == np.int32:
        return batching.bucketed(lengths(inputs), batch_size, seed=seed, drop_remainder=drop_remainder)
    return batching.shuffled(len(inputs), batch_size, seed=seed, drop_remainder=drop_remainder)


def lengths(ids: np.ndarray) -> np.ndarray:
    """Tokens of each text, of ids `(texts, length)` with 0 for padding on the right."""
    return np.sum(ids != 0, axis=1)


def taker(inputs: np.ndarray) -> Callable:
    """Returns the function from indices to what a net takes: pixels or waveforms, or ids with few empty columns."""
    import tensorflow as tf

    held = tf.constant(inputs)

    def take(indices):
        found = tf.gather(held, indices)
        if inputs.dtype == np.int16:
            return clips.floats(found)
        if inputs.dtype != np.int32:
            return tf.cast(found, tf.float32)
        longest = tf.reduce_max(tf.reduce_sum(tf.cast(found != 0, tf.int32), axis=1))
        return found[:, : tf.maximum(-(-longest // LENGTH_STEP), 1) * LENGTH_STEP]

    return take


def seed_of(seed: int, key: Any) -> int:
    """The seed of a batch, from that of the run and the key of the batch, epoch and step."""
    return int(np.random.SeedSequence([seed, *map(int, key)]).generate_state(1)[0])


def _python(function, inputs, specs):
    """Calls a function of NumPy arrays in a pipeline; `specs` are dtype and shape of what it returns."""
    import tensorflow as tf

    found = tf.numpy_function(function, inputs, [dtype for dtype, _ in specs], stateful=False)
    return [tf.ensure_shape(each, shape) for each, (_, shape) in zip(found, specs, strict=True)]


def task_loader(inputs: np.ndarray, config: Config, vocabulary_size: int = 0) -> Callable:
    """Returns the function from indices and a key to inputs and targets of a task.

    Args:
        inputs: As of `data.encoded`.
        config: The complete configuration.
        vocabulary_size: Token ids, of texts.
    """
    take = taker(inputs)
    makers = {"rotation": _turned, "simclr": _views, "mae": _patches, "mlm": _words, "wav2vec": _frames}
    return makers[config.task](take, inputs.shape[1:], config, vocabulary_size)


def _turned(take, shape, config, _):
    import tensorflow as tf

    def load(indices, key):
        return tuple(_python(pretext.rotations, [take(indices)], [(tf.float32, (None, *shape)), (tf.int64, (None,))]))

    return load


def _views(take, shape, config, _):
    import tensorflow as tf

    def load(indices, key):
        # The loss reads no targets.
        return take(indices), tf.zeros_like(indices)

    return load


def _patches(take, shape, config, _):
    import tensorflow as tf

    size, number = config.patch_size, (shape[0] // config.patch_size) * (shape[1] // config.patch_size)

    def masked(count, key):
        return [pretext.mask_patches(int(count), number, rate=config.mask_rate, seed=seed_of(config.seed, key))]

    def cut(pixels):
        return [pretext.patches(pixels / np.float32(127.5) - np.float32(1), size)]

    def load(indices, key):
        pixels = take(indices)
        hidden = _masks(masked, indices, key, number)
        (wanted,) = _python(cut, [pixels], [(tf.float32, (None, number, size * size * shape[2]))])
        return {"images": pixels, "masked": hidden}, wanted, tf.cast(hidden, tf.float32)

    return load


def _words(take, shape, config, vocabulary_size):
    import tensorflow as tf

    mask_id = vocabulary_size - 1

    def masked(ids, key):
        shown, targets = pretext.mask_tokens(
            ids, mask_id, mask_id, rate=config.mask_rate, seed=seed_of(config.seed, key)
        )
        return shown, *hidden_places(targets, max(1, int(HIDDEN_PER_TEXT * ids.shape[1])))

    def load(indices, key):
        specs = [(tf.int32, (None, None))] * 3
        shown, places, wanted = _python(masked, [take(indices), key], specs)
        return {"token_ids": shown, "places": places}, wanted

    return load


def _masks(masked, indices, key, number):
    """Draws which of the parts of each example are hidden, `(batch, number)`."""
    import tensorflow as tf

    specs = [(tf.bool, (None, number))]
    return distribution.drawn(lambda shape: _python(masked, [*shape, key], specs)[0], [tf.size(indices)])


def hidden_places(targets: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns where tokens are hidden, and which: to predict these alone spares most of the work of a large vocabulary.

    Args:
        targets: As of `targets.pretext.mask_tokens`: the id of a hidden token, else -1.
        most: Places of a text; those beyond are not predicted.

    Returns:
        Places and ids, int32 `(texts, most)`, 0 and -1 where a text has fewer.
    """
    order = np.argsort(targets < 0, axis=1, kind="stable")[:, :most].astype(np.int32)
    wanted = np.take_along_axis(targets, order, axis=1).astype(np.int32)
    return np.where(wanted < 0, 0, order), wanted


def _frames(take, shape, config, _):
    number = pretext.num_frames(shape[0])

    def masked(count, key):
        return [pretext.mask_spans(int(count), number, probability=config.mask_rate, seed=seed_of(config.seed, key))]

    def load(indices, key):
        # A tuple: Keras takes the first of it for the inputs.
        return ({"waveform": take(indices), "masked": _masks(masked, indices, key, number)},)

    return load


def task_batches(inputs: np.ndarray, config: Config, vocabulary_size: int = 0) -> batching.Batches:
    """Returns `Batches` of a task, whose order and random choices follow from seed, epoch and step."""
    order = order_of(inputs, config.batch_size, config.seed, drop_remainder=True)  # type: ignore[arg-type]
    return batching.Batches(order, task_loader(inputs, config, vocabulary_size))


def held_out(inputs: np.ndarray, config: Config, vocabulary_size: int = 0) -> "tf.data.Dataset | None":
    """Returns a `tf.data.Dataset` of a task on held-out examples, with the same random choices in every pass.

    None where there are none, and for tasks whose loss tells nothing of them.
    """
    import tensorflow as tf

    if not len(inputs) or config.task not in SELECTED:
        return None
    load, size = task_loader(inputs, config, vocabulary_size), config.batch_size
    rows = np.argsort(lengths(inputs), kind="stable") if inputs.dtype == np.int32 else np.arange(len(inputs))
    dataset = tf.data.Dataset.from_tensor_slices(rows.astype(np.int64)).batch(size)
    # No epoch of training has this number.
    return dataset.enumerate().map(lambda step, indices: load(indices, tf.stack([tf.int64.max, step]))).prefetch(2)


def labelled(
    inputs: np.ndarray, targets: np.ndarray, batch_size: int, seed: int, *, least_steps: int = 1
) -> batching.Batches:
    """Returns `Batches` of examples with targets `(examples, classes)`.

    An epoch has `least_steps` at least: few examples are gone through several times in one, since every epoch ends with
    a checkpoint.
    """
    import tensorflow as tf

    take, wanted = taker(inputs), tf.constant(targets)
    once = order_of(inputs, batch_size, seed)
    times = -(-least_steps // len(once(0)))

    def order(epoch):
        return [batch for turn in range(times) for batch in once(epoch * times + turn)]

    return batching.Batches(order, lambda indices, key: (take(indices), tf.gather(wanted, indices)))


def predicted(net: Any, inputs: np.ndarray, batch_size: int = 256) -> np.ndarray:
    """Returns what a net says of all examples, in their order."""
    take, order = taker(inputs), np.arange(len(inputs))
    if inputs.dtype == np.int32:
        order = np.argsort(lengths(inputs), kind="stable")
    parts = [
        np.asarray(net.predict_on_batch(take(order[start : start + batch_size])))
        for start in range(0, len(order), batch_size)
    ]
    return np.concatenate(parts)[np.argsort(order)]
