"""The numbers of the figures of vision, in their quick forms, and what the whole ones show."""

import keras
import numpy as np
import pytest

from kerasmlsp import figures
from kerasmlsp.figures import _fitting, _vision, vision_depth, vision_invariance


def quick(name, **options):
    return getattr(figures, name)(**{**figures.QUICK.get(name, {}), **options})


def test_filters(tmp_path):
    figure, numbers = quick("filters")
    assert numbers["difference"]["identity"] == 1 and len(figure.axes) == 9
    blurred, sharper = (numbers["difference"][name] for name in ("gaussian_blur", "sharpen"))
    assert numbers["difference"]["box_blur"] < blurred < 0.8 and sharper > 1.5
    # A picture of one brightness: of the edges nothing is left.
    import matplotlib.image

    flat = tmp_path / "flat.png"
    matplotlib.image.imsave(flat, np.full((16, 20, 3), 0.5))
    images = [axes.get_images()[0].get_array() for axes in quick("filters", picture=flat).figure.axes]
    for total, image in zip(numbers["sum"].values(), images, strict=True):
        np.testing.assert_allclose(image, 128 * total, atol=1.0)


def test_first_filters():
    _, numbers = quick("first_filters")
    assert numbers["before"].shape == numbers["after"].shape == (6, 5, 5)
    moved = np.abs(numbers["after"] - numbers["before"]).max((1, 2))
    assert moved.min() > 1e-4 and abs(numbers["correlation"]["before"]) < 0.3


@pytest.mark.slow
def test_learnt_filters_are_smoother_than_noise():
    _, numbers = figures.first_filters()
    assert numbers["correlation"]["after"] > numbers["correlation"]["before"] + 0.2


def test_shuffled_pixels():
    _, numbers = quick("shuffled_pixels")
    # The same net in another order of pixels: the same probabilities after learning.
    assert numbers["difference"] < 1e-3
    assert numbers["accuracy"]["dense"]["plain"] == numbers["accuracy"]["dense"]["shuffled"]
    assert numbers["correlation"]["plain"] > 0.8 and abs(numbers["correlation"]["shuffled"]) < 0.1


@pytest.mark.slow
def test_a_convolutional_net_needs_neighbours():
    _, numbers = figures.shuffled_pixels()
    accuracy = numbers["accuracy"]
    assert accuracy["convolutional"]["plain"] > accuracy["dense"]["plain"]
    assert accuracy["convolutional"]["plain"] > accuracy["convolutional"]["shuffled"] + 0.03


def test_invariance():
    figure, numbers = quick("invariance")
    accuracy = numbers["accuracy"]
    # Nothing is changed by 0, nor by a growth of 1.
    same = [accuracy[change]["dense"][0] for change in ("moved by pixels", "turned by degrees", "deformed, alpha")]
    assert same[0] == same[1] == same[2] == accuracy["grown by"]["dense"][3]
    assert all(len(values) == 6 for each in accuracy.values() for values in each.values()) and len(figure.axes) == 8


def test_changes_of_digits_are_what_they_are_called():
    images = np.zeros((2, 9, 9, 1), "float32")
    images[:, 4, 4:7] = 1
    moved = vision_invariance._changed(images, "moved by pixels", 2, 0)
    for image, after, (right, down) in zip(
        images, moved, np.random.default_rng(0).choice([-2, 2], (2, 2)), strict=True
    ):
        np.testing.assert_allclose(after, np.roll(image, (down, right), (0, 1)), atol=1e-5)
    turned = vision_invariance._changed(images, "turned by degrees", 90, 0)
    np.testing.assert_allclose(np.abs(turned[..., 4, 0].sum(1)), 3, atol=1e-4)
    grown = vision_invariance._changed(images, "grown by", 2.0, 0)
    assert grown[0].sum() == pytest.approx(4 * images[0].sum(), rel=0.3)


@pytest.mark.slow
def test_a_convolutional_net_stands_more_than_a_dense_one():
    _, numbers = figures.invariance()
    means = {
        name: np.mean([np.mean(each[name]) for each in numbers["accuracy"].values()])
        for name in ("dense", "convolutional", "changed copies")
    }
    assert means["dense"] + 0.02 < means["convolutional"] < means["changed copies"] - 0.02


def test_pooling():
    _, numbers = quick("pooling")
    single, _, mean, blurred = numbers["aliasing"].values()
    assert single > 0.9 and mean < 0.2 and blurred < 0.05
    # The largest is no mean: of grey it makes white.
    level = list(numbers["level"].values())
    assert level[1] > 0.9 and max(abs(level[2]), abs(level[3])) < 0.05
    every, *_, after = numbers["moved"].values()
    assert every > after


def test_receptive_field():
    _, numbers = quick("receptive_field")
    assert list(numbers["sizes"].values()) == [11, 19, 51, 67, 99, 131, 163, 195]
    assert all(each < 1e-6 for each in numbers["outside"].values())
    # The middle counts most: of even gradients half would hold a half.
    assert numbers["half"]["conv_3"] < 0.3 < numbers["half"]["conv_1"] < 0.5


def test_feature_maps():
    _, numbers = quick("feature_maps")
    assert numbers["shapes"] == {
        "conv_1": (24, 24, 6),
        "pool_1": (12, 12, 6),
        "conv_2": (8, 8, 16),
        "pool_2": (4, 4, 16),
    }
    for name, moved in numbers["moved"].items():
        assert moved < 1e-4 and numbers["stay"][name] > 0.1


