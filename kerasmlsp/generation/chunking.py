"""Generation of any number and length of texts by a function that is compiled for few shapes (TensorFlow)."""

import keras
import tensorflow as tf

from kerasmlsp import generation


class Filler(tf.Module):
    """`generation.fill` for templates of any shape, to be called, or kept in a saved model.

    XLA compiles for one shape. So a template is filled in chunks of a fixed length, each going on where the one before
    stopped, and the batch is filled up to a power of two. On CPUs its two halves are worked off side by side, since
    much of what XLA compiles runs on one core.

    Args:
        model: A causal model, see `generation.stepwise`.
        chunk: Places that are filled at a time, at least 1.
        start: Token id that stands before the first place.
        stop: Token id that ends a row, or None.
        jit: Whether to compile with XLA.
    """

    def __init__(self, model, *, chunk=64, start=0, stop=None, jit=True):
        super().__init__()
        self.decoder = generation.stepwise(model)
        self.chunk, self.start, self.stop = chunk, start, stop
        self._advance = tf.function(self._fill, jit_compile=jit)

    @tf.function
    def __call__(self, template, seeds, temperature, top_k, top_p, stop_from=0):
        """Fills the free places.

        Args:
            template: Int32 `(batch, length)`: token ids, and `generation.FREE` where a token is wanted.
            seeds: Int `(batch,)`.
            temperature, top_k, top_p, stop_from: Scalars or `(batch,)`, see `generation.fill`.

        Returns:
            Tokens `(batch, length)`, int32, and their log-probabilities, float32.
        """
        batch, length = tf.unstack(tf.shape(template))
        rows = _power_of_two(batch)
        # The start token comes first: a step of its own would be a second copy of the net in the graph.
        template = tf.pad(template, [[0, 0], [1, 0]], constant_values=self.start)
        wanted = length + 1
        template = tf.pad(template, [[0, rows - batch], [0, -wanted % self.chunk]])
        row_wise = [_by_row(value, batch, rows, template.dtype) for value in (seeds, top_k, stop_from)]
        row_wise += [_by_row(value, batch, rows, tf.float32) for value in (temperature, top_p)]
        inputs = template, *row_wise

        def halves():
            first = self._filled(wanted, *(each[: rows // 2] for each in inputs))
            second = self._filled(wanted, *(each[rows // 2 :] for each in inputs))
            return tuple(tf.concat(pair, 0) for pair in zip(first, second, strict=True))

        # Not a loop over the halves: the iterations of one that reads variables wait for each other.
        found = tf.cond(tf.logical_and(_on_cpu(), rows > 1), halves, lambda: self._filled(wanted, *inputs))
        return tuple(each[:batch, 1:wanted] for each in found)

    @tf.function(reduce_retracing=True)
    def _filled(self, wanted, template, *row_wise):
        rows, length = tf.unstack(tf.shape(template))
        chunks = length // self.chunk
        carry = keras.tree.flatten(generation.empty_carry(self.decoder, rows))
        tokens = tf.TensorArray(tf.int32, chunks, element_shape=(None, self.chunk))
        scores = tf.TensorArray(tf.float32, chunks, element_shape=(None, self.chunk))

        def body(i, tokens, scores, *carry):
            here = template[:, i * self.chunk : (i + 1) * self.chunk]
            count = tf.minimum(wanted - i * self.chunk, self.chunk)
            found, score, *carry = self._advance(here, count, *row_wise, *carry)
            return i + 1, tokens.write(i, found), scores.write(i, score), *carry

        _, tokens, scores, *_ = tf.while_loop(lambda i, *_: i < chunks, body, (0, tokens, scores, *carry))
        return tuple(tf.reshape(tf.transpose(each.stack(), (1, 0, 2)), (rows, length)) for each in (tokens, scores))

    def _fill(self, template, count, seeds, top_k, stop_from, temperature, top_p, *carry):
        template = tf.ensure_shape(template, (None, self.chunk))
        nest = keras.tree.pack_sequence_as(generation.empty_carry(self.decoder, 1), carry)
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "stop_from": stop_from}
        tokens, scores, carry = generation.fill(
            self.decoder, template, seeds=seeds, stop=self.stop, carry=nest, count=count, **settings
        )
        return tokens, scores, *keras.tree.flatten(carry)


def _on_cpu():
    return tf.raw_ops.DeviceIndex(device_names=["CPU"]) == 0


def _power_of_two(batch):
    """The smallest power of two that is at least `batch`, an int32 up to 2**30."""
    # Every bit below the highest one set is set as well, and one is added.
    bits = tf.maximum(batch, 1) - 1
    for shift in (1, 2, 4, 8, 16):
        bits = tf.bitwise.bitwise_or(bits, tf.bitwise.right_shift(bits, shift))
    return bits + 1


def _by_row(value, batch, rows, dtype):
    value = tf.broadcast_to(tf.reshape(tf.cast(value, dtype), (-1,)), (batch,))
    return tf.pad(value, [[0, rows - batch]], constant_values=tf.cast(1, dtype))
