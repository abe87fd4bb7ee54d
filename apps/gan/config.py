"""What a gan run is made with."""

import dataclasses

from kerasmlsp.training.settings import OWN, Settings, dataset, manual_dir, option, same, share

PIX2PIX = "pix2pix"
ARCHITECTURES = ("conditional", "dcgan", "wgan-gp", PIX2PIX)
CONVERTS = {"onnx": ARCHITECTURES, "litert": ARCHITECTURES}
"""Architectures whose generators can be files of a format; see `docs/conversion.md`."""
ONE_CLASS = (
    "`architecture` conditional needs two classes at least: put the images into subfolders, one for each, or take "
    "`--architecture dcgan`."
)
"""What to say of images without classes."""
RECIPES = {
    "conditional": {"batch_size": 128, "filters": 48, "r1": 0.1, "epochs": 40, "learning_rate": 5e-4},
    "dcgan": {"batch_size": 128, "filters": 32, "r1": 0.0, "epochs": 40, "learning_rate": 2e-4},
    "wgan-gp": {"batch_size": 128, "filters": 32, "r1": 0.0, "epochs": 20, "learning_rate": 3e-4},
    PIX2PIX: {"batch_size": 4, "filters": 32, "r1": 0.0, "epochs": 40, "learning_rate": 2e-4},
}
"""How the nets are built and trained where the configuration does not say."""


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "gan"
    data: str | None = option(
        None,
        "Folder of images (subfolders are classes), or with the four files of Fashion-MNIST.",
        place="any",
        unset="",
    )
    masks: str | None = option(
        None,
        "Folder with a mask for each image, of the same name, for pix2pix: numbers of classes, or colours.",
        place="folder",
        unset="",
    )
    dataset: str | None = dataset()
    manual_dir: str | None = manual_dir()
    architecture: str = option("conditional", "Nets to train; pix2pix translates masks.", choices=ARCHITECTURES)
    size: int | None = option(
        None, "Height and width to stretch to, a multiple of 4.", least=12, most=512, unset="28, 32 or 128"
    )
    colour: str = option("auto", "Whether images are grey or have colours.", choices=("auto", "grey", "rgb"))
    held_out_share: float = option(
        0.1, "Share of the images that only `evaluate` sees, where the data have no test part.", above=0, below=1
    )
    hold_out: str | None = option(
        None, "Class that is not trained on, for `evaluate` to see whether it is told as unusual.", unset="none"
    )
    l1: float = option(100.0, "Weight of the mean absolute difference, of pix2pix.", least=0)
    latent_dim: int = option(64, "Size of the noise vector.", least=1)
    filters: int | None = option(None, "Channels of the largest maps.", least=1, unset=OWN)
    r1: float | None = option(None, "Penalty on the discriminator's gradient at real images.", least=0, unset=OWN)
    spectral_norm: bool = option(False, "Normalise the discriminator's layers by their largest singular value.")
    augment: bool = option(False, "Shift what the discriminator sees, or mirror pairs; helps where images are few.")
    features: str = option(
        "auto",
        "LeNet that measures distances: the shipped one, for Fashion-MNIST; one trained on the images' own classes; or "
        "one with random weights, for images without classes.",
        choices=("auto", "shipped", "own", "random"),
    )
    metric_samples: int = option(2000, "Images drawn after an epoch to measure distances.", least=2)
    batch_size: int | None = same("batch_size", None, least=2)
    optimizer: str = same("optimizer", "adam")
    final_rate: float = same("final_rate", 0.01)
    clip_norm: float = same("clip_norm", 0.0)
    warmup: float = same("warmup", 0.0)
    weight_decay: float = same("weight_decay", 0.0)
    ema: float = share(0.999, "Momentum of the averaged generator, whose images are shown.")
    monitor: str = same("monitor", "frechet_distance")
    mode: str = same("mode", "min")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None and self.size % 4:
            raise ValueError(f"`size` must be a multiple of 4. Received: {self.size}")
        if self.translates and (self.size or 128) % 16:
            raise ValueError(f"`size` must be a multiple of 16 for pix2pix. Received: {self.size}")

    @property
    def translates(self) -> bool:
        """Whether images are made of masks rather than of noise."""
        return self.architecture == PIX2PIX

    def complete(self) -> "Config":
        """Returns the configuration with the architecture's own values where it has none."""
        return self.filled(RECIPES[self.architecture])
