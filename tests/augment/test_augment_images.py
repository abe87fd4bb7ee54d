"""Augmentation of images: off at inference, seeded, serialisable; boxes and masks go where their things go."""

import keras
import numpy as np
import pytest

from kerasmlsp import augment

HEIGHT, WIDTH, BATCH = 40, 60, 6
CASES = {
    "RandomAffine": {"rotation": 20.0, "zoom": 0.2, "crop": 0.2, "shift": 0.1, "shear": 0.1, "flip": "both", "seed": 4},
    "RandomElasticDeformation": {"alpha": 30.0, "sigma": 3.0, "seed": 4},
    "RandAugment": {"num_ops": 2, "magnitude": 0.7, "seed": 4},
    "MixUp": {"alpha": 1.0, "seed": 4},
    "CutMix": {"alpha": 1.0, "seed": 4},
    "ImageAugmentation": {
        "rotation": 10.0, "brightness": 0.2, "contrast": 0.2, "saturation": 0.3, "noise": 5.0, "erasing": 0.5, "seed": 4
    },
}  # fmt: skip
MIXING = ("MixUp", "CutMix")
EACH = pytest.mark.parametrize("name", CASES)


def scene(batch=BATCH, grey=False):
    """A bright rectangle on a dark ground in every image, with its mask, its box and a padded box."""
    random = np.random.default_rng(0)
    images = np.full((batch, HEIGHT, WIDTH, 1 if grey else 3), 50, np.uint8)
    masks = np.zeros((batch, HEIGHT, WIDTH, 1), np.int32)
    boxes = np.full((batch, 2, 4), -1.0, "float32")
    for row in range(batch):
        left, top = random.integers(15, 30), random.integers(10, 18)
        images[row, top : top + 12, left : left + 15] = (220,) if grey else (220, 40 * row % 255, 90)
        masks[row, top : top + 12, left : left + 15] = 1 + row % 2
        boxes[row, 0] = left, top, left + 15, top + 12
    labels = np.tile(np.array([[3, -1]], "int32"), (batch, 1))
    return {
        "images": images,
        "labels": np.eye(batch, dtype="float32"),
        "segmentation_masks": masks,
        "bounding_boxes": {"boxes": boxes, "labels": labels},
    }


def given(name, **options):
    """What a layer takes: an image batch, or for those that mix examples a dict with labels."""
    whole = scene(**options)
    return {key: whole[key] for key in ("images", "labels")} if name in MIXING else whole["images"]


def numpy(value):
    return keras.tree.map_structure(keras.ops.convert_to_numpy, value)


def pixels(value):
    return numpy(value)["images"] if isinstance(value, dict) else numpy(value)


def made(name, **changes):
    return getattr(augment, name)(**{**CASES[name], **changes})


@EACH
def test_layers_keep_their_arguments(name):
    layer = made(name)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer) and copy.get_config() == layer.get_config()
    assert {key: layer.get_config()[key] for key in CASES[name]} == CASES[name]


@EACH
def test_layers_are_off_at_inference(name):
    layer, inputs = made(name), given(name)
    for options in ({}, {"training": False}):
        found = pixels(layer(inputs, **options))
        assert found.dtype == np.float32 and np.array_equal(found, pixels(inputs))
    assert not np.array_equal(pixels(layer(inputs, training=True)), pixels(inputs))


@EACH
def test_layers_repeat_with_their_seed_and_change_with_every_call(name):
    inputs = given(name)
    first, second = ([pixels(made_layer(inputs, training=True)) for _ in range(2)] for made_layer in (made(name),) * 2)
    again = made(name)
    assert all(np.array_equal(one, pixels(again(inputs, training=True))) for one in (*first, *second))
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first[0], pixels(made(name, seed=5)(inputs, training=True)))


