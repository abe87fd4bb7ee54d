"""Adversarial training against its formulas, and exact resume."""

import keras
import numpy as np
import pytest
from backends import XLA

from kerasmlsp import models, training
from kerasmlsp.data import batching
from kerasmlsp.models.gan import GAN, WassersteinGAN
from kerasmlsp.models.pix2pix import Pix2Pix

REAL = np.linspace(-1, 1, 8 * 6).reshape(8, 2, 3, 1).astype("float32")
KERNEL = np.array([0.5, -1.0, 0.25, 0.75, -0.5, 1.5], "float32")
FAKE = np.full((8, 2, 3, 1), np.tanh(0.3), "float32")


def numpy(value):
    return keras.ops.convert_to_numpy(value)


def softplus(value):
    return np.log1p(np.exp(value))


def linear(kind, **options):
    """A GAN whose discriminator is linear, and whose generator always draws the same image."""
    latent = keras.Input((3,), name="latent")
    flat = keras.layers.Dense(6, "tanh", kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.3))
    image = keras.Input((2, 3, 1), name="image")
    generator = keras.Model(latent, keras.layers.Reshape((2, 3, 1))(flat(latent)), name="generator")
    dense = keras.layers.Dense(1, use_bias=False)
    discriminator = keras.Model(image, dense(keras.layers.Flatten()(image)), name="discriminator")
    dense.kernel.assign(KERNEL[:, None])
    return kind(generator, discriminator, seed=3, **options)


def stepped(model, rate=0.0):
    """What one step with plain gradient descent logs."""
    model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(rate), jit_compile=XLA)
    return {name: values[0] for name, values in model.fit(REAL, batch_size=8, verbose=0).history.items()}


def kernel(model):
    return numpy(model.discriminator.trainable_variables[0])[:, 0]


def test_the_logistic_losses_are_their_formulas():
    real, fake = REAL.reshape(8, 6) @ KERNEL, FAKE.reshape(8, 6) @ KERNEL
    logs = stepped(linear(GAN))
    expected = {
        "discriminator_loss": np.mean(softplus(-real) + softplus(fake)),
        "generator_loss": np.mean(softplus(-fake)),
        "real_accuracy": np.mean(real > 0),
        "fake_accuracy": np.mean(fake < 0),
    }
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert logs["loss"] == pytest.approx(logs["discriminator_loss"] + logs["generator_loss"], rel=1e-5)


def test_a_step_follows_the_gradient_of_loss_and_penalty():
    real, fake = REAL.reshape(8, 6), FAKE.reshape(8, 6)
    down, up = 1 / (1 + np.exp(real @ KERNEL)), 1 / (1 + np.exp(-fake @ KERNEL))
    slope = (fake * up[:, None] - real * down[:, None]).mean(0)
    for r1 in (0.0, 0.7):
        model = linear(GAN, r1=r1)
        stepped(model, rate=0.1)
        # The gradient of r1 / 2 |w|^2 is r1 w.
        np.testing.assert_allclose(kernel(model), KERNEL - 0.1 * (slope + r1 * KERNEL), rtol=1e-4)


def test_the_critic_follows_the_distance_and_its_penalty():
    real, fake = REAL.reshape(8, 6), FAKE.reshape(8, 6)
    length = np.linalg.norm(KERNEL)
    slope = (fake - real).mean(0) + 10 * 2 * (length - 1) * KERNEL / length
    model = linear(WassersteinGAN, discriminator_steps=1)
    logs = stepped(model, rate=0.01)
    np.testing.assert_allclose(kernel(model), KERNEL - 0.01 * slope, rtol=1e-4)
    assert logs["gradient_norm"] == pytest.approx(length, rel=1e-5)
    assert logs["discriminator_loss"] == pytest.approx(np.mean(fake @ KERNEL - real @ KERNEL), rel=1e-5)
    assert logs["ranking_accuracy"] == np.mean(real @ KERNEL > fake @ KERNEL)


def test_the_generator_climbs_to_where_the_discriminator_says_real():
    model = linear(GAN)
    model.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.0), jit_compile=XLA)
    losses = model.fit(REAL, batch_size=8, epochs=3, verbose=0).history["generator_loss"]
    assert losses[0] > losses[1] > losses[2]
    np.testing.assert_array_equal(kernel(model), KERNEL)


def test_the_average_follows_the_generator():
    model = linear(GAN)
    bias = model.generator.trainable_variables[1]
    before = numpy(bias)
    np.testing.assert_array_equal(numpy(model.averaged_generator.weights[1]), before)
    stepped(model, rate=0.5)
    momentum = 2 / 11
    expected = momentum * before + (1 - momentum) * numpy(bias)
    np.testing.assert_allclose(numpy(model.averaged_generator.weights[1]), expected, rtol=1e-5)
    assert not np.allclose(expected, before)


