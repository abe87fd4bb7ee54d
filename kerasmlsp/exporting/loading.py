"""Saved models, found and called: only TensorFlow is needed, none of the layers they were trained with.

Names here are offered by `kerasmlsp.exporting`. TensorFlow is imported inside the functions, so that `find` costs
nothing.
"""

import contextlib
import functools
import importlib.resources
import os
import pathlib
import re
from typing import Any

import numpy as np

from kerasmlsp.exporting import reasons
from kerasmlsp.exporting._arrays import to_array
from kerasmlsp.files import read_json

# What TensorFlow says about where in the graph an error arose: whole lines, and how a line begins.
_PLACES = re.compile(r"Graph execution error|Detected at node|<stack traces|File |\[\[|<unknown>:0: note")
_PLACE = re.compile(r"^\{\{.*?\}\} |^.*error: loc\(.*\): |^.*<unknown>:0: error: ")
_SHAPE = re.compile(r"^Shape of tensor (?:.*/)?(\w+) (\[[\d,]*\]) is not compatible with expected shape (\[.*\])\.$")


def find(app: str, version: int | str | None = None, models: str | os.PathLike | None = None) -> pathlib.Path:
    """Returns the folder of an application's saved model.

    Args:
        app: Name of the application.
        version: Version to take; by default the highest in the first place that has the application.
        models: The one folder to look in, as `shipped()`; by default `./saved_models`, and then `shipped()`.

    Raises:
        FileNotFoundError: If there is no such folder, application or version.
        ValueError: If the folder is there, but holds no saved model.

    Example:
        >>> find("lenet_features", version=1).parts[-2:]
        ('lenet_features', '1')
    """
    places = [pathlib.Path("saved_models"), shipped()] if models is None else [pathlib.Path(models)]
    found = [place / app for place in places if versions(place / app)]
    if not found:
        raise FileNotFoundError(_lacking(app, places[0]) if models is not None else _unknown(app, places))
    wanted = max(versions(found[0])) if version is None else version
    for place in found:
        for folder in _folders(place):
            if folder.name.isdecimal() and str(int(folder.name)) == str(wanted):
                return _with_graph(folder)
    there = sorted({number for place in found for number in versions(place)})
    raise FileNotFoundError(
        f"There is no version {version} of the saved model of {app!r} in {' or '.join(str(each) for each in found)}. "
        f"Take one of: {', '.join(map(str, there))}."
    )


def shipped() -> pathlib.Path:
    """Returns the folder of the saved models that come with kerasmlsp.

    Example:
        >>> sorted(folder.name for folder in shipped().iterdir() if versions(folder))[:3]
        ['anomaly', 'caption', 'chargen']
    """
    return pathlib.Path(str(importlib.resources.files("kerasmlsp.saved_models")))


def _lacking(app, place):
    """What to say of a folder that was given and does not hold an application."""
    wanted = f"`models` must be a folder that holds a saved model of {app}, as {app}/1/saved_model.pb"
    if not place.is_dir():
        return f"{wanted}. Received: {place}, which is {'no folder' if place.exists() else 'not there'}"
    inside = [folder.name for folder in _folders(place) if versions(folder)] or [each.name for each in place.iterdir()]
    return f"{wanted}. Received: {place}, which holds {_first(inside) or 'nothing'}"


def _unknown(app, places):
    known = {folder.name for place in places for folder in _folders(place) if versions(folder)}
    return (
        f"There is no saved model of {app!r} in {places[0]} or among those that come with kerasmlsp "
        f"({_first(known) or 'none'}). Train and export it, or name the folder that holds it."
    )


