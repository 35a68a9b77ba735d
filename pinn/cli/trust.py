"""Which classes a configuration may name: naming one imports and runs its module."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader, set_parsing_settings

from pinn.cli.configuration import parse_yaml
from pinn.cli.mapping import UsageError
from pinn.optim.named import optimizer_class

TRUSTED = (
    "pinn",
    "torch.optim",
    "torch.nn",
    *(
        f"lightning.{package}.{part}"
        for package in ("pytorch", "fabric")
        for part in ("accelerators", "callbacks", "loggers", "plugins", "profilers", "strategies")
    ),
)
construct = get_loader("yaml")


def trust(packages: Sequence[str]) -> None:
    """Let configurations name classes of this program, what it is built on, and `packages`.

    Args:
        packages: packages or modules, installed or in the current folder.

    Raises:
        UsageError: one of them does not exist.
    """
    here = str(Path.cwd())
    if packages and here not in sys.path:
        sys.path.insert(0, here)
    for name in packages:
        identifiers = all(part.isidentifier() for part in name.split("."))
        if not identifiers or importlib.util.find_spec(name.split(".")[0]) is None:
            raise UsageError(
                f"--allow_import {name!r}: no such module in this folder, and none is installed"
            )
    set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=[*TRUSTED, *packages],
        instantiate_subclass_spec_in_any=False,
        config_read_mode_fsspec_enabled=False,
    )
    set_loader("yaml", load, exceptions=(yaml.YAMLError,))


def check_optimizer(name: str, packages: Sequence[str]) -> None:
    """Hold an optimiser named by its dotted path against what may be named.

    As for other classes, the path is looked at before it is imported, and the place where the class
    is defined after that.

    Raises:
        UsageError: it is neither part of this program and torch, nor of `packages`; it cannot be
            imported; or it is no optimiser.
    """
    if "." not in name:
        return
    allowed = (*TRUSTED, *packages)
    check_path(name, allowed)
    try:
        found = optimizer_class(name)
    except ValueError as error:
        raise UsageError(str(error)) from error
    check_path(f"{found.__module__}.{found.__qualname__}", allowed)


def check_path(path: str, allowed: Sequence[str]) -> None:
    """Refuse a path below none of the allowed ones."""
    if not any(f"{path}.".startswith(f"{known}.") for known in allowed):
        raise UsageError(refusal(path))


def refusal(path: str) -> str:
    """A line about a class that was not imported."""
    return (
        f"{path!r} is not part of this program and was not imported: if you trust it, "
        f"add --allow_import {path.split('.')[0]}"
    )


def load(text: str) -> Any:
    """A value as YAML; one that gives a key twice is refused.

    Raises:
        UsageError: of two equal keys YAML would take the last.
    """
    if ":" in text and ("{" in text or "\n" in text):
        short = text if len(text) < 60 and "\n" not in text else f"{text.strip()[:50]} …"
        try:
            parse_yaml(text, repr(short))
        except UsageError as error:
            if not isinstance(error.__cause__, yaml.YAMLError):
                raise
    return construct(text)
