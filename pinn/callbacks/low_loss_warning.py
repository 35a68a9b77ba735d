"""One line of warning where the loss is low and the solution may be wrong."""

import math
from typing import Any

import lightning as L

from pinn.assessment.low_loss import alarm, loss_of_zero, mass_equations, stands_out
from pinn.base.console import say
from pinn.objective.nonfinite import diagnose, faulty_prediction
from pinn.training.solver import Solver


class LowLossWarning(L.Callback):
    """Hold what every validation found against the training loss; warn once in a run."""

    def __init__(self) -> None:
        self.warned = False

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Look at the scores."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.look(solver, trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Look at the last ones."""
        self.look(solver, trainer.global_step)

    def look(self, solver: Solver, step: int) -> None:
        """Warn if there is reason to."""
        scores = solver.scores
        if self.warned or "check/held_out_ratio" not in scores or not solver.terms:
            return
        points = solver.collocation.draw_held_out(solver.problem, next(solver.parameters()))
        judged = (value for tag, value in scores.items() if not tag.startswith("quantity/"))
        if all(map(math.isfinite, judged)):
            equations = mass_equations(solver.solution)
            if not stands_out(scores, solver.terms, equations):
                return
            # Anew every time: weights may follow the training, and a stage has its own equations.
            zero = loss_of_zero(solver.solution, points, solver.plans, solver.balance.weights)
            line: str | None = alarm(scores, solver.terms, zero, equations)
            where = f"at step {step}"
        else:
            line = diagnose(solver.solution, solver.plans, points, differentiated=False)
            if line is None and solver.reference is not None:
                line = faulty_prediction(solver.solution, solver.reference.at)
            where = "at points that training does not see,"
        if line:
            self.warned = True
            say(f"warning   {where} {line}")

    def state_dict(self) -> dict[str, Any]:
        """A resumed run does not warn again."""
        return {"warned": self.warned}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Whether it has."""
        self.warned = state_dict["warned"]