@EACH
def test_values_stay_in_their_range_and_images_of_a_batch_differ(name):
    inputs = given(name) if name in MIXING else np.repeat(scene(batch=1)["images"], 8, axis=0)
    found = pixels(made(name)(inputs, training=True))
    assert found.min() >= 0 and found.max() <= 255
    assert len({each.tobytes() for each in found}) > 3


@pytest.mark.parametrize("name", [name for name in CASES if name not in MIXING])
def test_layers_train_inside_a_model_and_come_back_from_a_file(name, tmp_path):
    inputs = keras.Input((HEIGHT, WIDTH, 3), name="images")
    maps = keras.layers.GlobalAveragePooling2D()(made(name)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(2)(maps))
    # On JAX the step is compiled, which the layers of Keras with the same names prevent.
    model.compile("sgd", "mse", jit_compile="auto")
    images = scene()["images"].astype("float32") / 255
    model.fit(images, np.zeros((BATCH, 2)), batch_size=3, epochs=1, verbose=0)
    assert model.jit_compile is (keras.backend.backend() == "jax")
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert np.allclose(model.predict(images, verbose=0), again.predict(images, verbose=0))


def bounds(mask):
    rows, columns = np.nonzero(mask)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize(
    ("options", "slack"),
    [
        ({"flip": "both"}, 0.0),
        ({"shift": 0.15}, 1.0),
        ({"zoom": 0.3}, 1.0),
        ({"crop": 0.2}, 1.0),
        # The least box around the turned corners reaches a little further than the pixels.
        ({"rotation": 20.0}, 1.5),
        ({"shear": 0.2}, 1.5),
        ({"rotation": 15.0, "zoom": 0.2, "crop": 0.1, "shift": 0.1, "shear": 0.1, "flip": "both"}, 1.5),
    ],
)
def test_boxes_and_masks_move_with_the_image(options, slack):
    layer = augment.RandomAffine(**options, fill_mode="constant", seed=1)
    for _ in range(4):
        found = numpy(layer(scene(), training=True))
        seen = found["images"][..., 0] > 135
        masks, boxes = found["segmentation_masks"][..., 0], found["bounding_boxes"]
        assert masks.dtype == np.int32
        # Half a pixel at the rim may round the other way.
        assert np.mean(seen != (masks > 0)) < 0.02
        for row in range(BATCH):
            assert set(np.unique(masks[row])) == {0, 1 + row % 2}
            assert np.abs(boxes["boxes"][row, 0] - bounds(masks[row])).max() <= slack
        assert (boxes["labels"] == [3, -1]).all() and (boxes["boxes"][:, 1] == -1).all()


@pytest.mark.parametrize("mode", ["reflect", "nearest", "wrap"])
def test_nothing_comes_in_from_outside_of_a_picture_with_boxes(mode):
    picture = np.full((4, 9, 9, 3), 200.0, "float32")
    boxes = {"boxes": np.full((4, 1, 4), [0, 0, 9, 9], "float32"), "labels": np.zeros((4, 1), "int32")}
    inputs = {"images": picture, "segmentation_masks": np.ones((4, 9, 9, 1), "int32")}
    for layer in (
        augment.RandomAffine(shift=0.5, fill_mode=mode, seed=0),
        augment.ImageAugmentation(shift=0.5, fill_mode=mode, seed=0),
    ):
        found = numpy(layer({**inputs, "bounding_boxes": boxes}, training=True))
        inside = found["segmentation_masks"].sum(axis=(1, 2, 3))
        left, top, right, bottom = found["bounding_boxes"]["boxes"][:, 0].T
        # The thing fills its box, to within half a pixel on each side, and is nowhere else.
        assert (np.abs(inside - (right - left) * (bottom - top)) < 10).all() and inside.min() < 60
        # Without boxes it fills the picture again.
        assert numpy(layer(inputs, training=True))["segmentation_masks"].all()


