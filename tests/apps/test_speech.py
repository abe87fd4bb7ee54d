"""The speech application through its command line, on tones that the tests write."""

import csv
import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from commands import command, stop_and_resume, within

from kerasmlsp import classification
from kerasmlsp.apps import cli
from kerasmlsp.apps.speech import data, evaluate, listening, model, predict
from kerasmlsp.apps.speech.config import ARCHITECTURES, RECIPES, Config
from kerasmlsp.data import clips
from kerasmlsp.exporting import loading

soundfile = pytest.importorskip("soundfile", reason="the extra signals is not installed")

RATE, CLASSES = 8000, ["_silence_", "fall", "rise"]
SPEAKER = ("--group-pattern", "([a-z]+)_nohash_")
QUICK = ("--rate", RATE, "--seconds", 0.5, "--architecture", "cnn", "--learning-rate", 0.01, "--batch-size", 16)


def tone(kind, random, samples=4000):
    """A tone that rises or falls, of any pitch, or noise."""
    time = np.arange(samples) / RATE
    noise = 0.01 * random.normal(size=samples)
    if kind == "_silence_":
        return noise
    low, slope = random.uniform(300, 600), 2400 if kind == "rise" else -2400
    low += 1200 * (kind == "fall")
    return noise + 0.3 * np.sin(2 * np.pi * (low + slope / 2 * time) * time) * np.hanning(samples)


def write(folder, speakers, seed, each=2):
    random = np.random.default_rng(seed)
    for speaker in range(speakers):
        for kind in CLASSES:
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for number in range(each):
                name = f"{speaker}-{number}" if kind == "_silence_" else f"s{chr(97 + speaker)}_nohash_{number}"
                soundfile.write(folder / kind / f"{name}.wav", tone(kind, random), RATE)
    return folder


def run_json(*words):
    return json.loads(command("speech", *words, "--json").stdout)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with recordings and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write(folder / "tones", 12, seed=0)
    write(folder / "test", 6, seed=1)
    (folder / "tones/rise/sa_nohash_9.wav").write_bytes(b"RIFF broken")
    told = command("speech", "train", "--data", "tones", "--run", "whole", "--epochs", 12, *SPEAKER, *QUICK)
    (folder / "told.txt").write_text(told.output)
    (folder / "measured.json").write_text(json.dumps(run_json("evaluate", "--run", "whole", "--data", "test")))
    command("speech", "export", "--run", "whole", "--licence", "none", "--data-note", "tones of a test")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def long(workshop):
    """Ten seconds of noise in which a tone rises at 3 s and one falls at 6.5 s, in stereo at twice the rate."""
    random = np.random.default_rng(5)
    samples = 0.01 * random.normal(size=10 * RATE)
    for second, kind in ((3.0, "rise"), (6.5, "fall")):
        samples[int(second * RATE) :][:4000] = tone(kind, random)
    soundfile.write("long.flac", np.repeat(np.stack([samples, samples], 1), 2, axis=0), 2 * RATE)
    return workshop / "long.flac"


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/speech/whole"
    assert {"config.json", "model.keras", "net", "curves.png", "threshold.json"} <= {
        each.name for each in run.iterdir()
    }
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == CLASSES and (config["examples"], config["groups"]) == (72, 12)
    assert config["left_out"] == {"damaged or of no format that is read": 1}
    assert "Left out 1 of 73 recordings" in (workshop / "told.txt").read_text()


def test_evaluation_measures_and_draws(workshop):
    result = json.loads((workshop / "measured.json").read_text())
    assert all(within(values) for values in result["metrics"].values())
    assert result["metrics"]["accuracy"]["value"] > 0.8 and result["examples"] == 36
    assert "accuracy without _silence_" in result["metrics"]
    names = {Path(file).name for file in result["files"]}
    assert {"confusion_matrix.png", "score_histogram.png", "label_counts.png", "mistakes.csv"} <= names
    assert all(Path(file).stat().st_size > 0 for file in result["files"])
    alarms = result["false alarms"]
    assert alarms["hours"] == pytest.approx(12 * 0.5 / 3600) and within(alarms["per hour"])
    assert "false alarms per hour" in command("speech", "evaluate", "--run", "whole").stdout


def test_false_alarms_are_counted_in_recordings_of_background(workshop, long):
    result = run_json("evaluate", "--run", "whole", "--background", long)
    # There are two commands in it, and none was meant.
    assert result["false alarms"]["alarms"] >= 2
    assert result["false alarms"]["hours"] == pytest.approx(10 / 3600, rel=0.05)


