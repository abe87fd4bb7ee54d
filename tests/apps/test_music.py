"""The music application through its command line, on chorales that the tests write."""

import json
import os
import sys
import wave
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from commands import command, stop_and_resume, within

from kerasmlsp import generation, music
from kerasmlsp.apps.music import composing, data, evaluate, export, generate, keys, windows
from kerasmlsp.apps.music.config import Config
from kerasmlsp.exporting import loading
from kerasmlsp.targets import chorale_tokens as chorales

CHORDS = {0: (72, 67, 64, 48), 5: (72, 69, 65, 53), 7: (74, 67, 59, 55), 9: (72, 69, 64, 57)}
TINY = ("--units", 16, "--num-layers", 1, "--window", 16, "--batch-size", 8, "--jit", "off", "--precision", "float32")


def piece(seed, beats=16):
    """A piece of quarters in C major."""
    random = np.random.default_rng(seed)
    chords = [CHORDS[int(each)] for each in [0, *random.choice(list(CHORDS), beats - 2), 0]]
    pitches = np.repeat(np.array(chords, np.int16), 4, axis=0)
    pitches[:, 0] += np.repeat(random.choice([0, 0, 4], beats), 4).astype(np.int16)
    onsets = np.zeros(pitches.shape, bool)
    onsets[::4] = True
    return music.Chorale(f"piece-{seed}", pitches, onsets, (0, "major"), bar=16)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with data and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    for seed in range(8):
        chorale = piece(seed)
        (folder / "songs").mkdir(exist_ok=True)
        music.write_midi(folder / f"songs/{seed}.mid", chorale.pitches, chorale.onsets)
    whole = piece(20, beats=8)
    music.write_midi(folder / "primer.mid", whole.pitches, whole.onsets)
    music.write_midi(folder / "tune.mid", whole.pitches[:, 0], whole.onsets[:, 0])
    command("music", "train", "--data", "songs", "--run", "whole", "--epochs", 4, *TINY)
    result = command("music", "evaluate", "--run", "whole", "--samples", 2, "--bars", 1, "--json")
    (folder / "evaluation.json").write_text(result.stdout)
    command("music", "export", "--run", "whole", "--licence", "none", "--data-note", "pieces of a test")
    yield folder
    os.chdir(before)


def generated(*words, output):
    return json.loads(command("music", "generate", *words, "--attempts", 2, "--output", output, "--json").stdout)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/music/whole"
    assert {"config.json", "history.csv", "curves.png", "model.keras"} <= {each.name for each in run.iterdir()}
    config = json.loads((run / "config.json").read_text())
    assert config["train_pieces"] + config["valid_pieces"] + config["test_pieces"] == 8
    losses = [float(line.split(",")[1]) for line in (run / "history.csv").read_text().splitlines()[1:]]
    assert losses[-1] < losses[0]


def test_pieces_that_cannot_be_sung_are_left_out_and_counted(tmp_path):
    chord = [72, 67, 64, 48]
    pieces = [[chord] * 8, [chord], [[127, 67, 64, 48]] * 8, [[*chord, 40]] * 8, [[74, 67, 64, 48]] * 8]
    (tmp_path / "a.json").write_text(json.dumps(pieces))
    found, left_out = data.read(tmp_path / "a.json", json_steps_per_quarter=4)
    assert [piece.name for piece in found] == ["a-0", "a-4"]
    assert left_out == {"of more than four notes at once": 1, "too short": 1, "out of the voices' reach": 1}
    (tmp_path / "a.json").write_text(json.dumps(pieces[2:3]))
    with pytest.raises(ValueError, match="Notes must be between"):
        data.read(tmp_path / "a.json")


def test_evaluation_measures_and_draws(workshop):
    result = json.loads(Path("evaluation.json").read_text())
    assert result["pieces"] == json.loads(Path("runs/music/whole/config.json").read_text())["test_pieces"]
    for values in result["metrics"].values():
        assert within(values)
    voices = [values["value"] for name, values in result["metrics"].items() if name.startswith("nats per sixteenth,")]
    assert sum(voices) == pytest.approx(result["metrics"]["nats per sixteenth"]["value"], rel=1e-5)
    assert set(result["harmony"]) == {"written", "pieces"}
    for file in result["files"]:
        assert Path(file).stat().st_size > 0
    assert {Path(file).name for file in result["files"]} == {"metrics.json", "harmony.csv", "sample.png", "sample.mid"}


