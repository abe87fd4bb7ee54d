"""Every saved model that comes with the package: no rows, wrong shapes, and what the card says of the inputs."""

import functools
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from kerasmlsp import exporting
from kerasmlsp.exporting.loading import reason

SHIPPED = Path(str(resources.files("kerasmlsp.saved_models")))
APPS = sorted(folder.parent.parent.name for folder in SHIPPED.glob("*/1/saved_model.pb"))


@functools.cache
def loaded(app):
    return exporting.load(SHIPPED / app / "1")


def feed(specs, known, rows):
    """Inputs of an endpoint with so many rows, each of its default or of zeros."""
    found = {}
    for name, spec in specs.items():
        shape = [rows if axis == 0 else size or 1 for axis, size in enumerate(spec.shape)]
        default = known[name]["default"]
        found[name] = np.full(shape, b"" if default is None and spec.dtype == "string" else default or 0)
    return found


def test_all_are_there():
    assert APPS == [
        "anomaly",
        "caption",
        "chargen",
        "embed",
        "gan",
        "gesture",
        "lenet_features",
        "motion",
        "music",
        "sentiment",
        "speech",
        "traffic",
        "translate",
    ]


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(app, marks=[pytest.mark.slow] * (app in ("caption", "chargen", "music", "translate")))
        for app in APPS
    ],
)
def test_no_rows_wrong_shapes_and_the_card(app):
    import tensorflow as tf

    model = loaded(app)
    readme = (model.path / "README.md").read_text()
    for endpoint, tensors in model.endpoints.items():
        known = model.card["endpoints"][endpoint]["inputs"]
        for name in tensors["inputs"]:
            assert known[name]["meaning"].endswith(".") and known[name]["range"] and f"`{name}`" in readme
        given = feed(tensors["inputs"], known, 0)
        for name, answer in model.call(endpoint, **given).items():
            spec = tensors["outputs"][name]
            assert answer.shape == tuple(0 if axis == 0 else size or 0 for axis, size in enumerate(spec.shape)), name
        signature = model._signatures[endpoint]
        fed = {name: tf.constant(each, tensors["inputs"][name].dtype) for name, each in given.items()}
        for name, tensor in fed.items():
            for other in (tensor[None], tf.reshape(tensor, [-1])[:0] if tensor.shape.rank > 1 else tensor[None, None]):
                with pytest.raises(tf.errors.InvalidArgumentError) as error:
                    signature(**{**fed, name: other})
                assert reason(error.value).startswith(f"`{name}` must have the shape ")


def test_music_refuses_nonsense_and_knows_what_is_left_out():
    model = loaded("music")
    wrong = {
        "tonic": 12,
        "minor": 2,
        "bar": 7,
        "pickup": -1,
        "steps": 0,
        "particles": 0,
        "temperature": 0,
        "top_p": 1.5,
    }
    for name, value in wrong.items():
        given = {"tonic": [0], name: value if name in ("steps", "particles") else [value]}
        with pytest.raises(ValueError, match=rf"`{name}` must be .*Received: {value}$"):
            model(**given)
    with pytest.raises(ValueError, match=r"`pickup` must be shorter than `bar`. Received: 12 of 12"):
        model(tonic=[0], bar=[12], pickup=[12], steps=4)
    answer = model(tonic=[0, 2], steps=4, particles=1)
    assert answer["pitches"].shape == (2, 4, 4) and (answer["nats"] > 0).all()
    pitches = np.full((1, 4, 4), 7)
    with pytest.raises(ValueError, match=r"`pitches` must be one of -1 to 0, 28 to 88. Received: 7 7 7"):
        model.call("complete", pitches=pitches, onsets=pitches == 0)


def test_a_prompt_is_read_from_its_end():
    model = loaded("chargen")
    limit = model.card["prompt_characters"]
    text = "To be, or not to be: that is the question.\n" * 2500
    states = [model.call("start", prompt=[prompt]) for prompt in (text, text[-limit:], text[1 - limit :])]
    assert len(text) > 100_000 and limit == 1024
    np.testing.assert_array_equal(states[0]["logits"], states[1]["logits"])
    assert states[0]["position"][0] == limit + 1 and states[2]["position"][0] == limit
    assert f"{limit:,} characters" in model.card["limits"]


def test_an_empty_text_and_a_plain_picture_are_unsure():
    model = loaded("sentiment")
    answer = model(text=["", "qwrtzp xkcdq", "An excellent film.", "film"])
    assert answer["unsure"].tolist()[:3] == [True, True, False] and answer["confidence"][:2].tolist() == [0, 0]
    assert 0.5 < model.card["reject_below"]["threshold"] < 0.6
    assert model.card["reject_below"]["coverage"] == pytest.approx(0.95, abs=0.001)
    model = loaded("gesture")
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3))
    for pictures in (noise[:, :1, :1], noise[:, :7], np.full_like(noise, 99)):
        answer = model(images=pictures)
        assert answer["unsure"].tolist() == [True] and answer["confidence"].tolist() == [0]
    assert model(images=noise)["confidence"][0] > 0
    assert json.loads((model.path / "card.json").read_text())["reject_below"]["accuracy"] > 0.9
