"""Attacks against networks whose boundaries are known, and what must hold for any network."""

import keras
import nets
import numpy as np
import pytest

from kerasmlsp import interpret

WEIGHTS, BIAS = np.array([[1.0, -1.0, 0.5], [-2.0, 2.0, 0.3]]), np.array([0.3, -0.2, 0.1])


def linear():
    return nets.linear(WEIGHTS, BIAS)


def points(count=6, seed=0):
    return np.random.default_rng(seed).uniform(60, 190, (count, 1, 2, 1)).astype("float32")


def distances(images):
    """To the nearest boundary, and the class of each."""
    scores = images.reshape(-1, 2) @ WEIGHTS + BIAS
    own = scores.argmax(axis=1)
    gaps, found = scores.max(axis=1, keepdims=True) - scores, []
    for row, k in enumerate(own):
        norms = np.linalg.norm(WEIGHTS - WEIGHTS[:, [k]], axis=0)
        found.append(min(gaps[row, j] / norms[j] for j in range(3) if j != k))
    return np.array(found), own


def test_deepfool_finds_the_nearest_boundary_of_a_linear_network():
    images = points()
    nearest, own = distances(images)
    found = interpret.outcome(linear(), images, interpret.deepfool(linear(), images))
    assert found.fooled.all() and (found.before == own).all()
    # At most as far behind it as the overshoot.
    assert (found.l2 >= nearest * 0.999).all() and (found.l2 <= nearest * 1.021).all()
    sharp = interpret.outcome(linear(), images, interpret.deepfool(linear(), images, refinements=12, overshoot=0.1))
    np.testing.assert_allclose(sharp.l2, nearest, rtol=2e-3)


