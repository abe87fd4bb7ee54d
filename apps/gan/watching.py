"""What is watched while a GAN is trained: the distance of its images from real ones, and the ways in which it fails."""

import logging
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from kerasmlsp import distribution, plotting
from kerasmlsp.apps.gan import data, model
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import distances

if TYPE_CHECKING:
    from kerasmlsp.apps.gan.features import Features

log = logging.getLogger("kerasmlsp")

WARNINGS, FILM = "warnings.txt", "film"


class Alarms:
    """Warnings of a run: on the log, and a line each in its `warnings.txt`, one of a kind in an epoch.

    Of several processes, process 0 tells them.

    Args:
        run: The run folder.
    """

    def __init__(self, run: str | os.PathLike) -> None:
        self.path = Path(run) / WARNINGS

    def lines(self) -> list[str]:
        """Returns the warnings so far."""
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []

    def __call__(self, epoch: int, kind: str, text: str) -> None:
        if not distribution.leads():
            return
        begin = f"epoch {epoch + 1}, {kind}: "
        lines = self.lines()
        # An epoch that was broken off and is gone through again has told it already.
        if any(line.startswith(begin) for line in lines):
            return
        log.warning("%s%s", begin, text)
        whole = "\n".join([*lines, begin + text]) + "\n"
        write_atomically(self.path, lambda place: place.write_text(whole, encoding="utf-8"))


