"""What came out: the table that ends a run."""

import importlib.util
import math
import shlex
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from rich.table import Table

from pinn.assessment.scores import Scores
from pinn.base.console import Activity, command_of, say, show
from pinn.callbacks.stopwatch import Stopwatch, Timed
from pinn.solution.plans import unread_parameters
from pinn.training.solver import Solver


class Report(Timed):
    """Assess the final weights; print and log how good they are."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = Stopwatch()
        self.first_step = 0
        self.assessed_step = -1
        self.checking = Activity("checking the solution")

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """Count all of the run's time from here, and note what was asked for."""
        self.whole = Stopwatch()
        self.whole.start()
        if stage == "fit" and trainer.enable_autolog_hparams:
            log_settings(trainer, solver)

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count steps from here."""
        super().on_train_start(trainer, solver)
        self.first_step = trainer.global_step

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Assess, log, print."""
        new = self.assessed_step != trainer.global_step
        solver.estimate()
        if new:
            with self.checking:
                solver.scores = solver.assess()
            solver.publish("", solver.scores)
        self.whole.stop()
        for logger in trainer.loggers:
            if new:
                logger.log_metrics(solver.scores, trainer.global_step)
            final = headline(solver.scores) | found_coefficients(solver)
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(asked(trainer, solver), final, trainer.global_step)
            else:
                logger.log_metrics(final, trainer.global_step)
        show(score_table(solver.scores))
        steps = trainer.global_step - self.first_step
        for line in coefficient_lines(solver):
            say(line)
        say(spent(steps, self.watch.seconds, self.whole.seconds))
        if solver.reference is None:
            say("no reference is known for these parameters: errors are not shown")
        else:
            say(f"errors are against {solver.reference.source}")
        folder = trainer.log_dir  # every process has to ask
        if folder and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            say(f"files: {Path(folder)}")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                advise(logger.log_dir)

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """These weights are assessed; a run that only validates shows how good they are."""
        self.assessed_step = trainer.global_step
        if trainer.state.fn == "validate":
            show(score_table(solver.scores))
            for line in coefficient_lines(solver):
                say(line)


def spent(steps: int, training: float, whole: float) -> str:
    """Where the time went, in parts that add up."""
    pace = f"{steps / max(training, 1e-9):.1f} steps per second"
    if 0 < steps < training:
        pace = f"{training / steps:.1f} s each"
    rest = max(whole - training, 0.0)
    return (
        f"{steps} step{'s' if steps != 1 else ''} in {training:.0f} s, {pace}; "
        f"{rest:.0f} s more for set-up, validation and pictures"
    )


def advise(folder: str | Path) -> None:
    """Say how to look at a folder with TensorBoard, where that is installed."""
    if importlib.util.find_spec("tensorboard") is not None:
        say(f"look at it: {shlex.join([*command_of('tensorboard'), '--logdir', str(folder)])}")


def score_table(scores: Scores) -> Table:
    """One row per quantity: errors first, then residuals."""
    errors = [t for t in scores if t.startswith("error/") and not t.endswith("_everywhere")]
    everywhere = any(f"{tag}_everywhere" in scores for tag in errors)
    names = ["relative L2"] * bool(errors) + ["everywhere"] * everywhere
    table = Table(title="how good it is")
    table.add_column("quantity")
    for name in (*names, "RMS", "maximum"):
        table.add_column(name, justify="right")
    for tag in errors:
        whole = scores.get(f"{tag}_everywhere")
        shown = [f"{scores[tag]:.2e}"] + [f"{whole:.2e}" if whole is not None else ""] * everywhere
        table.add_row(f"error of {tag.removeprefix('error/')}", *shown, "", "")
    table.add_section()
    for tag, value in scores.items():
        group, name = tag.split("/", 1)
        if group != "error" and name.endswith("rms"):
            label = f"residual of {name.removesuffix('_rms')}" if group == "residual" else group
            maximum = scores[tag.removesuffix("rms") + "max"]
            table.add_row(label, *[""] * len(names), f"{value:.2e}", f"{maximum:.2e}")
    return table


def log_settings(trainer: L.Trainer, solver: Solver) -> None:
    """Give every logger what was asked for, before it writes a file of none."""
    if hasattr(solver, "collocation"):
        for logger in trainer.loggers:
            logger.log_hyperparams(asked(trainer, solver))


def headline(scores: Scores) -> dict[str, float]:
    """The scores that runs are compared by."""
    return {f"final/{t}": v for t, v in scores.items() if t.startswith(("error/", "divergence/"))}


def coefficient_lines(solver: Solver) -> list[str]:
    """The problem's coefficients, a line each:  `nu 0.02490 ± 0.00036 (95 %)`."""
    known = solver.solution.estimates
    lines, unread = [], unread_parameters(solver.solution)
    for name, value in solver.problem.coefficients().items():
        if name in unread:
            lines.append(f"{name} {value:.6g}, which no equation reads: it was not trained")
        elif name not in known:
            lines.append(f"{name} {value:.6g}")
        elif not math.isfinite(known[name].half_width):
            lines.append(f"{name} {known[name]}: equations and data do not determine it")
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


def asked(trainer: Any, solver: Solver) -> dict[str, str | int | float | bool]:
    """What was asked for, and what a run of a sweep has of the keys that are swept."""
    swept = getattr(trainer, "labels", {})
    again = {key.removeprefix("model.").replace(".init_args", "") for key in swept}
    flat = settings(solver).items()
    return {k: v for k, v in flat if k.replace(".init_args", "") not in again} | swept


def outcome(solver: Solver) -> dict[str, float]:
    """The last loss, the scores and the coefficients, that the runs of a sweep are compared by."""
    loss = math.nan if solver.loss is None else float(solver.loss)
    found = {"loss": loss, **solver.scores}
    return found | {n.removeprefix("final/"): v for n, v in found_coefficients(solver).items()}


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
