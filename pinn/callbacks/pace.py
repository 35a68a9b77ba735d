"""A few steps of each phase, to know what the whole run will take."""

import math
import sys
import time
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch

from pinn.base.console import say
from pinn.callbacks.announcement import Announcement
from pinn.callbacks.finite_loss import FiniteLoss
from pinn.callbacks.interrupt import Interrupt
from pinn.callbacks.phase_start import PhaseStart
from pinn.callbacks.progress import clock
from pinn.optim import Phase
from pinn.training.solver import Solver

TRIED = 3  # steps of a phase, the first of which records or compiles


class FewSteps(L.Callback):
    """Take a few steps of each phase of the first stage, and say what the run will take.

    Args:
        every: steps between validations of the run; infinite for none.
    """

    def __init__(self, every: float) -> None:
        self.every = every
        self.times: dict[int, list[float]] = {}
        self.since = 0.0

    @classmethod
    def attach(cls, trainer: Any) -> None:
        """Let a trainer only check: without files, pictures, validations and the user's callbacks,
        which have been made, and looked at, by now.
        """
        validates = trainer.limit_val_batches != 0
        check = cls(float(trainer.val_check_interval) if validates else math.inf)
        trainer.loggers, trainer.limit_val_batches = [], 0
        kept = PhaseStart | Announcement | FiniteLoss
        own = [c for c in trainer.callbacks if isinstance(c, kept)]
        trainer.callbacks = [*own, check, Interrupt()]

    def on_train_batch_start(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """A step begins."""
        self.since = time.perf_counter()

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Time the step, and go on to the next phase when the pace of this one is known."""
        schedule = solver.schedule
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times = self.times.setdefault(schedule.phase, [])
        times.append(time.perf_counter() - self.since)
        last = schedule.phase + 1 == len(schedule.phases)
        if (len(times) < TRIED and not schedule.ended) or (schedule.ended and not last):
            return
        if last:
            schedule.stage = len(schedule.stages) - 1
        schedule.end("check", "enough to know its pace")
        schedule.bound()

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Say what was found."""
        for line in self.lines(solver):
            say(line)
        say("checked   no file is kept; remove --check to train")

    def pace(self, number: int) -> float:
        """Seconds of a step of a phase, the first one left out."""
        times = self.times[number]
        return min(times[1:] or times)

    def lines(self, solver: Solver) -> Iterator[str]:
        """What each phase takes, the memory, and the run."""
        phases = solver.schedule.phases
        for number, phase in enumerate(phases[: len(self.times)]):
            first, each = self.times[number][0], self.pace(number)
            yield (
                f"pace      phase {number + 1} {phase.optimizer}: {short(each)} per step, "
                f"{short(first)} for the first one"
            )
        if solver.rounds is not None:
            yield f"memory    {peak(solver) / 1e9:.2f} GB up to now; later rounds take more"
            yield "estimate  none: how many rounds follow is found by the residual"
            return
        yield f"memory    {peak(solver) / 1e9:.2f} GB at most"
        steps, seconds = self.whole(solver, phases)
        began = time.perf_counter()
        solver.assess()
        judged = time.perf_counter() - began
        count = int(steps // self.every) + 1
        yield (
            f"estimate  {steps:.0f} steps in about {short(seconds)}, and {short(count * judged)} "
            f"for {count} validation{'s' if count > 1 else ''}; phases may end earlier"
        )

    def whole(self, solver: Solver, phases: list[Phase]) -> tuple[float, float]:
        """The steps of the run, and their seconds, at most."""
        schedule, total, seconds = solver.schedule, 0.0, 0.0
        for _ in schedule.stages:
            for number, phase in enumerate(phases[: len(self.times)]):
                each = self.pace(number)
                steps = min(phase.steps or math.inf, schedule.most - total)
                spent = min(steps * each, phase.seconds or math.inf)
                total += min(steps, max(1.0, spent // each))
                seconds += spent + (self.times[number][0] - each if steps > 0 else 0.0)
        return total, seconds


def short(seconds: float) -> str:
    """A time in milliseconds, seconds, or as a clock has it."""
    if seconds >= 100:
        return clock(seconds)
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


def peak(solver: Solver) -> float:
    """The largest memory so far, in bytes: that of the GPU, or of the process on a CPU."""
    device = next(solver.parameters()).device
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows has none
        return math.nan
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(used) * (1 if sys.platform == "darwin" else 1024)
