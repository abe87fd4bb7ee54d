"""The graph of a network's layers, folded and grouped until it can be read."""

import dataclasses
import re
from typing import Any

# What is told with the layer before or after it, by the ends of the classes' names.
_FOLLOWERS = {
    "Normalization": "norm",
    "Dropout": "dropout",
    "Identity": "",
    "LeakyReLU": "leaky relu",
    "ReLU": "relu",
    "Softmax": "softmax",
}


@dataclasses.dataclass
class Box:
    """A block of a model: a layer with its normalisation and activation, layers of one prefix, or several like them.

    Args:
        name: Name of the layer, or what the names of the layers begin with.
        parts: What it consists of, one line for each layer with what follows it.
        parents: Names of the boxes that it takes its input from.
        shape: Shape of the output without the batch; None where it is not known.
        parameters: Number of weights of all of it.
        times: How many blocks of this kind come one after the other.
        skipped: Whether its input is added to its output.
        follows: Whether it is told with another one: normalisation, an activation or dropout.

    Example:
        >>> Box("conv_1", ["Conv2D 3x3"], ["images"], (28, 28, 6), 156).output
        '28 x 28 x 6'
    """

    name: str
    parts: list[str]
    parents: list[str]
    shape: tuple[int | None, ...] | None
    parameters: int
    times: int = 1
    skipped: bool = False
    follows: bool = False

    @property
    def what(self) -> str:
        """The parts, equal neighbours once."""
        lines: list[list[Any]] = []
        for part in filter(None, self.parts):
            if lines and lines[-1][1] == part:
                lines[-1][0] += 1
            else:
                lines.append([1, part])
        return "\n".join(part if count == 1 else f"{count} x {part}" for count, part in lines)

    @property
    def output(self) -> str:
        """The shape in words; `n` stands for any length."""
        return " x ".join("n" if size is None else str(size) for size in self.shape or ())


def _nets(model):
    """The models that a model is made of, where all of its weights are in them, else the model alone."""
    inner = [each for each in model._flatten_layers(include_self=False, recursive=False) if hasattr(each, "operations")]
    weights = {id(weight) for each in inner for weight in each.weights}
    if len(inner) < 2 or not {id(weight) for weight in model.weights} <= weights:
        return [model]
    # An average of a net's weights is a net like it.
    return list({str([box.what for box in _blocks(net)]): net for net in reversed(inner)}.values())[::-1]


def _blocks(model):
    boxes = _graph(model)
    for step in (_folded, _grouped, _repeated):
        boxes = step(boxes)
    return list(boxes.values())


def _graph(model):
    """A box for every layer and for every sum of two paths, by name."""
    import keras  # an answer from a saved model is drawn without it

    # A Sequential has a graph inside.
    model = getattr(model, "_functional", None) or model
    if not getattr(model, "inputs", None) or not hasattr(model, "operations"):
        return {layer.name: _box(layer, layer.name, []) for layer in model.layers or [model]}
    origins, boxes = {}, {}
    for operation in model.operations:
        nodes = operation._inbound_nodes
        # What is true or false is a mask.
        tensors = [
            each
            for node in nodes
            for each in node.input_tensors
            if keras.backend.standardize_dtype(each.dtype) != "bool"
        ]
        before = [origins.get(tensor._keras_history.operation.name, ()) for tensor in tensors]
        parents = list(dict.fromkeys(name for names in before for name in names))
        if isinstance(operation, keras.layers.Layer):
            boxes[operation.name] = _box(operation, operation.name, parents)
            parents = [operation.name]
        elif type(operation).__name__ == "Add" and len(parents) > 1:
            name = f"+ {operation.name}"
            boxes[name] = Box(name, ["+"], parents, _shape(operation), 0)
            parents = [name]
        origins[operation.name] = parents
    return boxes


def _box(layer, name, parents):
    parameters = layer.count_params() if layer.built else 0
    others = [each for each in parents if each != name]
    return Box(name, [_words(layer)], others, _shape(layer), parameters, follows=_follows(layer))


def _shape(operation):
    import keras

    if not operation._inbound_nodes:
        return None
    first = next(iter(keras.tree.flatten(operation._inbound_nodes[-1].output_tensors)), None)
    return None if first is None else tuple(first.shape)[1:]


def _words(layer):
    """What a layer is, in a few words; nothing for an input."""
    kind = type(layer).__name__
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if kind in ("InputLayer", "Activation", "Add"):
        return {"InputLayer": "", "Activation": activation, "Add": "+"}[kind]
    if _follows(layer):
        return next(words for end, words in _FOLLOWERS.items() if kind.endswith(end))
    words = [kind]
    sizes = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    if isinstance(sizes, tuple):
        words.append("x".join(map(str, sizes)))
    strides = getattr(layer, "strides", None)
    if "Conv" in kind and isinstance(strides, tuple) and max(strides) > 1:
        words.append(f"/ {max(strides)}")
    # That of a recurrent net goes without saying.
    shown = f", {activation}" if activation != "linear" and ("Conv" in kind or kind == "Dense") else ""
    return " ".join(words) + shown


def _follows(layer):
    return type(layer).__name__ == "Activation" or type(layer).__name__.endswith(tuple(_FOLLOWERS))


