"""Backgrounds: told from the things before them, replaced, and made."""

import numpy as np

from kerasmlsp.data import backgrounds

SIZE = 64


def scene(ground, thing=(150, 100, 70)):
    """A disc below the middle of a ground, and where it is."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    disc = np.hypot(rows - 40, columns - 32) < 15
    return np.where(disc[..., None], thing, ground).astype(np.uint8), disc


def test_a_thing_is_told_from_a_plain_wall_with_shadows():
    shadow = np.linspace(230, 90, SIZE)[None, :, None] * np.array([1, 1, 1.03])
    picture, disc = scene(np.broadcast_to(shadow, (SIZE, SIZE, 3)))
    found = backgrounds.foreground(picture)
    assert found.shape == (SIZE, SIZE, 1) and found.dtype == np.uint8
    assert np.mean((found[..., 0] > 127) == disc) > 0.98


def test_a_ground_that_is_not_plain_stays():
    patches = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).repeat(8, 0).repeat(8, 1)
    assert (backgrounds.foreground(scene(patches)[0]) == 255).all()
    assert (backgrounds.foreground(np.full((SIZE, SIZE, 3), 90, np.uint8)) == 255).all()


def test_the_thing_stays_and_the_ground_is_replaced():
    picture, _ = scene((220, 220, 225))
    green = np.array([0.0, 200.0, 0.0])
    changed = backgrounds.replaced(picture[None].astype("float32"), backgrounds.foreground(picture)[None], green)[0]
    distance = np.hypot(*(np.mgrid[:SIZE, :SIZE] - np.array([40, 32])[:, None, None]))
    inside, outside = distance < 12, distance > 19
    np.testing.assert_allclose(changed[inside], picture[inside])
    np.testing.assert_allclose(changed[outside], np.broadcast_to(green, changed[outside].shape))


def test_made_pictures_follow_from_the_seed_and_differ():
    few, many = backgrounds.made(3, 32, seed=1), backgrounds.made(5, 32, seed=1)
    assert few.shape == (3, 32, 32, 3) and few.dtype == np.uint8
    np.testing.assert_array_equal(few, many[:3])
    assert len(np.unique(many.reshape(5, -1), axis=0)) == 5
    assert (backgrounds.made(3, 32, seed=2) != few).any(axis=(1, 2, 3)).all()
