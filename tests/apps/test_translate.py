"""The translate application through its command line, on sentences that the tests write."""

import csv
import gzip
import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import command, stop_and_resume, within
from PIL import Image

from kerasmlsp.apps.translate import data, evaluate, lexicon, predict, sources
from kerasmlsp.apps.translate.config import ARCHITECTURES, Config
from kerasmlsp.data import tfds
from kerasmlsp.exporting import loading

pytest.importorskip("sentencepiece")
pytest.importorskip("sacrebleu")

# The colour stands behind its animal in the translation, as in French.
COLOURS = {"red": "rouge", "green": "vert", "blue": "bleu", "white": "blanc", "black": "noir"}
ANIMALS = {"dog": "chien", "cat": "chat", "bird": "oiseau", "horse": "cheval", "fish": "poisson"}
VERBS = {"runs": "court", "sleeps": "dort", "sings": "chante", "eats": "mange"}
PLACES = {"": "", "in the snow": "dans la neige", "near the house": "près de la maison", "today": "aujourd'hui"}
TINY = ("--units", 32, "--num-layers", 1, "--dropout", 0.05, "--vocabulary-size", 120, "--batch-tokens", 320)
TINY += ("--learning-rate", 0.01, "--label-smoothing", 0.02, "--beams", 3)
PLACE = ("--source", "en", "--target", "fr")


