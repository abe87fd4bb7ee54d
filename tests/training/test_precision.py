"""What `fit` makes of the machine: bfloat16, the same bits again, and when the metrics of a batch are read."""

import types

import keras
import pytest

from kerasmlsp import training
from kerasmlsp.layers import devices
from kerasmlsp.training import callback_list, fitting, precision
from kerasmlsp.training.callback_list import Callbacks


@pytest.fixture
def machine(monkeypatch):
    """Pretends that Keras has these devices, with these compute capabilities."""

    def pretend(found, capabilities=()):
        monkeypatch.setattr(keras.distribution, "list_devices", lambda: list(found))
        monkeypatch.setattr(precision, "_capabilities", lambda: list(capabilities))

    return pretend


@pytest.mark.parametrize(
    ("found", "capabilities", "fast"),
    [
        (["gpu:0"], [("7", "5")], False),
        (["gpu:0"], [(8, 0)], True),
        (["gpu:0"], [("12", "0")], True),
        (["gpu:0", "gpu:1"], [(9, 0), (7, 0)], False),
        (["gpu:0"], [["gfx90a"]], False),
        (["gpu:0"], [()], False),
        (["gpu:0"], [], False),
        (["tpu:0"], [], True),
    ],
)
def test_gpus_multiply_bfloat16_by_their_compute_capability(machine, found, capabilities, fast):
    machine(found, capabilities)
    assert training.has_fast_bfloat16() is fast
    assert precision.policies("auto") == (["mixed_bfloat16", "float32"] if fast else ["float32"])
    assert precision.policies("float32") == ["float32"]
    assert not devices.on_cpu()


def test_automatic_is_float32_on_cpus(machine):
    machine(["cpu:0"])
    assert precision.policies("auto") == ["float32"]


def test_a_backend_without_a_list_of_devices_counts_as_cpu(monkeypatch):
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: None.devices)
    assert devices.on_cpu()


@pytest.mark.parametrize(("recurrent", "policy"), [(False, "mixed_bfloat16"), (True, "float32")])
def test_recurrent_nets_stay_in_float32(machine, recurrent, policy):
    machine(["gpu:0"], [(9, 0)])

    def build():
        inner = [keras.layers.Bidirectional(keras.layers.GRU(2))] if recurrent else [keras.layers.Flatten()]
        model = keras.Sequential([keras.Input((3, 2)), keras.Sequential(inner), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        return model

    model = training.built(build, training.Settings(seed=3))
    assert model.layers[-1].dtype_policy.name == policy
    keras.utils.set_random_seed(3)
    assert (model.layers[-1].kernel == build().layers[-1].kernel).numpy().all()
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize(
    ("flags", "refused"),
    [
        ("", True),
        ("--xla_gpu_deterministic_ops=false", True),
        ("--xla_dump_to=x --xla_gpu_deterministic_ops=true", False),
        ("--xla_gpu_exclude_nondeterministic_ops", False),
    ],
)
def test_gpus_with_jax_repeat_bit_for_bit_only_where_xla_was_asked(machine, monkeypatch, flags, refused):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    monkeypatch.setenv("XLA_FLAGS", flags)
    machine(["cpu:0"])
    precision.check_deterministic()
    machine(["gpu:0"])
    if refused:
        with pytest.raises(ValueError, match=r"`deterministic` must be False on GPUs with JAX, .* Received: XLA"):
            precision.check_deterministic()
    else:
        precision.check_deterministic()


class Value:
    """A number of a device, which knows whether it was waited for."""

    def __init__(self):
        self.read = False

    def __float__(self):
        self.read = True
        return 0.5


class Reads(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["loss"]))


@pytest.mark.parametrize(("waits", "expected"), [(False, [0, 5]), (True, list(range(10)))])
def test_metrics_are_read_ten_times_a_second_unless_someone_waits_for_each(monkeypatch, waits, expected):
    own = Reads()
    callbacks = Callbacks([own], reading=[own] if waits else [keras.callbacks.Callback()], steps=10)
    values = [Value() for _ in range(10)]
    callbacks.on_epoch_begin(0)
    for batch, value in enumerate(values):
        clock = types.SimpleNamespace(monotonic=lambda batch=batch: 0.02 * batch)
        monkeypatch.setattr(callback_list, "time", clock)
        callbacks.on_train_batch_end(batch, {"loss": value})
    assert [place for place, value in enumerate(values) if value.read] == expected
    # Everyone is told of every batch.
    assert own.seen == [(batch, 0.5) for batch in range(10)]


def test_fit_tells_callbacks_epochs_and_steps(tmp_path):
    class Told(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            told.append((self.params["epochs"], self.params["steps"], self.model.name))

    class Ones(keras.utils.PyDataset):
        num_batches = 3

        def __getitem__(self, index):
            return keras.ops.ones((2, 1)), keras.ops.ones((2, 1))

    def build():
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)], name="net")
        model.compile("sgd", "mse")
        return model

    told = []
    model = fitting.fit(build, Ones(), tmp_path, epochs=2, monitor="loss", callbacks=[Told()])
    assert told == [(2, 3, "net")] * 2
    assert len(model.history.history["loss"]) == 2
