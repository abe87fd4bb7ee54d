"""What holds for every test."""

import keras
import pytest


@pytest.fixture(autouse=True)
def seeded():
    """A test sees the same random weights alone, in any order, and in any process."""
    keras.utils.set_random_seed(0)
