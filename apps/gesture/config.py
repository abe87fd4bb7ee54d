"""What a gesture run is made with."""

import dataclasses

INPUTS = ("images", "landmarks", "history")
ARCHITECTURES = {
    "images": ("resnet", "lenet", "efficientnet"),
    "landmarks": ("mlp",),
    "history": ("gru", "cnn"),
}
"""By kind of input; the first is the default."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The configuration of a run, kept in its `config.json`.

    Args:
        app: Name of the application, which tells its runs from those of others.
        data: Folder of pictures, table of their paths, or CSV of numbers; None where `dataset` is given.
        dataset: Name in TensorFlow Datasets; None where `data` is given.
        manual_dir: Folder with the original files of `dataset`.
        path_column: Column of a table that holds the paths.
        label_column: Column or feature that holds the label.
        class_names: File with the name of each class of a CSV of numbers, one in a line; None for the numbers.
        input: One of `INPUTS`, or "auto" to tell by the data.
        architecture: One of those of the input in `ARCHITECTURES`; None for its first.
        image_size: Height and width of the pictures that the net sees; None for the architecture's own.
        rounds: Whether persons are told apart by the numbers of the files, see `kerasmlsp.splits.rounds`.
        group_pattern: Regular expression whose first group in a file's path names the person; None for not.
        seed: Decides every random choice.
        epochs: Epochs; None for the architecture's own.
        batch_size: Examples in a batch.
        learning_rate: Peak learning rate; None for the architecture's own.
        schedule: "cosine" or "constant".
        warmup: Share of the steps in which the rate rises.
        clip_norm: Largest norm of all gradients together; 0 for any.
        ema: Momentum of the moving average of the weights; 0 for no average.
        label_smoothing: Share of the target that all classes get alike.
        rotation: Largest angle of augmentation in degrees; this and the following are of
            `kerasmlsp.augment.ImageAugmentation` and change pictures only.
        zoom: Largest share by which things grow or shrink.
        crop: Largest share cut off height and width.
        shift: Largest shift as share of height and width.
        flip: "none", "horizontal", "vertical" or "both". A mirrored right hand is a left hand; "none" where left and
            right are different classes.
        brightness: Largest change of brightness.
        contrast: Largest change of contrast.
        saturation: Largest change of saturation.
        noise: Standard deviation of noise, of 255.
        erasing: Probability that a rectangle is erased.
        background: Folder of pictures that show none of the classes, which the net learns to give the same probability
            for every class; None for none.
        background_share: Pictures of `background` for each example of a batch.
        backdrop: Probability that a plain background behind the hand becomes another: any colour or, half of the time
            where there are some, a picture of `background`.
        answered: Share of the held-out examples that the saved model is to answer as known: it decides the threshold.
        patience: Epochs without a better validation loss before training stops; None for never.
        class_weights: Whether rare classes weigh more, so that all count the same.
        validation_share: Share of the examples held out to select the epoch; 0 to train on all and keep the last.
        holdout_blocks: Runs of neighbours of which the held-out part of a class is made, for frames of one film; 0 for
            examples one by one.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit: "auto", "on" or "off".
        steps_per_execution: Batches worked off by one call of the compiled step.
        deterministic: Whether to use only operations that repeat bit for bit.
    """

    app: str = "gesture"
    data: str | None = None
    dataset: str | None = None
    manual_dir: str | None = None
    path_column: str = "path"
    label_column: str = "label"
    class_names: str | None = None
    input: str = "auto"
    architecture: str | None = None
    image_size: int | None = None
    rounds: bool = False
    group_pattern: str | None = None
    seed: int = 0
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float | None = None
    schedule: str = "cosine"
    warmup: float = 0.05
    clip_norm: float = 1.0
    ema: float = 0.99
    label_smoothing: float = 0.1
    rotation: float = 29.0
    zoom: float = 0.15
    crop: float = 0.0
    shift: float = 0.1
    flip: str = "horizontal"
    brightness: float = 0.2
    contrast: float = 0.3
    saturation: float = 0.9
    noise: float = 0.0
    erasing: float = 0.0
    background: str | None = None
    background_share: float = 0.25
    backdrop: float = 0.5
    answered: float = 0.99
    patience: int | None = None
    class_weights: bool = False
    validation_share: float = 0.1
    holdout_blocks: int = 0
    precision: str = "auto"
    jit: str = "auto"
    steps_per_execution: int = 1
    deterministic: bool = False

    def __post_init__(self):
        if self.input not in ("auto", *INPUTS):
            raise ValueError(f"`input` must be one of auto, {', '.join(INPUTS)}. Received: {self.input!r}")
        allowed = [name for names in ARCHITECTURES.values() for name in names]
        if self.architecture not in (None, *allowed):
            raise ValueError(f"`architecture` must be one of {', '.join(allowed)}. Received: {self.architecture!r}")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"`validation_share` must be in [0, 1). Received: {self.validation_share}")
        if self.image_size is not None and self.image_size < (
            least := 32 if self.architecture == "efficientnet" else 16
        ):
            raise ValueError(f"`image_size` must be at least {least}. Received: {self.image_size}")
        if self.rounds and self.group_pattern:
            raise ValueError("Give either `--rounds` or `--group-pattern`: both tell the persons apart.")

    @property
    def size(self):
        """Height and width of the pictures that the net sees."""
        return self.image_size or (128 if self.architecture == "efficientnet" else 64)

    def architecture_for(self, kind):
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
