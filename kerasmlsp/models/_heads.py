"""The last layers that builders share."""

from keras import layers


def class_probabilities(features, num_classes):
    """A softmax layer: float32 probabilities, `(batch, num_classes)`, also where the rest runs in half precision."""
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(features)
