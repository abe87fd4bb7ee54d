"""The chargen application through its command line, on a text that the tests write."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from commands import command, stop_and_resume, within

from kerasmlsp import training
from kerasmlsp.apps.chargen import data, generate, model, refining, train
from kerasmlsp.apps.chargen.config import ARCHITECTURES, NET, Config
from kerasmlsp.exporting import loading

TINY = ("--units", 32, "--num-layers", 1, "--window", 16, "--batch-size", 8)


def write_text(path, lines, seed=0):
    """Writes lines in which every noun has its verb."""
    random = np.random.default_rng(seed)
    pairs = ["the cat purrs", "the dog barks", "a bird sings", "a wölf howls"]
    path.write_text("\n".join(pairs[i] + "." for i in random.integers(4, size=lines)) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a text and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_text(folder / "text.txt", 400)
    command(
        "chargen", "train", "--data", "text.txt", "--architecture", "lstm", "--run", "whole", "--epochs", 10,
        *TINY, "--learning-rate", 0.02,
    )  # fmt: skip
    command("chargen", "evaluate", "--run", "whole")
    command("chargen", "export", "--run", "whole", "--licence", "none", "--data-note", "lines of a test")
    yield folder
    os.chdir(before)


def test_training_leaves_a_whole_run(workshop):
    config = json.loads((workshop / "runs/chargen/whole/config.json").read_text())
    assert config["characters"] == "\n .abcdefghiklnoprstuwö" and config["text"] == len(
        (workshop / "text.txt").read_text(encoding="utf-8")
    )
    assert {"model.keras", "history.csv", "curves.png"} <= {each.name for each in Path("runs/chargen/whole").iterdir()}


# The workshop trains an LSTM, and below each net answers.
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_trains_and_is_measured(workshop, architecture):
    words = (
        "--data",
        "text.txt",
        "--architecture",
        architecture,
        "--run",
        architecture,
        "--epochs",
        1,
        *TINY,
        "--json",
    )
    result = json.loads(command("chargen", "train", *words).stdout)
    assert result["parameters"] > 1000 and result["best epoch"]["epoch"] == 1
    metrics = json.loads(command("chargen", "evaluate", "--run", architecture, "--json").stdout)["metrics"]
    for values in metrics.values():
        assert within(values)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_net_of_an_architecture_answers_without_the_state_of_training(architecture):
    config = Config(architecture=architecture, units=32, num_layers=1, window=8, batch_size=3).complete()
    trained = model.build(config, 5, stateful=True)
    alone = model.for_inference(trained, config, 5)
    ids = np.random.default_rng(0).integers(0, 5, (3, 8)).astype("int32")
    np.testing.assert_allclose(alone(ids), trained(ids), atol=1e-5)
    assert alone(ids[:2, :3]).shape == (2, 3, 5)


def test_evaluation_is_of_the_end_of_the_text_or_of_another(workshop):
    own = json.loads(command("chargen", "evaluate", "--run", "whole", "--json").stdout)
    text = (workshop / "text.txt").read_text(encoding="utf-8")
    assert own["characters"] == len(text) - int(len(text) * 0.9)
    # Two of four lines can be told apart by their first letter, so that a line costs at most two bits.
    assert own["metrics"]["nats per character, carried"]["value"] < 0.35
    Path("strange.txt").write_text("THE CAT PURRS" * 20)
    strange = json.loads(command("chargen", "evaluate", "--run", "whole", "--data", "strange.txt", "--json").stdout)
    assert strange["left out"] == 11 * 20 and strange["characters"] == 2 * 20
    assert strange["metrics"]["nats per character, carried"]["value"] > 1


def test_measures_are_the_mean_loss():
    keras.utils.set_random_seed(0)
    config = Config(architecture="gpt", units=32, num_layers=1, window=8).complete()
    net = model.build(config, 5)
    ids = np.random.default_rng(0).integers(0, 5, 50).astype("int32")
    windows, carried = model.nats(net, ids, 8, "abcd\n")
    inputs, targets = data.independent_windows(ids, 8)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert windows.mean() == pytest.approx(float(loss(targets, net(inputs))), abs=1e-5)
    # Read as one text after the end of a line, of which the first character is not counted.
    whole = float(loss(ids[None, 1:49], net(np.concatenate([[4], ids])[None, :-1].astype("int32"))[:, 1:49]))
    assert carried.mean() == pytest.approx(whole, abs=1e-4)


def test_generate_writes_on(workshop):
    rows = json.loads(
        command(
            "chargen", "generate", "--prompt", "the cat", "--prompt", "a b", "--length", 40, "--greedy", "--json"
        ).stdout
    )
    assert [row["prompt"] for row in rows] == ["the cat", "a b"] and all(len(row["text"]) == 40 for row in rows)
    assert rows[0]["text"].startswith(" purrs.\n") and rows[1]["text"].startswith("ird sings.\n")
    words = ("chargen", "generate", "--prompt", "the cat", "--length", 40, "--temperature", 0)
    assert command(*words).stdout == "the cat" + rows[0]["text"] + "\n"


@pytest.mark.slow
def test_weights_of_8_bits_are_measured_and_exported(workshop):
    words = ("--data", "text.txt", "--run", "small", "--epochs", 4, *TINY, "--learning-rate", 0.01, "--json")
    parameters = json.loads(command("chargen", "train", *words).stdout)["parameters"]
    nats = []
    for weights in ("float32", "int8"):
        result = json.loads(command("chargen", "evaluate", "--run", "small", "--weights", weights, "--json").stdout)
        nats.append(result["metrics"]["nats per character, carried"]["value"])
    assert nats[0] != nats[1] and nats[1] == pytest.approx(nats[0], abs=0.02)
    command("chargen", "export", "--run", "small", "--weights", "int8", "--models", "int8")
    small = loading.load(loading.find("chargen", None, "int8"))
    [size] = [each.stat().st_size for each in Path("int8").rglob("variables.data*")]
    assert small.card["training"]["weights"] == "int8" and size < 4 * parameters / 2
    assert small.card["metrics"]["nats per character, carried"]["value"] == nats[1]
    one, three = ({"prompt": ["the cat"] * n, "length": [40] * n, "seed": [1] * n} for n in (1, 3))
    rest = {"temperature": 0.8, "top_k": 0, "top_p": 1.0}
    texts = [
        small.call("generate", **rows, **{name: [value] * len(rows["seed"]) for name, value in rest.items()})["text"]
        for rows in (one, three)
    ]
    assert len({*texts[0].tolist(), *texts[1].tolist()}) == 1


def test_weights_of_8_bits_are_for_gpt_only(workshop):
    done = command("chargen", "export", "--run", "whole", "--weights", "int8", code=1)
    assert "gpt" in done.stderr and "lstm" in done.stderr


@pytest.mark.parametrize("length", [1, 7, 50])
def test_streams_write_what_one_call_writes(workshop, monkeypatch, length):
    monkeypatch.setattr(generate, "PIECE", 7)
    words = ("chargen", "generate", "--prompt", "the ", "--length", length, "--seed", 3, "--top-p", 0.9)
    streamed = command(*words, "--temperature", 1.2).stdout
    (row,) = json.loads(command(*words, "--temperature", 1.2, "--json").stdout)
    assert len(row["text"]) == length and streamed == row["prompt"] + row["text"] + "\n"


def test_streams_read_nothing_again(workshop, monkeypatch):
    monkeypatch.setattr(generate, "PIECE", 5)
    saved, calls = loading.load(loading.find("chargen")), []
    ask = saved.call
    monkeypatch.setattr(saved, "call", lambda endpoint, **inputs: (calls.append(endpoint), ask(endpoint, **inputs))[1])
    pieces = list(generate.stream(saved, "the cat", length=12))
    assert [len(piece) for piece in pieces] == [5, 5, 2] and calls == ["start", "step", "step", "step"]


def test_older_saved_models_stream_as_before(workshop, monkeypatch):
    monkeypatch.setattr(generate, "PIECE", 5)
    saved = loading.SavedModel(loading.find("chargen"))
    expected = list(generate.stream(saved, "the cat", length=12, seed=4))
    for name in ("start", "step"):
        del saved.endpoints[name], saved._signatures[name]
    assert list(generate.stream(saved, "the cat", length=12, seed=4)) == expected


def test_rows_go_on_from_states_of_their_own(workshop):
    saved = loading.load(loading.find("chargen"))
    prompts, lengths = ["the cat p", "", "a w\u20acölf"], [9, 0, 14]
    settings = {"temperature": [0.5, 1.0, 1.5], "top_k": [0, 3, 0], "top_p": [1.0, 1.0, 0.8], "seed": [1, 2, 3]}
    whole = saved.call("generate", prompt=prompts, length=[23, 14, 28], **settings)["text"]
    state = saved.call("start", prompt=prompts)
    assert all(len(value) == 3 for value in state.values()) and state["position"].tolist() == [10, 1, 7]
    texts = [b"", b"", b""]
    for length in (lengths, [14] * 3):
        answer = saved.call("step", **state, **settings, length=length)
        texts = [before + after for before, after in zip(texts, answer["text"], strict=True)]
        state = {name: answer[name] for name in state}
    assert texts == whole.tolist() and (answer["nats"] > 0).all()


def test_a_saved_model_is_measured_as_its_run_is(workshop):
    write_text(workshop / "other.txt", 40, seed=2)
    own = json.loads(command("chargen", "evaluate", "--run", "whole", "--data", "other.txt", "--json").stdout)
    saved = json.loads(command("chargen", "evaluate", "--version", 1, "--data", "other.txt", "--json").stdout)
    assert saved["model"] == "saved_models/chargen/1" and saved["characters"] == own["characters"]
    assert saved["left out"] == own["left out"] == 0 and saved["fingerprint"] == own["fingerprint"]
    assert own["metrics"]["nats per character, carried"]["value"] < 0.35
    for name, values in saved["metrics"].items():
        assert values == pytest.approx(own["metrics"][name], abs=1e-5)
    without_run = json.loads(command("chargen", "evaluate", "--data", "other.txt", "--json").stdout)
    assert without_run["metrics"] == saved["metrics"]


def test_a_text_beyond_what_is_measured_at_once_is_measured_in_stretches(workshop, monkeypatch):
    from kerasmlsp.apps.chargen import evaluate, model

    write_text(workshop / "other.txt", 40, seed=2)
    saved = loading.load(loading.find("chargen"))
    whole = evaluate.evaluate_saved(saved, workshop / "other.txt")
    monkeypatch.setattr(model, "MEASURED", whole["characters"] // 3)
    parts = evaluate.evaluate_saved(saved, workshop / "other.txt")
    assert parts["characters"] == whole["characters"] and parts["left out"] == 0
    for name, each in parts["metrics"].items():
        assert each["value"] == pytest.approx(whole["metrics"][name]["value"], rel=0.1)
        assert each["value"] != whole["metrics"][name]["value"]
    with pytest.raises(ValueError, match=r"`text` must have at most 1,000,000 characters\. Received: 1000001"):
        saved.call("score", text=["a" * 1_000_001])


def test_score_is_the_nats_of_each_character(workshop):
    saved = loading.load(loading.find("chargen"))
    texts = ["the cat purrs.\n", "a b", ""]
    nats = saved.call("score", text=texts)["nats"]
    assert nats.shape == (3, 15) and not nats[1, 3:].any() and not nats[2].any()
    # What was written is scored as when it was written.
    written = saved.call("generate", prompt=[""], length=[30], temperature=[1.0], top_k=[0], top_p=[1.0], seed=[5])
    again = saved.call("score", text=[written["text"][0]])["nats"]
    assert again.mean() == pytest.approx(written["nats"][0], abs=1e-5)


def test_the_same_seed_writes_the_same_text_in_any_batch(workshop):
    words = ("chargen", "generate", "--prompt", "the ", "--length", 30, "--temperature", 1.0, "--json")
    rows = json.loads(command(*words, "--num-samples", 4, "--seed", 5).stdout)
    assert [row["seed"] for row in rows] == [5, 6, 7, 8] and len({row["text"] for row in rows}) > 1
    (alone,) = json.loads(command(*words, "--seed", 7).stdout)
    assert alone == rows[2]
    shown = command(*words[:-1], "--num-samples", 2, "--seed", 5).stdout
    assert f"[seed 5]\nthe {rows[0]['text']}" in shown and f"[seed 6]\nthe {rows[1]['text']}" in shown


def test_the_saved_model_has_an_answer_to_everything(workshop):
    saved = loading.load(loading.find("chargen"))
    default = saved(prompt=["the dog", ""])["text"]
    assert [len(text.decode()) for text in default] == [model.DEFAULTS["length"]] * 2
    settings = {"temperature": [0.0] * 3, "top_k": [1, 0, 99], "top_p": [1.0] * 3, "seed": [-9, 0, 2**31 - 1]}
    answer = saved.call("generate", prompt=["the €dog", "the dog", "XYZ"], length=[9, 9, 0], **settings)
    texts = [text.decode() for text in answer["text"]]
    assert texts[0] == texts[1] and texts[0].startswith(" barks.") and texts[2] == ""
    assert (answer["nats"] >= 0).all()
    for name, wrong in {"temperature": -1, "top_k": -4, "length": 100_001, "top_p": 0}.items():
        with pytest.raises(ValueError, match=rf"`{name}` must be .* Received: {wrong}$"):
            saved.call("generate", prompt=["the"], **{name: [wrong]})


def test_of_a_long_prompt_the_end_is_read_and_said(workshop, caplog):
    saved, long = loading.load(loading.find("chargen")), "the dog barks.\n" * 100
    limit = saved.card["prompt_characters"]
    settings = {"length": 9, "temperature": 0.0}
    with caplog.at_level("WARNING", "kerasmlsp"):
        texts = generate.generate(saved, [long, long[-limit:]], seeds=[0, 0], **settings)
    assert texts[0] == texts[1] and f"the last {limit} characters are read" in caplog.text
    assert model.prompt_limit(Config(window=512, num_layers=6)) == 512 * 6
    assert model.prompt_limit(Config(architecture="lstm", num_layers=9)) == limit == 1024


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--data", "missing.txt", "--run", "x"), 1, "missing.txt"),
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "empty.txt", "--run", "x"), 1, "no text in"),
        (("train", "--data", "bare", "--run", "x"), 1, "must hold .txt files"),
        (("train", "--data", "latin.txt", "--run", "x"), 1, "--encoding cp1252"),
        (("train", "--data", "short.txt", "--run", "x"), 1, "too short for batches of 32 rows of 128"),
        (("train", "--data", "text.txt", "--architecture", "magic"), 2, "simple-rnn"),
        (("train", "--data", "text.txt", "--run", "whole"), 1, "--resume"),
        (("train", "--run", "whole", "--resume", "--epochs", "9"), 1, "epochs=10"),
        (("train", "--run", "nothing", "--resume"), 1, "no run"),
        (("train", "--start", "nothing", "--data", "text.txt", "--run", "x"), 1, "no run"),
        (("train", "--data", "text.txt", "--beta", "1", "--run", "x"), 2, "the command `refine`"),
        (("refine", "--start", "whole", "--run", "x"), 2, "`--preferences FILE`"),
        (("refine", "--start", "whole", "--preferences", "no.jsonl", "--run", "x"), 1, "no.jsonl"),
        (("refine", "--start", "whole", "--preferences", "lacking.csv", "--run", "x"), 1, "(worse)"),
        (("refine", "--start", "whole", "--preferences", "few.csv", "--run", "x"), 1, "at least three pairs"),
        (("evaluate", "--run", "nothing"), 1, "no run"),
        (("evaluate", "--run", "whole", "--data", "empty.txt"), 1, "no text in"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("generate", "--prompt", "the DÖG"), 1, "`--prompt` must be of the"),
        (("evaluate", "--version", "1"), 2, "`--data PATH`"),
        (("evaluate", "--run", "whole", "--version", "1", "--data", "text.txt"), 2, "leave `--run` out"),
        (("evaluate", "--version", "1", "--weights", "int8", "--data", "text.txt"), 2, "leave `--weights` out"),
        (("evaluate", "--version", "1", "--data", "empty.txt"), 1, "no text in"),
        (("generate", "--length", "0"), 2, "--length"),
        (("generate", "--length", "100001"), 2, "--length"),
        (("generate", "--top-p", "1.5"), 2, "--top-p"),
        (("generate", "--models", "text.txt"), 2, "--models"),
        (("generate", "--version", "9"), 1, "no version 9"),
        (("train", "--data", "text.txt", "--units", "100000000", "--run", "x"), 1, "too large for this machine"),
    ],
)
def test_mistakes_are_told_in_one_sentence(workshop, words, code, told):
    Path("empty.txt").write_text("\n")
    Path("bare").mkdir(exist_ok=True)
    Path("lacking.csv").write_text("prompt,better\na,b\n")
    Path("few.csv").write_text("prompt,better,worse\nthe,dog,cat\n")
    Path("latin.txt").write_bytes(b"caf\xe9 " * 2000)
    Path("short.txt").write_text("too short " * 30)
    before = sorted(str(path) for path in Path("runs").rglob("*"))
    result = command("chargen", *words, code=code)
    stderr = result.stderr
    assert result.stdout == ""  # nor the prompt
    assert told in stderr and "Traceback" not in stderr
    assert sorted(str(path) for path in Path("runs").rglob("*")) == before


def test_a_changed_text_is_no_longer_the_runs_own(workshop):
    shutil.copytree("runs/chargen/whole", "runs/chargen/mine")
    path = Path("runs/chargen/mine/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": str(workshop / "mine.txt")}))
    write_text(workshop / "mine.txt", 401)
    assert "has changed" in command("chargen", "evaluate", "--run", "mine", code=1).stderr


def test_folders_are_read_in_the_order_of_their_paths(tmp_path):
    for name, text in (("b/2.txt", "zwei\r\n"), ("a/9.txt", "\nneun\n"), ("b/1.txt", "eins"), ("b/3.md", "drei")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    assert data.read(tmp_path) == "neun\n\neins\n\nzwei"


def test_characters_are_kept_by_frequency_and_others_left_out():
    known = data.characters("aaabbc🎬🎬🎬", 3)
    assert known == "ab🎬"
    assert data.encode("cab🎬z", known).tolist() == [0, 1, 2]


def test_typographic_forms_are_read_as_the_known_ones(workshop):
    loaded = loading.load(Path("saved_models/chargen/1"))
    assert loaded.card["characters"] == "\n .abcdefghiklnoprstuwö"
    plain, forms = ["the cat ", "a wölf "], ["the\xa0c\xada\u200bt\u3000", "a wo\u0308lf\u2009"]
    expected = generate.generate(loaded, plain, length=12, seeds=[3, 4])
    assert generate.generate(loaded, forms, length=12, seeds=[3, 4]) == expected
    rows = {name: [value] * 2 for name, value in model.DEFAULTS.items()} | {"length": [12] * 2, "seed": [3, 4]}
    found = loaded.call("generate", prompt=forms, **rows)["text"].tolist()
    assert [each.decode() for each in found] == expected
    told = command("chargen", "generate", "--prompt", "the \u201ccat", "--length", 3, code=1).stderr
    assert "the model knows" in told and "Received: '\u201c'" in told


def test_held_out_text_is_read_in_the_forms_of_the_alphabet():
    config = Config(data="x", held_out_share=0.25, validation_share=0.25)
    train, chosen, held_out = data.encoded("don't so" * 3 + "don\u2019t so", " 'dnost", config)
    assert held_out.tolist() == chosen.tolist() == train[:8].tolist() == [2, 4, 3, 1, 6, 0, 5, 4]


def test_what_is_held_out_follows_what_is_trained_on():
    parts = data.split(np.arange(1000), 0.1, 0.05)
    assert [(part[0], part[-1]) for part in parts] == [(50, 899), (0, 49), (900, 999)]


def test_the_alphabet_is_that_of_what_is_trained_on(tmp_path, monkeypatch, caplog):
    # As the first and as the last letter of the text, which nobody sees while training.
    (tmp_path / "text.txt").write_text("é" + "abc" * 400 + "ж")
    config, seen = Config(data=str(tmp_path / "text.txt"), window=8, batch_size=4), {}
    monkeypatch.setattr(train.training, "fit", lambda build, *_, **__: seen.update(net=build()) or stop())
    with caplog.at_level("INFO", "kerasmlsp"), pytest.raises(KeyboardInterrupt):
        train.train(config, tmp_path / "run")
    assert json.loads((tmp_path / "run" / "config.json").read_text())["characters"] == "abc"
    assert seen["net"].output_shape[-1] == 3
    for part in ("60 characters of the part to select on", "121 characters of the part held out"):
        assert f"Left out 1 of {part}" in caplog.text


def stop():
    raise KeyboardInterrupt


def test_hidden_files_are_no_texts(tmp_path):
    for name in ("a.txt", "._a.txt", "__MACOSX/a.txt", ".cache/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert data.read(tmp_path) == "a.txt"


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    words = ["--data", "text.txt", "--architecture", "lstm", "--epochs", "8", *TINY]
    stop_and_resume("chargen", words, "history.csv")


@pytest.mark.slow
def test_what_jax_trained_is_exported_here(workshop):
    words = ("chargen", "train", "--data", "text.txt", "--run", "jax", "--epochs", "1", *map(str, TINY), "--json")
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-m", "kerasmlsp.apps.cli", *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["parameters"] > 1000
    command("chargen", "evaluate", "--run", "jax")
    command("chargen", "export", "--run", "jax", "--models", "from-jax")
    [row] = json.loads(command("chargen", "generate", "--models", "from-jax", "--length", 20, "--json").stdout)
    assert len(row["text"]) == 20


def test_a_net_goes_on_with_another_text(workshop):
    """Here by hardly any step, so that it stays what it was."""
    write_text(workshop / "second.txt", 400, seed=3)
    words = ("--start", "whole", "--data", "second.txt", "--epochs", 1, "--learning-rate", 1e-9, "--batch-size", 8)
    command("chargen", "train", "--run", "on", *words, "--ema", 0, "--dropout", 0)
    config, before = (json.loads(Path("runs/chargen", run, "config.json").read_text()) for run in ("on", "whole"))
    assert [config[name] for name in (*NET, "characters")] == [before[name] for name in (*NET, "characters")]
    on, whole = (training.Run(Path("runs/chargen", run)).model().trainable_variables for run in ("on", "whole"))
    for one, other in zip(on, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    told = command("chargen", "train", "--run", "x", "--start", "whole", "--data", "text.txt", "--units", 9, code=2)
    assert "stays as it is" in told.stderr and "--units" in told.stderr


def write_pairs(path, better=" howls.", worse=" purrs."):
    """Continuations of prompts that end in the same words and are all unlike."""
    rows = [
        {"prompt": f"{'the dog barks.' * number}\nthe cat", "better": better, "worse": worse} for number in range(40)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_a_net_learns_which_text_is_the_better(workshop):
    write_pairs(workshop / "pairs.jsonl")
    words = ("--start", "whole", "--preferences", "pairs.jsonl", "--run", "refined")
    result = json.loads(
        command(
            "chargen", "refine", *words, "--epochs", 12, "--learning-rate", 0.005, "--batch-size", 8, "--json"
        ).stdout
    )
    assert result["pairs"] == {"train": 34, "validation": 2, "test": 4} and result["best epoch"]["val_won"] == 1
    metrics = json.loads(command("chargen", "evaluate", "--run", "refined", "--json").stdout)["metrics"]
    assert metrics["win rate against the start"]["value"] == metrics["prefers the better text"]["value"] == 1
    assert metrics["prefers the better text, start"]["value"] == 0
    assert metrics["nats per character more than the start, windows"]["value"] > 0
    write_pairs(workshop / "pairs.jsonl", better=" barks.")
    assert "have changed" in command("chargen", "evaluate", "--run", "refined", code=1).stderr


@pytest.mark.slow
def test_what_was_learned_from_preferences_is_exported(workshop):
    write_pairs(workshop / "others.jsonl")
    words = ("--start", "whole", "--preferences", "others.jsonl", "--run", "exported")
    command("chargen", "refine", *words, "--epochs", 12, "--learning-rate", 0.005, "--batch-size", 8)
    command("chargen", "export", "--run", "exported", "--models", "refined")
    words = ("--models", "refined", "--prompt", "the cat", "--length", 7, "--greedy")
    text = command("chargen", "generate", *words).stdout
    assert "howl" in text and "purr" not in text
    card = json.loads(Path("refined/chargen/1/card.json").read_text())
    assert "34 pairs" in card["split"] and "start" not in card["training"]


def test_a_preference_is_what_the_formula_says():
    keras.utils.set_random_seed(0)
    config = Config(architecture="gpt", units=32, num_layers=1, window=8).complete()
    net, random = model.build(config, 5), np.random.default_rng(0)
    ids, counted = random.integers(0, 5, (3, 2, 7)).astype("int32"), random.integers(0, 2, (3, 2, 6)).astype("float32")
    start = random.normal(size=(3, 1)).astype("float32")
    found = refining.preferring(net, 6, 0.3)({"ids": ids, "counted": counted, "start": start})
    logits = keras.ops.convert_to_numpy(net(ids.reshape(6, 7)[:, :-1])).astype("float64")
    scores = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    scores = np.take_along_axis(scores, ids.reshape(6, 7)[:, 1:, None], -1)[..., 0].reshape(3, 2, 6)
    totals = (scores * counted).sum(-1)
    np.testing.assert_allclose(found, 0.3 * (totals[:, :1] - totals[:, 1:] - start), atol=1e-4)


def test_pairs_with_one_prompt_are_on_one_side(tmp_path, caplog):
    rows = [("a", "b", "c"), ("a", "c", "b"), ("b", "a", "c"), ("c", "a", "b"), ("c", "a", "b"), ("a", "", "b")]
    rows += [("a", "b", "b"), ("b", "a", "ö")]
    file = tmp_path / "pairs.csv"
    file.write_text("prompt,better,worse\n" + "\n".join(map(",".join, rows)), encoding="utf-8")
    config = Config(preferences=str(file), window=4, held_out_share=0.3, validation_share=0.3)
    with caplog.at_level("INFO", "kerasmlsp"):
        pairs = refining.read(config, "\nabc")
    assert pairs.ids[0].tolist() == [[0, 1, 2], [0, 1, 3]] and pairs.counted[0].tolist() == [[0, 1], [0, 1]]
    assert sorted(pairs.parts[2:]) == sorted({"train", "validation", "test"} - {pairs.parts[0]})
    assert pairs.parts[0] == pairs.parts[1]
    for count, why in ((2, "without a character"), (1, "with the same text twice"), (1, "that occur again")):
        assert f"Left out {count} of 8 pairs: {why}" in caplog.text


@pytest.mark.slow
def test_killed_refining_is_resumed(workshop):
    write_pairs(workshop / "steady.jsonl")
    words = ("chargen", "refine", "--start", "whole", "--preferences", "steady.jsonl", "--epochs", 3)
    command(*words, "--run", "steady_refined")
    command(*words, "--run", "broken_off")
    folder = Path("runs/chargen/broken_off")
    (folder / "model.keras").unlink()
    command("chargen", "train", "--run", "broken_off", "--resume")
    assert (folder / "history.csv").read_text() == Path("runs/chargen/steady_refined/history.csv").read_text()
