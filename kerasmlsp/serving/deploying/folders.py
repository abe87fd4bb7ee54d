"""Which models go into a folder, and the folder itself: it gets its name when it is whole."""

import contextlib
import dataclasses
import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import kerasmlsp
from kerasmlsp.exporting import loading
from kerasmlsp.files import read_json, write_json

_MARK = "deployed.json"
"""Says that a folder was written here, so that it may be replaced."""


@dataclasses.dataclass(frozen=True)
class Model:
    """A saved model that is to be deployed.

    Args:
        name: Name in URLs.
        path: Its folder, whose name is the version.
        card: Its card.

    Example:
        >>> Model("sentiment", Path("saved_models/sentiment/1"), {}).version
        '1'
    """

    name: str
    path: Path
    card: dict

    @property
    def version(self) -> str:
        """Number of the version."""
        return self.path.name

    @property
    def endpoints(self) -> dict[str, dict]:
        """Name of each endpoint to its `inputs` and `outputs`, as the card has them."""
        return self.card.get("endpoints", {})


def chosen(names: Sequence[str], models: Path | None) -> list[Model]:
    """Returns the newest version of each model.

    Args:
        names: Names of the models; none for all.
        models: The folder to look in; None for `./saved_models` and, for what it lacks, the shipped ones. All are those
            of the first of them that has any.

    Raises:
        FileNotFoundError: There is no such model, or none at all.
        ValueError: A model is damaged or has no card, or its name cannot stand in URLs and configurations.

    Example:
        >>> [model.name for model in chosen(["sentiment", "gesture"], None)]
        ['gesture', 'sentiment']
    """
    if not names:
        places = [Path("saved_models"), loading.shipped()] if models is None else [models]
        names = next((there for place in places if (there := _names(place))), [])
        if not names:
            raise FileNotFoundError(f"`models` must hold saved models, as sentiment/1. Received: {places[0]}")
    if odd := next((name for name in names if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name, re.ASCII)), None):
        raise ValueError(f"`names` (--model) must be of letters, digits and _.-, for URLs. Received: {odd!r}")
    found = [
        Model(name, path, loading.read_card(path))
        for name in sorted(set(names))
        for path in [loading.find(name, models=models)]
    ]
    if without := [model for model in found if not model.endpoints]:
        raise ValueError(f"{without[0].path} must have a card that tells its endpoints: export the model again.")
    return found


def _names(place):
    return [each.name for each in sorted(place.iterdir()) if loading.versions(each)] if place.is_dir() else []


@contextlib.contextmanager
def written(path: Path, kind: str, models: Sequence[Model], *, force: bool) -> Iterator[Path]:
    """Gives a folder to write to, which becomes `path` at the end; where anything fails, nothing is changed.

    Args:
        path: The folder to make; one that is empty is taken.
        kind: What it is for.
        models: What it holds.
        force: Whether one that was written here before is replaced.

    Raises:
        FileExistsError: `path` is a file.
        ValueError: `path` holds files and is not to be replaced, or was not written here.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "deployed")
        >>> with written(path, "tfserving", [], force=False) as folder:
        ...     _ = (folder / "README.md").write_text("How to start it.")
        >>> sorted(each.name for each in path.iterdir())
        ['README.md', 'deployed.json']
    """
    path = Path(path)
    _check(path, force)
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    old = folder.with_name(f"{folder.name}.old")
    folder.mkdir()
    try:
        yield folder
        told = {model.name: {"version": model.version, "from": str(model.path)} for model in models}
        write_json(folder / _MARK, {"for": kind, "kerasmlsp": kerasmlsp.__version__, "models": told})
        _check(path, force)
        if path.exists():
            path.rename(old)
        try:
            folder.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    finally:
        for each in (folder, old):
            shutil.rmtree(each, ignore_errors=True)


def _check(path, force):
    if path.exists() and not path.is_dir():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if not path.exists() or not any(path.iterdir()):
        return
    if not (path / _MARK).is_file():
        raise ValueError(
            f"`path` must be new or empty, or written by `kerasmlsp deploy`: give another. Received: {path}, which "
            f"holds {sorted(each.name for each in path.iterdir())[0]}"
        )
    if not force:
        kind = read_json(path / _MARK).get("for")
        raise ValueError(f"`path` is deployed already, for {kind}: give another, or --force. Received: {path}")


def copy(models: Sequence[Model], folder: Path) -> None:
    """Copies models into `folder/NAME/VERSION`, with card and warm-up requests.

    Raises:
        ValueError: The folder lies in one of them.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> copy(chosen(["lenet_features"], None), folder)
        >>> (folder / "lenet_features/1/saved_model.pb").is_file()
        True
    """
    for model in models:
        if model.path.resolve() in folder.resolve().parents:
            raise ValueError(f"The folder to write must not lie in a saved model. Received: a place in {model.path}")
        shutil.copytree(model.path, folder / model.name / model.version)


def listed(models: Sequence[Model]) -> str:
    """Returns models with their versions in words.

    Example:
        >>> listed([Model("sentiment", Path("sentiment/1"), {}), Model("gan", Path("gan/2"), {})])
        'sentiment/1, gan/2'
    """
    return ", ".join(f"{model.name}/{model.version}" for model in models)


def example(model: Model, url: str) -> str:
    """Returns a command that asks a model, with inputs that have the right names and shapes.

    Example:
        >>> print(example(chosen(["sentiment"], None)[0], "http://127.0.0.1:8501"))
        curl http://127.0.0.1:8501/v1/models/sentiment:predict -d '{"inputs": {"text": ["A fine film."]}}'
    """
    import json

    inputs = model.endpoints["serving_default"]["inputs"]
    body = json.dumps({"inputs": {name: _value(name, known) for name, known in inputs.items()}})
    if len(body) > 300:
        return f"curl {url}/v1/models/{model.name}"
    return f"curl {url}/v1/models/{model.name}:predict -d '{body}'"


def _value(name, known):
    default = known.get("default")
    value = "A fine film." if known["dtype"] == "string" else 0
    value = value if default is None else default
    for size in reversed(known["shape"]):
        value = [value] * (size or 1)
    return value
