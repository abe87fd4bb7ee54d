"""Small changes of an image that make a network answer wrongly: FGSM, PGD and DeepFool."""

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike

from kerasmlsp.interpret import _network

BOX = (0.0, 255.0)


def fgsm(
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    epsilon: float = 2.0,
    targets: ArrayLike | None = None,
    box: tuple[float, float] = BOX,
) -> np.ndarray:
    """Moves every value of an image by `epsilon`, by the sign of the gradient of the cross-entropy (FGSM).

    `x + epsilon sign(dJ(x, label) / dx)`, and towards a target `x - epsilon sign(dJ(x, target) / dx)`. The slide has
    `x - epsilon dJ / dx`: without the sign, the length of a step hangs on that of the gradient, which is next to
    nothing where the network is sure; and with its minus, the error of the true class falls.

    Reference: Goodfellow, Shlens and Szegedy 2015, "Explaining and Harnessing Adversarial Examples"; Sri Rama Murty,
    IIT Hyderabad (2021), "Adversarial example creation (Fast gradient sign method)".

    Args:
        model: A classifier of images.
        images: `(batch, height, width, channels)` within the box.
        labels: True class numbers; images that are answered wrongly beforehand are returned as they are. None for what
            the network says of each.
        epsilon: What is added to or taken from a value, in the units of the box, at least 0.
        targets: Class numbers that the network is to answer; None for any other than the label.
        box: Least and largest value, within which what is returned stays.

    Returns:
        float32 `(batch, height, width, channels)`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]]), np.zeros(2)])
        >>> fgsm(model, np.array([[[[90.0], [20.0]]]]), epsilon=3.0).ravel()  # less of class 0
        array([87., 23.], dtype=float32)
    """
    images, aims, sign = _prepared(model, images, labels, targets, box, epsilon=epsilon)
    step = _network.compiled(model, ("fgsm", sign), lambda: _fgsm(_network.network(model), sign))
    low, high = (np.float32(each) for each in box)
    true = _true(model, images, labels)
    return _network.in_batches(lambda x, y, t: step(x, y, t, np.float32(epsilon), low, high), images, aims, true)


def _fgsm(network, sign):
    def step(images, aims, true, epsilon, low, high):
        direction, before = _direction(network, images, aims)
        moved = ops.clip(images + sign * epsilon * direction, low, high)
        # Below 0 stands for what the network says.
        right = ops.logical_or(true < 0, ops.equal(ops.cast(before, "int32"), true))
        return ops.where(right[:, None, None, None], moved, images)

    return step


def _direction(network, images, aims):
    """The sign of the gradient of the cross-entropy, and the most probable classes.

    `log(sum of exp(s_k) of other classes) - s` rises where the cross-entropy `-log p` does: its gradient is that of the
    other divided by `1 - p`, so that it does not vanish where p is 1 in float32.
    """

    def error(images):
        scores, _ = network.run(images)
        before = ops.argmax(scores, axis=-1)
        chosen = ops.where(aims < 0, ops.cast(before, "int32"), aims)
        own = ops.one_hot(chosen, scores.shape[-1])
        others = ops.logsumexp(ops.where(own > 0, -1e9, scores), axis=-1)
        return ops.sum(others - ops.sum(scores * own, axis=-1)), before

    _, before, gradient = _network.differentiated(error, ops.convert_to_tensor(images))
    return ops.sign(gradient), before


def pgd(
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    epsilon: float = 2.0,
    steps: int = 10,
    step_size: float | None = None,
    targets: ArrayLike | None = None,
    box: tuple[float, float] = BOX,
    random_start: bool = True,
    seed: int = 0,
) -> np.ndarray:
    """Takes several steps of `fgsm`, and after each puts every value back within `epsilon` of the image (PGD).

    Reference: Madry et al. 2018, "Towards Deep Learning Models Resistant to Adversarial Attacks".

    Args:
        model, images, labels, epsilon, targets, box: As of `fgsm`.
        steps: Number of steps.
        step_size: Length of a step; None for `2.5 epsilon / steps`.
        random_start: Whether to begin at a random place within `epsilon`, or else at the image.
        seed: Seed of that place.

    Returns:
        As of `fgsm`.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]]), np.zeros(2)])
        >>> pgd(model, np.array([[[[90.0], [20.0]]]]), epsilon=3.0).ravel()
        array([87., 23.], dtype=float32)
    """
    images, aims, sign = _prepared(model, images, labels, targets, box, epsilon=epsilon)
    if steps < 1 or (step_size is not None and not step_size > 0):
        raise ValueError(
            f"`steps` must be at least 1 and `step_size` above 0. Received: steps={steps}, step_size={step_size}"
        )
    network, right = _network.network(model), _right(model, images, labels)
    step = _network.compiled(model, ("pgd", sign), lambda: _pgd(network, sign))
    size = 2.5 * epsilon / steps if step_size is None else step_size
    reach, size, low, high = (np.float32(each) for each in (epsilon, size, *box))
    # What is answered wrongly by itself is left out, but answers of its own steps must not become its aim.
    aims = np.where(aims < 0, _network.scores_of(model, images).argmax(axis=1), aims).astype("int32")
    found, chosen = images.copy(), np.flatnonzero(right)
    if not len(chosen):
        return found
    random = np.random.default_rng(seed)
    start = images[chosen]
    if random_start:
        start = np.clip(start + random.uniform(-epsilon, epsilon, start.shape), *box).astype("float32")

    def walk(place, origin, aim):
        for _ in range(steps):
            place = step(place, origin, aim, size, reach, low, high)
        return place

    found[chosen] = _network.in_batches(walk, start, images[chosen], aims[chosen])
    return found


