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

    Example:
        >>> hex(int(mix(uint32(1))))  # MurmurHash3 of an empty text with seed 1
        '0x514e28b7'
    """
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = ops.multiply(ops.bitwise_xor(state, ops.right_shift(state, uint32(shift))), uint32(factor))
    return ops.bitwise_xor(state, ops.right_shift(state, uint32(16)))
