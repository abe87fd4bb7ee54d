"""`kerasmlsp interpret`: classes of photographs, adversarial examples beside two toolboxes, whether maps are true.

    python -m benchmarks.interpret --photos imagenet_sample
    python -m benchmarks.interpret --photos imagenet_sample --part speed --count 4 --rounds 3

The photographs are named WNID_name, as the WordNet id of their class. The network is EfficientNet-Lite0 with its
weights of ImageNet (extra `imagenet`).

Parts: `classes` (top-1 and top-5); `norms` (of DeepFool's changes) beside the adversarial-robustness-toolbox, ART, and
`speed` (of DeepFool and FGSM) beside Foolbox and ART, which these two need: `pip install
adversarial-robustness-toolbox foolbox`; `maps` (insertion, deletion, and rank correlation with the maps of the same
network with shuffled weights). The toolboxes get the network as logits of pixels from 0 to 1; norms are told of 255.
For `norms` it is compiled, which spares ART most of its time; for `speed` it is a Keras model, as the manuals have it.
ART's DeepFool gets a photograph's ten likeliest classes alone: left to choose ten of 1,000 (`nb_grads=10`), version
1.20.1 takes the score of the own class from the class with the number of its place among the ten. It may stay before
the boundary until its steps (`--steps`) are done, so that its change is told as it is and 2 % longer.
Photographs that the network answers wrongly are in `classes` only.
"""

import argparse
from pathlib import Path

PARTS = ("classes", "norms", "speed", "maps")
CANDIDATES = 10
"""Classes among which DeepFool seeks the nearest."""


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


def toolboxes(logits, count=1000):
    """The network with its number of classes for ART and for Foolbox."""
    import foolbox
    import tensorflow as tf
    from art.estimators.classification import TensorFlowV2Classifier

    loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    art = TensorFlowV2Classifier(logits, count, (224, 224, 3), loss, clip_values=(0, 1))
    return art, foolbox.TensorFlowModel(logits, bounds=(0, 1))


def norms(model, pictures, labels, steps):
    """Rows of the mean norms of DeepFool's changes, beside ART's; each photograph is told when it is done."""
    import numpy as np
    import tensorflow as tf
    from art.attacks.evasion import DeepFool

    from benchmarks import ratios
    from kerasmlsp import interpret

    logits, likeliest = logits_of(model), tf.Variable(tf.range(CANDIDATES))
    compiled = tf.function(lambda images: tf.gather(logits(images), likeliest, axis=1), reduce_retracing=True)
    art, _ = toolboxes(lambda images, training=False: compiled(images), CANDIDATES)
    theirs = DeepFool(art, max_iter=steps, nb_grads=CANDIDATES, batch_size=1, verbose=False)
    lengths, fooled = {"ours": [], "ART": []}, {"ours": 0, "ART": 0, "ART, 2 % longer": 0}
    for number in range(len(pictures)):
        image, label = pictures[number : number + 1], labels[number : number + 1]
        likeliest.assign(tf.math.top_k(logits(image / 255)[0], CANDIDATES).indices)
        change = 255 * theirs.generate(image / 255) - image
        made = {"ours": interpret.deepfool(model, image, label, candidates=CANDIDATES), "ART": image + change}
        made["ART, 2 % longer"] = image + 1.02 * change
        for name, each in made.items():
            outcome = interpret.outcome(model, image, np.clip(each, 0, 255), label)
            fooled[name] += bool(outcome.fooled[0])
            if name in lengths:
                lengths[name].append(float(outcome.l2[0]))
        told = ", ".join(f"{name} {values[-1]:.2f}" for name, values in lengths.items())
        print(f"photograph {number + 1} of {len(pictures)}, L2 of 255: {told}; fooled so far: {fooled}", flush=True)
    mean = [[float(np.mean(values))] for values in lengths.values()]
    return ratios.table([ratios.compare("DeepFool, mean L2, and ART", *mean, "<= 1.02")])


def speed(model, pictures, labels, rounds):
    """Rows of the speed of DeepFool and FGSM, each beside its peer."""
    import foolbox
    import numpy as np
    import tensorflow as tf
    from art.attacks.evasion import FastGradientMethod

    from benchmarks import ratios
    from kerasmlsp import interpret

    small, count = pictures / 255, len(pictures)
    art, box = toolboxes(logits_of(model))
    attack = foolbox.attacks.L2DeepFoolAttack()
    step = FastGradientMethod(art, eps=2 / 255, batch_size=32)
    kept = {}
    jobs = {
        "deepfool": lambda: interpret.deepfool(model, pictures, labels),
        "foolbox": lambda: attack(box, tf.constant(small), tf.constant(labels), epsilons=None),
        "fgsm": lambda: kept.update(ours=interpret.fgsm(model, pictures, epsilon=2.0)),
        "art": lambda: kept.update(ART=255 * step.generate(small)),
        "fgsm, labels": lambda: interpret.fgsm(model, pictures, labels, epsilon=2.0),
        "art, labels": lambda: step.generate(small, labels),
    }
    for name in ("deepfool", "fgsm", "fgsm, labels"):  # compiled; the peers have nothing to compile
        jobs[name]()
    times = ratios.in_turns({name: lambda job=job: ratios.seconds(job) for name, job in jobs.items()}, rounds)
    speeds = {name: [count / each for each in values] for name, values in times.items()}
    print("images/s:", {name: [round(each, 2) for each in values] for name, values in speeds.items()}, flush=True)
    for name, made in kept.items():
        found = interpret.outcome(model, pictures, np.clip(made, 0, 255), labels)
        print(f"FGSM of 2, {name}: {int(found.fooled.sum())} of {count} fooled")
    return ratios.table(
        [
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
    parser.add_argument("--count", type=int, help="photographs of the other parts; default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="most steps of ART's DeepFool")
    options = parser.parse_args()
    (pictures, labels), model = read(options.photos), network()
    if options.part in (None, "classes"):
        print(classes(model, pictures, labels), "\n", flush=True)
    if options.part == "classes":
        return
    right = (model.predict(pictures, verbose=0).argmax(axis=1) == labels).nonzero()[0]
    count = min(options.count or len(right), len(right))
    chosen = right[[number * len(right) // count for number in range(count)]]
    pictures, labels = pictures[chosen], labels[chosen]
    if options.part in (None, "norms"):
        print(norms(model, pictures, labels, options.steps), "\n", flush=True)
    if options.part in (None, "speed"):
        print(speed(model, pictures, labels, options.rounds), "\n", flush=True)
    if options.part in (None, "maps"):
        print(maps(model, pictures, labels), "\n")


if __name__ == "__main__":
    main()