def _pgd(network, sign):
    def step(images, origin, aims, size, reach, low, high):
        direction, _ = _direction(network, images, aims)
        moved = ops.clip(images + sign * size * direction, origin - reach, origin + reach)
        return ops.clip(moved, low, high)

    return step


def deepfool(
    model: keras.Model,
    images: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    candidates: int = 10,
    steps: int = 50,
    overshoot: float = 0.02,
    refinements: int = 4,
    box: tuple[float, float] = BOX,
) -> np.ndarray:
    """Estimates the smallest change, by its Euclidean norm, that alters the inferred class (DeepFool).

    With `f` the scores and `w` their gradients, the nearest boundary of the network as it is linear at `x` is that of
    the class with the least `|f_k - f_0| / |w_k - w_0|`; the image goes there, again and again until the class alters.
    At the end the way back is halved a few times while the class stays altered.

    After the first step only the three nearest of the candidates are followed, and images that are done rest, which
    makes it several times faster than with all of them; how near the norms come is measured by `benchmarks.interpret`.

    Reference: Moosavi-Dezfooli, Fawzi and Frossard 2016, "DeepFool: a simple and accurate method to fool deep neural
    networks"; Sri Rama Murty, IIT Hyderabad (2021), "Deep Fool".

    Args:
        model, images, labels, box: As of `fgsm`.
        candidates: Most probable classes whose boundaries are looked at, at least 2.
        steps: Most steps.
        overshoot: Share by which the change is longer, so that it ends behind the boundary.
        refinements: How often the last part of the way is halved.

    Returns:
        As of `fgsm`; where the class did not alter, what the last step made of the image.

    Raises:
        ValueError: An argument is not allowed.

    Example:
        >>> model = keras.Sequential([keras.Input((1, 2, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
        >>> model.set_weights([np.array([[1.0, -1.0], [-2.0, 2.0]]), np.zeros(2)])
        >>> found = deepfool(model, np.array([[[[90.0], [20.0]]]]))  # the boundary is x = 2 y
        >>> (found.ravel() - [90, 20]).round(1)
        array([-10.,  20.])
    """
    images, _, _ = _prepared(model, images, labels, None, box, overshoot=overshoot)
    if candidates < 2 or steps < 1 or refinements < 0:
        raise ValueError(
            "`candidates` must be at least 2, `steps` at least 1 and `refinements` at least 0. "
            f"Received: candidates={candidates}, steps={steps}, refinements={refinements}"
        )
    true, size = _true(model, images, labels), _network.BATCH
    parts = [slice(begin, begin + size) for begin in range(0, len(images), size)]
    return np.concatenate(
        [_deepfool(model, images[part], true[part], candidates, steps, overshoot, refinements, box) for part in parts]
    )


FOLLOWED = 3
"""Candidates that `deepfool` looks at after its first step."""
_BACK = 0.85
"""Share of the change at which the way back ends that is halved; at a smaller one no image of ours was still fooled."""


def _deepfool(model, images, labels, candidates, steps, overshoot, refinements, box):
    scores = _network.scores_of(model, images)
    classes = np.argsort(-scores, axis=1)[:, :candidates].astype("int32")
    own = classes[:, 0]
    active = np.flatnonzero((labels < 0) | (own == labels))
    chosen, changes, moved = active, np.zeros_like(images), images.copy()
    for number in range(steps):
        if not len(active):
            break
        change, order = _nearest(model, moved[active], classes[active])
        if number == 0:
            keep = np.take_along_axis(classes[active, 1:], order[:, :FOLLOWED], axis=1)
            classes = np.repeat(own[:, None], 1 + keep.shape[1], axis=1)
            classes[active, 1:] = keep
        changes[active] += change
        moved[active] = np.clip(images[active] + (1 + overshoot) * changes[active], *box)
        active = active[_answers(model, moved[active]) == own[active]]
    fooled = np.setdiff1d(chosen, active)
    if len(fooled) and refinements:
        moved[fooled] = _shortened(model, images[fooled], moved[fooled], own[fooled], refinements)
    return moved


