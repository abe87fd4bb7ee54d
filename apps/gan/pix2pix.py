"""Masks to images: training, evaluation and the saved model `gan_translate` of the architecture pix2pix."""

import dataclasses
import logging
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import exporting, metrics, models, optimizers, plotting, training
from kerasmlsp.apps.gan import features, pairs, watching
from kerasmlsp.apps.gan.config import Config
from kerasmlsp.data import images, labelled, splits
from kerasmlsp.data.masks import MaskedImages, read_masked_images, stretched
from kerasmlsp.exporting.model_cards import Notes
from kerasmlsp.files import write_atomically
from kerasmlsp.metrics import distances
from kerasmlsp.models.pix2pix import Pix2Pix
from kerasmlsp.training.runs import EVALUATION, METRICS

log = logging.getLogger("kerasmlsp")

SAVED = "gan_translate"
"""Name of the saved model."""
# Pairs in a figure and in a frame of the film.
_SHOWN = 6
_CHUNK = 16


def compiled(config: Config, size: int, source_channels: int, steps: int) -> Pix2Pix:
    """Builds the nets to train, with their optimizers, for so many steps."""
    counts = tuple(min(8, 2**level) * config.filters for level in range(halvings(size)))  # type: ignore[operator]
    sizes = (size, size, source_channels, 3)
    generator = models.pix2pix_generator(*sizes, filters=counts)
    # A penalty on the gradient is defined for each image by itself, which a normalisation over the batch mixes.
    discriminator = models.pix2pix_discriminator(*sizes, filters=counts[:3], batch_norm=not config.r1)
    gan = Pix2Pix(generator, discriminator, weight=config.l1, r1=config.r1 or 0.0, ema_momentum=config.ema)
    settings, betas = dataclasses.replace(config, ema=0.0), {"beta_1": 0.5, "beta_2": 0.999}
    options = betas if config.optimizer in ("adam", "adamw") else {}
    gan.compile(*(optimizers.build(settings, steps, **options) for _ in range(2)))  # type: ignore[arg-type]
    return gan


def halvings(size: int) -> int:
    """Halvings to a map of 4 pixels at least, up to 5 of them."""
    return min(5, int(math.log2(math.gcd(size, 2**10))), int(math.log2(size / 4)))


def train(config: Config, run: training.Run, resume: bool) -> dict[str, Any]:
    """Trains the complete configuration into a claimed run folder; see `kerasmlsp.apps.gan.train.train`."""
    found = _read(config, config.size or pairs.SIZE)
    chosen, others = pairs.split(found, config)
    numbers, size = found.numbers, found.pixels.shape[1]
    facts = {
        "classes": [],
        "image": [size, size, 3],
        "numbers": numbers,
        "images": {"train": len(chosen), "test": len(others)},
        "split": f"a run of {config.held_out_share:g} of them in the order of their names, seed {config.seed}",
        "fingerprint": _fingerprint(found),
    }
    part = found.taken(chosen)
    batches = pairs.training_batches(part, numbers, config)
    run.start(config, facts, resume=resume)
    kind = f"masks of {len(numbers)} classes" if numbers else "pictures in colours"
    log.info("%d images of %dx%d and their %s to train on.", len(part), size, size, kind)
    steps = config.epochs * len(batches.order(0))  # type: ignore[operator]
    # Nothing selects an epoch: the difference from the photograph is least for blurred images.
    settings = dataclasses.replace(config, monitor="val_loss")
    gan = training.fit(
        lambda: compiled(config, size, len(numbers) or 3, steps),
        batches,
        run,
        settings,
        resume=resume,
        callbacks=[Film(run, found.taken(others[: 4 * _CHUNK]), numbers)],
    )
    return {
        "run": str(run),
        "parameters": {
            name: sum(math.prod(weight.shape) for weight in getattr(gan, name).trainable_variables)
            for name in ("generator", "discriminator")
        },
        "images": facts["images"],
        "left out": found.left_out,
        "best epoch": run.best_row(),
        "film": str(watching.film(run, config.epochs)),  # type: ignore[arg-type]
    }


def _read(config, size):
    found = read_masked_images(str(config.data), str(config.masks), size, colours=True)
    return splits.first_of_kind(found, splits.array_keys(found.pixels), "pictures", config.data)


def _fingerprint(found):
    return labelled.fingerprint(found.pixels, found.masks)


