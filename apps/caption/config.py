"""What a caption run is made with."""

import dataclasses
import os
from typing import Any

from kerasmlsp.training.settings import OWN, Settings, dataset, encoding, manual_dir, option, same, share

ARCHITECTURES = ("transformer", "attention", "lstm")
CONVERTS = (
    "captions are found by a beam search, which is part of the saved model and not of the net. Export without "
    "`--format`."
)
"""Why nets are no files of other formats."""
LISTS = (".txt", ".token")
"""Endings of files with a caption in a line, which may have no header."""
EFFICIENTNET, SCRATCH = "efficientnet-lite0", "cnn"
_RECURRENT = {"units": 256, "num_layers": 1, "dropout": 0.5, "epochs": 12, "learning_rate": 2e-3}
RECIPES = {
    "transformer": {"units": 192, "num_layers": 2, "dropout": 0.3, "epochs": 12, "learning_rate": 1e-3},
    "attention": _RECURRENT,
    "lstm": _RECURRENT,
}
"""How a decoder is built and trained where the configuration does not say."""
REFINED: dict[str, Any] = {"samples": 5, "epochs": 4, "batch_size": 50, "learning_rate": 1e-4}
"""How a run goes on that learns from its own captions."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`.

    With `start`, the folder of a run, its net learns on from the captions that it draws itself (see `reinforce`).
    """

    app: str = "caption"
    start: str | None = None
    data: str | None = option(
        None,
        "Table of image and caption (and split), Kaggle's captions.txt, Flickr8k.token.txt, or a folder with one.",
        place="any",
        unset="",
    )
    images: str | None = option(
        None, "Folder of the pictures.", place="any", unset="a folder beside --data that holds them"
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    image_column: str = option("image", "Column that names the picture.")
    caption_column: str = option("caption", "Column that holds the caption.")
    split_column: str = option("split", "Column that holds train, val or test; drawn by lot where there is none.")
    encoding: str = encoding()
    architecture: str = option("transformer", "Net that writes the captions.", choices=ARCHITECTURES)
    encoder: str = option(
        EFFICIENTNET, f"What sees: {EFFICIENTNET}, a net of keras.applications, or {SCRATCH} to train one from scratch."
    )
    encoder_weights: str = option("imagenet", "Weights of the encoder: imagenet, random, or a file; not for cnn.")
    image_size: int | None = option(
        None, "Height and width that the encoder sees.", least=32, unset="the encoder's own"
    )
    units: int | None = option(None, "Size of the states.", least=1, unset=OWN, searched=2)
    num_layers: int | None = option(None, "Layers of the decoder.", least=1, unset=OWN)
    dropout: float | None = share(None, "Drop probability.", unset=OWN, searched=(0.0, 0.6))
    samples: int = option(5, "Captions drawn of each picture by `refine`.", least=2)
    label_smoothing: float = share(0.1, "Share of the target that all words get alike.", searched=(0.0, 0.2))
    min_count: int = option(4, "Rarer words are unknown.", least=1)
    vocabulary_size: int = option(20_000, "Words known, most frequent first.", least=5)
    max_words: int = option(24, "Longest caption; longer ones are cut for training.", least=2)
    beams: int = option(3, "Captions followed at once.", least=1)
    length_penalty: float = option(1.0, "Exponent by which long captions are favoured.", least=0)
    validation_share: float = option(
        0.1, "Share of the pictures that selects the epoch, where the table has no split.", above=0, below=0.5
    )
    test_share: float = option(
        0.1, "Share of the pictures that only `evaluate` reads, where the table has no split.", above=0, below=0.5
    )
    mirror: bool = option(
        True, "Train on half of the pictures as in a mirror; not where captions tell left from right."
    )
    cache: str | None = option(None, "Folder of computed features.", place="new", unset="~/.cache/kerasmlsp/features")
    batch_size: int = same("batch_size", 64)
    weight_decay: float = same("weight_decay", 0.05)
    ema: float | None = same("ema", None, unset="over about a sixth of all steps")
    monitor: str = same("monitor", "val_nats")

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"image_column": self.image_column, "caption_column": self.caption_column}

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])


def refined(config: Config, start: str | os.PathLike, **changes: Any) -> Config:
    """Returns the configuration of a run that goes on from the run `start` of `config`, see `reinforce`.

    Args:
        config: The configuration of `start`.
        start: Folder of the run.
        **changes: Fields that differ, beside those of `REFINED`.
    """
    # An average over many steps would lag behind so few.
    return dataclasses.replace(config, start=os.path.abspath(start), ema=0.0, **{**REFINED, **changes})
