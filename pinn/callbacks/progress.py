"""Progress: a bar on a terminal, lines elsewhere; both say the same."""

import math
import shutil
import statistics
import sys
import time
from collections import deque
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import Tqdm

from pinn.base.console import is_terminal, say
from pinn.optim import LevenbergMarquardt
from pinn.training.lightning_adapter import validates
from pinn.training.solver import Solver

APART = 0.1  # seconds between two pictures of the bar: nobody reads faster
FEW = 50  # steps of a phase of which each is shown
SILENT = 3.0  # seconds between two lines, at first
SLOWER = 20  # later lines are this part of the time so far apart
MOST = 60.0  # but no more than this
RECENT = 10  # steps that the time left is judged by
BAR = 12  # characters of the bar


def progress_bar(bar: bool | None = None) -> L.Callback:
    """A bar or lines; by default what suits standard output."""
    bar = is_terminal() if bar is None else bar
    return Bar() if bar else Lines()


class Track:
    """Where a run stands, in words."""

    def __init__(self) -> None:
        self.began = self.since = time.perf_counter()
        self.phase = (-1, -1)
        self.lasted: deque[float] = deque(maxlen=RECENT)
        self.judged = -1
        self.found = ""

    def start(self) -> None:
        """A step begins."""
        self.since = time.perf_counter()

    def stop(self, solver: Solver) -> None:
        """A step is done."""
        if self.phase != (now := (solver.schedule.stage, solver.schedule.phase)):
            self.phase = now
            self.lasted.clear()
        self.lasted.append(time.perf_counter() - self.since)

    def judge(self, solver: Solver, step: int) -> None:
        """A validation found errors: keep them with the loss of the same step."""
        self.judged, self.found = step, loss_of(solver)

    @property
    def seconds(self) -> float:
        """Since the first step began."""
        return time.perf_counter() - self.began

    def head(self, solver: Solver, trainer: L.Trainer) -> tuple[str, str]:
        """The phase, and the step: `phase 1/2` and `12/15`."""
        schedule, last = solver.schedule, last_step(trainer)
        stages, phases = len(schedule.stages), len(schedule.phases)
        stage = f"stage {schedule.stage + 1}/{stages} " if stages > 1 else ""
        of = "" if last == math.inf else f"/{last:.0f}"
        return f"{stage}phase {schedule.phase + 1}/{phases}", f"{trainer.global_step}{of}"

    def left(self, solver: Solver, trainer: L.Trainer) -> str:
        """Time that the phase still takes, by the pace of its last steps; the run's, if it ends."""
        schedule, phase = solver.schedule, solver.schedule.current
        bounds = [] if phase.seconds is None else [phase.seconds - schedule.seconds]
        if self.lasted and phase.steps is not None:
            ends = min(schedule.start + phase.steps, last_step(trainer))
            steps = ends - trainer.global_step
            bounds.append(steps * statistics.median_low(self.lasted))
        if not bounds or len(self.lasted) < 2:
            return ""
        more = "" if schedule.is_last else " in this phase"
        return f"left {clock(max(min(bounds), 0.0))}{more}"

    def values(self, solver: Solver, step: int) -> list[str]:
        """The loss with the errors of the same step, in as much detail as there may be room for.

        Errors of an earlier step come with the loss of that step.
        """
        loss, found = loss_of(solver), errors_of(solver)
        if not found or self.judged < 0:
            return [f"loss {loss}"] if loss else [""]
        worst = max(found, key=lambda name: (math.isnan(found[name]), found[name]))
        alls = " ".join(f"{name} {value:.1e}" for name, value in found.items())
        choices = [alls, f"{worst} {found[worst]:.1e}"]
        if self.judged == step:
            return [*(f"loss {loss}  error {errors}" for errors in choices), f"loss {loss}"]
        earlier = [f"at step {self.judged}: loss {self.found} error {e}" for e in choices]
        return [*(f"loss {loss}  ({text})" for text in earlier), f"loss {loss}"]


def loss_of(solver: Solver) -> str:
    """The total loss as text; empty before there is one."""
    found = last_loss(solver)
    return "" if found is None else f"{found:.2e}"


def last_loss(solver: Solver) -> float | None:
    """The total loss; of Levenberg–Marquardt the one that its step has led to."""
    optimizer = solver.trainer.optimizers[0]
    if isinstance(optimizer, LevenbergMarquardt) and math.isfinite(optimizer.loss):
        return optimizer.loss
    return float(solver.terms["total"]) if "total" in solver.terms else None


def errors_of(solver: Solver) -> dict[str, float]:
    """The headline error of each component."""
    tags = {t.removeprefix("error/"): v for t, v in solver.scores.items() if t.startswith("error/")}
    return {name: value for name, value in tags.items() if not name.endswith("_everywhere")}