def test_evaluation_on_other_pieces(workshop):
    words = ("music", "evaluate", "--run", "whole", "--data", "songs", "--samples", 0, "--json")
    result = json.loads(command(*words).stdout)
    assert result["pieces"] == 8 and "harmony" not in result


def test_a_new_piece_is_written_in_every_format(workshop):
    [row] = generated("--bars", 2, "--key", "F# minor", "--tempo", 60, output="new")
    assert row["key"] == "F# minor" and row["bars"] == 2
    assert [Path(file).suffix for file in row["files"]] == [".mid", ".wav", ".musicxml", ".png"]
    assert all(Path(file).stat().st_size > 100 for file in row["files"])
    with wave.open(row["files"][1]) as sound:
        assert sound.getnframes() > 0


def test_the_likelihood_is_that_of_the_music_that_was_written(workshop):
    import tensorflow as tf

    net, *_ = evaluate.load(Path("runs/music/whole"))
    free = np.full((2, 32), generation.FREE)
    template = np.concatenate(
        [[[chorales.KEY, chorales.METRE, chorales.PHASE]] * 2, free, [[chorales.STOP]] * 2], axis=1
    ).astype("int32")
    template[1, 3:20] = chorales.PITCH + 30
    compose = composing.Composer(net)
    tokens, likelihood = compose(template, 5, tf.constant([1, 2]), tf.constant([0.7, 1.0]), tf.constant([0.9, 1.0]))
    before = np.pad(tokens, ((0, 0), (1, 0)), constant_values=chorales.START)[:, :-1]
    found = np.asarray(generation.log_probabilities(net(before), tokens))[:, 3:].sum(axis=1)
    np.testing.assert_allclose(likelihood, found, rtol=1e-3)
    assert generated("--bars", 1, output="likely")[0]["nats per sixteenth"] > 0


def test_the_shipped_model_warms_up_with_made_melodies():
    shipped = resources.files("kerasmlsp.saved_models") / "music" / "1" / "assets.extra" / "tf_serving_warmup_requests"
    made = export._examples()["complete"]
    assert made["pitches"].shape == made["onsets"].shape and (made["pitches"][..., 1:] == -1).all()
    assert made["pitches"][:1].tobytes() in shipped.read_bytes()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("a.mid", ["a.mid", "a.wav", "a.musicxml", "a.png"]),
        ("B.MIDI", ["B.MIDI", "B.wav", "B.musicxml", "B.png"]),
        ("c.d.xml", ["c.d.mid", "c.d.wav", "c.d.xml", "c.d.png"]),
        ("e.wav", ["e.mid", "e.wav", "e.musicxml", "e.png"]),
        ("f.png", ["f.mid", "f.wav", "f.musicxml", "f.png"]),
    ],
)
def test_a_file_gets_the_other_kinds_beside_it(path, names, tmp_path):
    written = generate.save(piece(1), tmp_path / path, tempo=90)
    assert [file.name for file in written] == names == [name for name in names if (tmp_path / name).is_file()]
    assert len(list(tmp_path.iterdir())) == 4
    assert [file.read_bytes()[:4] for file in written] == [b"MThd", b"RIFF", b"<?xm", b"\x89PNG"]


def test_the_shipped_model_writes_the_file_that_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [row] = generated("--bars", 1, output="songs/a.mid")
    assert row["name"] == "a" and Path("songs/a.mid").read_bytes()[:4] == b"MThd"
    assert sorted(each.name for each in Path("songs").iterdir()) == ["a.mid", "a.musicxml", "a.png", "a.wav"]


def test_versions_of_a_file_are_named_by_seed(workshop):
    rows = generated("--bars", 1, "--num-samples", 2, "--seed", 4, output="versions.mid")
    assert [row["files"][0] for row in rows] == ["versions-4.mid", "versions-5.mid"]
    assert not Path("versions.mid").exists()


def test_seeds_repeat_and_differ(workshop):
    model, piece = loading.load(loading.find("music")), generate.new(1, "3/4", (2, "minor"))
    (one, _), (other, _) = generate.write(model, piece, seeds=[5, 6], attempts=2)
    [(again, nats)] = generate.write(model, piece, seeds=[6], attempts=2)
    assert not np.array_equal(one.pitches, other.pitches)
    assert np.array_equal(other.pitches, again.pitches) and np.array_equal(other.onsets, again.onsets)
    assert again.pitches.shape == (12, 4) and nats > 0


