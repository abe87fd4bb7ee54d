"""A model as a lecture draws it: boxes for its blocks, arrows, and loops for what skips a block."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasmlsp.plotting._canvas import _figure, _save
from kerasmlsp.plotting._graphs import Box, _blocks, _children, _nets

if TYPE_CHECKING:
    import keras

_LINE, _PAD, _GAP, _LETTER = 0.17, 0.1, 0.46, 0.078  # inches


def blocks(model: "keras.Model") -> list[Box]:
    """Sums a model up in blocks: what a lecture would draw as one box, in the order of their calculation.

    Normalisation, activation and dropout are told with the layer that they belong to. Layers whose names begin alike up
    to a number, as `encoder_1_attention` and `encoder_1_feed_forward`, are one block. Blocks that are alike and follow
    each other are told once. Masks and other bookkeeping between layers are left out.

    Args:
        model: A Keras model. One that is no graph of layers becomes a row of its layers; one that is made of models
            alone, as a GAN, all of them.

    Returns:
        The blocks.

    Example:
        >>> import keras
        >>> layers = [keras.layers.Dense(3), keras.layers.ReLU(), keras.layers.Dense(2, name="scores")]
        >>> model = keras.Sequential([keras.Input((4,), name="signal"), *layers])
        >>> [(box.what, box.output, box.parameters) for box in blocks(model)]
        [('', '4', 0), ('Dense, relu', '3', 15), ('Dense', '2', 8)]
    """
    return [box for net in _nets(model) for box in _blocks(net)]


def diagram(model: "keras.Model", path: str | Path) -> None:
    """Draws a model by its `blocks`: boxes, arrows, and a loop around a block whose input is added to its output.

    Args:
        model: A Keras model.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> import keras
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/net.png"
        >>> layers = [keras.layers.Dense(3), keras.layers.Dense(2)]
        >>> diagram(keras.Sequential([keras.Input((4,), name="signal"), *layers]), path)
        >>> imread(path).shape[0] > imread(path).shape[1]
        True
    """
    models = _nets(model)
    nets = [_placed(_blocks(net)) for net in models]
    width, height = sum(net.width for net in nets), max(net.height for net in nets)
    figure = _figure(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(-height, 0))
    axes.axis("off")
    left = 0.0
    for net, of in zip(nets, models, strict=True):
        _draw(axes, net, left)
        axes.text(left + net.width / 2, -0.05, of.name, ha="center", va="top", fontsize=10, weight="bold")
        left += net.width
    _save(figure, path, dpi=min(120, int(16000 / max(width, height))))


@dataclasses.dataclass
class _Places:
    """Boxes with where they are, in inches: centre, top and bottom of each, and what runs beside them."""

    boxes: dict[str, Box]
    centres: dict[str, float]
    edges: dict[str, tuple[float, float]]
    lanes: list[tuple[str, str, int]]
    box_width: float
    width: float
    height: float


def _placed(found):
    boxes = {box.name: box for box in found}
    rows = _rows(boxes)
    widest = max(map(len, rows))
    box_width = max(len(line) for box in found for line in _text(box).split("\n")) * _LETTER + 0.2
    column = box_width + 0.5
    centres, edges, top = {}, {}, 0.35
    for names in rows:
        tallest = max(_text(boxes[name]).count("\n") + 1 for name in names) * _LINE + _PAD
        # Below what they take their input from, so that few arrows cross.
        above = {name: [centres[parent] for parent in boxes[name].parents] for name in names}
        names.sort(key=lambda name: sum(above[name]) / len(above[name]) if above[name] else float("inf"))
        for place, name in enumerate(names):
            centres[name] = 0.15 + column * (widest / 2 + place - (len(names) - 1) / 2)
            edges[name] = -top, -top - tallest
        top += tallest + _GAP
    depth = {name: row for row, names in enumerate(rows) for name in names}
    far = [(parent, name) for name, box in boxes.items() for parent in box.parents if depth[name] - depth[parent] > 1]
    lanes = _lanes(far, depth)
    width = 0.3 + column * widest + 0.22 * (max((lane for *_, lane in lanes), default=-1) + 1)
    return _Places(boxes, centres, edges, lanes, box_width, width, top - _GAP + 0.3)


def _rows(boxes):
    """Names of boxes by row, each as far down as what comes after it allows."""
    children, depth = _children(boxes), {}
    for name, box in boxes.items():
        depth[name] = 1 + max((depth[parent] for parent in box.parents), default=-1)
    for name in reversed(boxes):
        if children[name]:
            depth[name] = min(depth[child] for child in children[name]) - 1
    return [[name for name in boxes if depth[name] == row] for row in sorted(set(depth.values()))]


def _lanes(far, depth):
    """Gives ways past other boxes a lane each, so that none runs along another; the short ones are inside."""
    lanes, taken = [], []
    for begin, end in sorted(far, key=lambda pair: depth[pair[1]] - depth[pair[0]]):
        span = range(depth[begin], depth[end])
        lane = next(i for i in range(len(taken) + 1) if i == len(taken) or not taken[i] & set(span))
        if lane == len(taken):
            taken.append(set())
        taken[lane] |= set(span)
        lanes.append((begin, end, lane))
    return lanes


def _text(box):
    facts = [box.output, f"{box.parameters:,} weights" if box.parameters else ""]
    title = box.name if box.times == 1 else f"{box.name}  ({box.times} x)"
    return "\n".join(filter(None, [title, box.what, "   ".join(filter(None, facts))]))


def _draw(axes, net, left):
    from matplotlib.patches import FancyBboxPatch

    for name, box in net.boxes.items():
        (top, bottom), centre = net.edges[name], left + net.centres[name]
        corner = centre - net.box_width / 2, bottom
        colour = "#f4f4f4" if not box.parents else "#fdebd8" if box.times > 1 else "#e8f0fa"
        style: dict[str, Any] = {
            "boxstyle": "round,pad=0,rounding_size=0.06",
            "facecolor": colour,
            "edgecolor": "0.35",
            "zorder": 3,
        }
        axes.add_patch(FancyBboxPatch(corner, net.box_width, top - bottom, **style))
        axes.text(centre, (top + bottom) / 2, _text(box), ha="center", va="center", fontsize=9, zorder=4)
        beside = {begin for begin, end, _ in net.lanes if end == name}
        for parent in set(box.parents) - beside:
            _arrow(axes, [(left + net.centres[parent], net.edges[parent][1]), (centre, top)])
        if box.skipped:
            side = centre + net.box_width / 2 + 0.14
            _arrow(
                axes, [(centre, top + 0.22), (side, top + 0.22), (side, bottom - 0.1), (centre, bottom - 0.1)], "0.2"
            )
            axes.text(centre - 0.06, bottom - 0.1, "+", ha="right", va="center", fontsize=10, zorder=4)
    right = left + max(net.centres.values()) + net.box_width / 2
    for begin, end, lane in net.lanes:
        side = right + 0.22 * (lane + 1) + 0.05
        first, last = (left + net.centres[name] + net.box_width / 2 for name in (begin, end))
        heights = net.edges[begin][1] + 0.1, net.edges[end][0] - 0.1
        _arrow(axes, [(first, heights[0]), (side, heights[0]), (side, heights[1]), (last, heights[1])])


def _arrow(axes, points, colour="0.45"):
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Line

    shape = {"arrowstyle": "-|>", "mutation_scale": 11, "color": colour, "shrinkA": 0, "shrinkB": 0, "zorder": 2}
    axes.add_patch(FancyArrowPatch(path=Line(points), joinstyle="round", **shape))
