"""Nets that are too large for the machine."""

import keras
import pytest

from kerasmlsp.training import Settings, built, memory


@pytest.mark.parametrize(
    ("changes", "bytes_each"),
    [({}, 16), ({"ema": 0.9}, 20), ({"optimizer": "sgd"}, 12), ({"optimizer": "rmsprop"}, 12)],
)
def test_a_net_is_refused_before_the_weight_that_is_too_much(monkeypatch, changes, bytes_each):
    made = keras.layers.Layer.add_weight
    monkeypatch.setattr(memory, "free_memory", lambda: 1000 * bytes_each)
    with memory.checked(Settings(**changes)):
        keras.layers.Dense(100, use_bias=False).build((None, 10))
    with pytest.raises(ValueError, match="too large for this machine"), memory.checked(Settings(**changes)):
        keras.layers.Dense(100).build((None, 10))
    assert keras.layers.Layer.add_weight is made


def test_weights_that_are_not_trained_count_once(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * 10 * 16 + 2 * 10 * 4)
    with memory.checked(Settings()):
        keras.layers.BatchNormalization().build((None, 10))


def test_a_training_refuses_a_net_that_does_not_fit():
    def build():
        return keras.Sequential([keras.Input((3, 10)), keras.layers.LSTM(10**8)])

    with pytest.raises(ValueError, match=r"training takes [\d,]+ GB or more .*'lstm_cell'.* are free\."):
        built(build, Settings())


def test_free_memory_is_bounded_by_that_of_the_container(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "unlimited").write_text("max\n")
    monkeypatch.setattr(memory, "_LIMITS", (str(tmp_path / "memory.max"), str(tmp_path / "unlimited")))
    assert memory.free_memory() == 1000
    monkeypatch.setattr(memory, "_LIMITS", ())
    free = memory.free_memory()
    # Systems that do not tell what is free tell what there is in all.
    monkeypatch.setattr(memory, "_MEMORY", str(tmp_path / "missing"))
    assert 0 < free <= memory.free_memory()
