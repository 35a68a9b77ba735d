"""A loss that is no number stops the run; the last finite checkpoint stays."""

from typing import Any

import lightning as L
import torch
from torch import Tensor

from pinn.solver import Solver

PERIOD = 10  # looking at the loss waits for the device, so not at every step


class NonFiniteError(RuntimeError):
    """The loss became NaN or infinite."""


class FiniteGuard(L.Callback):
    """Look at the losses of the last ten steps every ten steps, and at the end.

    Raises:
        NonFiniteError: one is NaN or infinite; the line names the first such step and residual.
    """

    def __init__(self) -> None:
        self.recent: list[tuple[int, dict[str, Tensor]]] = []

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        """Remember the loss; check when it is time."""
        solver: Solver = pl_module  # type: ignore[assignment]
        self.recent.append((trainer.global_step, solver.terms))
        if trainer.global_step % PERIOD == 0:
            self.check(solver)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Check the steps since, and hold what was recorded against the Python once more."""
        solver: Solver = pl_module  # type: ignore[assignment]
        self.check(solver)
        with torch.inference_mode(False), torch.enable_grad():
            (solver.system or solver.step).recheck()

    def check(self, solver: Solver) -> None:
        """Stop if the last loss is not finite. Its terms all are NaN by then: ask the first one."""
        recent, self.recent = self.recent, []
        if not recent or bool(torch.isfinite(recent[-1][1]["total"])):
            return
        step, terms = next((s, t) for s, t in recent if not torch.isfinite(t["total"]))
        broken = [n for n, term in terms.items() if n != "total" and not torch.isfinite(term)]
        raise NonFiniteError(
            f"the loss is {float(terms['total'])} at step {step} "
            f"({solver.course.current.optimizer}), from "
            f"{', '.join(broken) or 'the weighted sum'}: lower the learning rate or the weights"
        )