def test_augmentation_meets_real_and_generated_images():
    logs = stepped(linear(GAN, augmentation=keras.layers.Rescaling(0.0)))
    assert logs["discriminator_loss"] == pytest.approx(2 * np.log(2), rel=1e-5)
    assert logs["generator_loss"] == pytest.approx(np.log(2), rel=1e-5)


def test_the_discriminator_takes_as_many_steps_as_asked():
    model = linear(GAN, discriminator_steps=3)
    stepped(model)
    assert int(model.optimizer.iterations) == 1 and int(model.discriminator_optimizer.iterations) == 3


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (GAN, {"r1": -1.0}, "`r1` must be at least 0. Received: r1=-1.0"),
        (GAN, {"ema_momentum": 1.0}, r"`ema_momentum` must be in \[0, 1\). Received: ema_momentum=1.0"),
        (GAN, {"discriminator_steps": 0}, "`discriminator_steps` must be at least 1. Received: discriminator_steps=0"),
        (WassersteinGAN, {"penalty": -1.0}, "`penalty` must be at least 0. Received: penalty=-1.0"),
    ],
)
def test_values_out_of_range_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        linear(kind, **options)


def test_both_nets_know_of_labels_or_neither():
    with pytest.raises(ValueError, match="must both have an input named label, or neither"):
        GAN(models.dcgan_generator(4, 4, 1), models.conditional_dcgan_discriminator(4, 4, 1, 2))


def test_spectral_normalisation_bounds_every_kernel():
    model = models.dcgan_discriminator(8, 8, 1, filters=4, batch_norm=False, power_iterations=3)
    for _ in range(10):
        model(np.zeros((2, 8, 8, 1), "float32"), training=True)
    kernels = [numpy(weight) for weight in model.trainable_weights if weight.name == "kernel"]
    for each in kernels:
        assert np.linalg.norm(each.reshape(-1, each.shape[-1]), 2) == pytest.approx(1, abs=0.05)
    assert len(kernels) == 3


def test_the_usual_sizes_of_images():
    for size, channels, blocks in ((28, 1, 2), (32, 3, 3)):
        generator = models.dcgan_generator(size, size, channels, num_blocks=blocks, filters=2)
        images = numpy(generator(np.random.default_rng(0).normal(size=(2, 64))))
        assert images.shape == (2, size, size, channels) and np.abs(images).max() <= 1
        assert models.dcgan_discriminator(size, size, channels, num_blocks=blocks, filters=2)(images).shape == (2, 1)


def conditional():
    """A compiled conditional Wasserstein GAN with all that has a state."""
    sizes = {"num_blocks": 1, "filters": 2}
    model = WassersteinGAN(
        models.conditional_dcgan_generator(4, 4, 1, 2, latent_dim=3, **sizes),
        models.conditional_dcgan_discriminator(4, 4, 1, 2, batch_norm=False, dropout=0.2, **sizes),
        discriminator_steps=2,
        augmentation=keras.layers.RandomTranslation(0.2, 0.2, seed=1),
    )
    # Eager, as compiling takes longer than the few steps here; the table of cases compiles.
    eager = keras.backend.backend() == "tensorflow"
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.02), run_eagerly=eager)
    return model


def labelled():
    return {"image": np.random.default_rng(0).normal(size=(8, 4, 4, 1)).astype("float32"), "label": np.arange(8) % 2}


def state(model, *, random=True):
    """All that a training goes on from; Keras keeps no random states in its files."""
    optimizers = model.optimizer, model.discriminator_optimizer
    mine = model.variables if random else model.weights
    return [numpy(variable) for variable in [*mine, *(v for each in optimizers for v in each.variables)]]


def assert_same(one, other):
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_file_brings_back_both_nets_and_both_optimizers(tmp_path):
    keras.utils.set_random_seed(0)
    model = conditional()
    model.fit(labelled(), batch_size=4, verbose=0)
    model.save(tmp_path / "gan.keras")
    copy = keras.saving.load_model(tmp_path / "gan.keras")
    assert_same(state(copy, random=False), state(model, random=False))
    assert (copy.penalty, copy.discriminator_steps) == (10.0, 2)
    assert [type(each) for each in (copy.optimizer, copy.discriminator_optimizer)] == [
        keras.optimizers.Adam,
        keras.optimizers.RMSprop,
    ]
    assert isinstance(copy.augmentation, keras.layers.RandomTranslation)
    images = numpy(copy.averaged_generator({"label": np.arange(2), "latent": np.ones((2, 3))}))
    np.testing.assert_array_equal(
        images, numpy(model.averaged_generator({"label": np.arange(2), "latent": np.ones((2, 3))}))
    )


