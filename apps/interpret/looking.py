"""What the commands do: networks and pictures are read, looked into, and drawn."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasmlsp import files, interpret, plotting
from kerasmlsp.data import images
from kerasmlsp.files import write_atomically

if TYPE_CHECKING:
    import keras

METHODS = ("gradient", "smooth", "integrated", "guided", "deconvolution", "cam")
DRAWN = 8
"""Pictures that a figure shows at most."""
_RESTARTS = 3  # of the random maps that a method is compared with


@dataclasses.dataclass(frozen=True)
class Subject:
    """A network that is looked into.

    Args:
        model: It.
        classes: Names of its classes.
        box: Least and largest value of its input.
        central: Whether it is shown the square in the middle of a picture, rather than all of it, stretched.
    """

    model: "keras.Model"
    classes: list[str]
    box: tuple[float, float] = (0.0, 255.0)
    central: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the input."""
        return tuple(self.model.inputs[0].shape[1:])  # type: ignore[return-value]

    def read(self, sources: Sequence[Path | bytes]) -> tuple[list[str], np.ndarray, list[dict[str, Any]]]:
        """Reads pictures as the network takes them.

        Returns:
            The names of those that could be read, float32 `(pictures, height, width, channels)` within the box, and
            dicts of `file` and `problem` for the others.

        Raises:
            ValueError: None could be read.
        """
        found = list(files.side_by_side(sources, self._read))
        names = [files.named(each) for each in sources]
        problems = [
            {"file": name, "problem": str(each)}
            for name, each in zip(names, found, strict=True)
            if isinstance(each, Exception)
        ]
        good = [each for each in found if not isinstance(each, Exception)]
        if not good:
            raise ValueError(problems[0]["problem"])
        low, high = self.box
        values = low + np.stack(good).astype("float32") * np.float32((high - low) / 255)
        bad = {problem["file"] for problem in problems}
        return [name for name in names if name not in bad], np.clip(values, low, high).astype("float32"), problems

    def _read(self, source):
        from PIL import Image

        height, width, channels = self.shape
        pixels = images.read_image(source)
        if self.central:
            return images.centred(pixels, height)
        picture = Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(picture.convert("L"))[..., None] if channels == 1 else np.asarray(picture)

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Inputs of the network as pictures, uint8 `(pictures, height, width, 3)`."""
        low, high = self.box
        found = np.clip(np.round((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
        return np.repeat(found, 3, axis=-1) if found.shape[-1] == 1 else found

    def answers(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The most probable class of each input, and its probability."""
        found = interpret.outcome(self.model, values, values)
        return found.before, found.confidence_before

    def class_number(self, name: str, option: str) -> int:
        """The number of a class that is given by name or number."""
        fitting = [number for number, each in enumerate(self.classes) if each.casefold() == name.casefold()]
        if not fitting and name.isdecimal() and int(name) < len(self.classes):
            fitting = [int(name)]
        if not fitting:
            near = [each for each in self.classes if name.casefold() in each.casefold()] or self.classes
            raise ValueError(
                f"`{option}` must be a class of the network, such as {', '.join(near[:5])}. Received: {name}"
            )
        return fitting[0]

    def labels(self, names: Sequence[str], kind: str, values: np.ndarray) -> np.ndarray:
        """True class numbers: what the network says, or by the folder or the file of each picture."""
        if kind == "answers":
            return self.answers(values)[0]
        if kind == "files":
            from kerasmlsp import imagenet

            known = {wnid: number for number, wnid in enumerate(imagenet.classes())}
            told = [Path(name).name.partition("_")[0] for name in names]
        else:
            known = {name: number for number, name in enumerate(self.classes)}
            told = [Path(name).parent.name for name in names]
        if unknown := [name for name, label in zip(names, told, strict=True) if label not in known]:
            what = "begin with the WordNet id of its class" if kind == "files" else "lie in a folder named as its class"
            raise ValueError(f"With `--labels {kind}` every picture must {what}. Received: {unknown[0]}")
        return np.array([known[label] for label in told])


def subject(name: str, *, class_names: Path | None = None, box: tuple[float, float] | None = None) -> Subject:
    """Loads the network that `--model` names.

    Args:
        name: "imagenet", the name or folder of a finished run of gesture, or a `.keras` file.
        class_names: Names of the classes of a `.keras` file, one in a line.
        box: Least and largest value of its input; by default 0 and 255.

    Raises:
        FileNotFoundError: There is no such network.
        ValueError: It takes no pictures of a known size, or does not end in classes.
    """
    if name == "imagenet":
        from kerasmlsp import imagenet
        from kerasmlsp.apps import options

        return Subject(options.load_imagenet(), list(imagenet.classes().values()), central=True)
    if Path(name).suffix == ".keras":
        model, classes = _file(Path(name)), _names(class_names)
    else:
        model, classes = _run(name)
    shape = tuple(model.inputs[0].shape[1:]) if len(model.inputs or ()) == 1 else ()
    if len(shape) != 3 or None in shape or shape[-1] not in (1, 3):
        raise ValueError(
            "`--model` must take pictures, grey or in colour, of a known size. "
            f"Received: {name}, which takes {[tuple(each.shape[1:]) for each in model.inputs or ()]}"
        )
    count = model.outputs[0].shape[-1] if len(model.outputs[0].shape) == 2 else 0
    classes = classes or [str(number) for number in range(max(count, 2) if count else 0)]
    if count and len(classes) != max(count, 2):
        raise ValueError(f"`--class-names` must name {max(count, 2)} classes. Received: {len(classes)}")
    return Subject(model, classes, box or (0.0, 255.0))


