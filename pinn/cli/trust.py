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
