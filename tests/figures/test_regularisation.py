"""The numbers of the figures of regularisation, in their quick forms, and what the whole ones show."""

import keras
import numpy as np
import pytest

from kerasmlsp import figures, models
from kerasmlsp.figures import regularisation


def quick(name):
    return getattr(figures, name)(**figures.QUICK.get(name, {}))


def test_overfitting():
    figure, numbers = quick("overfitting")
    assert numbers["learnt"][1] < numbers["learnt"][0]
    for axes, error in zip(figure.axes, numbers["sine"], strict=True):
        sine, net = (each.get_ydata() for each in axes.get_lines()[:2])
        assert error == pytest.approx(np.mean((sine - net) ** 2), rel=1e-4)


@pytest.mark.slow
def test_thirty_units_learn_the_noise_by_heart():
    _, numbers = figures.overfitting()
    (stiff, right, _, wide), sine = numbers["learnt"], numbers["sine"]
    assert stiff > right > 10 * wide and sine[3] > 1.5 * sine[1] and sine[0] > 1.5 * sine[1]


def test_early_stopping():
    _, numbers = quick("early_stopping")
    assert numbers["steps"] == [2, 4, 6, 8, 10] and numbers["learnt"][-1] < numbers["learnt"][0]
    assert numbers["best"] == numbers["steps"][int(np.argmin(numbers["held_out"]))]


@pytest.mark.slow
def test_the_error_on_held_out_points_rises_again():
    _, numbers = figures.early_stopping()
    assert numbers["best"] < numbers["steps"][-1] and numbers["learnt"][-1] < numbers["learnt"][0] / 10
    assert numbers["held_out"][-1] > 1.1 * min(numbers["held_out"])


def test_l1_l2():
    _, numbers = quick("l1_l2")
    assert numbers["zero"] == {"without": 0, "L1": 9, "L2": 0}
    paths = numbers["paths"]
    np.testing.assert_allclose(paths["L1"][0], paths["L2"][0])
    assert (paths["L1"][-1] == 0).all() and (paths["L2"] != 0).all()
    # On its way the path of L1 runs along an axis.
    assert ((paths["L1"][:, 0] == 0) & (paths["L1"][:, 1] > 0)).any()


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_the_weights_are_the_minimum_of_what_the_library_trains_on(kind):
    random = np.random.default_rng(0)
    x = random.normal(size=(20, 4))
    t = x @ np.array([1.0, -1.0, 0.1, 0.0]) + random.normal(0, 0.2, 20)
    weights = {"l1": regularisation.lasso, "l2": regularisation.ridge}[kind](x, t, 0.3)
    model = models.linear_regression(4, **{kind: 0.3})

    def loss(values):
        model.set_weights([values[:, None], np.zeros(1)])
        data = np.mean((keras.ops.convert_to_numpy(model(x))[:, 0] - t) ** 2)
        return data + float(sum(model.losses))

    least = loss(weights)
    for change in np.concatenate([np.eye(4), -np.eye(4), random.normal(size=(10, 4))]):
        assert loss(weights + 0.02 * change) > least


def test_dropout():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Dropout Implementation": GM over `2^M` configurations."""
    _, numbers = quick("dropout")
    assert numbers["difference"] < 1e-5
    np.testing.assert_allclose(numbers["geometric"], numbers["scaled"], atol=1e-5)
    assert 1e-4 < np.abs(numbers["arithmetic"] - numbers["scaled"]).max() < 0.2
    assert numbers["distance"][-1] < numbers["distance"][:10].mean() / 2


def test_regularisers():
    _, numbers = quick("regularisers")
    assert len(numbers["new"]) == 7 and numbers["unit"]["max-norm 1"] <= 1 + 1e-5 < numbers["unit"]["none"]


@pytest.mark.slow
def test_regularisation_helps_on_new_points():
    _, numbers = figures.regularisers()
    assert numbers["learnt"]["none"] == 1
    assert all(value < numbers["loss"]["none"] for name, value in numbers["loss"].items() if name != "none")


def test_augmentation():
    figure, numbers = quick("augmentation")
    assert len(figure.axes) == 9 * 3 and all(1 < each < 100 for each in numbers["difference"].values())
