"""Figures of points in a plane."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from kerasmlsp.plotting._canvas import _figure, _save


def named_points(panels: Mapping[str, Sequence[tuple[str, str, float, float]]], path: str | Path) -> None:
    """Draws points with their names, those of a group in one colour, side by side for several ways of placing them.

    Args:
        panels: By the title of a panel, tuples of the group, the name and both coordinates of a point. All panels have
            the same groups; of more than ten, colours come again with another mark.
        path: File to write, PNG.

    Example:
        >>> import tempfile
        >>> from matplotlib.image import imread
        >>> path = f"{tempfile.mkdtemp()}/map.png"
        >>> named_points({"principal components": [("animals", "cat", 0.0, 1.0), ("colours", "red", 1.0, 0.0)]}, path)
        >>> imread(path).shape
        (600, 720, 4)
    """
    figure = _figure(6 * len(panels), 5)
    groups = list(dict.fromkeys(group for points in panels.values() for group, *_ in points))
    for axes, (title, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for place, group in enumerate(groups):
            own = [point for point in points if point[0] == group]
            colour, mark = f"C{place % 10}", "osD^v"[place // 10 % 5]
            axes.scatter([x for *_, x, _ in own], [y for *_, y in own], color=colour, marker=mark, s=16, label=group)
            for _, name, x, y in own:
                axes.annotate(name, (x, y), xytext=(3, 3), textcoords="offset points", fontsize=8, color=colour)
        axes.set(title=title, xticks=[], yticks=[])
        axes.margins(0.12)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=min(len(groups), 5))
    _save(figure, path)
