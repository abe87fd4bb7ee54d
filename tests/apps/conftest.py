"""What holds for the tests of every application."""

import hashlib
import os
from pathlib import Path

import pytest

import kerasmlsp
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


@pytest.fixture(scope="module", autouse=True)
def kept_nets():
    """The same for the nets of runs, by the contents of their files, while nothing has changed their weights."""
    load, kept = kerasmlsp.load_model, {}

    def load_once(path, **options):
        if options or not Path(path).is_file():
            return load(path, **options)
        key = hashlib.sha256(Path(path).read_bytes()).digest()
        if key not in kept or kept[key][1:] != state(kept[key][0]):
            net = load(path)
            kept[key] = net, *state(net)
        return kept[key][0]

    def state(net):
        return [weight.tobytes() for weight in net.get_weights()], len(net.trainable_weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kerasmlsp, "load_model", load_once)
        yield