def _file(path):
    import kerasmlsp

    return kerasmlsp.load_model(path)


def _names(path):
    if path is None:
        return []
    return [line.strip() for line in files.existing(path).read_text(encoding="utf-8").splitlines() if line.strip()]


def _run(name):
    from kerasmlsp.training import Run

    folder = Path(name) if (Path(name) / "config.json").exists() else Path("runs/gesture") / name
    if not (folder / "config.json").exists():
        raise FileNotFoundError(
            f"`--model` must be imagenet, a run of gesture or a .keras file. Received: {name}; {folder} holds no run"
        )
    run = Run(folder)
    stored = run.stored("gesture")
    if stored["kind"] != "images":
        raise ValueError(f"`--model` must take pictures. Received: the run {folder}, which takes {stored['kind']}")
    return run.model(), stored["classes"]


def attributed(
    subject: Subject, values: np.ndarray, classes: np.ndarray, method: str, layer: str | None, seed: int
) -> np.ndarray:
    """Returns the map of what speaks for a class in each picture, `(pictures, rows, columns)` from 0 to 1."""
    import keras

    model = subject.model
    if method == "cam":
        return keras.ops.convert_to_numpy(interpret.grad_cam(model, values, classes, layer=layer))
    if method == "smooth":
        found = interpret.smooth_saliency(model, values, classes, seed=seed)
    elif method == "integrated":
        found = interpret.integrated_gradients(model, values, classes, baseline=subject.box[0])
    else:
        found = interpret.saliency(model, values, classes, rule="plain" if method == "gradient" else method)
    return interpret.strength(found)


def judged(subject: Subject, values: np.ndarray, classes: np.ndarray, seed: int) -> list[dict[str, Any]]:
    """Measures every method by insertion, deletion and the sanity check, beside edges and chance."""
    few, chosen = values[:4], classes[:4]
    rows = []
    for method in METHODS:
        maps = attributed(subject, values, classes, method, None, seed)
        areas = interpret.insertion_deletion(subject.model, values, maps, classes)

        def attribute(_, method=method):
            return attributed(subject, few, chosen, method, None, seed)

        check = interpret.sanity_check(subject.model, attribute, shares=[1.0], seed=seed)
        rows.append({"method": method, **_areas(areas), "same when randomised": check[1.0]})
    edges = interpret.insertion_deletion(subject.model, values, interpret.edges(values), classes)
    rows.append({"method": "edges", **_areas(edges), "same when randomised": 1.0})
    random = np.random.default_rng(seed)
    noise = [random.random(values.shape[:3]) for _ in range(_RESTARTS)]
    areas = [interpret.insertion_deletion(subject.model, values, each, classes) for each in noise]
    rows.append({"method": "random", **_areas(np.mean(areas, axis=0)), "same when randomised": None})
    return rows


def _areas(areas):
    return {"insertion": float(areas[0].mean()), "deletion": float(areas[1].mean())}


def attacked(
    subject: Subject, values: np.ndarray, labels: np.ndarray, method: str, target: int | None, **options: Any
) -> tuple[np.ndarray, interpret.Outcome]:
    """Attacks pictures; returns what became of them, and the outcome."""
    attack: Any = {"fgsm": interpret.fgsm, "pgd": interpret.pgd, "deepfool": interpret.deepfool}[method]
    if target is not None:
        options["targets"] = [target]
    adversarial = attack(subject.model, values, labels, box=subject.box, **options)
    targets = None if target is None else [target]
    return adversarial, interpret.outcome(subject.model, values, adversarial, labels, targets=targets)


def draw_attack(
    subject: Subject, values: np.ndarray, adversarial: np.ndarray, found: interpret.Outcome, path: Path
) -> int:
    """Draws the attacked pictures, those that fool first, at most `DRAWN`; returns how many."""
    order = [*np.flatnonzero(found.fooled), *np.flatnonzero(found.attacked & ~found.fooled)][:DRAWN]
    if not order:
        raise ValueError(
            "`--labels` must leave a picture that is answered rightly. Received: pictures of which none is"
        )
    low, high = subject.box
    scale = 255 / (high - low)

    def told(number, confidence):
        return f"{subject.classes[number]} ({confidence:.2f})"

    originals = subject.pixels(values[order])
    moved = np.broadcast_to((adversarial[order] - low) * scale, originals.shape)
    write_atomically(
        path,
        lambda place: plotting.fooled_pictures(
            list(originals),
            list(moved),
            place,
            before=[told(found.before[i], found.confidence_before[i]) for i in order],
            after=[told(found.after[i], found.confidence_after[i]) for i in order],
            changes=[f"L2 {scale * found.l2[i]:.1f}, largest {scale * found.largest[i]:.2g}" for i in order],
        ),
    )
    return len(order)


def draw_maps(pictures: np.ndarray, maps: np.ndarray, titles: Sequence[str], path: Path, **words: str) -> None:
    """Draws the first pictures, each beside itself under its map; `words` as of `plotting.heat_maps`."""
    shown = slice(DRAWN)
    write_atomically(
        path,
        lambda place: plotting.heat_maps(
            list(pictures[shown]), list(maps[shown]), place, titles=titles[shown], **words
        ),
    )


def draw_sheet(pictures: Sequence[np.ndarray], titles: Sequence[str], path: Path, columns: int | None = None) -> None:
    """Draws pictures side by side."""
    write_atomically(path, lambda place: plotting.contact_sheet(pictures, place, titles=titles, columns=columns))
