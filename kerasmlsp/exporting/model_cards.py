"""Model cards: what a saved model was trained on, how well it does and what it must not be used for.

A card is a plain dict. `exporting.export` writes it into the saved model as `card.json` and, rendered from the same
dict, as `README.md`. Keys: `title`, `data`, `licence`, `metrics` and `limits` are required; `description`, `split`,
`training`, `sample` and `figures` are optional, and any further key is kept in `card.json`.

Reference: Mitchell et al., "Model Cards for Model Reporting", FAT* 2019.
"""

import dataclasses
import json
import math
import numbers
import pathlib
import re
import shutil
from collections.abc import Mapping

REQUIRED = ("title", "data", "licence", "metrics", "limits")
_SECTIONS = ("data", "licence", "split", "limits", "training", "sample")


@dataclasses.dataclass(frozen=True)
class Notes:
    """What only the person who exports a model can say in its card.

    Args:
        data: What the model was trained on.
        licence: Licence of the model, which the data's terms decide.
        title: Title of the card; None for the application's own.

    Example:
        >>> Notes(licence="CC BY 4.0").card("Spoken commands")
        {'title': 'Spoken commands', 'data': 'not stated', 'licence': 'CC BY 4.0'}
    """

    data: str = "not stated"
    licence: str = "not stated"
    title: str | None = None

    def card(self, title: str) -> dict[str, str]:
        """Returns these parts of a card, with the application's own title where there is none."""
        return {"title": self.title or title, "data": self.data, "licence": self.licence}


def check(card: dict) -> None:
    """Refuses a card from which a reader could not judge the model.

    Args:
        card: The card. `metrics` maps a metric's name to a number or to `{"value", "low", "high"}`, where `low` and
            `high` bound the 95 % confidence interval, both None where there is none. `figures` maps a figure's name to
            an image file.

    Raises:
        ValueError: If a required key is missing or empty, a metric or a figure is unusable, or a value cannot be
            written as JSON.

    Example:
        >>> check({"title": "Mine", "data": "Three sentences.", "metrics": {"accuracy": 0.9}})
        Traceback (most recent call last):
        ValueError: `card` must say title, data, licence, metrics, limits; licence, limits is missing. Received: ...
    """
    missing = [key for key in REQUIRED if not card.get(key)]
    if missing:
        raise ValueError(
            f"`card` must say {', '.join(REQUIRED)}; {', '.join(missing)} is missing. Received: {list(card)}"
        )
    for name, metric in card["metrics"].items():
        _check_metric(name, metric)
    for name, path in card.get("figures", {}).items():
        if not pathlib.Path(path).is_file():
            raise ValueError(f"Figure `{name}` of `card` must be an image file. Received: {path}")
    try:
        _dump(card)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`card` must hold what JSON can. Received: {error}") from error


def before_evaluation(
    row: Mapping[str, float], column: str, measure: str, examples: str, command: str
) -> dict[str, object]:
    """What the card of a run says that was not evaluated: the value that selected its epoch, else one of training.

    Args:
        row: The epoch that was kept, as of `training.Run.best_row`.
        column: Column of the measure in the log, without `val_`.
        measure: What the card calls it.
        examples: What the card calls the examples.
        command: What to run, where nothing was held out.

    Returns:
        Dict of `metrics` and `evaluated`.

    Example:
        >>> before_evaluation({"loss": 0.5}, "map50", "mAP50", "pictures", "evaluate --data")
        {'metrics': {'loss on the training data': 0.5}, 'evaluated': 'not: run evaluate --data'}
    """
    if f"val_{column}" in row:
        note = f"on the held-out {examples} only, which also selected the epoch: run evaluate first"
        return {"metrics": {f"held-out {measure}": row[f"val_{column}"]}, "evaluated": note}
    found = {measure: row[column]} if column in row else {"loss": row["loss"]}
    return {
        "metrics": {f"{name} on the training data": value for name, value in found.items()},
        "evaluated": f"not: run {command}",
    }


