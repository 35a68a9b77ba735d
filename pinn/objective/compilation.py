"""How a run evaluates its steps: by Python, from a recorded graph, or from a compiled one.

The three give the same numbers up to rounding (eager and recorded the same bits), so the choice is
one of time: recording takes a second, compiling some ten seconds a graph.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from pinn.base.processes import processes
from pinn.objective.objective import Objective

Compile = bool | Literal["auto"]

RECORDING = 1.5  # seconds per region, on the safe side
COMPILING = 20.0
SAVED = 0.4  # of an evaluation's time by compiling; measured 0.3 to 0.6


@dataclass(frozen=True)
class Compilation:
    """A mode and why it was picked."""

    name: str
    reason: str


def choose_compilation(
    objective: Objective,
    run: Callable[[], object],
    lasts: Callable[[float], float],
    compile: Compile,
) -> Compilation:
    """Pick a mode for what is still to come; `auto` measures the ones that could pay.

    Args:
        objective: is evaluated a few times.
        run: one evaluation of its gradient.
        lasts: the seconds of the rest of the run, where an evaluation takes so many.
        compile: False for Python, True for the compiler, `auto` for what ends the run first.
    """
    if compile is False:
        return Compilation("eager", "compile is off")
    if compile is True:
        return Compilation("compiled", "asked for")
    if lasts(1.0) == 0:
        return Compilation("recorded", "residuals and Jacobian, for least squares")
    regions = len(objective.plans)
    eager = seconds(objective, "eager", run)
    if lasts(eager) < 3 * RECORDING * regions:
        return Compilation("eager", f"recording a graph would not pay in {lasts(eager):.1f} s")
    recorded = seconds(objective, "recorded", run)
    if lasts(recorded) * SAVED > 2 * COMPILING * regions:
        return Compilation("compiled", f"{lasts(recorded):.0f} s without compiling")
    if recorded > eager:
        return Compilation("eager", f"{1e3 * eager:.1f} ms each, {1e3 * recorded:.1f} ms recorded")
    return Compilation("recorded", f"{1e3 * recorded:.1f} ms each, {1e3 * eager:.1f} ms by Python")


def seconds(objective: Objective, mode: str, run: Callable[[], object]) -> float:
    """The time of an evaluation: the best of three after a first one, the slowest process's."""
    before, objective.mode = objective.mode, mode
    run()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        run()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    objective.mode = before
    slowest = torch.tensor(min(times), dtype=torch.float64, device=objective.numbers.device)
    if processes() > 1:
        torch.distributed.all_reduce(slowest, torch.distributed.ReduceOp.MAX)
    return float(slowest)
