"""`kerasmlsp interpret`: classes of photographs, adversarial examples beside two toolboxes, whether maps are true.

    python -m benchmarks.interpret --photos imagenet_sample
    python -m benchmarks.interpret --photos imagenet_sample --part fool --rounds 3

The photographs are named WNID_name, as the WordNet id of their class. The network is EfficientNet-Lite0 with its
weights of ImageNet (extra `imagenet`).

Parts: `classes` (top-1 and top-5), `fool` (DeepFool and FGSM beside the adversarial-robustness-toolbox, ART, and
Foolbox, which this part needs: `pip install adversarial-robustness-toolbox foolbox`), `maps` (insertion, deletion, and
rank correlation with the maps of the same network with shuffled weights). The toolboxes get the network as logits of
pixels from 0 to 1; norms are told of 255. ART is given one photograph at a time, since it differentiates by every class
that is among the likeliest of any photograph of a batch.
"""

import argparse
from pathlib import Path

PARTS = ("classes", "fool", "maps")


def read(folder):
    """Photographs, float32 `(photographs, 224, 224, 3)`, and their class numbers."""
    import numpy as np

    from kerasmlsp import imagenet
    from kerasmlsp.data import images

    numbers = {wnid: number for number, wnid in enumerate(imagenet.classes())}
    paths = images.list_images(folder)
    pictures = np.stack([images.centred(images.read_image(path), 224) for path in paths]).astype("float32")
    return pictures, np.array([numbers[path.name.partition("_")[0]] for path in paths])


def network():
    from kerasmlsp import imagenet, models

    return imagenet.load_efficientnet_lite0(models.efficientnet_lite0(1000))


def logits_of(model):
    """The network as toolboxes take it: logits of pixels from 0 to 1."""
    import keras

    images = keras.Input((224, 224, 3))
    features = keras.Model(model.inputs, model.layers[-2].output)
    last = keras.layers.Dense(1000, dtype="float32")
    whole = keras.Model(images, last(features(keras.layers.Rescaling(255.0)(images))))
    last.set_weights(model.layers[-1].get_weights())
    return whole


def classes(model, pictures, labels):
    """Rows of the shares of photographs whose class is the likeliest, and among the likeliest five."""
    import numpy as np

    from benchmarks import ratios
    from kerasmlsp import metrics

    order = np.argsort(-model.predict(pictures, verbose=0), axis=1)
    rows = []
    for top, goal in ((1, 0.89), (5, 0.98)):
        found = metrics.measured_share((order[:, :top] == labels[:, None]).any(axis=1))
        row = {"what": f"top-{top} of {len(labels)} photographs", **found, "goal": goal}
        rows.append({**row, "met": "yes" if found["value"] >= goal else "no"})
    return ratios.markdown(rows)


def fool(model, pictures, labels, rounds):
    """Rows of the norms of DeepFool's changes, and of the speed of DeepFool and FGSM, each beside its peer."""
    import foolbox
    import numpy as np
    import tensorflow as tf
    from art.attacks.evasion import DeepFool, FastGradientMethod
    from art.estimators.classification import TensorFlowV2Classifier

    from benchmarks import ratios
    from kerasmlsp import interpret

    right = model.predict(pictures, verbose=0).argmax(axis=1) == labels
    pictures, labels = pictures[right], labels[right]
    small, count, logits = pictures / 255, int(right.sum()), logits_of(model)
    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    art = TensorFlowV2Classifier(logits, 1000, (224, 224, 3), loss, clip_values=(0, 1))
    box = foolbox.TensorFlowModel(logits, bounds=(0, 1))
    attack = foolbox.attacks.L2DeepFoolAttack()
    step = FastGradientMethod(art, eps=2 / 255, batch_size=32)
    kept = {}

    def theirs_deepfool():
        found = attack(box, tf.constant(small), tf.constant(labels), epsilons=None)[0]
        kept["foolbox"] = 255 * found.numpy()

    jobs = {
        "deepfool": lambda: kept.update(ours=interpret.deepfool(model, pictures, labels)),
        "foolbox": theirs_deepfool,
        "fgsm": lambda: kept.update(fgsm=interpret.fgsm(model, pictures, epsilon=2.0)),
        "art": lambda: kept.update(art_fgsm=step.generate(small)),
        "fgsm, labels": lambda: interpret.fgsm(model, pictures, labels, epsilon=2.0),
        "art, labels": lambda: step.generate(small, labels),
    }
    for name in ("deepfool", "fgsm", "fgsm, labels"):  # compiled; the peers have nothing to compile
        jobs[name]()
    times = ratios.in_turns({name: lambda job=job: ratios.seconds(job) for name, job in jobs.items()}, rounds)
    speeds = {name: [count / each for each in values] for name, values in times.items()}
    print("images/s:", {name: [round(each, 2) for each in values] for name, values in speeds.items()}, flush=True)
    one = DeepFool(art, max_iter=50, nb_grads=10, batch_size=1, verbose=False)
    kept["art"] = 255 * np.concatenate([one.generate(each[None]) for each in small])
    norms = {}
    for name in ("ours", "art", "foolbox"):
        found = interpret.outcome(model, pictures, np.clip(kept[name], 0, 255), labels)
        norms[name] = found.l2
        print(f"DeepFool, {name}: {int(found.fooled.sum())} of {count} fooled, mean L2 {found.l2.mean():.2f} of 255")
    for name in ("fgsm", "art_fgsm"):
        scale = 255 if name == "art_fgsm" else 1
        found = interpret.outcome(model, pictures, np.clip(scale * kept[name], 0, 255), labels)
        print(f"FGSM of 2, {name}: {int(found.fooled.sum())} of {count} fooled")
    mean = {name: [float(each.mean())] for name, each in norms.items()}
    return ratios.table(
        [
            ratios.compare("DeepFool, mean L2, and ART", mean["ours"], mean["art"], "<= 1.02"),
            ratios.compare("DeepFool, mean L2, and Foolbox", mean["ours"], mean["foolbox"]),
            ratios.compare("DeepFool, images/s, and Foolbox", speeds["deepfool"], speeds["foolbox"], ">= 5"),
            ratios.compare("FGSM, images/s, and ART", speeds["fgsm"], speeds["art"], ">= 1.5"),
            ratios.compare("FGSM with given labels, images/s, and ART", speeds["fgsm, labels"], speeds["art, labels"]),
        ]
    )


def maps(model, pictures, labels):
    """Rows of what every method's maps are worth."""
    from benchmarks import ratios
    from kerasmlsp import imagenet
    from kerasmlsp.apps.interpret.looking import Subject, judged

    names = list(imagenet.classes().values())
    found = judged(Subject(model, names, central=True), pictures, labels, seed=0)
    return ratios.markdown(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="folder of photographs named WNID_name")
    parser.add_argument("--part", choices=PARTS, help="default all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    (pictures, labels), model = read(options.photos), network()
    if options.part in (None, "classes"):
        print(classes(model, pictures, labels), "\n")
    if options.part in (None, "fool"):
        print(fool(model, pictures, labels, options.rounds), "\n")
    if options.part in (None, "maps"):
        print(maps(model, pictures, labels), "\n")


if __name__ == "__main__":
    main()
