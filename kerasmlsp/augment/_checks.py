"""What all augmentations want: a batch."""


def check_batch(values, *axes):
    """Refuses a single example, and all else that has other axes.

    Args:
        values: Tensor.
        *axes: Names of its axes, the first `batch`.

    Raises:
        ValueError: It has more or fewer.

    Example:
        >>> import numpy as np
        >>> check_batch(np.zeros((2, 16000)), "batch", "samples")
        >>> check_batch(np.zeros(16000), "batch", "samples")
        Traceback (most recent call last):
        ValueError: `inputs` must be a batch `(batch, samples)`: ... `example[None]`. Received: shape (16000,)
    """
    if len(values.shape) != len(axes):
        raise ValueError(
            f"`inputs` must be a batch `({', '.join(axes)})`: put `.batch(32)` before `.map(...)` in a tf.data "
            f"pipeline, or give a single one as `example[None]`. Received: shape {tuple(values.shape)}"
        )
