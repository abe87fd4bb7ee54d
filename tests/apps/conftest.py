"""What holds for the tests of every application."""

import hashlib
from pathlib import Path

import pytest

import kerasmlsp


@pytest.fixture(scope="module", autouse=True)
def kept_nets(replayed_here):
    """Commands of one file share what they loaded, while nothing has changed its weights: to load a net takes long.

    The nets of runs are known by the contents of their files; `replayed_here` does the same for saved models.
    """
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
