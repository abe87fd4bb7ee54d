"""Feature maps, filters, receptive fields, and images made by networks."""

import keras
import nets
import numpy as np
import pytest

from kerasmlsp import interpret, models


def test_feature_maps_are_what_the_layers_give():
    model, images = nets.convolutional(), nets.pictures()
    first = model.get_layer("first")(model.get_layer("scaled")(images))
    np.testing.assert_allclose(
        interpret.feature_maps(model, images, "first"), keras.ops.convert_to_numpy(first), rtol=1e-5
    )
    second = model.layers[-1].get_layer("second")(first)
    np.testing.assert_allclose(
        interpret.feature_maps(model, images, "second"), keras.ops.convert_to_numpy(second), rtol=1e-5
    )
    assert interpret.layers(model)["second"] == (None, 6, 6, 6)


def test_layers_of_one_name_are_told_apart_by_their_model():
    inner = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.ReLU(name="same")], name="inner")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.ReLU(name="same"), inner])
    assert list(interpret.layers(model)) == ["same", "inner/same"]


def test_filters_are_those_of_the_convolutions():
    model = nets.convolutional()
    kernel = model.get_layer("first").get_weights()[0]
    np.testing.assert_array_equal(interpret.filters(model), kernel.transpose(3, 0, 1, 2))
    assert interpret.filters(model, "second").shape == (6, 3, 3, 4)
    depthwise = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.DepthwiseConv2D(5)])
    assert interpret.filters(depthwise).shape == (3, 5, 5, 1)
    with pytest.raises(ValueError, match="convolution of images: first, second"):
        interpret.filters(model, "pooled")


def branched(size=21):
    """Strides, dilation, both paddings, pooling, and branches that meet."""
    images = keras.Input((size, size, 2))
    left = keras.layers.Conv2D(3, 5, strides=2, padding="same")(images)
    right = keras.layers.MaxPooling2D(2, padding="same")(images)
    right = keras.layers.Conv2D(3, 3)(keras.layers.ZeroPadding2D(((2, 0), (1, 1)))(right))
    maps = keras.layers.BatchNormalization()(keras.layers.Add()([left, right]))
    maps = keras.layers.Conv2D(2, 3, dilation_rate=2, padding="same", name="dilated")(maps)
    return keras.Model(images, keras.layers.AveragePooling2D(3, 2, name="pooled")(maps))


@pytest.mark.parametrize("layer", ["dilated", "pooled"])
def test_receptive_fields_are_where_the_gradient_is(layer):
    model = branched()
    rows, _ = interpret.receptive_field(model, layer)
    field = interpret.effective_field(model, np.random.default_rng(0).normal(size=(4, 21, 21, 2)), layer)
    seen = np.flatnonzero(field.max(axis=1) > 0)
    unit = interpret.layers(model)[layer][1] // 2
    assert (seen.min(), seen.max()) == (rows.first + unit * rows.stride, rows.last + unit * rows.stride)
    assert field.max() == 1


def test_receptive_fields_of_residual_networks_are_those_of_their_longest_way():
    model = models.gesture_resnet(3, input_shape=(64, 64, 3), width=8, num_stages=2)
    name = [each for each, shape in interpret.layers(model).items() if len(shape) == 4][-1]
    field = interpret.effective_field(model, np.random.default_rng(0).uniform(0, 255, (2, 64, 64, 3)), name)
    rows, columns = interpret.receptive_field(model, name)
    assert rows == columns and (field.max(axis=1) > 0).sum() <= rows.size


def test_what_sees_everything_has_no_field_by_kernels():
    images = keras.Input((8, 8, 1))
    maps = keras.layers.LayerNormalization(axis=(1, 2), name="light")(images)
    model = keras.Model(images, keras.layers.Conv2D(1, 3, name="maps")(maps))
    with pytest.raises(ValueError, match=r"light before it is a LayerNormalization.*`effective_field`"):
        interpret.receptive_field(model, "maps")
    open_size = keras.Sequential([keras.Input((None, None, 1)), keras.layers.Conv2D(1, 3, padding="same", name="maps")])
    with pytest.raises(ValueError, match="known height and width"):
        interpret.receptive_field(open_size, "maps")


def test_maximised_images_excite_the_class_more_than_any_picture():
    model = nets.convolutional()
    found = interpret.maximise(model, [0, 1, 2], steps=60, jitter=2, smoothness=0.5, seed=1)
    assert found.shape == (3, 12, 12, 3) and found.min() >= 0 and found.max() <= 255
    ours, others = nets.scores(model, found), nets.scores(model, nets.pictures(40))
    assert (np.diag(ours) > others.max(axis=0)).all()
    np.testing.assert_array_equal(
        found, interpret.maximise(model, [0, 1, 2], steps=60, jitter=2, smoothness=0.5, seed=1)
    )
    maps = interpret.maximise(model, [5], layer="second", steps=40, jitter=1, smoothness=0.5)
    means = [
        interpret.feature_maps(model, each, "second")[..., 5].mean(axis=(1, 2)) for each in (maps, nets.pictures(40))
    ]
    assert means[0][0] > means[1].max() or not means[0].any()


def test_an_early_layer_still_knows_the_image_and_a_late_one_less():
    model, images = nets.convolutional(), nets.pictures(2)
    near, small = interpret.reconstruct(model, images, "scaled", steps=150, smoothness=0.0)
    far, _ = interpret.reconstruct(model, images, "pooled", steps=150, smoothness=0.0)
    assert small.max() < 0.01
    assert np.abs(near - images).mean() < 12 < np.abs(far - images).mean()


def test_projections_stay_within_the_receptive_field_of_the_strongest_unit():
    model, images = nets.convolutional(), nets.pictures(1)
    maps = interpret.feature_maps(model, images, "first")[0]
    for unit in range(4):
        place = np.unravel_index(maps[..., unit].argmax(), maps.shape[:2])
        for rule in ("deconvolution", "guided", "plain"):
            found = np.argwhere(interpret.project(model, images, "first", unit=unit, rule=rule)[0].any(axis=-1))
            assert (np.abs(found - place) <= 1).all() and (len(found) or not maps[..., unit].any())
    assert interpret.project(model, images, "second").shape == images.shape


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m, x: interpret.maximise(m, [3]), "`units` must be numbers from 0 to 2. Received"),
        (lambda m, x: interpret.maximise(m, [6], layer="second"), "`units` must be numbers from 0 to 5"),
        (lambda m, x: interpret.maximise(m, [0], decay=1.0), "`decay` must be in"),
        (lambda m, x: interpret.maximise(m, [0], steps=0), "`steps` must be at least 1"),
        (lambda m, x: interpret.project(m, x, "first", unit=4), "`unit` must be a number from 0 to 3 or None"),
        (lambda m, x: interpret.project(m, x, "pooled"), "`layer` must be one with maps: scaled, first, second"),
        (lambda m, x: interpret.reconstruct(m, x, "none"), "`layer` must be one of the model's"),
        (lambda m, x: interpret.feature_maps(m, x, "none"), "`layer` must be one of the model's"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(nets.convolutional(), nets.pictures(1))
