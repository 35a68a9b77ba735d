"""Curves for TensorBoard: losses, residuals, errors, weights, coefficients and time."""

from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from pinn.training.solver import Solver


class Scalars(L.Callback):
    """Log the terms of the loss every `trainer.log_every_n_steps`, and scores after validation.

    The values go to the logger directly: `LightningModule.log` costs a quarter of a millisecond
    each, at every step.
    """

    def __init__(self) -> None:
        self.logged_step = 0
        self.logged_seconds = 0.0

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count steps from here, and lay out the page that groups the curves."""
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and trainer.is_global_zero:
                logger.experiment.add_custom_scalars(layout(solver))
        self.logged_step, self.logged_seconds = trainer.global_step, 0.0

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Log the step."""
        step, period = trainer.global_step, trainer.log_every_n_steps  # type: ignore[attr-defined]
        if not trainer.loggers or not period or step % period:
            return
        steps, seconds = step - self.logged_step, solver.watch.seconds - self.logged_seconds
        self.logged_step, self.logged_seconds = step, solver.watch.seconds
        scalars = step_scalars(solver, trainer)
        scalars["perf/steps_per_second"] = steps / max(seconds, 1e-9)
        for logger in trainer.loggers:
            logger.log_metrics(scalars, step)

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Log the scores."""
        if trainer.sanity_checking:
            return
        for logger in trainer.loggers:
            logger.log_metrics(solver.scores, trainer.global_step)


def layout(solver: Solver) -> dict[str, dict[str, list[Any]]]:
    """TensorBoard's page `custom scalars`: curves that are compared share a chart.

    Which charts there are follows from what the run logs.
    """
    balanced = solver.balance.method != "fixed"
    coefficients = solver.problem.coefficients() or len(solver.schedule.stages) > 1
    quantities = solver.problem.quantities
    charts = {
        "loss terms": r"^loss/.*",
        "errors, relative L2": r"^error/.*" if solver.reference is not None else "",
        "residuals off the training points, RMS": r"^(residual/.*_rms|divergence/.*rms)$",
        "residuals off the training points, maximum": r"^(residual/.*_max|divergence/.*max)$",
        "quantities": r"^quantity/.*(?<!_error)$" if quantities else "",
        "quantities, relative error": r"^quantity/.*_error$" if quantities else "",
        "checks": r"^check/.*",
        "weights of the loss terms": r"^weight/.*" if balanced else "",
        "coefficients": r"^coefficient/.*" if coefficients else "",
        "phase": r"^optim/phase$" if len(solver.schedule.phases) > 1 else "",
    }
    shown = {title: ["Multiline", [tags]] for title, tags in charts.items() if tags}
    return {"the run at a glance": shown}


def step_scalars(solver: Solver, trainer: L.Trainer) -> dict[str, float]:
    """The scalars of one training step."""
    scalars = {f"loss/{name}": float(term) for name, term in solver.terms.items()}
    scalars["optim/lr"] = trainer.optimizers[0].param_groups[0]["lr"]
    schedule = solver.schedule
    scalars["optim/phase"] = schedule.phase + 1
    if solver.system is None:
        slopes = [p.grad for p in solver.parameters() if p.grad is not None]
        scalars["optim/grad_norm"] = float(torch.nn.utils.get_total_norm(slopes))
    staged = schedule.stages[schedule.stage] if len(schedule.stages) > 1 else {}
    values = {**staged, **solver.problem.coefficients()}
    scalars |= {f"coefficient/{name}": value for name, value in values.items()}
    if solver.balance.method != "fixed":
        scalars |= {f"weight/{name}": weight for name, weight in solver.balance.weights.items()}
    return scalars