def test_a_primer_stays_and_is_continued(workshop):
    [row] = generated("--primer", "primer.mid", "--bars", 1, output="longer")
    first, longer = music.read_chorales("primer.mid")[0], music.read_chorales(row["files"][2])[0]
    assert row["bars"] == 3 and np.array_equal(longer.pitches[:32], first.pitches)


def test_a_melody_stays_and_gets_three_voices(workshop):
    [row] = generated("--melody", "tune.mid", output="harmonised")
    tune, found = music.read_melody("tune.mid"), music.read_chorales(row["files"][2])[0]
    assert np.array_equal(found.pitches[:32, 0], tune.pitches) and np.array_equal(found.onsets[:32, 0], tune.onsets)


def without_extra(monkeypatch):
    for package in ("music21", "pretty_midi", "mido"):
        monkeypatch.setitem(sys.modules, package, None)


def test_without_the_extra_a_melody_in_abc_is_harmonised_as_a_picture(workshop, monkeypatch):
    Path("tune.abc").write_text("X:1\nM:4/4\nL:1/4\nK:C\ncBAG|")
    without_extra(monkeypatch)
    words = ("generate", "--melody", "tune.abc", "--attempts", 2, "--output", "pictures", "--json")
    result = command("music", *words)
    [row] = json.loads(result.stdout)
    assert [Path(file).suffix for file in row["files"]] == [".png"] and len(list(Path("pictures").iterdir())) == 1
    assert all(f"{ending} is not written. This needs" in result.stderr for ending in (".mid", ".wav", ".musicxml"))
    assert result.stderr.count("pip install -e '.[music]'") == 3


@pytest.mark.slow
def test_without_the_extra_a_run_is_measured_on_json(workshop, monkeypatch):
    Path("songs.json").write_text(json.dumps([piece(seed).pitches.tolist() for seed in range(2)]))
    Path("runs/music/whole/evaluation/sample.mid").unlink(missing_ok=True)
    without_extra(monkeypatch)
    words = ("music", "evaluate", "--run", "whole", "--data", "songs.json", "--samples", 1, "--bars", 1, "--json")
    result = command(*words)
    assert [Path(file).name for file in json.loads(result.stdout)["files"]] == [
        "metrics.json",
        "harmony.csv",
        "sample.png",
    ]
    assert "sample.mid is not written. This needs" in result.stderr


@pytest.mark.parametrize("words", [("train", "--data", "songs"), ("train",), ("generate", "--melody", "tune.mid")])
def test_without_the_extra_a_command_says_what_to_install(workshop, monkeypatch, words):
    without_extra(monkeypatch)
    monkeypatch.setenv("HOME", str(workshop / "home"))
    result = command("music", *words, *(("--run", "none") if words[0] == "train" else ()), code=1)
    assert "pip install -e '.[music]'" in result.stderr and "Traceback" not in result.stderr
    assert not Path("runs/music/none").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing.mid", "--run", "x"), 1, "missing.mid"),
        (("train", "--data", "empty.mid", "--run", "x"), 1, "empty.mid"),
        (("train", "--data", "songs/1.mid", "--run", "x"), 1, "at least 3 pieces"),
        (("train", "--data", "songs", "--run", "whole"), 1, "--resume"),
        (("train", "--data", "songs", "--window", "12", "--run", "x"), 2, "`--window` must be a multiple of 8"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=4"),
        (("train", "--run", "nothing", "--resume"), 1, "no run"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("generate", "--key", "H major"), 2, "--key"),
        (("generate", "--bars", "0"), 2, "--bars"),
        (("generate", "--bars", "65"), 2, "--bars"),
        (("generate", "--tempo", "0"), 2, "--tempo"),
        (("generate", "--primer", "tune.mid", "--melody", "tune.mid"), 2, "--melody"),
        (("generate", "--melody", "tune.mid", "--bars", "4"), 2, "--bars"),
        (("generate", "--melody", "missing.mid"), 1, "missing.mid"),
        (("generate", "--melody", "empty.mid"), 1, "empty.mid"),
        (("generate", "--melody", "wide.mid"), 1, "soprano"),
        (("generate", "--primer", "tune.mid"), 1, "four voices"),
        (("generate", "--version", "9"), 1, "version 9"),
        (("export", "--run", "whole", "--format", "onnx"), 2, "attempts beside each other"),
        (("generate", "--output", "song.mp3"), 2, "or end in .mid, .wav, .musicxml"),
        (("generate", "--output", "taken.mid"), 2, "taken.mid is a folder"),
    ],
)
def test_failures_are_one_sentence(workshop, words, code, told):
    Path("empty.mid").write_bytes(b"")
    music.write_midi("wide.mid", np.repeat([40, 90], 4))
    Path("taken.mid").mkdir(exist_ok=True)
    files = sorted(Path().rglob("*"))
    result = command("music", *words, code=code)
    assert told in result.stderr and "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(Path().rglob("*")) == files


