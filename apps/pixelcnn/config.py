"""What a pixelcnn run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, dataset, manual_dir, option, same, share

LEVELS = 256
"""Levels of a channel: all of 8 bits, without noise added."""
CONVERTS = (
    "a picture is drawn by a loop that keeps what the net has seen, which is part of the saved model and not of the "
    "net. Export without `--format`."
)
"""Why nets are no files of other formats."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "pixelcnn"
    data: str | None = option(
        None,
        "Folder of images (subfolders are classes), or with the four files of Fashion-MNIST.",
        place="any",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    size: int | None = option(None, "Height and width to stretch to.", least=4, most=128, unset="28 or 32")
    colour: str = option("auto", "Whether images are grey or have colours.", choices=("auto", "grey", "rgb"))
    conditional: bool = option(True, "Tell the net the class, where there are classes, and draw on request of one.")
    held_out_share: float = option(
        0.1, "Share of the images that only `evaluate` sees, where the data have no test part.", above=0, below=1
    )
    validation_share: float = share(0.02, "Share of the others that selects the epoch; 0 to keep the last.")
    features: int = option(32, "Features of each pixel.", least=1)
    hidden: int = option(64, "Units of the layer before the answer.", least=1)
    num_blocks: int = option(6, "Residual blocks.", least=1)
    epochs: int = same("epochs", 5)
    batch_size: int = same("batch_size", 32)
    learning_rate: float = same("learning_rate", 3e-3)
    weight_decay: float = same("weight_decay", 0.0)
    warmup: float = same("warmup", 0.02)
    ema: float = share(0.999, "Momentum of a moving average of the weights; 0 for no average.")