def _children(boxes):
    found = {name: [] for name in boxes}
    for name, box in boxes.items():
        for parent in box.parents:
            found[parent].append(name)
    return found


def _folded(boxes):
    """Joins normalisation, activation and dropout to the layer before them, or after where there are others."""
    for name in list(boxes):
        box, children = boxes[name], _children(boxes)
        if not box.follows or len(box.parents) != 1:
            continue
        parent = boxes[box.parents[0]]
        if children[parent.name] == [name] and _takes(parent, box):
            _join(boxes, parent, box, _and(parent.parts[-1], box.parts[0]))
        elif len(children[name]) == 1 and (child := boxes[children[name][0]]).parts[0][:1] != "+":
            child.parts = [_and(box.parts[0], child.parts[-1])]
            child.follows = False
            child.parameters += box.parameters
            child.parents = list(dict.fromkeys(p for q in child.parents for p in (box.parents if q == name else [q])))
            del boxes[name]
    return boxes


def _takes(box, follower):
    """Whether what follows a box is a part of it: the activation of a sum, but not the norm at the end of blocks."""
    return box.parts != [""] and (box.parts[0][0] != "+" or follower.parts != ["norm"]) and "Block" not in box.parts[0]


def _and(*words):
    return ", ".join(filter(None, words))


def _join(boxes, box, other, words):
    """Takes a box that follows another one into it."""
    box.parts = [*box.parts[:-1], words]
    box.shape, box.parameters = other.shape, box.parameters + other.parameters
    _rename(boxes, {other.name: box.name})
    del boxes[other.name]


def _rename(boxes, names):
    for box in boxes.values():
        parents = dict.fromkeys(names.get(parent, parent) for parent in box.parents)
        box.parents = [parent for parent in parents if parent != box.name]


def _grouped(boxes):
    """Makes one box of those whose names begin alike up to a number, and of the sums between them."""
    names = {name: _prefixes(name) for name in boxes}
    counts: dict[str, int] = {}
    for prefixes in names.values():
        for prefix in prefixes:
            counts[prefix] = counts.get(prefix, 0) + 1
    group = {name: next((p for p in prefixes if counts[p] > 1), name) for name, prefixes in names.items()}
    for name, box in boxes.items():
        # A sum without a name of its own belongs to what it adds to something, which is calculated last.
        if name.startswith("+"):
            group[name] = group[max(box.parents, key=list(boxes).index)]
    for prefix in dict.fromkeys(group.values()):
        members = [name for name in boxes if group.get(name) == prefix]
        if len(members) > 1 and _convex(boxes, members):
            boxes = _united(boxes, prefix, members)
    return boxes


def _prefixes(name):
    """What a name begins with up to its numbers, the longest first.

    Example:
        >>> _prefixes("stage_1_block_2_3_conv")
        ['stage_1_block_2', 'stage_1']
    """
    found, end = [], 0
    while match := re.compile(r"_?(?:[a-z]+_)+?\d+(?=_|$)").match(name, end):
        end = match.end()
        found.append(name[:end])
    return found[::-1]


def _convex(boxes, members):
    """Whether nothing outside of some boxes lies on a way from one of them to another."""
    inside, tainted = set(members), set()
    for name, box in boxes.items():
        behind = any(parent in inside or parent in tainted for parent in box.parents)
        if name in inside and any(parent in tainted for parent in box.parents):
            return False
        if name not in inside and behind:
            tainted.add(name)
    return True


def _united(boxes, name, members):
    parts = [boxes[each] for each in members]
    outside = dict.fromkeys(p for box in parts for p in box.parents if p not in members)
    words = [f"skip: {part}" if "_skip" in box.name else part for box in parts for part in box.parts if part != "+"]
    parameters = sum(box.parameters for box in parts)
    skipped = any(box.parts[0].startswith("+") for box in parts)
    whole = Box(name, [word.removeprefix("+, ") for word in words], list(outside), parts[-1].shape, parameters)
    whole.skipped = skipped
    found = {}
    for each, box in boxes.items():
        if each == members[-1]:
            found[name] = whole
        elif each not in members:
            found[each] = box
    _rename(found, dict.fromkeys(members, name))
    return found


def _repeated(boxes):
    """Makes one box of blocks that are alike, where each takes what the one before it gives."""
    for name in list(boxes):
        while name in boxes:
            children, box = _children(boxes)[name], boxes[name]
            other = boxes[children[0]] if len(children) == 1 else None
            if other is None or not _alike(box, other):
                break
            one = box.parameters // box.times
            box.times, box.parameters = box.times + 1, box.parameters + one
            last = re.findall(r"\d+", other.name)[-1]
            box.name = f"{name.split('-')[0]}-{last}"
            found = {box.name if each == name else each: boxes[each] for each in boxes if each != other.name}
            _rename(found, {name: box.name, other.name: box.name})
            boxes, name = found, box.name
    return boxes


def _alike(box, other):
    same = ("parts", "shape", "skipped")
    return (
        box.parameters > 0
        and all(getattr(box, field) == getattr(other, field) for field in same)
        and box.parameters == other.parameters * box.times
        and re.search(r"\d", other.name) is not None
        and re.sub(r"\d+(-\d+)?", "", box.name) == re.sub(r"\d+", "", other.name)
        and set(other.parents) - {box.name} <= set(box.parents)
    )
