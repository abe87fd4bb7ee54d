"""Last layers that builders share."""

from keras import layers


def class_probabilities(features, num_classes):
    """A softmax layer in float32; 2 classes or more."""
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(features)
