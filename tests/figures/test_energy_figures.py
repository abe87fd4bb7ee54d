"""The numbers of the figures of networks with an energy, in their quick forms, and what the whole ones show."""

import gzip

import numpy as np
import pytest

from kerasmlsp import figures
from kerasmlsp.figures import _data


def quick(name, **options):
    return getattr(figures, name)(**{**figures.QUICK.get(name, {}), **options})


def test_hopfield_recall():
    _, numbers = quick("hopfield_recall")
    overlap, energy = numbers["overlap"], numbers["energy"]
    assert max(overlap["noisy"]) < 0.7 and max(overlap["half"]) < 0.7
    assert overlap["recalled from noisy"] == overlap["recalled from half"] == [1, 1, 1]
    assert all(low < high for low, high in zip(energy["stored"], energy["noisy"], strict=True))


def test_energy_landscape():
    _, numbers = quick("energy_landscape")
    assert (numbers["minima"], numbers["stored"], numbers["spurious"]) == (10, 6, 4) and len(
        numbers["energies"]
    ) == 2**12
    falls = np.diff(numbers["paths"], axis=0)
    assert (falls <= 0).all() and (falls < 0).any(0).all()
    # A state and its negative have the same energy.
    np.testing.assert_allclose(numbers["energies"], numbers["energies"][::-1])


def test_capacity():
    figure, numbers = quick("capacity")
    few, many = numbers["overlap"][40]
    assert few == 1 > many
    measures = numbers["measures"][40]
    assert measures["log₂ D"] == pytest.approx(5.32, abs=0.01) and measures["0.138 D"] == pytest.approx(5.52)
    np.testing.assert_array_equal(figure.axes[0].get_lines()[0].get_ydata(), [few, many])


def test_rbm():
    _, numbers = quick("rbm")
    assert numbers["error"]["after"] < numbers["error"]["before"]
    assert numbers["free_energy"]["new"] < numbers["free_energy"]["noise"]
    assert numbers["filters"].shape == (9, 16, 16) and numbers["samples"].shape == (6, 3, 16, 16)
    assert numbers["samples"].min() >= 0 and numbers["samples"].max() <= 1


def test_pretraining():
    figure, numbers = quick("pretraining")
    errors = numbers["error"][50]
    assert list(errors) == ["random", "RBMs", "autoencoders", "labels, layer by layer"]
    for start, (steps, curve) in numbers["curves"][50].items():
        assert steps == [0, 1, 2, 3, 4, 5] and errors[start] == curve[-1] and max(curve) <= 1
    assert len(figure.axes) == 1


@pytest.mark.slow
def test_pretraining_helps_a_deep_net_with_few_labels():
    _, numbers = figures.pretraining(labelled=(600,), images=3000, updates=600, tested=1000)
    errors = numbers["error"][600]
    assert max(errors["RBMs"], errors["autoencoders"], errors["labels, layer by layer"]) < errors["random"] - 0.02


def test_digits_of_a_folder_of_ones_own(tmp_path):
    """As MNIST has them: the header tells of bytes in three dimensions, then in one."""
    images = np.random.default_rng(0).integers(0, 256, (12, 8, 8)).astype("uint8")
    for split in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", np.arange(12, dtype="uint8") % 10)):
            head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
            (tmp_path / f"{split}-{name}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    found, labels = _data.digits(tmp_path, 5, 0)
    assert found.shape == (5, 8, 8) and found.max() <= 1 and len(labels) == 5
    assert _data.digits(tmp_path, 5, 0, "test")[0].shape == (5, 8, 8)
    _, numbers = quick("rbm", data=tmp_path, count=12, epochs=1, chain=(0, 1))
    assert numbers["filters"].shape == (9, 8, 8)


def test_printed_digits_are_ten_classes():
    images, labels = _data.printed_digits(200, 0)
    assert images.shape == (200, 16, 16) and (np.bincount(labels) == 20).all()
    means = np.stack([images[labels == digit].mean(0).ravel() for digit in range(10)])
    nearest = np.square(images.reshape(200, 1, -1) - means).sum(-1).argmin(1)
    assert np.mean(nearest == labels) > 0.6