def write(folder: pathlib.Path, card: dict) -> None:
    """Writes `card.json`, `README.md` and copies of the figures into `folder`.

    Raises:
        OSError: If a file cannot be written.

    Example:
        >>> import tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> write(folder, {"title": "Mine", "metrics": {"accuracy": 0.9}})
        >>> sorted(path.name for path in folder.iterdir())
        ['README.md', 'card.json']
    """
    figures = {}
    for name, path in card.get("figures", {}).items():
        figures[name] = f"figures/{re.sub(r'[^A-Za-z0-9]+', '_', name)}{pathlib.Path(path).suffix}"
        (folder / "figures").mkdir(exist_ok=True)
        shutil.copyfile(path, folder / figures[name])
    card = {**card, "figures": figures} if figures else card
    (folder / "card.json").write_text(_dump(card) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(render(card), encoding="utf-8")


def render(card: dict) -> str:
    """Returns the card as Markdown; keys that are absent leave no trace.

    Example:
        >>> accuracy = {"value": 0.9, "low": 0.85, "high": 0.94}
        >>> render({"title": "Mine", "metrics": {"accuracy": accuracy}}).splitlines()[-1]
        '| accuracy | 0.9 | 0.85 to 0.94 |'
    """
    parts = [f"# {card['title']}", card.get("description", "")]
    parts += [_table(("Metric", "Value", "95 % interval"), [_metric_row(*item) for item in card["metrics"].items()])]
    for key in _SECTIONS:
        if card.get(key):
            parts += [f"## {key.capitalize()}", _text(card[key])]
    parts += [f"![{name}]({path})" for name, path in card.get("figures", {}).items()]
    if "endpoints" in card:
        parts += ["## Endpoints", _table(("Endpoint", "Inputs", "Outputs"), _endpoint_rows(card))]
        parts += ["## Inputs", _table(("Input", "Meaning", "Allowed", "Default"), _input_rows(card))]
        if told := _output_rows(card):
            parts += ["## Outputs", _table(("Output", "Meaning"), told)]
    if "size_bytes" in card:
        parts += ["## Size and speed", _cost(card)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _check_metric(name, metric):
    if not isinstance(metric, dict):
        values = [metric]
    elif set(metric) == {"value", "low", "high"}:
        without_interval = metric["low"] is None and metric["high"] is None
        values = [metric["value"]] if without_interval else list(metric.values())
    else:
        raise ValueError(f"Metric `{name}` must be a number or have value, low and high. Received: {metric}")
    if not all(isinstance(value, numbers.Real) and math.isfinite(value) for value in values):
        raise ValueError(f"Metric `{name}` must hold finite numbers only: evaluate again. Received: {metric}")


def _dump(card):
    # Scores often come as NumPy numbers, paths as `Path`.
    def plain(value):
        if hasattr(value, "tolist"):
            return value.tolist()
        if isinstance(value, pathlib.PurePath):
            return str(value)
        raise TypeError(f"{type(value).__name__} {value!r}")

    return json.dumps(card, indent=2, ensure_ascii=False, allow_nan=False, default=plain)


def _table(header, rows):
    lines = [header, ["---"] * len(header), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _metric_row(name, metric):
    if not isinstance(metric, dict):
        return name, f"{metric:.4g}", ""
    interval = "" if metric["low"] is None else f"{metric['low']:.4g} to {metric['high']:.4g}"
    return name, f"{metric['value']:.4g}", interval


def _text(value):
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        return f"```json\n{_dump(value)}\n```"
    items = [f"{key}: {item}" for key, item in value.items()] if isinstance(value, dict) else value
    return "\n".join(f"- {item}" for item in items)


def _endpoint_rows(card):
    def names(tensors):
        return ", ".join(f"`{name}` {tensor['dtype']} {tuple(tensor['shape'])}" for name, tensor in tensors.items())

    return [(f"`{name}`", names(each["inputs"]), names(each["outputs"])) for name, each in card["endpoints"].items()]


def _input_rows(card):
    """One row for all inputs that are described in the same words."""
    names: dict[tuple, dict[str, None]] = {}
    for endpoint in card["endpoints"].values():
        for name, known in endpoint["inputs"].items():
            default = "has to be given" if known.get("default") is None else repr(known["default"])
            names.setdefault((known.get("meaning", ""), known.get("range", ""), default), {})[f"`{name}`"] = None
    return [(", ".join(these), *told) for told, these in names.items()]


def _output_rows(card):
    """A row for each output whose meaning is told."""
    return list(
        {
            f"`{name}`": known["meaning"]
            for endpoint in card["endpoints"].values()
            for name, known in endpoint["outputs"].items()
            if "meaning" in known
        }.items()
    )


def _cost(card):
    speeds = [f"`{name}` {value:.3g} ms" for name, value in card["latency"]["median_ms"].items()]
    warmup = "There is a warm-up file for TensorFlow Serving." if card["warmup_requests"] else card["warmup_note"]
    return (
        f"{card['size_bytes'] / 1e6:.3g} MB on disk. One example takes {', '.join(speeds)} (median after warm-up, "
        f"CPU with {card['latency']['cores']} cores). {warmup}\n\n"
        f"Made with {', '.join(f'{name} {version}' for name, version in card['versions'].items())}."
    )
