"""Trains the LeNet on whose features the gan application measures distances, and exports it.

    python -m benchmarks.gan_features --data fashion_mnist --run runs/lenet --models saved_models

Fashion-MNIST's 60,000 training images; the test images only measure its accuracy. A run that is there already is taken
up where it was stopped. The command prints accuracy, and on 10,000 images each the Frechet distance of training to test
images (the floor), of 1,000 training images ten times over, and of a mixture of Gaussians.
"""

import argparse
import os
from pathlib import Path

import numpy as np

CARD = {
    "title": "LeNet-5 features of small grey images",
    "description": "The 84 units before the classes of a LeNet-5, without their tanh, to measure how far sets of "
    "images are apart.",
    "data": "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017): the 60,000 training images.",
    "licence": "The weights: Apache-2.0, as the package. Fashion-MNIST was published under the MIT licence.",
    "split": "Trained on all training images for 10 epochs, set beforehand; the 10,000 test images only measured it.",
    "limits": "Distances on these features are not those on Inception-v3: they are no FID, and can be compared only "
    "with each other. The net knows clothes in 28x28 grey pixels; of other images it sees what clothes taught it.",
}


def control_rows(features, train, test, seed=0):
    """Frechet distances to the test images, of as many images as there are of those."""
    import numpy as np

    from kerasmlsp.metrics import distances

    size, random = len(test), np.random.default_rng(seed)
    shuffled = random.permutation(len(train))
    flat = train.pixels.reshape(len(train), -1)
    drawn = distances.gaussian_mixture_samples(flat, train.labels, size, seed=seed)
    drawn = np.clip(np.round(drawn), 0, 255).astype(np.uint8).reshape(-1, *train.pixels.shape[1:])
    sets = {
        "training images (floor)": train.pixels[shuffled[:size]],
        "1,000 training images, repeated": train.pixels[shuffled[np.arange(size) % 1000]],
        "Gaussian for each class": drawn,
    }
    reference = features(test.pixels)[0]
    return [
        {"set": name, "images": size, "frechet": distances.frechet_distance(features(each)[0], reference)}
        for name, each in sets.items()
    ]


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the four files of Fashion-MNIST")
    parser.add_argument("--run", type=Path, default=Path("runs/lenet"), help="folder of the training")
    parser.add_argument("--models", type=Path, help="folder of saved models; default: nothing is exported")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from benchmarks.ratios import markdown
    from kerasmlsp import exporting, metrics
    from kerasmlsp.apps.gan import data, features
    from kerasmlsp.apps.gan.config import Config

    found = data.read(Config(data=str(options.data)))
    trained = features.train(found.train, 10, options.run, seed=options.seed, resume=True)
    measured = features.own(trained, found.classes)
    accuracy = metrics.with_interval(metrics.accuracy, found.test.labels, measured(found.test.pixels)[1])
    rows = control_rows(measured, found.train, found.test)
    print(f"accuracy {accuracy['value']:.4f} ({accuracy['low']:.4f} to {accuracy['high']:.4f})\n\n{markdown(rows)}")
    if options.models:
        net, spec = features.with_features(trained), tf.TensorSpec([None, *trained.input_shape[1:]], tf.uint8)
        distances = {f"Frechet distance of {row['set']}": row["frechet"] for row in rows}
        card = {**CARD, "classes": found.classes, "metrics": {"accuracy on the test images": accuracy, **distances}}
        path = exporting.export(
            options.models,
            features.SHIPPED,
            {"serving_default": (lambda image: net(tf.cast(image, tf.float32), training=False), {"image": spec})},
            track=[net],
            inputs={"image": exporting.Input("Grey images.", range="0 to 255")},
            examples={"serving_default": {"image": waves(trained.input_shape[1:])}},
            card=card,
        )
        print(f"\nexported {path}")


def waves(shape):
    """Four made pictures, uint8: examples that a saved model carries must not be of its data."""
    height, width, channels = shape
    down, across, turns = np.linspace(0, 9, height), np.linspace(0, 9, width), np.arange(1, 5)
    grey = np.sin(turns[:, None] * down)[:, :, None] + np.cos(across)
    return np.repeat(np.clip(127 + 60 * grey, 0, 255).astype("uint8")[..., None], channels, axis=-1)


if __name__ == "__main__":
    main()
