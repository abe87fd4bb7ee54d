"""What a chargen run is made with."""

import dataclasses

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


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "chargen"
    data: str | None = option(None, "Text file, or folder of .txt files.", place="any", unset="")
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    encoding: str = encoding()
    architecture: str = option("gpt", "Net to train.", choices=ARCHITECTURES)
    units: int | None = option(None, "Size of the state, or of GPT's vectors.", least=1, unset=OWN)
    num_layers: int | None = option(None, "Layers.", least=1, unset=OWN)
    dropout: float | None = share(None, "Drop probability.", unset=OWN)
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
        return self.filled(RECIPES[self.architecture])
