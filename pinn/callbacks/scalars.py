"""Curves for TensorBoard: loss/, residual/, error/, divergence/, optim/ and perf/."""

import time
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pinn.solver import Solver


class Scalars(L.Callback):
    """Log the terms of the loss every `trainer.log_every_n_steps`, and scores after validation.

    The values go to the logger directly: `LightningModule.log` costs a quarter of a millisecond
    each, at every step.
    """

    def __init__(self) -> None:
        self.clock = 0.0
        self.clock_step = 0
        self.steps_per_second = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Start the clock."""
        self.clock, self.clock_step = time.perf_counter(), trainer.global_step

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        """Log the step."""
        step = trainer.global_step
        if trainer.logger is None or step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        now = time.perf_counter()
        self.steps_per_second = (step - self.clock_step) / max(now - self.clock, 1e-9)
        self.clock, self.clock_step = now, step
        scalars = step_scalars(pl_module, trainer)  # type: ignore[arg-type]
        scalars["perf/steps_per_second"] = self.steps_per_second
        trainer.logger.log_metrics(scalars, step)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log the scores; the time they took is not the steps'."""
        if trainer.logger is not None and not trainer.sanity_checking:
            trainer.logger.log_metrics(pl_module.scores, trainer.global_step)  # type: ignore
        self.clock, self.clock_step = time.perf_counter(), trainer.global_step


def step_scalars(solver: Solver, trainer: L.Trainer) -> dict[str, float]:
    """The scalars of one training step."""
    scalars = {f"loss/{name}": float(term) for name, term in solver.terms.items()}
    scalars["optim/lr"] = trainer.optimizers[0].param_groups[0]["lr"]
    scalars["optim/phase"] = solver.phase + 1
    scalars["optim/grad_norm"] = float(gradient_norm(solver))
    for name, parameter in solver.problem.named_parameters():
        if parameter.ndim == 0:
            scalars[f"coefficient/{name}"] = float(parameter)
    return scalars


def gradient_norm(solver: Solver) -> Tensor:
    """‖∂L/∂θ‖₂."""
    norms = [p.grad.norm() for p in solver.parameters() if p.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros(())
