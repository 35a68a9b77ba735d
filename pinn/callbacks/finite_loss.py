"""A loss that is not a number stops the run before it spoils the weights; a line says where."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
from torch import Tensor

from pinn.base.torch_adapter import largest_entries, multiply
from pinn.base.transfers import Transfer, reads_are_free, sent_once
from pinn.objective.nonfinite import NonFiniteError, diagnose
from pinn.training.solver import Solver

LAG = 2  # steps that a GPU may be behind: numbers are looked at once they are there


@dataclass
class Moment:
    """An evaluation of the loss.

    Args:
        step: of the run, counted from 1.
        terms: the losses.
        number: finite if the loss and its gradient are.
        weights: those of the evaluation, where they will have changed when they are looked at.
    """

    step: int
    terms: dict[str, Tensor]
    number: Transfer
    weights: Sequence[Tensor] | None


class FiniteLoss(L.Callback):
    """Look at loss and gradient before each step changes the weights.

    On a GPU that would wait for the device. The look then comes two steps later, when the numbers
    have arrived, and before anything is saved; the weights from before the bad step are put back.

    Raises:
        NonFiniteError: one is NaN or infinite; the line names residual, region, point and
            expression.
    """

    def __init__(self) -> None:
        self.recent: list[Moment] = []
        self.suspicion = ""  # of an evaluation inside a step, which a line search may recover from

    def on_fit_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Look at the residuals and their gradients before anything is measured by them."""
        solver.settle()
        if found := self.found(solver):
            raise NonFiniteError(f"before the first step {found}")

    def on_before_optimizer_step(self, trainer: L.Trainer, solver: Any, optimizer: Any) -> None:
        """Remember the evaluation; look at it where that costs nothing."""
        several, device = solver.schedule.current.has_one_loss, solver.terms["total"].device
        if solver.system is not None and not reads_are_free(device):
            return  # least squares stop by themselves before they move
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        slopes = [p.grad for p in parameters if p.grad is not None]
        number = torch.stack([solver.terms["total"], *largest_entries(slopes)]).sum()
        at_once = several or reads_are_free(device)
        weights = None if at_once else copies([p.detach() for p in solver.solution.parameters()])
        moment = Moment(trainer.global_step + 1, solver.terms, Transfer(number), weights)
        self.recent.append(moment)
        if at_once and (line := self.checked(solver)):
            if not several:
                raise NonFiniteError(line)
            self.suspicion = self.suspicion or line

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Check what has arrived."""
        self.check(solver, trainer.global_step - LAG)

    def on_save_checkpoint(self, trainer: L.Trainer, solver: Any, checkpoint: Any) -> None:
        """Nothing is saved that has not been looked at."""
        if self.recent:
            self.check(solver)

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Check the steps since, and hold what was recorded against the Python once more."""
        self.check(solver)
        with torch.inference_mode(False), torch.enable_grad():
            (solver.system or solver.objective).recheck()

    def check(self, solver: Solver, until: float = math.inf) -> None:
        """Stop if an evaluation up to a step, or what a step has led to, is not finite."""
        suspected, self.suspicion = self.suspicion, ""
        if suspected and self.found(solver) is None:  # the line search went back
            suspected = ""
        if line := suspected or self.checked(solver, until):
            raise NonFiniteError(line)

    def checked(self, solver: Solver, until: float = math.inf) -> str:
        """What is wrong with the first evaluation up to a step that is not finite."""
        due = [moment for moment in self.recent if moment.step <= until]
        self.recent = self.recent[len(due) :]
        moment = next((m for m in due if not math.isfinite(m.number.number)), None)
        if moment is None:
            return ""
        self.recent = []
        if moment.weights is not None:
            with torch.no_grad():
                for own, value in zip(solver.solution.parameters(), moment.weights, strict=True):
                    own.copy_(value)
        total, terms = float(moment.terms["total"]), moment.terms
        finite = abs(total) < float("inf")
        what = "the gradient of the loss is not finite" if finite else f"the loss is {total}"
        broken = [n for n, t in terms.items() if n != "total" and not bool(torch.isfinite(t))]
        found = self.found(solver) or (
            f"it comes from {', '.join(broken) or 'the weighted sum'}: lower the learning rate or "
            "the weights"
        )
        optimizer = solver.schedule.current.optimizer
        return f"{what} at step {moment.step} ({optimizer}): {found}"

    def found(self, solver: Solver) -> str | None:
        """What is not finite at the weights as they are."""
        like, where = next(solver.parameters()), (solver.global_step, solver.global_rank)
        points = solver.drawn or solver.collocation.draw(solver.problem, *where, like)
        return diagnose(solver.solution, solver.plans, points)


def copies(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """A copy of each tensor, in one launch."""
    like = tensors[0]
    return multiply(tensors, sent_once((1.0,), like.dtype, like.device)[0])
