"""Self-critical training: a captioner goes on to learn from the captions that it draws itself."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from kerasmlsp import generation, training
from kerasmlsp.apps.caption import data, model, variety
from kerasmlsp.apps.caption.config import Config
from kerasmlsp.data import batching
from kerasmlsp.metrics import text as text_metrics


@keras.saving.register_keras_serializable("kerasmlsp")
class SelfCritical(keras.Model):
    """A captioner that learns to write what is rewarded, on TensorFlow.

    Of each picture `samples` captions are drawn. A caption's advantage is its reward less the mean of the others of its
    picture, and the loss is the mean of `-advantage * log p` over all words drawn. Dropout is off.

    `fit` takes dicts of `features` `(batch, regions, channels)`, all batches of one size, and `picture`, the number
    that rewards go by. It logs `loss` and `reward`, the mean of what was drawn; `evaluate` that of the likeliest words.

    Reference: Rennie et al. 2017, "Self-Critical Sequence Training for Image Captioning"; Luo 2020, "A Better Variant
    of Self-Critical Sequence Training" (the others' mean).

    Args:
        captioner: As of `model.build`.
        rewards: Maps the name of a split, tokens `(captions, length)` and picture numbers to float32 `(captions,)`;
            None for a model that is not trained.
        samples: Captions drawn of each picture, at least 2.
        length: Most words.
    """

    def __init__(
        self,
        captioner: keras.Model,
        rewards: Callable | None = None,
        samples: int = 5,
        length: int = 24,
        name: str = "self_critical",
        **kwargs: Any,
    ) -> None:
        if samples < 2:
            raise ValueError(f"`samples` must be at least 2. Received: samples={samples}")
        super().__init__(captioner.inputs, captioner.outputs, name=name, **kwargs)
        self.captioner, self.rewards, self.samples, self.length = captioner, rewards, samples, length
        self.seed_generator = keras.random.SeedGenerator()
        self.mean_reward = keras.metrics.Mean(name="reward")

    def get_config(self) -> dict[str, Any]:
        captioner = keras.saving.serialize_keras_object(self.captioner)
        return {"captioner": captioner, "samples": self.samples, "length": self.length, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> "SelfCritical":
        captioner = keras.saving.deserialize_keras_object(config["captioner"], custom_objects)
        return cls(**{**config, "captioner": captioner})

    def train_step(self, batch: Any) -> dict[str, Any]:
        import tensorflow as tf

        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        features, picture = (tf.repeat(inputs[name], self.samples, axis=0) for name in ("features", "picture"))
        tokens = self._write(inputs["features"], 1.0)
        reward = self._rewarded("train", tokens, picture)
        groups = tf.reshape(reward, (-1, self.samples))
        others = (tf.reduce_sum(groups, 1, keepdims=True) - groups) / (self.samples - 1)
        advantage = tf.reshape(groups - others, (-1, 1))
        written = variety.written(tokens)
        longest = tf.cast(tf.reduce_max(tf.reduce_sum(written, 1)), tf.int32)
        tokens, written = tokens[:, :longest], written[:, :longest]
        before = tf.concat([tf.fill((tf.shape(tokens)[0], 1), data.START), tokens[:, :-1]], axis=1)
        with tf.GradientTape() as tape:
            logits = self.captioner({"features": features, "token_ids": before}, training=False)
            scores = generation.log_probabilities(model.allowed(logits, tf.range(longest)[:, None]), tokens)
            loss = -tf.reduce_sum(advantage * scores * written) / tf.reduce_sum(written)
            scaled = self.optimizer.scale_loss(loss)
        self.optimizer.apply(tape.gradient(scaled, self.trainable_variables), self.trainable_variables)
        self._loss_tracker.update_state(loss)
        self.mean_reward.update_state(reward)
        return self.get_metrics_result()

    def test_step(self, batch: Any) -> dict[str, Any]:
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        tokens = self._write(inputs["features"], 0.0)
        self.mean_reward.update_state(self._rewarded("validation", tokens, inputs["picture"]))
        return {"reward": self.mean_reward.result()}

    def _rewarded(self, split, tokens, picture):
        import tensorflow as tf

        rewards: Any = self.rewards
        reward = tf.numpy_function(lambda *values: rewards(split, *values), [tokens, picture], tf.float32)
        return tf.ensure_shape(reward, tokens.shape[:1])

    def _write(self, features, temperature):
        """Draws captions, or for a temperature of 0 takes the likeliest words; tokens `(captions, length)`."""
        import tensorflow as tf

        count = self.samples if temperature else 1
        seeds = keras.random.randint((tf.shape(features)[0] * count,), 0, 2**31 - 1, seed=self.seed_generator)

        @tf.function(jit_compile=True)
        def write(features, seeds):
            seen = self.captioner.get_layer("front")(features, training=False)
            net = model.decoder(self.captioner, tf.repeat(seen, count, axis=0))
            places = tf.fill((tf.shape(seeds)[0], self.length), generation.FREE)
            options = {"temperature": temperature, "stop": data.STOP, "start": data.START}
            return generation.fill(net, places, seeds=seeds, **options)[0]

        return write(features, seeds)


class Rewards:
    """CIDEr-D of captions as token ids, with its stop token as a word, so that endings count, too.

    Args:
        encoded: `data.Encoded` by split.
    """

    def __init__(self, encoded: Mapping[str, data.Encoded]) -> None:
        self.scorers, self.numbers = {}, {}
        for split, each in encoded.items():
            captions = {}
            for picture, begin, end in zip(each.pictures.tolist(), each.starts, each.starts[1:], strict=False):
                captions.setdefault(picture, []).append(each.tokens[begin + 1 : end].tolist())
            self.numbers[split] = {picture: number for number, picture in enumerate(captions)}
            self.scorers[split] = text_metrics.CiderScorer(list(captions.values()))

    def __call__(self, split: str, tokens: np.ndarray, pictures: np.ndarray) -> np.ndarray:
        scorer, numbers = self.scorers[split], self.numbers[split]
        rows = zip(tokens.tolist(), pictures.tolist(), strict=True)
        return np.array([scorer(_ended(row), numbers[picture]) for row, picture in rows], np.float32)


def _ended(tokens):
    """Tokens up to the first stop token and with it."""
    return tokens[: tokens.index(data.STOP) + 1] if data.STOP in tokens else tokens


def fit(
    config: Config,
    run: training.Run,
    encoded: Mapping[str, data.Encoded],
    values: np.ndarray,
    mirrored: np.ndarray | None,
    start: keras.Model,
    resume: bool,
) -> keras.Model:
    """Trains the captioner `start`, a float32 one, and keeps the epoch of the highest reward on validation pictures."""
    rewards = Rewards(encoded)
    pictures = {split: np.unique(each.pictures) for split, each in encoded.items()}
    size = min(config.batch_size, len(pictures["train"]))
    order = batching.shuffled(len(pictures["train"]), size, seed=config.seed, drop_remainder=True)
    steps = config.epochs * len(order(0))  # type: ignore[operator]

    def build():
        captioner = model.build(config, values.shape[1:], start.output_shape[-1])
        captioner.set_weights(start.get_weights())
        net = SelfCritical(captioner, rewards, config.samples, config.max_words)
        net.compile(model.optimizer(config, steps))
        return net

    return training.fit(
        build,
        batching.Batches(order, _loader(pictures["train"], data.taker(values, mirrored, config.seed))),
        run,
        # Rewards are worked out in Python, which XLA cannot compile.
        dataclasses.replace(config, monitor="val_reward", mode="max", jit="off"),
        validation=_dataset(pictures["validation"], values, config.batch_size),
        resume=resume,
    )


def _loader(pictures, take):
    import tensorflow as tf

    def load(indices, *key):
        picture = tf.gather(tf.constant(pictures), indices)
        return {"features": take(picture, *key), "picture": picture}

    return load


def _dataset(pictures, values, batch_size):
    import tensorflow as tf

    return tf.data.Dataset.range(len(pictures)).batch(batch_size).map(_loader(pictures, data.taker(values))).prefetch(2)