def test_folds_keep_speakers_together(workshop):
    config = Config(group_pattern=SPEAKER[1], rate=RATE, seconds=0.5)
    examples = data.read(config, "tones")
    fold_of = data.folds(examples, 3, 0)
    for group in np.unique(examples.groups):
        assert len(set(fold_of[examples.groups == group])) == 1
    chosen, held = data.split(examples, config)
    assert not set(examples.groups[chosen]) & set(examples.groups[held])
    assert len(set(examples.groups)) == 12 + 24  # noise is nobody's


# A training for each fold; that folds keep speakers together is held above.
@pytest.mark.slow
def test_cross_validation_predicts_every_recording(workshop):
    shutil.copytree("runs/speech/whole", "runs/speech/folded")
    path = Path("runs/speech/folded/config.json")
    changes = {"validation_share": 0.0, "epochs": 1, "noise": 0.0}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    result = run_json("evaluate", "--run", "folded", "--folds", 2)
    assert len(result["folds"]) == 2 and result["examples"] == 72 and "speakers held out" in result["on"]
    failed = command("speech", "evaluate", "--run", "folded", code=1)
    assert "held out nothing" in failed.output


@pytest.mark.slow
def test_a_stopped_training_goes_on_as_if_it_had_not_been_stopped(workshop):
    words = ["--data", "tones", "--epochs", 5, *SPEAKER, *QUICK]
    stop_and_resume("speech", words, "net/history.csv")


