"""A network by itself is not the solution: ansatz and gauge are missing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import nn

from pinn.dry_run.gauge import Constant
from pinn.physics.problem import Problem


class Within:
    """How many solutions are being exported: a plain number, since tracers read little else."""

    depth = 0


@contextmanager
def within_solution() -> Iterator[None]:
    """Networks are evaluated as parts of a solution."""
    if not is_exported():  # the compiler need not see what only exporters ask for
        yield
        return
    Within.depth += 1
    try:
        yield
    finally:
        Within.depth -= 1


def guard(network: nn.Module, problem: Problem, constants: Sequence[Constant]) -> None:
    """Refuse to export a network alone where the solution is more than that."""
    plain = getattr(problem.ansatz, "__func__", None) is Problem.ansatz
    missing = [] if plain else ["the ansatz"]
    missing += [f"the gauge of {c.name!r}" for c in constants if c.gauge != "free"]
    if missing:
        line = (
            f"a network of {type(problem).__name__} by itself is not the solution, it lacks "
            f"{' and '.join(missing)}: use solution.export('file.pt2')"
        )
        network.register_forward_pre_hook(partial(refuse, line))


def is_guard(hook: Any) -> bool:
    """Whether a hook is that of `guard`, which changes no value."""
    return isinstance(hook, partial) and hook.func is refuse


def is_exported() -> bool:
    """Whether operations are being written down to be run elsewhere."""
    return torch.compiler.is_exporting() or torch.jit.is_tracing()


def refuse(line: str, network: nn.Module, arguments: Any) -> None:
    """Raise when a network is exported by itself."""
    if is_exported() and not Within.depth:
        raise RuntimeError(line)
