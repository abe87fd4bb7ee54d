"""What a run of pretrain, and a fine-tuning of it, are made with."""

import dataclasses

from kerasmlsp.training.settings import OWN, Settings, encoding, group_pattern, option, same, share

CONVOLUTIONAL = ("rotation", "simclr", "clusters")
LAYERWISE = ("rbm", "autoencoder")
"""Tasks that train one layer after the other."""
PICTURES = (*CONVOLUTIONAL, "mae", *LAYERWISE)
TASKS = (*PICTURES, "mlm", "wav2vec")
TRANSFORMERS = ("mae", "mlm", "wav2vec")
CONVERTS = (
    "what makes its inputs of pictures, texts and recordings is part of the saved model and not of the net. Export "
    "without `--format`."
)
"""Why nets are no files of other formats."""
AUGMENTATION = ("rotation", "zoom", "crop", "shift", "brightness", "contrast", "erasing", "flip")
_ADAM = {"optimizer": "adamw", "schedule": "cosine", "clip_norm": 1.0, "weight_decay": 0.01}
_CONVOLUTIONS = {"width": 32, "stages": 3, "convolutions": 1, "learning_rate": 2e-3, **_ADAM}
_STILL = {**dict.fromkeys(AUGMENTATION[:-1], 0.0), "flip": "none"}
_MOVED = {**_STILL, "rotation": 10.0, "zoom": 0.1, "shift": 0.1}
# Views that share neither place nor shade, so that only what is shown tells them.
_VIEWS = {"rotation": 15.0, "zoom": 0.1, "crop": 0.5, "shift": 0.1, "brightness": 0.2, "contrast": 0.5}
_BLOCKS = {"num_heads": 4, "learning_rate": 1e-3, **_ADAM}
_LAYERS = {"units": 500, "num_layers": 2, "batch_size": 64, **_ADAM, **_STILL, "weight_decay": 0.0}
RECIPES = {
    "rotation": {"epochs": 10, "batch_size": 64, **_CONVOLUTIONS, **_MOVED},
    "simclr": {"epochs": 30, "batch_size": 256, **_CONVOLUTIONS, **_VIEWS, "erasing": 0.3, "flip": "horizontal"},
    "clusters": {"epochs": 20, "batch_size": 256, **_CONVOLUTIONS, **_MOVED, "flip": "horizontal"},
    "mae": {"epochs": 40, "batch_size": 128, "patch_size": 4, "features": 128, "num_layers": 6, **_BLOCKS, **_STILL}
    | {"mask_rate": 0.6, "dropout": 0.0},
    "rbm": {"epochs": 10, **_LAYERS} | {"optimizer": "sgd", "schedule": "constant", "learning_rate": 0.01},
    "autoencoder": {"epochs": 10, **_LAYERS} | {"learning_rate": 1e-3},
    "mlm": {"epochs": 6, "batch_size": 32, "features": 128, "num_layers": 4, **_BLOCKS}
    | {"mask_rate": 0.15, "dropout": 0.1},
    "wav2vec": {"epochs": 60, "batch_size": 32, "features": 128, "num_layers": 4, **_BLOCKS}
    | {"mask_rate": 0.065, "dropout": 0.1, "learning_rate": 5e-4},
}
"""How a task is trained where the configuration does not say."""
OF_TASK = {
    **dict.fromkeys(("size", "colour"), PICTURES),
    **dict.fromkeys(AUGMENTATION, CONVOLUTIONAL),
    **dict.fromkeys(("width", "stages", "convolutions"), CONVOLUTIONAL),
    **dict.fromkeys(("features", "num_heads", "dropout", "mask_rate"), TRANSFORMERS),
    "num_layers": (*TRANSFORMERS, *LAYERWISE),
    "patch_size": ("mae",),
    "units": LAYERWISE,
    "noise": ("autoencoder",),
    **dict.fromkeys(("clusters", "rounds"), ("clusters",)),
    **dict.fromkeys(("temperature", "projection_dim"), ("simclr",)),
    **dict.fromkeys(("text_column", "vocabulary_size", "max_tokens", "encoding"), ("mlm",)),
    **dict.fromkeys(("rate", "seconds"), ("wav2vec",)),
    "group_pattern": (*PICTURES, "wav2vec"),
}
"""The tasks for which a setting has a meaning, where it has not for all."""


