"""What a caption run is made with."""

import dataclasses
import os

ARCHITECTURES = ("transformer", "attention", "lstm")
EFFICIENTNET, SCRATCH = "efficientnet-lite0", "cnn"


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: Table of captions; None where `dataset` is given.
        images: Folder of the pictures; None for the folder `images` beside the table, or else the table's own.
        dataset: Name in TensorFlow Datasets; None where `data` is given.
        manual_dir: Folder with the original files of `dataset`.
        image_column: Column that names the picture.
        caption_column: Column that holds the caption.
        split_column: Column that names the split; where there is no such column, pictures are drawn.
        architecture: One of `ARCHITECTURES`: how captions are written.
        encoder: How pictures are seen: "efficientnet-lite0", the name of a net in `keras.applications`, both kept as
            they are, or "cnn", a small net that is trained with the rest.
        encoder_weights: Of a net that is kept as it is: "imagenet", "random", or a file of weights.
        image_size: Height and width that the encoder sees; None for the encoder's own.
        units: Size of the states; None for the architecture's own.
        num_layers: Layers of the decoder; None for the architecture's own.
        dropout: Drop probability; None for the architecture's own.
        seed: Decides every random choice.
        start: Folder of the run whose net goes on to learn from the captions that it draws itself (see `reinforce`);
            None to train from the beginning.
        samples: Captions drawn of each picture, where there is a `start`.
        epochs: Passes over the captions, or with a `start` over the pictures; None for the architecture's own.
        batch_size: Captions in a batch, or with a `start` pictures.
        learning_rate: Peak learning rate; None for the architecture's own.
        schedule: "cosine" or "constant".
        warmup: Share of the steps in which the rate rises.
        clip_norm: Largest norm of all gradients together; 0 for any.
        weight_decay: Decoupled weight decay.
        ema: Momentum of the moving average of the weights, 0 for no average; None for one over about a sixth of all
            steps.
        patience: Epochs without a better validation loss before training stops; None for never.
        label_smoothing: Share of the target that all words get alike.
        min_count: Words that are rarer in the training captions are unknown.
        vocabulary_size: Most token ids.
        max_words: Longest caption; longer ones are cut for training.
        beams: Captions followed at once, and given for each picture.
        length_penalty: Exponent by which long captions are favoured.
        validation_share: Share of the pictures that selects the epoch, where the table has no split.
        test_share: Share of the pictures that only `evaluate` reads, where the table has no split.
        mirror: Whether half of the pictures are trained on as in a mirror.
        cache: Folder of the computed features; None for `~/.cache/kerasmlsp/features`.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "caption"
    data: str | None = None
    images: str | None = None
    dataset: str | None = None
    manual_dir: str | None = None
    image_column: str = "image"
    caption_column: str = "caption"
    split_column: str = "split"
    architecture: str = "transformer"
    encoder: str = EFFICIENTNET
    encoder_weights: str = "imagenet"
    image_size: int | None = None
    units: int | None = None
    num_layers: int | None = None
    dropout: float | None = None
    seed: int = 0
    start: str | None = None
    samples: int = 5
    epochs: int | None = None
    batch_size: int = 64
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    clip_norm: float = 1.0
    weight_decay: float = 0.05
    ema: float | None = None
    patience: int | None = None
    label_smoothing: float = 0.1
    min_count: int = 4
    vocabulary_size: int = 20_000
    max_words: int = 24
    beams: int = 3
    length_penalty: float = 1.0
    validation_share: float = 0.1
    test_share: float = 0.1
    mirror: bool = True
    cache: str | None = None
    precision: str = "auto"
    jit: str = "auto"
    deterministic: bool = False

    def __post_init__(self):
        if self.architecture not in ARCHITECTURES:
            allowed = ", ".join(ARCHITECTURES)
            raise ValueError(f"`architecture` must be one of {allowed}. Received: {self.architecture!r}")
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"`{name}` must be between 0 and 0.5. Received: {getattr(self, name)}")
        for name in ("min_count", "max_words", "beams", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {getattr(self, name)}")
        if self.image_size is not None and self.image_size < 32:
            raise ValueError(f"`image_size` must be at least 32. Received: {self.image_size}")


REFINED = {"samples": 5, "epochs": 4, "batch_size": 50, "learning_rate": 1e-4}


def refined(config, start, **changes):
    """Returns the configuration of a run that goes on from the run `start` of `config`, see `reinforce`.

    Args:
        config: The configuration of `start`.
        start: Folder of the run.
        **changes: Fields that differ, beside those of `REFINED`.
    """
    # An average over many steps would lag behind so few.
    return dataclasses.replace(config, start=os.path.abspath(start), ema=0.0, **{**REFINED, **changes})
