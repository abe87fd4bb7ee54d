"""What becomes of inputs that are attacked: which fool a network, by how much they were changed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of images that were attacked, see `outcome`; every field has one value for an image.

    Args:
        attacked: Whether the answer was right beforehand: others are left out.
        fooled: Whether the answer changed to another class, or to the target where there is one.
        before: Class number that the network finds most probable in the image.
        after: The same of the adversarial image.
        confidence_before: Its probability.
        confidence_after: The same of the adversarial image.
        l2: Euclidean norm of the change.
        largest: Largest change of a value.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0]]), np.array([-10.0, 10.0])])
        >>> found = outcome(model, np.array([[[[12.0]]]]), np.array([[[[9.0]]]]))
        >>> found.success_rate, found.l2.tolist()
        (1.0, [3.0])
    """

    attacked: np.ndarray
    fooled: np.ndarray
    before: np.ndarray
    after: np.ndarray
    confidence_before: np.ndarray
    confidence_after: np.ndarray
    l2: np.ndarray
    largest: np.ndarray

    @property
    def success_rate(self) -> float:
        """Share of the attacked images that fool the network; NaN where none was attacked."""
        return float(self.fooled[self.attacked].mean()) if self.attacked.any() else float("nan")

    @property
    def mean_l2(self) -> float:
        """Mean norm of the changes that fool it; NaN where there are none."""
        return float(self.l2[self.fooled].mean()) if self.fooled.any() else float("nan")


def outcome(
    model: keras.Model,
    images: ArrayLike,
    adversarial: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    targets: ArrayLike | None = None,
) -> Outcome:
    """Compares what a network says of images and of what an attack made of them.

    Args:
        model: A classifier.
        images: The images, `(batch, height, width, channels)`.
        adversarial: What the attack made of them.
        labels: True class numbers; None for what the network says of `images`.
        targets: Class numbers that were wanted; None for any other.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0]]), np.array([-10.0, 10.0])])
        >>> outcome(model, np.array([[[[12.0]]]]), np.array([[[[9.0]]]]), [1]).attacked  # it was wrong beforehand
        array([False])
    """
    images, adversarial = _network.as_inputs(images), _network.as_inputs(adversarial, "adversarial")
    scores, scores_after = _network.scores_of(model, images), _network.scores_of(model, adversarial)
    before, after, rows = scores.argmax(axis=1), scores_after.argmax(axis=1), np.arange(len(images))
    true = _network.class_numbers(labels, scores, "labels")
    attacked = before == true
    change = (adversarial - images).reshape(len(images), -1).astype("float64")
    if targets is None:
        fooled = after != true
    else:
        wanted = _network.class_numbers(targets, scores, "targets")
        # What shows the target already is no success.
        attacked &= wanted != true
        fooled = after == wanted
    return Outcome(
        attacked=attacked,
        fooled=attacked & fooled,
        before=before,
        after=after,
        confidence_before=_network.probabilities_of(scores)[rows, before],
        confidence_after=_network.probabilities_of(scores_after)[rows, after],
        l2=np.sqrt((change**2).sum(axis=1)),
        largest=np.abs(change).max(axis=1),
    )


def success_rates(
    attack: Callable[..., np.ndarray],
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    epsilons: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0),
    targets: ArrayLike | None = None,
    **options: Any,
) -> tuple[dict[float, float], np.ndarray]:
    """Measures how many images an attack fools a network with, by its `epsilon`.

    Args:
        attack: `fgsm`, `pgd`, or a function like them.
        model, images, labels, targets: As of `fgsm`.
        epsilons: Values of `epsilon`.
        **options: Further arguments of the attack.

    Returns:
        The share of the attacked images that fool the network, by `epsilon`; and the least `epsilon` that fools it with
        each image, `(batch,)`: infinity where none does, NaN where the image was left out.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 1, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0]]), np.array([-10.0, 10.0])])
        >>> from kerasmlsp.interpret import fgsm
        >>> success_rates(fgsm, model, np.array([[[[12.0]]], [[[16.0]]]]), epsilons=[1.0, 3.0, 9.0])
        ({1.0: 0.0, 3.0: 0.5, 9.0: 1.0}, array([3., 9.]))
    """
    images = _network.as_inputs(images)
    rates, least = {}, np.full(len(images), np.inf)
    for epsilon in sorted(epsilons):
        adversarial = attack(model, images, labels, epsilon=epsilon, targets=targets, **options)
        found = outcome(model, images, adversarial, labels, targets=targets)
        rates[epsilon] = found.success_rate
        least = np.where(found.fooled, np.minimum(least, epsilon), least)
        least = np.where(found.attacked, least, np.nan)
    return rates, least