def kind_of(task: str) -> str:
    """Returns what a task learns from: "pictures", "texts" or "recordings"."""
    return {"mlm": "texts", "wav2vec": "recordings"}.get(task, "pictures")


def _own(help, **details):
    return option(None, help, unset=OWN, **details)


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """The configuration of a run, kept in its `config.json`."""

    app: str = "pretrain"
    task: str = option("simclr", "What is learned without labels.", choices=TASKS)
    data: str | None = option(
        None, "Pictures (a folder), texts (a folder, file or table) or recordings (a folder).", place="any", unset=""
    )
    exclude: str | None = option(None, "Data never to train on: the test set.", place="any", unset="")
    test_share: float = share(
        0.2, "Share never trained on, for `finetune` to test on, where neither the data nor --exclude have a test part."
    )
    validation_share: float = share(0.05, "Share held out to select the epoch and to measure the task on.")
    text_column: str = option("text", "Column of a table that holds the text.")
    encoding: str = encoding()
    group_pattern: str | None = group_pattern()
    size: int | None = option(
        None, "Height and width of the pictures.", least=8, most=256, unset="28 of the files of MNIST, else 32"
    )
    colour: str = option("auto", "Channels of the pictures.", choices=("auto", "grey", "rgb"))
    rate: int = option(16_000, "Samples per second of the recordings.", least=4000, most=96_000)
    seconds: float = option(1.0, "Length of a recording; of a longer one the loudest stretch.", least=0.1, most=30)
    vocabulary_size: int = option(20_000, "Words known, most frequent first.", least=3)
    max_tokens: int = option(256, "Longest text; the middle of longer ones is left out.", least=2)
    width: int | None = _own("Filters of the first stage; each stage after has twice as many.", least=1)
    stages: int | None = _own("Stages, each of which halves the maps.", least=1, most=6)
    convolutions: int | None = _own("Convolutions of a stage.", least=1, most=6)
    patch_size: int | None = _own("Side of a patch in pixels.", least=1)
    features: int | None = _own("Size of a vector of the Transformer, a multiple of the heads.", least=2)
    num_layers: int | None = _own("Blocks of the Transformer, or hidden layers.", least=1, most=48)
    num_heads: int | None = _own("Attention heads.", least=1)
    dropout: float | None = share(None, "Drop probability of the Transformer.", unset=OWN)
    units: int | None = _own("Units of a hidden layer.", least=1)
    projection_dim: int = option(128, "Features in which views are compared.", least=1)
    temperature: float = option(0.2, "Temperature of the comparison of views.", above=0)
    noise: float = option(
        0.2, "Standard deviation of the noise that an autoencoder takes off, of 1 for white.", least=0
    )
    clusters: int = option(100, "Clusters of features, whose numbers are the labels.", least=2)
    rounds: int = option(10, "Times that the features are clustered, evenly over the epochs.", least=1)
    mask_rate: float | None = _own(
        "Share of the patches or words that are hidden, or of the frames at which a hidden span begins.",
        above=0,
        most=1,
    )
    rotation: float | None = _own("Turn pictures by up to so many degrees.", least=0)
    zoom: float | None = share(None, "Let things grow or shrink by up to this share.", unset=OWN)
    crop: float | None = share(None, "Cut off up to this share of height and width.", unset=OWN)
    shift: float | None = share(None, "Shift by up to this share of height and width.", unset=OWN)
    brightness: float | None = share(None, "Change brightness by up to this share.", unset=OWN)
    contrast: float | None = share(None, "Change contrast by up to this share.", unset=OWN)
    erasing: float | None = share(None, "Probability that a rectangle is erased.", unset=OWN)
    flip: str | None = _own("How to mirror half of the pictures.", choices=("none", "horizontal", "vertical", "both"))
    # The task's recipe fills these.
    optimizer: str | None = same("optimizer", None, unset=OWN)  # type: ignore[assignment]
    schedule: str | None = same("schedule", None, unset=OWN)  # type: ignore[assignment]
    clip_norm: float | None = same("clip_norm", None, unset=OWN)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task in TRANSFORMERS and self._own("features") % self._own("num_heads"):
            raise ValueError(
                f"`features` must be a multiple of `num_heads`, {self._own('num_heads')}. "
                f"Received: {self._own('features')}"
            )
        if self.task == "clusters" and self._own("epochs") < self.rounds:
            raise ValueError(f"`rounds` must be at most the {self._own('epochs')} epochs. Received: {self.rounds}")
        if self.task == "rotation" and self.flip not in (None, "none"):
            raise ValueError(f"`flip` must be none for rotation, as a mirror turns some turns. Received: {self.flip}")

    def _own(self, name):
        value = getattr(self, name)
        return RECIPES[self.task][name] if value is None else value

    @property
    def kind(self) -> str:
        """What is learned from, as of `kind_of`."""
        return kind_of(self.task)

    @property
    def length(self) -> int:
        """Samples of a recording."""
        return round(self.seconds * self.rate)

    def complete(self) -> "Config":
        """Returns the configuration with the task's own values where it has none."""
        return self.filled(RECIPES[self.task])


