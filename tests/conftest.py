"""What holds for every test."""

import gc
import os
import signal

import pytest

# Here and in processes that are started: two of pytest-xdist's share two cores, and what XLA compiles runs a few times.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=1")
# As `train` sets it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# A shell lets what runs in its background, and all that this starts, ignore Ctrl-C, which some tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Nothing is kept outside of the folders of the tests.
os.environ.setdefault("TF_XLA_FLAGS", "--tf_xla_persistent_cache_directory=")

LONG = ("apps", "catalogue", "layers", "models", "music", "serving", "training")
"""Folders of files that take long."""

# Nothing imports TensorFlow before the first test: pytest-xdist's own process has none.


def pytest_collection_modifyitems(items):
    """Long files come first: of two processes, neither waits long for the other at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


def pytest_collection_finish():
    """What is imported by now stays: to look through it for garbage, again and again, takes long."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def quick_tensorflow():
    """TensorFlow that loses no time on what the tests have no use for."""
    import keras
    import tensorflow as tf

    if keras.backend.backend() == "tensorflow":
        # Each graph runs a few times: to make it fast takes longer than it then saves.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    with pytest.MonkeyPatch.context() as patch:
        # Nothing here draws by TensorFlow's own seed. To set it drops all kernels: a loaded model is made ready anew.
        patch.setattr(tf.random, "set_seed", lambda seed: None)
        yield


@pytest.fixture(autouse=True)
def alone(quick_tensorflow):
    """A test sees the same random weights alone, in any order, and in any process, and leaves no weights to be made."""
    import keras
    from keras.src.backend.common import global_state

    keras.utils.set_random_seed(0)
    yield
    # Keras keeps what a scope without initialization left out, and makes it in a later test: 11 GB for the GPTs.
    global_state.set_global_attribute("uninitialized_variables", [])


@pytest.fixture(scope="module")
def replayed_here():
    """Exports are verified in this process, which keeps the saved models; `tests/exporting` starts some for it."""
    import replaying

    from kerasmlsp.exporting import loading, verifying

    kept = replaying.Kept()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "replay", kept.replay)
        patch.setattr(loading, "restore", kept.restore)
        yield
