"""Training of a generator against a discriminator."""

from typing import Any

import keras
from keras import ops

from kerasmlsp.models._checks import check_rates, check_sizes
from kerasmlsp.models._training import train_step


@keras.saving.register_keras_serializable("kerasmlsp")
class GAN(keras.Model):
    """A generator that is trained against a discriminator by the non-saturating logistic loss.

    With `D` the discriminator's logit, `x` real images and `y` generated ones, the discriminator minimises
    `softplus(-D(x)) + softplus(D(y)) + r1 / 2 * |dD(x) / dx|^2`, the generator `softplus(-D(y))`. A step trains first
    the discriminator, then the generator, each on noise of its own.

    Called on images, it gives the discriminator's logits. Images come from `averaged_generator`, whose weights are the
    moving average of the generator's.

    `fit` takes real images, or dicts of "image" and "label" where both nets have an input "label"; a generated image
    has the label of the real one in its place. It logs `discriminator_loss` (without penalty), `generator_loss`,
    `real_accuracy` and `fake_accuracy` (shares that the discriminator gets right while training), and as `loss` the sum
    of both losses. Both accuracies at 1 mean that the generator learns little more.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Goodfellow et al. 2014, "Generative
    Adversarial Nets"; Mescheder, Geiger and Nowozin 2018, "Which Training Methods for GANs do actually Converge?" (R1);
    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training".

    Args:
        generator: Model from noise `(batch, latent_dim)`, or a dict of it as "latent" and of "label", to images.
        discriminator: Model from images, or a dict of "image" and "label", to logits `(batch, 1)`.
        r1: Weight of the gradient penalty, at least 0.
        discriminator_steps: Steps of the discriminator, all on the same real images, to one of the generator.
        ema_momentum: Momentum of the average, in `[0, 1)`; smaller during the first steps.
        augmentation: Differentiable layer that changes real and generated images alike before the discriminator sees
            them while training, or None.
        seed: Seed of the noise; None for one that follows from `keras.utils.set_random_seed`.
        name: Name of the model.

    Raises:
        ValueError: A number is out of range, or only one of both nets knows of labels.

    Example:
        >>> from kerasmlsp.models import dcgan_discriminator, dcgan_generator
        >>> generator = dcgan_generator(8, 8, 1, latent_dim=5, num_blocks=1, filters=4)
        >>> model = GAN(generator, dcgan_discriminator(8, 8, 1, num_blocks=1, filters=4))
        >>> model.averaged_generator.input_shape, model.input_shape, model.output_shape
        ((None, 5), (None, 8, 8, 1), (None, 1))
    """

    CONDITION = "label"
    """What an image is given, beside the noise."""

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        r1: float = 0.0,
        discriminator_steps: int = 1,
        ema_momentum: float = 0.999,
        augmentation: keras.layers.Layer | None = None,
        seed: int | None = None,
        name: str = "gan",
        **kwargs: Any,
    ):
        check_sizes(discriminator_steps=discriminator_steps)
        check_rates(ema_momentum=ema_momentum)
        if r1 < 0:
            raise ValueError(f"`r1` must be at least 0. Received: r1={r1}")
        latent_dim = self._latent_dim(generator, discriminator)
        inputs = keras.tree.map_structure(_like, discriminator.input)
        logits = keras.layers.Identity(dtype="float32", name="logits")(discriminator(inputs))
        super().__init__(inputs, logits, name=name, **kwargs)
        self.generator, self.discriminator, self.augmentation = generator, discriminator, augmentation
        self.r1, self.discriminator_steps, self.ema_momentum = r1, discriminator_steps, ema_momentum
        self.seed, self.seed_generator = seed, keras.random.SeedGenerator(seed)
        self.averaged_generator = type(generator).from_config({**generator.get_config(), "name": "averaged_generator"})
        self.averaged_generator.set_weights(generator.get_weights())
        self.averaged_generator.trainable = False
        self.latent_dim = latent_dim
        self.means = [keras.metrics.Mean(name=each) for each in self._logged()]

    @staticmethod
    def _latent_dim(generator, discriminator):
        """Size of the noise; refuses nets of which only one knows of labels."""
        labelled = [isinstance(net.input, dict) for net in (generator, discriminator)]
        if labelled[0] != labelled[1]:
            raise ValueError(
                "`generator` and `discriminator` must both have an input named label, or neither. "
                f"Received: inputs {generator.input} and {discriminator.input}"
            )
        return (generator.input["latent"] if labelled[0] else generator.input).shape[-1]

    def compile(self, generator_optimizer, discriminator_optimizer, **options):
        """Prepares the training.

        Args:
            generator_optimizer: Optimizer of the generator, which is `optimizer` too.
            discriminator_optimizer: Optimizer of the discriminator.
            **options: Such as `jit_compile` and `steps_per_execution` of `keras.Model.compile`.

        Raises:
            ValueError: Keras's backend is neither TensorFlow nor JAX.
        """
        if keras.backend.backend() not in ("tensorflow", "jax"):
            raise ValueError(f"A GAN trains on TensorFlow and JAX only. Received: backend={keras.backend.backend()!r}")
        super().compile(optimizer=generator_optimizer, **options)
        self.discriminator_optimizer = keras.optimizers.get(discriminator_optimizer)
        self.optimizer.build(self.generator.trainable_variables)
        self.discriminator_optimizer.build(self.discriminator.trainable_variables)
        if keras.backend.backend() == "jax":
            # The trainer carries the state of one optimizer, and of the model.
            self.discriminator_optimizer_variables = self.discriminator_optimizer.variables

    def train_step(self, *arguments):
        return train_step(self, self._train, arguments)

    def _train(self, data):
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        image, label = (inputs["image"], inputs[self.CONDITION]) if isinstance(inputs, dict) else (inputs, None)
        image = ops.cast(image, "float32")
        for _ in range(self.discriminator_steps):
            logs = self._step(
                lambda: self._discriminator_loss(image, label), self.discriminator, self.discriminator_optimizer
            )
        logs |= self._step(lambda: self._generator_loss(image, label), self.generator, self.optimizer)
        logs["loss"] = logs["discriminator_loss"] + logs["generator_loss"]
        for mean in self.means:
            mean.update_state(logs[mean.name])
        self._loss_tracker.update_state(logs["loss"])
        self._average()
        return self.get_metrics_result()

    def _step(self, function, net, optimizer):
        """One step of one net; returns what is logged."""
        variables = net.trainable_variables
        logs, gradients = _differentiated(function, self.variables, variables, optimizer.scale_loss)
        optimizer.apply(gradients, variables)
        return logs

    def _logged(self):
        return "discriminator_loss", "generator_loss", "real_accuracy", "fake_accuracy"

    def _discriminator_loss(self, image, label):
        """The loss to minimise, and what is logged: one value for each image."""
        real, fake = self._augmented(image), self._augmented(ops.stop_gradient(self._generated(image, label)))
        if self.r1:
            real_logits, slope = self._sloped(real, label)
        else:
            real_logits, slope = self._judged(real, label), ops.zeros_like(real[:1])
        fake_logits = self._judged(fake, label)
        losses = ops.softplus(-real_logits) + ops.softplus(fake_logits)
        penalty = self.r1 / 2 * ops.sum(ops.square(slope), axis=(1, 2, 3))
        return ops.mean(losses) + ops.mean(penalty), {
            "discriminator_loss": losses,
            "real_accuracy": ops.cast(real_logits > 0, "float32"),
            "fake_accuracy": ops.cast(fake_logits < 0, "float32"),
        }

    def _generator_loss(self, image, label):
        losses = ops.softplus(-self._judged(self._augmented(self._generated(image, label)), label))
        return ops.mean(losses), {"generator_loss": losses}

    def _generated(self, image, label):
        noise = keras.random.normal((ops.shape(image)[0], self.latent_dim), seed=self.seed_generator)
        return self.generator(noise if label is None else {"label": label, "latent": noise}, training=True)

    def _augmented(self, image):
        return image if self.augmentation is None else self.augmentation(image, training=True)

    def _judged(self, image, label):
        return self.discriminator(image if label is None else {"image": image, "label": label}, training=True)[:, 0]

    def _sloped(self, image, label):
        """Logits, and the gradient of each by its image."""

        def judged(image):
            logits = self._judged(image, label)
            return ops.sum(logits), logits

        logits, (slope,) = _differentiated(judged, self.variables, tensors=[image])
        return logits, slope

    def _average(self):
        done = ops.cast(self.optimizer.iterations, "float32")
        # The first weights are noise: they leave the average as fast as it can.
        momentum = ops.minimum(self.ema_momentum, (1.0 + done) / (10.0 + done))
        for average, now in zip(self.averaged_generator.weights, self.generator.weights, strict=True):
            average.assign(momentum * average + (1.0 - momentum) * now if now.trainable else now)

    def get_config(self):
        nets = {name: getattr(self, name) for name in ("generator", "discriminator", "augmentation")}
        return {
            **{name: keras.saving.serialize_keras_object(net) for name, net in nets.items()},
            "r1": self.r1,
            "discriminator_steps": self.discriminator_steps,
            "ema_momentum": self.ema_momentum,
            "seed": self.seed,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        nets = {name: config[name] for name in ("generator", "discriminator", "augmentation")}
        nets = {name: keras.saving.deserialize_keras_object(net, custom_objects) for name, net in nets.items()}
        return cls(**{**config, **nets})

    def get_compile_config(self):
        if not self.compiled:
            return {}
        return {
            "generator_optimizer": keras.saving.serialize_keras_object(self.optimizer),
            "discriminator_optimizer": keras.saving.serialize_keras_object(self.discriminator_optimizer),
            "jit_compile": self.jit_compile,
        }

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def save_own_variables(self, store):
        """Saves nothing: all variables are those of the nets, the noise and the optimizers."""

    def load_own_variables(self, store):
        """Loads nothing, as `save_own_variables` saves nothing."""


@keras.saving.register_keras_serializable("kerasmlsp")
class WassersteinGAN(GAN):
    """A generator that is trained against a critic by the Wasserstein distance, with gradient penalty.

    With `D` the critic, `x` real images, `y` generated ones and `z` a random point between the two, the critic
    minimises `D(y) - D(x) + penalty * (|dD(z) / dz| - 1)^2`, the generator `-D(y)`. A critic with batch normalisation
    has no gradient for each image by itself.

    `fit` takes what that of `GAN` takes. It logs `discriminator_loss` (without penalty; its negative estimates the
    distance), `generator_loss`, `gradient_norm` (near 1 where the penalty holds) and `ranking_accuracy`, the share of
    real images that the critic places above the generated one beside it.

    Reference: Hota, BITS F464 (2024), "Generative Adversarial Network (GAN)"; Gulrajani et al. 2017, "Improved Training
    of Wasserstein GANs".

    Args:
        generator: As of `GAN`.
        discriminator: The critic: as of `GAN`.
        penalty: Weight of the gradient penalty, at least 0.
        discriminator_steps: Steps of the critic, all on the same real images, to one of the generator.
        name: Name of the model.
        **kwargs: `ema_momentum`, `augmentation` and `seed` of `GAN`.

    Raises:
        ValueError: A number is out of range, or only one of both nets knows of labels.

    Example:
        >>> from kerasmlsp.models import dcgan_discriminator, dcgan_generator
        >>> generator = dcgan_generator(8, 8, 1, num_blocks=1, filters=4)
        >>> critic = dcgan_discriminator(8, 8, 1, num_blocks=1, filters=4, batch_norm=False)
        >>> [mean.name for mean in WassersteinGAN(generator, critic).means]
        ['discriminator_loss', 'generator_loss', 'gradient_norm', 'ranking_accuracy']
    """

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        *,
        penalty: float = 10.0,
        discriminator_steps: int = 5,
        name: str = "wasserstein_gan",
        **kwargs: Any,
    ):
        if penalty < 0:
            raise ValueError(f"`penalty` must be at least 0. Received: penalty={penalty}")
        super().__init__(generator, discriminator, discriminator_steps=discriminator_steps, name=name, **kwargs)
        self.penalty = penalty

    def _logged(self):
        return "discriminator_loss", "generator_loss", "gradient_norm", "ranking_accuracy"

    def _discriminator_loss(self, image, label):
        real, fake = self._augmented(image), self._augmented(ops.stop_gradient(self._generated(image, label)))
        share = keras.random.uniform((ops.shape(image)[0], 1, 1, 1), seed=self.seed_generator)
        _, slope = self._sloped(real + share * (fake - real), label)
        # Not 0, where the root has no slope.
        norms = ops.sqrt(ops.sum(ops.square(slope), axis=(1, 2, 3)) + 1e-12)
        real_logits, fake_logits = self._judged(real, label), self._judged(fake, label)
        losses = fake_logits - real_logits
        return ops.mean(losses + self.penalty * ops.square(norms - 1.0)), {
            "discriminator_loss": losses,
            "gradient_norm": norms,
            "ranking_accuracy": ops.cast(losses < 0, "float32"),
        }

    def _generator_loss(self, image, label):
        losses = -self._judged(self._augmented(self._generated(image, label)), label)
        return ops.mean(losses), {"generator_loss": losses}

    def get_config(self):
        config = super().get_config()
        del config["r1"]
        return {**config, "penalty": self.penalty}


def _like(tensor):
    return keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)


def _differentiated(function, carried, variables=(), scaled=lambda loss: loss, tensors=()):
    """Runs `function(*tensors)`, which gives a scalar and more; returns what is more, and the scalar's gradients.

    Args:
        function: May read and change the variables `carried`.
        carried: Variables.
        variables: Those of them to derive by.
        scaled: Scales the scalar first.
        tensors: Tensors to derive by.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            loss, more = function(*tensors)
            loss = scaled(loss)
        return more, tape.gradient(loss, [*variables, *tensors])
    import jax

    def pure(values, tensors):
        # Changes inside a function that is derived must come out as its results.
        pairs = [*((each, each.value) for each in carried), *zip(variables, values, strict=True)]
        with keras.StatelessScope(state_mapping=pairs) as scope:
            loss, more = function(*tensors)
            loss = scaled(loss)
        return loss, (more, [scope.get_current_value(each) for each in carried])

    values = [each.value for each in variables]
    gradients, (more, after) = jax.grad(pure, argnums=(0, 1), has_aux=True)(values, list(tensors))
    for each, value in zip(carried, after, strict=True):
        each.assign(value)
    return more, [*gradients[0], *gradients[1]]
