"""What holds for the tests of every application."""

import os
from pathlib import Path

import pytest

from kerasmlsp.exporting import loading


@pytest.fixture(scope="module", autouse=True)
def kept_models(forked_replay):
    """Commands of one file share what they loaded: to load a model and compile its loops takes seconds each time."""
    load, kept = loading.load, {}

    def load_once(path):
        written = [Path(path, name) for name in ("saved_model.pb", "card.json")]
        if not all(map(Path.is_file, written)):
            return load(path)
        key = os.path.abspath(path), *(each.stat().st_mtime_ns for each in written)
        if key not in kept:
            kept[key] = load(path)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load", load_once)
        yield
