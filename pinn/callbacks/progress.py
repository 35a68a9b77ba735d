"""Progress: a bar on a terminal, lines elsewhere; both say the same."""

import math
import shutil
import statistics
import sys
import time
from collections import deque
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar
from tqdm import tqdm

from pinn.base.console import is_terminal, say
from pinn.training.lightning_adapter import last_step, validates
from pinn.training.solver import Solver

APART = 0.1  # seconds between two pictures of the bar: nobody reads faster
FEW = 50  # steps of a phase of which each is shown
SILENT = 3.0  # seconds between two lines, at first
SLOWER = 20  # later lines are this part of the time so far apart
MOST = 60.0  # but no more than this
RECENT = 10  # steps that the time left is judged by
BAR = 12  # characters of the bar


def progress_bar(bar: bool | None = None) -> "Track":
    """A bar or lines; by default what suits standard output."""
    bar = is_terminal() if bar is None else bar
    return Bar() if bar else Lines()


class Track(L.Callback):
    """Where a run stands, in words; `Bar` and `Lines` show it."""

    def __init__(self) -> None:
        super().__init__()
        self.began = self.since = time.perf_counter()
        self.phase = (-1, -1)
        self.lasted: deque[float] = deque(maxlen=RECENT)
        self.judged = -1
        self.found = ""

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count time from here."""
        self.began, self.phase, self.judged = time.perf_counter(), (-1, -1), -1

    def on_train_batch_start(self, *_: Any) -> None:
        """Time the step."""
        self.since = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """A step is done."""
        if self.phase != (now := (solver.schedule.stage, solver.schedule.phase)):
            self.phase = now
            self.lasted.clear()
        self.lasted.append(time.perf_counter() - self.since)

    def on_validation_end(self, trainer: L.Trainer, solver: Any) -> None:
        """A validation found errors: keep them with the loss of the same step, and show them."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.judged, self.found = trainer.global_step, loss_of(solver)
            self.draw(trainer, solver)

    def draw(self, trainer: L.Trainer, solver: Solver) -> None:
        """Show where the run stands."""

    def head(self, solver: Solver, trainer: L.Trainer) -> tuple[str, str]:
        """The phase, and the step: `phase 1/2` and `12/15`; with rounds `round 3` and `7`."""
        schedule, last = solver.schedule, last_step(trainer)
        if solver.rounds is not None:
            number = len(solver.rounds.outcomes) + (solver.rounds.next is None)  # else it is over
            return f"round {number}", f"{trainer.global_step}"
        stages, phases = len(schedule.stages), len(schedule.phases)
        stage = f"stage {schedule.stage + 1}/{stages} " if stages > 1 else ""
        of = "" if last == math.inf else f"/{last:.0f}"
        return f"{stage}phase {schedule.phase + 1}/{phases}", f"{trainer.global_step}{of}"

    def left(self, solver: Solver, trainer: L.Trainer) -> str:
        """Time that the phase still takes, by the pace of its last steps; the run's, if it ends."""
        schedule, phase = solver.schedule, solver.schedule.current
        if solver.rounds is not None:
            return ""  # nobody knows how many rounds follow
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
        told = [f"error {errors}" for errors in choices]
        if self.judged != step:
            told = [f"(at step {self.judged}: loss {self.found} {errors})" for errors in told]
        return [*(f"loss {loss}  {text}" for text in told), f"loss {loss}"]


def loss_of(solver: Solver) -> str:
    """The total loss that the last step has led to, as text; empty before there is one."""
    return "" if solver.loss is None else f"{float(solver.loss):.2e}"


def errors_of(solver: Solver) -> dict[str, float]:
    """The headline error of each component."""
    tags = {t.removeprefix("error/"): v for t, v in solver.scores.items() if t.startswith("error/")}
    return {name: value for name, value in tags.items() if not name.endswith("_everywhere")}


def clock(seconds: float) -> str:
    """Seconds as `0:05`, `12:40` or `1:02:03`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def blocks(part: float) -> str:
    """A bar of a part between 0 and 1."""
    full = round(part * BAR)
    done, rest = ("█", "░") if "utf" in (sys.stdout.encoding or "").lower() else ("#", ".")
    return done * full + rest * (BAR - full)


class Bar(Track, ProgressBar):
    """One bar over all steps."""

    drawn = 0.0

    def disable(self) -> None:
        """Only the first process has a bar."""

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """One bar for the whole run, whose line is written here: tqdm keeps others apart."""
        super().on_train_start(trainer, solver)
        columns = shutil.get_terminal_size().columns  # tqdm shows nothing where it is not known
        silent, kept = not trainer.is_global_zero, {"file": sys.stdout, "bar_format": "{desc}"}
        self.train_progress_bar: Any = tqdm(disable=silent, ncols=columns, **kept)
        self.draw(trainer, solver)

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Move to the present step."""
        super().on_train_batch_end(trainer, solver)
        schedule = solver.schedule
        short = schedule.current.steps is not None and schedule.current.steps <= FEW
        if short or schedule.ended or time.perf_counter() - self.drawn >= APART:
            self.draw(trainer, solver)

    def draw(self, trainer: L.Trainer, solver: Solver) -> None:
        """Move to the present step; phases that end early bring the end of the run closer."""
        self.drawn = time.perf_counter()
        bar, last = self.train_progress_bar, last_step(trainer)
        bar.n, bar.total = trainer.global_step, None if last == math.inf else last
        phase, step = self.head(solver, trainer)
        part = blocks(trainer.global_step / last) if 0 < last < math.inf else ""
        time_ = clock(self.drawn - self.began), self.left(solver, trainer)
        head = " ".join(text for text in (phase, step, part, *time_) if text) + "  "
        bar.ncols = shutil.get_terminal_size().columns
        columns = bar.ncols - 1
        values = self.values(solver, trainer.global_step)
        fits = [text for text in values if len(head + text) <= columns]
        bar.set_description_str((head + (fits or [""])[0])[:columns])

    def on_train_epoch_end(self, trainer: L.Trainer, solver: Any) -> None:
        """The last step, whenever the one before was drawn."""
        self.draw(trainer, solver)
        self.train_progress_bar.close()


class Lines(Track):
    """A line every few seconds at most, further apart the longer the run.

    Args:
        seconds: between lines at first.
    """

    def __init__(self, seconds: float = SILENT) -> None:
        super().__init__()
        self.seconds = seconds
        self.said = self.compared = -math.inf

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Print if it is time; a step that is about to be validated waits for its errors."""
        super().on_train_batch_end(trainer, solver)
        if not validates(trainer):
            self.draw(trainer, solver)

    def draw(self, trainer: L.Trainer, solver: Solver) -> None:
        """Print where the run stands, unless something of the kind was printed just now."""
        now, step = time.perf_counter(), trainer.global_step
        judged = self.judged == step
        last = self.compared if judged else self.said
        apart = max(self.seconds, min((now - self.began) / SLOWER, MOST)) if self.seconds else 0.0
        # The last step's line would repeat what the report says just below.
        if now - last < apart or step >= last_step(trainer):
            return
        self.said = now
        if judged:
            self.compared = now
        phase, count = self.head(solver, trainer)
        text = self.values(solver, step)[0] if judged else f"loss {loss_of(solver)}"
        parts = phase, f"step {count}", text, self.left(solver, trainer)
        say("  ".join(part for part in parts if part))
