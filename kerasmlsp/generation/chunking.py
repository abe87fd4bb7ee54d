"""Generation of any number and length of texts by a function that is compiled for few shapes (TensorFlow)."""

import keras
import tensorflow as tf
from numpy.typing import ArrayLike

from kerasmlsp import generation

_BY_ROW = (tf.int32, tf.int32, tf.int32, tf.float32, tf.float32)  # seeds, top_k, stop_from, temperature, top_p


class Filler(tf.Module):
    """`generation.fill` for templates of any shape, to be called, or kept in a saved model.

    XLA compiles for one shape. So a template is filled in chunks of a fixed length, each going on where the one before
    stopped, and the batch is filled up to a power of two. On CPUs its two halves are worked off side by side, since
    much of what XLA compiles runs on one core.

    `read` and `write` do the same in steps: what one call has come to is handed to the next, so that a text can be
    shown while it is written.

    Args:
        model: A causal model, see `generation.stepwise`; or a `generation.Decoder`, whose state tells of a row all that
            there is to know.
        chunk: Places that are filled at a time, at least 1.
        start: Token id that stands before the first place.
        stop: Token id that ends a row, or None.
        jit: Whether to compile with XLA.

    Example:
        >>> layers = [keras.layers.Embedding(5, 4), keras.layers.GRU(8, return_sequences=True), keras.layers.Dense(5)]
        >>> filler = Filler(keras.Sequential([keras.Input((None,), dtype="int32"), *layers]))
        >>> list(filler.state)  # what is carried from call to call, `state_0` by the recurrent layer
        ['position', 'ended', 'logits', 'state_0']
    """

    def __init__(
        self,
        model: keras.Model | generation.Decoder,
        *,
        chunk: int = 64,
        start: int = 0,
        stop: int | None = None,
        jit: bool = True,
    ):
        super().__init__()
        self.decoder = model if isinstance(model, generation.Decoder) else generation.stepwise(model)
        self.chunk, self.start, self.stop = chunk, start, stop
        # Signatures, so that the net is in a saved model, and is compiled, once for all that use it.
        scalar, by_row = tf.TensorSpec([], tf.int32), [tf.TensorSpec([None], kind) for kind in _BY_ROW]
        carry = [tf.TensorSpec([None, *each.shape[1:]][: each.shape.rank], each.dtype) for each in self._empty(1)]
        chunk = tf.TensorSpec([None, self.chunk], tf.int32)
        self._advance = tf.function(self._fill, [chunk, scalar, *by_row, *carry], jit_compile=jit)
        template = tf.TensorSpec([None, None], tf.int32)
        # Not inlined: its loop carries all weights, and the graph would hold it once for each call.
        alone = {"_noinline": True}
        self._filled = tf.function(self._fill_chunks, [scalar, template, by_row, carry], experimental_attributes=alone)

    @tf.function
    def __call__(self, template, seeds, temperature, top_k, top_p, stop_from=0, start=None):
        """Fills the free places.

        Args:
            template: Int32 `(batch, length)`: token ids, and `generation.FREE` where a token is wanted.
            seeds: Int `(batch,)`.
            temperature, top_k, top_p, stop_from: Scalars or `(batch,)`, see `generation.fill`.
            start: Token that stands before the first place, scalar or `(batch,)`; None for that of the filler.

        Returns:
            Tokens `(batch, length)`, int32, and their log-probabilities, float32.
        """
        batch, length = tf.unstack(tf.shape(template))
        rows = _power_of_two(batch)
        # The start token comes first: a step of its own would be a second copy of the net in the graph.
        begin = tf.reshape(tf.cast(self.start if start is None else start, template.dtype), [-1, 1])
        template = tf.concat([tf.broadcast_to(begin, [batch, 1]), template], axis=1)
        wanted = length + 1
        template = tf.pad(template, [[0, rows - batch], [0, -wanted % self.chunk]])
        row_wise = [_by_row(value, batch, rows, template.dtype) for value in (seeds, top_k, stop_from)]
        row_wise += [_by_row(value, batch, rows, tf.float32) for value in (temperature, top_p)]
        inputs = template, row_wise

        def half(rows, *inputs):
            return self._filled(wanted, *inputs, self._empty(rows))[:2]

        def halves():
            first, second = (keras.tree.map_structure(part, inputs) for part in _halves(rows))
            found = half(rows // 2, *first), half(rows // 2, *second)
            return tuple(tf.concat(pair, 0) for pair in zip(*found, strict=True))

        # Not a loop over the halves: the iterations of one that reads variables wait for each other.
        found = tf.cond(tf.logical_and(_on_cpu(), rows > 1), halves, lambda: half(rows, *inputs))
        return tuple(each[:batch, 1:wanted] for each in found)

    @property
    def state(self) -> "dict[str, tf.TensorSpec]":
        """What `read` returns and `write` goes on from: a dict of name to `tf.TensorSpec`, with the batch first.

        `position` is the number of tokens read, with the start token, `ended` whether `stop` was written, `logits` are
        those of the next token, and `state_0` and so on are what the layers keep, in their order.
        """
        carry = self._empty(1)
        names = ["position", "ended", "logits", *(f"state_{i}" for i in range(len(carry) - 3))]
        return {
            name: tf.TensorSpec([None, *each.shape], each.dtype, name=name)
            for name, each in zip(names, carry, strict=True)
        }

    @tf.function(reduce_retracing=True)
    def read(self, prompts: ArrayLike, lengths: ArrayLike) -> "dict[str, tf.Tensor]":
        """Reads tokens after which `write` is to go on, each row by itself.

        Args:
            prompts: Int32 `(batch, prompt_length)`, padded on the right.
            lengths: Int32 `(batch,)`: tokens of each prompt.

        Returns:
            Dict of tensors, as `state` describes them.
        """

        def one(row):
            prompt, length = row
            template = tf.concat([[self.start], prompt[:length]], axis=0)
            return self._one(template, [0, 0, 0, 0.0, 1.0], self._empty(1))[2]

        carry = tf.map_fn(one, (prompts, lengths), fn_output_signature=self._signature(), parallel_iterations=1)
        return dict(zip(self.state, carry, strict=True))

    @tf.function(reduce_retracing=True)
    def write(
        self,
        state: "dict[str, tf.Tensor]",
        lengths: ArrayLike,
        seeds: ArrayLike,
        temperature: ArrayLike,
        top_k: ArrayLike,
        top_p: ArrayLike,
        stop_from: ArrayLike = 0,
    ) -> "tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]":
        """Writes on, each row by itself: the same tokens as the filling of one template with all places.

        Args:
            state: What `read` or `write` has returned.
            lengths: Int32 `(batch,)`: tokens to write.
            seeds: Int `(batch,)`.
            temperature, top_k, top_p, stop_from: Scalars or `(batch,)`, see `generation.fill`.

        Returns:
            Tokens `(batch, max(lengths))`, int32, and their log-probabilities, float32, both 0 behind a row's own
            length, and the new state.
        """
        batch, room = tf.size(lengths), tf.reduce_max(tf.maximum(lengths, 0))
        row_wise = [_by_row(value, batch, batch, tf.int32) for value in (seeds, top_k, stop_from)]
        row_wise += [_by_row(value, batch, batch, tf.float32) for value in (temperature, top_p)]

        def one(row):
            length, row_wise, carry = row
            template = tf.fill([tf.maximum(length, 0)], generation.FREE)
            *found, carry = self._one(template, row_wise, carry)
            return *(tf.pad(each, [[0, room - tf.size(each)]]) for each in found), carry

        rows = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.float32), self._signature()
        carry = [state[name] for name in self.state]
        inputs = (lengths, row_wise, carry)
        *found, carry = tf.map_fn(one, inputs, fn_output_signature=rows, parallel_iterations=1)
        return *found, dict(zip(self.state, carry, strict=True))

    def _signature(self):
        return [tf.TensorSpec(spec.shape[1:], spec.dtype) for spec in self.state.values()]

    def _one(self, template, row_wise, carry):
        """Fills the template of one row, `(length,)`."""
        wanted = tf.size(template)
        padded = tf.pad(template, [[0, tf.maximum(wanted, 1) + -tf.maximum(wanted, 1) % self.chunk - wanted]])
        row_wise = [tf.convert_to_tensor(value)[None] for value in row_wise]
        tokens, scores, *carry = self._filled(wanted, padded[None], row_wise, carry)
        return tokens[0, :wanted], scores[0, :wanted], carry

    def _empty(self, rows):
        return keras.tree.flatten(generation.empty_carry(self.decoder, rows))

    def _fill_chunks(self, wanted, template, row_wise, carry):
        rows, length = tf.unstack(tf.shape(template))
        chunks = length // self.chunk
        tokens = tf.TensorArray(tf.int32, chunks, element_shape=(None, self.chunk))
        scores = tf.TensorArray(tf.float32, chunks, element_shape=(None, self.chunk))

        def body(i, tokens, scores, *carry):
            here = template[:, i * self.chunk : (i + 1) * self.chunk]
            count = tf.minimum(wanted - i * self.chunk, self.chunk)
            found, score, *carry = self._advance(here, count, *row_wise, *carry)
            return i + 1, tokens.write(i, found), scores.write(i, score), *carry

        _, tokens, scores, *carry = tf.while_loop(lambda i, *_: i < chunks, body, (0, tokens, scores, *carry))
        filled = (tf.reshape(tf.transpose(each.stack(), (1, 0, 2)), (rows, length)) for each in (tokens, scores))
        return *filled, *carry

    def _fill(self, template, count, seeds, top_k, stop_from, temperature, top_p, *carry):
        template = tf.ensure_shape(template, (None, self.chunk))
        nest = keras.tree.pack_sequence_as(generation.empty_carry(self.decoder, 1), carry)
        settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "stop_from": stop_from}
        tokens, scores, carry = generation.fill(
            self.decoder, template, seeds=seeds, stop=self.stop, carry=nest, count=count, **settings
        )
        return tokens, scores, *keras.tree.flatten(carry)


def _halves(rows):
    return lambda each: each[: rows // 2], lambda each: each[rows // 2 :]


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
