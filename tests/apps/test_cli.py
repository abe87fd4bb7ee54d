"""The root of the command line: what it imports, how it fails, and what doctor tells."""

import errno
import json
import logging
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

import kerasmlsp
from kerasmlsp.apps import cli, messages, options, printing

HEAVY = {"tensorflow", "keras", "jax", "numpy", "pandas", "pyarrow", "tensorflow_datasets", "matplotlib"}


def invoke(*arguments, **settings):
    return CliRunner().invoke(cli.root, arguments, prog_name="kerasmlsp", **settings)


@pytest.fixture
def failing(monkeypatch):
    """A function that makes `kerasmlsp fail` raise an error, and runs it."""

    def run(error, *before, **settings):
        @click.command()
        def fail():
            raise error

        monkeypatch.setitem(cli.root.commands, "fail", fail)
        return invoke(*before, "fail", **settings)

    return run


def test_files_to_write_have_the_endings_of_their_kind():
    """What a command shows by an ending, as OUT.png, it takes with that ending alone."""
    shown = {path: each for path, each in parameters() if each.opts[0] in ("--figure", "--grid")}
    shown |= {path: each for path, each in parameters() if str(each.metavar).lower().endswith((".csv", ".png"))}
    assert len(shown) >= 7
    for path, each in shown.items():
        assert isinstance(each.type, options.Target), path


def parameters(command=cli.root, path=()):
    """Every parameter of every command, each with the words of its command."""
    for name, each in getattr(command, "commands", {}).items():
        yield from parameters(each, (*path, name))
    yield from ((path, parameter) for parameter in command.params)


