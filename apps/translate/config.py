"""What a translate run is made with."""

import dataclasses
from typing import Any

from kerasmlsp.training.settings import OWN, Settings, dataset, encoding, manual_dir, option, same, share

ARCHITECTURES = ("transformer", "additive-attention", "multiplicative-attention", "encoder-decoder")
CONVERTS = (
    "translations are found by a beam search, which is part of the saved model and not of the net. Export without "
    "`--format`."
)
"""Why nets are no files of other formats."""
LISTS = (".txt",)
"""Endings of files with a pair in a line, which have no header."""
_RECURRENT: dict[str, Any] = {"units": 256, "num_layers": 1, "dropout": 0.3, "epochs": 20, "learning_rate": 2e-3}
RECIPES = {
    "transformer": {"units": 128, "num_layers": 4, "dropout": 0.3, "epochs": 40, "learning_rate": 5e-3},
    "additive-attention": _RECURRENT,
    "multiplicative-attention": _RECURRENT,
    "encoder-decoder": _RECURRENT,
}
"""How a net is built and trained where the configuration does not say."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "translate"
    data: str | None = option(
        None,
        "Folder of files that go line by line, as train.en and train.de; table; .txt with a tab between a pair; or the "
        "file of the source, with --parallel.",
        place="any",
        unset="",
    )
    parallel: str | None = option(
        None, "File of the translations, line by line those of the file --data.", place="file", unset=""
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    source: str = option("source", "Column, ending of files or feature of the language to translate from, as en.")
    target: str = option("target", "Column, ending of files or feature of the language to translate to, as de.")
    split_column: str = option("split", "Column that holds train, val or test; drawn by lot where there is none.")
    encoding: str = encoding()
    architecture: str = option("transformer", "Net that translates.", choices=ARCHITECTURES)
    units: int | None = option(None, "Size of the states and of the tokens' vectors.", least=1, unset=OWN, searched=2)
    num_layers: int | None = option(None, "Layers of encoder and of decoder.", least=1, unset=OWN)
    dropout: float | None = share(None, "Drop probability.", unset=OWN, searched=(0.0, 0.6))
    label_smoothing: float = share(0.1, "Share of the target that all tokens get alike.", searched=(0.0, 0.2))
    vocabulary_size: int = option(6000, "Subword units of both languages together.", least=20)
    max_tokens: int = option(
        100, "Longest sentence in units; longer ones are left out of training, and cut elsewhere.", least=4
    )
    batch_tokens: int = option(4096, "Units of a batch, padding included, in the longer of both languages.", least=1)
    beams: int = option(5, "Translations followed at once.", least=1)
    length_penalty: float = option(1.0, "Exponent by which long translations are favoured.", least=0)
    validation_share: float = option(
        0.02, "Share that selects the epoch, where the data have no such split.", above=0, below=0.5
    )
    test_share: float = option(
        0.02,
        "Share that only `evaluate` reads, where the data have no such split.",
        above=0,
        below=0.5,
    )
    warmup: float = same("warmup", 0.25)
    weight_decay: float = same("weight_decay", 0.0)
    ema: float | None = same("ema", None, unset="over about a sixth of all steps")
    monitor: str = same("monitor", "val_nats")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.source == self.target:
            raise ValueError(f"`target` must be another than `source`. Received: {self.target!r} for both")
        if self.architecture == "additive-attention" and (self.num_layers or 1) != 1:
            raise ValueError(
                f"`num_layers` must be 1 for the architecture additive-attention. Received: {self.num_layers}"
            )
        if self.architecture == "transformer" and (self.units or 2) % 2:
            raise ValueError(f"`units` must be even for the architecture transformer. Received: {self.units}")

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"source": self.source, "target": self.target}

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
