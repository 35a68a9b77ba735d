"""What came out: the table that ends a run."""

import importlib.util
import math
import shlex
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from rich.table import Table

from pinn.assessment.scores import Scores
from pinn.base.console import Activity, command_of, say, show
from pinn.solution.plans import unread_parameters
from pinn.solution.quantities import QuantityValue
from pinn.training.solver import Solver
from pinn.training.verdict import verdict

Setting = str | int | float | bool


class Report(L.Callback):
    """Assess the final weights, log how good they are, and print it once the run is over."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first_step = 0
        self.assessed_step = -1
        self.checking = Activity("checking the solution")
        self.is_due = False
        self.folder: str | None = None

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """Count all of the run's time from here; loggers write a file of what was asked for."""
        self.began = time.perf_counter()
        if stage == "fit" and trainer.enable_autolog_hparams and hasattr(solver, "collocation"):
            for logger in trainer.loggers:
                logger.log_hyperparams(asked(trainer, solver))

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count steps from here."""
        self.first_step = trainer.global_step

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Assess and log."""
        solver.estimate()
        if new := self.assessed_step != trainer.global_step:
            with self.checking:
                solver.scores = solver.assess()
                solver.conclude()
            solver.publish("", solver.scores)
        for logger in trainer.loggers:
            if new:
                logger.log_metrics(solver.scores, trainer.global_step)
            if isinstance(logger, TensorBoardLogger):
                logger.log_hyperparams(asked(trainer, solver), final(solver), trainer.global_step)
            else:
                logger.log_metrics(final(solver), trainer.global_step)
        self.is_due, self.folder = True, trainer.log_dir  # for which every process has to ask

    def on_fit_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Print, after pictures and checkpoints."""
        self.tell(trainer, solver)

    def on_exception(self, trainer: L.Trainer, solver: Any, exception: BaseException) -> None:
        """Print what is known, though pictures or checkpoints have failed."""
        self.tell(trainer, solver)

    def tell(self, trainer: Any, solver: Solver) -> None:
        """Print how good the final weights are, once."""
        if not self.is_due:
            return
        self.is_due = False
        steps, seconds = trainer.global_step - self.first_step, solver.watch.seconds
        show_scores(solver)
        say(spent(steps, seconds, time.perf_counter() - self.began))
        if solver.reference is None:
            say("no reference is known for these parameters: errors are not shown")
        else:
            say(f"errors are against {solver.reference.source}")
        if self.folder and not trainer.fast_dev_run:
            say(f"files: {Path(self.folder)}")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                advise(logger.log_dir)

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """These weights are assessed; a run that only validates shows how good they are."""
        self.assessed_step = trainer.global_step
        if trainer.state.fn == "validate":
            show_scores(solver)


def show_scores(solver: Solver) -> None:
    """Print the scores, the quantities and the coefficients."""
    show(score_table(solver.scores))
    for line in solver.conclusion.lines if solver.rounds is None else verdict(solver.rounds):
        say(line)
    if values := solver.solution.quantities():
        show(quantity_table(values))
        for line in quantity_lines(values):
            say(line)
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
        if group not in ("error", "quantity", "estimate") and name.endswith("rms"):
            label = f"residual of {name.removesuffix('_rms')}" if group == "residual" else group
            maximum = scores[tag.removesuffix("rms") + "max"]
            table.add_row(label, *[""] * len(names), f"{value:.2e}", f"{maximum:.2e}")
    return table


def quantity_table(values: Mapping[str, QuantityValue]) -> Table:
    """One row per quantity of the problem: its value, and the one that is known."""
    known = any(value.reference is not None for value in values.values())
    at = next(iter(values.values())).at
    where = ", ".join(f"{name} = {value:g}" for name, value in at.items())
    table = Table(title=f"quantities at {where}" if at else "quantities")
    table.add_column("quantity")
    for name in ("value", *(("reference", "error") if known else ())):
        table.add_column(name, justify="right")
    for name, value in values.items():
        cells = [f"{value.value:.6g}"]
        if value.reference is not None:
            cells += [f"{value.reference:.6g}", f"{value.error:.2e}"]
        table.add_row(name, *cells)
    return table


def quantity_lines(values: Mapping[str, QuantityValue]) -> Iterator[str]:
    """Why a quantity has no value, how little it is settled, and where references come from."""
    for name, value in values.items():
        if value.failure:
            yield f"warning   {value.failure}"
        elif not value.is_settled:
            yield (
                f"warning   quantity {name!r}: twice the points change its integrals by "
                f"{value.change:.1e} of their size, so it has no more digits than that"
            )
    judged = {name: value for name, value in values.items() if value.reference is not None}
    for source in dict.fromkeys(value.source for value in judged.values() if value.source):
        names = ", ".join(name for name, value in judged.items() if value.source == source)
        yield f"reference of {names}: {source}"


def coefficient_lines(solver: Solver) -> list[str]:
    """The problem's coefficients, a line each:  `nu 0.02490 ± 0.00036 (95 %)`."""
    lines, unread = [], unread_parameters(solver.solution)
    for name, value in solver.problem.coefficients().items():
        known = solver.solution.estimates.get(name)
        text = f"{value:.6g}" if known is None else str(known)
        if name in unread:
            text = f"{value:.6g}, which no equation reads: it was not trained"
        elif known is not None and not math.isfinite(known.half_width):
            text += ": equations and data do not determine it"
        elif known is not None and not known.settled:
            text += f", still moving by {known.left:.1g}: train longer"
        lines.append(f"{name} {text}")
    return lines


def coefficient_values(solver: Solver) -> dict[str, float]:
    """The coefficients, and half the lengths of their intervals."""
    halves = {f"{n}_95": known.half_width for n, known in solver.solution.estimates.items()}
    return solver.problem.coefficients() | halves


def final(solver: Solver) -> dict[str, float]:
    """The scores and the coefficients that runs are compared by."""
    scores = {
        t: v
        for t, v in solver.scores.items()
        if t.startswith(("error/", "divergence/", "quantity/"))
    }
    return {f"final/{name}": v for name, v in (scores | coefficient_values(solver)).items()}


def outcome(solver: Solver) -> dict[str, float]:
    """The last loss, the scores and the coefficients, that the runs of a sweep are compared by."""
    loss = math.nan if solver.loss is None else float(solver.loss)
    return {"loss": loss, **solver.scores, **coefficient_values(solver)}


def asked(trainer: Any, solver: Solver) -> dict[str, Setting]:
    """What was asked for, and what a run of a sweep has of the keys that are swept."""
    swept = getattr(trainer, "labels", {})
    again = {key.removeprefix("model.").replace(".init_args", "") for key in swept}
    flat = settings(solver.describe())
    return {k: v for k, v in flat if k.replace(".init_args", "") not in again} | swept


def settings(value: object, key: str = "") -> Iterator[tuple[str, Setting]]:
    """Plain data as dotted keys with their values, for the table of hyperparameters."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value, start=1)
        for name, item in pairs:
            yield from settings(item, f"{key}.{name}".removeprefix("."))
    elif value is not None:
        yield key, value if isinstance(value, str | int | float | bool) else str(value)
