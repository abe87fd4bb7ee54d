"""Tables of vectors."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasmlsp")
class WordVectors(keras.layers.Embedding):
    """`keras.layers.Embedding` for large tables: a training step reads and writes the rows of its batch only.

    On the TensorFlow backend Keras reads the whole table in every step, which copies it. Here rows are gathered from
    the variable, and plain gradient descent writes back no others. XLA would fill the table's gradient with zeros, and
    is left out of the training step. Optimizers with moments, such as Adam, still touch every row.

    Args:
        vocabulary_size: Rows of the table, at least 1.
        units: Size of a vector, at least 1.
        **kwargs: As for `keras.layers.Embedding`.

    Call arguments:
        inputs: Ids, of any shape.

    Returns:
        `(..., units)`.

    Raises:
        ValueError: A size is less than 1.

    Example:
        >>> layer = WordVectors(vocabulary_size=100, units=8)
        >>> tuple(layer(keras.ops.array([[4, 2, 99]])).shape), layer.count_params()
        ((1, 3, 8), 800)
    """

    def __init__(self, vocabulary_size: int, units: int, **kwargs: Any):
        for name, value in (("vocabulary_size", vocabulary_size), ("units", units)):
            if value < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={value}")
        super().__init__(vocabulary_size, units, **kwargs)
        self.vocabulary_size, self.units = vocabulary_size, units
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def call(self, inputs):
        # In lower precision the table has to be cast first, by Keras.
        if keras.backend.backend() != "tensorflow" or self.compute_dtype != self.variable_dtype:
            return super().call(inputs)
        import tensorflow as tf

        return tf.gather(self.embeddings.value, ops.cast(inputs, "int32"))

    def add(self, ids: Any, rows: Any) -> None:
        """Adds to rows of the table, as often as an id occurs: a step of gradient descent without the gradient's table.

        Args:
            ids: Ids of any shape.
            rows: What is added, `(..., units)`.

        Example:
            >>> layer = WordVectors(3, 1, embeddings_initializer="zeros")
            >>> layer.build(None)
            >>> layer.add(keras.ops.array([2, 0, 2]), keras.ops.array([[1.0], [5.0], [10.0]]))
            >>> [float(row[0]) for row in layer.embeddings.value]
            [5.0, 0.0, 11.0]
        """
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # The operation itself: the method of the variable would read the whole table to return it.
            tf.raw_ops.ResourceScatterAdd(resource=self.embeddings.value.handle, indices=ids, updates=rows)
        else:
            rows = ops.reshape(rows, (-1, self.units))
            sums = ops.segment_sum(rows, ops.reshape(ids, (-1,)), num_segments=self.vocabulary_size)
            self.embeddings.assign_add(sums)

    def get_config(self):
        config = super().get_config()
        for name in ("input_dim", "output_dim"):
            del config[name]
        return {**config, "vocabulary_size": self.vocabulary_size, "units": self.units}
