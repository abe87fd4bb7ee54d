"""What a wavenet run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, group_pattern, option, same, share

LEVELS, START = 256, 128
"""Levels of mu-law, and that of silence, which stands before the first sample."""
LEAST, MOST = 0.1, 60.0
"""Seconds that a recording must last, and most that are generated."""
CONVERTS = (
    "a sound is made by a loop that keeps what the net has heard, which is part of the saved model and not of the net. "
    "Export without `--format`."
)
"""Why nets are no files of other formats."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "wavenet"
    data: str | None = option(
        None, "Recording, or folder of recordings, with a subfolder for each class if any.", place="any", unset=""
    )
    group_pattern: str | None = group_pattern()
    conditional: bool = option(True, "Tell the net the class, where there are classes, and generate on request of one.")
    rate: int = option(8000, "Samples per second to which recordings are brought.", least=1000, most=48_000)
    seconds: float = option(1.0, "Length of the pieces that recordings are cut into.", least=LEAST, most=10)
    held_out_share: float = option(0.1, "Share of the recordings that only `evaluate` hears.", above=0, below=0.5)
    validation_share: float = share(0.03, "Share of the others that selects the epoch; 0 to keep the last.")
    features: int = option(32, "Features of each sample.", least=1)
    skip_features: int = option(64, "Features of the layer before the answer.", least=1)
    num_stacks: int = option(2, "Stacks of blocks with dilations 1, 2, 4, ...", least=1)
    blocks_per_stack: int = option(8, "Blocks of a stack; one more doubles what the net hears.", least=1, most=14)
    epochs: int = same("epochs", 3)
    batch_size: int = same("batch_size", 4)
    learning_rate: float = same("learning_rate", 3e-3)
    weight_decay: float = same("weight_decay", 0.0)
    warmup: float = same("warmup", 0.02)
    ema: float = share(0.999, "Momentum of a moving average of the weights; 0 for no average.")

    @property
    def length(self) -> int:
        """Samples of a piece."""
        return round(self.seconds * self.rate)
