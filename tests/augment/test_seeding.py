"""Random changes that follow from a key: pictures, masks and boxes move together, in any process and order."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasmlsp import augment
from kerasmlsp.augment.seeding import seeded

OPTIONS = {"rotation": 10.0, "zoom": 0.2, "crop": 0.3, "flip": "both", "brightness": 0.2, "saturation": 0.3}


def made(**changes):
    layer = augment.ImageAugmentation(**{**OPTIONS, **changes})
    layer.build((None, 24, 24, 3))
    return layer


def scene(batch=4):
    """A bright rectangle with its mask and its box."""
    images, masks = np.full((batch, 24, 24, 3), 40, "float32"), np.zeros((batch, 24, 24, 1), "int32")
    images[:, 8:16, 6:18], masks[:, 8:16, 6:18] = 220, 3
    boxes = np.tile(np.array([[[6.0, 8.0, 18.0, 16.0], [0, 0, 0, 0]]], "float32"), (batch, 1, 1))
    labels = np.tile(np.array([[1, -1]], "int32"), (batch, 1))
    return {"images": images, "segmentation_masks": masks, "bounding_boxes": {"boxes": boxes, "labels": labels}}


def numpy(value):
    return keras.tree.map_structure(ops.convert_to_numpy, value)


def test_the_same_key_gives_the_same_in_another_layer_and_order():
    first, second = made(seed=1), made(seed=2)
    keys = [(0, 0), (0, 1), (1, 0)]
    found = [numpy(seeded(first, scene(), key)) for key in keys]
    again = [numpy(seeded(second, scene(), key)) for key in reversed(keys)][::-1]
    for one, other in zip(found, again, strict=True):
        keras.tree.map_structure(np.testing.assert_array_equal, one, other)
    assert len({each["images"].tobytes() for each in found}) == 3
    assert len({picture.tobytes() for picture in found[0]["images"]}) == 4


def test_the_layers_own_generators_stay_where_they_are():
    layer = made(seed=1)
    before = [numpy(each.value) for each in layer.variables]
    seeded(layer, scene(), (3, 4))
    for value, each in zip(before, layer.variables, strict=True):
        np.testing.assert_array_equal(value, numpy(each.value))
    assert len(before) >= 2


def test_masks_and_boxes_go_where_their_things_go():
    found = numpy(seeded(made(rotation=0.0, brightness=0.0, saturation=0.0), scene(8), (5, 6)))
    for image, mask, box in zip(
        found["images"], found["segmentation_masks"], found["bounding_boxes"]["boxes"], strict=True
    ):
        assert set(np.unique(mask)) <= {0, 3}
        rows, columns = np.nonzero(image[..., 0] > 130)
        inside = mask[rows, columns, 0]
        assert (inside == 3).mean() > 0.9
        expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert np.abs(box[0] - expected).max() <= 1.5 and not box[1].any()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.data computes with TensorFlow.")
def test_a_pipeline_gives_what_a_call_gives():
    import tensorflow as tf

    layer = made(seed=1)
    keys = tf.data.Dataset.from_tensor_slices(np.array([[0, 0], [0, 1], [2, 1]]))
    pipeline = keys.map(lambda key: seeded(layer, scene(), key), num_parallel_calls=2)
    for key, found in zip([(0, 0), (0, 1), (2, 1)], pipeline.as_numpy_iterator(), strict=True):
        expected = numpy(seeded(layer, scene(), key))
        np.testing.assert_allclose(found["images"], expected["images"], atol=1e-3)
        np.testing.assert_array_equal(found["segmentation_masks"], expected["segmentation_masks"])
