"""What a chargen run is made with."""

import dataclasses
import os
from typing import Any

from kerasmlsp.training.settings import OWN, Settings, dataset, encoding, manual_dir, option, same, share

ARCHITECTURES = ("gpt", "lstm", "gru", "simple-rnn")
CONVERTS = {"onnx": ARCHITECTURES, "litert": ARCHITECTURES}
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
WEIGHTS = ("float32", "int8")
"""How a finished net may keep its weights."""
_GATED = {"units": 256, "num_layers": 2, "dropout": 0.3, "epochs": 20, "batch_size": 64, "learning_rate": 3e-3}
RECIPES = {
    "gpt": {"units": 192, "num_layers": 6, "dropout": 0.2, "epochs": 24, "batch_size": 32, "learning_rate": 2e-3},
    "lstm": _GATED,
    "gru": _GATED,
    "simple-rnn": {**_GATED, "units": 128, "num_layers": 1, "dropout": 0.0, "learning_rate": 2e-3},
}
"""How a net is built and trained where the configuration does not say."""
NET = ("architecture", "units", "num_layers", "window")
"""What a net has in common with the one that it starts from."""
CONTINUED: dict[str, Any] = {"epochs": 5, "learning_rate": 5e-4}
"""How a net is trained that starts from another, where the configuration does not say."""
REFINED: dict[str, Any] = {"beta": 0.1, "epochs": 3, "batch_size": 32, "learning_rate": 1e-4}
"""How a net learns from preferences."""
LAYOUT = {
    ".*/embeddings": (None, "model"),
    ".*/(query_key_value|widen)/kernel": (None, "model"),
    ".*/(output|narrow)/kernel": ("model", None),
    "(.*/)?logits/kernel": (None, "model"),
    "(.*/)?logits/bias": ("model",),
}
"""How the matrices of GPT are parted among the devices of a mesh; its norms are whole on each.

Reference: Shoeybi et al. 2019, "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism".
"""
PAIRS = ("prompt", "better", "worse")
"""Columns of a table of preferences."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`.

    With `start`, the folder of a run, its net and its characters are gone on with; with `preferences`, too, the net
    learns from pairs of a better and a worse text (see `refining`), and `data` is the text of `start`.
    """

    app: str = "chargen"
    start: str | None = option(None, "Run whose net learns on, as it is, with the characters that it knows.", unset="")
    preferences: str | None = option(
        None, "Table (JSON Lines, CSV) of prompt, better and worse, a row for each pair.", place="file", unset=""
    )
    beta: float = option(0.1, "Price of going away from the start, for a net that learns from preferences.", above=0)
    data: str | None = option(None, "Text file, or folder of .txt files.", place="any", unset="")
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    encoding: str = encoding()
    architecture: str = option("gpt", "Net to train.", choices=ARCHITECTURES)
    units: int | None = option(None, "Size of the state, or of GPT's vectors.", least=1, unset=OWN, searched=2)
    num_layers: int | None = option(None, "Layers.", least=1, unset=OWN)
    dropout: float | None = share(None, "Drop probability.", unset=OWN, searched=(0.0, 0.6))
    window: int = option(128, "Characters in a row of a batch, and those that GPT sees.", least=1)
    held_out_share: float = option(0.1, "End of the text that is held out.", above=0, below=0.5)
    validation_share: float = option(0.05, "Beginning of the text that selects the epoch.", above=0, below=0.5)
    max_characters: int = option(256, "Characters known, the most frequent.", least=2)
    warmup: float = same("warmup", 0.02)
    weight_decay: float = same("weight_decay", 0.1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture == "gpt" and (self.units or 2) % 2:
            raise ValueError(f"`units` must be even for the architecture gpt. Received: {self.units}")

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        own = RECIPES[self.architecture]
        return self.filled({**own, **CONTINUED} if self.start else own)


def refined(config: Config, start: str | os.PathLike, preferences: str, **changes: Any) -> Config:
    """Returns the configuration of a run that learns from preferences, see `refining`.

    Args:
        config: The configuration of the run `start`.
        start: Folder of the run.
        preferences: Table of pairs.
        **changes: Fields that differ, beside those of `REFINED`.
    """
    # What is dropped at random would be taken for a preference, and an average would lag behind so few steps.
    own = {"start": os.path.abspath(start), "preferences": os.path.abspath(preferences), "dropout": 0.0, "ema": 0.0}
    return dataclasses.replace(config, **{**own, **REFINED, "weight_decay": 0.0, **changes})
