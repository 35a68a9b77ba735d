"""A callback that writes the error against the seconds since the process began."""

from __future__ import annotations

import json
import time
from pathlib import Path

import lightning as L
import torch
from peers.clock import since_start

from pinn.assessment.scores import component_values
from pinn.training.solver import Solver


def error_of(solver: Solver) -> float:
    """Relative L2 error of the first unknown, all its components together."""
    solution, reference = solver.solution, solver.reference
    if reference is None:
        raise ValueError(f"{type(solver.problem).__name__} has nothing to be judged against")
    found = component_values(solution, reference.at.to(next(solution.parameters())))
    names = solver.problem.components(next(iter(solver.problem.unknowns)))
    truth = torch.stack([reference.values[name][reference.judged] for name in names])
    shown = torch.stack([found[name].cpu()[reference.judged] for name in names])
    return float((shown - truth).norm() / truth.norm())


class Curve(L.Callback):
    """Appends [seconds, error, loss] to a file of lines after every validation of the last stage.

    Args:
        path: of the file.
    """

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.watched = 0.0  # this callback's own time does not count

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write a line."""
        begun = time.perf_counter()
        seconds = since_start() - self.watched
        solver: Solver = pl_module  # type: ignore[assignment]
        if solver.schedule.stage + 1 < len(solver.schedule.stages):
            return  # the error is that of another coefficient
        loss = float(solver.terms["total"]) if "total" in solver.terms else None
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([seconds, error_of(solver), loss]) + "\n")
        self.watched += time.perf_counter() - begun
