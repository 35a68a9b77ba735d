"""Packages that only some uses need, and that an extra of this one brings."""

from importlib import import_module
from typing import Any


def needed(package: str, use: str, install: str) -> Any:
    """A package that only some uses need.

    Raises:
        ModuleNotFoundError: it is not installed; the line says how to install it.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{use} needs {package}, which is not installed: pip install {install}"
        ) from error
