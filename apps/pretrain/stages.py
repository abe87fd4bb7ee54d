"""Tasks that are trained in several stages: clusters that are found anew, and one layer after the other.

Every stage is a training of its own in a folder of the run, so that what was killed goes on in the stage where it was.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasmlsp import distribution, models, optimizers, training
from kerasmlsp.apps.pretrain import batches, model
from kerasmlsp.apps.pretrain.config import Config
from kerasmlsp.data import batching
from kerasmlsp.files import write_atomically
from kerasmlsp.models import layerwise
from kerasmlsp.targets import pretext

log = logging.getLogger("kerasmlsp")


def rounds(config: Config) -> list[tuple[str, int]]:
    """Returns the name of the folder of each round of clustering, and its epochs."""
    ends = np.linspace(0, config.epochs or 0, config.rounds + 1).round().astype(int)
    return [(f"round-{number}", int(epochs)) for number, epochs in enumerate(np.diff(ends), 1)]


def by_clusters(config: Config, inputs: np.ndarray, run: training.Run, *, resume: bool) -> keras.Model:
    """Trains a net to tell the clusters of its own features, which are found anew in every round.

    Args:
        config: The complete configuration.
        inputs: uint8 `(pictures, size, size, channels)`.
        run: The run.
        resume: Whether to go on with what is in its folder.

    Returns:
        The net, as of `model.pretext`.
    """
    shape, before = inputs.shape[1:], None
    if len(inputs) < config.clusters:
        raise ValueError(f"`clusters` must be at most the {len(inputs)} pictures. Received: {config.clusters}")
    for number, (name, epochs) in enumerate(rounds(config)):
        settings = dataclasses.replace(config, epochs=epochs, rounds=1, seed=(config.seed + number) % 2**31)
        labels = _labels(settings, inputs, before, run / f"{name}.npy")
        log.info("Round %d of %d: %d clusters.", number + 1, config.rounds, len(np.unique(labels)))
        order = batches.order_of(inputs, settings.batch_size, settings.seed, drop_remainder=True)  # type: ignore[arg-type]
        take = batches.taker(inputs)
        found = batching.Batches(order, _with_labels(take, labels))
        steps = epochs * len(order(0))

        def build(settings=settings, before=before, steps=steps):
            whole = model.compiled(settings, shape, steps)
            if before is not None:
                whole.layers[-1].get_layer("encoder").set_weights(before.get_layer("encoder").get_weights())
            return whole

        whole = training.fit(build, found, run / name, settings, resume=resume)
        before = model.net_of(whole, settings, shape)
    assert before is not None
    return before


def _with_labels(take, labels):
    import tensorflow as tf

    wanted = tf.constant(labels)
    return lambda indices, key: (take(indices), tf.gather(wanted, indices))


def _labels(settings, inputs, net, path: Path):
    """The clusters of a round, found once: a process that goes on trains on the same."""
    if path.exists():
        return np.load(path)
    shape = inputs.shape[1:]
    if net is None:
        net = training.built(lambda: model.compiled(settings, shape, 1), settings).layers[-1]
    classifier = models.classifier_from(net, 2)
    whole = model.with_entrance(model.features_of(classifier), settings, shape)
    labels = pretext.cluster_labels(batches.predicted(whole, inputs), settings.clusters, seed=settings.seed)
    labels = labels.astype(np.int32)
    distribution.from_leader(lambda: write_atomically(path, lambda place: save(place, labels)))
    return labels


def save(place: Path, array: np.ndarray) -> None:
    """Writes an array to a file of any name."""
    with open(place, "wb") as file:
        np.save(file, array)


def by_layers(config: Config, inputs: np.ndarray, run: training.Run, *, resume: bool) -> keras.Model:
    """Trains a stack of restricted Boltzmann machines, or of autoencoders, layer by layer.

    Args, returns: As of `by_clusters`.
    """
    net, network = model.stack(config, inputs.shape[1:])
    visible = inputs.reshape(len(inputs), -1).astype("float32") / 255

    def fit(build, given, targets, name):
        order = batches.order_of(given, config.batch_size, config.seed)  # type: ignore[arg-type]
        take = batches.taker(given)
        found = batching.Batches(
            order, lambda indices, key: (take(indices),) if targets is None else (take(indices), take(indices))
        )
        steps = (config.epochs or 1) * len(order(0))

        def compiled():
            part = build()
            part.compile(optimizers.build(config, steps), loss=None if targets is None else "mse")
            return part

        log.info("Training %s.", name)
        return training.fit(compiled, found, run / name, config, resume=resume)

    options: dict[str, Any] = {"batch_size": config.batch_size, "fit": fit}
    if config.task == "rbm":
        layerwise.pretrain_with_rbms(network, visible, seed=config.seed, **options)
    else:
        layerwise.pretrain_with_autoencoders(network, visible, noise=config.noise, **options)
    return net


def folders(config: Config) -> list[str]:
    """Returns the names of the folders of the trainings of a run."""
    if config.task == "clusters":
        return [name for name, _ in rounds(config)]
    if config.task in ("rbm", "autoencoder"):
        return [f"hidden_{number}" for number in range(1, (config.num_layers or 0) + 1)]
    return ["net"]
