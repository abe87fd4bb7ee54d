"""Writing music of which a part is given: several attempts at once, of which those are kept that lead to the rest."""

import keras
import tensorflow as tf

from kerasmlsp import generation
from kerasmlsp.targets.chorale_tokens import START, STOP

_CHUNK = 4  # tokens; the first ends behind the first soprano, and so each behind the next
_NEVER = 2**30
_SIGNATURE = (
    tf.TensorSpec((None, None), tf.int32),
    tf.TensorSpec((), tf.int32),
    tf.TensorSpec((None,), tf.int32),
    tf.TensorSpec((None,), tf.float32),
    tf.TensorSpec((None,), tf.float32),
)


class Composer(tf.Module):
    """Fills the free places of a template such that what is given behind them becomes likely.

    A net that writes from left to right knows nothing of the melody that is to come. So several attempts are made at
    once, each weighted by how likely the net holds the given tokens after what it wrote. Where the weights become
    uneven, that is, where the effective number of attempts falls under a half, as many are drawn from the attempts
    by their weights, and all go on from there: a particle filter. One of the last is drawn in the end.

    Reference: Doucet, de Freitas and Gordon 2001, "Sequential Monte Carlo Methods in Practice".

    Args:
        model: A causal model, see `generation.stepwise`.
    """

    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.decoder = generation.stepwise(model)
        # Without XLA, which took longer here even when it had compiled.
        self._advance = tf.function(self._fill, autograph=False)

    @tf.function(input_signature=_SIGNATURE, autograph=False)  # traced once, whatever the lengths
    def __call__(
        self, template: tf.Tensor, particles: tf.Tensor, seed: tf.Tensor, temperature: tf.Tensor, top_p: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Fills the free places.

        Args:
            template: Int32 `(batch, length)`: token ids, and `generation.FREE` where a token is wanted; the first
                three, the preface, are given.
            particles: Int scalar, attempts for each row, at least 1.
            seed: Int `(batch,)`.
            temperature, top_p: `(batch,)`, see `generation.fill`.

        Returns:
            Tokens `(batch, length)`, int32, and the log-likelihood of all of them behind the preface under the net
            itself, whatever the temperature, float32 `(batch,)`.
        """
        batch, length = tf.unstack(tf.shape(template))
        particles = tf.maximum(particles, 1)
        chunks = -(-length // _CHUNK)
        music = tf.pad(tf.ones_like(template[:, 3:], tf.float32), [[0, 0], [3, _CHUNK]])
        padded = tf.repeat(tf.pad(template, [[0, 0], [0, _CHUNK]]), particles, axis=0)
        music = tf.repeat(music, particles, axis=0)
        given = tf.where(padded != generation.FREE, music, 0.0)
        attempt = tf.tile(tf.range(particles), [batch])
        seeds = tf.repeat(seed, particles) + 7919 * attempt
        settings = (seeds, tf.repeat(temperature, particles), tf.repeat(top_p, particles))
        carry = keras.tree.flatten(generation.begin(self.decoder, batch * particles, START))
        tokens = tf.zeros((batch * particles, chunks * _CHUNK), tf.int32)
        weights = tf.zeros((batch, particles))
        likelihood = tf.zeros(batch * particles)

        def body(i, tokens, weights, likelihood, *carry):
            here = slice(i * _CHUNK, (i + 1) * _CHUNK)
            found, scores, *carry = self._advance(padded[:, here], *settings, *carry)
            tokens = tf.concat([tokens[:, : i * _CHUNK], found, tokens[:, (i + 1) * _CHUNK :]], axis=1)
            weights += tf.reshape(tf.reduce_sum(scores * given[:, here], axis=1), (batch, particles))
            likelihood += tf.reduce_sum(scores * music[:, here], axis=1)
            return i + 1, *self._kept(i, seed, particles, tokens, weights, likelihood, carry)

        shapes = [
            tf.TensorShape([]),
            tf.TensorShape([None, None]),
            tf.TensorShape([None, None]),
            tf.TensorShape([None]),
        ]
        shapes += [tf.TensorShape([None, *each.shape[1:]]) if each.shape.rank else each.shape for each in carry]
        _, tokens, weights, likelihood, *_ = tf.while_loop(
            lambda i, *_: i < chunks,
            body,
            (0, tokens, weights, likelihood, *carry),
            shape_invariants=tuple(shapes),
        )
        chosen = self._drawn(chunks, seed, weights, 1)[:, 0] + tf.range(batch) * particles
        return tf.gather(tokens, chosen)[:, :length], tf.gather(likelihood, chosen)

    def _kept(self, i, seed, particles, tokens, weights, likelihood, carry):
        """Draws among the attempts of each row where their weights have become uneven."""
        shares = tf.nn.softmax(weights)
        uneven = 2.0 / tf.reduce_sum(shares**2, axis=1) < tf.cast(particles, tf.float32)

        def drawn():
            batch = tf.shape(weights)[0]
            chosen = tf.where(uneven[:, None], self._drawn(i, seed, weights, particles), tf.range(particles))
            rows = tf.reshape(chosen + particles * tf.range(batch)[:, None], (-1,))

            def picked(each):
                # The number of the place, which all rows share, is a scalar.
                return generation.take_rows(each, rows, batch * particles) if each.shape.rank else each

            after = [picked(each) for each in carry]
            left = tf.where(uneven[:, None], 0.0, weights)
            return tf.gather(tokens, rows), left, tf.gather(likelihood, rows), *after

        return tf.cond(tf.reduce_any(uneven), drawn, lambda: (tokens, weights, likelihood, *carry))

    def _drawn(self, i, seed, weights, count):
        """Draws `count` attempts of each row by weight, evenly spread, int32 `(batch, count)`."""

        def uniform(each):
            return tf.random.stateless_uniform([], tf.stack([each, i]))

        begin = tf.map_fn(uniform, seed, fn_output_signature=tf.float32)
        places = (tf.cast(tf.range(count), tf.float32) + begin[:, None]) / tf.cast(count, tf.float32)
        reached = tf.cumsum(tf.nn.softmax(weights), axis=1)
        return tf.minimum(tf.searchsorted(reached, places, side="right"), tf.shape(weights)[1] - 1)

    def _fill(self, template, seeds, temperature, top_p, *carry):
        template = tf.ensure_shape(template, (None, _CHUNK))
        nest = keras.tree.pack_sequence_as(generation.empty_carry(self.decoder, 1), carry)
        settings = {"temperature": temperature, "top_p": top_p}
        # The end is where the template has it.
        tokens, scores, carry = generation.fill(
            self.decoder, template, seeds=seeds, stop=STOP, stop_from=_NEVER, carry=nest, **settings
        )
        return tokens, scores, *keras.tree.flatten(carry)
