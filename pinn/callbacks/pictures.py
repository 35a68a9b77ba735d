"""Pictures for the loggers: prediction, reference and error of every component."""

import math
import time
from typing import TYPE_CHECKING, Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger

from pinn.assessment.scores import component_values
from pinn.base.console import Activity, say
from pinn.base.messages import whole
from pinn.training.decay import decay
from pinn.training.outcome import in_words
from pinn.training.solver import Solver

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT = 30.0  # seconds of a run that has the last pictures alone
TAKING = TensorBoardLogger, WandbLogger, MLFlowLogger  # pictures; others write tables alone


class Figures(L.Callback):
    """Draw the fields at the end of a run, and before that every so many validations.

    The last ones are drawn after all is saved and reported. With more than one validation between
    pictures, a run that is over in seconds has the last ones alone.

    Args:
        every: validations between pictures; drawing costs about a second.
    """

    def __init__(self, every: int = 20) -> None:
        self.every = whole("pictures.every", every)
        self.validations = 0
        self.began = math.inf
        self.is_due = False
        self.drawn_step = -1
        self.drawing = Activity("drawing the fields")
        self.failed = ""

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count time from here."""
        self.began = time.perf_counter()

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Draw when it is time."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        self.validations += 1
        self.is_due |= self.validations % self.every == 1 or self.every == 1
        if self.is_due and (self.every == 1 or time.perf_counter() - self.began > SHORT):
            self.is_due = False
            self.draw(trainer, solver)

    def on_fit_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Draw the result."""
        self.draw(trainer, solver)

    def draw(self, trainer: L.Trainer, solver: Solver) -> None:
        """Give the figures to the loggers that take any, once per step; a run goes on without."""
        if not trainer.is_global_zero or self.drawn_step == trainer.global_step:
            return
        self.drawn_step = trainer.global_step
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TAKING)]
        if not loggers:
            return
        with self.drawing:
            try:
                figures = figures_of(solver, trainer.global_step)
                for logger in loggers:
                    for tag, figure in figures.items():
                        show_picture(logger, f"fields/{tag}", figure, trainer.global_step)
            except Exception as error:  # whatever values and domains matplotlib cannot show
                if str(error) != self.failed:
                    self.failed, why = str(error), " ".join(str(error).split())
                    say(f"pictures of step {trainer.global_step} are missing: {why}")


def draw(*args: Any) -> "dict[str, Figure]":
    """The figures of a solution, see `assessment.figures.draw`, which loads matplotlib."""
    from pinn.assessment import figures

    return figures.draw(*args)


def show_picture(logger: Any, tag: str, figure: "Figure", step: int) -> None:
    """Give a picture to a logger."""
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_image(tag, pixels(figure), step, dataformats="HWC")
    elif isinstance(logger, WandbLogger):
        logger.log_image(tag, [figure], step)
    else:
        logger.experiment.log_figure(logger.run_id, figure, f"{tag}-{step:07d}.png")


def pixels(figure: "Figure") -> np.ndarray:
    """A figure as (height, width, 3) bytes; TensorBoard's own way loads pyplot, and its windows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


@torch.no_grad()
def figures_of(solver: Solver, step: int) -> "dict[str, Figure]":
    """Every figure, by tag."""
    problem = solver.problem
    along = {
        problem.components(c.unknown)[k]: c.along
        for c in solver.solution.constants
        for k in c.components
    }
    heading = f"{run_name(solver)}, step {step}"
    figures = draw(
        problem,
        solver.reference,
        lambda at: predict(solver, at),
        lambda unknown, at: solver.solution.at(at).vorticity(unknown),
        heading,
        solver.scores,
        along,
    )
    return figures if solver.rounds is None else figures | {"patches": patches(solver, heading)}


def patches(solver: Solver, heading: str) -> "Figure":
    """The patches of a run with an accuracy, and how well their polynomials have converged."""
    from pinn.assessment.patch_map import patch_map

    assert solver.rounds is not None
    network, degrees = solver.rounds.network, in_words(solver.rounds.degrees)
    boxes = network.layout.boxes()
    many = f"{len(network.layout)} patches, polynomials of {degrees}"
    left = decay(network).tails.sum(1).sqrt().double().cpu().numpy()
    names = solver.problem.geometry.coordinates
    label = "last coefficients, relative"
    return patch_map(
        boxes.lower.numpy(), boxes.upper.numpy(), left, names, f"{many}\n{heading}", label
    )


def predict(solver: Solver, at: torch.Tensor) -> dict[str, torch.Tensor]:
    """The components at points, on the CPU."""
    like = next(solver.parameters())
    return {n: v.double().cpu() for n, v in component_values(solver.solution, at.to(like)).items()}


def run_name(solver: Solver) -> str:
    """The problem and its numbers:  `LidDrivenCavity (reynolds 100)`."""
    numbers = dict(solver.describe()["problem"].get("init_args", {}))
    numbers |= solver.schedule.stages[solver.schedule.stage]
    told = [
        f"{name} {value:g}"
        for name, value in numbers.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    name = type(solver.problem).__name__
    return f"{name} ({', '.join(told[:2])})" if told else name
