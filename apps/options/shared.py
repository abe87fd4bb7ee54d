"""The options that commands share."""

import re
import unicodedata
from pathlib import Path

import click

from kerasmlsp.apps.options.fields import FiniteRange, settings, together
from kerasmlsp.training.settings import Settings

FOLDER = click.Path(file_okay=False, path_type=Path)
LONGEST_NAME = 200
"""Bytes of the name of a folder: 255 at most, and locks and temporary files beside it have longer names."""
_JOINERS = "\u200c\u200d"  # within words of Persian, Hindi and others


def plain_name(context: click.Context | None, parameter: click.Parameter | None, value: str) -> str:
    """A name of letters of any script, with their marks, in the one form that all systems read alike."""
    name = unicodedata.normalize("NFC", value)
    fits = [unicodedata.category(each)[0] in "LMN" or each in f"_.-{_JOINERS}" for each in name]
    if not (all(fits) and re.match(r"\w", name)):
        raise click.BadParameter(
            f"must be letters, digits, '-', '_' and '.', the first a letter, a digit or '_', without a folder. "
            f"Received: {value!r}"
        )
    if len(name.encode()) > LONGEST_NAME:
        raise click.BadParameter(f"must have at most {LONGEST_NAME} bytes in UTF-8. Received: {len(name.encode())}")
    return name


run_option = click.option(
    "--run",
    default="default",
    show_default=True,
    metavar="NAME",
    callback=plain_name,
    help="Name of the run, which lies in runs/<app>/NAME.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
resume_option = click.option(
    "--resume", is_flag=True, help="Go on with the run where it was stopped, with its own options."
)
overwrite_option = click.option(
    "--overwrite", is_flag=True, help="Start anew in the place of the run that has this name, which is then deleted."
)
data_note_option = click.option(
    "--data-note", default="not stated", metavar="TEXT", help="What it was trained on, for the model card."
)
licence_option = click.option(
    "--licence", default="not stated", metavar="TEXT", help="Licence of the model, for the model card."
)
target_option = click.option(
    "--models",
    type=FOLDER,
    default=Path("saved_models"),
    show_default=True,
    metavar="DIR",
    help="Folder of your saved models, which gets the new one.",
)
reject_option = click.option(
    "--reject-below",
    type=FiniteRange(0, 1),
    metavar="P",
    help="Confidence below which an answer is unsure; default the model's own, see its card.",
)
seed_option = settings(Settings, "seed")
top_k_option = click.option(
    "--top-k", type=click.IntRange(min=0), default=0, show_default=True, help="Draw among so many; 0 for all."
)
top_p_option = click.option(
    "--top-p",
    type=FiniteRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="Draw from the likeliest that make up this probability.",
)
sampling_options = together(
    click.option(
        "--temperature",
        type=FiniteRange(min=0),
        default=1.0,
        show_default=True,
        help="Low for the likely, 0 for the likeliest each time, 1 for the net's own probabilities.",
    ),
    top_k_option,
    top_p_option,
)
"""The options `temperature`, `top_k` and `top_p` of what is drawn value by value."""