def _first(names, most=10):
    names = sorted(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def versions(folder: pathlib.Path) -> list[int]:
    """Returns the version numbers in an application's folder, an empty list if there is none.

    Example:
        >>> import tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> for name in ("1", "3", "notes"):
        ...     (folder / name).mkdir()
        >>> sorted(versions(folder))
        [1, 3]
    """
    return [int(child.name) for child in _folders(folder) if child.name.isdecimal()]


def load(path: str | os.PathLike) -> "SavedModel":
    """Loads the saved model in the folder `path`, see `SavedModel`.

    Most of the time until the first answer goes into importing TensorFlow; keep the model, not the folder, for
    repeated calls. The first call is slower than later ones, as TensorFlow optimises the graph then.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder is no saved model or a file in it is damaged.

    Example:
        >>> outputs = load(find("lenet_features")).endpoints["serving_default"]["outputs"]
        >>> {name: outputs[name].shape.as_list() for name in sorted(outputs)}
        {'features': [None, 84], 'probabilities': [None, 10]}
    """
    return SavedModel(path)


def read_card(path: str | os.PathLike) -> dict:
    """Returns the card of the saved model in a folder, without loading it; an empty dict where it has none.

    Raises:
        ValueError: The card is damaged.

    Example:
        >>> read_card(find("sentiment", models=shipped()))["classes"]
        ['neg', 'pos']
    """
    place = pathlib.Path(path) / "card.json"
    with contextlib.suppress(FileNotFoundError):
        card = read_json(place)
        if not isinstance(card, dict):
            raise ValueError(f"{place} is damaged: it is no JSON object. Export the model again.")
        return card
    return {}


def prefer_whole_calls() -> None:
    """Has TensorFlow keep each operation on one core: for calls beside each other, and for many small operations.

    Threads that meet after each of them wait for the slowest, for long where other programs are busy. It holds for the
    whole process, and changes nothing after TensorFlow's first operation.

    Example:
        >>> import tensorflow as tf
        >>> first = tf.add(1, 1)
        >>> prefer_whole_calls()  # too late: it changes nothing
    """
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # the first operation was before
        tf.config.threading.set_intra_op_parallelism_threads(1)


class SavedModel:
    """A saved model that takes lists, arrays or pandas columns and returns a dict of NumPy arrays.

    Attributes:
        path: The folder.
        endpoints: Endpoint name to `{"inputs": ..., "outputs": ...}`, each a dict of name to `tf.TensorSpec`.

    Example:
        >>> model = load(find("sentiment"))
        >>> model(text=["Two hours I will not get back."])["label"]
        array([b'neg'], dtype=object)
    """

    def __init__(self, path: str | os.PathLike):
        self.path = pathlib.Path(path)
        self._loaded = restore(self.path)
        self._signatures = dict(self._loaded.signatures)
        self.endpoints = {
            name: {"inputs": signature.structured_input_signature[1], "outputs": signature.structured_outputs}
            for name, signature in self._signatures.items()
        }

    @functools.cached_property
    def card(self) -> dict:
        """The model card; empty for a saved model that has none. A `ValueError` says that it is damaged."""
        return read_card(self.path)

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Calls the endpoint `serving_default`."""
        return self.call("serving_default", **inputs)

    def call(self, endpoint: str, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Calls one endpoint with a batch.

        Args:
            endpoint: Name of the endpoint.
            **inputs: One list, array, tensor or pandas column of rows for each input. One that is left out has the
                default that the model card tells, if any.

        Returns:
            Output name to array, one row per example; strings are UTF-8 bytes.

        Raises:
            ValueError: If the endpoint or an input is not there, a row is missing (None, NaN) or has the wrong type
                or shape, or the model refuses the values.
        """
        import tensorflow as tf

        if endpoint not in self.endpoints:
            raise ValueError(f"`endpoint` must be one of {sorted(self.endpoints)}. Received: {endpoint!r}")
        specs = self.endpoints[endpoint]["inputs"]
        left_out = self._defaults(endpoint, specs.keys() - inputs.keys(), inputs) if inputs else {}
        inputs = {**left_out, **inputs}
        if inputs.keys() != specs.keys():
            raise ValueError(f"Endpoint `{endpoint}` takes the inputs {sorted(specs)}. Received: {sorted(inputs)}")
        inputs = {name: to_array(name, inputs[name], spec) for name, spec in specs.items()}
        tensors = {name: tf.constant(each) for name, each in inputs.items()}
        try:
            outputs = self._signatures[endpoint](**tensors)
        except (tf.errors.InvalidArgumentError, UnicodeDecodeError) as error:
            told = reasons.of_inputs(reason(error), inputs)
            raise ValueError(f"Endpoint `{endpoint}` refuses its inputs: {told}") from error
        return {name: value.numpy() for name, value in outputs.items()}

    def _defaults(self, endpoint, names, inputs):
        """The defaults of inputs that were left out, for as many rows as were given."""
        if not names:
            return {}
        specs, known = self.endpoints[endpoint]["inputs"], self.card.get("endpoints", {}).get(endpoint, {})
        by_row = [each for name, each in inputs.items() if name in specs and specs[name].shape.rank]
        rows = max((len(each) for each in by_row if hasattr(each, "__len__")), default=0)
        values = {name: known.get("inputs", {}).get(name, {}).get("default") for name in names}
        return {
            name: [value] * rows if specs[name].shape.rank else value
            for name, value in values.items()
            if value is not None
        }


def _folders(place):
    return [child for child in place.iterdir() if child.is_dir()] if place.is_dir() else []


def _with_graph(folder):
    if not (folder / "saved_model.pb").is_file():
        raise ValueError(f"{folder} is not a saved model or is damaged: it has no saved_model.pb. Export it again.")
    return folder


def restore(path: pathlib.Path) -> Any:
    """Returns what TensorFlow makes of the saved model in a folder, with its `signatures`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the folder is no saved model or a file in it is damaged.

    Example:
        >>> list(restore(find("lenet_features")).signatures)
        ['serving_default']
    """
    import tensorflow as tf

    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {path}. Take one that `find` returns.")
    _with_graph(path)
    try:
        return tf.saved_model.load(str(path))
    except Exception as error:  # what a damaged file raises depends on where the damage is
        raise ValueError(
            f"{path} is not a saved model or is damaged; export it again. Received: {reason(error)}"
        ) from error


def reason(error: BaseException) -> str:
    """Returns the line in which an error says what is wrong, without TensorFlow's account of the graph.

    Example:
        >>> reason(ValueError("Graph execution error:\\n\\nDetected at node Gather\\nindices[0] = 7 is not in [0, 5)"))
        'indices[0] = 7 is not in [0, 5)'
        >>> reason(ValueError("assertion failed: [`tonic` must be 0 to 11. Received:] [12]"))
        '`tonic` must be 0 to 11. Received: 12'
    """
    if isinstance(error, UnicodeDecodeError):  # TensorFlow repeats bytes of a file that it refuses
        error = ValueError(error.object.decode("utf-8", "replace"))
    lines = (line.strip() for line in str(getattr(error, "message", error)).splitlines())
    telling = [_PLACE.sub("", line) for line in lines if line and not _PLACES.match(line)]
    if not telling:
        return type(error).__name__
    if shape := _SHAPE.match(telling[0]):
        return f"`{shape[1]}` must have the shape {shape[3]}. Received: {shape[2]}"
    return reasons.plain(telling[0])