def test_feature_maps_of_a_zero():
    assert "shapes" in quick("feature_maps", digit=0).numbers


def test_layer_hierarchy():
    _, numbers = quick("layer_hierarchy")
    assert numbers["sizes"] == {"conv_1": 5, "conv_2": 15, "conv_3": 27, "conv_5": 43}
    assert all(abs(each) < 1e-4 for each in numbers["outside"].values())


@pytest.mark.slow
def test_classes_come_apart_from_layer_to_layer():
    _, numbers = figures.layer_hierarchy()
    nearest = numbers["nearest"]
    assert nearest["conv_5"] > 0.95 and nearest["conv_5"] >= nearest["conv_3"] > nearest["pixels"] + 0.05


def test_maximisation():
    _, numbers = quick("maximisation")
    assert numbers["images"]["smooth"].shape == (10, 28, 28)
    start, without, smooth = (np.mean(each) for each in numbers["probability"].values())
    assert without > start and smooth > start


@pytest.mark.slow
def test_images_that_excite_a_class_are_smooth_with_a_prior_only():
    _, numbers = figures.maximisation()
    # From noise alone the ascent of one class may stay where no slope leads to it.
    assert min(numbers["probability"]["smooth"]) > 0.9 and np.mean(numbers["probability"]["without prior"]) > 0.85
    assert numbers["correlation"]["smooth"] > 0.5 > numbers["correlation"]["without prior"]


def test_resnet_vs_plain():
    figure, numbers = quick("resnet_vs_plain")
    assert [each.shape for losses in numbers["loss"].values() for each in losses.values()] == [(1, 1)] * 4
    shown = figure.axes[0].get_lines()[1].get_ydata()
    np.testing.assert_allclose(shown, numbers["loss"]["plain"][8][0])
    # Both panels have one scale, which leaves out none of the curves.
    highest = max(each.max() for losses in numbers["loss"].values() for each in losses.values())
    (low, high), other = (axes.get_ylim() for axes in figure.axes)
    assert low == 0 and high >= highest and (low, high) == other
    with pytest.raises(ValueError, match=r"`depths` must be numbers 6 n \+ 2.*Received: depths=\(8, 10\)"):
        figures.resnet_vs_plain(depths=(8, 10))


def test_each_start_of_a_net_is_another_and_the_same_again():
    digits, net = _vision.digits(None, 40, 1, 0, 16), keras.Sequential([keras.Input((16, 16, 1))])
    net.add(keras.layers.Flatten())
    net.add(keras.layers.Dense(10, "softmax"))
    start = net.get_weights()
    first = vision_depth._losses(net, digits, 2, 2, 2, 0.05)
    net.set_weights(start)
    again = vision_depth._losses(net, digits, 2, 2, 2, 0.05)
    np.testing.assert_allclose(first, again, rtol=1e-5)
    assert np.abs(first[0] - first[1]).min() > 1e-3


@pytest.mark.slow
def test_a_deep_net_learns_with_skips_alone():
    _, numbers = figures.resnet_vs_plain()
    plain, residual = numbers["last"]["plain"], numbers["last"]["residual"]
    assert (plain[56] > plain[20]).all() and residual[56].mean() < plain[56].mean() / 2


def test_feature_pruning():
    _, numbers = quick("feature_pruning")
    accuracy = {name: list(curve.values()) for name, curve in numbers["accuracy"].items()}
    whole, *_, least = accuracy["least sensitive"]
    assert whole > 0.5 and whole == accuracy["most sensitive"][0]
    # Four fifths of the pixels: those that count least, and those that count most.
    assert least > accuracy["random"][-1] > accuracy["most sensitive"][-1]


def test_fgsm():
    _, numbers = quick("fgsm")
    fooled = numbers["fooled"]
    assert fooled["FGSM"][0] == 0 and fooled["FGSM"] == sorted(fooled["FGSM"])
    assert fooled["FGSM"][1] > 2 * fooled["random signs"][1] and fooled["FGSM"][-1] > 0.8
    assert fooled["minus, as on the slide"] == [0, 0, 0]


def test_deepfool():
    _, numbers = quick("deepfool")
    # A net that has hardly learnt has boundaries that are hard to find.
    assert numbers["fooled"]["DeepFool"] > 0.7
    assert numbers["l2"]["DeepFool"] < 0.8 * numbers["l2"]["FGSM"] < numbers["images"]


@pytest.mark.slow
def test_deepfool_alters_answers_by_less_than_fgsm():
    _, numbers = figures.deepfool()
    assert numbers["fooled"]["DeepFool"] > 0.8 and numbers["l2"]["DeepFool"] < 0.6 * numbers["l2"]["FGSM"]


def test_small_batches_take_all_examples_before_one_comes_again():
    net = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2, "softmax", kernel_initializer="zeros")])
    x = np.arange(6, dtype="float32")[:, None]
    losses = _fitting.learn(net, x, (x[:, 0] > 2).astype(int), steps=20, rate=0.3, batch=3, looks=4)
    assert len(losses) == 4 and losses[0] > losses[-1]
    np.testing.assert_array_equal(net.predict(x, verbose=0).argmax(1), [0, 0, 0, 1, 1, 1])