class Watch(keras.callbacks.Callback):
    """Finds losses that are not finite, a discriminator that is always right, and collapse, while an epoch goes on.

    A loss that is not finite stops the training at once. The others are told: both accuracies of the discriminator at
    `certain` or more over `window` steps, and images of which those of one class differ from each other less than
    `collapsed` times as much as real ones do (mean Euclidean distance of pixels). The generator has `grace` steps until
    its images are compared, since untrained ones are all alike.

    Args:
        alarms: `Alarms`.
        real: Real images, `kerasmlsp.data.image_sets.Images`.
        config: The configuration.
        window: Steps between two looks.
        grace: Steps before the first comparison of images.
        certain: Share of images.
        collapsed: Share of the real distance.
    """

    KINDS, EACH = 16, 8

    def __init__(
        self,
        alarms: Alarms,
        real: data.Images,
        config: Config,
        *,
        window: int = 100,
        grace: int = 500,
        certain: float = 0.995,
        collapsed: float = 0.5,
    ) -> None:
        super().__init__()
        self.alarms, self.config = alarms, config
        self.window, self.grace, self.certain, self.collapsed = window, grace, certain, collapsed
        kinds = np.unique(real.labels)[: self.KINDS] if config.architecture == "conditional" else [None]
        each = self.EACH if kinds[0] is not None else self.KINDS * self.EACH
        groups = [real.pixels if kind is None else real.pixels[real.labels == kind] for kind in kinds]
        groups = [distances.spread(group, each) for group in groups]
        self.labels = np.repeat([kind or 0 for kind in kinds], each).astype(np.int32)
        self.noise = model.latents(len(self.labels), config.latent_dim, config.seed)
        # A class with a single image has no distance.
        self.real = np.mean([distances.mean_distance(group) for group in groups if len(group) > 1] or [0.0])

    def on_train_begin(self, logs: Any = None) -> None:
        # Steps of a window, and totals and counts of the metrics over them; epochs may be shorter than a window.
        self.steps, self.sums = 0, {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch, self.before = epoch, {}

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Not at the begin of the epoch: the metrics of one that was broken off are put back only then.
        if not self.before:
            self.before = self._totals()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        for name, value in (logs or {}).items():
            if not math.isfinite(value):
                text = f"{name} is {value} after batch {batch + 1}"
                self.alarms(self.epoch, "diverged", text)
                raise ValueError(
                    f"Training diverged in epoch {self.epoch + 1}: {text}. Start another run with a smaller "
                    "`--learning-rate`, with `--spectral-norm`, or with a greater `--r1`."
                )
        self.steps += 1
        if self.steps >= self.window:
            self._add()
            self._judge({name: total / max(count, 1e-9) for name, (total, count) in self.sums.items()})
            self.steps, self.sums = 0, {}

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        # The next epoch counts from 0.
        self._add()

    def _totals(self):
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        return {mean.name: np.array([float(mean.total), float(mean.count)]) for mean in self.model.means}

    def _add(self):
        now = self._totals()
        self.sums = {name: self.sums.get(name, 0.0) + value - self.before[name] for name, value in now.items()}
        self.before = now

    def _judge(self, means):
        right = [means[name] for name in ("real_accuracy", "fake_accuracy") if name in means]
        if len(right) == 2 and min(right) >= self.certain:
            self.alarms(
                self.epoch,
                "discriminator always right",
                f"it told {right[0]:.1%} of real and {right[1]:.1%} of drawn images of the last {self.window} steps, "
                "so that the generator learns little: try a greater `--r1`, `--spectral-norm`, or `--augment`.",
            )
        if int(self.model.optimizer.iterations) < self.grace or not self.real:
            return
        drawn = model.draw(self.model.generator, self.noise, self.labels)
        groups = np.split(drawn, len(np.unique(self.labels)))
        share = np.mean([distances.mean_distance(group) for group in groups]) / self.real
        if share < self.collapsed:
            alike = "images of one class" if self.config.architecture == "conditional" else "images"
            self.alarms(
                self.epoch,
                "mode collapse",
                f"drawn {alike} differ from each other {share:.2f} times as much as real ones: try a greater `--r1`, "
                "`--architecture wgan-gp`, or a smaller `--learning-rate`.",
            )


class Measure(keras.callbacks.Callback):
    """Adds distances from real images to the log of every epoch, draws a frame of the film, and looks for lost classes.

    `frechet_distance` and `kernel_distance` are between images drawn from fixed noise by the averaged generator and
    images that are trained on: the test images stay unseen.

    Args:
        run: The run folder, whose folder `film` gets a PNG for every epoch.
        alarms: `Alarms`.
        real: Images to compare with, `kerasmlsp.data.image_sets.Images`.
        features: `kerasmlsp.apps.gan.features.Features`.
        config: The configuration.
        most: Real images that are compared with.
        frame: Images in a frame.
        lost: A class is called lost where it has less than this part of its share among real images.
    """

    def __init__(
        self,
        run: str | os.PathLike,
        alarms: Alarms,
        real: data.Images,
        features: "Features",
        config: Config,
        *,
        most: int = 10_000,
        frame: int = 64,
        lost: float = 0.2,
    ) -> None:
        super().__init__()
        self.folder, self.alarms, self.features, self.frame, self.lost = Path(run) / FILM, alarms, features, frame, lost
        real = real[distances.spread(np.arange(len(real)), most)]
        self.reference, probabilities = features(real.pixels)
        self.shares = np.bincount(probabilities.argmax(1), minlength=probabilities.shape[1]) / len(real)
        self.labels = data.labels_like(real.labels, config.metric_samples, config.seed)
        self.noise = model.latents(config.metric_samples, config.latent_dim, config.seed)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        drawn = model.draw(self.model.averaged_generator, self.noise, self.labels)
        found, probabilities = self.features(drawn)
        logs["frechet_distance"] = distances.frechet_distance(found, self.reference)
        logs["kernel_distance"] = distances.kernel_distance(found, self.reference, most=2000)
        shares = np.bincount(probabilities.argmax(1), minlength=len(self.shares)) / len(drawn)
        # A class with a hundredth of the images may be the features' mistake.
        lost = np.flatnonzero((self.shares >= 0.01) & (shares < self.lost * self.shares))
        if len(lost) and self.features.classes:
            names = ", ".join(str(self.features.classes[kind]) for kind in lost)
            self.alarms(epoch, "classes lost", f"hardly any drawn image is taken for {names}.")
        save_frame(self.folder, epoch, plotting.image_grid(drawn[: self.frame], scale=None))


def save_frame(folder: Path, epoch: int, frame: np.ndarray) -> None:
    """Writes the picture of an epoch, counted from 0, into the folder of the film; of several processes, process 0."""
    if distribution.leads():
        folder.mkdir(exist_ok=True)
        write_atomically(folder / f"{epoch + 1:04d}.png", lambda path: plotting.picture(frame, path))


def film(run: str | os.PathLike, epochs: int) -> Path | None:
    """Writes `film.gif` of the frames of the first `epochs` epochs; returns its path, or None where there is none.

    Of several processes, process 0 writes.
    """
    from PIL import Image

    paths = [Path(run) / FILM / f"{epoch + 1:04d}.png" for epoch in range(epochs)]
    frames = [np.asarray(Image.open(path)) for path in paths if path.exists()]
    if not frames:
        return None
    frames = [frame if frame.ndim == 3 else frame[..., None] for frame in frames]
    target = Path(run) / "film.gif"
    if distribution.leads():
        write_atomically(target, lambda path: plotting.animation(frames, path))
    return target