class Film(keras.callbacks.Callback):
    """Adds `held_out_l1` to the log of every epoch, of 0 to 255, and draws a frame of the film.

    Args:
        run: The run folder, whose folder `film` gets a PNG for every epoch.
        held_out: Pairs that are not trained on.
        numbers: Class numbers of the sources.
    """

    def __init__(self, run: str | os.PathLike, held_out: MaskedImages, numbers: Sequence[int]) -> None:
        super().__init__()
        self.folder, self.held_out, self.numbers = Path(run) / watching.FILM, held_out, numbers

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        drawn = translated(self.model.averaged_generator, self.held_out.masks, self.numbers)
        logs["held_out_l1"] = float(np.abs(drawn.astype(float) - self.held_out.pixels).mean())
        rows = np.concatenate([drawn[:_SHOWN], self.held_out.pixels[:_SHOWN]])
        watching.save_frame(self.folder, epoch, plotting.image_grid(rows, columns=len(rows) // 2, scale=None))


def translated(generator: keras.Model, sources: np.ndarray, numbers: Sequence[int]) -> np.ndarray:
    """Translates sources of the net's size into images, uint8 `(pairs, size, size, 3)`."""
    drawn = []
    for begin in range(0, len(sources), _CHUNK):
        values = generator(pairs.encoded(sources[begin : begin + _CHUNK], numbers), training=False)
        drawn.append(np.clip(np.round((keras.ops.convert_to_numpy(values) + 1) * 127.5), 0, 255).astype(np.uint8))
    return np.concatenate(drawn)


def evaluate(run: training.Run, path: str | Path | None = None, masks: str | Path | None = None) -> dict[str, Any]:
    """Measures translated images against the photographs, beside what needs no net, and draws them.

    Args:
        run: A finished run.
        path: Folder of images; None for those that the run held out.
        masks: Folder of their masks.

    Returns:
        Dict of `on`, `images`, `measures` by set with 95 % intervals: the mean absolute difference of 0 to 255, and the
        structural similarity (Wang et al. 2004); `metrics` for the model card, and `files`.

    Raises:
        ValueError: The images have changed since the run was trained on them, or none can be read.
    """
    config, stored = run.configuration(Config)
    size, numbers = stored["image"][0], stored["numbers"]
    own = _read(config, size)
    run.check_data(_fingerprint(own))
    chosen, others = pairs.split(own, config)
    part, test = own.taken(chosen), own.taken(others)
    if path is not None:
        test = read_masked_images(path, masks or "", size, colours=True, numbers=numbers)
    generator = run.model().averaged_generator
    sets = {"translated": translated(generator, test.masks, numbers), **baselines(part, test, numbers)}
    measured = {name: _measured(each, test.pixels) for name, each in sets.items()}
    second = features.imagenet()
    if second:
        real = second(test.pixels)[0]
        for name, each in sets.items():
            measured[name]["kernel distance"] = _value(distances.kernel_distance(second(each)[0], real))
    result = {
        "on": "a run of the images that was held out" if path is None else "images given",
        "images": {"test": len(test), "train": len(part)},
        "features": second.name if second else features.NO_IMAGENET,
        "left out": test.left_out,
        "fingerprint": _fingerprint(test),
        "measures": measured,
        "metrics": {f"{measure}, {name}": each for name, row in measured.items() for measure, each in row.items()},
    }
    shown = distances.spread(np.arange(len(test)), _SHOWN)
    rows = {name: each[shown] for name, each in sets.items()} | {"photograph": test.pixels[shown]}
    target = run.write(f"{EVALUATION}/{METRICS}", result)
    figure = run / EVALUATION / "samples.png"
    write_atomically(figure, lambda place: plotting.image_rows(rows, place))
    return {**result, "files": [str(target), str(figure)]}


def baselines(part: MaskedImages, test: MaskedImages, numbers: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns what needs no net: the mean image that was trained on, and the mean colour of each class.

    Sources in colours stand for themselves.
    """
    mean = np.round(part.pixels.mean(0)).astype(np.uint8)
    found = {"mean image": np.repeat(mean[None], len(test), axis=0)}
    if not numbers:
        return {"source": test.masks, **found}
    colours = np.zeros((256, 3), np.uint8)
    for number in numbers:
        here = part.pixels[part.masks == number]
        colours[number] = np.round(here.mean(0)) if len(here) else 0
    return {"mean colour of the class": colours[test.masks], **found}


def _measured(drawn, real):
    import tensorflow as tf

    errors = np.abs(drawn.astype("float32") - real).mean(axis=(1, 2, 3))
    chunks = [slice(begin, begin + _CHUNK) for begin in range(0, len(real), _CHUNK)]
    alike = np.concatenate([tf.image.ssim(drawn[each], real[each], max_val=255).numpy() for each in chunks])
    return {"mean absolute difference": _interval(errors), "structural similarity": _interval(alike)}


def _interval(values):
    low, high = metrics.bootstrap(lambda rows: float(values[rows].mean()), len(values))
    return {"value": float(values.mean()), "low": low, "high": high}


def _value(number):
    return {"value": number, "low": None, "high": None}


def export(run: training.Run, models_folder: Path, notes: Notes) -> Path:
    """Exports a run as the next version of the saved model `gan_translate`."""
    _, stored = run.configuration(Config)
    size, numbers = stored["image"][0], stored["numbers"]
    generator = run.model().averaged_generator
    functions, inputs = endpoints(generator, numbers), described(numbers)
    name = next(iter(inputs))
    result, best = run.evaluation(), run.best_row()
    card = {
        **notes.card("Images from masks"),
        "description": f"Makes images of {size}x{size} pixels, stretched to the size of the {name}, like those it was "
        "trained on.",
        "classes": [],
        "numbers": numbers,
        "image": stored["image"],
        "split": f"Trained on {stored['images']['train']} images; {stored['images']['test']} were held out, "
        f"{stored['split']}. The last epoch was kept.",
        "limits": "The images are made up: they show what things of a class mostly look like, and nothing that was "
        "there. They have the slant of the training images.",
        "training": {key: value for key, value in stored.items() if key not in ("data", "masks", "manual_dir")},
        "metrics": result["metrics"] if result else {"mean absolute difference, held out": best["held_out_l1"]},
        "evaluated": f"{result['images']['test']} images ({result['on']})" if result else "not: run evaluate first",
        "figures": run.figures("samples"),
    }
    examples = {"serving_default": {name: _examples(numbers, size)}}
    outputs = {"image": "The image, of the size of what it was made of, 0 to 255."}
    return exporting.export(
        models_folder,
        SAVED,
        functions,
        track=[generator],
        inputs=inputs,
        examples=examples,
        card=card,
        outputs=outputs,
    )


def described(numbers: Sequence[int]) -> dict[str, exporting.Input]:
    """What the input of the saved model is: masks of class numbers, or images."""
    if numbers:
        return {"masks": exporting.Input("Number of the class of each pixel, of any size.", choices=numbers)}
    return {"images": exporting.Input("Pictures to translate, RGB.", range="0 to 255, of any size")}


def endpoints(generator: keras.Model, numbers: Sequence[int]) -> dict[str, tuple[Callable, dict]]:
    """Returns the function of the saved model, from masks or images of any size to images of the same, 0 to 255."""
    import tensorflow as tf

    size, name = generator.input_shape[1], next(iter(described(numbers)))

    def translate(given):
        shape = tf.shape(given)[1:3]
        if numbers:
            # The middles of the new pixels, in whole numbers, as `masks.stretched`.
            rows, columns = (
                tf.minimum((2 * tf.range(size) + 1) * shape[axis] // (2 * size), shape[axis] - 1) for axis in range(2)
            )
            small = tf.gather(tf.gather(given, rows, axis=1), columns, axis=2)
        else:
            small = images.stretched(given, size)
        values = (generator(pairs.encoded(small, numbers), training=False) + 1.0) * 127.5
        return {"image": tf.clip_by_value(tf.image.resize(values, shape, antialias=True), 0.0, 255.0)}

    shape = [None, None, None] if numbers else [None, None, None, 3]
    spec = tf.TensorSpec(shape, tf.uint8)
    return {"serving_default": (lambda **given: translate(given[name]), {name: spec})}


def _examples(numbers, size):
    pictures = exporting.example_pictures(size)
    if not numbers:
        return pictures
    places = pictures[..., 0].astype(int) * len(numbers) // 256
    return np.array(numbers, np.uint8)[places]


def convert(run: training.Run, path: Path, format: str) -> Path:
    """Writes the generator of a run as ONNX or LiteRT: from a channel for each class, or colours of -1 to 1."""
    _, stored = run.configuration(Config)
    numbers, size = stored["numbers"], stored["image"][0]
    given = _examples(numbers, size)
    small = np.stack([stretched(each, size, size) if numbers else images.resize(each, size) for each in given])
    examples = np.asarray(pairs.encoded(small, numbers))
    facts = {"numbers": numbers, "image": stored["image"], "range": [-1, 1]}
    return exporting.convert(run.model().averaged_generator, path, format, examples=examples, facts=facts)