def test_every_batch_follows_from_seed_epoch_and_step(workshop):
    config = Config(rate=RATE, seconds=0.5, seed=3).complete()
    examples = data.read(config, "test")
    targets = classification.one_hot(examples.labels, CLASSES)
    load = data.training_batches(examples, targets, np.ones(36, "float32"), config).load
    (first, target, _), (again, *_), (other, *_) = (load(np.arange(8), key) for key in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01 and first.shape == (8, 4000)
    np.testing.assert_array_equal(target, targets[:8])


def test_without_its_changes_a_waveform_stays(workshop):
    still = Config(rate=RATE, seconds=0.5, noise=0.0, shift=0.0, stretch=0.0, gain=0.0).complete()
    examples = data.read(still, "test")
    load = data.changing(examples, np.zeros((36, 3)), np.ones(36), still)
    np.testing.assert_allclose(load(np.arange(36), (0, 0))[0], clips.floats(examples.samples), atol=1e-6)


def test_noise_has_the_ratio_that_is_asked_for():
    random, config = np.random.default_rng(0), Config(noise=1.0, min_snr=10.0, max_snr=10.0)
    waves, noise = random.normal(size=(2, 4, 1000)).astype("float32")
    found = data.mixed(waves, 0.01 * noise, config, [0, 1])
    ratio = 10 * np.log10((waves**2).mean(1) / ((np.asarray(found) - waves) ** 2).mean(1))
    np.testing.assert_allclose(ratio, 10, atol=1e-3)


def test_a_shifted_waveform_is_moved_by_at_most_the_shift():
    config = Config(rate=4000, shift=0.1, stretch=0.0)
    click = np.zeros((64, 2000), "float32")
    click[:, 1000] = 1
    places = np.asarray(data.moved(click, config, [0, 1])).argmax(1)
    assert 600 <= places.min() < 700 and 1300 < places.max() <= 1400


def test_the_lecture_recipe_is_that_of_the_slide():
    config = Config(architecture="cnn").complete()
    told = (config.optimizer, config.learning_rate, config.batch_size, config.epochs, config.schedule)
    assert told == ("adam", 3e-4, 128, 25, "step") and config.step_epochs == 20 and config.class_weights
    assert Config(architecture="cnn", epochs=3, class_weights=False).complete().class_weights is False
    assert set(RECIPES) == set(ARCHITECTURES)
    for recipe in RECIPES.values():
        own = {name for name, each in vars(Config()).items() if each is None}
        assert set(recipe) == own - {"data", "dataset", "manual_dir", "group_pattern", "patience"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_hears_waveforms(architecture):
    config = Config(architecture=architecture, rate=RATE, seconds=0.5).complete()
    net = model.build(config, 3)
    assert net.count_params() < 100_000 and net.output_shape == (None, 3)
    looking = model.attention(net)
    assert (looking is None) == (architecture != "attention-lstm")
    if looking is not None:
        weights = np.asarray(looking(np.random.default_rng(0).normal(size=(2, 4000)).astype("float32")))
        np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
        assert weights.shape == (2, 24)  # of 48 frames


@pytest.mark.slow
def test_the_attention_of_a_net_is_drawn(workshop):
    options = (*QUICK, "--architecture", "attention-lstm", "--epochs", 1, "--noise", 0)
    command("speech", "train", "--data", "test", "--run", "looking", *options)
    result = run_json("evaluate", "--run", "looking", "--data", "test")
    assert next(Path(file) for file in result["files"] if file.endswith("attention.png")).stat().st_size > 0


def test_the_saved_model_answers_waveforms_of_any_length_and_files(workshop):
    saved = loading.load(loading.find("speech"))
    path = Path("test/rise/sa_nohash_0.wav")
    wave = soundfile.read(path, dtype="float32")[0]
    alone = saved(waveforms=wave[None])
    assert alone["label"].tolist() == [b"rise"] and set(alone) == {"label", "probabilities", "confidence", "unsure"}
    filled = saved(waveforms=np.stack([np.pad(wave, (0, 6000)), np.zeros(10_000)]))
    np.testing.assert_allclose(filled["probabilities"][0], alone["probabilities"][0], atol=1e-5)
    assert filled["unsure"][1] and filled["confidence"][1] == 0  # zeros show nothing
    packed = saved.call("serving_bytes", encoded=[path.read_bytes()])
    np.testing.assert_allclose(packed["probabilities"], alone["probabilities"], atol=1e-5)
    assert saved(waveforms=np.zeros((0, 100)))["probabilities"].shape == (0, 3)
    card = saved.card
    assert card["rate"] == RATE and card["length"] == 4000 and card["licence"] == "none"
    net = evaluate.load(Path("runs/speech/whole"))[0]
    np.testing.assert_allclose(net.predict(wave[None], verbose=0), alone["probabilities"], atol=1e-5)


def test_predict_takes_files_folders_and_stdin(workshop):
    result = CliRunner().invoke(cli.root, ["speech", "predict", "test", "long.txt", "--output", "labels.csv"])
    assert result.exit_code == 1 and "long.txt" in result.stderr  # it is not there
    with open("labels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 37 and rows[-1]["problem"]
    right = [row["label"] == Path(row["file"]).parent.name for row in rows[:-1]]
    assert np.mean(right) > 0.8
    stdin = Path("test/rise/sa_nohash_0.wav").read_bytes()
    piped = CliRunner().invoke(cli.root, ["speech", "predict", "-", "--json"], input=stdin)
    (row,) = json.loads(piped.stdout)
    assert row["file"] == "-" and row["label"] == "rise" and row["model"] == "saved_models/speech/1"
    assert "rise" in command("speech", "predict", "test/rise/sa_nohash_0.wav").stdout


def test_listen_hears_what_was_said_when(workshop, long):
    result = run_json("listen", long, "--threshold", 0.6, "--figure", "heard.png")
    found = {each["label"]: each for each in result["detections"]}
    assert abs(result["seconds"] - 10) < 0.6 and Path("heard.png").stat().st_size > 0
    for label, begin in (("rise", 3.0), ("fall", 6.5)):
        assert found[label]["begin"] - 0.5 <= begin <= found[label]["end"] and abs(found[label]["peak"] - begin) < 0.6
    assert "peak" in command("speech", "listen", long).stdout
    assert "No command in" in command("speech", "listen", "test/_silence_/0-0.wav", "--threshold", 1).stdout


def test_windows_of_one_command_are_one_detection():
    random = iter([0.1, 0.9, 0.8, 0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9])
    windows = ((begin, np.full(4, next(random), "float32")) for begin in range(0, 11, 1))

    def answer(waves):
        return np.stack([1 - waves[:, 0], waves[:, 0]], 1)

    found = list(listening.detections(windows, answer, ["_unknown_", "yes"], 0.55, rate=1))
    assert [(each.label, each.begin, each.end) for each in found] == [("yes", 1, 6), ("yes", 8, 13)]
    assert found[1].confidence == pytest.approx(0.9) and listening.commands(["_a", "b"]) == ["b"]


def test_the_spectrogram_of_a_long_recording_stays_small():
    spectrogram = listening.Spectrogram(1000, bands=4, most=16)
    random = np.random.default_rng(0)
    for _ in range(50):
        spectrogram.add(random.normal(size=130).astype("float32"))
    columns = spectrogram.values()
    assert 8 <= len(columns) < 16 and columns.shape[1] == 4 and np.isfinite(columns).all()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "tones", "--architecture", "magic"), 2, "resnet"),
        (("train", "--data", "tones", "--group-pattern", "(", "--run", "x"), 2, "regular expression"),
        (("train", "--data", "tones", "--group-pattern", r"person(\d)", "--run", "x"), 1, "must match every path"),
        (("train", "--data", "tones/rise", "--run", "x"), 1, "one folder of recordings per class"),
        (("train", "--data", "lone", "--run", "x"), 1, "two classes"),
        (("train", "--data", "hollow", "--run", "x"), 1, "must hold recordings"),
        (("train", "--data", "tones", "--min-snr", 20, "--max-snr", 10, "--run", "x"), 2, "`--max-snr` must be"),
        (("train", "--data", "tones", "--noise", 0, "--min-snr", 20, "--run", "x"), 2, "No noise is mixed in"),
        (("train", "--data", "tones", "--step-epochs", 5, "--run", "x"), 2, "not cosine"),
        (("train", "--data", "tones", "--run", "whole"), 1, "holds a run already"),
        (("evaluate", "--run", "whole", "--data", "other"), 1, "The run knows the labels"),
        (("evaluate", "--run", "whole", "--background", "no.wav"), 1, "must be there already"),
        (("evaluate", "--run", "no"), 1, "There is no run"),
        (("predict", "notes.txt"), 1, "whole file"),
        (("predict", "no.wav"), 1, "no.wav is not there"),
        (("listen", "cut.wav"), 1, "is cut off"),
        (("listen", "long.txt", "--figure", "a.jpg"), 2, "must end in .png"),
    ],
)
def test_wrong_inputs_are_one_sentence_and_lose_nothing(workshop, words, code, told):
    for name in ("lone/rise", "other/rise", "other/unheard"):
        Path(name).mkdir(parents=True, exist_ok=True)
        shutil.copy("test/rise/sa_nohash_0.wav", name)
    # Equal recordings are one.
    shutil.copy("test/fall/sa_nohash_0.wav", "other/unheard/sa_nohash_0.wav")
    for name in ("hollow/rise", "hollow/fall"):
        Path(name).mkdir(parents=True, exist_ok=True)
    Path("notes.txt").write_text("no sound")
    Path("cut.wav").write_bytes(Path("test/rise/sa_nohash_0.wav").read_bytes()[:3000])
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}
    result = CliRunner().invoke(cli.root, ["speech", *map(str, words)])
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert "Traceback" not in result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert before == {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_the_net_becomes_a_file_of_another_format(workshop, format):
    pytest.importorskip({"onnx": "tf2onnx", "litert": "ai_edge_litert"}[format])
    command("speech", "export", "--run", "whole", "--format", format)
    (facts,) = [json.loads(path.read_text()) for path in Path().glob("whole.*.json")]
    assert facts["classes"] == CLASSES and facts["spectrogram"]["sampling_rate"] == RATE
    for path in Path().glob("whole.*"):
        path.unlink()


@pytest.mark.slow
def test_listening_takes_constant_memory(workshop):
    # Whole, it would take 460 million bytes.
    second = 0.01 * np.random.default_rng(0).normal(size=(48_000, 2))
    with soundfile.SoundFile("long-noise.flac", "w", 48_000, 2) as file:
        for _ in range(1200):
            file.write(second)
    script = (
        "import resource, sys; from kerasmlsp.apps.cli import root\n"
        "root(['speech', 'listen', sys.argv[1], '--figure', 'heard.png'], standalone_mode=False)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for file in ("test/_silence_/0-0.wav", "long-noise.flac"):
        done = subprocess.run([sys.executable, "-c", script, file], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 100_000  # kilobytes


def test_the_card_says_what_was_measured(workshop):
    card = json.loads(Path("saved_models/speech/1/card.json").read_text())
    assert card["metrics"]["accuracy"]["value"] > 0.8 and "36 recordings (data given)" in card["evaluated"]
    assert card["training"]["optimizer"] == "adam" and "data" not in card["training"]
    assert "by whole speakers" in card["split"] and "zeros" in card["limits"]
    with pytest.raises(ValueError, match="must name rate and length"):
        predict.heard(dataclasses.make_dataclass("Model", ["card", "path"])({}, Path("nowhere")))
