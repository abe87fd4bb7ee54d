"""Detection against NumPy and plain loops, on the backend that KERAS_BACKEND names."""

import keras
import numpy as np
import pytest

from kerasmlsp import models
from kerasmlsp.targets import boxes

ANCHORS = boxes.anchors((32, 48, 3), num_stages=4, scales=(0.3, 0.6), aspect_ratios=(1.0, 2.0))


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def some_boxes(count, seed=0):
    random = np.random.default_rng(seed)
    corner = random.random((count, 2)) * 0.7
    return np.concatenate([corner, corner + 0.05 + random.random((count, 2)) * 0.25], axis=1)


def overlap(a, b):
    """Intersection over union of two boxes, written out."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def test_iou_of_worked_examples():
    found = boxes.iou(np.array([[0, 0, 2, 2.0]]), np.array([[1, 1, 3, 3.0], [0, 0, 2, 2], [2, 0, 4, 2], [0, 0, 1, 2]]))
    np.testing.assert_allclose(found, [[1 / 7, 1, 0, 0.5]])


def test_iou_is_that_of_a_loop_for_arrays_and_tensors():
    first, second = some_boxes(5), some_boxes(7, seed=1)
    expected = np.array([[overlap(a, b) for b in second] for a in first])
    assert expected.max() > 0.2
    np.testing.assert_allclose(boxes.iou(first, second), expected, atol=1e-9)
    tensors = (keras.ops.convert_to_tensor(each.astype("float32")) for each in (first, second))
    np.testing.assert_allclose(numpy(boxes.iou(*tensors, keras.ops)), expected, atol=1e-5)


def test_anchors_lie_around_the_centres_of_cells():
    # Stages 3 and 4 divide 32x48 by 8 and by 16: 4x6 and 2x3 cells of three boxes each.
    assert ANCHORS.shape == (3 * (4 * 6 + 2 * 3), 4) and ANCHORS.dtype == np.float32
    sizes = np.stack([ANCHORS[:, 2] - ANCHORS[:, 0], ANCHORS[:, 3] - ANCHORS[:, 1]], axis=1)
    root = 2**0.5
    np.testing.assert_allclose(sizes[:3], [[0.3, 0.3], [0.3 * root, 0.3 / root], [0.18**0.5] * 2], rtol=1e-5)
    np.testing.assert_allclose(sizes[-3:], [[0.6, 0.6], [0.6 * root, 0.6 / root], [0.6**0.5] * 2], rtol=1e-5)
    centres = (ANCHORS[:, :2] + ANCHORS[:, 2:]) / 2
    np.testing.assert_allclose(centres[[0, 3, 18]], [[0.5 / 6, 0.125], [1.5 / 6, 0.125], [0.5 / 6, 0.375]], atol=1e-6)


@pytest.mark.parametrize("shape", [(32, 32, 3), (37, 50, 1)])
def test_a_detector_has_as_many_predictions_as_anchors(shape):
    options = {"scales": (0.2, 0.4, 0.8), "aspect_ratios": (1.0, 0.5)}
    model = models.ssd(2, input_shape=shape, filters=(2, 3, 4, 5), **options)
    assert model.output_shape == (None, len(boxes.anchors(shape, num_stages=4, **options)), 7)


def test_decoding_is_the_inverse_of_encoding():
    true = some_boxes(len(ANCHORS))
    offsets = boxes.encode(true, ANCHORS)
    np.testing.assert_allclose(numpy(boxes.decode(keras.ops.cast(offsets, "float32"), ANCHORS)), true, atol=1e-5)
    worked = boxes.encode(np.array([[0.2, 0.1, 0.6, 0.5]]), np.array([[0.1, 0.1, 0.3, 0.5]]))
    np.testing.assert_allclose(worked, [[(0.4 - 0.2) / 0.2 / 0.1, 0, np.log(2) / 0.2, 0]], atol=1e-9)


def test_matching_gives_boxes_to_anchors():
    true = np.array([[0.05, 0.05, 0.42, 0.4], [0.4, 0.3, 0.95, 0.9], [0.6, 0, 0.95, 0.3]])
    classes = np.array([1, 0, 1])
    targets = boxes.match(true, classes, ANCHORS, threshold=0.3)
    overlaps = np.array([[overlap(anchor, box) for box in true] for anchor in ANCHORS])
    forced = set(overlaps.argmax(axis=0))
    assert len(forced) == 3
    for anchor, (each, target) in enumerate(zip(overlaps, targets, strict=True)):
        if anchor in forced:
            owner = next(box for box in range(3) if overlaps[:, box].argmax() == anchor)
        elif each.max() >= 0.3:
            owner = each.argmax()
        else:
            assert not target.any()
            continue
        assert target[0] == classes[owner] + 1
        found = boxes.decode(keras.ops.convert_to_tensor(target[None, 1:]), ANCHORS[anchor : anchor + 1])
        np.testing.assert_allclose(numpy(found)[0], true[owner], atol=1e-5)
    assert (overlaps.max(axis=1) >= 0.3).sum() > 3


def test_boxes_that_want_the_same_anchor_get_one_each():
    anchors = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0.1, 0.1]])
    twins = np.array([[0, 0, 0.4, 0.5], [0, 0, 0.5, 0.5]])
    targets = boxes.match(twins, [0, 1], anchors, threshold=0.9)
    # The second fits the first anchor whole; the first is left with the small one, which it overlaps.
    assert targets[:, 0].tolist() == [2, 0, 1]


def test_an_image_without_boxes_is_background():
    assert not boxes.match(np.zeros((0, 4)), [], ANCHORS).any()


@pytest.mark.parametrize(
    ("true", "classes", "pattern"),
    [
        ([[0.5, 0, 0.4, 1]], [0], "`boxes` must be .* Received: boxes="),
        ([[0, 0, 0.4, 0]], [0], "`boxes` must be .* Received: boxes="),
        ([[0, 0, 0.4, 1]], [0, 1], "`classes` must have one number for each box. Received: "),
    ],
)
def test_boxes_that_are_none_are_refused(true, classes, pattern):
    with pytest.raises(ValueError, match=pattern):
        boxes.match(np.array(true), classes, ANCHORS)


@pytest.mark.parametrize("threshold", [0, 1.1])
def test_thresholds_out_of_range_are_refused(threshold):
    with pytest.raises(ValueError, match=r"`threshold` must be in \(0, 1\]. Received: threshold="):
        boxes.match(np.zeros((0, 4)), [], ANCHORS, threshold=threshold)


@pytest.mark.parametrize(
    ("changes", "pattern"),
    [
        ({"scales": ()}, "`scales` must be 1 to 6 numbers above 0. Received: scales="),
        ({"scales": (0.1,) * 7}, "`scales` must be 1 to 6 numbers above 0. Received: scales="),
        ({"aspect_ratios": (1.0, 0)}, "`aspect_ratios` must be numbers above 0. Received: aspect_ratios="),
    ],
)
def test_sizes_that_make_no_anchors_are_refused(changes, pattern):
    with pytest.raises(ValueError, match=pattern):
        boxes.anchors((64, 64, 3), **changes)


def test_anchors_are_chosen_by_the_boxes_of_every_class():
    random = np.random.default_rng(0)
    sides = np.concatenate([np.full(200, 0.2), np.full(9, 0.06), np.full(9, 0.4)]) * random.uniform(0.9, 1.1, 218)
    corners = random.uniform(0, 0.5, (218, 2))
    true = np.concatenate([corners, corners + sides[:, None] * [0.75**0.5, 1 / 0.75**0.5]], axis=1)
    classes = np.repeat([0, 1, 2], [200, 9, 9])
    stages, scales, ratios = boxes.anchor_sizes(true, classes, num_scales=3, image_size=256)
    # Rare classes decide as much as the frequent one; 0.4 of 15 pixels is next to cells of 8.
    np.testing.assert_allclose(scales, [0.057, 0.155, 0.42], rtol=0.08)
    assert stages == 5 and ratios == pytest.approx((0.75, 1.2, 0.46875), rel=1e-3)
    starts = boxes.anchors((256, 256, 3), num_stages=stages, scales=scales, aspect_ratios=ratios)
    assert np.median(boxes.iou(starts, true).max(axis=0)) > 0.6


def test_boxes_of_one_size_have_anchors_of_several():
    stages, scales, _ = boxes.anchor_sizes([[0.1, 0.1, 0.3, 0.3]] * 4, [0] * 4, num_scales=3, image_size=64)
    assert scales == pytest.approx((0.2, 0.3, 0.45), abs=1e-4) and 3 <= stages <= 5
    _, scales, _ = boxes.anchor_sizes([[0.0, 0.0, 1.0, 1.0]], [0], num_scales=3, image_size=32)
    assert max(scales) <= 1


# ---- loss ----------------------------------------------------------------------------------------------------------


def expected_loss(targets, predictions, negatives):
    """The loss of a batch, anchor by anchor."""
    total = 0.0
    for truth, guess in zip(targets.astype("float64"), predictions.astype("float64"), strict=True):
        logits = guess[:, :-4]
        nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(truth)), truth[:, 0].astype(int)]
        matched = truth[:, 0] > 0
        hard = sorted(nats[~matched], reverse=True)[: int(negatives * matched.sum())]
        distance = np.abs(guess[:, -4:] - truth[:, 1:])
        smooth = np.where(distance < 1, distance**2 / 2, distance - 0.5).sum(1)
        total += nats[matched].sum() + sum(hard) + smooth[matched].sum()
    return total / max((targets[..., 0] > 0).sum(), 1)


@pytest.mark.parametrize("negatives", [3, 1, 1000])
def test_the_loss_mines_hard_negatives(negatives):
    random = np.random.default_rng(3)
    targets = np.zeros((4, 40, 5), "float32")
    for image, count in enumerate((2, 0, 5, 12)):  # of the last image less is background than would be taken
        targets[image, :count, 0] = random.integers(1, 4, count)
        targets[image, :count, 1:] = random.normal(0, 2, (count, 4))
    predictions = random.normal(0, 2, (4, 40, 8)).astype("float32")
    loss = boxes.DetectionLoss(negatives)
    found = float(numpy(loss(targets, predictions)))
    assert found == pytest.approx(expected_loss(targets, predictions, negatives), rel=1e-4)


def test_the_loss_of_a_batch_without_boxes_is_nothing():
    assert float(numpy(boxes.DetectionLoss()(np.zeros((2, 6, 5)), np.ones((2, 6, 7))))) == 0


def test_the_loss_comes_back_from_its_configuration():
    loss = boxes.DetectionLoss(2.0, offsets_weight=0.5)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert isinstance(copy, boxes.DetectionLoss) and (copy.negatives, copy.offsets_weight) == (2.0, 0.5)
    with pytest.raises(ValueError, match=r"`negatives` must be at least 0. Received: negatives=-1"):
        boxes.DetectionLoss(-1)


# ---- boxes that are found ------------------------------------------------------------------------------------------


def expected_boxes(predictions, anchors, min_score, max_overlap, limit):
    """Greedy suppression of one image in plain Python."""
    logits = predictions[:, :-4].astype("float64")
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    places = np.clip(numpy(boxes.decode(keras.ops.convert_to_tensor(predictions[:, -4:]), anchors)), 0, 1)
    found = []
    for number in range(1, scores.shape[1]):
        kept = []
        for place in np.argsort(-scores[:, number]):
            clash = any(overlap(places[place], places[other]) > max_overlap for other in kept)
            if scores[place, number] > min_score and not clash:
                kept.append(place)
        found += [(scores[place, number], number - 1, *places[place]) for place in kept]
    return sorted(found, reverse=True)[:limit]


@pytest.mark.parametrize("limit", [7, 100])
def test_suppression_is_that_of_a_plain_loop(limit):
    random = np.random.default_rng(4)
    predictions = np.concatenate(
        [random.normal(0, 2, (3, len(ANCHORS), 4)), random.normal(0, 1, (3, len(ANCHORS), 4))], 2
    )
    predictions = predictions.astype("float32")
    options = {"min_score": 0.3, "max_overlap": 0.3}
    found = {
        key: numpy(value) for key, value in boxes.detect(predictions, ANCHORS, max_detections=limit, **options).items()
    }
    assert found["boxes"].shape == (3, limit, 4) and found["classes"].dtype == np.int32
    for image in range(3):
        expected = expected_boxes(predictions[image], ANCHORS, 0.3, 0.3, limit)
        alone = (numpy(keras.ops.softmax(predictions[image, :, :-4]))[:, 1:] > 0.3).sum()
        assert limit == len(expected) or len(expected) < alone  # some are suppressed
        count = len(expected)
        np.testing.assert_allclose(found["scores"][image, :count], [row[0] for row in expected], atol=1e-5)
        assert found["classes"][image, :count].tolist() == [row[1] for row in expected]
        np.testing.assert_allclose(found["boxes"][image, :count], [row[2:] for row in expected], atol=1e-5)
        assert not found["scores"][image, count:].any() and not found["boxes"][image, count:].any()
        assert (found["classes"][image, count:] == -1).all()


def test_what_was_matched_is_found():
    true, classes = np.array([[0.1, 0.1, 0.4, 0.5], [0.5, 0.4, 0.9, 0.9]]), np.array([1, 0])
    targets = boxes.match(true, classes, ANCHORS)
    certain = 20 * np.eye(3)[targets[:, 0].astype(int)]
    predictions = np.concatenate([certain, targets[:, 1:]], axis=1)[None]
    found = boxes.detect(predictions, ANCHORS, max_detections=5)
    order = numpy(found["classes"])[0]
    assert sorted(order) == [-1, -1, -1, 0, 1]
    np.testing.assert_allclose(numpy(found["boxes"])[0, :2], true[1 - order[:2]], atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="A saved model is exported from TensorFlow.")
def test_boxes_are_found_inside_an_exported_graph(tmp_path):
    import tensorflow

    archive = keras.export.ExportArchive()
    model = models.ssd(2, input_shape=(32, 48, 3), filters=(2,) * 4, scales=(0.3, 0.6), aspect_ratios=(1.0, 2.0))
    archive.track(model)
    signature = [tensorflow.TensorSpec((None, 32, 48, 3), "float32", "images")]
    archive.add_endpoint("serve", lambda images: boxes.detect(model(images), ANCHORS, min_score=0.2), signature)
    archive.write_out(tmp_path / "ssd", verbose=False)
    images = np.random.default_rng(0).random((3, 32, 48, 3)).astype("float32")
    loaded = tensorflow.saved_model.load(str(tmp_path / "ssd"))
    found = loaded.serve(images)
    expected = boxes.detect(model(images), ANCHORS, min_score=0.2)
    assert numpy(expected["scores"]).any()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key].numpy(), numpy(value), atol=1e-5)
