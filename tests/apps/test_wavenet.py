"""The wavenet application through its command line, on sounds that the tests write."""

import json
import os
import wave
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within

from kerasmlsp.apps import cli
from kerasmlsp.apps.wavenet import baselines, data, evaluate, generate
from kerasmlsp.apps.wavenet.config import Config
from kerasmlsp.data import audio
from kerasmlsp.exporting import loading
from kerasmlsp.layers.autoregressive import mu_law, mu_law_inverse

pytest.importorskip("soundfile")

RATE = 1000
TINY = (
    *("--rate", RATE, "--seconds", 0.3, "--features", 6, "--skip-features", 8, "--num-stacks", 1),
    *("--blocks-per-stack", 3, "--batch-size", 8, "--validation-share", 0.1, "--learning-rate", 0.02),
)


def tone(pitch, seconds, random):
    time = np.arange(round(seconds * RATE)) / RATE
    swing = np.sin(2 * np.pi * (pitch * time + random.uniform()))
    return 0.5 * swing + 0.01 * random.normal(size=len(time))


def write_folder(folder, count, seed=0):
    random = np.random.default_rng(seed)
    for number in range(2 * count):
        name, pitch = ("high", 200) if number % 2 else ("low", 60)
        place = folder / name / f"{'ab'[number % 4 // 2]}{number // 4:02d}_{number}.wav"
        place.parent.mkdir(parents=True, exist_ok=True)
        audio.write_wav(place, tone(pitch * random.uniform(0.9, 1.1), random.uniform(0.2, 0.7), random), RATE)


