"""Neural networks for signals: Keras model builders, training, generation and export.

    >>> from kerasmlsp import models
    >>> model = models.attention_lstm(20_000, 2)

`kerasmlsp.layers`, `kerasmlsp.models`, `kerasmlsp.training` and `kerasmlsp.exporting` are imported by name;
this package itself imports nothing, so that the command line starts at once.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import keras

__version__ = "0.1.0"


def load_model(path: "str | Path", *, compile: bool = False) -> "keras.Model":
    """Loads a `.keras` file, whatever layers, losses, optimizers and models of this package it names.

    For `keras.saving.load_model` itself, `import kerasmlsp.registered` once.

    Args:
        path: The file, `str` or `Path`.
        compile: Whether to take the optimizer and the losses from the file, too, to go on with a training.

    Returns:
        A `keras.Model`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is damaged, or names a class or function that is not imported; the message says which.

    Example:
        >>> import tempfile
        >>> from kerasmlsp import models
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     models.lenet5(10).save(f"{folder}/model.keras")
        ...     model = load_model(f"{folder}/model.keras")
        >>> model.count_params()
        61706
    """
    import keras

    from kerasmlsp import registered  # noqa: F401
    from kerasmlsp.files import existing

    path = existing(path)
    try:
        return keras.saving.load_model(path, compile=compile)
    except Exception as error:
        # What a broken archive raises depends on where it breaks.
        raise ValueError(f"The model {path} {_fault(path, error)}") from error


def _fault(path, error) -> str:
    import json
    import zipfile
    import zlib

    import keras

    try:
        with zipfile.ZipFile(path) as archive:
            broken, config = archive.testzip(), json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        broken, config = True, {}
    if broken:
        return f"is damaged ({type(error).__name__}): restore it, or run its training again with `--resume`."
    unknown = {name: module for name, module in _named(config) if keras.saving.get_registered_object(name) is None}
    if unknown:
        modules = sorted({module for module in unknown.values() if module not in ("builtins", "__main__", None)})
        where = " and ".join(modules) or (
            "the modules that register it with `keras.saving.register_keras_serializable`"
        )
        return f"names what is not registered: {', '.join(unknown)}. Import {where}, then load again."
    reason = " ".join(str(error).split())[:300]
    return f"is whole, but cannot be built ({type(error).__name__}: {reason}): was it made by another version of Keras?"


def _named(config):
    """Registered names, and modules, of the classes and functions in a configuration that are not Keras's own."""
    if isinstance(config, dict) and config.get("registered_name"):
        if config["class_name"] == "function":
            yield config["config"], config["module"]
        elif str(config["module"]).partition(".")[0] != "keras":
            yield config["registered_name"], config["module"]
    for each in config.values() if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _named(each)