def test_boxes_that_leave_the_image_lose_their_label():
    inputs = scene()
    inputs["bounding_boxes"]["boxes"][:, 0] = 0, 0, 4, 4
    found = numpy(augment.RandomAffine(shift=0.9, fill_mode="constant", seed=0)(inputs, training=True))
    gone = found["bounding_boxes"]["labels"][:, 0] == -1
    assert gone.any() and (found["bounding_boxes"]["boxes"][gone, 0] == 0).all()


def test_rotation_is_about_the_centre_by_up_to_its_angle():
    image = np.zeros((1, 41, 41, 1), "float32")
    image[0, 20, 36] = 255.0
    layer = augment.RandomAffine(rotation=30.0, fill_mode="constant", seed=2)
    angles = []
    for _ in range(50):
        found = numpy(layer(image, training=True))[0, :, :, 0]
        weights = found / found.sum()
        x, y = (weights.sum(axis) @ np.arange(41) - 20 for axis in (0, 1))
        assert np.hypot(x, y) == pytest.approx(16, abs=0.2)
        angles.append(np.degrees(np.arctan2(y, x)))
    assert -30.5 < min(angles) < -20 and 20 < max(angles) < 30.5


def test_crops_show_nothing_from_outside():
    image = np.full((64, 30, 30, 3), 255.0, "float32")
    found = numpy(augment.RandomAffine(crop=0.5, fill_mode="constant", seed=0)(image, training=True))
    assert found.min() > 254.9  # not 255, as places are computed in float32


def test_affine_of_nothing_is_nothing():
    inputs = scene()
    found = numpy(augment.RandomAffine()(inputs, training=True))
    assert np.array_equal(found["images"], inputs["images"])
    assert np.array_equal(found["segmentation_masks"], inputs["segmentation_masks"])
    assert np.array_equal(found["bounding_boxes"]["boxes"], inputs["bounding_boxes"]["boxes"])


def test_rand_augment_moves_boxes_and_masks():
    layer = augment.RandAugment(num_ops=3, magnitude=0.6, fill_mode="constant", seed=0)
    moved = 0
    for _ in range(5):
        found = numpy(layer(scene(), training=True))
        for row in range(BATCH):
            box = bounds(found["segmentation_masks"][row, ..., 0])
            assert np.abs(found["bounding_boxes"]["boxes"][row, 0] - box).max() <= 2
            moved += not np.array_equal(box, scene()["bounding_boxes"]["boxes"][row, 0])
    assert 5 < moved < 5 * BATCH


def test_rand_augment_of_no_strength_keeps_shapes():
    inputs = scene()
    found = numpy(augment.RandAugment(num_ops=1, magnitude=0.0, seed=0)(inputs, training=True))
    assert np.array_equal(found["segmentation_masks"], inputs["segmentation_masks"])


def test_mix_up_blends_by_its_labels():
    inputs = given("MixUp")
    found = numpy(augment.MixUp(1.0, seed=1)(inputs, training=True))
    assert np.allclose(found["labels"].sum(1), 1, atol=1e-6)
    # Labels are rows of the identity, so they say what the images are blended from.
    expected = np.tensordot(found["labels"], inputs["images"].astype("float32"), 1)
    np.testing.assert_allclose(found["images"], expected, atol=1e-2)
    assert 0.05 < np.sort(found["labels"], axis=1)[:, -2].max() < 0.95


def test_mix_up_takes_the_boxes_and_soft_masks_of_both():
    inputs = scene()
    inputs["segmentation_masks"] = np.eye(3, dtype="float32")[inputs["segmentation_masks"][..., 0]]
    found = numpy(augment.MixUp(1.0, seed=1)(inputs, training=True))
    assert found["bounding_boxes"]["boxes"].shape == (BATCH, 4, 4)
    assert found["bounding_boxes"]["labels"].tolist() == [[3, -1, 3, -1]] * BATCH
    expected = np.tensordot(found["labels"], inputs["segmentation_masks"], 1)
    np.testing.assert_allclose(found["segmentation_masks"], expected, atol=1e-5)


