"""What all augmentations want: a batch."""


def check_batch(values, *axes):
    """Refuses a single example, and all else that has other axes.

    Args:
        values: Tensor.
        *axes: Names of its axes, the first `batch`.

    Raises:
        ValueError: It has more or fewer, or is no tensor.

    Example:
        >>> import numpy as np
        >>> check_batch(np.zeros((2, 16000)), "batch", "samples")
        >>> check_batch(np.zeros(16000), "batch", "samples")
        Traceback (most recent call last):
        ValueError: `inputs` must be a batch `(batch, samples)`: ... `example[None]`. Received: shape (16000,)
    """
    check_tensor(values)
    check_shape(values.shape, *axes)


def check_shape(shape, *axes):
    """Refuses the shape of what `check_batch` refuses."""
    if isinstance(shape, dict) or any(isinstance(each, (tuple, list)) for each in shape):
        check_tensor(shape)
    if len(shape) != len(axes):
        raise ValueError(
            f"`inputs` must be a batch `({', '.join(axes)})`: put `.batch(32)` before `.map(...)` in a tf.data "
            f"pipeline, or give a single one as `example[None]`. Received: shape {tuple(shape)}"
        )


def check_tensor(values):
    """Refuses pairs of inputs and labels, and dicts of other things than a layer takes."""
    if isinstance(values, (tuple, list, dict)):
        raise ValueError(
            "`inputs` must be one tensor: map `lambda x, y: (layer(x), y)` in a tf.data pipeline, or give pictures and "
            f"labels as `{{'images': x, 'labels': y}}`. Received: a {type(values).__name__}"
        )
