"""What a video run is made with."""

import dataclasses

from kerasmlsp.training.settings import (
    OWN,
    Settings,
    dataset,
    encoding,
    group_pattern,
    manual_dir,
    min_count,
    option,
    same,
    share,
)

FORECAST = "forecast"
ARCHITECTURES = ("cnn-lstm", "convlstm", FORECAST)
CONVERTS = {"onnx": ARCHITECTURES, "litert": ("convlstm", FORECAST)}
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
RECIPES = {
    "cnn-lstm": {"epochs": 8, "learning_rate": 3e-3, "weight_decay": 1e-3, "batch_size": 16, "dropout": 0.2},
    "convlstm": {"epochs": 5, "learning_rate": 5e-3, "weight_decay": 1e-3, "batch_size": 16, "dropout": 0.2},
    FORECAST: {"epochs": 8, "learning_rate": 3e-3, "weight_decay": 0.0, "batch_size": 16, "dropout": 0.0},
}
"""How a net is trained where the configuration does not say."""
SIZES = {"clips": 64, "made": 32}
"""Height and width of the frames that a net sees, of files and of clips that are made."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "video"
    data: str | None = option(
        None,
        "Folder with one subfolder of clips per class, table of paths and labels, or folder with the files of "
        "Fashion-MNIST, of whose images moving clips are made.",
        place="any",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    path_column: str = option("path", "Column of a table that holds the paths.")
    label_column: str = option("label", "Column that holds the label.")
    encoding: str = encoding()
    architecture: str = option(
        "cnn-lstm",
        "Net to train: cnn-lstm and convlstm tell classes, forecast the next frame.",
        choices=ARCHITECTURES,
    )
    frames: int = option(10, "Frames that the net sees of a clip.", least=1, most=256)
    stride: int | None = option(
        None, "Take frames so many apart, from the middle of a clip.", least=1, unset="spread over the clip"
    )
    size: int | None = option(
        None, "Height and width of the frames that the net sees, a multiple of 8.", least=16, most=512, unset="64 or 32"
    )
    colour: str = option("auto", "Whether the net sees grey or colours.", choices=("auto", "grey", "rgb"))
    made: int = option(20_000, "Clips to make of images, at most one of each image.", least=16)
    group_pattern: str | None = group_pattern()
    min_count: int = min_count()
    class_weights: bool = option(False, "Let all classes count the same, however rare.")
    validation_share: float = share(0.1, "Share held out to select the epoch; 0 to train on all and keep the last.")
    flip: bool = option(False, "Mirror half of the clips; not where left and right are two classes.")
    shuffle_frames: bool = option(False, "Shuffle the frames of every clip: a control that knows no order.")
    label_smoothing: float = share(0.0, "Share of the target that all classes get alike.")
    dropout: float | None = share(None, "Drop probability of what the classes are told from.", unset=OWN)
    answered: float = share(0.95, "Share of the held-out clips that the saved model is sure of.")
    batch_size: int | None = same("batch_size", None)
    ema: float | None = same("ema", 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and self.size % 8:
            raise ValueError(f"`size` must be a multiple of 8. Received: {self.size}")
        if self.forecasts and self.frames < 3:
            raise ValueError(
                f"`frames` must be at least 3 for `--architecture forecast`: two to see a movement, and the one that "
                f"follows. Received: {self.frames}"
            )

    @property
    def forecasts(self) -> bool:
        """Whether frames are forecast rather than classes told."""
        return self.architecture == FORECAST

    @property
    def spacing(self) -> int | None:
        """Frames from one that is seen to the next; None where they are spread over the clip. Forecasts need one."""
        return self.stride or (1 if self.forecasts else None)

    @property
    def columns(self) -> dict[str, str]:
        """By field, the columns that a table must have."""
        return {"path_column": self.path_column, "label_column": self.label_column}

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
