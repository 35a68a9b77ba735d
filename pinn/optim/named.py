"""Optimisers by name: those of torch and of this package, and any other by its dotted path."""

import pkgutil
import sys

import torch
from torch.optim import Optimizer

from pinn.base.messages import echo, near_miss
from pinn.optim.levenberg_marquardt import LevenbergMarquardt


def known() -> dict[str, type[Optimizer]]:
    """The optimisers that need no path."""
    own = {name: cls for name, cls in vars(torch.optim).items() if is_optimizer(cls)}
    return {"LevenbergMarquardt": LevenbergMarquardt, **own}


def is_optimizer(thing: object) -> bool:
    """Whether something is a class that can be made and asked for steps."""
    return isinstance(thing, type) and issubclass(thing, Optimizer) and thing is not Optimizer


def optimizer_class(name: str) -> type[Optimizer]:
    """The optimiser of a name. A dotted path imports its module.

    Raises:
        ValueError: there is none, it cannot be imported, or it is no optimiser.
    """
    own = known()
    if name in own:
        return own[name]
    if "." not in str(name):
        raise ValueError(
            f"unknown optimizer {echo(name)}: {near_miss(name, own)}; any other goes by its dotted "
            "path, such as package.Optimizer"
        )
    try:
        cls = pkgutil.resolve_name(name)
    except Exception as error:  # whatever its module raises
        place, _, last = name.rpartition(".")
        there = [n for n, c in vars(sys.modules.get(place, object)).items() if is_optimizer(c)]
        hint = near_miss(last, there) if there else "install its package, or correct the path"
        raise ValueError(
            f"optimizer {echo(name)} cannot be imported ({type(error).__name__}: {error}): {hint}"
        ) from error
    if not is_optimizer(cls):
        raise ValueError(
            f"optimizer {echo(name)} is no subclass of torch.optim.Optimizer: give the path of a "
            "class"
        )
    return cls


def shortest(name: str) -> str:
    """The name without its path, where it needs none: the settings of an optimiser go by it."""
    wanted = optimizer_class(name)
    return next((short for short, cls in known().items() if cls is wanted), name)


def begun(optimizer: Optimizer) -> Optimizer:
    """An optimiser ready for steps: a schedule-free one has to be told that training begins.

    `LearningRateMonitor` may read the weight decay of every one, so what has none has zero.
    """
    for group in optimizer.param_groups:
        group.setdefault("weight_decay", 0.0)
    if callable(train := getattr(optimizer, "train", None)):
        train()
    return optimizer