def pairs():
    """All sentences in an order of chance, with their translations."""
    found = []
    for (colour, couleur), (animal, nom), (verb, verbe), (place, lieu) in itertools.product(
        COLOURS.items(), ANIMALS.items(), VERBS.items(), PLACES.items()
    ):
        english, french = f"The {colour} {animal} {verb} {place}", f"Le {nom} {couleur} {verbe} {lieu}"
        found.append((f"{english.strip()}.", f"{french.strip()}."))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def write_data(folder, parts=(("train", 320), ("val", 40), ("test_2016", 40))):
    folder.mkdir(parents=True)
    rows = iter(pairs())
    for name, count in parts:
        some = list(itertools.islice(rows, count))
        for side, language in enumerate(("en", "fr")):
            text = "".join(f"{row[side]}\n" for row in some)
            (folder / f"{name}.{language}.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with sentences and a run `whole` that is trained, evaluated and exported."""
    folder = tmp_path_factory.mktemp("workshop")
    before = Path.cwd()
    os.chdir(folder)
    write_data(folder / "pairs")
    command("translate", "train", "--data", "pairs", *PLACE, "--run", "whole", "--epochs", 16, *TINY)
    command("translate", "evaluate", "--run", "whole")
    command("translate", "export", "--run", "whole", "--licence", "none", "--data-note", "animals of a test")
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def evaluated(workshop):
    return json.loads((workshop / "runs/translate/whole/evaluation/metrics.json").read_text())


def test_training_leaves_a_whole_run(workshop):
    folder = workshop / "runs/translate/whole"
    config = json.loads((folder / "config.json").read_text())
    assert config["pairs"] == {"train": 320, "validation": 40, "test": 40} and config["problems"] == {}
    units = json.loads((folder / "subwords.json").read_text())
    assert units[:4] == ["<pad>", "<unk>", "<s>", "</s>"] and {"\u2581The", "\u2581Le"} <= set(units)
    assert len(units) == config["subwords"] <= 120 and config["units"] == 32
    assert {"model.keras", "history.csv", "curves.png"} <= {each.name for each in folder.iterdir()}


def test_translations_say_what_is_there(evaluated):
    metrics = evaluated["metrics"]
    assert list(metrics) == ["greedy", "beams of 3", "word by word"] and evaluated["pairs"] == 40
    for measures in metrics.values():
        assert list(measures) == ["BLEU", "BLEU, lower case", "chrF", "length"]
        assert all(map(within, measures.values()))
    for name in ("greedy", "beams of 3"):
        assert metrics[name]["BLEU"]["value"] > 80
        # Words in the order of the source cannot follow the adjective.
        assert metrics[name]["BLEU"]["value"] > metrics["word by word"]["BLEU"]["value"] + 20
    assert metrics["word by word"]["chrF"]["value"] > 50
    assert evaluated["signatures"]["BLEU"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")
    assert {"greedy", "beams of 3", "word by word"} == set(evaluated["by length"])
    assert sum(row["sentences"] for row in evaluated["by length"]["greedy"]) == 40
    with Image.open("runs/translate/whole/evaluation/bleu_by_length.png") as figure:
        assert figure.width > 600


def test_the_saved_model_translates_as_the_evaluation_did(workshop):
    with open("runs/translate/whole/evaluation/translations.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    saved = loading.load(loading.find("translate"))
    answers = saved(text=[row["source"] for row in rows])
    assert [line.decode() for line in answers["translation"]] == [row["beams of 3"] for row in rows]
    assert (answers["score"] < 0).all() and not answers["cut"].any()
    greedy = saved.call("greedy", text=[row["source"] for row in rows])["translation"]
    assert [line.decode() for line in greedy] == [row["greedy"] for row in rows]
    empty = saved(text=["", "  "])
    assert empty["translation"].tolist() == [b"", b""] and empty["score"].tolist() == [0, 0]
    card = saved.card
    assert card["languages"] == {"source": "en", "target": "fr"} and "BLEU, beams of 3" in card["metrics"]
    assert "tok:13a" in card["evaluated"] and card["size_bytes"] < 2e6


def test_a_sentence_is_read_in_one_form_and_looked_at(workshop):
    saved = loading.load(loading.find("translate"))
    told = saved.call("explain", text=["The  red\u00a0dog runs.", "The white bird sings near the house."])
    assert told["translation"][0].decode() == "Le chien rouge court."
    first = predict.explain(saved, "The red dog runs.")
    assert first["source_units"][-1] == "</s>" and "".join(first["target_units"]).endswith(".")
    assert first["attention"].shape == (len(first["target_units"]), len(first["source_units"]))
    np.testing.assert_allclose(first["attention"].sum(1), 1, atol=1e-3)
    with pytest.raises(ValueError, match="something to translate"):
        predict.explain(saved, " ")


def test_predict_takes_texts_lines_and_files(workshop):
    texts = ("The red dog runs.", "The white bird sings near the house.")
    wanted = ["Le chien rouge court.", "L", "Le oiseau blanc chante près de la maison."]
    rows = json.loads(command("translate", "predict", *texts, "--json").stdout)
    assert [row["translation"] for row in rows] == [wanted[0], wanted[2]]
    assert rows[0]["parts"] == 1 and rows[0]["model"].endswith("translate/1")
    assert wanted[0] in command("translate", "predict", texts[0], "--greedy").stdout
    lines = "".join(f"{line}\n" for line in (texts[0], "", texts[1])) * 5
    (workshop / "news.en").write_text(lines)
    told = command("translate", "predict", "--file", "news.en", "--json").stdout
    told = json.loads(told)
    assert told.pop("model").endswith("translate/1")
    assert told == {"lines": 15, "blank": 5, "output": "news.translated.txt"}
    expected = f"{wanted[0]}\n\n{wanted[2]}\n" * 5
    assert Path("news.translated.txt").read_text() == expected
    command("translate", "predict", texts[0], "--output", "out.csv")
    with open("out.csv", newline="") as file:
        assert [row["translation"] for row in csv.DictReader(file)] == [wanted[0]]
    told = command("translate", "predict", texts[0], "--figure", "where.png").stderr
    assert "The figure is in where.png." in told
    with Image.open("where.png") as figure:
        assert figure.width > 300


def test_lines_on_stdin_are_translated_one_by_one(workshop):
    from click.testing import CliRunner

    from kerasmlsp.apps import cli

    told = CliRunner().invoke(cli.root, ["translate", "predict", "-"], input="The red dog runs.\n\nThe red dog runs.\n")
    assert told.exit_code == 0, told.output
    assert told.stdout == "Le chien rouge court.\n\nLe chien rouge court.\n"


def test_a_long_text_is_parted(workshop):
    saved = loading.load(loading.find("translate"))
    text = " ".join(["The red dog runs.", "The blue cat sleeps today."] * 20)
    [row] = predict.translate(saved, [text], greedy=True)
    assert row["parts"] > 2 and row["translation"].count("Le chien") == 20
    assert saved(text=[text])["cut"].all()


@pytest.mark.slow
def test_training_that_is_stopped_goes_on_as_if_it_had_not_been(workshop):
    words = ("--data", workshop / "pairs", *PLACE, "--epochs", 8, *TINY)
    stop_and_resume("translate", words, "history.csv")


# The workshop trains a transformer.
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES[1:])
def test_every_architecture_learns(workshop, architecture):
    words = ("--data", "pairs", *PLACE, "--architecture", architecture, "--run", architecture, "--epochs", 60, *TINY)
    result = json.loads(command("translate", "train", *words, "--seed", 1, "--json").stdout)
    assert result["parameters"] > 1000 and result["pairs"]["train"] == 320
    metrics = json.loads(command("translate", "evaluate", "--run", architecture, "--json").stdout)["metrics"]
    # One state holds a sentence badly.
    least = 10 if architecture == "encoder-decoder" else 50
    assert metrics["greedy"]["BLEU"]["value"] > max(least, metrics["word by word"]["BLEU"]["value"])
    command("translate", "export", "--run", architecture, "--models", "others")
    told = command(
        "translate", "predict", "The red dog runs.", "--models", "others", "--figure", f"{architecture}.png",
        code=int(architecture == "encoder-decoder"),
    )  # fmt: skip
    assert ("no attention to show" in told.stderr) == (architecture == "encoder-decoder")


def test_a_run_whose_data_changed_is_told(workshop, tmp_path):
    shutil.copytree("pairs", tmp_path / "mine")
    shutil.copytree("runs/translate/whole", "runs/translate/mine")
    path = Path("runs/translate/mine/config.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": str(tmp_path / "mine")}))
    write_data(tmp_path / "other", (("train", 310), ("val", 40), ("test", 40)))
    for file in (tmp_path / "other").iterdir():
        shutil.copy(file, tmp_path / "mine" / file.name)
    assert "have changed" in command("translate", "evaluate", "--run", "mine", code=1).stderr
    # As other data, without the lexicon that needs the run's own training sentences.
    lines = ["english\tfrench", *(f"{first}\t{second}" for first, second in pairs()[:9])]
    (tmp_path / "few.tsv").write_text("\n".join(lines))
    columns = ("--source", "english", "--target", "french")
    told = command("translate", "evaluate", "--run", "mine", "--data", tmp_path / "few.tsv", *columns, "--json").stdout
    assert list(json.loads(told)["metrics"]) == ["greedy", "beams of 3"] and json.loads(told)["pairs"] == 9