@dataclasses.dataclass(frozen=True)
class Tuning(Settings):
    """How classifiers are trained on few labels: from the run's encoder, and the same net from scratch."""

    app: str = "pretrain"
    data: str | None = option(
        None, "Labelled examples: a folder with one subfolder per class, or a table of texts.", place="any", unset=""
    )
    test: str | None = option(
        None, "Labelled examples to test on.", place="any", unset="the data's own part, or what the run left out"
    )
    text_column: str = option("text", "Column of a table that holds the text.")
    label_column: str = option("label", "Column of a table that holds the label.")
    path_column: str = option("path", "Column of a table that holds the path of a recording.")
    encoding: str = encoding()
    group_pattern: str | None = group_pattern()
    steps: int = option(1500, "Training steps at least; an epoch is finished.", least=1)
    holdout: float = option(
        0.25, "Share of the chosen labels held out to choose the learning rate.", above=0, below=0.9
    )
    rates: str = option("0.0003,0.001,0.003", "Learning rates to choose from, with commas between.")
    label_smoothing: float = share(0.1, "Share of the target that all classes get alike.")
    token_dropout: float = share(0.1, "Share of the words that are hidden.")
    gain: float = option(6.0, "Make recordings louder or softer by up to so many dB.", least=0, most=40)
    rotation: float = option(10.0, "Turn pictures by up to so many degrees.", least=0)
    zoom: float = share(0.1, "Let things grow or shrink by up to this share.")
    crop: float = share(0.0, "Cut off up to this share of height and width.")
    shift: float = share(0.1, "Shift pictures or recordings by up to this share of them.")
    brightness: float = share(0.1, "Change brightness by up to this share.")
    contrast: float = share(0.2, "Change contrast by up to this share.")
    erasing: float = share(0.3, "Probability that a rectangle is erased.")
    flip: str = option(
        "horizontal", "How to mirror half of the pictures.", choices=("none", "horizontal", "vertical", "both")
    )
    answered: float = share(0.95, "Share of the held-out examples that the saved model is sure of.")
    taught_epochs: int = option(3, "Passes over all examples of the method self-trained.", least=1)
    batch_size: int = same("batch_size", 64)
    weight_decay: float = same("weight_decay", 0.05)
    ema: float = same("ema", 0.99)

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            fits = all(rate > 0 for rate in self.learning_rates)
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"`rates` must be numbers above 0 with commas between. Received: {self.rates!r}")

    @property
    def learning_rates(self) -> list[float]:
        """The learning rates to choose from."""
        return [float(each) for each in self.rates.split(",")]


_MEANINGLESS = ("learning_rate", "monitor", "mode", "patience", "momentum", "step_epochs", "final_rate")
TUNED_BY = tuple(each.name for each in dataclasses.fields(Tuning) if each.name not in ("app", *_MEANINGLESS))
"""The settings of a fine-tuning that have a meaning: its rate is chosen, and its last epoch kept."""
