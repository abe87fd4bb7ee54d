"""What the tests of the server share: models of plain numbers, and saved models of TensorFlow behind an engine."""

import numpy as np
import pytest
from engines import Models, Served, export, until

from kerasmlsp.serving.engine import EngineSettings


@pytest.fixture
def numbers(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return Models(folder)


@pytest.fixture(scope="session")
def saved_models(tmp_path_factory):
    """A folder with the saved model `tiny`, version 1."""
    folder = tmp_path_factory.mktemp("saved_models")
    export(folder / "tiny", warm_up=[("", {"text": [b"warm"]}), ("scaled", {"points": np.zeros((1, 2), np.float32)})])
    return folder


@pytest.fixture(scope="session")
def served(saved_models):
    """The saved model `tiny` in a real worker, the only one that the tests start."""
    served = Served(EngineSettings(models=(saved_models,), poll_seconds=0.05))
    served(served.engine.start())
    served(until(lambda: served.engine.ready()["tiny"], 100))
    yield served
    served.stop()
