"""What a music run is made with."""

import dataclasses

from kerasmlsp.training.settings import OWN, Settings, option, same, share

ARCHITECTURES = ("chorale-transformer", "tonicnet", "transformer")
CONVERTS = (
    "pieces are written by attempts beside each other, which are part of the saved model and not of the net. Export "
    "without `--format`."
)
"""Why nets are no files of other formats."""
_SHARED = {"epochs": 16, "learning_rate": 2e-3}
RECIPES = {
    "chorale-transformer": {**_SHARED, "units": 192, "num_layers": 4, "dropout": 0.2, "weight_decay": 0.05},
    "tonicnet": {**_SHARED, "units": 256, "num_layers": 3, "dropout": 0.2, "weight_decay": 0.01},
    "transformer": {**_SHARED, "units": 192, "num_layers": 4, "dropout": 0.1, "weight_decay": 0.05},
}
"""How a net is built and trained where the configuration does not say."""
ENDINGS = {each: each for each in (".mid", ".wav", ".musicxml", ".png")} | {".midi": ".mid", ".xml": ".musicxml"}
"""Endings of the files that `generate` writes, and the usual one of the same kind."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "music"
    data: str | None = option(
        None,
        "File or folder of MIDI, ABC, MusicXML or JSON with four voices.",
        place="any",
        unset="Bach's chorales in music21",
    )
    json_steps_per_quarter: int = option(4, "Steps in a quarter note of JSON: 1, 2 or 4.", least=1, most=4)
    architecture: str = option("chorale-transformer", "Net to train.", choices=ARCHITECTURES)
    split_seed: int = option(
        0, "Decides which pieces are held out, where the file does not say.", least=0, most=2**31 - 1
    )
    units: int | None = option(None, "Size of the vectors or states.", least=1, unset=OWN, searched=2)
    num_layers: int | None = option(None, "Layers.", least=1, unset=OWN)
    dropout: float | None = share(None, "Drop probability.", unset=OWN, searched=(0.0, 0.6))
    window: int = option(128, "Sixteenths in a window, a multiple of 8.", least=8)
    transpose: bool = option(True, "Move pieces to other keys while training, as far as the voices reach.")
    test_share: float = option(0.1, "Share of the pieces held out to evaluate.", above=0, below=0.5)
    validation_share: float = option(0.1, "Share of the pieces that selects the epoch.", above=0, below=0.5)
    batch_size: int = same("batch_size", 16)
    ema: float | None = same("ema", 0.98)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.window % 8:
            raise ValueError(f"`window` must be a multiple of 8. Received: {self.window}")
        if "transformer" in self.architecture and (self.units or 2) % 2:
            raise ValueError(f"`units` must be even for the architecture {self.architecture}. Received: {self.units}")
        if self.json_steps_per_quarter == 3:
            raise ValueError("`json_steps_per_quarter` must be 1, 2 or 4. Received: 3")

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