def test_cut_mix_pastes_a_rectangle_and_shares_labels_by_area():
    inputs = given("CutMix")
    inputs["images"] = np.arange(BATCH, dtype="float32")[:, None, None, None] * np.ones(
        (1, HEIGHT, WIDTH, 3), "float32"
    )
    inputs["segmentation_masks"] = inputs["images"][..., :1].astype("int32")
    found = numpy(augment.CutMix(1.0, seed=2)(inputs, training=True))
    assert np.array_equal(found["images"][..., :1], found["segmentation_masks"])
    cut = 0
    for row, image in enumerate(found["images"][..., 0]):
        shares = np.bincount(image.astype(int).ravel(), minlength=BATCH) / image.size
        np.testing.assert_allclose(found["labels"][row], shares, atol=1e-5)
        if (image != row).any():
            left, top, right, bottom = bounds(image != row)
            assert (image[top:bottom, left:right] != row).all()
            cut += 1
    assert cut >= 3


def test_noise_has_its_standard_deviation():
    image = np.full((4, 50, 50, 3), 128.0, "float32")
    found = numpy(augment.ImageAugmentation(noise=6.0, seed=0)(image, training=True))
    assert found.std() == pytest.approx(6, rel=0.05) and found.mean() == pytest.approx(128, abs=0.2)


def test_colours_change_no_place():
    inputs = scene()
    layer = augment.ImageAugmentation(brightness=0.3, contrast=0.3, saturation=0.5, noise=3.0, erasing=0.3, seed=0)
    found = numpy(layer(inputs, training=True))
    assert np.array_equal(found["segmentation_masks"], inputs["segmentation_masks"])
    assert np.array_equal(found["bounding_boxes"]["boxes"], inputs["bounding_boxes"]["boxes"])


def test_elastic_fields_are_those_of_the_formula():
    """Bilinear resampling at `p + alpha (G * u)(p)`, in NumPy, with the layer's own random numbers."""
    images = scene(batch=2)["images"].astype("float32")
    layer, again = (augment.RandomElasticDeformation(20.0, 2.0, seed=3) for _ in range(2))
    drawn = keras.random.uniform((4, HEIGHT, WIDTH, 1), -1, 1, dtype="float32", seed=again.seed_generator)
    weights = np.exp(-0.5 * (np.arange(-8, 9) / 2.0) ** 2)
    weights /= weights.sum()
    moves = numpy(drawn)[..., 0]
    for axis in (1, 2):
        moves = np.apply_along_axis(np.convolve, axis, moves, weights, mode="same")
    found = numpy(layer(images, training=True))
    random = np.random.default_rng(0)
    for row, y, x in zip(*(random.integers(0, limit, 40) for limit in (2, HEIGHT, WIDTH)), strict=True):
        down, right = (np.clip(p + 20 * moves[axis * 2 + row, y, x], 0, limit - 1)
                       for axis, p, limit in ((0, y, HEIGHT), (1, x, WIDTH)))  # fmt: skip
        corners = [(j, i) for j in (int(down), int(down) + 1) for i in (int(right), int(right) + 1)]
        wanted = sum(
            max(0, 1 - abs(down - j)) * max(0, 1 - abs(right - i)) * images[row, min(j, HEIGHT - 1), min(i, WIDTH - 1)]
            for j, i in corners
        )
        np.testing.assert_allclose(found[row, y, x], wanted, atol=0.02)


def test_elastic_deformation_takes_masks_along_and_refuses_boxes():
    whole = scene()
    layer, without = augment.RandomElasticDeformation(60.0, 4.0, seed=1), {**whole}
    del without["bounding_boxes"]
    found = numpy(layer(without, training=True))
    masks, bright = found["segmentation_masks"][..., 0] > 0, found["images"][..., 0] > 135
    assert found["segmentation_masks"].dtype == np.int32 and np.mean(masks == bright) > 0.995
    assert 0.005 < np.mean(masks != (whole["segmentation_masks"][..., 0] > 0)) < 0.2
    with pytest.raises(ValueError, match="without `bounding_boxes`"):
        layer(whole, training=True)


