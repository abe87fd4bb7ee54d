"""What classifiers end in."""

from keras import layers


def class_probabilities(features, num_classes):
    """A softmax layer in float32, named `probabilities`."""
    return layers.Dense(num_classes, activation="softmax", dtype="float32", name="probabilities")(features)
