"""Packages that not everybody needs, which `pip install 'kerasmlsp[EXTRA]'` brings."""

import importlib
from types import ModuleType


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
            f"This needs the package {error.name or package}: pip install 'kerasmlsp[{extra}]' ({error}).",
            name=error.name,
        ) from error
