"""Nets that are too large for the machine, refused while they are built: before the memory is taken."""

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import keras

from kerasmlsp.training.settings import Settings

_MEMORY, _LIMITS = "/proc/meminfo", ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_NUMBER = 4  # bytes: weights are float32 in every precision
_KEPT = {"adamw": 2, "adam": 2, "rmsprop": 1, "sgd": 1}
"""Numbers that an optimizer keeps for each weight, where it has momentum."""


@contextlib.contextmanager
def checked(settings: Settings) -> Iterator[None]:
    """Refuses nets, built in the `with` block, that cannot be trained in the memory that is free.

    Counted are weights, gradients and what the optimizer and a moving average keep: the least that training takes. Each
    weight is counted before it is made, so that a refusal costs nothing.

    Raises:
        ValueError: The net is too large.

    Example:
        >>> with checked(Settings()):
        ...     layer = keras.layers.Dense(10**9)
        ...     layer.build((None, 10**9))
        Traceback (most recent call last):
        ValueError: The net is too large for this machine: training takes 16,000,000,000 GB or more ...
    """
    free, made, needed = free_memory(), keras.layers.Layer.add_weight, 0
    copies = 2 + _KEPT[settings.optimizer] + bool(settings.ema)

    def counted(layer, shape=None, *arguments, **options):
        nonlocal needed
        needed += math.prod(shape or ()) * _NUMBER * (copies if options.get("trainable", True) else 1)
        if needed > free:
            raise ValueError(
                f"The net is too large for this machine: training takes {_gigabytes(needed)} or more (weights up to "
                f"the layer {layer.name!r}, their gradients and what the optimizer keeps), and {_gigabytes(free)} are "
                "free. Take fewer units, filters or layers."
            )
        return made(layer, shape, *arguments, **options)

    keras.layers.Layer.add_weight = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = made  # type: ignore[method-assign]


def free_memory() -> float:
    """Returns the bytes that programs can still take, as far as the system tells; infinity where it does not.

    Example:
        >>> free_memory() > 0
        True
    """
    return min([_free(), *map(_limit, _LIMITS)])


def _free():
    with contextlib.suppress(OSError, KeyError, ValueError):  # other systems than Linux have no such file
        lines = (line.partition(":") for line in Path(_MEMORY).read_text().splitlines())
        found = {name: 1024 * int(value.split()[0]) for name, _, value in lines}
        return found["MemAvailable"] + found["SwapFree"]
    with contextlib.suppress(AttributeError, OSError, ValueError):  # all memory, where what is free is not told
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return math.inf


def _limit(path):
    """What a container may take in all."""
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
        return int(Path(path).read_text())
    return math.inf


def _gigabytes(count):
    return f"{count / 1e9:,.0f} GB" if count > 1e10 else f"{count / 1e9:.2g} GB"
