"""The names that a configuration can use: its keys, and the classes that it may name."""

import inspect
from collections.abc import Sequence

import lightning as L
from lightning.pytorch.loggers import Logger
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.strategies import Strategy

from pinn.base.messages import near_miss
from pinn.callbacks import Keeper, Panels
from pinn.networks import Embedding, Network
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

SECTIONS: dict[str, type] = {
    "model": Solver,
    "data": Collocation,
    "trainer": L.Trainer,
    "checkpoints": Keeper,
    "pictures": Panels,
}
# What a key of this name takes: a class derived from this one.
BASES: dict[str, type] = {
    "problem": Problem,
    "network": Network,
    "embedding": Embedding,
    "callbacks": L.Callback,
    "logger": Logger,
    "strategy": Strategy,
    "profiler": Profiler,
}


def suggestion(name: str, known: Sequence[str]) -> str:
    """The end of a line about an unknown name."""
    hint = near_miss(name, known)
    if len(known) > 12:
        hint = hint.split("known:")[0].strip()
    return f": {hint}" if known and hint else ""


def classes() -> list[type]:
    """Every class that a configuration makes."""
    return [Phase, *(found for base in BASES.values() for found in subclasses(base))]


def subclasses(base: type[object]) -> list[type]:
    """The classes derived from one that a configuration may name."""
    found: list[type] = []
    for derived in base.__subclasses__():
        found += [derived, *subclasses(derived)]
    return [c for c in dict.fromkeys(found) if not inspect.isabstract(c) and c.__name__[0] != "_"]


def parameters(cls: type) -> list[str]:
    """What a class takes."""
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found = inspect.signature(cls).parameters.items()
    return [name for name, parameter in found if parameter.kind not in variadic]