# ---- data ----------------------------------------------------------------------------------------------------------


def config(**changes):
    return Config(**{"data": "here", **changes})


def test_pairs_are_read_from_every_kind_of_file(tmp_path):
    rows = pairs()[:40]
    (tmp_path / "a.csv").write_text("\n".join(["source,target", *(f"{a},{b}" for a, b in rows)]))
    (tmp_path / "a.txt").write_text("\n".join(f"{a}\t{b}\tCC-BY" for a, b in rows))
    (tmp_path / "news.en").write_text("\n".join(a for a, _ in rows))
    (tmp_path / "news.fr").write_text("\n".join(b for _, b in rows))
    places = (
        {"data": str(tmp_path / "a.csv")},
        {"data": str(tmp_path / "a.txt")},
        {"data": str(tmp_path / "news.en"), "parallel": str(tmp_path / "news.fr")},
        {"data": str(tmp_path), "source": "en", "target": "fr"},
    )
    found = [data.read(config(**place)) for place in places]
    for each in found:
        assert sorted(zip(each.sources, each.targets, strict=True)) == sorted(rows)
        assert each.counts() == {"train": 38, "validation": 1, "test": 1}
        assert each.fingerprint() == found[0].fingerprint()
    assert data.read(config(**places[0], seed=1)).fingerprint() != found[0].fingerprint()