def test_elastic_fields_move_pixels_by_about_what_the_docstring_says():
    # Away from the border, where the field fades.
    ramp = np.tile(np.arange(200, dtype="float32")[None, None, :, None], (1, 200, 1, 1))
    moved = numpy(augment.RandomElasticDeformation(40.0, 4.0, seed=0)(ramp, training=True)) - ramp
    assert moved[:, 20:-20, 20:-20].std() == pytest.approx(0.16 * 40 / 4, rel=0.1)


def test_grey_images_have_no_saturation_to_change():
    images = scene(grey=True)["images"]
    assert numpy(augment.ImageAugmentation(saturation=0.5, brightness=0.2)(images, training=True)).shape == images.shape


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("RandomAffine", {"rotation": -1}, "`rotation` must be at least 0"),
        ("RandomAffine", {"zoom": 1.0}, r"`zoom` must be in \[0, 1\)"),
        ("RandomAffine", {"flip": "left"}, "`flip` must be"),
        ("RandomAffine", {"fill_mode": "mirror"}, "`fill_mode` must be"),
        ("RandomElasticDeformation", {"alpha": -1.0}, "`alpha` must be at least 0"),
        ("RandomElasticDeformation", {"sigma": 0.0}, "`sigma` must be above 0"),
        ("RandomElasticDeformation", {"alpha": float("inf")}, "`alpha` must be at least 0"),
        ("RandomElasticDeformation", {"sigma": float("inf")}, "`sigma` must be above 0"),
        ("RandAugment", {"num_ops": 0}, "`num_ops` must be at least 1"),
        ("RandAugment", {"magnitude": 2.0}, r"`magnitude` must be in \[0, 1\]"),
        ("MixUp", {"alpha": 0.0}, "`alpha` must be above 0"),
        ("CutMix", {"alpha": -1.0}, "`alpha` must be above 0"),
        ("ImageAugmentation", {"noise": -1.0}, "`noise` must be at least 0"),
        ("ImageAugmentation", {"erasing": 1.0}, r"`erasing` must be in \[0, 1\)"),
        ("ImageAugmentation", {"crop": -0.1}, r"`crop` must be in \[0, 1\)"),
    ],
)
def test_wrong_arguments_are_refused(name, options, told):
    with pytest.raises(ValueError, match=told):
        getattr(augment, name)(**options)


@pytest.mark.parametrize(
    "name", ["ImageAugmentation", "RandAugment", "RandomAffine", "RandomElasticDeformation", "MixUp", "CutMix"]
)
@pytest.mark.parametrize("wrong", [lambda each: (each, np.eye(BATCH)), lambda each: {"pixels": each}])
def test_pairs_and_other_dicts_end_in_a_sentence(name, wrong):
    inputs = wrong(np.zeros((BATCH, 8, 8, 3), "float32"))
    with pytest.raises(ValueError, match=r"`inputs` must be one tensor.* Received: a (tuple|dict)"):
        getattr(augment, name)()(inputs, training=True)


def test_what_cannot_be_mixed_is_refused():
    whole = scene()
    with pytest.raises(ValueError, match="Received: no labels"):
        augment.MixUp()(whole["images"], training=True)
    with pytest.raises(ValueError, match="`segmentation_masks` must be shares of classes"):
        augment.MixUp()(whole, training=True)
    with pytest.raises(ValueError, match="`labels` must be shares of classes"):
        augment.CutMix()({**given("CutMix"), "labels": np.arange(BATCH)}, training=True)
    with pytest.raises(ValueError, match="without `bounding_boxes`"):
        augment.CutMix()(whole, training=True)
