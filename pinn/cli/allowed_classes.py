"""Which classes a configuration may name: naming one imports and runs its module."""

from collections.abc import Sequence
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader, set_parsing_settings

from pinn.base.messages import echo
from pinn.checkpoints.migrations import renamed
from pinn.cli.schema import TRUSTED, check_path
from pinn.cli.yaml_nodes import SAVED, Bounds, UsageError, composed
from pinn.optim.named import optimizer_class

construct = get_loader("yaml")
LARGE = Bounds(10**7, 10**7, SAVED.levels)
# Functions of torch that a network may be given as an activation, by the paths torch knows them by.
FUNCTIONS = ("sin", "cos", "tanh", "exp", "erf", "sigmoid", "relu", "square", "atan", "softmax")
ACTIVATIONS = tuple(f"torch.{at}{f}" for f in FUNCTIONS for at in ("", "_VariableFunctionsClass."))
# Takes its layers one by one, which a configuration cannot; `Stack` takes a list.
SEQUENTIAL = ("torch.nn.Sequential", "torch.nn.modules.container.Sequential")


def trust(packages: Sequence[str]) -> None:
    """Let configurations name classes of this program, what it is built on, and `packages`."""
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


def load(text: str) -> Any:
    """A value as YAML; it may be a file that a value names, or the data of a checkpoint."""
    if "&" in text:  # what aliases stand for may have no end
        composed(text, echo(text), LARGE)
    return renamed(stacked(construct(text)))


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
