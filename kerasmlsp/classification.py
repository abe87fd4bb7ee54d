"""What all applications that tell classes share: answers, measures, figures, mistakes and class weights."""

import numpy as np


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns weights under which all classes count the same, however rare.

    Args:
        labels: Class numbers, `(examples,)`.
        num_classes: Number of classes.

    Returns:
        Weight of each class, `(num_classes,)`; their mean over the examples is 1.

    Example:
        >>> class_weights(np.array([0, 0, 0, 1]), 2)
        array([0.66666667, 2.        ])
    """
    counts = np.bincount(labels, minlength=num_classes)
    return len(labels) / num_classes / np.maximum(counts, 1)
