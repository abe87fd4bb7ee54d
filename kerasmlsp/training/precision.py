"""What the machine is good at: bfloat16, and the same bits again."""

import os
from pathlib import Path

import keras

from kerasmlsp.layers.devices import on_cpu

_REPEATABLE = ("xla_gpu_deterministic_ops", "xla_gpu_exclude_nondeterministic_ops")


def precision_for(precision: str, *, products: bool) -> str:
    """Returns what `fit` takes as `precision`: for "auto", bfloat16 where that is known to be faster.

    Args:
        precision: "auto", "float32" or "mixed_bfloat16".
        products: Whether most of the net's work is products of matrices or convolutions, as in Transformers and
            residual nets. Recurrent nets gain nothing, since their sequence is one operation in float32 only, and
            depthwise convolutions lose.

    Example:
        >>> precision_for("float32", products=True), precision_for("auto", products=False)
        ('float32', 'auto')
    """
    return "mixed_bfloat16" if precision == "auto" and products and has_fast_bfloat16() else precision


def has_fast_bfloat16() -> bool:
    """Whether this machine multiplies bfloat16 matrices faster than float32 ones.

    So do TPUs, Nvidia's GPUs of compute capability 8.0 and more (Ampere and later), and CPUs with AMX, where products
    of the sizes of small Transformers took between a half and a sixth of the time here. Of several GPUs the weakest
    counts, and one that does not tell its capability counts as one that does not.

    Example:
        >>> precision_for("auto", products=True) == ("mixed_bfloat16" if has_fast_bfloat16() else "auto")
        True
    """
    if on_cpu():
        flags = Path("/proc/cpuinfo")
        return flags.exists() and "amx_bf16" in flags.read_text().split()
    if any(device.lower().startswith("tpu") for device in keras.distribution.list_devices()):
        return True
    return min(map(_numbers, _capabilities()), default=()) >= (8, 0)


def _capabilities():
    """Compute capability of each GPU, as JAX or TensorFlow tell it."""
    if keras.backend.backend() == "jax":
        import jax

        return [str(getattr(device, "compute_capability", "")).split(".") for device in jax.local_devices()]
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return [each.get("compute_capability", ()) for each in details]


def _numbers(parts):
    try:
        return tuple(int(part) for part in parts)
    except ValueError:  # as "gfx90a"
        return ()


def policies(precision: str) -> list[str]:
    """Returns the policies to build a net in: for "auto" on GPUs and TPUs with bfloat16 that, then float32.

    The second is for nets with recurrent layers.

    Example:
        >>> policies("mixed_bfloat16")
        ['mixed_bfloat16']
    """
    if precision != "auto":
        return [precision]
    return ["mixed_bfloat16", "float32"] if not on_cpu() and has_fast_bfloat16() else ["float32"]


def check_deterministic() -> None:
    """Refuses `deterministic` where this process cannot give the same bits again: on GPUs with JAX.

    There XLA reads a flag when it starts. On CPUs and TPUs JAX repeats what it did anyway.

    Raises:
        ValueError: JAX has a GPU, and XLA was started without that flag.

    Example:
        >>> if on_cpu():
        ...     check_deterministic()  # nothing to refuse
    """
    flags = os.environ.get("XLA_FLAGS", "")
    devices = keras.distribution.list_devices() if keras.backend.backend() == "jax" else ()
    if any(device.lower().startswith(("gpu", "cuda", "rocm")) for device in devices) and not _flagged(flags):
        raise ValueError(
            "`deterministic` must be False on GPUs with JAX, unless the environment has "
            f"XLA_FLAGS=--{_REPEATABLE[0]}=true. Received: XLA_FLAGS={flags!r}"
        )


def _flagged(flags):
    set_ = [flag.lstrip("-").partition("=")[::2] for flag in flags.split()]
    return any(name in _REPEATABLE and value.lower() in ("", "true", "1") for name, value in set_)
