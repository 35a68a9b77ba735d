"""What came out: the table that ends a run."""

import shlex
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from rich.table import Table

from pinn.assessment.scores import Scores
from pinn.callbacks.stopwatch import Stopwatch
from pinn.console import say, show
from pinn.solver import Solver


class Report(L.Callback):
    """Assess the final weights; print and log how good they are."""

    def __init__(self) -> None:
        self.watch = Stopwatch()
        self.first_step = 0
        self.assessed_step = -1

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count steps from here."""
        self.watch, self.first_step = Stopwatch(), trainer.global_step

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *args: Any
    ) -> None:
        """The clock runs again, if a validation stopped it."""
        self.watch.start()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The time that validation and pictures take is not the steps'."""
        self.watch.stop()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The last step is done; others may draw before this callback's turn at the end."""
        self.watch.stop()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Assess, log, print."""
        solver: Solver = pl_module  # type: ignore[assignment]
        steps, seconds = trainer.global_step - self.first_step, self.watch.seconds
        new = self.assessed_step != trainer.global_step
        solver.estimate()
        if new:
            solver.scores = solver.assess()
        for logger in trainer.loggers:
            if new:
                logger.log_metrics(solver.scores, trainer.global_step)
            if isinstance(logger, TensorBoardLogger):
                final = headline(solver.scores) | found_coefficients(solver)
                logger.log_hyperparams(settings(solver), final, trainer.global_step)
        show(score_table(solver.scores))
        for line in coefficient_lines(solver):
            say(line)
        rate = steps / max(seconds, 1e-9)
        say(f"{steps} steps in {seconds:.0f} s of training, {rate:.1f} steps per second")
        if solver.reference is None:
            say("no reference is known for these parameters: errors are not shown")
        else:
            say(f"errors are against {solver.reference.source}")
        if trainer.log_dir:
            folder = Path(trainer.log_dir)
            say(f"files: {folder}")
            say(f"look at it: tensorboard --logdir {shlex.quote(str(folder))}")

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """These weights are assessed; a run that only validates shows how good they are."""
        self.assessed_step = trainer.global_step
        if trainer.state.fn == "validate":
            show(score_table(pl_module.scores))  # type: ignore[arg-type]
            for line in coefficient_lines(pl_module):  # type: ignore[arg-type]
                say(line)


def score_table(scores: Scores) -> Table:
    """One row per quantity."""
    table = Table("quantity", "relative L2", "RMS", "maximum", title="how good it is")
    for tag, value in scores.items():
        group, name = tag.split("/", 1)
        if group == "error":
            table.add_row(
                f"error of {name.replace('_everywhere', ', everywhere')}", f"{value:.2e}", "", ""
            )
        elif name.endswith("rms"):
            label = f"residual of {name.removesuffix('_rms')}" if group == "residual" else group
            maximum = scores[tag.removesuffix("rms") + "max"]
            table.add_row(label, "", f"{value:.2e}", f"{maximum:.2e}")
    return table


def headline(scores: Scores) -> dict[str, float]:
    """The scores that runs are compared by."""
    return {f"final/{t}": v for t, v in scores.items() if t.startswith(("error/", "divergence/"))}


def coefficient_lines(solver: Solver) -> list[str]:
    """The problem's coefficients, a line each:  `nu 0.02490 ± 0.00036 (95 %)`."""
    known = solver.solution.estimates
    lines = []
    for name, value in solver.problem.coefficients().items():
        if name not in known:
            lines.append(f"{name} {value:.6g}")
        elif known[name].settled:
            lines.append(f"{name} {known[name]}")
        else:
            lines.append(
                f"{name} {known[name]}, still moving by {known[name].left:.1g}: train longer"
            )
    return lines


def found_coefficients(solver: Solver) -> dict[str, float]:
    """The coefficients, and half the lengths of their intervals, that runs are compared by."""
    found = {f"final/{n}": value for n, value in solver.problem.coefficients().items()}
    known = solver.solution.estimates
    return found | {f"final/{n}_95": e.half_width for n, e in known.items()}


def settings(solver: Solver) -> dict[str, str | int | float | bool]:
    """What was asked for, flat, for the table of hyperparameters."""
    flat: dict[str, str | int | float | bool] = {}

    def walk(prefix: str, value: object) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else key, item)
        elif isinstance(value, list):
            for index, item in enumerate(value, start=1):
                walk(f"{prefix}.{index}", item)
        elif value is not None:
            flat[prefix] = value if isinstance(value, str | int | float | bool) else str(value)

    walk("", solver.describe())
    return flat