def test_fgsm_moves_every_value_by_the_sign_of_the_gradient():
    images, model = points(), linear()
    _, own = distances(images)
    scores = images.reshape(-1, 2).astype("float64") @ WEIGHTS + BIAS

    def slope(classes):
        """Of -log p, divided by 1 - p: the mean of the other classes' weights by their shares, less the weights."""
        others = np.where(np.eye(3)[classes] > 0, -np.inf, scores)
        shares = np.exp(others - others.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return ((shares - np.eye(3)[classes]) @ WEIGHTS.T).reshape(images.shape)

    expected = images + 3 * np.sign(slope(own))
    np.testing.assert_allclose(interpret.fgsm(model, images, epsilon=3.0), expected)
    aims = (own + 1) % 3
    expected = images - 3 * np.sign(slope(aims))
    np.testing.assert_allclose(interpret.fgsm(model, images, epsilon=3.0, targets=aims), expected)


def test_the_sign_is_found_where_the_network_is_quite_sure():
    """The probability is 1 in float32, and the gradient of the cross-entropy 0."""
    model, images = nets.linear([[9.0, -9.0], [-9.0, 9.0]]), np.array([[[[200.0], [10.0]]]])
    np.testing.assert_array_equal(interpret.fgsm(model, images, epsilon=2.0).ravel(), [198, 12])
    np.testing.assert_array_equal(interpret.fgsm(model, images, epsilon=2.0, targets=[1]).ravel(), [198, 12])


def test_the_formula_of_the_slide_lowers_the_error_and_the_sign_raises_it():
    model, images = nets.convolutional(), nets.pictures(8)
    labels = interpret.outcome(model, images, images).before

    def error(values):
        return -nets.scores(model, values)[np.arange(8), labels].mean()

    slope = -(interpret.saliency(model, images, labels))
    slope /= np.abs(slope).max()
    assert error(images - 2 * slope) < error(images) < error(interpret.fgsm(model, images, epsilon=2.0))


@pytest.mark.parametrize("attack", [interpret.fgsm, interpret.pgd, interpret.deepfool])
def test_the_box_and_epsilon_are_kept_and_wrong_images_left_out(attack):
    model, images = nets.convolutional(), nets.pictures(9)
    images[0], images[1] = 0, 255
    labels = interpret.outcome(model, images, images).before
    wrong = np.arange(9) % 3 == 0
    labels = np.where(wrong, (labels + 1) % 3, labels)
    before = images.copy()
    found = attack(model, images, labels)
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 255
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(found[wrong], images[wrong])
    assert (found[~wrong] != images[~wrong]).any(axis=(1, 2, 3)).all()
    if attack is not interpret.deepfool:
        assert np.abs(found - images).max() <= 2 + 1e-4
    result = interpret.outcome(model, images, found, labels)
    np.testing.assert_array_equal(result.attacked, ~wrong)
    assert not result.fooled[wrong].any()


def test_pgd_goes_at_least_as_far_up_as_fgsm_and_is_the_same_for_a_seed():
    model, images = nets.convolutional(), nets.pictures(8)
    labels = interpret.outcome(model, images, images).before

    def errors(values):
        return -nets.scores(model, values)[np.arange(8), labels]

    step = interpret.fgsm(model, images, labels, epsilon=4.0)
    walk = interpret.pgd(model, images, labels, epsilon=4.0, seed=3)
    assert errors(walk).mean() >= errors(step).mean() - 1e-4
    np.testing.assert_array_equal(walk, interpret.pgd(model, images, labels, epsilon=4.0, seed=3))
    assert (walk != interpret.pgd(model, images, labels, epsilon=4.0, seed=4)).any()


def test_targets_are_reached():
    images = points()
    _, own = distances(images)
    aims = (own + 2) % 3
    found = interpret.pgd(linear(), images, epsilon=150.0, steps=40, targets=aims)
    result = interpret.outcome(linear(), images, found, targets=aims)
    assert result.success_rate > 0.3 and (result.after[result.fooled] == aims[result.fooled]).all()
    same = interpret.outcome(linear(), images, images, targets=own)
    assert not same.attacked.any() and np.isnan(same.success_rate) and np.isnan(same.mean_l2)


def test_rates_rise_with_epsilon_and_the_least_is_told_of_each_image():
    images, model = points(20), linear()
    _, own = distances(images)
    labels = np.where(np.arange(20) == 3, (own + 1) % 3, own)
    rates, least = interpret.success_rates(
        interpret.fgsm, model, images, labels, epsilons=[64.0, 4.0, 0.0], box=(-500, 500)
    )
    assert list(rates) == [0.0, 4.0, 64.0] and rates[0.0] == 0 and rates[4.0] <= rates[64.0]
    assert np.isnan(least[3]) and set(least[~np.isnan(least)]) <= {4.0, 64.0, np.inf}
    assert rates[64.0] == np.isfinite(np.delete(least, 3)).mean()


def test_a_single_number_for_two_classes_is_attacked_too():
    model = nets.linear([[1.0], [-1.0]], [0.0], end="sigmoid")
    images = np.array([[[[120.0], [100.0]]]])
    found = interpret.outcome(model, images, interpret.deepfool(model, images))
    assert found.before == [1] and found.after == [0] and abs(found.l2[0] - 20 / np.sqrt(2)) < 0.4


def test_many_images_are_attacked_in_parts(monkeypatch):
    from kerasmlsp.interpret import _network

    model, images = nets.convolutional(), nets.pictures(7)
    for attack in (interpret.fgsm, interpret.pgd, interpret.deepfool):
        whole = attack(model, images)
        with monkeypatch.context() as patch:
            patch.setattr(_network, "BATCH", 3)
            assert np.abs(attack(model, images) - whole).max() < 0.5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: interpret.fgsm(m, x, epsilon=-1), "`epsilon` must be at least 0"),
        (lambda m, x: interpret.fgsm(m, x, epsilon=float("nan")), "`epsilon` must be at least 0"),
        (lambda m, x: interpret.fgsm(m, x, [0, 1]), "`labels` must be 3 numbers from 0 to 2. Received"),
        (lambda m, x: interpret.fgsm(m, x, [0, 1, 3]), "`labels` must be 3 numbers from 0 to 2. Received"),
        (lambda m, x: interpret.fgsm(m, x, targets=[-1]), "`targets` must be 3 numbers from 0 to 2. Received"),
        (lambda m, x: interpret.fgsm(m, 2 * x), "`images` must lie within the box"),
        (lambda m, x: interpret.fgsm(m, x, box=(255, 0)), "`images` must lie within the box"),
        (lambda m, x: interpret.fgsm(m, x[0]), "`images` must be"),
        (lambda m, x: interpret.pgd(m, x, steps=0), "`steps` must be at least 1"),
        (lambda m, x: interpret.deepfool(m, x, candidates=1), "`candidates` must be at least 2"),
        (lambda m, x: interpret.deepfool(m, np.where(x > 250, np.nan, x)), "`images` must lie within the box"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(nets.convolutional(), nets.pictures(3))


def blobs(count, seed):
    """Two classes that differ by a faint pattern and by a strong one that is there less reliably."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, count)
    images = random.normal(128, 4, (count, 6, 6, 1))
    images += 3 * (2 * labels[:, None, None, None] - 1) * np.indices((6, 6)).sum(0)[..., None] % 2
    strong = np.where(random.random(count) < 0.9, labels, 1 - labels)
    images[:, :3] += (60 * (2 * strong - 1))[:, None, None, None]
    return np.clip(images, 0, 255).astype("float32"), labels


def test_a_hardened_network_is_fooled_less():
    images, labels = blobs(256, 0)
    test, test_labels = blobs(128, 1)
    rates = []
    for epsilon in (0, 16):
        keras.utils.set_random_seed(0)
        layers = [keras.Input((6, 6, 1)), keras.layers.Rescaling(1 / 64, -2.0, name="scaled"), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(16, "relu"), keras.layers.Dense(2, "softmax")])
        model.compile(keras.optimizers.Adam(0.02), "categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
        if epsilon:
            interpret.harden(model, epsilon)
        model.fit(images, np.eye(2)[labels], batch_size=64, epochs=12, verbose=0)
        assert model.evaluate(test, np.eye(2)[test_labels], verbose=0)[1] > 0.8
        found = interpret.fgsm(model, test, test_labels, epsilon=16.0)
        rates.append(interpret.outcome(model, test, found, test_labels).success_rate)
    assert rates[1] < rates[0] - 0.2, rates


def test_hardening_behind_a_layer_trains_and_is_saved_plainly(tmp_path):
    model = nets.convolutional()
    model.compile("sgd", "categorical_crossentropy", jit_compile=False)
    interpret.harden(model, 0.1, layer="scaled", share=1.0, box=(0, 1))
    history = model.fit(nets.pictures(4), np.eye(3)[[0, 1, 2, 0]], verbose=0).history
    assert np.isfinite(history["loss"][0])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.compute_loss.__func__ is keras.Model.compute_loss
    for arguments in ({"epsilon": 0.0}, {"epsilon": 1.0, "share": 0.0}, {"epsilon": 1.0, "layer": "none"}):
        with pytest.raises(ValueError, match=r"`epsilon` must be above 0|`layer` must be one of the model's"):
            interpret.harden(model, **arguments)
