"""Steps of sequences that end before their padding on the right."""

from keras import ops

from kerasmlsp.models._text import steps


def length_of(inputs):
    """Steps of each row up to the last one that is not all zeros, `(batch, 1)`, at least 1.

    Args:
        inputs: `(batch, length, ...)`.
    """
    there = ops.any(ops.not_equal(inputs, 0), axis=tuple(range(2, len(inputs.shape))))
    return ops.maximum(ops.max(ops.where(there, steps(there) + 1, 0), axis=1, keepdims=True), 1)


def at(states, place):
    """The state at a place of each row, `(batch, 1)`.

    A sum over one-hot weights, since a mask would cost the fast kernels of GPUs, and the gradient of a gather is slow
    under XLA on CPUs.
    """
    here = ops.cast(ops.equal(steps(states[..., 0]), place), states.dtype)
    return ops.sum(states * ops.expand_dims(here, 2), axis=1)


def reverse(sequence, length):
    """Reverses the steps of every row, `(batch, length, features)`, and leaves its padding where it is."""
    place = steps(sequence[..., 0])
    places = ops.where(place < length, length - 1 - place, place)
    # As rows of one table: `take_along_axis` looks up every single number, which takes as long as an LSTM.
    rows = ops.cumsum(ops.ones_like(place[:, :1]), axis=0) - 1
    table = ops.reshape(sequence, (-1, sequence.shape[-1]))
    return ops.take(table, rows * (ops.max(place) + 1) + places, axis=0)


def both_ways(layer, units, states, length, name):
    """What two recurrent layers say, of which one reads each row from its own last step; both in the order of steps."""
    forward = layer(units, return_sequences=True, name=f"{name}_forward")(states)
    backward = layer(units, return_sequences=True, name=f"{name}_backward")(reverse(states, length))
    return forward, reverse(backward, length)