@pytest.mark.parametrize("values", [{"architecture": "magic"}, {"window": 10}, {"test_share": 0.5}])
def test_configuration_is_checked(values):
    with pytest.raises(ValueError, match=next(iter(values))):
        Config(**values)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("C", (0, "major")),
        ("am", (9, "minor")),
        ("Bb major", (10, "major")),
        ("F# minor", (6, "minor")),
        ("e", (4, "minor")),
    ],
)
def test_names_of_keys(name, key):
    assert keys.parse_key(name) == key


def test_the_key_of_scales():
    major, minor = np.array([0, 2, 4, 5, 7, 9, 11, 0, 7, 4]), np.array([0, 2, 3, 5, 7, 8, 11, 0, 7, 3])
    for tonic in range(12):
        assert keys.key_of(60 + major + tonic) == (tonic, "major")
        assert keys.key_of(60 + minor + tonic) == (tonic, "minor")


def test_tokens_of_two_steps():
    chorale = music.Chorale(
        "x",
        np.array([[72, 67, 64, 0], [72, 67, 62, 0]], np.int16),
        np.array([[1, 1, 1, 0], [0, 1, 1, 0]], bool),
        key=(0, "major"),
        bar=16,
    )
    found = data.tokens(chorale)
    note = {pitch: chorales.PITCH + pitch - chorales.LOWEST for pitch in (72, 67, 64, 62)}
    first = [note[72], chorales.REST, note[64], note[67]]
    second = [chorales.HOLD, chorales.HOLD, note[62], note[67]]
    assert found[chorales.PREFACE :].tolist() == [*first, *second, chorales.STOP]


def test_every_token_is_measured_once():
    pieces = [data.completed(piece(0, beats=beats)) for beats in (3, 4, 5, 6, 9)]
    _, targets, weights, owners = windows.measured(pieces, 16)
    for number, each in enumerate(pieces):
        counted = targets[owners == number][weights[owners == number] > 0]
        assert counted.size == 4 * len(each.pitches) + 1
        assert np.count_nonzero(counted == chorales.STOP) == 1


def test_windows_of_training_are_music_in_other_keys():
    pieces = [data.completed(piece(seed)) for seed in range(3)]
    batches = windows.training_batches(pieces, Config(window=16, batch_size=4))
    batch = next(iter(batches.dataset(lambda: (3, 0))))
    again = next(iter(batches.dataset(lambda: (3, 0))))
    inputs, targets, weights = (each.numpy() for each in batch)
    assert all(np.array_equal(one, other) for one, other in zip(batch, again, strict=True))
    assert inputs.shape == targets.shape == weights.shape == (4, chorales.PREFACE + 64)
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert (inputs[:, chorales.PREFACE :] < chorales.KEY).all()
    assert (weights[:, : chorales.PREFACE - 1] == 0).all() and (weights[:, chorales.PREFACE : -1] == 1).all()


def test_a_melody_is_in_one_part_only():
    pieces = [data.completed(piece(seed // 2)) for seed in range(20)]
    moved = [music.transpose(each, i % 2) for i, each in enumerate(pieces)]
    groups = data.melodies(moved)
    assert [group // 2 for group in groups] == [i // 2 for i in range(20)]
    parts = data.split(moved, Config(test_share=0.2, validation_share=0.2))
    names = [{each.name for each in part} for part in parts.values()]
    assert sum(map(len, parts.values())) == 20 and not (
        names[0] & names[1] or names[0] & names[2] or names[1] & names[2]
    )


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["tonicnet", "transformer"])
def test_the_other_architectures_learn_and_export(workshop, architecture):
    options = ("--architecture", architecture, "--run", architecture, "--epochs", 2)
    command("music", "train", "--data", "songs", *options, *TINY)
    command("music", "evaluate", "--run", architecture, "--samples", 2, "--bars", 1)
    command("music", "export", "--run", architecture, "--models", f"models-{architecture}")
    [row] = generated("--bars", 1, "--models", f"models-{architecture}", output=architecture)
    assert row["bars"] == 1


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    stop_and_resume("music", ["--data", "songs", "--epochs", "30", *TINY], "history.csv")
