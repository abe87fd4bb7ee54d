"""What a gan run is made with."""

import dataclasses

ARCHITECTURES = ("conditional", "dcgan", "wgan-gp")
FEATURES = ("auto", "shipped", "own")


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: Folder of images or of Fashion-MNIST's files; None where `dataset` is given.
        dataset: Name in TensorFlow Datasets; None where `data` is given.
        manual_dir: Folder with the original files of `dataset`.
        size: Height and width of the images, a multiple of 4; None for 28 where that is the size of the data, else 32.
        colour: "auto", "grey" or "rgb".
        held_out_share: Share of the images that only `evaluate` sees, where the data has no test part.
        architecture: One of `ARCHITECTURES`.
        latent_dim: Size of the noise vector.
        filters: Channels of the largest maps; None for the architecture's own.
        r1: Weight of the penalty on the discriminator's gradient at real images; None for the architecture's own.
        spectral_norm: Whether the discriminator's layers are normalised by their largest singular value.
        ema: Momentum of the moving average of the generator, whose images are shown.
        augment: Whether the discriminator sees its images shifted, which helps where there are few.
        seed: Decides every random choice.
        epochs: Passes over the images, or over the repeated images where an epoch would have less than 100 steps; None
            for the architecture's own.
        batch_size: Images in a batch.
        learning_rate: Peak learning rate of both nets; None for the architecture's own.
        schedule: "cosine" or "constant".
        patience: Epochs without a smaller Frechet distance before training stops; None for never.
        features: Net on whose features distances are measured: "shipped", "own" for one trained on the data's classes,
            or "auto" for the shipped one where images are grey and of 28x28 pixels or have no classes.
        metric_samples: Images drawn after each epoch to measure distances.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "gan"
    data: str | None = None
    dataset: str | None = None
    manual_dir: str | None = None
    size: int | None = None
    colour: str = "auto"
    held_out_share: float = 0.1
    architecture: str = "conditional"
    latent_dim: int = 64
    filters: int | None = None
    r1: float | None = None
    spectral_norm: bool = False
    ema: float = 0.999
    augment: bool = False
    seed: int = 0
    epochs: int | None = None
    batch_size: int = 128
    learning_rate: float | None = None
    schedule: str = "cosine"
    patience: int | None = None
    features: str = "auto"
    metric_samples: int = 2000
    precision: str = "auto"
    jit: str = "auto"
    deterministic: bool = False

    def __post_init__(self):
        for name, allowed in (
            ("architecture", ARCHITECTURES),
            ("features", FEATURES),
            ("colour", ("auto", "grey", "rgb")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received: {getattr(self, name)!r}")
        if self.size is not None and (self.size % 4 or not 12 <= self.size <= 512):
            raise ValueError(f"`size` must be a multiple of 4 from 12 to 512. Received: {self.size}")
        if not 0 < self.held_out_share < 1:
            raise ValueError(f"`held_out_share` must be between 0 and 1. Received: {self.held_out_share}")
        if self.metric_samples < 2:
            raise ValueError(f"`metric_samples` must be at least 2. Received: {self.metric_samples}")