def run_json(*words):
    return json.loads(command("wavenet", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with sounds and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_folder(folder / "tones", 40)
    audio.write_wav(folder / "tones/low/short.wav", np.zeros(20), RATE)
    (folder / "tones/low/text.wav").write_text("no sound")
    words = ("--data", "tones", "--run", "whole", "--epochs", 8, "--group-pattern", r"([ab]\d\d)_", *TINY)
    # Short and damaged files have names without a person.
    told = command("wavenet", "train", *words).output
    (folder / "told.txt").write_text(told)
    command("wavenet", "evaluate", "--run", "whole", "--samples", 2)
    command("wavenet", "export", "--run", "whole", "--licence", "none", "--data-note", "tones of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/wavenet/whole"
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["high", "low"] and min(config["seconds_of"].values()) > 0.3
    assert config["left_out"] == {"too short": 1, "damaged or of no format that is read": 1}
    assert "Left out 2 of 82 recordings" in (workshop / "told.txt").read_text()
    assert {"model.keras", "history.csv", "curves.png"} <= set(os.listdir(run))


def test_evaluation_measures_nats_beside_simpler_means(workshop):
    found = json.loads((workshop / "runs/wavenet/whole/evaluation/metrics.json").read_text())
    rows = found["nats per sample"]
    assert all(within(row) for row in rows.values()) and len(rows) == 5
    values = {name: row["value"] for name, row in rows.items()}
    assert values["net"] < values["histogram"] < np.log(256)
    assert values["linear prediction of order 16, gaussian"] < values["histogram"]
    names = set(os.listdir("runs/wavenet/whole/evaluation"))
    assert {"waveforms.png", "sample-1-high.wav", "sample-2-low.wav", "completed-1.wav", "test-1.wav"} <= names
    with wave.open(str(workshop / "runs/wavenet/whole/evaluation/sample-1-high.wav")) as file:
        assert (file.getframerate(), file.getnframes(), file.getsampwidth()) == (RATE, 300, 2)


def test_levels_are_those_of_mu_law():
    samples = np.linspace(-1, 1, 999)
    levels = np.asarray(mu_law(samples.astype("float32")))
    assert (data.to_levels(samples) == levels).mean() > 0.995  # of those on an edge one may be rounded otherwise
    np.testing.assert_allclose(data.from_levels(levels), np.asarray(mu_law_inverse(levels)), atol=1e-5)


def test_recordings_are_cut_and_persons_stay_together(workshop):
    config = Config(data="tones", rate=RATE, seconds=0.3, group_pattern=r"([ab]\d\d)_")
    pieces = data.read(config)
    parts = data.split(pieces, config)
    assert pieces.levels.shape[1] == 300 and sum(map(len, parts)) == len(pieces)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not set(parts[first].groups) & set(parts[second].groups)
    short = pieces.sizes < 300
    assert short.any() and (pieces.levels[~pieces.known] == 128).all()


def test_stretches_of_one_recording_are_held_out(workshop):
    audio.write_wav("long.wav", tone(100, 9.0, np.random.default_rng(0)), RATE)
    config = Config(data="long.wav", rate=RATE, seconds=0.3)
    pieces = data.read(config)
    chosen, validation, test = data.split(pieces, config)
    assert pieces.classes == [] and len(pieces) == 30 and (len(test), len(validation)) == (3, 1) and len(chosen) == 26


@pytest.mark.parametrize("kind", ["gaussian", "laplace"])
def test_linear_prediction_spreads_all_probability_over_the_levels(kind):
    random = np.random.default_rng(0)
    # A resonance that is easy to foretell, and noise.
    samples = np.zeros((6, 400))
    for place in range(2, 400):
        samples[:, place] = 1.6 * samples[:, place - 1] - 0.9 * samples[:, place - 2] + 0.02 * random.normal(size=6)
    levels = data.to_levels(samples)
    whole = np.full(6, 400, np.int32), np.zeros(6, np.int32), np.arange(6), []
    train, test = data.Pieces(levels, *whole)[:4], data.Pieces(levels, *whole)[4:]
    nats, decay = baselines.linear_prediction(train, test, RATE, kind)
    assert 0 < decay < 1 and nats.mean() < baselines.pair_histogram(train, test).mean()
    every = np.repeat(test.levels[:1], 256, axis=0)
    every[:, 399] = np.arange(256)
    many = data.Pieces(every, np.full(256, 400, np.int32), np.zeros(256, np.int32), np.arange(256), [])
    last = baselines.linear_prediction(train, many, RATE, kind)[0][:, 399]
    assert np.exp(-last).sum() == pytest.approx(1, abs=1e-4)


def test_the_same_seed_makes_the_same_sound_in_any_batch(workshop):
    saved = loading.load(loading.find("wavenet"))
    sounds, labels = generate.generate(saved, [0, 1, 2], seconds=0.2)
    assert sounds.shape == (3, 200) and labels == ["high", "low", "high"] and np.abs(sounds).max() <= 1
    alone, _ = generate.generate(saved, [1], ["low"], seconds=0.2)
    np.testing.assert_array_equal(alone[0], sounds[1])
    longer, _ = generate.generate(saved, [1], ["low"], seconds=0.25)
    np.testing.assert_array_equal(longer[0, :200], sounds[1])
    settings = {"temperature": [1.0] * 2, "top_k": [0] * 2, "top_p": [1.0] * 2, "seed": [1, 1], "label": ["low"] * 2}
    rows = saved.call("generate", length=[200, 3], **settings)["waveform"]
    np.testing.assert_array_equal(rows[0], sounds[1])
    np.testing.assert_array_equal(rows[1], np.where(np.arange(200) < 3, sounds[1], 0))
    assert saved(seed=[], label=[])["waveform"].shape == (0, 0)


def test_scores_are_those_of_the_net(workshop):
    net, config, _ = evaluate.load(Path("runs/wavenet/whole"))
    pieces = data.read(config)[:4]
    expected = (evaluate.model.nats(net, pieces) * pieces.known).sum(1) / pieces.sizes
    saved = loading.load(loading.find("wavenet"))
    label = [saved.card["classes"][each] for each in pieces.labels]
    waves = data.from_levels(pieces.levels).astype("float32")
    found = saved.call("score", waveforms=waves, given=pieces.sizes, label=label)["nats"]
    np.testing.assert_allclose(found, expected, atol=1e-3)
    with pytest.raises(ValueError, match="`given` must be at most"):
        saved.call("score", waveforms=waves, given=pieces.sizes + 999, label=label)


def test_a_sound_goes_on_after_its_beginning(workshop):
    primer = next(iter(sorted(Path("tones/low").glob("a*.wav"))))
    words = ("--primer", primer, "--keep", 0.1, "--seconds", 0.1, "--label", "low", "--figure", "waves.png")
    result = run_json("complete", *words, "--num", 2, "--output", "whole.wav")
    assert [Path(path).name for path in result["files"]] == ["whole-0.wav", "whole-1.wav"]
    first, second = (audio.read_waveform(path, RATE) for path in result["files"])
    given = audio.read_waveform(primer, RATE)[:100]
    assert len(first) == 200 and Path("waves.png").stat().st_size > 0
    # What was given is heard in 256 levels.
    np.testing.assert_allclose(first[:100], given, atol=0.02)
    np.testing.assert_array_equal(first[:100], second[:100])
    assert (first[100:] != second[100:]).any()
    result = run_json("generate", "--num", 3, "--seconds", 0.05, "--output", "many", "--seed", 4)
    assert [Path(path).name for path in result["files"]][1] == "0000000005-low.wav"


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    stop_and_resume("wavenet", ["--data", "tones", "--epochs", 12, *TINY], "history.csv")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "Give the recordings"),
        (("train", "--data", "no", "--run", "x"), 1, "must be there already"),
        (("train", "--data", "empty", "--run", "x"), 1, "must hold recordings"),
        (("train", "--data", "tones/low/short.wav", "--rate", RATE, "--run", "x"), 1, "at least 0.1 seconds"),
        (("train", "--data", "tones/low/text.wav", "--run", "x"), 1, "must be a whole file"),
        (("train", "--data", "tones/low/a00_0.wav", "--rate", RATE, "--run", "x"), 1, "for some to be held out"),
        (("train", "--data", "tones", "--group-pattern", "(", "--run", "x"), 2, "regular expression"),
        (("train", "--data", "tones", "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("export", "--run", "whole", "--format", "litert"), 2, "is not possible for wavenet"),
        (("generate", "--output", "x.mp3"), 2, "end in .wav"),
        (("generate", "--label", "loud", "--output", "x.wav"), 1, "must be one of high, low"),
        (("complete", "--primer", "no.wav", "--output", "x.wav"), 1, "no.wav is not there"),
        (("complete", "--primer", "tones/low/text.wav", "--output", "x.wav"), 1, "must be a whole file"),
        (("complete", "--primer", "tones/low/short.wav", "--keep", 1, "--output", "x.wav"), 1, "at most the 0.02 s"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    Path("empty").mkdir(exist_ok=True)
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["wavenet", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output and not Path("x.wav").exists()
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}


def test_the_card_says_what_was_measured(workshop):
    card = json.loads(Path("saved_models/wavenet/1/card.json").read_text())
    assert "nats per sample, net" in card["metrics"] and card["size_bytes"] < 5e6
    assert card["rate"] == RATE and "hears 8 ms" in card["limits"]
