"""What a segment run is made with."""

import dataclasses

from kerasmlsp.training.settings import (
    Settings,
    encoding,
    group_pattern,
    holdout_pattern,
    option,
    same,
    share,
)

ARCHITECTURES = ("encoder-decoder", "fcn-8s", "fcn-16s", "fcn-32s")
"""The first is the default."""
ENCODERS = ("scratch", "efficientnet")
CONVERTS = dict.fromkeys(("onnx", "litert"), ARCHITECTURES)
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
RECIPES = {
    "scratch": {"epochs": 60, "learning_rate": 3e-3, "weight_decay": 0.05},
    "efficientnet": {"epochs": 25, "learning_rate": 1e-3, "weight_decay": 0.05},
}
"""How a net is trained where the configuration does not say."""
FILTERS = {
    ("encoder-decoder", "scratch"): (8, 24, 48, 96, 128),
    ("encoder-decoder", "efficientnet"): (8, 24, 32, 48, 48, 48),
    "fcn": (16, 32, 64, 96, 128),
}
"""Filters at each size of the image; that the weights in 16 bits stay below 5 MB decides them."""
UNITS = {"scratch": 128, "efficientnet": 48}
"""Features of a cell of an FCN before it is classified."""
AMOUNTS = ("rotation", "zoom", "crop", "shift", "brightness", "contrast", "saturation")
"""Settings of the random changes of pictures, besides `flip`."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`. Augmentation moves masks with their pictures."""

    app: str = "segment"
    data: str | None = option(None, "Folder of pictures.", place="folder", unset="")
    masks: str | None = option(None, "Folder of their masks, which have the same names.", place="folder", unset="")
    mask_suffix: str = option("", "What the names of masks have behind those of the pictures, as _L.")
    class_names: str | None = option(
        None, "Names of the numbers of the masks from 0 on, one in a line.", place="file", unset="the numbers"
    )
    void: str = option("255", "Numbers of pixels that are of no class, between commas; empty for none.")
    encoding: str = encoding()
    architecture: str = option(ARCHITECTURES[0], "Net to train.", choices=ARCHITECTURES)
    encoder: str = option(
        ENCODERS[0],
        "Features: learned from scratch, or those of EfficientNet-Lite0, learned on ImageNet (extra `imagenet`).",
        choices=ENCODERS,
    )
    fine_tune: bool = option(True, "Train the features of EfficientNet-Lite0, too.")
    image_size: int = option(224, "Height and width to which pictures are stretched for the net.", least=32)
    group_pattern: str | None = group_pattern("what it belongs to, as a drive")
    holdout_pattern: str | None = holdout_pattern()
    validation_share: float = share(0.15, "Share held out to select the epoch; 0 to train on all and keep the last.")
    class_weights: bool = option(True, "Let rare classes count more: by one over the root of their share.")
    rotation: float = option(5.0, "Turn pictures by up to so many degrees.", least=0)
    zoom: float = share(0.2, "Let things grow or shrink by up to this share.")
    crop: float = share(0.3, "Cut off up to this share of height and width.")
    shift: float = share(0.05, "Shift by up to this share of height and width.")
    flip: str = option(
        "horizontal", "How to mirror half of the pictures.", choices=("none", "horizontal", "vertical", "both")
    )
    brightness: float = share(0.2, "Change brightness by up to this share.")
    contrast: float = share(0.3, "Change contrast by up to this share.")
    saturation: float = share(0.5, "Change saturation by up to this share.")
    batch_size: int = same("batch_size", 8)
    monitor: str = same("monitor", "val_mean_iou")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.holdout_pattern and self.group_pattern:
            raise ValueError("Give either `--holdout-pattern`, to name what is held out, or `--group-pattern`.")
        _ = self.void_numbers  # refuses what is no list of numbers

    @property
    def void_numbers(self) -> tuple[int, ...]:
        """Numbers of pixels that are of no class."""
        parts = [part.strip() for part in self.void.split(",") if part.strip()]
        if not all(part.isdecimal() and int(part) < 256 for part in parts):
            raise ValueError(f"`void` must be numbers from 0 to 255 between commas. Received: {self.void!r}")
        return tuple(map(int, parts))

    def complete(self) -> "Config":
        """Returns the configuration with the recipe's values where it has none."""
        return self.filled(RECIPES[self.encoder])
