"""A loss that is no number stops the run; the last finite checkpoint stays."""

from typing import Any

import lightning as L
import torch

from pinn.solver import Solver

PERIOD = 10  # looking at the loss waits for the device, so not at every step


class NonFiniteError(RuntimeError):
    """The loss became NaN or infinite."""


class FiniteGuard(L.Callback):
    """Look at the loss every ten steps, and at the end.

    Raises:
        NonFiniteError: it is NaN or infinite; the line names the step and the residuals.
    """

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        """Check the last loss."""
        if trainer.global_step % PERIOD:
            return
        check(pl_module, trainer.global_step)  # type: ignore[arg-type]

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Check the loss of the steps since."""
        check(pl_module, trainer.global_step)  # type: ignore[arg-type]


def check(solver: Solver, step: int) -> None:
    """Stop if any term of the loss is not finite."""
    if not solver.terms or bool(torch.isfinite(solver.terms["total"])):
        return
    broken = [n for n, term in solver.terms.items() if n != "total" and not torch.isfinite(term)]
    phase = solver.phases[solver.phase]
    raise NonFiniteError(
        f"the loss is {float(solver.terms['total'])} at step {step} ({phase.optimizer}), from "
        f"{', '.join(broken) or 'the weighted sum'}: lower the learning rate or the weights"
    )
