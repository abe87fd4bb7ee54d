"""The numbers of the figures of the foundations, in their quick forms, and what the whole ones show."""

import math

import numpy as np
import pytest

from kerasmlsp import figures, models
from kerasmlsp.figures import _data, _fitting


def quick(name):
    return getattr(figures, name)(**figures.QUICK.get(name, {}))


def line(axes, label):
    """What an axes shows under a label."""
    return next(each for each in axes.get_lines() if each.get_label() == label).get_ydata()


def test_linear_boundaries():
    figure, numbers = quick("linear_boundaries")
    mistakes = numbers["mistakes"]
    assert mistakes["two clouds"][0] > 0 == mistakes["two clouds"][-1] and min(mistakes["exclusive or"]) > 0
    points, labels = _data.clouds(60, 0)
    *weights, bias = numbers["lines"]["two clouds"][-1]
    np.testing.assert_array_equal(points @ np.array(weights) + bias >= 0, labels == 1)
    np.testing.assert_array_equal(line(figure.axes[2], "exclusive or"), mistakes["exclusive or"])


def test_the_rule_is_gradient_descent_on_the_perceptron_of_the_library():
    """With a rate of 1/2, since the squared error of Keras is not halved."""
    import keras

    (points, labels), model = _data.clouds(20, 1), models.perceptron(2)
    model.compile(keras.optimizers.SGD(0.5), "mean_squared_error", jit_compile=False)
    for point, label in zip(points, labels, strict=True):
        model.train_on_batch(point[None], np.array([[label]]))
    from kerasmlsp.figures import foundations_boundaries

    lines, _ = foundations_boundaries._rule(points, labels, 1)
    np.testing.assert_allclose(np.concatenate([each.ravel() for each in model.get_weights()]), lines[0], atol=1e-4)


def test_cover():
    figure, numbers = quick("cover")
    assert numbers["accuracy"]["given"] < 0.8 and numbers["accuracy"]["lifted"] == 1
    # The plane is the circle between disc and ring: x1^2 and x2^2 count about alike.
    first, mixed, second, bias = numbers["plane"]
    assert first == pytest.approx(second, rel=0.5) and abs(mixed) < first and 1 < -bias / first < 1.4**2
    assert figure.axes[1].get_zlabel() == "√2 x₁x₂"
    # The line that the rule ends with is not the best one: the title must not say what lines can do.
    assert figure.axes[0].get_title() == f"given: the rule's line gets {numbers['accuracy']['given']:.0%}"
    points, labels = _data.rings(120, 0)
    turns = np.linspace(0, 2 * np.pi, 73)
    heights = points @ np.stack([np.cos(turns), np.sin(turns)])
    decided = heights[:, None] >= np.linspace(-2, 2, 81)[:, None]
    best = np.mean(decided == labels[:, None, None], axis=0).max()
    assert numbers["accuracy"]["given"] + 0.1 < best < 0.75


def test_kernels():
    _, numbers = quick("kernels")
    assert all(numbers["off"][f"polynomial, n = {n}"] < 1e-3 for n in (1, 2, 5))
    # 600 waves: the error is about 1 / sqrt(600), at most a few times that.
    assert all(numbers["off"][f"Gaussian, h = {h}"] < 5 / math.sqrt(600) for h in ("0.02", "0.5", "50"))
    assert numbers["learnt"]["Gaussian, h = 0.02"] == 1 > numbers["new"]["Gaussian, h = 0.5"]
    assert numbers["new"]["Gaussian, h = 0.5"] > numbers["new"]["Gaussian, h = 0.02"]
    assert numbers["new"]["polynomial, n = 5"] > numbers["new"]["polynomial, n = 1"]


def test_universal_approximator():
    figure, numbers = quick("universal_approximator")
    for axes, (name, error) in zip(figure.axes, numbers["error"].items(), strict=True):
        target, net = line(axes, "function"), line(axes, "net")
        assert error == pytest.approx(np.mean((target - net) ** 2), rel=1e-4), name
        assert len([each for each in axes.get_lines() if each.get_color() == "grey"]) == 3  # hidden units
    assert (
        numbers["variance"]["sign x"] == pytest.approx(1) and numbers["error"]["sin πx"] < numbers["variance"]["sin πx"]
    )


@pytest.mark.slow
def test_three_units_come_near_the_four_functions():
    _, numbers = figures.universal_approximator()
    shares = {name: numbers["error"][name] / numbers["variance"][name] for name in numbers["error"]}
    assert max(shares.values()) < 0.05, shares


def test_weight_symmetry():
    """Sri Rama Murty, (Deep) Neural Networks (2021), "Weight Space Symmetry": `2^M M!` points."""
    _, numbers = quick("weight_symmetry")
    assert numbers["counted"] == [2**m * math.factorial(m) for m in (1, 2, 3, 4)]
    assert numbers["difference"] < 1e-5 and numbers["error"] < 1e-6
    assert len(np.unique(numbers["minima"], axis=0)) == 8


def test_losses():
    _, numbers = quick("losses")
    x = numbers["x"]
    share = 1 / (1 + np.exp(-x))
    np.testing.assert_allclose(numbers["slopes"]["cross-entropy"], share - 1, atol=1e-6)
    np.testing.assert_allclose(numbers["slopes"]["squared error / 2"], (share - 1) * share * (1 - share), atol=1e-6)
    np.testing.assert_allclose(numbers["regression"]["Huber"], np.where(abs(x) < 1, x**2 / 2, abs(x) - 0.5), atol=1e-6)
    # What is badly wrong is corrected by the cross-entropy, and hardly by the squared error.
    assert numbers["slopes"]["cross-entropy"][0] < -0.9 and numbers["slopes"]["squared error / 2"][0] > -0.05


