"""What a gesture run is made with."""

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

INPUTS = ("images", "landmarks", "history")
ARCHITECTURES = {"images": ("resnet", "lenet", "efficientnet"), "landmarks": ("mlp",), "history": ("gru", "cnn")}
"""By kind of input; the first is the default."""
CONVERTS = dict.fromkeys(("onnx", "litert"), tuple(name for names in ARCHITECTURES.values() for name in names))
"""Architectures whose nets can be files of a format; see `docs/conversion.md`."""
RECIPES = {
    "resnet": {"epochs": 70, "learning_rate": 2e-3, "weight_decay": 0.05},
    "lenet": {"epochs": 40, "learning_rate": 1e-3, "weight_decay": 0.05},
    "efficientnet": {"epochs": 15, "learning_rate": 5e-3, "weight_decay": 0.0},
    "mlp": {"epochs": 40, "learning_rate": 5e-3, "weight_decay": 0.05},
    "gru": {"epochs": 30, "learning_rate": 5e-3, "weight_decay": 0.05},
    "cnn": {"epochs": 30, "learning_rate": 5e-3, "weight_decay": 0.05},
}
"""How a net is trained where the configuration does not say."""
AUGMENTATION = (
    *("rotation", "zoom", "crop", "shift", "shear", "flip"),
    *("brightness", "contrast", "saturation", "noise", "erasing"),
)
"""Settings of the random changes of pictures."""
OF_PICTURES = (
    *("image_size", "rounds", "group_pattern", "backdrop", "adversarial"),
    *AUGMENTATION,
)
"""Settings without a meaning for numbers."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`. Augmentation changes pictures only."""

    app: str = "gesture"
    data: str | None = option(
        None,
        "Folder with one subfolder of pictures per class, table of paths and labels, or CSV of numbers.",
        place="any",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    path_column: str = option("path", "Column of a table that holds the paths.")
    label_column: str = option("label", "Column that holds the label.")
    encoding: str = encoding()
    class_names: str | None = option(
        None, "Names of the numbered classes of a CSV, one in a line.", place="file", unset="the numbers"
    )
    input: str = option("auto", "What the data are.", choices=("auto", *INPUTS))
    architecture: str | None = option(
        None,
        "Net to train: resnet, lenet or efficientnet for images, mlp for landmarks, gru or cnn for histories.",
        choices=tuple(name for names in ARCHITECTURES.values() for name in names),
        unset="the first",
    )
    image_size: int | None = option(None, "Height and width of the pictures that the net sees.", least=16, unset=OWN)
    rounds: bool = option(False, "People showed all classes in turn: tell them apart by the numbers of the files.")
    group_pattern: str | None = group_pattern()
    min_count: int = min_count()
    class_weights: bool = option(False, "Let all classes count the same, however rare.")
    validation_share: float = share(0.1, "Share held out to select the epoch; 0 to train on all and keep the last.")
    holdout_blocks: int = option(
        0, "Hold out so many runs of neighbours per class, for frames of one film; 0 for single examples.", least=0
    )
    label_smoothing: float = share(0.1, "Share of the target that all classes get alike.")
    rotation: float = option(29.0, "Turn pictures by up to so many degrees.", least=0)
    zoom: float = share(0.15, "Let things grow or shrink by up to this share.")
    crop: float = share(0.0, "Cut off up to this share of height and width.")
    shift: float = share(0.1, "Shift by up to this share of height and width.")
    shear: float = share(0.0, "Slant by up to this share.")
    flip: str = option(
        "horizontal",
        "How to mirror half of the pictures, so that both hands are known; none where left and right are two classes.",
        choices=("none", "horizontal", "vertical", "both"),
    )
    brightness: float = share(0.2, "Change brightness by up to this share.")
    contrast: float = share(0.3, "Change contrast by up to this share.")
    saturation: float = share(0.9, "Change saturation by up to this share.")
    noise: float = option(0.0, "Standard deviation of noise, of 255.", least=0)
    erasing: float = share(0.0, "Probability that a rectangle is erased.")
    backdrop: float = share(
        0.5, "Probability that a plain background becomes another: a colour, or half of the time a --background."
    )
    background: str | None = option(
        None,
        "Pictures that show none of the classes: put behind the hands, and learned as unknown.",
        place="folder",
        unset="",
    )
    background_share: float = option(0.25, "Pictures of --background for each example of a batch.", least=0)
    adversarial: float = option(
        0.0,
        "Train as much on adversarial pictures (FGSM) that differ by up to so much of 255; 0 for none.",
        least=0,
    )
    answered: float = share(
        0.99, "Share of the held-out examples, pictures also changed, that the saved model is sure of."
    )
    batch_size: int = same("batch_size", 32)
    ema: float | None = same("ema", 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.architecture == "efficientnet" and (self.image_size or 32) < 32:
            raise ValueError(f"`image_size` must be at least 32 for efficientnet. Received: {self.image_size}")
        if self.rounds and self.group_pattern:
            raise ValueError("Give either `--rounds` or `--group-pattern`: both tell the persons apart.")

    def refuse_for(self, kind: str) -> None:
        """Raises a ValueError where settings of pictures were changed and the data are of another kind."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        changed = [name for name in OF_PICTURES if getattr(self, name) != defaults[name]]
        if kind != "images" and changed:
            options = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
            raise ValueError(f"These options are for pictures, and the data are {kind}: leave {options} out.")

    @property
    def size(self) -> int:
        """Height and width of the pictures that the net sees."""
        return self.image_size or (128 if self.architecture == "efficientnet" else 64)

    def architecture_for(self, kind: str) -> str:
        """Returns the architecture for a kind of input.

        Raises:
            ValueError: The architecture is of another kind.
        """
        allowed = ARCHITECTURES[kind]
        if self.architecture not in (None, *allowed):
            raise ValueError(
                f"`architecture` must be one of {', '.join(allowed)} for {kind}. Received: {self.architecture!r}"
            )
        return self.architecture or allowed[0]

    def complete(self, kind: str) -> "Config":
        """Returns the configuration for a kind of input with the architecture's own values where it has none."""
        return self.filled({"architecture": self.architecture_for(kind), **RECIPES[self.architecture_for(kind)]})
