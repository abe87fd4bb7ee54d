"""Image models: published sizes, and what their parts compute, against NumPy."""

import keras
import numpy as np
import pytest

from kerasmlsp import models
from kerasmlsp.models import images as filters
from kerasmlsp.models import segmentation


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def trainable(builder, *arguments):
    """Parameters of a model that is never allocated."""
    with keras.StatelessScope(initialize_variables=False):
        model = builder(*arguments)
        count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    return count


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        ("lenet5", 10, 61_706),
        ("alexnet", 1000, 62_378_344),
        ("resnet18", 1000, 11_689_512),
        ("resnet34", 1000, 21_797_672),
        ("resnet50", 1000, 25_557_032),
        ("resnet20", 10, 269_722),
        ("plain20", 10, 269_722),
        ("efficientnet_lite0", 1000, 4_652_008),
    ],
)
def test_the_published_number_of_parameters(name, classes, parameters):
    assert trainable(getattr(models, name), classes) == parameters


def test_plain_networks_are_residual_ones_without_projections():
    projections = sum(n // 2 * n + 2 * n for n in (128, 256, 512))
    for plain, residual in ((models.plain18, models.resnet18), (models.plain34, models.resnet34)):
        assert trainable(residual, 10) - trainable(plain, 10) == projections


# ---- filters -------------------------------------------------------------------------------------------------------


def correlated(image, kernel):
    """A filter laid over every pixel of an image that goes on in zeros."""
    padded = np.pad(image, 1)
    rows, columns = image.shape
    return np.array([[(padded[i : i + 3, j : j + 3] * kernel).sum() for j in range(columns)] for i in range(rows)])


def test_the_filter_bank_is_its_kernels():
    images = np.random.default_rng(0).random((2, 6, 5, 3)).astype("float32")
    responses = numpy(models.filter_bank(input_shape=(6, 5, 3))(images))
    assert len(filters.FILTERS) == 9
    for channel in range(3):
        for place, kernel in enumerate(filters.FILTERS.values()):
            expected = correlated(images[1, :, :, channel], kernel)
            np.testing.assert_allclose(responses[1, :, :, 9 * channel + place], expected, atol=1e-5)


def test_the_filters_do_what_their_names_say():
    def response(image):
        return dict(zip(filters.FILTERS, numpy(bank(image[None, :, :, None]))[0, 2, 2], strict=True))

    bank = models.filter_bank(input_shape=(5, 5, 1))
    right = np.tile(np.arange(5, dtype="float32"), (5, 1))
    flat, across, down = response(np.full((5, 5), 3.0, "float32")), response(right), response(right.T)
    blurs = {"identity": 3, "sharpen": 3, "box_blur": 3, "gaussian_blur": 3}
    assert flat == pytest.approx({name: blurs.get(name, 0) for name in filters.FILTERS}, abs=1e-5)
    assert (across["horizontal_sobel"], across["vertical_sobel"]) == (8, 0)
    assert (down["horizontal_sobel"], down["vertical_sobel"]) == (0, 8)


def test_the_filter_bank_keeps_float32_and_learns_nothing():
    bank = models.filter_bank(input_shape=(5, 5, 1))
    assert not bank.trainable_weights and bank.count_params() == 81


# ---- residual networks ---------------------------------------------------------------------------------------------


def without_branches(model):
    """Makes what the blocks add to their skips zero."""
    for layer in model.layers:
        if layer.name.startswith("stage") and layer.name.endswith("_norm") and "skip" not in layer.name:
            layer.gamma.assign(keras.ops.zeros_like(layer.gamma))
    return model


def stem_and_last(model, images):
    parts = keras.Model(model.input, [model.get_layer("stem_relu").output, model.get_layer("pooled").input])
    return [numpy(each) for each in parts(images, training=False)]


def test_identity_skips_of_resnet20_have_no_weights():
    """Without branches every second pixel comes through as it was, between channels of zeros."""
    images = np.random.default_rng(0).random((2, 9, 8, 3)).astype("float32")
    model = without_branches(models.resnet20(3, input_shape=(9, 8, 3), width=4))
    assert not [weight.path for weight in model.weights if "skip" in weight.path]
    stem, last = stem_and_last(model, images)
    # 4 channels became 8 with 2 before and after them, and 16 with 4 more.
    expected = np.zeros((2, 3, 2, 16), "float32")
    expected[..., 6:10] = stem[:, ::2, ::2][:, ::2, ::2]
    assert stem.any()
    np.testing.assert_allclose(last, expected, atol=1e-6)


def test_weighted_skips_have_weights_in_every_block():
    keras.utils.set_random_seed(0)
    model = models.resnet20_weighted(3, input_shape=(8, 8, 3), width=16)
    assert len([layer for layer in model.layers if layer.name.endswith("_skip_conv")]) == 9
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    assert stem_and_last(without_branches(model), images)[1].any()


def test_plain_networks_have_nothing_but_their_branches():
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype("float32")
    model = without_branches(models.plain20(3, input_shape=(8, 8, 3), width=4))
    assert not stem_and_last(model, images)[1].any()
    assert not [layer.name for layer in model.layers if "add" in layer.name or "skip" in layer.name]


@pytest.mark.parametrize(
    ("name", "skips", "projections"),
    [("resnet18", 8, 3), ("resnet34", 16, 3), ("resnet50", 16, 4), ("resnet20", 9, 0), ("plain34", 0, 0)],
)
def test_skips_and_projections_are_counted(name, skips, projections):
    with keras.StatelessScope(initialize_variables=False):
        names = [layer.name for layer in getattr(models, name)(2, input_shape=(32, 32, 3), width=2).layers]
    assert sum(each.endswith("_add") for each in names) == skips
    assert sum(each.endswith("_skip_conv") for each in names) == projections


@pytest.mark.parametrize("size", [(9, 8), (8, 11)])
def test_narrow_skips_drop_pixels_before_they_are_projected(size):
    """What a filter of 1x1 with strides does, without one: see `_projected`."""
    with keras.StatelessScope(initialize_variables=False):
        wide = models.resnet18(2, input_shape=(32, 32, 3), width=8).get_layer("stage_2_block_1_skip_conv")
        assert wide.strides == (2, 2)
    model = models.resnet18(2, input_shape=(4 * size[0], 4 * size[1], 3), width=4, repeats=(1, 1))
    skip = model.get_layer("stage_2_block_1_skip_conv")
    assert skip.strides == (1, 1)
    parts = keras.Model(model.input, [model.get_layer("stage_1_block_1_relu").output, skip.output])
    images = np.random.default_rng(0).random((2, *model.input_shape[1:])).astype("float32")
    before, after = (numpy(each) for each in parts(images, training=False))
    strided = keras.ops.conv(before, skip.kernel, strides=2, padding="same")
    np.testing.assert_allclose(after, numpy(strided), rtol=1e-5, atol=1e-6)


# ---- segmentation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4])
def test_the_bilinear_kernel_interpolates(factor):
    """Away from the border it is the resize of the same factor."""
    maps = np.random.default_rng(0).random((1, 5, 6, 2)).astype("float32")
    kernel = segmentation.bilinear_kernel(factor, 2)
    up = numpy(keras.ops.conv_transpose(maps, kernel, factor, "same"))
    expected = numpy(keras.layers.UpSampling2D(factor, interpolation="bilinear")(maps))
    assert up.shape == expected.shape == (1, 5 * factor, 6 * factor, 2)
    inner = np.s_[:, factor:-factor, factor:-factor]
    np.testing.assert_allclose(up[inner], expected[inner], atol=1e-5)
    line = {2: [0.25, 0.75, 0.75, 0.25], 4: [0.125, 0.375, 0.625, 0.875, 0.875, 0.625, 0.375, 0.125]}[factor]
    np.testing.assert_allclose(kernel[:, :, 1, 1], np.outer(line, line))
    assert not kernel[:, :, 0, 1].any()


def test_finer_scores_begin_as_nothing():
    """So FCN-16s is at first FCN-32s with another interpolation, whose inner pixels are those of its coarse scores."""
    options = {"input_shape": (64, 96, 3), "filters": (2, 2, 3, 3, 4), "units": 5}
    model = models.fcn_16s(3, **options)
    parts = [model.get_layer(name).output for name in ("sum_16", "up_16")]
    images = np.random.default_rng(0).random((1, 64, 96, 3)).astype("float32")
    summed, raised = (numpy(each) for each in keras.Model(model.input, parts)(images))
    np.testing.assert_array_equal(summed, raised)
    assert raised.any()
    assert {layer.name for layer in models.fcn_8s(3, **options).layers} >= {"up_16", "up_8", "scores_16", "scores_8"}


@pytest.mark.parametrize("shape", [(32, 32, 1), (33, 63, 3), (45, 60, 3)])
@pytest.mark.parametrize("name", ["fcn_32s", "fcn_16s", "fcn_8s", "segmentation_net"])
def test_images_of_any_size_get_a_probability_for_every_pixel(name, shape):
    with keras.StatelessScope(initialize_variables=False):
        output = getattr(models, name)(4, input_shape=shape).output
    assert output.shape == (None, *shape[:2], 4) and output.dtype == "float32"


def small_encoder(shape):
    return models.efficientnet_lite0_features(input_shape=shape, width=0.25, depth=0.25, name="encoder")


@pytest.mark.parametrize("name", ["fcn_32s", "fcn_16s", "fcn_8s", "segmentation_net"])
def test_segmentation_takes_the_features_of_an_encoder(name):
    shape = (45, 60, 3)
    encoder = small_encoder(shape)
    fcn = {"units": 4, "dropout": 0.0}
    options = {"filters": (2, 3, 3, 3, 3, 3)} if name == "segmentation_net" else fcn
    model = getattr(models, name)(4, input_shape=shape, encoder=encoder, **options)
    assert model.output_shape == (None, 45, 60, 4)
    assert {weight.path for weight in encoder.weights} <= {weight.path for weight in model.weights}
    # An encoder without weights of its own makes all images alike, unless the batch normalises them.
    images = np.random.default_rng(0).uniform(0, 255, (2, *shape)).astype("float32")
    found = numpy(model(images, training=True))
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-4)
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_an_encoder_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="`encoder` must take images of `input_shape`"):
        models.fcn_8s(3, input_shape=(64, 64, 3), encoder=small_encoder((32, 32, 3)))
    whole = small_encoder((64, 64, 3))
    cut = keras.Model(whole.inputs, whole.get_layer("stem_conv").output)
    with pytest.raises(ValueError, match="halve them 5 times"):
        models.fcn_8s(3, input_shape=(64, 64, 3), encoder=cut)
    shallow = models.segmentation_net(3, input_shape=(64, 64, 3), filters=(2, 3), encoder=cut)
    assert shallow.output_shape == (None, 64, 64, 3)
