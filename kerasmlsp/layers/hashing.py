"""Hashes in `keras.ops`, the same on every backend: unsigned multiplications and shifts."""

import keras
import numpy as np
from keras import ops


def uint32(value: int) -> keras.KerasTensor:
    """Returns a number as an unsigned tensor of 32 bits.

    Example:
        >>> keras.ops.dtype(uint32(7))
        'uint32'
    """
    return ops.convert_to_tensor(np.uint32(value))


def mix(state: keras.KerasTensor) -> keras.KerasTensor:
    """Spreads the bits of every 32-bit word over all of it (finaliser of MurmurHash3).

    With PyTorch, whose words have 64 bits here, those above the lowest 32 do not count.

    Example:
        >>> hex(int(mix(uint32(1))))  # MurmurHash3 of an empty text with seed 1
        '0x514e28b7'
    """
    state = _lowest(state)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = _lowest(ops.multiply(ops.bitwise_xor(state, ops.right_shift(state, uint32(shift))), uint32(factor)))
    return ops.bitwise_xor(state, ops.right_shift(state, uint32(16)))


def _lowest(state):
    return ops.bitwise_and(state, uint32(0xFFFFFFFF)) if keras.backend.backend() == "torch" else state