def test_numbers_are_finite_and_seeds_fit_an_int32():
    context, counted = click.Context(cli.root), 0
    for path, parameter in parameters():
        if isinstance(parameter.type, (click.FloatRange, click.types.FloatParamType)):
            for value in ("nan", "inf", "-inf", "1e999"):
                with pytest.raises(click.BadParameter):
                    parameter.type.convert(value, parameter, context)
                    pytest.fail(f"{path} takes {parameter.opts[0]} {value}")
            counted += 1
        if parameter.name.endswith("seed"):
            assert (parameter.type.min, parameter.type.max) == (0, 2**31 - 1), path
            counted += 1
    assert counted > 40
    assert options.FiniteRange(0, 1).convert("0.5", None, None) == 0.5


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("augment preview a.png --output b.png --rand-augment 0.5 --zoom 0.2", "`--zoom`"),
        ("caption train --dataset coco_captions --images here", "`--images`"),
        ("caption train --data a.csv --manual-dir here", "`--manual-dir`"),
        ("caption train --data a.csv --encoder cnn --encoder-weights imagenet", "`--encoder-weights`"),
        ("caption evaluate --images here", "`--images`"),
        ("chargen train --data a.txt --manual-dir here", "`--manual-dir`"),
        ("chargen train --data a.txt --units 33", "`--units` must be even"),
        ("chargen train --data a.txt --dropout nan", "'--dropout'"),
        ("chargen generate --greedy --temperature 0.3", "`--temperature`"),
        ("chargen generate --greedy --top-k 2 --num-samples 3", "`--top-k` and `--num-samples`"),
        ("chargen generate --temperature nan", "'--temperature': 'nan' is not a finite"),
        ("chargen generate --temperature -0.5", "'--temperature'"),
        ("chargen generate --seed 2147483648", "'--seed'"),
        ("chargen generate --seed 2147483647 --num-samples 2", "room for 2 seeds"),
        ("embed export --output a.vec", "`--output`"),
        ("embed export --format word2vec --models here --weights float16", "`--models` and `--weights`"),
        ("embed map --group a=b --figure b.jpg", "'--figure': must end in .png"),
        ("embed train --data here --text-column review", "`--text-column`"),
        ("gan train --data here --architecture wgan-gp --r1 1", "`--r1`"),
        ("gan generate --output here --scale 2", "`--scale`"),
        ("gan generate --output a.png", "'--output': must be a folder, not a file. Received: 'a.png'"),
        ("gan translate a.png --output b.jpg", "must be a folder, or end in .png"),
        ("pixelcnn generate --output a.png", "'--output': must be a folder"),
        ("pixelcnn evaluate --samples 0 --seed 3", "`--seed`"),
        ("segment predict a.png --output b.png", "'--output': must be a folder"),
        ("score --model sentiment --input a.csv --output b.csv", "'--output': must be a folder"),
        ("wavenet evaluate --samples 0 --seed 3", "`--seed`"),
        ("traffic train --data a.csv --graph b.csv --filters 8", "`--filters`"),
        ("video evaluate --encoding cp1252", "`--encoding`"),
        ("gan generate --output here --seed 2147483647 --num 2", "room for 2 seeds"),
        ("gesture train --dataset rock_paper_scissors --rounds", "`--rounds`"),
        ("gesture train --data here --path-column file", "`--path-column`"),
        ("gesture train --data here --background-share 0.5", "`--background-share`"),
        ("gesture evaluate --data here --folds 3", "`--data`"),
        ("gesture evaluate --encoding cp1252", "`--encoding`"),
        ("gesture evaluate --data here --manual-dir here", "`--manual-dir`"),
        ("music train --data here --momentum 0.5", "`--momentum`"),
        ("music train --data here --step-epochs 3", "`--step-epochs`"),
        ("music train --data here --schedule constant --final-rate 0.1", "`--final-rate`"),
        ("music train --json-steps-per-quarter 2", "`--json-steps-per-quarter`"),
        ("music train --data here --architecture transformer --units 33", "`--units` must be even"),
        ("music evaluate --samples 0 --bars 2", "`--bars`"),
        ("music generate --tempo inf", "'--tempo'"),
        ("music generate --seed 2147483640 --num-samples 9", "room for 9 seeds"),
        ("sentiment train --data here --text-column review", "`--text-column`"),
        ("traffic predict a.csv --influence A --output b.csv", "`--output`"),
        ("traffic predict a.csv --figure b.jpg", "'--figure': must end in .png"),
        ("sentiment evaluate --data here --manual-dir here", "`--manual-dir`"),
        ("sentiment export --output a.onnx", "`--output`"),
        ("speech train --dataset speech_commands --path-column file", "`--path-column`"),
        ("speech train --data here --noise 0 --max-snr 20", "`--max-snr`"),
        ("speech train --data here --architecture cnn --momentum 0.5", "`--momentum`"),
        ("speech evaluate --data here --folds 3", "`--data`"),
        ("speech evaluate --folds 3 --encoding cp1252", "`--encoding`"),
        ("speech listen a.wav --figure b.jpg", "'--figure': must end in .png"),
        ("speech predict a.wav --output b.txt", "'--output': must end in .csv"),
        ("augment preview a.png --output b.jpg", "'--output': must end in .png. Received: 'b.jpg'"),
        ("caption predict a.png --figure b", "'--figure': must end in .png"),
        ("caption predict a.png --output b.parquet", "'--output': must end in .csv"),
        ("gan generate --grid b.gif", "'--grid': must end in .png"),
        ("gan interpolate --grid b.jpg", "'--grid': must end in .gif or .png"),
        ("gesture predict a.png --figure b.jpg", "'--figure': must end in .png"),
        ("gesture predict a.png --output b.txt", "'--output': must end in .csv"),
        ("models show lenet5 --figure b.svg", "'--figure': must end in .png"),
        ("sentiment export --format litert --output b.onnx", "'--output': must end in .tflite"),
        ("sentiment predict --file a.csv --output b.parquet", "'--output': must end in .csv"),
        ("sentiment predict good --figure b.jpg", "'--figure': must end in .png"),
        ("sentiment export --format onnx --models here --licence MIT", "`--models` and `--licence`"),
        ("sentiment predict good --output a.csv", "`--output`"),
        ("sentiment predict good --text-column review", "`--text-column`"),
        ("sentiment predict --file a.csv --explain", "`--explain`"),
    ],
)
def test_options_that_do_not_apply_or_cannot_work_are_wrong_usage(words, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/kept").write_text("kept")
    result = invoke(*words.split())
    assert result.exit_code == 2 and told in result.stderr, result.output
    assert sum(line.startswith("Error: ") for line in result.stderr.splitlines()) == 1
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["here", "kept"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("sentiment train --data no.csv", 1, "`--data` must be there already"),
        ("sentiment train --data table.csv", 1, "`--text-column` must be a column of"),
        ("sentiment train --data table.csv --dataset imdb_reviews", 2, "either `--data PATH` or `--dataset NAME`"),
        ("sentiment train --data fit.csv --exclude no.csv", 1, "`--exclude` must be there already"),
        ("sentiment train --data fit.csv --exclude table.csv", 1, "`--text-column` must be a column of"),
        ("sentiment evaluate --run no --data fit.csv", 1, "There is no run in runs/sentiment/no"),
        ("sentiment export --run no", 1, "There is no run in runs/sentiment/no"),
        ("sentiment predict --file no.csv", 1, "`--file` must be there already"),
        ("sentiment predict --file table.csv", 1, "`--text-column` must be a column of table.csv: file, mark"),
        ("sentiment train --data text.txt", 1, "`--data` must end in .csv"),
        ("sentiment train --data fit.csv --run taken", 1, "runs/sentiment/taken holds a run already"),
        ("sentiment predict --file fit.csv --output no/out.csv", 1, "`--output` must be in a folder that is there"),
        ("sentiment predict good --figure no/out.png", 1, "`--figure` must be in a folder that is there"),
        ("sentiment predict good --models no", 1, "`--models` must be a folder"),
        ("chargen train --data no.txt", 1, "`--data` must be there already"),
        ("chargen train --data text.txt", 1, "`--data` must be text in utf-8"),
        ("chargen train --data .", 1, "The path in `--data` must be text in utf-8"),
        ("chargen train --data fit.csv --encoding utf-16", 1, "and this is utf-8: give `--encoding utf-8`"),
        ("chargen evaluate --shipped --data text.txt", 1, "`--data` must be text in utf-8"),
        ("chargen evaluate --run no", 1, "There is no run in runs/chargen/no"),
        ("chargen evaluate --shipped --data no.txt", 1, "`--data` must be there already"),
        ("chargen generate --models .", 1, "Received: ., which holds empty, fit.csv, flat, runs"),
        ("sentiment train --data empty", 1, "`--data` must hold one folder of .txt files per class"),
        ("sentiment evaluate --run taken --data empty", 1, "must hold one folder of .txt files per class"),
        ("gesture train --data empty", 1, "`--data` must hold one folder of pictures per class"),
        ("caption train --data empty", 1, "`--data` must be a file of captions, or a folder"),
        ("chargen train --data empty", 1, "`--data` must hold .txt files"),
        ("music train --data no", 1, "`--data` must be there already"),
        ("music train --data empty", 1, "`--data` must hold music in files ending in"),
        ("music train --data table.csv", 1, "`--data` must hold music in files ending in"),
        ("music evaluate --run no", 1, "There is no run in runs/music/no"),
        ("music generate --melody no.mid", 1, "`--melody` must be there already"),
        ("music generate --models no", 1, "`--models` must be a folder"),
        ("caption train --data text.txt", 1, "`--data` must be text in utf-8"),
        ("caption train --data table.csv", 1, "`--image-column` must be a column of"),
        ("caption train --data fit.csv --image-column text --caption-column label --images no", 1, "`--images` must"),
        ("caption evaluate --run no", 1, "There is no run in runs/caption/no"),
        ("caption refine --start no", 1, "There is no run in runs/caption/no"),
        ("caption predict no.jpg", 1, "no.jpg is not there"),
        ("caption predict no.jpg --models no", 1, "`--models` must be a folder"),
        ("embed train --data no.txt", 1, "`--data` must be there already"),
        ("embed train --data text.txt", 1, "`--data` must be text in utf-8"),
        ("embed train --data empty", 1, "`--data` must hold .txt files"),
        ("embed train --data table.csv", 1, "`--text-column` must be a column of"),
        ("embed evaluate --run no --analogies fit.csv", 1, "`--analogies` must hold four words in every line"),
        ("embed evaluate --run no --similarity no.tsv", 1, "`--similarity` must be there already"),
        ("embed export --run no", 1, "There is no run in runs/embed/no"),
        ("embed similar king --models no", 1, "`--models` must be a folder"),
        ("embed map --group a=b,c --figure no/out.png", 1, "`--figure` must be in a folder that is there"),
        ("gan train --data no", 1, "`--data` must be there already"),
        ("gan train --data empty", 1, "`--data` must hold pictures"),
        ("gan train --data flat", 1, "`--architecture` conditional needs two classes"),
        ("gan evaluate --run no", 1, "There is no run in runs/gan/no"),
        ("gan generate --grid no/out.png", 1, "`--grid` must be in a folder that is there"),
        ("gan interpolate --grid out.png --models no", 1, "`--models` must be a folder"),
        ("gan interpolate --grid out.png --models no --shipped", 2, "either `--models` or `--shipped`"),
        ("gesture train --data table.csv", 1, "`--path-column` must be a column of"),
        ("gesture train --data fit.csv --path-column text --class-names no", 1, "`--class-names` must be there"),
        ("gesture evaluate --run no", 1, "There is no run in runs/gesture/no"),
        ("gesture predict no.jpg", 1, "no.jpg is not there"),
        ("gesture predict no.jpg --models no", 1, "`--models` must be a folder"),
        ("speech train --data table.csv", 1, "`--path-column` must be a column of"),
        ("speech evaluate --run no", 1, "There is no run in runs/speech/no"),
        ("speech listen no.wav --models no", 1, "`--models` must be a folder"),
        ("augment preview no.jpg --output out.png", 1, "`IMAGE` must be there already"),
        ("traffic train --data no.csv --graph fit.csv", 1, "`--data` must be there already"),
        ("traffic train --data fit.csv --graph table.csv --time-column when", 1, "`--time-column` must be a column"),
        ("traffic evaluate --run no", 1, "There is no run in runs/traffic/no"),
        ("traffic predict no.csv --models no", 1, "`--models` must be a folder"),
        ("models show nothing", 2, "a builder that `kerasmlsp models` lists"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_before_tensorflow_is_imported(words, code, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text("file,mark\na.png,1\nb.png,2\n")
    (tmp_path / "fit.csv").write_text("text,label\ngood,1\nbad,2\n")
    (tmp_path / "text.txt").write_bytes("caf\u00e9".encode("cp1252"))
    (tmp_path / "runs/sentiment/taken").mkdir(parents=True)
    (tmp_path / "runs/sentiment/taken/config.json").write_text('{"app": "sentiment", "seed": 0}')
    for name in ("empty", "flat"):
        (tmp_path / name).mkdir()
    (tmp_path / "flat/a.png").touch()
    before = sorted(tmp_path.rglob("*"))
    for name in ("tensorflow", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    result = invoke(*words.split())
    assert result.exit_code == code and told in " ".join(result.stderr.split()), result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_messages_name_the_options_that_were_given(tmp_path, monkeypatch):
    @click.command(cls=messages.Command)
    @click.argument("image", type=click.Path(path_type=Path))
    @click.option("--data", type=click.Path(path_type=Path))
    @click.option("--class", "label")
    @click.option("--num-layers", type=int)
    @click.option("--say")
    def fail(say, **values):
        logging.getLogger("kerasmlsp").warning(say)
        raise ValueError(say)

    monkeypatch.setitem(cli.root.commands, "fail", fail)
    for say, told in (
        ("`path` must be a table. Received: my/data", "`--data` must be a table. Received: my/data"),
        ("`path` must be whole: my/data/a.png", "The path in `--data` must be whole: my/data/a.png"),
        (
            "1 of my/data. `path` must be whole: my/data/a",
            "1 of my/data. The path in `--data` must be whole: my/data/a",
        ),
        ("`path` must hold my/data/a: my/data", "`--data` must hold my/data/a: my/data"),
        (f"`path` must be whole: {tmp_path}/my/data.", f"`--data` must be whole: {tmp_path}/my/data."),
        ("`path` must be a picture. Received: a.png", "`IMAGE` must be a picture. Received: a.png"),
        ("`path` must be a file. Received: my/database", "The path must be a file. Received: my/database"),
        ("`class` must be one where `path` is a file", "`--class` must be one where the path is a file"),
        ("`num_layers` must be 1; `other` is free", "`--num-layers` must be 1; `other` is free"),
        ("`count` (--folds) must be 2", "`--folds` must be 2"),
        ("give `encoding` (--encoding utf-16).", "give `--encoding utf-16`."),
        ("give `encoding` (--encoding cp1252 for these).", "give `--encoding cp1252` (for these)."),
    ):
        monkeypatch.chdir(tmp_path)
        assert invoke("fail", "a.png", "--data", "my/data", "--say", say).stderr == f"{told}\nError: {told}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["doctor", "--help"], ["sentiment", "--help"]])
def test_help_imports_nothing_heavy(arguments):
    script = (
        f"import sys; sys.argv = ['kerasmlsp', *{arguments}]\n"
        "from kerasmlsp.apps.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print('MODULES', *{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split("MODULES")[1].split())


def test_version():
    assert invoke("--version").stdout == f"kerasmlsp, version {kerasmlsp.__version__}\n"


def test_commands_are_listed_in_groups_one_whole_line_each():
    text = invoke("--help").stdout
    listed = text[text.index("Text:") :].splitlines()
    assert [line[:-1] for line in listed if line.endswith(":")] == ["Text", "Music", "Pictures", "Signals", "Tools"]
    rows = dict(line.split(maxsplit=1) for line in listed if line.startswith("  "))
    assert rows.keys() == cli.root.commands.keys()
    for name, told in rows.items():
        assert " ".join(cli.root.commands[name].help.split("\n\n")[0].split()) == told and len(told) < 70


def test_every_command_has_help():
    for name, command in cli.root.commands.items():
        assert command.help, name
        assert invoke(name, "--help").exit_code == 0


def test_wrong_usage_exits_with_2():
    result = invoke("nothing")
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


class ResourceExhaustedError(Exception):
    """Looks like TensorFlow's error of this name, without importing TensorFlow."""

    message = "{{function_node __wrapped__WriteFile_device_/job:localhost}} /run/a.keras; No space left on device"


ResourceExhaustedError.__module__ = "tensorflow.python.framework.errors_impl"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("`path` must be a file.\n\nmore"), "`path` must be a file."),
        (FileNotFoundError(errno.ENOENT, "No such file", "reviews.csv"), "reviews.csv is not there"),
        (PermissionError(errno.EACCES, "Permission denied", "/runs/a"), "/runs/a may not be read or written"),
        (OSError(errno.EROFS, "Read-only file system", "/runs/a"), "/runs/a is on a read-only file system"),
        (OSError(errno.ENOSPC, "No space left on device", "/runs/a"), "No space left on the device of /runs/a"),
        (OSError(errno.ENOSPC, "No space left on device"), f"No space left on the device of {os.getcwd()}"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "runs"), "runs is a folder"),
        (ConnectionError("imdb_reviews cannot be reached: give --data."), "imdb_reviews cannot be reached"),
        (
            ValueError("Not written: /a/part; No space left on device [Op:SaveV2]"),
            "No space left on the device of /a/part",
        ),
        (MemoryError(), "Out of memory"),
        (ModuleNotFoundError("No module named 'tf2onnx'", name="tf2onnx"), "`pip install -e '.[onnx]'` in the clone"),
        (ImportError("needs `pip install zstandard`", name="zstandard"), "needs `pip install zstandard`"),
        (json.JSONDecodeError("Expecting value", "x", 0), "A JSON file is damaged"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"), "--encoding cp1252"),
        (ResourceExhaustedError(), "No space left on the device of /run/a.keras"),
        (KeyError("weights"), "KeyError: 'weights'. This looks like a fault of kerasmlsp: run again with --debug"),
    ],
)
def test_a_failure_is_one_sentence(failing, error, expected):
    result = failing(error)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("Error: ") and expected in result.stderr
    assert result.stderr.count("\n") == 1


def test_errors_of_pandas_pyarrow_and_tensorflow_are_recognised(failing):
    pd, pa, tf = pytest.importorskip("pandas"), pytest.importorskip("pyarrow"), pytest.importorskip("tensorflow")
    assert "The table cannot be read" in failing(pd.errors.ParserError("line 3")).stderr
    assert "The table cannot be read" in failing(pa.ArrowInvalid("magic")).stderr
    assert "TensorFlow stopped (a; No such file): check the path" in (
        failing(tf.errors.NotFoundError(None, None, "a; No such file")).stderr
    )
    assert "Out of memory" in failing(tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")).stderr


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (
            "Graph execution error:\n\nDetected at node zeros defined at (most recent call last):\n"
            '  File "a.py", line 9, in <module>\n\nOOM when allocating tensor with shape[8388608,1048576] and type '
            "half on /job:localhost by allocator mklcpu\n\t [[{{node zeros}}]]\nHint: If you want",
            "(17.6 TB for 8388608 x 1048576 numbers)",
        ),
        ("{{function_node f}} OOM when allocating tensor with shape[9] and type double", "(72 bytes for 9 numbers)"),
        ("Out of memory while trying to allocate 1.00PiB. [Op:__inference_h_28]", "(1.00PiB)"),
        ("Out of memory while trying to allocate 137438953472 bytes.", "(137438953472 bytes)"),
        (MemoryError("Unable to allocate 128. TiB for an array with shape (16777216, 9) and data type float64"),
         "(128. TiB for 16777216 x 9 numbers)"),
        (MemoryError(), "(how much was asked for is not told)"),
    ],
)  # fmt: skip
def test_out_of_memory_names_what_was_asked_for_and_what_to_change(failing, told, expected):
    if isinstance(told, str):
        told, message = ResourceExhaustedError(), told
        told.message = message
    result = failing(told)
    assert result.stderr.startswith(f"Error: Out of memory {expected}: take a smaller `--batch-size`")
    assert "Graph execution" not in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize(("before", "environment"), [(["--debug"], {}), ([], {"KERASMLSP_DEBUG": "1"})])
def test_debug_shows_the_traceback(failing, before, environment):
    result = failing(ValueError("`path` must be a file."), *before, env=environment)
    assert result.exit_code == 1
    assert "Traceback" in result.stderr and "Error: `path` must be a file." in result.stderr


def test_ctrl_c_tells_how_to_go_on(failing):
    result = failing(KeyboardInterrupt("Go on with `kerasmlsp sentiment train --resume`."))
    assert result.exit_code == 130
    assert result.stderr == "Error: Stopped. Go on with `kerasmlsp sentiment train --resume`.\n"
    assert failing(KeyboardInterrupt()).stderr == "Error: Stopped.\n"


@pytest.mark.parametrize("told", [None, "0"])
def test_trainings_are_to_use_onednn_unless_the_environment_says_no(told, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    if told:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", told)
    assert invoke("sentiment", "train", "--data", "nothing.csv").exit_code == 1
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == (told or "1")


def test_a_closed_pipe_is_silent():
    script = "from kerasmlsp.apps import cli, options; import click\n"
    script += "@cli.root.command()\ndef much():\n    [click.echo('x' * 1000) for _ in range(10000)]\n"
    command = f"{sys.executable} -c \"{script}cli.root(['much'])\" | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout == "x" * 1000 + "\n"
    assert done.stderr == ""


def test_an_unwritable_folder_names_its_path(failing, tmp_path, monkeypatch):
    @click.command()
    def write():
        (tmp_path / "file").write_text("")
        (tmp_path / "file" / "inside").mkdir(parents=True)

    monkeypatch.setitem(cli.root.commands, "write", write)
    result = invoke("write")
    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.stderr


def test_doctor_reports_and_exits_with_0():
    result = invoke("doctor", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["versions"]["kerasmlsp"] == kerasmlsp.__version__
    assert report["versions"]["tensorflow"] and report["devices"]["CPU cores"] >= 1
    assert {row["optional"] for row in report["optional"]} >= {"tensorflow-serving-api", "tf2onnx", "jax"}
    assert report["problems"] == []
    assert [row["for"] for row in report["folders"]] == ["runs and saved models", "temporary files"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errno.EROFS, "is on a read-only file system"),
        (errno.EACCES, "may not be read or written"),
        (errno.ENOSPC, "No space left on the device of"),
        (None, "has 0.5 GB free"),
    ],
)
def test_doctor_finds_folders_that_are_full_or_read_only(monkeypatch, tmp_path, error, told):
    monkeypatch.chdir(tmp_path)
    if error is None:
        monkeypatch.setattr(cli.shutil, "disk_usage", lambda path: SimpleNamespace(free=5e8))
    else:

        def refuse(dir):
            raise OSError(error, os.strerror(error), f"{dir}/tmp123")

        monkeypatch.setattr(cli.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(cli, "_devices", dict)
    result = invoke("doctor", "--json")
    first, _ = json.loads(result.stdout)["problems"]
    assert result.exit_code == 1 and told in first and str(tmp_path) in first and "tmp123" not in first


def test_doctor_names_what_is_missing_and_exits_with_1(monkeypatch):
    true_version = cli._version
    monkeypatch.setattr(cli, "_version", lambda name: {"pandas": None, "keras": "2.0.0"}.get(name, true_version(name)))
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "pandas is not there: `pip install 'pandas" in result.stdout
    assert "keras is 2.0.0: `pip install 'keras" in result.stdout
    assert result.stderr == ""


def test_doctor_survives_a_tensorflow_that_cannot_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "tensorflow, which cannot be imported" in result.stdout


def test_results_are_printed_as_a_table_or_as_json(capsys):
    results = {"accuracy": np.float32(0.5), "runs": [{"seed": 0, "note": None}, {"seed": 10}], "ok": True, "none": []}
    printing.print_results(results)
    assert capsys.readouterr().out == (
        "accuracy  0.5\nruns\n  seed  note\n  0     -\n  10    -\nok        yes\nnone      -\n"
    )
    printing.print_results({"loss": float("nan"), "counts": np.arange(2), "word": "für"}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"loss": None, "counts": [0, 1], "word": "für"}


def test_logs_of_kerasmlsp_are_plain_lines_and_end_with_the_command(monkeypatch):
    @click.command()
    def talk():
        logging.getLogger("kerasmlsp.training").info("Epoch 1 of 2.")
        logging.getLogger("absl").warning("chatter")

    monkeypatch.setitem(cli.root.commands, "talk", talk)
    handlers = list(logging.getLogger().handlers)
    result = invoke("talk")
    assert (result.stdout, result.stderr) == ("", "Epoch 1 of 2.\n")
    assert logging.getLogger().handlers == handlers


def test_quiet_imports_turns_only_the_file_descriptor_away(capfd):
    with messages.quiet_imports():
        os.write(2, b"chatter")
    os.write(2, b"word")
    assert capfd.readouterr().err == "word"


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (["--run", "good-1"], 0),
        (["--run", "../up"], 2),
        (["--run", ""], 2),
        (["--run", "-x"], 2),
        (["--run", ".x"], 2),
        (["--run", "a b"], 2),
        (["--run", "a\n"], 2),
        (["--run", "x" * 201], 2),
        (["--seed", "-1"], 2),
    ],
)
def test_shared_options(arguments, exit_code):
    @click.command()
    @options.run_option
    @options.seed_option
    @options.model_options
    def command(**values):
        click.echo(values)

    assert CliRunner().invoke(command, arguments).exit_code == exit_code


@pytest.mark.parametrize("name", ["हिन्दी", "మోడల్", "தமிழ்", "日本語-2", "می‌خواهم", "ไทยที่", "Ünï.1"])
def test_names_of_runs_are_of_any_script_in_one_form(name, tmp_path):
    for form in ("NFC", "NFD"):
        assert options.plain_name(None, None, unicodedata.normalize(form, name)) == unicodedata.normalize("NFC", name)
    (tmp_path / name).mkdir()


def test_a_preview_changes_one_small_picture_at_a_time(tmp_path, monkeypatch):
    from PIL import Image

    from kerasmlsp import augment

    seen, call = [], augment.ImageAugmentation.call
    monkeypatch.setattr(
        augment.ImageAugmentation, "call", lambda self, x, **more: seen.append(x.shape) or call(self, x, **more)
    )
    Image.fromarray(np.zeros((900, 1200, 3), np.uint8)).save(tmp_path / "large.jpg")
    result = invoke(
        "augment", "preview", str(tmp_path / "large.jpg"), "--count", "3", "--output", str(tmp_path / "a.png")
    )
    assert result.exit_code == 0 and f"The figure is in {tmp_path / 'a.png'}." in result.stderr
    assert [tuple(shape) for shape in seen] == [(1, 300, 400, 3)] * 3