def clock(seconds: float) -> str:
    """Seconds as `0:05`, `12:40` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def last_step(trainer: L.Trainer) -> float:
    """The step at which the run ends at the latest; infinite where time alone bounds it."""
    return trainer.max_steps if trainer.max_steps >= 0 else math.inf


def blocks(part: float) -> str:
    """A bar of a part between 0 and 1."""
    full = round(part * BAR)
    done, rest = ("█", "░") if "utf" in (sys.stdout.encoding or "").lower() else ("#", ".")
    return done * full + rest * (BAR - full)


class Bar(TQDMProgressBar):
    """One bar over all steps."""

    drawn = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.track = Track()

    def init_train_tqdm(self) -> Tqdm:
        """A bar whose line is written here: tqdm keeps it apart from other lines."""
        columns = shutil.get_terminal_size().columns  # tqdm shows nothing where it is not known
        kept = {"leave": True, "file": sys.stdout, "bar_format": "{desc}"}
        return Tqdm(disable=self.is_disabled, ncols=columns, **kept)

    @property
    def total_train_batches(self) -> float:
        """The steps of the run; the loader itself has no end."""
        return last_step(self.trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """One bar for the whole run, continued where a resumed run stands."""
        self.track = Track()
        self.train_progress_bar.reset()
        self.train_progress_bar.initial = trainer.global_step
        self.draw(trainer, trainer.lightning_module)

    def on_train_batch_start(self, *_: Any) -> None:
        """Time the step."""
        self.track.start()

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Move to the present step."""
        self.track.stop(solver)
        schedule = solver.schedule
        short = schedule.current.steps is not None and schedule.current.steps <= FEW
        if short or schedule.ended or time.perf_counter() - self.drawn >= APART:
            self.draw(trainer, solver)

    def draw(self, trainer: L.Trainer, solver: Any) -> None:
        """Show where the run stands; phases that end early bring its end closer."""
        self.drawn = time.perf_counter()
        bar, last = self.train_progress_bar, last_step(trainer)
        bar.n, bar.total = trainer.global_step, None if last == math.inf else last
        phase, step = self.track.head(solver, trainer)
        part = blocks(trainer.global_step / last) if 0 < last < math.inf else ""
        time_ = clock(self.track.seconds), self.track.left(solver, trainer)
        head = " ".join(text for text in (phase, step, part, *time_) if text) + "  "
        bar.ncols = shutil.get_terminal_size().columns
        columns = bar.ncols - 1
        values = self.track.values(solver, trainer.global_step)
        fits = [text for text in values if len(head + text) <= columns]
        bar.set_description_str((head + (fits or [""])[0])[:columns])

    def on_train_epoch_end(self, trainer: L.Trainer, solver: Any) -> None:
        """The last step, whenever the one before was drawn."""
        self.draw(trainer, solver)

    def on_validation_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Validation is one evaluation: it needs no bar."""

    def on_validation_batch_start(self, *_: Any, **__: Any) -> None:
        """No bar."""

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """No bar."""

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Show new errors at once."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.track.judge(solver, trainer.global_step)
            self.draw(trainer, solver)


class Lines(L.Callback):
    """A line every few seconds at most, further apart the longer the run.

    Args:
        seconds: between lines at first.
    """

    def __init__(self, seconds: float = SILENT) -> None:
        self.seconds = seconds
        self.track = Track()
        self.said = self.compared = -math.inf

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count time from here."""
        self.track = Track()
        self.said = self.compared = -math.inf

    def on_train_batch_start(self, *_: Any) -> None:
        """Time the step."""
        self.track.start()

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Print if it is time; a step that is about to be validated waits for its errors."""
        self.track.stop(solver)
        if not validates(trainer):
            self.line(trainer, solver, self.said)

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Print the errors if it is time."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.track.judge(solver, trainer.global_step)
            self.line(trainer, solver, self.compared)

    def line(self, trainer: L.Trainer, solver: Solver, last: float) -> None:
        """Print where the run stands, unless something of the kind was printed just now."""
        now, step = self.track.seconds, trainer.global_step
        apart = max(self.seconds, min(now / SLOWER, MOST)) if self.seconds else 0.0
        # The last step's line would repeat what the report says just below.
        if now - last < apart or step >= last_step(trainer):
            return
        self.said = now
        if self.track.judged == step:
            self.compared = now
        phase, count = self.track.head(solver, trainer)
        values = self.track.values(solver, step) if self.track.judged == step else []
        text = values[0] if values else f"loss {loss_of(solver)}"
        parts = phase, f"step {count}", text, self.track.left(solver, trainer)
        say("  ".join(part for part in parts if part))
