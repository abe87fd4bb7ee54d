"""Options of a training: what is allowed, what a recipe fills, and what the command line makes of them."""

import dataclasses
import importlib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from kerasmlsp.apps import options
from kerasmlsp.training.settings import Settings, fields, option, same, share


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    app: str = "toy"
    data: str | None = option(None, "A file.", place="any", unset="")
    kind: str = option("red", "A colour.", choices=("red", "blue"))
    mirror: bool = option(True, "Mirror.")
    part: float = share(0.5, "A part.")
    batch_size: int = same("batch_size", 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup": 1.0}, "`warmup` must be a number at least 0 and below 1. Received: 1.0"),
        ({"warmup": float("nan")}, "`warmup` must be a number at least 0 and below 1. Received: nan"),
        ({"clip_norm": float("inf")}, "`clip_norm` must be a number at least 0. Received: inf"),
        ({"learning_rate": 0}, "`learning_rate` must be a number above 0. Received: 0"),
        ({"seed": 2**31}, "`seed` must be a whole number at least 0 and at most 2147483647. Received: 2147483648"),
        ({"epochs": 2.5}, "`epochs` must be a whole number at least 1. Received: 2.5"),
        ({"epochs": True}, "`epochs` must be a whole number at least 1. Received: True"),
        ({"optimizer": "lion"}, "`optimizer` must be one of adamw, adam, rmsprop, sgd. Received: 'lion'"),
        ({"deterministic": 1}, "`deterministic` must be True or False. Received: 1"),
        ({"kind": "green"}, "`kind` must be one of red, blue. Received: 'green'"),
        ({"batch_size": None}, "`batch_size` must be a whole number at least 1. Received: None"),
    ],
)
def test_what_is_not_allowed_is_refused(changes, message):
    with pytest.raises(ValueError) as refused:
        Config(**changes)
    assert str(refused.value) == message


def test_a_recipe_fills_what_has_no_value():
    filled = Config(epochs=3, ema=0.0).filled({"epochs": 9, "ema": 0.9, "learning_rate": 0.1, "batch_size": 64})
    assert (filled.epochs, filled.ema, filled.learning_rate, filled.batch_size) == (3, 0.0, 0.1, 8)
    with pytest.raises(ValueError, match="`learning_rate` must be"):
        Config().filled({"learning_rate": -1.0})


def test_every_option_has_one_sentence_of_help():
    for field, _, _, known in fields(Settings):
        assert known.help.endswith(".") and len(known.help) < 100, field.name


@pytest.mark.parametrize(
    "path", sorted(Path(options.__file__).parent.glob("*/config.py")), ids=lambda path: path.parent.name
)
def test_every_field_of_an_application_is_an_option_with_a_sentence_of_help(path):
    config = importlib.import_module(f"kerasmlsp.apps.{path.parent.name}.config").Config
    known = {field.name: found.help for field, _, _, found in fields(config)}
    bare = {field.name for field in dataclasses.fields(config)} - known.keys()
    assert bare <= {"app", "start"} and config.__dataclass_params__.frozen
    assert not [name for name, text in known.items() if not text.endswith(".")]


@click.command()
@options.settings(Config)
def command(**values):
    click.echo(repr(Config(**values)))


def test_the_command_line_is_made_of_the_fields():
    output = CliRunner().invoke(command, ["--help"]).output
    names = [line.split()[0] for line in output.splitlines() if line.startswith("  --")]
    # The application's own come first; a switch that is on has its opposite.
    assert names[:5] == ["--data", "--kind", "--mirror", "--part", "--seed"] and "--no-mirror" in output
    folded = " ".join(output.split())
    assert "[default: (the architecture's own)" in folded and "--app" not in output and "default: (none)" not in output
    result = CliRunner().invoke(command, ["--kind", "blue", "--no-mirror", "--part", "0.25", "--deterministic"])
    assert result.output == repr(Config(kind="blue", mirror=False, part=0.25, deterministic=True)) + "\n"


@pytest.mark.parametrize(
    "arguments", [["--part", "1"], ["--part", "nan"], ["--clip-norm", "inf"], ["--seed", "-1"], ["--kind", "green"]]
)
def test_the_command_line_refuses_what_the_fields_do(arguments):
    assert CliRunner().invoke(command, arguments).exit_code == 2


def test_some_fields_with_other_defaults():
    @click.command()
    @options.settings(Config, "kind", "batch_size", kind=None, batch_size=2)
    def other(**values):
        click.echo(values)

    assert CliRunner().invoke(other, []).output == "{'kind': None, 'batch_size': 2}\n"
    assert "[default: (as the run was trained)]" in " ".join(CliRunner().invoke(other, ["--help"]).output.split())


def test_the_curves_of_several_nets_are_drawn_together(tmp_path, monkeypatch):
    from kerasmlsp import plotting
    from kerasmlsp.training import Run, checkpoint

    rows = [{"epoch": 1, "loss": 0.5, "val_loss": 0.6}]
    monkeypatch.setattr(checkpoint, "read_state", lambda path: {"rows": rows})
    drawn = []
    monkeypatch.setattr(plotting, "curves", lambda rows, path: drawn.append(rows) or path.write_text("drawn"))
    Run(tmp_path).draw_curves("net")
    Run(tmp_path).draw_curves("cnn", "lstm")
    assert drawn[0] == rows
    assert drawn[1] == [{"epoch": 1, f"{net}: loss": 0.5, f"val_{net}: loss": 0.6} for net in ("cnn", "lstm")]
    assert (tmp_path / "curves.png").exists()