def test_no_sentence_is_in_two_splits(tmp_path):
    rows = [
        ("A dog.", "Un chien.", "train"),
        ("a  DOG.", "Ein Hund.", "test"),
        ("A cat.", "Un chat.", "train"),
        ("One cat.", "un chat.", "val"),
        ("A bird.", "Un oiseau.", "train"),
        ("A bird.", "Un oiseau.", "train"),
        ("A bird.", "Oiseau.", "train"),
        ("", "Rien.", "train"),
        ("Nothing.", " ", "train"),
        ("A fish.", "Un poisson.", "challenge"),
    ]
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file).writerows([("source", "target", "split"), *rows])
    found = data.read(config(data=str(tmp_path / "a.csv")))
    assert found.of("train") == (["A bird.", "A bird."], ["Un oiseau.", "Oiseau."])
    assert found.of("test")[0] == ["a DOG."] and found.of("validation")[0] == ["One cat."]
    assert found.problems == {
        "pairs of which a side is empty": 2,
        "pairs of other splits": 1,
        "pairs that repeat others": 1,
        "pairs with a sentence of another split": 2,
    }


def test_all_translations_of_a_sentence_are_drawn_together(tmp_path):
    lines = [f"Sentence {number % 50}.\tPhrase {number}." for number in range(200)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    found = data.read(config(data=str(tmp_path / "a.txt"), test_share=0.2, validation_share=0.1))
    assert found.counts() == {"train": 140, "validation": 20, "test": 40}
    sides = {split: set(found.of(split)[0]) for split in data.SPLITS}
    assert not sides["train"] & sides["test"] and not sides["validation"] & sides["test"]


def test_a_split_that_is_lacking_is_drawn(tmp_path):
    write_data(tmp_path / "pairs", (("train", 300), ("test", 50)))
    found = data.read(config(data=str(tmp_path / "pairs"), source="en", target="fr"))
    assert found.counts() == {"train": 294, "validation": 6, "test": 50}


def test_languages_of_tensorflow_datasets_are_read(monkeypatch):
    import tensorflow as tf

    class Info:
        full_name, splits, features = "made/1.0.0", {"train": 1, "validation": 1, "test": 1, "extra": 1}, {"en", "fr"}

    rows = iter(pairs())
    made = {name: list(itertools.islice(rows, 5)) for name in Info.splits}

    def load(name, split, **place):
        first, second = (list(side) for side in zip(*made[split], strict=True))
        return tf.data.Dataset.from_tensor_slices({"en": first, "fr": second}), Info

    monkeypatch.setattr(tfds, "load_tfds", load)
    found = data.read(Config(dataset="made", source="en", target="fr"))
    assert found.counts() == {"train": 5, "validation": 5, "test": 5}
    assert found.of("test") == tuple(list(side) for side in zip(*made["test"], strict=True))


def test_long_pairs_are_left_out_of_training_alone(tmp_path):
    from kerasmlsp.data import subwords

    units = subwords.Subwords([*subwords.CONTROLS, "\u2581", "a", "b"])
    lines = ["a a a", "a a a a a a", "b"], ["b", "b b", "b b b b b b b"]
    whole = data.encode(*lines, units, 8, cut=False)
    assert whole.left_out == 2 and whole.lengths.tolist() == [[7, 3]]
    cut = data.encode(*lines, units, 8, cut=True)
    assert cut.left_out == 0 and cut.lengths.tolist() == [[7, 3], [8, 5], [3, 8]]
    inputs, targets, weights = data.loader(cut)(np.array([0, 2]))
    assert inputs["source_ids"][1].numpy().tolist() == [4, 6, 3, 0, 0, 0, 0]
    assert inputs["target_ids"][0].numpy().tolist()[:4] == [2, 4, 6, 3]
    assert targets[0].numpy().tolist()[:3] == [4, 6, 3] and weights[0].numpy().tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_a_lexicon_finds_what_words_mean():
    first, second = (list(side) for side in zip(*pairs(), strict=True))
    known = lexicon.Lexicon(first[:200], second[:200])
    # What stands in every sentence, as the article and the full stop, cannot be told apart.
    assert known("red dog runs") == "rouge chien court"
    assert known("blue, zebra: (white cat)!") == "bleu, zebra: (blanc chat)!"


def test_texts_are_parted_where_sentences_end():
    assert predict.parted('He said "Wait!" Then... 3.5 m? Yes.') == ['He said "Wait!"', "Then...", "3.5 m?", "Yes."]
    assert predict.parted("男人站在梯子上。两个男人在说话。") == ["男人站在梯子上。", "两个男人在说话。"]
    assert predict.parted("abcdef") == ["abc", "def"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("train --data no.csv", 1, "`--data` must be there already"),
        ("train", 2, "either `--data PATH` or `--dataset NAME`"),
        ("train --data pairs --source en --target en", 2, "`--target` must be another than `--source`"),
        ("train --data pairs", 1, "whose files end in en, fr"),
        ("train --data pairs --source en --target de", 1, "name two endings by `--source` and `--target`"),
        ("train --data pairs --source en --target fr --run whole", 1, "holds a run already"),
        ("train --data pairs --source en --target fr --batch-size 9", 2, "`--batch-size`"),
        ("train --data pairs --source en --target fr --split-column a", 2, "`--split-column`"),
        ("train --data pairs --source en --target fr --parallel a.txt", 2, "`--parallel`"),
        ("train --dataset made --parallel a.txt", 2, "`--parallel`"),
        ("train --data a.csv", 1, "`--source` must be a column of"),
        ("train --data a.txt", 1, "not in line 1"),
        ("train --data a.csv --parallel a.txt", 1, "must have as many lines each"),
        ("train --data few.csv --run few", 1, "which has none of train"),
        ("train --data pairs --source en --target fr --vocabulary-size 20 --run few", 1, "`--vocabulary-size` must be"),
        (
            "train --data pairs --source en --target fr --vocabulary-size 60 --beams 31 --run few",
            1,
            "`--beams` must be",
        ),
        (
            "train --data pairs --source en --target fr --max-tokens 4 --vocabulary-size 60 --run few",
            1,
            "`--max-tokens`",
        ),
        ("train --data pairs --architecture additive-attention --num-layers 2", 2, "`--num-layers` must be 1"),
        ("train --data pairs --units 33", 2, "`--units` must be even"),
        ("evaluate --run no", 1, "There is no run in runs/translate/no"),
        ("evaluate --run whole --source en", 2, "`--source`"),
        ("evaluate --run whole --data a.csv", 1, "`--source` must be a column of"),
        ("export --run whole --format onnx", 2, "found by a beam search"),
        ("predict", 2, "Give either texts"),
        ("predict a - b", 2, "`-` reads all lines on stdin"),
        ("predict a b --figure c.png", 2, "draws one text"),
        ("predict a --figure c.png --greedy", 2, "`--greedy`"),
        ("predict a --encoding cp1252", 2, "`--encoding`"),
        ("predict --file no.txt", 1, "`--file` must be there already"),
        ("predict --file a.txt --output a.txt", 2, "must be another file"),
        ("predict --file a.txt --output a.csv", 2, "ends in .txt"),
        ("predict a --output no/b.txt", 1, "`--output` must be in a folder that is there"),
        ("predict a --models no", 1, "`--models` must be a folder"),
    ],
)
def test_failures_are_one_sentence(workshop, words, code, told):
    Path("a.csv").write_text("one,two\n1,2\n")
    Path("a.txt").write_text("no tab\n")
    Path("few.csv").write_text("source,target\na,b\nc,d\n")
    before = sorted(path for path in workshop.rglob("*") if path.is_file())
    result = command("translate", *words.split(), code=code)
    assert told in result.stderr, result.stderr
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert sorted(path for path in workshop.rglob("*") if path.is_file()) == before


def test_splits_are_told_by_names():
    assert [sources.split_of(name) for name in ("Train", "dev2", "valid.x", "newstest", "test")] == [
        "train", "validation", "validation", None, "test",
    ]  # fmt: skip
    assert evaluate.EDGES[0] == 1