def _shortened(model, images, moved, own, times):
    """The way of each image cut where the class is still altered, by halving."""
    low, high = np.full(len(images), _BACK, "float32"), np.ones(len(images), "float32")
    change = moved - images
    for _ in range(times):
        middle = (low + high) / 2
        altered = _answers(model, images + middle[:, None, None, None] * change) != own
        low, high = np.where(altered, low, middle), np.where(altered, middle, high)
    return images + high[:, None, None, None] * change


def _nearest(model, images, classes):
    """The change to the nearest boundary as if the network were linear, and the order of the candidates' distances."""
    count = classes.shape[1] - 1
    network = _network.network(model)

    def make():
        def step(images, classes):
            def gaps(images):
                chosen = ops.take_along_axis(network.run(images)[0], classes, axis=1)
                return chosen[:, 1:] - chosen[:, :1]

            gap, slopes = _network.gradients_of_each(gaps, ops.convert_to_tensor(images), count)
            squares = ops.transpose(ops.sum(ops.square(slopes), axis=(2, 3, 4))) + 1e-20
            distances = ops.abs(gap) / ops.sqrt(squares)
            nearest = ops.one_hot(ops.argmin(distances, axis=1), count)
            length = ops.sum(nearest * (ops.abs(gap) / squares), axis=1)
            slope = ops.einsum("bk,kbhwc->bhwc", nearest, slopes)
            # A little more than the way, whose rounding would end it just before the boundary.
            return slope * (length * 1.0001)[:, None, None, None], ops.argsort(distances, axis=1)

        return step

    return _padded(_network.compiled(model, ("nearest", count), make), images, classes)


def _answers(model, images):
    return _padded(
        _network.compiled(
            model, "answers", lambda: lambda x: (ops.argmax(_network.network(model).run(x)[0], axis=-1),)
        ),
        images,
    )[0]


def _padded(function, *arrays):
    """Calls a function; on JAX with as many examples as a power of 2, since it compiles for every size."""
    count = len(arrays[0])
    if keras.backend.backend() == "jax":
        whole = 1 << (count - 1).bit_length()
        arrays = tuple(np.concatenate([each, np.repeat(each[:1], whole - count, axis=0)]) for each in arrays)
    return tuple(ops.convert_to_numpy(each)[:count] for each in function(*arrays))


def _prepared(model, images, labels, targets, box, **lengths):
    """Images, the class numbers whose error is followed (-1 for what the network says), and the sign of the way."""
    images = _network.as_inputs(images)
    for name, value in lengths.items():
        if not 0 <= value < np.inf:
            raise ValueError(f"`{name}` must be at least 0. Received: {name}={value}")
    if images.ndim != 4:
        raise ValueError(f"`images` must be (batch, height, width, channels). Received: shape {images.shape}")
    # So that NaN is refused, too.
    if not (box[0] < box[1] and images.min() >= box[0] and images.max() <= box[1]):
        raise ValueError(
            f"`images` must lie within the box, from low to high. Received: box={tuple(box)} and values from "
            f"{images.min():g} to {images.max():g}"
        )
    if targets is None:
        return images, _true(model, images, labels), 1.0
    return images, _labels(model, targets, len(images), "targets"), -1.0


def _true(model, images, labels):
    """Class numbers of images; -1 where what the network says is taken."""
    return np.full(len(images), -1, "int32") if labels is None else _labels(model, labels, len(images), "labels")


def _labels(model, labels, count, argument):
    classes = max(keras.tree.flatten(model.outputs)[0].shape[-1], 2)
    found = np.asarray(ops.convert_to_numpy(labels)).reshape(-1)
    found = np.repeat(found, count) if len(found) == 1 else found
    if len(found) != count or found.min() < 0 or found.max() >= classes:
        raise ValueError(
            f"`{argument}` must be {count} numbers from 0 to {classes - 1}. Received: {np.asarray(labels).tolist()}"
        )
    return found.astype("int32")


def _right(model, images, labels):
    """Which images are answered rightly."""
    if labels is None:
        return np.ones(len(images), bool)
    return _network.scores_of(model, images).argmax(axis=1) == _true(model, images, labels)
