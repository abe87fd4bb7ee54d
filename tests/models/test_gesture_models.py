"""Networks for hand gestures: what they see and what they must not see."""

import keras
import numpy as np
import pytest

from kerasmlsp import models


def answers(model, values):
    return keras.ops.convert_to_numpy(model(values, training=False))


def test_the_default_residual_network_has_its_parameters():
    assert models.gesture_resnet(10).count_params() == 694_642


def test_landmarks_may_be_anywhere_and_of_any_size():
    model = models.landmark_mlp(3, num_landmarks=21)
    hand = np.random.default_rng(0).normal(size=(4, 21, 2)).astype("float32")
    moved = hand * np.array([3.0, 0.01, 1.0, 700.0], "float32")[:, None, None] + np.array([[[5.0, -2.0]]], "float32")
    np.testing.assert_allclose(answers(model, moved), answers(model, hand), atol=2e-3)
    assert np.isfinite(answers(model, np.zeros((1, 21, 2), "float32"))).all()
    assert np.abs(answers(model, hand[:, :, ::-1]) - answers(model, hand)).max() > 0.01


@pytest.mark.parametrize("builder", [models.path_gru, models.path_cnn])
def test_paths_may_begin_anywhere_but_not_be_of_any_size(builder):
    model = builder(4)
    path = np.cumsum(np.random.default_rng(0).normal(0, 0.05, (4, 16, 2)), axis=1).astype("float32")
    np.testing.assert_allclose(answers(model, path + 0.25), answers(model, path), atol=1e-4)
    assert np.abs(answers(model, path * 0.01) - answers(model, path)).max() > 0.01
    assert np.abs(answers(model, path[:, ::-1]) - answers(model, path)).max() > 0.01
