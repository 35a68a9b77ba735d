"""Pictures for the loggers: prediction, reference and error of every component."""

import lightning as L
import torch

from pinn.assessment.figures import draw
from pinn.assessment.scores import component_values
from pinn.callbacks.loggers import show_picture, takes_pictures
from pinn.console import Activity
from pinn.solver import Solver


class Panels(L.Callback):
    """Draw the fields at the end of a run, and before that every so many validations.

    Args:
        every: validations between pictures; drawing costs about a second.
    """

    def __init__(self, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"pictures every {every} validations: expected at least 1")
        self.every = every
        self.validations = 0
        self.drawn_step = -1
        self.drawing = Activity("drawing the fields")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw when it is time."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self.validations += 1
        if self.validations % self.every == 1 or self.every == 1:
            self.draw(trainer, pl_module)  # type: ignore[arg-type]

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw the result."""
        self.draw(trainer, pl_module)  # type: ignore[arg-type]

    def draw(self, trainer: L.Trainer, solver: Solver) -> None:
        """Give the figures to the loggers that take any, once per step."""
        if not trainer.is_global_zero or self.drawn_step == trainer.global_step:
            return
        self.drawn_step = trainer.global_step
        loggers = [logger for logger in trainer.loggers if takes_pictures(logger)]
        if not loggers:
            return
        with self.drawing:
            with torch.no_grad():
                figures = draw(solver.problem, solver.reference, lambda at: predict(solver, at))
            for logger in loggers:
                for tag, figure in figures.items():
                    show_picture(logger, f"fields/{tag}", figure, trainer.global_step)


def predict(solver: Solver, at: torch.Tensor) -> dict[str, torch.Tensor]:
    """The components at points, on the CPU."""
    like = next(solver.parameters())
    return {n: v.double().cpu() for n, v in component_values(solver.solution, at.to(like)).items()}