def test_batch_size():
    _, numbers = quick("batch_size")
    assert {name: len(path) for name, path in numbers["paths"].items()} == {
        "batch": 13,
        "mini-batch": 61,
        "online": 481,
    }
    assert (np.diff(numbers["errors"]["batch"]) < 0).all() and (np.diff(numbers["errors"]["online"]) > 0).any()
    # An epoch of small steps leads further than one large step.
    assert numbers["errors"]["online"][1] < numbers["errors"]["mini-batch"][1] < numbers["errors"]["batch"][1]
    random = np.random.default_rng(0)
    x = random.normal(size=(40, 1))
    t = 1.5 * x + 0.5 + random.normal(0, 0.5, (40, 1))
    first, second = numbers["paths"]["batch"][:2]
    model = models.linear_regression(1)
    model.set_weights([first[:1, None], first[1:]])
    slopes = np.concatenate([each.ravel() for each in _fitting.gradients(model, x.astype("f4"), t.astype("f4"))])
    np.testing.assert_allclose(first - 0.25 * slopes, second, atol=1e-5)


def test_backprop_cost():
    _, numbers = quick("backprop_cost")
    assert numbers["weights"] == [2 * width * (width + 1) for width in (4, 16, 64)] and numbers["difference"] < 0.01
    ratios = np.divide(numbers["perturbation"], numbers["backpropagation"])
    # About as many passes as weights, on a machine that others use too.
    assert ratios[0] > 5 and ratios[-1] > 100


def test_saddle():
    _, numbers = quick("saddle")
    assert numbers["curvatures"] == [-1, 1] and numbers["steps"] == sorted(numbers["steps"])
    # It stands still at the error of the saddle point, 1/2, then goes on to 0.
    nearest = numbers["errors"][-1]
    assert abs(nearest[20:35] - 0.5).max() < 0.02 and nearest[-1] < 1e-6
    assert numbers["norms"][-1][15:35].min() < 0.15 < numbers["norms"][-1].max()


def test_initialisation():
    _, numbers = quick("initialisation")
    kept, sent = numbers["activations"], numbers["gradients"]
    # sqrt(100) * 0.01: a tenth is left after each layer.
    np.testing.assert_allclose(kept["0.01"], 0.1 ** np.arange(1, 11), rtol=0.1)
    assert kept["0.01"][-1] < kept["as printed, √2 / (in + out)"][-1] < kept["Glorot normal"][-1] < kept["1"][-1]
    assert kept["Glorot normal"][-1] > 2 * kept["as printed, √2 / (in + out)"][-1]
    assert sent["1"][0] > 100 * sent["1"][-1] and 0.5 < sent["Glorot normal"][0] / sent["Glorot normal"][-1] < 2


def test_activations():
    _, numbers = quick("activations")
    x, slopes = numbers["x"], numbers["derivatives"]
    assert len(slopes) == 9 and slopes["logistic"].max() == 0.25
    assert slopes["tanh"].max() == 1  # at 0, where the slide says less than 1
    np.testing.assert_allclose(slopes["softplus"], numbers["values"]["logistic"], atol=1e-6)
    np.testing.assert_allclose(slopes["arctan"], 1 / (1 + x**2), atol=1e-6)


def test_training_speed():
    figure, numbers = quick("training_speed")
    ratio = {name: norms[0] / norms[-1] for name, norms in numbers["updates"].items()}
    assert ratio["sigmoid"] < 0.1 < ratio["tanh"] and ratio["residual, relu"] > ratio["relu"]
    np.testing.assert_array_equal(line(figure.axes[0], "sigmoid"), numbers["updates"]["sigmoid"])
    with pytest.raises(ValueError, match="`depth` must be even"):
        figures.training_speed(depth=3)


def test_depth():
    _, numbers = quick("depth")
    assert numbers["pieces"]["deep"] == 32 and numbers["pieces"]["shallow"] <= 2 * 5 + 1 and numbers["units"] == 10
    # What a constant leaves of a sawtooth between 0 and 1 is 1/12.
    assert numbers["error"]["deep"] < 1e-9 and numbers["error"]["shallow"] == pytest.approx(1 / 12, rel=0.02)


def test_overparametrisation():
    figure, numbers = quick("overparametrisation")
    assert len(numbers["error"]) == 2 and len(numbers["same"]) == 1 and numbers["error"][1] < numbers["error"][0]
    np.testing.assert_allclose(figure.axes[1].get_lines()[0].get_ydata(), numbers["error"])
    figure.draw_without_rendering()
    for axes in figure.axes:
        label = axes.yaxis.label.get_window_extent()
        assert figure.bbox.y0 <= label.y0 and label.y1 <= figure.bbox.y1  # nothing of it is cut off


@pytest.mark.slow
def test_wide_nets_meet_every_label_each_in_its_own_way():
    _, numbers = figures.overparametrisation()
    assert numbers["error"][0] > 0.1 > 1e-2 > max(numbers["error"][-1], *numbers["same"])
    assert numbers["spread"]["between"] > 5 * numbers["spread"]["at points"]
