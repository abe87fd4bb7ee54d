"""What holds for every test."""

import forked
import keras
import pytest
from keras.src.backend.common import global_state

from kerasmlsp.exporting import verifying


@pytest.fixture(autouse=True)
def alone():
    """A test sees the same random weights alone, in any order, and in any process, and leaves no weights to be made."""
    keras.utils.set_random_seed(0)
    yield
    # Keras keeps what a scope without initialization left out, and makes it in a later test: 11 GB for the GPTs.
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.fixture(scope="module")
def forked_replay():
    """Exports are verified in forked processes; `tests/exporting` has some of their own started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "_run", forked.run_script)
        yield
