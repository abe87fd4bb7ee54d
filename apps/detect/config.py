"""What a detect run is made with."""

import dataclasses

from kerasmlsp.training.settings import Settings, encoding, group_pattern, holdout_pattern, option, same, share

ARCHITECTURES = ("ssd",)
CONVERTS = "the boxes are found by steps that are no part of the net. Export a saved model, which has them."
"""Why a net cannot be a file of another format."""
RECIPE = {"epochs": 150, "learning_rate": 3e-3, "weight_decay": 0.05}
"""How a net is trained where the configuration does not say."""
AMOUNTS = ("rotation", "zoom", "crop", "shift", "brightness", "contrast", "saturation")
"""Settings of the random changes of pictures, besides `flip`."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`. Augmentation moves boxes with their things."""

    app: str = "detect"
    data: str | None = option(
        None, "Folder with XML files of Pascal VOC, JSON file of COCO, or table of boxes.", place="any", unset=""
    )
    split: str | None = option(None, "List in `ImageSets/Main` of a folder of Pascal VOC, as train.", unset="all")
    pictures: str | None = option(None, "Folder of the pictures.", place="folder", unset="that of the file")
    path_column: str = option("path", "Column of a table that holds the paths.")
    label_column: str = option("label", "Column of a table that holds the classes.")
    box_columns: str = option("xmin,ymin,xmax,ymax", "Columns of a table for left, top, right and bottom, in pixels.")
    encoding: str = encoding()
    architecture: str = option(ARCHITECTURES[0], "Net to train.", choices=ARCHITECTURES)
    image_size: int = option(256, "Height and width to which pictures are stretched for the net.", least=32)
    width: int = option(
        20, "Filters of the first stage; each has twice as many as the one before, up to 8 times.", least=1
    )
    num_scales: int = option(3, "Sizes of boxes that the net starts from, between those of the data.", least=1, most=4)
    match_overlap: float = option(
        0.45, "Overlap (intersection over union) from which on a starting box is to find a thing.", above=0, most=1
    )
    max_overlap: float = option(0.45, "Overlap above which the less sure box is dropped.", least=0, most=1)
    group_pattern: str | None = group_pattern("what it belongs to, as a patient")
    holdout_pattern: str | None = holdout_pattern()
    validation_share: float = share(0.15, "Share held out to select the epoch; 0 to train on all and keep the last.")
    rotation: float = option(0.0, "Turn pictures by up to so many degrees, which makes boxes larger.", least=0)
    zoom: float = share(0.2, "Let things grow or shrink by up to this share.")
    crop: float = share(0.3, "Cut off up to this share of height and width.")
    shift: float = share(0.1, "Shift by up to this share of height and width.")
    flip: str = option(
        "horizontal", "How to mirror half of the pictures.", choices=("none", "horizontal", "vertical", "both")
    )
    brightness: float = share(0.2, "Change brightness by up to this share.")
    contrast: float = share(0.3, "Change contrast by up to this share.")
    saturation: float = share(0.4, "Change saturation by up to this share.")
    batch_size: int = same("batch_size", 8)
    monitor: str = same("monitor", "val_map50")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.holdout_pattern and self.group_pattern:
            raise ValueError("Give either `--holdout-pattern`, to name what is held out, or `--group-pattern`.")
        if len(self.sides) != 4 or not all(self.sides):
            raise ValueError(
                f"`box_columns` must be four names of columns between commas. Received: {self.box_columns!r}"
            )

    @property
    def sides(self) -> tuple[str, ...]:
        """Columns of a table that hold left, top, right and bottom."""
        return tuple(part.strip() for part in self.box_columns.split(","))

    def complete(self) -> "Config":
        """Returns the configuration with the recipe's values where it has none."""
        return self.filled(RECIPE)
