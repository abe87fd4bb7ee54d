"""Random changes inside a `tf.data` pipeline: the same for the same key, in every process."""

from typing import Any

import keras
from keras import ops

# Random numbers that a layer may draw in one call before they are those of the next step.
_DRAWS = 2**16


def seeded(layer: keras.Layer, inputs: Any, key: Any) -> Any:
    """Changes a batch as a layer does in training, by random numbers that follow from a key alone.

    Pictures and what belongs to them, as masks and boxes, have to be changed together, before targets are made of
    them. The layer's own random generators, which a pipeline with several threads would move on in any order, are left
    as they are.

    Args:
        layer: A layer of `kerasmlsp.augment`, built or called before.
        inputs: What the layer takes.
        key: Two whole numbers `(2,)` of at least 0, such as epoch and step of `kerasmlsp.data.batching.Batches`.

    Returns:
        What the layer returns.

    Example:
        >>> from kerasmlsp.augment import RandomAffine
        >>> layer, pictures = RandomAffine(shift=0.4), ops.arange(32.0)[None, None, :, None]
        >>> layer.build((None, 1, 32, 1))
        >>> first, again, other = (seeded(layer, pictures, key) for key in ([0, 1], [0, 1], [0, 2]))
        >>> bool(ops.all(first == again)), bool(ops.all(first == other))
        (True, False)
    """
    states = [each for each in layer.variables if each.path.endswith("seed_generator_state")]
    pairs = []
    for number, state in enumerate(states):
        first, second = (ops.cast(key[place], state.dtype) for place in range(2))
        pairs.append((state, ops.stack([first * len(states) + number, second * _DRAWS])))
    with keras.StatelessScope(state_mapping=pairs):
        return layer(inputs, training=True)
