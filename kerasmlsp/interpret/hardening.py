"""Training on adversarial examples, so that small changes no longer fool a network."""

import keras
from keras import ops

from kerasmlsp.interpret import _network


def harden(
    model: keras.Model,
    epsilon: float,
    *,
    share: float = 0.5,
    layer: str | None = None,
    box: tuple[float, float] = (0.0, 255.0),
) -> keras.Model:
    """Makes `fit` train a compiled classifier on adversarial examples, too.

    The loss becomes `(1 - share) J(x, y) + share J(x + epsilon sign(dJ / dx), y)`. The adversarial examples are made
    anew in every step by FGSM, with the cross-entropy of the network as it answers at inference. Validation and what is
    saved stay as they are.

    Reference: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples", section 6.

    Args:
        model: A compiled classifier of images with one-hot or smoothed targets `(batch, classes)`.
        epsilon: What is added to or taken from every value, in the units of the box, above 0.
        share: Share of the adversarial examples in the loss, in `(0, 1]`.
        layer: Name of the layer behind which the change is added, such as the augmentation; None for the input.
        box: Least and largest value, within which the adversarial examples stay.

    Returns:
        The same model.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.compile("sgd", "categorical_crossentropy")
        >>> images, targets = ops.ones((1, 2, 2, 1)), ops.ones((1, 2)) / 2
        >>> plain = model.evaluate(images, targets, verbose=0)
        >>> hard = harden(model, epsilon=0.1).fit(images, targets, verbose=0).history["loss"][0]
        >>> hard >= plain
        True
    """
    if not 0 < epsilon < float("inf") or not 0 < share <= 1 or not box[0] < box[1]:
        raise ValueError(
            "`epsilon` must be above 0, `share` in (0, 1] and `box` from low to high. "
            f"Received: epsilon={epsilon}, share={share}, box={box}"
        )
    network, plain = _network.Network(model), model.compute_loss
    if layer is not None:
        network.check(layer)

    def attacked(images, targets):
        def error(images):
            scores, _ = network.run(images, given={layer: images} if layer else None)
            return -ops.sum(targets * ops.log_softmax(scores, axis=-1)), None

        _, _, gradient = _network.differentiated(error, images)
        return ops.stop_gradient(ops.clip(images + epsilon * ops.sign(gradient), *box))

    def compute_loss(x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = plain(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        if not training:
            return loss
        images = ops.cast(keras.tree.flatten(x)[0], "float32")
        if layer is not None:
            images = ops.cast(network.run(images, keep=(layer,), scores=False, training=True)[1][layer], "float32")
        hard = attacked(ops.stop_gradient(images), ops.cast(y, "float32"))
        answers, _ = network.run(hard, given={layer: hard} if layer else None, scores=False, training=True)
        harder = plain(x=x, y=y, y_pred=answers, sample_weight=sample_weight, training=training)
        return (1 - share) * loss + share * harder

    # Of this model alone, so that its file names no class of its own.
    model.compute_loss = compute_loss
    return model
