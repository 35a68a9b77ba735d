"""Which classes a configuration may name: naming one imports and runs its module."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader, set_parsing_settings

from pinn.cli.configuration import parse_yaml
from pinn.cli.yaml_nodes import UsageError
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
# Functions of torch that a network may be given as an activation, by the paths torch knows them by.
FUNCTIONS = ("sin", "cos", "tanh", "exp", "erf", "sigmoid", "relu", "square", "atan", "softmax")
ACTIVATIONS = tuple(f"torch.{at}{f}" for f in FUNCTIONS for at in ("", "_VariableFunctionsClass."))
# Takes its layers one by one, which a configuration cannot; `Stack` takes a list.
SEQUENTIAL = ("torch.nn.Sequential", "torch.nn.modules.container.Sequential")


def trust(packages: Sequence[str], folders: Sequence[Path] = ()) -> None:
    """Let configurations name classes of this program, what it is built on, and `packages`.

    Args:
        packages: packages or modules, installed, in the current folder or in one of `folders`.
        folders: those of the configurations.

    Raises:
        UsageError: one of them does not exist.
    """
    places = [str(folder.resolve()) for folder in (Path.cwd(), *folders)] if packages else []
    sys.path[:0] = [place for place in dict.fromkeys(places) if place not in sys.path]
    for name in packages:
        identifiers = all(part.isidentifier() for part in name.split("."))
        if not identifiers or importlib.util.find_spec(name.split(".")[0]) is None:
            raise UsageError(
                f"--allow_import {name!r}: no such module in this folder or beside the "
                "configuration, and none is installed"
            )
    set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=[*TRUSTED, *ACTIVATIONS, *packages],
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
    return stacked(construct(text))


def stacked(value: Any) -> Any:
    """Plain data with every recipe of torch's Sequential as one of `Stack`, at any depth.

    Raises:
        UsageError: it has no list of layers.
    """
    if isinstance(value, list):
        return [stacked(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: stacked(item) for key, item in value.items()}
    if value.get("class_path") not in SEQUENTIAL:
        return value
    given = value.get("init_args")
    layers = list(given.values()) if isinstance(given, dict) else []
    if len(layers) != 1 or not isinstance(layers[0], list):
        raise UsageError(
            "torch.nn.Sequential needs its layers: init_args: {args: [LAYER, …]}, or give the list "
            "itself as the network"
        )
    return {"class_path": "pinn.networks.Stack", "init_args": {"layers": layers[0]}}
