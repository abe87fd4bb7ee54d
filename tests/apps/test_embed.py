"""The embed application through its command line, on a text that the tests write."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from commands import command, stop_and_resume, within

from kerasmlsp.apps.embed import data, evaluate
from kerasmlsp.apps.embed.config import Config
from kerasmlsp.data import word_vectors
from kerasmlsp.exporting import loading

TOPICS = {
    "animals": ["cat", "dog", "cow", "horse", "sheep", "goat"],
    "colours": ["red", "green", "blue", "grey", "black", "white"],
}
CONTEXTS = {
    "animals": ["eats", "runs", "furry", "barn", "sleeps"],
    "colours": ["paint", "bright", "wall", "dark", "shade"],
}
SMALL = ("--embedding-dim", 16, "--batch-size", 4, "--block", 8, "--threshold", 0, "--window", 3)


def sentences(count, seed=0):
    """Sentences of one topic each, of words in any order."""
    random, made = np.random.default_rng(seed), []
    for _ in range(count):
        topic = list(TOPICS)[random.integers(2)]
        words = [*random.choice(TOPICS[topic], 2, replace=False), *random.choice(CONTEXTS[topic], 3, replace=False)]
        made.append("The " + " ".join(random.permutation(words)) + ".")
    return made


def write_judgements(path):
    """Words of a topic are alike; a pair that nobody knows."""
    pairs = [(a, b, 9) for words in TOPICS.values() for i, a in enumerate(words) for b in words[:i]]
    pairs += [(a, b, 1) for a in TOPICS["animals"] for b in TOPICS["colours"]]
    path.write_text("# pairs\n" + "".join(f"{a}\t{b}\t{judged}\n" for a, b, judged in pairs) + "unicorn\tcat\t5\n")
    return len(pairs)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a text and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    Path("text.txt").write_text("\n".join(sentences(4000)))
    write_judgements(Path("judged.tsv"))
    Path("questions.txt").write_text(": same\ncat dog red green\n: unknown\na b c d\n")
    command("embed", "train", "--data", "text.txt", "--run", "whole", "--epochs", 6, *SMALL)
    words = ("--similarity", "judged.tsv", "--analogies", "questions.txt", "--json")
    Path("measured.json").write_text(command("embed", "evaluate", "--run", "whole", *words).stdout)
    command("embed", "export", "--run", "whole", "--licence", "none", "--data-note", "sentences of a test")
    yield folder
    os.chdir(before)


def topic_of(word):
    return next((name for name in TOPICS if word in (*TOPICS[name], *CONTEXTS[name])), None)


def test_training_leaves_a_whole_run(workshop):
    run = workshop / "runs/embed/whole"
    assert {"config.json", "model.keras", "history.csv", "curves.png", "vocabulary.json"} <= {
        each.name for each in run.iterdir()
    }
    config = json.loads((run / "config.json").read_text())
    assert config["tokens"] == 4000 * 7 and config["vocabulary"] == 24 and config["architecture"] == "skip-gram"
    vocabulary = json.loads((run / "vocabulary.json").read_text())
    assert set(vocabulary["words"][:2]) == {"the", "."} and vocabulary["counts"][:2] == [4000, 4000]
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [float(row["loss"]) for row in rows]
    assert len(rows) == 6 and losses[-1] < losses[0] < 6 * np.log(2) + 0.1


def test_evaluation_says_what_is_covered(workshop):
    result = json.loads(Path("measured.json").read_text())
    judged = result["similarity"]["judged"]
    assert (judged["pairs"], judged["covered"]) == (67, 66) and within(judged) and judged["value"] > 0.7
    assert {name: (each["questions"], each["covered"]) for name, each in result["analogies"].items()} == {
        "same": (1, 1),
        "unknown": (1, 0),
        "all": (2, 1),
    }
    assert within(result["analogies"]["all"]) and result["analogies"]["unknown"]["value"] is None
    assert all(Path(file).stat().st_size > 100 for file in result["files"]) and len(result["files"]) == 2
    told = command("embed", "evaluate", "--run", "whole", "--similarity", "judged.tsv").stdout
    assert "66 of 67 pairs" in told and "analogies" not in told
    strange = Path("strange.tsv")
    strange.write_text("unicorn dragon 8\n")
    result = json.loads(command("embed", "evaluate", "--run", "whole", "--similarity", strange, "--json").stdout)
    assert result["similarity"]["strange"] == {"value": None, "low": None, "high": None, "pairs": 1, "covered": 0}
    Path("runs/embed/whole/evaluation/metrics.json").write_text(Path("measured.json").read_text())


def test_words_of_a_topic_are_near(workshop):
    rows = json.loads(command("embed", "similar", "Cat", "blue", "--count", 5, "--json").stdout)
    assert [row["word"] for row in rows] == ["Cat"] * 5 + ["blue"] * 5
    for row in rows:
        assert topic_of(row["nearest"]) == topic_of(row["word"].lower()) and row["nearest"] != row["word"].lower()
        assert row["model"] == "saved_models/embed/1"
    for begin in (0, 5):
        cosines = [row["cosine"] for row in rows[begin : begin + 5]]
        assert cosines == sorted(cosines, reverse=True) and all(-1 <= each <= 1.0001 for each in cosines)
    words, vectors, _ = evaluate.load(workshop / "runs/embed/whole")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    for row in rows:
        expected = unit[words.index(row["word"].lower())] @ unit[words.index(row["nearest"])]
        assert row["cosine"] == pytest.approx(float(expected), abs=1e-5)
    told = command("embed", "similar", "cat dog").stdout
    assert "nearest" in told and not {"cat", "dog"} & {line.split()[2] for line in told.splitlines()[1:]}


def test_analogies_are_sums_of_unit_vectors(workshop):
    rows = json.loads(command("embed", "analogy", "cat", "dog", "red", "--count", 30, "--json").stdout)
    words, vectors, _ = evaluate.load(workshop / "runs/embed/whole")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    a, b, c = (unit[words.index(word)] for word in ("cat", "dog", "red"))
    wanted = b - a + c
    cosines = dict(zip(words, (unit @ wanted / np.linalg.norm(wanted)).tolist(), strict=True))
    assert {row["nearest"] for row in rows} == set(words) - {"cat", "dog", "red"}
    for row in rows:
        assert row["cosine"] == pytest.approx(cosines[row["nearest"]], abs=1e-5)
    assert topic_of(rows[0]["nearest"]) == "colours"


def test_the_saved_model_has_an_answer_to_everything(workshop):
    saved = loading.load(loading.find("embed"))
    words, vectors, _ = evaluate.load(workshop / "runs/embed/whole")
    answer = saved(text=["cat", "the CAT, the dog!", "unicorn", "", "cat unicorn"])
    assert answer["known"].tolist() == [1, 4, 0, 0, 1] and answer["vector"].shape == (5, 16)
    rows = {word: vectors[words.index(word)] for word in ("the", "cat", "dog")}
    np.testing.assert_allclose(answer["vector"][0], rows["cat"], rtol=1e-5)
    mean = (2 * rows["the"] + rows["cat"] + rows["dog"]) / 4
    np.testing.assert_allclose(answer["vector"][1], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(answer["vector"][4], rows["cat"], rtol=1e-5)
    assert not answer["vector"][2:4].any() and not answer["cosine"][2:4].any()
    assert set(answer["nearest"][2:4].ravel()) == {b""} and b"cat" not in answer["nearest"][[0, 1, 4]]
    answer = saved.call("similar", text=["cat", "dog"], count=[3, 1])
    assert answer["nearest"].shape == (2, 3) and answer["nearest"][1, 1:].tolist() == [b"", b""]
    assert saved.call("analogy", a=["cat"], b=["x"], c=["red"])["known"].tolist() == [[True, False, True]]
    with pytest.raises(ValueError, match=r"`count` must be 1 to 1,000. Received: 0"):
        saved.call("similar", text=["cat"], count=[0])


def test_the_card_tells_the_measures(workshop):
    card = loading.read_card(loading.find("embed"))
    metrics = card["metrics"]
    assert metrics["Spearman's correlation with judged, 66 of 67 pairs"]["value"] > 0.7
    assert "share of analogies right, 1 of 2" in metrics and "analogies" in card["figures"]
    assert card["licence"] == "none" and "sentences of a test" in card["data"]


@pytest.mark.slow
def test_fewer_words_in_half_the_room(workshop):
    command("embed", "export", "--run", "whole", "--words", 8, "--weights", "float16", "--models", "half")
    half = loading.load(loading.find("embed", None, "half"))
    words, vectors, _ = evaluate.load(workshop / "runs/embed/whole")
    answer = half(text=words[:9])
    assert answer["known"].tolist() == [1] * 8 + [0] and half.card["training"]["words kept"] == 8
    np.testing.assert_array_equal(answer["vector"][:8], vectors[:8].astype("float16").astype("float32"))
    assert answer["nearest"].shape == (9, 8) and (answer["nearest"][:8, 7] == b"").all()


@pytest.mark.parametrize(("format", "ending"), [("word2vec", "vec"), ("word2vec-binary", "bin")])
def test_vectors_become_files_of_word2vec(workshop, format, ending):
    told = command("embed", "export", "--run", "whole", "--format", format, "--json").stdout
    assert json.loads(told) == {"exported": f"whole.{ending}"}
    words, vectors, _ = evaluate.load(workshop / "runs/embed/whole")
    found, read = word_vectors.read(f"whole.{ending}", binary=ending == "bin")
    assert found == words
    np.testing.assert_array_equal(read, vectors)
    command("embed", "export", "--run", "whole", "--format", format, "--words", 5, "--output", f"five.{ending}")
    assert word_vectors.read(f"five.{ending}", binary=ending == "bin")[0] == words[:5]


def test_a_map_keeps_topics_apart(workshop):
    pytest.importorskip("sklearn", reason="needs the extra `clustering`")
    groups = [each for name, words in TOPICS.items() for each in ("--group", f"{name}={','.join(words)}")]
    result = command("embed", "map", *groups, "--group", "none=unicorn", "--figure", "map.png", "--json")
    rows = json.loads(result.stdout)
    assert [row["word"] for row in rows] == [*TOPICS["animals"], *TOPICS["colours"]]
    assert "Left out 1 of 13 words, which the model does not know: unicorn" in result.stderr
    assert Path("map.png").stat().st_size > 5000
    for method in ("pca", "tsne"):
        points = np.array([[row[method]["x"], row[method]["y"]] for row in rows])
        middles = points[:6].mean(0), points[6:].mean(0)
        for row, point in zip(rows, points, strict=True):
            apart = [np.linalg.norm(point - middle) for middle in middles]
            assert np.argmin(apart) == list(TOPICS).index(row["group"])
    told = command("embed", "map", *groups, "--method", "pca", "--figure", "one.png").stdout
    assert "pca" in told and "tsne" not in told


def test_a_map_says_what_it_needs(workshop, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn", None)
    told = command("embed", "map", "--group", "a=cat", "--figure", "map2.png", code=1).stderr
    assert "pip install -e '.[clustering]'" in told and not Path("map2.png").exists()


# As tests/targets has it of the net, in a second.
@pytest.mark.slow
def test_the_continuous_bag_of_words_learns_topics_too(workshop):
    words = ("--architecture", "cbow", "--run", "bag", "--epochs", 8, *SMALL, "--learning-rate", 0.2)
    result = json.loads(command("embed", "train", "--data", "text.txt", *words, "--json").stdout)
    assert result["words of text"] == 28_000 and result["last epoch"]["epoch"] == 8
    found = command("embed", "evaluate", "--run", "bag", "--similarity", "judged.tsv", "--json").stdout
    assert json.loads(found)["similarity"]["judged"]["value"] > 0.7


def test_tables_folders_and_data_sets_are_texts(workshop, monkeypatch):
    lines = sentences(60, seed=1)
    with open("table.csv", "w", newline="") as file:
        csv.writer(file).writerows([["review"], *([line] for line in lines)])
    Path("books").mkdir()
    for name, part in (("a.txt", lines[:30]), ("b.txt", lines[30:])):
        Path("books", name).write_text(" ".join(part))
    table = data.read(Config(data="table.csv", text_column="review", min_count=1))
    folder = data.read(Config(data="books", min_count=1))
    assert len(table.starts) == 61 and len(folder.starts) == 3
    np.testing.assert_array_equal(table.ids, folder.ids)

    import tensorflow as tf

    def load(name, split, *, features, manual_dir):
        assert (name, split, features, manual_dir) == ("reviews", "train", ("review",), None)
        return tf.data.Dataset.from_tensor_slices({"review": lines}), None

    monkeypatch.setattr(data.tfds, "load_tfds", load)
    given = data.read(Config(dataset="reviews", text_column="review", min_count=1))
    np.testing.assert_array_equal(given.ids, table.ids)


def test_a_changed_table_is_not_gone_on_with(workshop):
    Path("mine.csv").write_text("\n".join(["review", *sentences(50)]))
    words = ("--data", "mine.csv", "--text-column", "review", "--run", "mine", "--epochs", 1)
    command("embed", "train", *words, *SMALL)
    Path("mine.csv").write_text("\n".join(["review", *sentences(51)]))
    assert "fingerprint" in command("embed", "train", "--run", "mine", "--resume", code=1).stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("train", "--run", "x"), 2, "--data"),
        (("train", "--data", "missing.txt", "--run", "x"), 1, "missing.txt"),
        (("train", "--data", "bare", "--run", "x"), 1, "must hold .txt files"),
        (("train", "--data", "rare.txt", "--run", "x"), 1, "`--min-count` must leave two words"),
        (("train", "--data", "latin.txt", "--run", "x"), 1, "--encoding cp1252"),
        (("train", "--data", "text.txt", "--text-column", "a", "--run", "x"), 2, "`--text-column`"),
        (("train", "--data", "fit.csv", "--run", "x"), 1, "`--text-column` must be a column of"),
        (("train", "--data", "text.txt", "--momentum", "0.5", "--run", "x"), 2, "`--momentum` must be 0"),
        (("train", "--data", "text.txt", "--ema", "0.9", "--run", "x"), 2, "`--ema` must be 0"),
        (("train", "--data", "text.txt", "--optimizer", "adam"), 2, "--optimizer"),
        (("train", "--data", "text.txt", "--window", "21"), 2, "--window"),
        (("train", "--data", "text.txt", "--run", "whole"), 1, "--resume"),
        (
            ("train", "--data", "text.txt", "--embedding-dim", "1000000000", "--run", "x"),
            1,
            "too large for this machine",
        ),
        (("evaluate", "--run", "whole"), 2, "`--similarity FILE`"),
        (("evaluate", "--run", "nothing", "--similarity", "judged.tsv"), 1, "no run"),
        (("evaluate", "--run", "whole", "--similarity", "missing.tsv"), 1, "`--similarity` must be there already"),
        (("evaluate", "--run", "whole", "--similarity", "text.txt"), 1, "two words and a number in every line"),
        (("evaluate", "--run", "whole", "--analogies", "judged.tsv"), 1, "four words in every line"),
        (("export", "--run", "nothing"), 1, "no run"),
        (("export", "--run", "whole", "--output", "x.txt"), 2, "leave `--output` out"),
        (("export", "--run", "whole", "--format", "word2vec", "--licence", "x"), 2, "leave `--licence` out"),
        (("export", "--run", "whole", "--format", "word2vec", "--output", "x.bin"), 2, "must end in .vec or .txt"),
        (("similar", "unicorn"), 1, "that the model knows: its text had it often enough. Received: 'unicorn'"),
        (("similar", "cat", "--count", "0"), 2, "--count"),
        (("similar", "cat", "--models", "text.txt"), 2, "--models"),
        (("similar", "cat", "--version", "9"), 1, "no version 9"),
        (("analogy", "cat", "unicorn", "dog"), 1, "Received: 'unicorn'"),
        (("map", "--group", "animals", "--figure", "m.png"), 2, "must be a name, = and words"),
        (("map", "--group", "a=cat,dog", "--figure", "m.png"), 1, "`--group` must hold 4 words"),
        (("map", "--group", "a=cat,Cat", "--group", "b=cat,dog,CAT", "--figure", "m.png"), 1, "must hold 4 words"),
        (("map", "--group", "a=cat,dog", "--figure", "m.jpg"), 2, "must end in .png"),
    ],
)
def test_mistakes_are_told_in_one_sentence(workshop, words, code, told):
    if words[0] == "map" and code == 1:
        pytest.importorskip("sklearn", reason="needs the extra `clustering`")
    Path("bare").mkdir(exist_ok=True)
    Path("rare.txt").write_text("each word once")
    Path("latin.txt").write_bytes(b"caf\xe9 " * 2000)
    Path("fit.csv").write_text("words\na b\n")
    before = sorted(str(path) for path in Path("runs").rglob("*"))
    result = command("embed", *words, code=code)
    assert result.stdout == "" and told in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
    assert sorted(str(path) for path in Path("runs").rglob("*")) == before


@pytest.mark.slow
def test_killed_training_is_resumed_by_the_command_it_names(workshop):
    stop_and_resume("embed", ["--data", "text.txt", "--epochs", "12", *SMALL], "history.csv")