def test_a_resumed_run_ends_as_one_never_stopped(tmp_path):
    tf = pytest.importorskip("tensorflow")
    data = labelled()

    def load(indices, key):
        return ({name: tf.gather(values, indices) for name, values in data.items()},)

    batches = batching.Batches(batching.shuffled(8, 8), load)
    whole = training.fit(conditional, batches, run=tmp_path / "whole", epochs=2)
    training.fit(conditional, batches, run=tmp_path / "broken", epochs=1)
    assert_same(state(training.fit(conditional, batches, run=tmp_path / "broken", epochs=2, resume=True)), state(whole))


@pytest.mark.parametrize(("kind", "options", "rate"), [(GAN, {"r1": 0.5}, 0.02), (WassersteinGAN, {}, 0.01)])
def test_the_generator_learns_the_mean_of_the_images(kind, options, rate):
    # A linear discriminator sees no more than the mean, and without a penalty goes round it in circles.
    model = linear(kind, ema_momentum=0.9, **options)
    real = np.clip(REAL * 0.2 - 0.5, -1, 1)
    model.compile(keras.optimizers.Adam(rate, beta_1=0.5), keras.optimizers.Adam(0.1, beta_1=0.5), jit_compile=XLA)
    model.fit(np.tile(real, (150, 1, 1, 1)), batch_size=8, shuffle=False, verbose=0)
    drawn = numpy(model.averaged_generator(np.zeros((1, 3), "float32")))[0]
    assert np.abs(drawn - real.mean(0)).max() < 0.2 < np.abs(FAKE[0] - real.mean(0)).min()


def translator(weight, rate=0.0):
    """One step of a Pix2Pix whose nets are linear, with plain gradient descent; returns the model and what it logs."""
    source = keras.Input((2, 3, 2), name="source")
    layer = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(0.2))
    generator = keras.Model(source, layer(source), name="generator")
    inputs = {"image": keras.Input((2, 3, 1), name="image"), "source": keras.Input((2, 3, 2), name="source")}
    both = keras.layers.Concatenate()(list(inputs.values()))
    patches = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(0.5))
    model = Pix2Pix(generator, keras.Model(inputs, patches(both), name="discriminator"), weight=weight)
    model.compile(keras.optimizers.SGD(rate), keras.optimizers.SGD(0.0), jit_compile=XLA)
    source = np.concatenate([REAL > 0, REAL < -0.5], -1).astype("float32")
    logs = model.fit({"image": REAL, "source": source}, batch_size=8, verbose=0).history
    return model, source, {name: values[0] for name, values in logs.items()}


def test_the_loss_of_translations_is_its_formula():
    """The patches' logits are half of the sum of image and source; the difference counts by its weight."""
    model, source, logs = translator(10.0)
    total = source.sum(-1, keepdims=True)
    drawn = 0.2 * total
    real, fake = 0.5 * (REAL + total), 0.5 * (drawn + total)
    expected = {
        "discriminator_loss": np.mean(softplus(-real) + softplus(fake)),
        "generator_loss": np.mean(softplus(-fake)),
        "l1": np.abs(drawn - REAL).mean(),
        "real_accuracy": np.mean(real > 0),
        "fake_accuracy": np.mean(fake < 0),
    }
    assert {name: logs[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert numpy(model({"image": REAL, "source": source})) == pytest.approx(real, rel=1e-5)


def test_a_step_of_a_translator_follows_both_losses():
    before, source, _ = translator(10.0)
    after, _, _ = translator(10.0, rate=0.1)
    old, new = (numpy(each.generator.trainable_variables[0]).ravel() for each in (before, after))
    drawn = 0.2 * source.sum(-1, keepdims=True)
    fake = 0.5 * (drawn + source.sum(-1, keepdims=True))
    slope = -0.5 / (1 + np.exp(fake)) + 10 * np.sign(drawn - REAL)
    # Of each channel of the source, over all pixels.
    gradient = (slope * source).mean(axis=(0, 1, 2))
    np.testing.assert_allclose(new, old - 0.1 * gradient, atol=1e-5)


def test_a_translator_wants_a_source_and_a_weight():
    with pytest.raises(ValueError, match=r"`weight` must be at least 0\. Received: weight=-1"):
        models.pix2pix(8, 8, 2, 1, filters=2, num_halvings=2, weight=-1)
    discriminator = models.dcgan_discriminator(8, 8, 1, num_blocks=1, filters=2)
    with pytest.raises(ValueError, match="`generator` must take a source"):
        Pix2Pix(models.pix2pix_generator(8, 8, 2, 1, filters=(2, 2)), discriminator)
    with pytest.raises(ValueError, match="`filters` must be two numbers or more of at least 1"):
        models.pix2pix_generator(8, 8, 2, 1, filters=(2,))
