"""Packages that not everybody needs, which `pip install -e '.[EXTRA]'` brings to an installation from the clone."""

import importlib
from types import ModuleType


def install(extra: str) -> str:
    """How to get an extra, for messages. kerasmlsp is not on PyPI, so that its name alone installs nothing.

    Args:
        extra: The extra of kerasmlsp, as in setup.cfg.

    Example:
        >>> install("music")
        "`pip install -e '.[music]'` in the clone of kerasmlsp"
    """
    return f"`pip install -e '.[{extra}]'` in the clone of kerasmlsp"


def required(package: str, extra: str) -> ModuleType:
    """Imports a package of an extra.

    Args:
        package: As it is imported.
        extra: The extra of kerasmlsp that brings it, as in setup.cfg.

    Returns:
        The module.

    Raises:
        ModuleNotFoundError: It cannot be imported; the message says what to install.

    Example:
        >>> required("json", "music").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModuleNotFoundError(
            f"This needs the package {error.name or package}: {install(extra)} ({error}).",
            name=error.name,
        ) from error
