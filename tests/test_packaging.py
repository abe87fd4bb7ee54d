"""What is installed: the sdist, and the wheel in an environment of its own."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MEGABYTES = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A copy of the checkout, since building writes into its source folder; the sdist, and the wheel made from that."""
    folder = tmp_path_factory.mktemp("built")
    leave_out = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "results")
    shutil.copytree(ROOT, folder / "source", ignore=leave_out)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source")
    [sdist], [wheel] = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return folder / "source", sdist, wheel


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The `bin` folder of a fresh environment that holds the wheel, and sees the packages it requires."""
    folder = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", built[2])
    # Written after the installation, since pip would else take kerasmlsp for installed. The .pth files of those
    # folders, among them that of an editable kerasmlsp, are not followed from here.
    [packages] = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "dependencies.pth").write_text("\n".join(others) + "\n")
    return folder / "bin"


def run(*words, **settings):
    """Runs a command that must succeed, without the checkout on its path, and returns what it wrote to stdout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, env=environment, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_sdist_is_whole(built):
    source, sdist, _ = built
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "setup.cfg", "pyproject.toml", "Makefile"} <= names
    for folder in ("apps", "kerasmlsp", "saved_models", "tests", "benchmarks", "docs"):
        assert {path.relative_to(source).as_posix() for path in (source / folder).rglob("*") if path.is_file()} <= names


def test_the_wheel_holds_packages_and_saved_models_only(built):
    source, _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    installed = {name for name in names if ".dist-info/" not in name}
    places = {"kerasmlsp": "kerasmlsp", "apps": "kerasmlsp/apps", "saved_models": "kerasmlsp/saved_models"}
    assert installed == {
        f"{place}/{path.relative_to(source / folder).as_posix()}"
        for folder, place in places.items()
        for path in (source / folder).rglob("*")
        if path.is_file()
    }
    assert any(name.endswith("/licenses/LICENSE") for name in names - installed)
    assert wheel.stat().st_size < MEGABYTES * 2**20


def test_the_wheel_works_in_an_environment_of_its_own(installed, tmp_path):
    """From a folder without a checkout: train, evaluate, export, predict."""

    def kerasmlsp(*words):
        return run(installed / "kerasmlsp", *words, cwd=tmp_path)

    place = run(installed / "python", "-c", "import kerasmlsp; print(kerasmlsp.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parent)
    assert "sentiment" in kerasmlsp("--help")
    assert json.loads(kerasmlsp("doctor", "--json"))["problems"] == []

    rows = [("a superb film", "pos"), ("a dull film", "neg")]
    with open(tmp_path / "reviews.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [("text", "label"), *((f"{text} {i}", label) for i in range(20) for text, label in rows)]
        )
    options = ("--architecture", "ngrams", "--epochs", "2", "--run", "little")
    kerasmlsp("sentiment", "train", "--data", "reviews.csv", *options)
    kerasmlsp("sentiment", "evaluate", "--run", "little", "--data", "reviews.csv")
    kerasmlsp("sentiment", "export", "--run", "little", "--models", "own")
    kerasmlsp("sentiment", "predict", "--file", "reviews.csv", "--models", "own", "--output", "out.csv")
    with open(tmp_path / "out.csv", newline="") as file:
        assert {row["predicted"] for row in csv.DictReader(file)} <= {"pos", "neg"}


def test_the_shipped_model_answers_from_the_wheel(installed, tmp_path):
    if not (ROOT / "saved_models/sentiment/1/saved_model.pb").exists():
        pytest.skip("saved_models/sentiment/1 is not in the checkout")
    answer = run(installed / "kerasmlsp", "sentiment", "predict", "This film was excellent!", "--json", cwd=tmp_path)
    assert json.loads(answer)[0]["confidence"] > 0.5


def test_nested_files_of_saved_models_are_packed(tmp_path):
    """With a made-up saved model, so that it holds before there is one to ship and for folders that none has yet."""
    source = tmp_path / "source"
    for name in ("kerasmlsp", "apps", "saved_models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    wanted = ["saved_model.pb", "card.json", "README.md", "variables/variables.index", "assets/words.txt"]
    wanted += ["assets.extra/tf_serving_warmup_requests", "figures/a.png"]
    for name in wanted:
        path = source / "saved_models/demo/1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", source)
    [wheel] = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {f"kerasmlsp/saved_models/demo/1/{name}" for name in wanted} <= set(archive.namelist())
